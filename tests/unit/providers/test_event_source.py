from collections.abc import AsyncIterator

import pytest

from app.providers.event_source import MAX_CHARACTERS, EventTooLong, ServerSentEvent, read_events


async def in_chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def events(*chunks: bytes) -> list[ServerSentEvent]:
    return [event async for event in read_events(in_chunks(*chunks))]


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        (b"event: output\nid: 1\ndata: Once\n\n", ("output", "Once")),
        (b"data: Once\n\n", ("message", "Once")),
        (b"event: output\ndata: two\ndata: lines\n\n", ("output", "two\nlines")),
        (b"event: output\ndata: a paragraph ends\ndata:\ndata:\n\n", ("output", "a paragraph ends\n\n")),
        (b"event: output\ndata:  indented\n\n", ("output", " indented")),
        (b": a comment\nretry: 10\nevent: done\ndata: {}\n\n", ("done", "{}")),
        (b"event: output\r\ndata: Once\r\n\r\n", ("output", "Once")),
        (b"event: output\rdata: Once\r\r\n", ("output", "Once")),
        ("data: line\u2028separator\n\n".encode(), ("message", "line\u2028separator")),
        ("\ufeffdata: marked\n\n".encode(), ("message", "marked")),
    ],
)
async def test_an_event_is_read_as_the_standard_says(stream: bytes, expected: tuple[str, str]) -> None:
    assert await events(stream) == [expected]


@pytest.mark.parametrize("stream", [b"event: done\ndata: {}\n", b"event: done\n\n", b"\n\n"])
async def test_what_is_no_whole_event_is_dropped(stream: bytes) -> None:
    assert await events(stream) == []


async def test_events_may_come_in_any_pieces() -> None:
    whole = "event: output\r\ndata: smørbrød\r\n\r\nevent: output\ndata: 🍕\n\n".encode()

    pieces = [bytes([byte]) for byte in whole]

    assert await events(*pieces) == await events(whole) == [("output", "smørbrød"), ("output", "🍕")]


async def test_a_line_without_an_end_is_not_collected_for_ever() -> None:
    with pytest.raises(EventTooLong):
        await events(b"data: ", *[b"x" * 65_536] * (MAX_CHARACTERS // 65_536 + 1))
