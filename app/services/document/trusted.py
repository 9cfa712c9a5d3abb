"""Trusted documents as a serving process looks them up: by the hash that a request names."""

import time
from collections import OrderedDict

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

# One that is removed is refused everywhere after this time. One that is added is found at once: that there is none is
# not remembered.
CACHE_SECONDS = 2.0
CACHE_SIZE = 500
_DOCUMENT = text("SELECT trusted_document(:hash)")


class TrustedDocuments:
    """One a process. A document that is in use costs a look-up in every CACHE_SECONDS."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._cache: OrderedDict[bytes, tuple[float, str]] = OrderedDict()

    async def text(self, digest: bytes) -> str | None:
        """The document with this SHA-256; None where it is not trusted. Raises what an absent database raises."""
        found = self._cache.get(digest)
        if found is not None and found[0] > time.monotonic():
            return found[1]
        # From before the look-up: what is removed while it is on its way counts within the same time.
        until = time.monotonic() + CACHE_SECONDS
        async with self._engine.connect() as connection:
            document: str | None = await connection.scalar(_DOCUMENT, {"hash": digest})
        self._cache.pop(digest, None)
        if document is not None:
            self._cache[digest] = (until, document)
            if len(self._cache) > CACHE_SIZE:
                self._cache.popitem(last=False)
        return document
