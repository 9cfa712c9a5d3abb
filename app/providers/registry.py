"""The vendors this installation can use."""

from collections.abc import Mapping

from app.providers.anthropic_messages import AnthropicMessages
from app.providers.chat import ChatProvider
from app.providers.errors import ProviderError
from app.providers.openai_chat import OpenAIChat
from app.providers.replicate_predictions import Listen, ReplicatePredictions

# llama.cpp and Ollama take any key; the SDK insists on one.
_LOCAL_API_KEY = "none"
HUGGINGFACE_ROUTER = "https://router.huggingface.co/v1"


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
    huggingface_api_key: str | None = None,
    huggingface_base_url: str | None = None,
    replicate_api_token: str | None = None,
    replicate_base_url: str | None = None,
    replicate_webhook_url: str | None = None,
    local_base_url: str | None,
    listen: Listen | None = None,
) -> Providers:
    """Each vendor where there is a key, `local` where there is an address (with its `/v1`).

    `listen` brings the wakes for predictions whose end Replicate tells at `replicate_webhook_url`.
    """
    providers: dict[str, ChatProvider] = {}
    if openai_api_key:
        providers["openai"] = OpenAIChat("openai", api_key=openai_api_key, base_url=openai_base_url)
    if anthropic_api_key:
        providers["anthropic"] = AnthropicMessages(api_key=anthropic_api_key, base_url=anthropic_base_url)
    if huggingface_api_key:
        address = huggingface_base_url or HUGGINGFACE_ROUTER
        providers["huggingface"] = OpenAIChat("huggingface", api_key=huggingface_api_key, base_url=address)
    if replicate_api_token:
        providers["replicate"] = ReplicatePredictions(
            api_token=replicate_api_token,
            base_url=replicate_base_url,
            webhook_url=replicate_webhook_url,
            listen=listen,
        )
    if local_base_url:
        providers["local"] = OpenAIChat("local", api_key=_LOCAL_API_KEY, base_url=local_base_url)
    return Providers(providers)
