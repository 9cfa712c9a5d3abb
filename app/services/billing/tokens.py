"""How many tokens a text is, before a model has counted them. Every vendor counts differently, and none offline."""

CHARACTERS_PER_TOKEN = 4
# Byte-pair vocabularies take three to five bytes of most languages, and of code, into a token.
BYTES_PER_TOKEN = 3
# What the vendors add around a message and a system prompt.
OVERHEAD = 32


def estimate(characters: int) -> int:
    """What to expect of plain prose, rounded up."""
    return -(-characters // CHARACTERS_PER_TOKEN)


def at_most(*texts: str) -> int:
    """What a request with these texts seldom exceeds. Money is safe beyond it: charges are capped."""
    return OVERHEAD + sum(-(-len(text.encode()) // BYTES_PER_TOKEN) for text in texts)
