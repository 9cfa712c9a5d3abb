"""Server-sent events, read as the WHATWG HTML standard says (section 9.2.6, "Interpreting an event stream").

By hand, because an HTTP client's lines end at more characters than this standard's: a U+2028 in an answer would be
taken for the end of a field.
"""

import codecs
import re
from collections.abc import AsyncGenerator, AsyncIterator
from typing import NamedTuple

# Of one line. A vendor who sends more sends no answer to us.
MAX_CHARACTERS = 1_048_576
# A carriage return at the very end may be the first half of a line end.
_LINE_END = re.compile(r"\r\n|\n|\r(?=.)", re.DOTALL)


class ServerSentEvent(NamedTuple):
    """`kind` is "message" where the stream names none. The lines of `data` are joined with line feeds."""

    kind: str
    data: str


class EventTooLong(ValueError):
    """A line does not end."""


async def read_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[ServerSentEvent, None]:
    """The events of a response's body, as soon as each is there. An unfinished one at the end is dropped."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    rest, kind, data = "", "", list[str]()
    async for chunk in chunks:
        *lines, rest = _LINE_END.split(rest + decoder.decode(chunk))
        if len(rest) > MAX_CHARACTERS:
            raise EventTooLong("A line of the event stream does not end.")
        for line in lines:
            if not line:
                if data:
                    yield ServerSentEvent(kind or "message", "\n".join(data))
                kind, data = "", []
                continue
            name, _, value = line.partition(":")
            value = value.removeprefix(" ")
            if name == "event":
                kind = value
            elif name == "data":
                data.append(value)
