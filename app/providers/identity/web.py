"""What we ask of identity providers over HTTP: JSON, in bounded time and size, from the address given and no other."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import orjson

from app.settings import secure_url

SECONDS = 4.0
MAX_BYTES = 262_144


class IdentityProviderUnavailable(Exception):
    """It does not answer, or not with what it should. The message says which address, and what was wrong."""


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Hands out no more than MAX_BYTES of an answer, and none that is compressed: a small one could become large."""

    def __init__(self) -> None:
        self._inner = httpx2.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        secure_url(str(request.url))
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.headers.get("Content-Encoding", "identity") != "identity":
            await response.aclose()
            raise httpx2.DecodingError("The answer is compressed.", request=request)
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        response.stream = _Bounded(response.stream)
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    def __init__(self, stream: httpx2.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_BYTES:
                raise httpx2.DecodingError(f"The answer is larger than {MAX_BYTES} bytes.")
            yield chunk

    async def aclose(self) -> None:
        await self._stream.aclose()


class Web:
    """One a process. Redirects are not followed; proxies of the environment are not used."""

    def __init__(self) -> None:
        self.transport = BoundedTransport()
        self._client = httpx2.AsyncClient(transport=self.transport, timeout=SECONDS, follow_redirects=False)

    async def json(self, url: str) -> dict[str, Any]:
        """The JSON object at an address. Raises IdentityProviderUnavailable."""
        try:
            async with asyncio.timeout(SECONDS):
                response = await self._client.get(url, headers={"Accept": "application/json"})
            if response.status_code != httpx2.codes.OK:
                raise IdentityProviderUnavailable(f"{url} answers {response.status_code}.")
            content = orjson.loads(response.content)
        except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError, ValueError) as error:
            raise IdentityProviderUnavailable(f"{url}: {type(error).__name__}: {error}") from None
        if not isinstance(content, dict):
            raise IdentityProviderUnavailable(f"{url} is not a JSON object.")
        return content

    async def close(self) -> None:
        await self._client.aclose()
