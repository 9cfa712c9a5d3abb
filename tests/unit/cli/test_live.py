from collections.abc import AsyncGenerator
from typing import Any, cast

import pytest

from app.cli import live
from app.cli.client import Address, Client, Unreachable


class ScriptedClient:
    """Each subscription plays the next part of the script: events, then how it ends."""

    address = Address("http://bizq.example", "key")

    def __init__(self, *parts: list[Any]) -> None:
        self.parts = list(parts)
        self.asked: list[dict[str, Any]] = []

    async def subscribe(self, document: str, **variables: Any) -> AsyncGenerator[dict[str, Any], None]:
        self.asked.append(variables)
        for step in self.parts.pop(0):
            if isinstance(step, Exception):
                raise step
            yield step


def event(cursor: str, status: str = "RUNNING") -> dict[str, Any]:
    return {"taskEvents": {"cursor": cursor, "task": {"status": status}}}


def chunk(offset: int, text: str, *, attempt: int = 1, reset: bool = False, done: bool = False) -> dict[str, Any]:
    return {"taskOutput": {"attempt": attempt, "offset": offset, "text": text, "reset": reset, "done": done}}


def as_client(script: ScriptedClient) -> Client:
    return cast(Client, script)


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses are noted instead of waited for."""
    taken: list[float] = []

    async def pause(seconds: float) -> None:
        taken.append(seconds)

    monkeypatch.setattr(live, "sleep", pause)
    return taken


async def test_a_lost_stream_goes_on_after_the_last_cursor(pauses: list[float]) -> None:
    lost: list[bool] = []
    script = ScriptedClient(
        [event("a"), event("b"), Unreachable("gone")], [Unreachable("still")], [event("c", "SUCCEEDED")]
    )

    patience = live.Patience(60, lambda: lost.append(True))
    seen = [item["cursor"] async for item in live.events(as_client(script), patience, task_id="task_1")]

    assert seen == ["a", "b", "c"]
    assert [asked["after"] for asked in script.asked] == [None, "b", "b"]
    assert lost == [True]
    assert len(pauses) == 2


async def test_a_stream_that_completes_before_its_task_is_opened_again() -> None:
    script = ScriptedClient([event("a")], [event("b", "FAILED")])

    patience = live.Patience(60, lambda: None)
    seen = [item["cursor"] async for item in live.events(as_client(script), patience, task_id="task_1")]

    assert seen == ["a", "b"]


async def test_what_was_never_reached_is_an_error_at_once(pauses: list[float]) -> None:
    script = ScriptedClient([Unreachable("nobody there")])

    with pytest.raises(Unreachable, match="nobody there"):
        await anext(live.events(as_client(script), live.Patience(60, lambda: None)))

    assert pauses == []


async def test_patience_ends() -> None:
    script = ScriptedClient([event("a"), Unreachable("gone")])
    stream = live.events(as_client(script), live.Patience(0, lambda: None))

    await anext(stream)

    with pytest.raises(Unreachable, match="gone"):
        await anext(stream)


async def test_output_read_again_from_its_start_is_the_same_text() -> None:
    script = ScriptedClient(
        [chunk(0, "Dear "), chunk(5, "Anna"), Unreachable("gone")],
        [chunk(0, "Dear Anna, "), chunk(11, "yes"), chunk(14, "", done=True)],
    )

    patience = live.Patience(60, lambda: None)
    texts = [text async for text in live.output(as_client(script), patience, "task_1")]

    assert texts == ["Dear ", "Dear Anna", "Dear Anna, ", "Dear Anna, yes"]


def test_a_reset_or_another_attempt_begins_anew() -> None:
    transcript = live.Transcript()

    texts = [
        transcript.apply(part["taskOutput"])
        for part in (chunk(0, "wrong"), chunk(0, "right", reset=True), chunk(0, "new", attempt=2))
    ]

    assert texts == ["wrong", "right", "new"]
