"""A provider that says what a test tells it to: for answers that the vendors' fakes cannot be made to give."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from app.providers.chat import END_TURN, ChatRequest, Finished, TextDelta, Usage


class Scripted:
    """Its answers in turn, the last one again and again. `hold` makes it wait before it ends each answer."""

    name = "openai"

    def __init__(self, *answers: str, hold: asyncio.Event | None = None) -> None:
        self._answers = list(answers)
        self._hold = hold
        self.requests: list[ChatRequest] = []
        self.closed = 0

    async def stream(self, request: ChatRequest) -> AsyncGenerator[TextDelta | Finished, None]:
        answer = self._answers[min(len(self.requests), len(self._answers) - 1)]
        self.requests.append(request)
        try:
            for word in _words(answer):
                yield TextDelta(word)
            if self._hold is not None:
                await self._hold.wait()
            yield Finished(END_TURN, Usage(10, 5))
        finally:
            self.closed += 1

    async def aclose(self) -> None:
        return None


def _words(text: str) -> Sequence[str]:
    return [f"{word} " for word in text.split(" ")]
