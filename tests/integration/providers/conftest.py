import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

import pytest
import uvicorn
from starlette.applications import Starlette

from app.fakes.app import create_app
from app.fakes.faults import Fault, FaultKind
from app.fakes.journal import Call
from app.providers.chat import ChatProvider, ChatRequest, Finished, Message, TextDelta
from app.providers.errors import ProviderError
from app.providers.timeouts import Timeouts
from app.services.routing.configured import DEFAULT_MODELS
from tests.integration.providers.vendors import ROOTS, provider_at


@dataclass
class Fakes:
    url: str
    app: Starlette
    opened: list[ChatProvider]

    def order(self, vendor: str, kind: str, *, after: int = 20, delay: float = 1, retry_after: float = 1) -> None:
        fault = Fault(_fake_of(vendor), FaultKind(kind), after=after, delay=delay, retry_after=retry_after)
        self.app.state.faults.add(fault)

    def last_call(self, vendor: str) -> Call:
        call: Call = self.app.state.journal.calls(_fake_of(vendor))[-1]
        return call

    def provider(self, vendor: str, *, key: str = "key", timeouts: Timeouts | None = None) -> ChatProvider:
        provider = provider_at(f"{self.url}{ROOTS[_fake_of(vendor)]}", vendor, key=key, timeouts=timeouts)
        self.opened.append(provider)
        return provider


def _fake_of(vendor: str) -> str:
    return "openai" if vendor == "local" else vendor


@pytest.fixture(scope="session")
async def fakes_server() -> AsyncIterator[tuple[str, Starlette]]:
    app = create_app()
    # The socket listens from here on, so nobody has to wait for the server to be up.
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield f"http://127.0.0.1:{listener.getsockname()[1]}", app
    server.should_exit = True
    await serving


@pytest.fixture
async def fakes(fakes_server: tuple[str, Starlette]) -> AsyncIterator[Fakes]:
    url, app = fakes_server
    app.state.faults.clear()
    fakes = Fakes(url, app, [])
    yield fakes
    for provider in fakes.opened:
        await provider.aclose()


@pytest.fixture(params=["openai", "anthropic", "huggingface", "replicate", "local"])
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def chat_request(vendor: str) -> ChatRequest:
    question = Message("user", "Where is my parcel? It was due on Monday and nobody answers the telephone.")
    return ChatRequest(DEFAULT_MODELS[vendor], "You answer customers.", (question,), 500, temperature=0.2)


Ending = Finished | ProviderError
Run = Callable[[ChatProvider, ChatRequest], Awaitable[tuple[list[str], Ending]]]


@pytest.fixture
def run() -> Run:
    """Stream to the end: the deltas, and what ended them."""

    async def to_end(provider: ChatProvider, request: ChatRequest) -> tuple[list[str], Ending]:
        texts: list[str] = []
        endings: list[Ending] = []
        try:
            async with aclosing(provider.stream(request)) as stream:
                async for event in stream:
                    assert not endings, "nothing may follow Finished"
                    if isinstance(event, TextDelta):
                        texts.append(event.text)
                    else:
                        endings.append(event)
        except ProviderError as error:
            endings.append(error)
        (ending,) = endings
        return texts, ending

    return to_end
