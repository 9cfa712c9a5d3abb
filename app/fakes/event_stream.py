"""Server-sent events the way vendors fail at them: slowly, half, or to a client that has gone."""

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from app.fakes.journal import Call


@dataclass(frozen=True, slots=True)
class Frame:
    """Bytes to send; `text` is the part of the answer they carry, None for the protocol's own frames."""

    wire: bytes
    text: str | None = None


class EventStream(StreamingResponse):
    """Sends the frames, `delay` seconds before each that carries text, and tells `call` how it ended.

    With `cut` the response never completes: the server closes the TCP connection in the middle of the
    chunked body, as a vendor's dying machine does.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        call: Call,
        *,
        headers: Mapping[str, str],
        media_type: str = "text/event-stream",
        delay: float = 0.0,
        cut: bool = False,
    ) -> None:
        super().__init__(iter(()), headers=headers, media_type=media_type)
        self._frames = frames
        self._call = call
        self._delay = delay
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        gone = asyncio.create_task(_gone(receive))
        delivered: list[str] = []
        outcome = "disconnected"
        try:
            for frame in self._frames:
                # Waiting at least one turn of the loop lets other calls proceed and a disconnect be noticed.
                await asyncio.wait({gone}, timeout=self._delay if frame.text is not None else 0)
                if gone.done():
                    return
                await send({"type": "http.response.body", "body": frame.wire, "more_body": True})
                delivered += [] if frame.text is None else [frame.text]
            outcome = "cut" if self._cut else "completed"
            if not self._cut:
                await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            gone.cancel()
            self._call.end(outcome, delivered)


async def _gone(receive: Receive) -> None:
    """Returns when the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass
