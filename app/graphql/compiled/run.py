"""One execution of a plan: what is still awaited, and what has gone wrong.

All that needs no waiting is completed by plain calls. What a resolver promises is put down as pending, with the
position where it belongs, and completed there when it comes. Each has a task of its own, unless it is alone.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

from graphql import ExecutionResult, FieldNode, GraphQLError
from graphql.execution.values import VariableValues

from app.graphql.compiled.errors import Frame, is_within, located, nullable_from

if TYPE_CHECKING:
    from app.graphql.compiled.plan import Plan

# Gives the completed value; raises what is wrong with it.
Complete = Callable[["Run", Any, Frame], Any]


class Pending(NamedTuple):
    """What a position waits for."""

    awaitable: Any
    frame: Frame
    complete: Complete
    nodes: Sequence[FieldNode]


class Run:
    """The parts of its answer are filled in as values come; `nothing` says that null has come up to the very top."""

    def __init__(
        self, plan: "Plan", context: Any, root: Any, variables: VariableValues, *, hide_suggestions: bool
    ) -> None:
        self.plan = plan
        self.context = context
        self.root = root
        self.variables = variables
        self.hide_suggestions = hide_suggestions
        self.parts: list[dict[str, Any]] = []
        self.nothing = False
        self.errors: list[GraphQLError] = []
        # Of whatever is completed at the moment: empty whenever something is awaited.
        self.pending: list[Pending] = []
        # By their identity, which they keep as they are kept here.
        self._nulled: dict[int, Frame] = {}
        self._tasks: dict[asyncio.Task[None], Pending] = {}
        self._below: dict[int, list[asyncio.Task[None]]] | None = None
        self._waiter: asyncio.Future[None] | None = None

    @cached_property
    def executor(self) -> Any:
        """graphql-core's own, for what is rare: the whole of `info`, and types that have to be found out."""
        return self.plan.executor(self)

    def outcome(self) -> ExecutionResult:
        if self.nothing:
            return ExecutionResult(None, self.errors)
        data = self.parts[0] if len(self.parts) == 1 else {name: part[name] for part in self.parts for name in part}
        return ExecutionResult(data, self.errors or None)

    def failed(self, error: Exception, nodes: Sequence[FieldNode], frame: Frame) -> None:
        """The position's value while its parent is being completed. Raises where null may not stand there."""
        found = located(error, nodes, frame)
        if not frame[3]:
            raise found
        # What is below came last, and none of it has begun.
        while self.pending and is_within(self.pending[-1].frame, frame):
            discard(self.pending.pop().awaitable)
        self._null(frame, found)

    def nothing_left(self, error: GraphQLError) -> None:
        """Null has come up to the top while the operation's fields were being completed."""
        self._give_up_pending()
        self._null(None, error)

    def _failed_late(self, error: Exception, nodes: Sequence[FieldNode], frame: Frame) -> None:
        found = located(error, nodes, frame)
        position = nullable_from(frame)
        if position is not None:
            position[2][position[1]] = None
        # All of it is below what was waited for.
        self._give_up_pending()
        self._null(position, found)
        if position is not frame and self._tasks:
            self._cancel_below(position)

    def _null(self, frame: Frame | None, error: GraphQLError) -> None:
        if not self._is_nulled(frame):
            self.errors.append(error)
        if frame is None:
            self.nothing = True
        else:
            self._nulled[id(frame)] = frame

    def _is_nulled(self, frame: Frame | None) -> bool:
        if self.nothing:
            return True
        while frame is not None:
            if id(frame) in self._nulled:
                return True
            frame = frame[0]
        return False

    def _give_up_pending(self) -> None:
        while self.pending:
            discard(self.pending.pop().awaitable)

    def _cancel_below(self, position: Frame | None) -> None:
        if self._below is None:
            # Found out once for all that fails before others begin.
            self._below = {}
            for task, pending in self._tasks.items():
                frame: Frame | None = pending.frame
                while frame is not None:
                    self._below.setdefault(id(frame), []).append(task)
                    frame = frame[0]
        current = asyncio.current_task()
        for task in list(self._tasks) if position is None else self._below.get(id(position), ()):
            if task is not current:
                task.cancel()

    async def settle(self) -> None:
        """Until nothing is pending any more. Whoever gives up waiting ends all that was begun."""
        begun, self.pending = self.pending, []
        if len(begun) == 1:
            await self._drive(begun[0])
        else:
            self._start(begun)
        if not self._tasks:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        except BaseException:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            raise

    def _start(self, begun: list[Pending]) -> None:
        loop = asyncio.get_running_loop()
        self._below = None
        for pending in begun:
            task = loop.create_task(self._drive(pending))
            self._tasks[task] = pending
            task.add_done_callback(self._ended)

    async def _drive(self, pending: Pending) -> None:
        """What it leads to as well: in the same task as long as it is one thing after another."""
        while True:
            await self._complete(pending)
            begun, self.pending = self.pending, []
            if len(begun) != 1:
                if begun:
                    self._start(begun)
                return
            pending = begun[0]

    async def _complete(self, pending: Pending) -> None:
        awaitable, frame, complete, nodes = pending
        try:
            frame[2][frame[1]] = complete(self, await awaitable, frame)
        except Exception as error:
            self._failed_late(error, nodes, frame)

    def _ended(self, task: asyncio.Task[None]) -> None:
        pending = self._tasks.pop(task)
        error: BaseException | None
        if task.cancelled():
            # It may not even have begun.
            discard(pending.awaitable)
            error = None if self._is_nulled(pending.frame) else asyncio.CancelledError()
        else:
            error = task.exception()
        waiter = self._waiter
        if waiter is None or waiter.done():
            return
        if error is not None:
            waiter.set_exception(error)
        elif not self._tasks:
            waiter.set_result(None)


def discard(awaitable: Any) -> None:
    """What nobody waits for any more, and which may have begun or not."""
    if isinstance(awaitable, Coroutine):
        awaitable.close()
    elif isinstance(awaitable, asyncio.Future):
        # Others may wait for it. What goes wrong with it is not news to anybody.
        awaitable.add_done_callback(_noted)


def _noted(future: "asyncio.Future[Any]") -> None:
    if not future.cancelled():
        future.exception()
