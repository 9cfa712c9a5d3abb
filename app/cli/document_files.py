"""The files in which documents come: GraphQL itself, or the list of them that a client's build writes as JSON.

Formats: Apollo's persisted query manifest (`{"format": "apollo-persisted-query-manifest", "version": 1, "operations":
[{"id", "name", "type", "body"}]}`), and the map from hash to document of graphql-codegen's client preset
(persisted-documents.json) and of Relay's compiler (persistConfig.file).
"""

import hashlib
from pathlib import Path
from typing import Any

import orjson

from app.errors import InvalidInput

_APOLLO = "apollo-persisted-query-manifest"
_HOW_TO_HASH = (
    "Documents are asked for by the SHA-256 of their text, so let the build use it: with Apollo do without "
    "createOperationId; with graphql-codegen set persistedDocuments.hashAlgorithm to sha256; with Relay set "
    "persistConfig.algorithm to SHA256."
)


def read_documents(path: Path) -> list[str]:
    """The documents in a file, each exactly as its clients send it. Raises InvalidInput naming the file."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror}.") from None
    if path.suffix.lower() == ".json":
        return _of_manifest(path, content)
    try:
        return [content.decode()]
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path} is not UTF-8, from byte {error.start} on.") from None


def _of_manifest(path: Path, content: bytes) -> list[str]:
    try:
        manifest = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise InvalidInput(f"{path} is not JSON: {error.msg}, line {error.lineno} column {error.colno}.") from None
    entries = _entries(manifest)
    if not entries:
        raise InvalidInput(
            f"{path} has no list of documents: neither Apollo's persisted query manifest, version 1, nor an object "
            "whose names are hashes and whose values are documents."
        )
    for identifier, text in entries:
        if identifier.removeprefix("sha256:").lower() != hashlib.sha256(text.encode()).hexdigest():
            raise InvalidInput(f"{path}: {identifier} is not the SHA-256 of its document. {_HOW_TO_HASH}")
    return [text for _, text in entries]


def _entries(manifest: Any) -> list[tuple[str, str]] | None:
    if not isinstance(manifest, dict):
        return None
    if manifest.get("format") == _APOLLO:
        operations = manifest.get("operations")
        if manifest.get("version") != 1 or not isinstance(operations, list):
            return None
        pairs = [(each.get("id"), each.get("body")) if isinstance(each, dict) else (None, None) for each in operations]
    else:
        pairs = list(manifest.items())
    texts = [(key, text) for key, text in pairs if isinstance(key, str) and isinstance(text, str)]
    return texts if len(texts) == len(pairs) else None
