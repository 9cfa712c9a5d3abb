"""HTTP to addresses that a workspace gives us: to public ones only, and nowhere else than was checked, within bounds.

The name is looked up for each new connection, every address it has is checked, and the connection is made to one of
those: whoever owns the name and changes it meanwhile (DNS rebinding) changes nothing. TLS still verifies the name.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import httpcore2
import httpx2

from app.providers.addresses import may_call

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
# The longest answer of a model is a few megabytes of events.
MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_CONNECTIONS = 100
_KEPT_CONNECTIONS = 10
_KEPT_SECONDS = 15.0
# Somebody's slow name server holds up those who bring their own endpoints, and nobody else.
_RESOLVER_THREADS = 8
# What a call of a model needs. The SDKs also send what their environment variables say: the operator's.
_SENT_HEADERS = frozenset(
    {
        *("host", "connection", "accept", "accept-encoding", "content-type", "content-length", "transfer-encoding"),
        *("user-agent", "authorization", "idempotency-key", "x-api-key", "anthropic-version", "anthropic-beta"),
    }
)
_MAPPED = (
    *(httpcore2.ConnectTimeout, httpcore2.ReadTimeout, httpcore2.WriteTimeout, httpcore2.PoolTimeout),
    *(httpcore2.ConnectError, httpcore2.ReadError, httpcore2.WriteError),
    *(httpcore2.LocalProtocolError, httpcore2.RemoteProtocolError, httpcore2.UnsupportedProtocol),
)


class Refused(httpx2.TransportError):
    """We do not call it, or do not go on reading. `reason` is one of ProviderError's; the message names no address."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Every address of a name, in the order in which they are to be tried."""
    found = await asyncio.get_running_loop().run_in_executor(
        _resolver(), lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    )
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


@cache
def _resolver() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_RESOLVER_THREADS, "resolve")


@cache
def _tls() -> ssl.SSLContext:
    return httpx2.create_ssl_context()


class CheckedNetwork(httpcore2.AsyncNetworkBackend):
    """Connects to addresses that may be called, and to none of a name that has one which may not."""

    def __init__(self, *, allow_private: bool, resolve: Resolve = resolve) -> None:
        self._allow_private = allow_private
        self._resolve = resolve
        self._inner: httpcore2.AsyncNetworkBackend = httpcore2.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore2's interface, here and below
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Raises Refused. `timeout` is for the look-up, and for each of the addresses."""
        failure: Exception = httpcore2.ConnectError("no address")
        for address in await self._checked(host, port, timeout):
            try:
                return await self._inner.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ASYNC109
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        raise Refused("address_refused")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _checked(self, host: str, port: int, seconds: float | None) -> Sequence[str]:
        try:
            async with asyncio.timeout(seconds):
                addresses = await self._resolve(host, port)
        except TimeoutError:
            raise httpcore2.ConnectTimeout("the name was not found in time") from None
        except (OSError, UnicodeError):
            raise httpcore2.ConnectError("the name was not found") from None
        if not all(may_call(address, allow_private=self._allow_private) for address in addresses):
            raise Refused("address_refused")
        return addresses


class GuardedTransport(httpx2.AsyncBaseTransport):
    """Proxies of the environment are not used. Raises httpx2's errors, and Refused."""

    def __init__(
        self,
        *,
        allow_private: bool,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        max_bytes: int = MAX_ANSWER_BYTES,
    ) -> None:
        self._schemes = {"https", "http"} if allow_private else {"https"}
        self._max_bytes = max_bytes
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=tls or _tls(),
            max_connections=MAX_CONNECTIONS,
            max_keepalive_connections=_KEPT_CONNECTIONS,
            keepalive_expiry=_KEPT_SECONDS,
            network_backend=CheckedNetwork(allow_private=allow_private, resolve=resolve),
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.scheme not in self._schemes:
            raise Refused("address_refused")
        # A small answer that is compressed could become a large one.
        request.headers["Accept-Encoding"] = "identity"
        assert isinstance(request.stream, httpx2.AsyncByteStream)
        url = request.url
        with _translated():
            response = await self._pool.handle_async_request(
                httpcore2.Request(
                    method=request.method,
                    url=httpcore2.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        assert isinstance(response.stream, AsyncIterable)
        stream = _Bounded(response.stream, self._max_bytes)
        answer = httpx2.Response(
            response.status, headers=response.headers, stream=stream, extensions=response.extensions
        )
        if answer.headers.get("Content-Encoding", "identity") != "identity":
            await answer.aclose()
            raise Refused("answer_too_large")
        return answer

    async def aclose(self) -> None:
        await self._pool.aclose()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: AsyncIterable[bytes], max_bytes: int) -> None:
        self._stream = stream
        self._left = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for chunk in self._stream:
                self._left -= len(chunk)
                if self._left < 0:
                    raise Refused("answer_too_large")
                yield chunk

    async def aclose(self) -> None:
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()


@contextmanager
def _translated() -> Iterator[None]:
    """httpcore2's errors as those of the same names in httpx2; a certificate that is not right as Refused."""
    try:
        yield
    except httpcore2.ConnectError as error:
        if error.args and isinstance(error.args[0], ssl.SSLCertVerificationError):
            raise Refused("certificate") from None
        raise httpx2.ConnectError(str(error)) from None
    except _MAPPED as error:
        raise getattr(httpx2, type(error).__name__)(str(error)) from None


async def send_no_others(request: httpx2.Request) -> None:
    """For the event hook `request` of a client: takes away every header that a call of a model does not need."""
    for name in set(request.headers) - _SENT_HEADERS:
        del request.headers[name]


def guarded_client(*, allow_private: bool) -> httpx2.AsyncClient:
    """For an SDK, which closes it. Redirects are not followed: they lead elsewhere than was checked."""
    return httpx2.AsyncClient(
        transport=GuardedTransport(allow_private=allow_private),
        follow_redirects=False,
        trust_env=False,
        event_hooks={"request": [send_no_others]},
    )


def plain_client() -> httpx2.AsyncClient:
    """The same for an address that the operator gave."""
    return httpx2.AsyncClient(verify=_tls(), follow_redirects=False, event_hooks={"request": [send_no_others]})
