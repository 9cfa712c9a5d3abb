"""The vendors this installation can use."""

from collections.abc import Mapping

from app.providers.anthropic_messages import AnthropicMessages
from app.providers.chat import ChatProvider
from app.providers.errors import ProviderError
from app.providers.openai_chat import OpenAIChat

# llama.cpp and Ollama take any key; the SDK insists on one.
_LOCAL_API_KEY = "none"


class Providers:
    """The configured vendors by name. One per process: each keeps a pool of connections until `aclose`."""

    def __init__(self, providers: Mapping[str, ChatProvider]) -> None:
        self._providers = dict(providers)

    def names(self) -> tuple[str, ...]:
        return tuple(self._providers)

    def get(self, name: str) -> ChatProvider:
        """Raises ProviderError, not retryable, reason "not_configured"."""
        provider = self._providers.get(name)
        if provider is None:
            raise ProviderError(name, "not_configured", retryable=False)
        return provider

    async def aclose(self) -> None:
        for provider in self._providers.values():
            await provider.aclose()


def build_providers(
    *,
    openai_api_key: str | None,
    openai_base_url: str | None,
    anthropic_api_key: str | None,
    anthropic_base_url: str | None,
    local_base_url: str | None,
) -> Providers:
    """`openai` and `anthropic` where there is a key, `local` where there is an address (with its `/v1`)."""
    providers: dict[str, ChatProvider] = {}
    if openai_api_key:
        providers["openai"] = OpenAIChat("openai", api_key=openai_api_key, base_url=openai_base_url)
    if anthropic_api_key:
        providers["anthropic"] = AnthropicMessages(api_key=anthropic_api_key, base_url=anthropic_base_url)
    if local_base_url:
        providers["local"] = OpenAIChat("local", api_key=_LOCAL_API_KEY, base_url=local_base_url)
    return Providers(providers)
