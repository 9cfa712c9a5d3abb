"""What somebody says about a connection to a provider, checked. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from app.errors import InvalidInput
from app.models import ProviderKind
from app.models.provider_connection import HINT_LENGTH, MAX_MODEL_LENGTH, MAX_NAME_LENGTH
from app.providers.addresses import checked_base_url
from app.services.routing.decide import PREFERENCES

SHORTEST_KEY, LONGEST_KEY = 8, 500
# The end of a shorter one would be too much of it.
HINTED_FROM = 16
MAX_CONTEXT_TOKENS = 10_000_000
DEFAULT_CONTEXT_TOKENS = 8_192
DEFAULT_OUTPUT_TOKENS = 4_096
_NAME = re.compile(rf"[a-z][a-z0-9-]{{0,{MAX_NAME_LENGTH - 1}}}")
# Who says openai/… means the vendor.
_TAKEN = frozenset({*PREFERENCES["the default"], *ProviderKind})
_OF_SERVERS = ("base_url", "context_tokens", "max_output_tokens")
CHECKED = ("model", *_OF_SERVERS)
_PUBLISHED = {"base_url": "baseUrl", "context_tokens": "contextTokens", "max_output_tokens": "maxOutputTokens"}


@dataclass(frozen=True, slots=True)
class ConnectionValues:
    """None: not said. Sizes are in tokens."""

    api_key: str | None = field(default=None, repr=False)
    base_url: str | None = None
    model: str | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    enabled: bool | None = None

    def said(self) -> dict[str, Any]:
        """Without the key."""
        names = [each.name for each in fields(self) if each.name != "api_key"]
        return {name: value for name in names if (value := getattr(self, name)) is not None}


def checked_name(text: str) -> str:
    """Raises InvalidInput."""
    if not _NAME.fullmatch(text):
        raise InvalidInput(
            f"name has 1 to {MAX_NAME_LENGTH} lower-case letters, digits and hyphens, a letter first.", ("name",)
        )
    if text in _TAKEN:
        raise InvalidInput(f"{text} means the provider itself; choose another name, such as our-{text}.", ("name",))
    return text


def check_new(kind: ProviderKind, values: ConnectionValues) -> dict[str, Any]:
    """The columns of a new connection, but for its key. Raises InvalidInput naming the field."""
    if kind is ProviderKind.OPENAI_COMPATIBLE:
        for name, value in (("baseUrl", values.base_url), ("model", values.model)):
            if value is None:
                raise InvalidInput(f"A server of your own needs {name}.", (name,))
        context = values.context_tokens or DEFAULT_CONTEXT_TOKENS
        sizes = {"context_tokens": context, "max_output_tokens": min(DEFAULT_OUTPUT_TOKENS, context)}
    elif values.api_key is None:
        raise InvalidInput(f"Your own access to {kind} needs apiKey.", ("apiKey",))
    else:
        sizes = {}
    return {**sizes, **values.said()}


def check_values(
    kind: ProviderKind, columns: Mapping[str, Any], api_key: str | None, *, allow_private: bool
) -> dict[str, Any]:
    """The same columns, as they are stored. `columns` is all that the row will have. Raises InvalidInput."""
    if api_key is not None:
        _check_key(api_key)
    model = columns.get("model")
    if model is not None and (not 1 <= len(model) <= MAX_MODEL_LENGTH or not model.isprintable()):
        raise InvalidInput(f"model has 1 to {MAX_MODEL_LENGTH} printable characters.", ("model",))
    if kind is not ProviderKind.OPENAI_COMPATIBLE:
        for name in _OF_SERVERS:
            if columns.get(name) is not None:
                raise InvalidInput(f"{_PUBLISHED[name]} is for servers of your own.", (_PUBLISHED[name],))
        return dict(columns)
    _check_sizes(columns["context_tokens"], columns["max_output_tokens"])
    return {**columns, "base_url": checked_base_url(columns["base_url"], allow_private=allow_private)}


def hint_of(api_key: str) -> str | None:
    return api_key[-HINT_LENGTH:] if len(api_key) >= HINTED_FROM else None


def _check_key(key: str) -> None:
    if not SHORTEST_KEY <= len(key) <= LONGEST_KEY or not key.isascii() or not key.isprintable() or " " in key:
        raise InvalidInput(
            f"apiKey has {SHORTEST_KEY} to {LONGEST_KEY} characters of ASCII, without spaces.", ("apiKey",)
        )


def _check_sizes(context: int, output: int) -> None:
    if not 1 <= context <= MAX_CONTEXT_TOKENS:
        raise InvalidInput(f"contextTokens is 1 to {MAX_CONTEXT_TOKENS}.", ("contextTokens",))
    if not 1 <= output <= context:
        raise InvalidInput("maxOutputTokens is 1 to contextTokens.", ("maxOutputTokens",))
