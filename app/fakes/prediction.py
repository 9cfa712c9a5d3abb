"""One prediction of the fake Replicate: it runs by itself, whether or not anybody looks."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.fakes import webhook
from app.fakes.faults import Fault, FaultKind, Tokens, told_usage
from app.fakes.journal import Call
from app.fakes.words import count_tokens

ENDED = frozenset({"succeeded", "failed", "canceled"})
_CREATED_AT = "2026-01-01T00:00:00.000Z"
_INTERRUPTED = "Prediction interrupted; please retry (code: PA)"
_FLAGGED = "The input or output was flagged as sensitive. Please try again with different inputs. (E005)"


@dataclass
class Prediction:
    """`pieces` is all that it is going to say, `said` how many of them it has said. `changed` is set at each change."""

    id: str
    url: str
    body: Mapping[str, Any]
    pieces: list[str]
    streams: bool
    call: Call
    fault: Fault | None
    status: str = "starting"
    error: str | None = None
    said: int = 0
    told: str | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        await asyncio.sleep(0)
        self._change("processing")
        for number, _ in enumerate(self.pieces):
            if self._is(FaultKind.REFUSAL) or (self._is(FaultKind.OVERLOADED_MIDSTREAM) and number == self._after):
                break
            await asyncio.sleep(self.fault.delay if self.fault is not None and self._is(FaultKind.SLOW) else 0)
            if self.status in ENDED:
                return
            self.said += 1
            self._change(self.status)
        if self._is(FaultKind.REFUSAL):
            await self.end("failed", _FLAGGED)
        elif self._is(FaultKind.OVERLOADED_MIDSTREAM):
            await self.end("failed", _INTERRUPTED)
        else:
            await self.end("succeeded")

    async def end(self, status: str, error: str | None = None) -> None:
        """Once; an end that comes second changes nothing."""
        if self.status in ENDED:
            return
        self.error = error
        self.call.end("completed" if status == "succeeded" else status, self.pieces[: self.said])
        self._change(status)
        if self.body.get("webhook"):
            self.told = await webhook.send(str(self.body["webhook"]), self.as_json())

    async def events(self) -> AsyncIterator[bytes]:
        """What its event stream brings; with a `cut` it ends in the middle."""
        sent = 0
        while True:
            for piece in self.pieces[sent : self.said]:
                if self._is(FaultKind.CUT) and sent == self._after:
                    return
                sent += 1
                yield _event("output", f"1767225600:{sent}", piece)
            if sent == self.said and self.status in ENDED:
                break
            self.changed.clear()
            await self.changed.wait()
        if self.status == "failed":
            yield _event("error", "1767225601:0", json.dumps({"detail": self.error}))
        reason = {} if self.status == "succeeded" else {"reason": "error" if self.error else "canceled"}
        yield _event("done", "1767225602:0", json.dumps(reason))

    def as_json(self) -> dict[str, Any]:
        urls = {"get": f"{self.url}/v1/predictions/{self.id}", "cancel": f"{self.url}/v1/predictions/{self.id}/cancel"}
        if self.streams:
            urls["stream"] = f"{self.url}/stream/v1/predictions/{self.id}"
        return {
            "id": self.id,
            "model": self.call.path.split("/models/")[-1].removesuffix("/predictions"),
            "version": "hidden",
            "input": self.body.get("input"),
            "logs": "",
            "output": self.pieces[: self.said] if self.said else None,
            "error": self.error,
            "status": self.status,
            "created_at": _CREATED_AT,
            "started_at": None if self.status == "starting" else _CREATED_AT,
            "completed_at": _CREATED_AT if self.status in ENDED else None,
            "metrics": self._metrics() if self.status in ENDED else {},
            "urls": urls,
        }

    @property
    def _after(self) -> int:
        return self.fault.after if self.fault is not None else 0

    def _is(self, kind: FaultKind) -> bool:
        return self.fault is not None and self.fault.kind is kind

    def _metrics(self) -> dict[str, float | int]:
        written = count_tokens("".join(self.pieces[: self.said]))
        told = told_usage(self.fault, Tokens(self.call.input_tokens, written))
        counts = {} if told is None else {"input_token_count": told.input, "output_token_count": told.output}
        return {"predict_time": 0.1, **counts}

    def _change(self, status: str) -> None:
        self.status = status
        self.changed.set()


def _event(kind: str, identifier: str, data: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in data.split("\n"))
    return f"event: {kind}\nid: {identifier}\n{lines}\n".encode()
