"""The document of a request: its text, or the hash of one that was added beforehand (`bizq documents add`).

Two ways to name it: `extensions.persistedQuery {version: 1, sha256Hash}`, as Apollo's clients do, and `documentId`,
`sha256:` and the hash, of GraphQL over HTTP's appendix A, "Persisted Documents"; the hash alone is the same, as other
clients send it.
"""

import hashlib
import re
from collections.abc import Mapping
from typing import Any

from app.errors import AppError, ErrorCode, InvalidInput
from app.graphql.context import Context

_SHA256 = re.compile(r"[0-9a-f]{64}")
_HASH_PATH = ("extensions", "persistedQuery", "sha256Hash")


class DocumentUnknown(AppError):
    """Apollo's clients repeat the request with its text when they see the code that this gets at the edge."""

    code = ErrorCode.NOT_FOUND

    def __init__(self) -> None:
        super().__init__(
            "There is no document with this hash. Documents are not registered by sending them: the operator of the "
            "service adds them with `bizq documents add`."
        )


class DocumentNotTrusted(AppError):
    code = ErrorCode.FORBIDDEN

    def __init__(self) -> None:
        super().__init__(
            "This service executes only documents that its operator has added with `bizq documents add`, and this is "
            "none of them."
        )


async def document_of(request: Mapping[str, Any], context: Context) -> str:
    """The text to execute, of a GraphQL request whose parameters have the right types.

    Raises InvalidInput for a hash that is none or another document's, DocumentUnknown, DocumentNotTrusted.
    """
    text: str | None = request.get("query") or None
    digest, resources = named_digest(request), context.resources
    if text is None:
        if digest is None:
            raise InvalidInput("query is missing: the GraphQL document as a string.", ("query",))
        text = await resources.documents.text(digest)
        if text is None:
            raise DocumentUnknown
        return text
    if digest is not None or resources.settings.bizq_trusted_only:
        own = hashlib.sha256(text.encode()).digest()
        if digest not in (None, own):
            raise InvalidInput("The hash is not the SHA-256 of query: leave one of the two out.", _HASH_PATH)
        if resources.settings.bizq_trusted_only and await resources.documents.text(own) is None:
            raise DocumentNotTrusted
    return text


def named_digest(request: Mapping[str, Any]) -> bytes | None:
    """The SHA-256 that the request names; None where it names none. Raises InvalidInput."""
    named = [_of_document_id(request.get("documentId")), _of_persisted_query(request.get("extensions"))]
    digests = {digest for digest in named if digest is not None}
    if len(digests) > 1:
        raise InvalidInput("documentId and extensions.persistedQuery name different documents.", ("documentId",))
    return digests.pop() if digests else None


def _of_document_id(value: object) -> bytes | None:
    if value is None:
        return None
    found = value.removeprefix("sha256:") if isinstance(value, str) else ""
    if not _SHA256.fullmatch(found):
        raise InvalidInput("documentId is sha256: and 64 hexadecimal digits, in lower case.", ("documentId",))
    return bytes.fromhex(found)


def _of_persisted_query(extensions: object) -> bytes | None:
    value = extensions.get("persistedQuery") if isinstance(extensions, dict) else None
    if value is None:
        return None
    if not isinstance(value, dict) or value.get("version") != 1:
        raise InvalidInput("persistedQuery is an object; its version is 1.", _HASH_PATH[:2])
    found = value.get("sha256Hash")
    if not isinstance(found, str) or not _SHA256.fullmatch(found):
        raise InvalidInput("sha256Hash is 64 hexadecimal digits, in lower case.", _HASH_PATH)
    return bytes.fromhex(found)
