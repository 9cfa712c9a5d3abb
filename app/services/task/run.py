"""Does a claimed task: read what it needs, call the model, record how it ended. No transaction is open meanwhile.

Each call of a model is an attempt. Where one fails and another model can do it, or an answer has to be mended, the next
attempt follows at once, in the same hands.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import structlog
from sqlalchemy import RowMapping

from app.db.availability import is_unavailable
from app.db.hot import Hot
from app.errors import InvalidInput
from app.events.output import OutputLog
from app.principal import Principal
from app.providers.chat import ChatProvider, Finished, Message, TextDelta, Usage
from app.providers.errors import ProviderError
from app.providers.registry import Providers
from app.services.billing import tokens
from app.services.billing.price import Price, cost_micros
from app.services.provider.clients import OwnProviders
from app.services.routing.ceilings import Ceilings
from app.services.routing.decide import Candidate
from app.services.routing.health import ModelHealth
from app.services.task import attempt, prompt
from app.services.task.attempt import Cost, Failure
from app.services.task.output import OutputWriter
from app.services.task.queries import Columns
from app.services.task.route import Route
from app.services.task.structured import OutputInvalid, parse_output, repair_messages
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

log = structlog.get_logger(__name__)
DATABASE_PATIENCE_SECONDS = 30.0
DATABASE_PAUSE_SECONDS = 0.3
NOTHING_USED = Cost(0, 0, 0, 0, estimated=False)
R = TypeVar("R")
# The version and the worker that a task names, each as JSON, or null.
_PARTS = """
    SELECT (SELECT to_jsonb(v) FROM template_versions v WHERE v.id = $1::uuid) AS version,
        (SELECT to_jsonb(w) FROM workers w WHERE w.id = $2::uuid) AS worker
"""


class Stop(StrEnum):
    """Why a running attempt is told to stop."""

    CANCELED = "canceled"
    LEASE_LOST = "lease_lost"
    SHUTDOWN = "shutdown"


@dataclass(slots=True)
class Control:
    """Between running attempts and whoever may stop them. What is being recorded is not interrupted: `stop` is heeded
    after it, where something follows. `attempt` is the number of the present one."""

    attempt: int
    stop: Stop | None = None
    recording: bool = False


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What running a task takes."""

    hot: Hot
    unit_of_work: UnitOfWorkFactory
    providers: Providers
    output: OutputLog
    own: OwnProviders
    health: ModelHealth
    ceilings: Ceilings


class Turn(NamedTuple):
    """What a model is asked, and how that ended: with an output, or with a failure and what it came from."""

    messages: tuple[Message, ...]
    output: Any = None
    failure: Failure | None = None
    error: ProviderError | OutputInvalid | None = None

    def after(self, route: Route) -> "Turn":
        """As the last of all: trying again can help where it could with any of the models."""
        if self.failure is None or not route.may_pass or not isinstance(self.error, ProviderError):
            return self
        moved_on = self.failure.retryable or self.error.moves_on
        return self._replace(failure=replace(self.failure, retryable=moved_on))


class Run:
    """A claimed task, from its first attempt in these hands to its last."""

    def __init__(self, tools: Toolbox, task: Columns, control: Control) -> None:
        self._tools = tools
        self._control = control
        self._principal = Principal.system(task["workspace_id"])
        self._writer = OutputWriter(tools.output, tools.unit_of_work, task["workspace_id"], task["id"], task["attempt"])
        self.task: Columns = task
        self.cost = NOTHING_USED

    async def execute(self) -> str:
        """Do it and record how it ended; says in a word how."""
        turn = await self._all_turns()
        await self._writer.close()

        held = await (self._succeed(turn.output) if turn.failure is None else self._fail(turn.failure))
        await self._writer.end()
        if not held:
            return "dropped: no longer the present attempt"
        return turn.failure.code if turn.failure else "succeeded"

    async def _succeed(self, output: Any) -> bool:
        self._control.recording = True
        tools, text = self._tools, self._writer.text
        held = await _patiently(lambda: attempt.succeed(tools.hot, self.task, output=output, text=text, cost=self.cost))
        if held:
            await tools.unit_of_work.wake_watchers({self.task["workspace_id"]})
        return held

    async def _fail(self, failure: Failure) -> bool:
        task_id, number, text = self.task["id"], self.task["attempt"], self._writer.text
        return await self._record(lambda uow: attempt.fail(uow, task_id, number, failure, text=text, cost=self.cost))

    async def stop(self, reason: Stop) -> None:
        """Record that it was told to stop, and what it had used until then."""
        if reason is Stop.LEASE_LOST:
            return
        end = attempt.cancel if reason is Stop.CANCELED else attempt.hand_back
        task_id, number = self.task["id"], self.task["attempt"]
        await self._record(lambda uow: end(uow, task_id, number, cost=self.cost, text=self._writer.text))
        await self._writer.end()

    async def _all_turns(self) -> Turn:
        """The last turn of those it takes: one, where the first model answers as it should."""
        route = Route.of(self.task)
        try:
            asked = await _patiently(self._prompt)
        except InvalidInput as error:
            # The template needs a part of the input which is not there: it has changed since the task was accepted.
            return Turn((), failure=Failure("invalid_input", error.message, retryable=False))
        turn = Turn((Message("user", asked.user),))
        may_mend = True
        while True:
            turn = await self._turn(asked, route.candidate, turn.messages)
            if isinstance(turn.error, OutputInvalid) and may_mend:
                may_mend = False
                messages = repair_messages(asked.user, self._writer.text, turn.error.problem)
                turn = turn._replace(messages=tuple(Message(role, part) for role, part in messages))
            elif isinstance(turn.error, ProviderError) and turn.error.moves_on and route.others:
                route = route.next(turn.error)
            else:
                return turn.after(route)
            assert turn.failure is not None
            if not await self._move_on(turn.failure, route):
                return turn

    async def _turn(self, asked: prompt.Prompt, candidate: Candidate, messages: tuple[Message, ...]) -> Turn:
        try:
            await self._ask(asked, candidate, messages)
            return Turn(messages, parse_output(self._writer.text, asked.output_schema))
        except ProviderError as error:
            failure = Failure(error.reason, error.message, error.retryable, error.retry_after)
            return Turn(messages, failure=failure, error=error)
        except OutputInvalid as error:
            return Turn(messages, failure=Failure(error.reason, error.message, retryable=True), error=error)
        except Exception:
            # A bug of ours must end this attempt and no other. What is logged has no input in it.
            log.exception("attempt broke", attempt=self.task["attempt"])
            message = "The service failed while it worked on this task."
            return Turn(messages, failure=Failure("internal", message, retryable=True))

    async def _ask(self, asked: prompt.Prompt, candidate: Candidate, messages: tuple[Message, ...]) -> None:
        """One call: its text goes to the writer, what it used into `cost`."""
        request = prompt.request(asked, candidate, messages, self.task)
        usage: Usage | None = None
        started = False
        try:
            async with self._provider(candidate) as provider, aclosing(provider.stream(request)) as stream:
                async for part in stream:
                    match part:
                        case TextDelta(text):
                            started = True
                            self._writer.write(text)
                        case Finished(usage=counted):
                            started, usage = True, counted
        except ProviderError as error:
            # A refusal is billed, and says so.
            started, usage = started or error.usage is not None, error.usage
            raise
        finally:
            # A call that was refused before it began used nothing.
            if started:
                sent = len(request.system) + sum(len(message.text) for message in messages)
                self.cost = _cost(candidate.price, usage, sent=sent, received=len(self._writer.text))

    @asynccontextmanager
    async def _provider(self, candidate: Candidate) -> AsyncIterator[ChatProvider]:
        """The installation's, or the workspace's own as it is now. Raises ProviderError where there is none."""
        key = candidate.connection
        if key is None:
            # How a workspace's own is says nothing about the vendor's to others, and its ceilings are its owner's.
            async with self._tools.ceilings.room(candidate.provider), self._tools.health.call(candidate.ref):
                yield self._tools.providers.get(candidate.provider)
            return
        found = await _patiently(lambda: self._tools.own.find(self.task["workspace_id"], key))
        if found is None or not found.enabled:
            raise ProviderError(candidate.connection_name or candidate.provider, "connection_gone", retryable=False)
        async with self._tools.own.use(found) as provider:
            yield provider

    async def _move_on(self, failure: Failure, route: Route) -> bool:
        """The next attempt, for the route as it is now. False where this one was not the present one any more."""
        await self._writer.close()

        async def record(uow: UnitOfWork) -> RowMapping | None:
            text, routing = self._writer.text, route.as_json()
            return await attempt.move_on(uow, self.task, failure, text=text, cost=self.cost, routing=routing)

        after = await self._record(record)
        if after is None:
            return False
        self.task, self.cost = after, NOTHING_USED
        self._control.attempt = after["attempt"]
        self._control.recording = False
        self._writer.begin(after["attempt"])
        if self._control.stop is not None:
            raise asyncio.CancelledError
        return True

    async def _prompt(self) -> prompt.Prompt:
        version_id, worker_id = self.task["template_version_id"], self.task["worker_id"]
        if version_id is None and worker_id is None:
            return prompt.build(self.task, None, None)
        (parts,) = await self._tools.hot.fetch(self._principal, _PARTS, version_id, worker_id)
        return prompt.build(self.task, parts["version"], parts["worker"])

    async def _record(self, action: Callable[[UnitOfWork], Awaitable[R]]) -> R:
        self._control.recording = True

        async def at_once() -> R:
            async with self._tools.unit_of_work(self._principal) as uow:
                return await action(uow)

        return await _patiently(at_once)


async def run_task(tools: Toolbox, task: Columns, control: Control) -> None:
    """From claim to record. To stop it, set `control.stop` and cancel it."""
    began = time.monotonic()
    structlog.contextvars.bind_contextvars(task_id=str(task["id"]), workspace_id=str(task["workspace_id"]))
    run = Run(tools, task, control)
    try:
        outcome = await run.execute()
    except asyncio.CancelledError:
        if control.stop is None:
            raise
        await run.stop(control.stop)
        return
    seconds = round(time.monotonic() - began, 3)
    number, micros = run.task["attempt"], run.cost.micros
    log.info("attempt ended", attempt=number, outcome=outcome, seconds=seconds, cost_micros=micros)


def _cost(price: Price, usage: Usage | None, *, sent: int, received: int) -> Cost:
    """`sent` and `received` are characters, for an estimate where the vendor gave no usage."""
    used = usage if usage is not None else Usage(tokens.estimate(sent), tokens.estimate(received))
    micros = cost_micros(price, used)
    return Cost(used.input_tokens, used.output_tokens, used.cached_input_tokens, micros, estimated=usage is None)


async def _patiently(action: Callable[[], Awaitable[R]]) -> R:
    """A database that is away for a moment must not cost an answer that has been paid for.

    Doing it twice is safe: where the first was done and only its confirmation lost, the attempt has ended already.
    """
    deadline = time.monotonic() + DATABASE_PATIENCE_SECONDS
    while True:
        try:
            return await action()
        except Exception as error:
            if not is_unavailable(error) or time.monotonic() > deadline:
                raise
            log.warning("waiting for the database", reason=type(error).__name__)
            await asyncio.sleep(DATABASE_PAUSE_SECONDS)
