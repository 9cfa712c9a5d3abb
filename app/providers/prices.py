"""What the vendors charge, until the catalogue in the database says otherwise.

Standard rates per million tokens as published on 2026-11-22, from "Pricing" of OpenAI (developers.openai.com/
api/docs/pricing) and of Anthropic (platform.claude.com/docs/en/about-claude/pricing). Prompts above 272,000
tokens (OpenAI) or 100,000 tokens (Claude Haiku 5.5) cost more there; ours are shorter. A credit is a dollar.
"""

import re
from dataclasses import dataclass

from app.providers.chat import Usage
from app.providers.errors import ProviderError

DEFAULT_MODELS = {
    "openai": "gpt-6-luna",
    "anthropic": "claude-haiku-5-5",
    "local": "smollm2-135m-instruct",
}

_TOKENS_PER_PRICE = 1_000_000
_SNAPSHOT_DATE = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-credits (a millionth of a credit) per million tokens; never negative."""

    input: int
    output: int
    cached_input: int

    def __post_init__(self) -> None:
        if min(self.input, self.output, self.cached_input) < 0:
            raise ValueError("a price cannot be negative")


FREE = Price(0, 0, 0)
_PRICES = {
    "openai": {
        "gpt-6-luna": Price(100_000, 500_000, 10_000),
        "gpt-6.1-terra": Price(1_000_000, 5_000_000, 50_000),
        "gpt-6.1-sol": Price(2_000_000, 10_000_000, 100_000),
        "gpt-6.2-sol": Price(2_000_000, 10_000_000, 100_000),
        "gpt-6.2-astra": Price(8_000_000, 40_000_000, 400_000),
        "gpt-6-astra": Price(10_000_000, 50_000_000, 1_000_000),
    },
    "anthropic": {
        "claude-haiku-5-5": Price(100_000, 500_000, 10_000),
        "claude-haiku-4-5": Price(1_000_000, 5_000_000, 100_000),
        "claude-sonnet-5-5": Price(2_000_000, 10_000_000, 100_000),
        "claude-opus-5-5": Price(4_000_000, 20_000_000, 200_000),
        "claude-fable-5-2": Price(8_000_000, 40_000_000, 200_000),
        "claude-fable-5": Price(10_000_000, 50_000_000, 1_000_000),
    },
}


def price_of(provider: str, model: str) -> Price:
    """The price of a model or of its dated snapshot; an unknown model costs what its provider's dearest does.

    Raises ProviderError ("not_configured") for an unknown provider: nothing may run at an unknown price.
    """
    if provider == "local":
        return FREE
    known = _PRICES.get(provider)
    if known is None:
        raise ProviderError(provider, "not_configured", retryable=False)
    return known.get(_SNAPSHOT_DATE.sub("", model)) or max(known.values(), key=lambda price: price.output)


def cost_micros(price: Price, usage: Usage) -> int:
    """Micro-credits, exact, rounded up once at the end."""
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    exact = (
        (usage.input_tokens - cached) * price.input + cached * price.cached_input + usage.output_tokens * price.output
    )
    return -(-exact // _TOKENS_PER_PRICE)
