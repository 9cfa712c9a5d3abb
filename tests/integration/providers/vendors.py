"""Each vendor's adapter, at the address of its fake."""

from app.providers.anthropic_messages import AnthropicMessages
from app.providers.chat import ChatProvider
from app.providers.openai_chat import OpenAIChat
from app.providers.replicate_predictions import ReplicatePredictions
from app.providers.timeouts import Timeouts

# What a fake calls the end of a call from which the client went away.
LEFT = {"replicate": "canceled"}
ROOTS = {
    "openai": "/openai/v1",
    "anthropic": "/anthropic",
    "huggingface": "/huggingface/v1",
    "replicate": "/replicate",
}


def provider_at(url: str, vendor: str, *, key: str = "key", timeouts: Timeouts | None = None) -> ChatProvider:
    if vendor == "anthropic":
        return AnthropicMessages(api_key=key, base_url=url, timeouts=timeouts)
    if vendor == "replicate":
        return ReplicatePredictions(api_token=key, base_url=url, timeouts=timeouts)
    return OpenAIChat(vendor, api_key=key, base_url=url, timeouts=timeouts)
