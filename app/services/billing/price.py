"""What tokens cost. Pure, in integers: micro-credits, a millionth of a credit; a credit is a US dollar."""

from dataclasses import asdict, dataclass

from app.providers.chat import Usage

TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """Micro-credits per million tokens; never negative."""

    input: int
    output: int
    cached_input: int

    def __post_init__(self) -> None:
        if min(self.input, self.output, self.cached_input) < 0:
            raise ValueError("a price cannot be negative")

    def as_json(self) -> dict[str, int]:
        return asdict(self)


FREE = Price(0, 0, 0)


def cost_micros(price: Price, usage: Usage) -> int:
    """Exact, rounded up once at the end."""
    cached = min(usage.cached_input_tokens, usage.input_tokens)
    exact = (
        (usage.input_tokens - cached) * price.input + cached * price.cached_input + usage.output_tokens * price.output
    )
    return -(-exact // TOKENS_PER_PRICE)


def affordable_output(price: Price, input_tokens: int, micros: int) -> int | None:
    """The most output tokens that so much pays for after the input; None where output is free."""
    left = micros * TOKENS_PER_PRICE - input_tokens * price.input
    if left < 0:
        return 0
    return left // price.output if price.output else None
