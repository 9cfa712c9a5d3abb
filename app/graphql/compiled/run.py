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
        self._nulled: list[Frame | None] = []
        self._tasks: dict[asyncio.Task[None], Pending] = {}
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
        self.null(frame, found)

    def null(self, frame: Frame | None, error: GraphQLError) -> None:
        """Record an error whose effect ends here, and give up whatever is below."""
        if frame is None:
            self.nothing = True
        if not any(is_within(frame, outer) for outer in self._nulled):
            self.errors.append(error)
        self._nulled.append(frame)
        kept: list[Pending] = []
        for pending in self.pending:
            if is_within(pending.frame, frame):
                discard(pending.awaitable)
            else:
                kept.append(pending)
        self.pending = kept
        if self._tasks:
            current = asyncio.current_task()
            for task, pending in self._tasks.items():
                if task is not current and is_within(pending.frame, frame):
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
            found = located(error, nodes, frame)
            position = nullable_from(frame)
            if position is not None:
                position[2][position[1]] = None
            self.null(position, found)

    def _ended(self, task: asyncio.Task[None]) -> None:
        pending = self._tasks.pop(task)
        error: BaseException | None
        if task.cancelled():
            # It may not even have begun.
            discard(pending.awaitable)
            wanted = any(is_within(pending.frame, outer) for outer in self._nulled)
            error = None if wanted else asyncio.CancelledError()
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
