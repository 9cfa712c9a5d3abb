import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.exc import OperationalError

from app.events.output import OutputLogUnavailable
from app.services.task import attempt, output
from app.services.task.output import OutputWriter

TASK = UUID(int=7)


class FakeLog:
    """Keeps what is appended and when; `away` makes it fail as Redis does."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, str]] = []
        self.times: list[float] = []
        self.away = False
        self.attempt = 3

    async def append(self, task_key: str, *, attempt: int, offset: int, text: str) -> str:
        assert (task_key, attempt) == (str(TASK), self.attempt)
        await asyncio.sleep(0)
        if self.away:
            raise OutputLogUnavailable("away")
        self.entries.append((offset, text))
        self.times.append(time.monotonic())
        return f"{len(self.entries)}-0"

    @property
    def text(self) -> str:
        return "".join(text for _, text in self.entries)

    def assert_contiguous(self) -> None:
        assert [offset for offset, _ in self.entries] == [
            sum(len(text) for _, text in self.entries[:index]) for index in range(len(self.entries))
        ]


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The checkpoints."""
    texts: list[str] = []

    async def checkpoint(uow: object, task_id: UUID, number: int, text: str) -> None:
        assert (task_id, number) == (TASK, 3)
        texts.append(text)

    monkeypatch.setattr(attempt, "checkpoint", checkpoint)
    return texts


def writer(log: FakeLog, unit_of_work: Any = None) -> OutputWriter:
    @asynccontextmanager
    async def transaction(principal: object) -> AsyncIterator[None]:
        yield None

    return OutputWriter(log, unit_of_work or transaction, UUID(int=1), TASK, 3)  # type: ignore[arg-type]


async def test_first_piece_goes_at_once(log: FakeLog, kept: list[str]) -> None:
    began = time.monotonic()
    writing = writer(log)
    writing.write("Hello")
    while not log.entries:  # noqa: ASYNC110 the fake announces nothing
        await asyncio.sleep(0)

    assert log.entries == [(0, "Hello")]
    assert time.monotonic() - began < output.FLUSH_SECONDS / 2
    await writing.close()


async def test_a_fast_model_is_sent_on_twenty_times_a_second(log: FakeLog, kept: list[str]) -> None:
    writing = writer(log)
    for number in range(100):
        writing.write(f"{number} ")
        await asyncio.sleep(0.004)
    await writing.close()

    pauses = [after - before for before, after in zip(log.times, log.times[1:-1], strict=False)]
    assert min(pauses) > output.FLUSH_SECONDS * 0.9
    assert len(log.entries) <= (log.times[-1] - log.times[0]) * 20 + 2
    assert log.text == writing.text == "".join(f"{number} " for number in range(100))
    log.assert_contiguous()


async def test_checkpoint_after_so_many_characters(log: FakeLog, kept: list[str]) -> None:
    writing = writer(log)
    writing.write("x" * 4095)
    await writing.close()
    assert kept == []

    writing.write("y")
    await writing.close()
    assert kept == ["x" * 4095 + "y"]

    writing.write("z" * 4095)
    await writing.close()
    assert len(kept) == 1


async def test_checkpoint_after_so_long(log: FakeLog, kept: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(output, "CHECKPOINT_SECONDS", 0.1)
    writing = writer(log)
    writing.write("a")
    await asyncio.sleep(0.12)
    assert kept == []
    writing.write("b")
    await writing.close()

    assert kept == ["ab"]


async def test_a_lost_log_is_tolerated_and_offsets_go_on(log: FakeLog, kept: list[str]) -> None:
    writing = writer(log)
    log.away = True
    writing.write("lost ")
    await writing.close()
    log.away = False
    writing.write("kept")
    await writing.close()
    await writing.end()

    assert log.entries == [(5, "kept"), (9, "")]
    assert writing.text == "lost kept"


async def test_a_database_that_is_away_costs_a_checkpoint_and_no_text(log: FakeLog) -> None:
    @asynccontextmanager
    async def away(principal: object) -> AsyncIterator[None]:
        raise OperationalError("", {}, ConnectionError())
        yield

    writing = writer(log, away)
    writing.write("x" * 5000)
    await writing.close()
    writing.write("y")
    await writing.close()

    assert log.text == writing.text == "x" * 5000 + "y"


async def test_another_attempt_begins_at_offset_zero(log: FakeLog, kept: list[str]) -> None:
    writing = writer(log)
    writing.write("first")
    await writing.close()
    log.attempt = 4
    writing.begin(4)
    writing.write("second")
    await writing.close()
    await writing.end()

    assert log.entries == [(0, "first"), (0, "second"), (6, "")]
    assert writing.text == "second"


async def test_writing_never_waits_for_a_slow_log(log: FakeLog, kept: list[str]) -> None:
    opened = asyncio.Event()
    append = log.append

    async def slow(*arguments: Any, **named: Any) -> str:
        await opened.wait()
        return await append(*arguments, **named)

    log.append = slow  # type: ignore[method-assign]
    writing = writer(log)
    for _ in range(1000):
        writing.write("x")
    opened.set()
    await writing.close()

    assert log.text == "x" * 1000
    log.assert_contiguous()


async def test_what_cannot_be_stored_is_never_sent_nor_counted(log: FakeLog, kept: list[str]) -> None:
    writing = writer(log)
    writing.write("a\0")
    writing.write("\ud800")
    await writing.close()
    writing.write("b")
    await writing.close()

    assert log.entries == [(0, "a"), (1, "b")]
    assert writing.text == "ab"
