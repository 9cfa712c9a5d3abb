"""Calls to addresses that somebody else gave: what is checked is what is called, and nothing else."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpcore2
import httpx2
import pytest

from app.models import ProviderKind
from app.providers.chat import ChatRequest, Finished, Message, TextDelta
from app.providers.errors import ProviderError
from app.providers.guarded import GuardedTransport, Refused, resolve
from app.providers.own import Access, Reach, open_access
from tests.integration.mail.certificate import certificate
from tests.integration.provider.conftest import KEY, Hosted
from tests.integration.provider.server import ANSWER, answering, chunk, refusing, streaming

PUBLIC, OTHER = "93.184.216.34", "8.8.8.8"
CLOSED = Reach(None, None, allow_private=False)
OPEN = Reach(None, None, allow_private=True)
QUESTION = ChatRequest("llama", "", (Message("user", "Hello"),), max_tokens=100)


class Names:
    """A name server whose answers change with every question."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> Sequence[str]:
        self.asked.append(host)
        return self._answers[min(len(self.asked), len(self._answers)) - 1]


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that a connection was tried to; none is there."""
    addresses: list[str] = []

    class Nobody(httpcore2.AsyncNetworkBackend):
        async def connect_tcp(self, host: str, port: int, *_: Any) -> httpcore2.AsyncNetworkStream:
            addresses.append(host)
            raise httpcore2.ConnectError("nobody")

    monkeypatch.setattr(httpcore2, "AnyIOBackend", Nobody)
    return addresses


def guarded(names: Names, *, allow_private: bool = False, **more: Any) -> httpx2.AsyncClient:
    transport = GuardedTransport(allow_private=allow_private, resolve=names.resolve, **more)
    return httpx2.AsyncClient(transport=transport)


async def test_connection_is_made_to_the_addresses_that_were_checked_in_their_order(dialled: list[str]) -> None:
    names = Names([PUBLIC, OTHER])
    async with guarded(names) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("https://models.example.com/v1")

    assert (names.asked, dialled) == (["models.example.com"], [PUBLIC, OTHER])


async def test_name_that_leads_inside_the_second_time_is_refused_then(dialled: list[str]) -> None:
    async with guarded(Names([PUBLIC], ["127.0.0.1"])) as client:
        with pytest.raises(httpx2.ConnectError):
            await client.get("https://models.example.com")
        with pytest.raises(Refused, match="address_refused"):
            await client.get("https://models.example.com")

    assert dialled == [PUBLIC]


@pytest.mark.parametrize("inside", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1", "fe80::1%2"])
async def test_name_with_one_address_inside_is_not_called_at_all(dialled: list[str], inside: str) -> None:
    async with guarded(Names([PUBLIC, inside])) as client:
        with pytest.raises(Refused, match="address_refused"):
            await client.get("https://models.example.com")

    assert dialled == []


@pytest.mark.parametrize("host", ["127.1", "0x7f000001", "2130706433", "0177.0.0.1", "localhost", "[::1]", "0"])
async def test_other_ways_to_write_this_machine_are_seen_through(dialled: list[str], host: str) -> None:
    async with httpx2.AsyncClient(transport=GuardedTransport(allow_private=False, resolve=resolve)) as client:
        with pytest.raises((Refused, httpx2.InvalidURL, httpx2.ConnectError)):
            await client.get(f"https://{host}:8443/")

    assert dialled == []


async def test_plain_http_is_for_operators_who_allow_it(dialled: list[str]) -> None:
    async with guarded(Names([PUBLIC])) as client:
        with pytest.raises(Refused, match="address_refused"):
            await client.get("http://models.example.com")

    assert dialled == []


async def test_slow_name_server_is_not_waited_for(dialled: list[str]) -> None:
    async def never(host: str, port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    async with httpx2.AsyncClient(transport=GuardedTransport(allow_private=False, resolve=never)) as client:
        with pytest.raises(httpx2.ConnectTimeout):
            await client.get("https://models.example.com", timeout=0.05)


@asynccontextmanager
async def raw_server(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Answers every request so; yields its port."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    yield server.sockets[0].getsockname()[1]
    server.close()


async def test_certificate_is_that_of_the_name_and_not_of_the_address(tmp_path: Path) -> None:
    shown, trusted = certificate(tmp_path, name="models.example.com")
    trust = ssl.create_default_context(cafile=str(trusted))
    async with (
        raw_server(b"HTTP/1.1 204 No Content\r\n\r\n", shown) as port,
        guarded(Names(["127.0.0.1"]), allow_private=True, tls=trust) as client,
    ):
        assert (await client.get(f"https://models.example.com:{port}")).status_code == 204
        for wrong in ("other.example.com", "127.0.0.1"):
            with pytest.raises(Refused, match="certificate"):
                await client.get(f"https://{wrong}:{port}")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"x" * 2000),
    ],
    # gzip writes the time into its header, and both processes of a test run must see the same names.
    ids=["plain", "compressed"],
)
async def test_answer_that_is_too_large_or_could_become_so_is_not_read(answer: bytes) -> None:
    async with (
        raw_server(answer) as port,
        guarded(Names(["127.0.0.1"]), allow_private=True, max_bytes=1000) as client,
    ):
        with pytest.raises(Refused, match="answer_too_large"):
            await client.get(f"http://models.example.com:{port}")


async def failure_of(hosted: Hosted, reach: Reach = OPEN, *, key: str | None = KEY) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await parts_of(hosted, reach, key=key)
    return caught.value


async def parts_of(hosted: Hosted, reach: Reach = OPEN, *, key: str | None = KEY) -> list[TextDelta | Finished]:
    provider = open_access(Access(ProviderKind.OPENAI_COMPATIBLE, "berlin", key, hosted.url), reach)
    try:
        return [part async for part in provider.stream(QUESTION)]
    finally:
        await provider.aclose()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_not_followed(hosted: Hosted, status: int) -> None:
    hosted.server.behave = refusing(status, Location=f"{hosted.url}/elsewhere")

    error = await failure_of(hosted)

    assert (error.reason, error.retryable, error.moves_on, len(hosted.server.asked)) == ("redirected", False, True, 1)


async def test_address_that_was_allowed_before_is_not_called(hosted: Hosted) -> None:
    error = await failure_of(hosted, CLOSED)

    assert (error.reason, error.moves_on, hosted.server.asked) == ("address_refused", True, [])


async def test_what_the_operators_environment_tells_the_sdk_stays_here(
    hosted: Hosted, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "canary-5d1f0c"
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "OPENAI_ADMIN_KEY"):
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway-Key: {secret}")

    await parts_of(hosted, key=None)

    assert secret not in str(hosted.server.asked)


async def test_usage_that_cannot_be_is_not_believed(hosted: Hosted) -> None:
    for tokens in ((-1, 5), (2**40, 5), ("many", 7), (1.5, 2), (None, 3)):
        hosted.server.behave = answering(tokens=tokens)
        text, end = await parts_of(hosted)
        assert isinstance(end, Finished)
        assert (text, end.usage) == (TextDelta(ANSWER), None), tokens


@pytest.mark.parametrize(
    ("chunks", "reason"),
    [
        ([chunk({"content": {"a": 1}})], "not_understood"),
        ([{"choices": None}], "not_understood"),
        ([{"choices": [{"delta": None}]}], "not_understood"),
        ([chunk({"content": "x" * 20_000})], "answer_too_large"),
        ([chunk({"content": "no end"})], "stream_cut"),
        ([{"hello": "world"}], "not_understood"),
    ],
)
async def test_what_speaks_otherwise_is_an_error_and_no_accident(
    hosted: Hosted, chunks: list[dict[str, Any]], reason: str
) -> None:
    hosted.server.behave = streaming(*chunks)

    assert (await failure_of(hosted)).reason == reason
