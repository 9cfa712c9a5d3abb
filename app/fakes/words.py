"""The fakes' only source of language: the words of the prompt, over and over, so answers are repeatable."""

import re
from itertools import cycle, islice

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_FALLBACK = ("the", "request", "was", "read", "and", "answered")
_CHARACTERS_PER_TOKEN = 4


class Words:
    """An endless supply of a text's words, in their order."""

    def __init__(self, text: str) -> None:
        self._words = cycle(_WORD.findall(text) or _FALLBACK)

    def take(self, count: int) -> list[str]:
        return list(islice(self._words, count))

    def sentence(self, count: int) -> str:
        text = " ".join(self.take(count))
        return f"{text[0].upper()}{text[1:]}."

    def paragraph(self) -> str:
        return " ".join(self.sentence(count) for count in (12, 9, 15))


def count_tokens(text: str) -> int:
    """About four characters a token, rounded up: the vendors' own rule of thumb for English."""
    return -(-len(text) // _CHARACTERS_PER_TOKEN)


def first_tokens(text: str, count: int) -> str:
    """As much of the text as `count` tokens hold."""
    return text[: count * _CHARACTERS_PER_TOKEN]
