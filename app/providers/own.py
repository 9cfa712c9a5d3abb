"""A workspace's own access to a provider: its key of a vendor, or a server at an address of its own."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from app.errors import InvalidInput
from app.models import ProviderKind
from app.providers.addresses import checked_base_url
from app.providers.anthropic_messages import AnthropicMessages
from app.providers.chat import ChatProvider, ChatRequest, Finished, TextDelta, Usage
from app.providers.errors import ProviderError
from app.providers.guarded import guarded_client, plain_client
from app.providers.openai_chat import OpenAIChat
from app.settings import Settings

# Of a server that asks for none; the SDK insists on one.
_NO_KEY = "none"
# Far above what tokens are in any language. What a server sends beyond is not an answer of that many tokens.
_CHARACTERS_PER_TOKEN = 64
_LEAST_CHARACTERS = 10_000
# What the columns of attempts hold.
_MOST_TOKENS = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Access:
    """`base_url` is that of a server; vendors have none."""

    kind: ProviderKind
    name: str
    api_key: str | None = field(repr=False)
    base_url: str | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """How this installation reaches the vendors (None: at their own addresses), and whether it calls private addresses
    for its workspaces."""

    openai_base_url: str | None
    anthropic_base_url: str | None
    allow_private: bool

    @classmethod
    def of(cls, settings: Settings) -> "Reach":
        return cls(settings.openai_base_url, settings.anthropic_base_url, settings.bizq_allow_private_endpoints)


def open_access(access: Access, reach: Reach) -> ChatProvider:
    """A client of its own, to be closed. Raises ProviderError where the address may not be called (any more)."""
    match access.kind:
        case ProviderKind.OPENAI:
            assert access.api_key is not None
            return OpenAIChat(
                "openai", api_key=access.api_key, base_url=reach.openai_base_url, http_client=plain_client()
            )
        case ProviderKind.ANTHROPIC:
            assert access.api_key is not None
            return AnthropicMessages(
                api_key=access.api_key, base_url=reach.anthropic_base_url, http_client=plain_client()
            )
        case ProviderKind.OPENAI_COMPATIBLE:
            return Vetted(_server(access, reach))


def _server(access: Access, reach: Reach) -> OpenAIChat:
    assert access.base_url is not None
    try:
        base_url = checked_base_url(access.base_url, allow_private=reach.allow_private)
    except InvalidInput:
        raise ProviderError(access.name, "address_refused", retryable=False) from None
    client = guarded_client(allow_private=reach.allow_private)
    return OpenAIChat(access.name, api_key=access.api_key or _NO_KEY, base_url=base_url, http_client=client)


class Vetted:
    """A server that nobody vouches for: what it sends is text, numbers of tokens and an end, or it is an error.

    The SDK makes objects of whatever JSON comes, so an attribute may be of any type, or missing.
    """

    def __init__(self, inner: ChatProvider) -> None:
        self.name = inner.name
        self._inner = inner

    async def stream(self, request: ChatRequest) -> AsyncGenerator[TextDelta | Finished, None]:
        left = max(_LEAST_CHARACTERS, request.max_tokens * _CHARACTERS_PER_TOKEN)
        async with aclosing(self._inner.stream(request)) as parts:
            while True:
                try:
                    part = await anext(parts)
                except StopAsyncIteration:
                    return
                except (AttributeError, TypeError, ValueError, KeyError, RecursionError):
                    raise ProviderError(self.name, "not_understood", retryable=False) from None
                if isinstance(part, Finished):
                    yield replace(part, usage=_plausible(part.usage))
                    continue
                if not isinstance(part.text, str):
                    raise ProviderError(self.name, "not_understood", retryable=False)
                left -= len(part.text)
                if left < 0:
                    raise ProviderError(self.name, "answer_too_large", retryable=False)
                yield part

    async def aclose(self) -> None:
        await self._inner.aclose()


def _plausible(usage: Usage | None) -> Usage | None:
    """None where it cannot be: then it is estimated."""
    if usage is None:
        return None
    counts = (usage.input_tokens, usage.output_tokens, usage.cached_input_tokens)
    whole = all(isinstance(count, int) and 0 <= count <= _MOST_TOKENS for count in counts)
    return usage if whole and usage.cached_input_tokens <= usage.input_tokens else None
