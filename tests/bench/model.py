"""A stand-in for OpenAI that costs next to nothing: every call is answered after 2 ms with the same summary.

`bizq fakes` reads prompts and streams word by word, which would be half of what a task costs here.
"""

import asyncio
import json
import sys
from typing import cast

import uvloop

from app.embedded.port import LOOPBACK

LATENCY_SECONDS = 0.002
SUMMARY = "The storm closed the port for three days, and forty ships waited outside."
_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


def _answer() -> bytes:
    common = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_767_225_600, "model": "gpt-6-luna"}
    content = json.dumps({"summary": SUMMARY})
    deltas: list[tuple[dict[str, str], str | None]] = [({"role": "assistant", "content": content}, None), ({}, "stop")]
    chunks: list[dict[str, object]] = [
        {**common, "usage": None, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
        for delta, reason in deltas
    ]
    chunks.append(
        {**common, "choices": [], "usage": {"prompt_tokens": 150, "completion_tokens": 20, "total_tokens": 170}}
    )
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


class Model(asyncio.Protocol):
    """A connection of the SDK's, which sends one request at a time."""

    answer = _answer()

    def __init__(self) -> None:
        self._received = bytearray()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one in all but name.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(_HEAD_END)
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        size = int(head.partition(_LENGTH)[2].split(b"\r\n", 1)[0] or 0)
        if len(self._received) >= end + len(_HEAD_END) + size:
            self._received.clear()
            asyncio.get_running_loop().call_later(LATENCY_SECONDS, self._reply)

    def _reply(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(self.answer)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(Model, LOOPBACK, port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
