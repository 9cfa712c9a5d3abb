"""Does a claimed task: read what it needs, call the model, record how it ended. No transaction is open meanwhile."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, TypeVar

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.availability import is_unavailable
from app.db.reader import Reader
from app.errors import InvalidInput
from app.events.output import OutputLog
from app.principal import Principal
from app.providers.chat import Finished, Message, TextDelta, Usage
from app.providers.errors import ProviderError
from app.providers.prices import cost_micros, price_of
from app.providers.registry import Providers
from app.services.task import attempt, prompt
from app.services.task.output import OutputWriter
from app.services.task.structured import OutputInvalid, parse_output, repair_messages
from app.services.template import queries as templates
from app.services.worker import queries as workers
from app.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger(__name__)
CHARACTERS_PER_TOKEN = 4
DATABASE_PATIENCE_SECONDS = 30.0
DATABASE_PAUSE_SECONDS = 0.3
R = TypeVar("R")


class Stop(StrEnum):
    """Why a running attempt is told to stop."""

    CANCELED = "canceled"
    LEASE_LOST = "lease_lost"
    SHUTDOWN = "shutdown"


@dataclass(slots=True)
class Control:
    """Between a running attempt and whoever may stop it. What is being recorded is not interrupted any more."""

    stop: Stop | None = None
    recording: bool = False


@dataclass(frozen=True, slots=True)
class Toolbox:
    """What running a task takes."""

    engine: AsyncEngine
    unit_of_work: UnitOfWorkFactory
    providers: Providers
    output: OutputLog


class Meter:
    """Adds up what the turns of an attempt used, also of a turn that broke off."""

    def __init__(self, provider: str, model: str) -> None:
        self._price = price_of(provider, model)
        self._usage = Usage(0, 0, 0)
        self._estimated = False

    def add(self, usage: Usage | None, *, sent: int, received: int) -> None:
        """`sent` and `received` are characters, for an estimate where the vendor gave no usage."""
        if usage is None:
            self._estimated = True
            usage = Usage(-(-sent // CHARACTERS_PER_TOKEN), -(-received // CHARACTERS_PER_TOKEN), 0)
        total = self._usage
        self._usage = Usage(
            total.input_tokens + usage.input_tokens,
            total.output_tokens + usage.output_tokens,
            total.cached_input_tokens + usage.cached_input_tokens,
        )

    def cost(self) -> attempt.Cost:
        usage = self._usage
        micros = cost_micros(self._price, usage)
        return attempt.Cost(usage.input_tokens, usage.output_tokens, usage.cached_input_tokens, micros, self._estimated)


class Work(NamedTuple):
    """A task with the rows it names and the instruments of this attempt."""

    task: RowMapping
    prompt: prompt.Prompt
    writer: OutputWriter
    meter: Meter


async def run_task(tools: Toolbox, task: RowMapping, control: Control) -> None:
    """One attempt from claim to record. To stop it, set `control.stop` and cancel it."""
    began = time.monotonic()
    principal = Principal.system(task["workspace_id"])
    structlog.contextvars.bind_contextvars(task_id=str(task["id"]), workspace_id=str(task["workspace_id"]))
    task_id, number = task["id"], task["attempt"]
    route = task["routing"]
    meter = Meter(route["provider"], route["model"])
    writer = OutputWriter(tools.output, tools.unit_of_work, task["workspace_id"], task_id, number)
    failure: attempt.Failure | None = None
    output: Any = None
    try:
        ready = await _patiently(lambda: _prepare(tools, principal, task))
        work = Work(task, ready, writer, meter)
        output = await _produce(tools, work)
    except asyncio.CancelledError:
        if control.stop is None:
            raise
        control.recording = True
        await _stop(tools, principal, task, control.stop, writer, meter)
        return
    except ProviderError as error:
        failure = attempt.Failure(error.reason, error.message, error.retryable, error.retry_after)
    except OutputInvalid as error:
        failure = attempt.Failure(error.reason, error.message, retryable=True)
    except InvalidInput as error:
        # The prompt uses a part of the input that the template leaves optional, and it is not there.
        failure = attempt.Failure("invalid_input", error.message, retryable=False)
    except Exception:
        # A bug of ours must end this attempt and no other. What is logged has no input in it.
        log.exception("attempt broke", attempt=number)
        failure = attempt.Failure("internal", "The service failed while it worked on this task.", retryable=True)
    control.recording = True
    await writer.close()

    async def record() -> bool:
        async with tools.unit_of_work(principal) as uow:
            if failure is None:
                return await attempt.succeed(uow, task_id, number, output=output, text=writer.text, cost=meter.cost())
            return await attempt.fail(uow, task_id, number, failure, text=writer.text, cost=meter.cost())

    held = await _patiently(record)
    await writer.end()
    outcome = "dropped: no longer the present attempt" if not held else failure.code if failure else "succeeded"
    seconds = round(time.monotonic() - began, 3)
    log.info("attempt ended", attempt=number, outcome=outcome, seconds=seconds, cost_micros=meter.cost().micros)


async def _prepare(tools: Toolbox, principal: Principal, task: RowMapping) -> prompt.Prompt:
    reader = Reader(tools.engine, principal, keep=True)
    try:
        version = worker = None
        if task["template_version_id"] is not None:
            version = await reader.row(templates.versions_by_ids([task["template_version_id"]]))
        if task["worker_id"] is not None:
            worker = await reader.row(workers.by_ids([task["worker_id"]]))
    finally:
        await reader.close()
    return prompt.build(task, version, worker)


async def _produce(tools: Toolbox, work: Work) -> Any:
    """The checked output. An answer that does not fit its schema gets one more turn to mend it."""
    asked = (Message("user", work.prompt.user),)
    text = await _turn(tools, work, asked, turn=1)
    try:
        return parse_output(text, work.prompt.output_schema)
    except OutputInvalid as error:
        repair = repair_messages(work.prompt.user, text, error.problem)
    work.writer.restart()
    text = await _turn(tools, work, tuple(Message(role, part) for role, part in repair), turn=2)
    return parse_output(text, work.prompt.output_schema)


async def _turn(tools: Toolbox, work: Work, messages: tuple[Message, ...], *, turn: int) -> str:
    route = work.task["routing"]
    key = prompt.idempotency_key(work.task["id"], work.task["attempt"], turn)
    request = work.prompt.request(route["model"], messages, key)
    usage: Usage | None = None
    started = False
    try:
        async with aclosing(tools.providers.get(route["provider"]).stream(request)) as stream:
            async for part in stream:
                match part:
                    case TextDelta(text):
                        started = True
                        work.writer.write(text)
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
            work.meter.add(usage, sent=sent, received=len(work.writer.text))
    return work.writer.text


async def _stop(
    tools: Toolbox, principal: Principal, task: RowMapping, reason: Stop, writer: OutputWriter, meter: Meter
) -> None:
    if reason is Stop.LEASE_LOST:
        return
    end = attempt.cancel if reason is Stop.CANCELED else attempt.hand_back

    async def record() -> None:
        async with tools.unit_of_work(principal) as uow:
            await end(uow, task["id"], task["attempt"], cost=meter.cost(), text=writer.text)

    await _patiently(record)
    await writer.end()


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
