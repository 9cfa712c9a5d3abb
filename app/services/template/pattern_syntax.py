"""Reads the regular expressions that `pattern` understands into a tree."""

import re
from dataclasses import dataclass

MAX_LENGTH = 500
MAX_DEPTH = 20
MAX_REPETITIONS = 1000

_LAST = 0x10FFFF
_COUNTS = re.compile(r"\{(\d{1,6})(,(\d{0,6}))?\}")
_HEX = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|u\{([0-9a-fA-F]{1,6})\}")
_CONTROL = {"n": 10, "r": 13, "t": 9, "f": 12, "v": 11, "0": 0}
_Ranges = tuple[tuple[int, int], ...]
_DIGITS: _Ranges = ((48, 57),)
_WORD: _Ranges = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: _Ranges = (
    *((9, 13), (32, 32), (0xA0, 0xA0), (0x1680, 0x1680), (0x2000, 0x200A), (0x2028, 0x2029)),
    *((0x202F, 0x202F), (0x205F, 0x205F), (0x3000, 0x3000), (0xFEFF, 0xFEFF)),
)
_NAMED = {"d": _DIGITS, "w": _WORD, "s": _SPACE}


class PatternSyntaxError(ValueError):
    """The pattern is malformed, or uses what this dialect leaves out; the text says which."""


@dataclass(frozen=True, slots=True)
class Characters:
    """One character out of inclusive ranges of code points, or out of all others."""

    ranges: _Ranges
    negated: bool = False

    def __contains__(self, code: int) -> bool:
        return any(low <= code <= high for low, high in self.ranges) is not self.negated


@dataclass(frozen=True, slots=True)
class Sequence:
    parts: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Alternatives:
    options: "tuple[Node, ...]"


@dataclass(frozen=True, slots=True)
class Repeat:
    """`most` is None for without end."""

    body: "Node"
    least: int
    most: int | None


Node = Characters | Sequence | Alternatives | Repeat

_ANYTHING = Repeat(Characters((), negated=True), 0, None)
_DOT = Characters(((10, 10), (13, 13), (0x2028, 0x2029)), negated=True)


def parse(source: str) -> Node:
    """The tree of a whole text that holds a match: `^` and `$` are gone, what they do not fix is `.*`."""
    if len(source) > MAX_LENGTH:
        raise PatternSyntaxError(f"is longer than {MAX_LENGTH} characters")
    return _Parser(source).whole()


class _Parser:
    def __init__(self, source: str) -> None:
        self._source = source
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        options = [self._anchored()]
        while self._take("|"):
            options.append(self._anchored())
        if self._at < len(self._source):
            raise PatternSyntaxError(f'has a "{self._peek()}" out of place')
        return Alternatives(tuple(options))

    def _anchored(self) -> Node:
        start = () if self._take("^") else (_ANYTHING,)
        body = self._sequence()
        end = () if self._take("$") else (_ANYTHING,)
        return Sequence((*start, body, *end))

    def _sequence(self) -> Node:
        parts: list[Node] = []
        while self._peek() not in ("", "|", ")", "$"):
            parts.append(self._quantified(self._atom()))
        return Sequence(tuple(parts))

    def _group(self) -> Node:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise PatternSyntaxError(f"nests groups deeper than {MAX_DEPTH}")
        if self._take("?") and not self._take(":"):
            raise PatternSyntaxError("uses look-around or a named group")
        options = [self._sequence()]
        while self._take("|"):
            options.append(self._sequence())
        if not self._take(")"):
            raise PatternSyntaxError('has a group without ")", or "$" inside a group')
        self._depth -= 1
        return Alternatives(tuple(options))

    def _quantified(self, body: Node) -> Node:
        if self._take("*"):
            least, most = 0, None
        elif self._take("+"):
            least, most = 1, None
        elif self._take("?"):
            least, most = 0, 1
        elif counts := _COUNTS.match(self._source, self._at):
            self._at = counts.end()
            least, most = _bounds(counts)
        else:
            return body
        self._take("?")  # lazy: matches the same texts
        return Repeat(body, least, most)

    def _atom(self) -> Node:
        character = self._next()
        match character:
            case "(":
                return self._group()
            case "[":
                return self._class()
            case ".":
                return _DOT
            case "\\":
                escaped = self._escape()
                return Characters(((escaped, escaped),)) if isinstance(escaped, int) else escaped
            case "^" | "*" | "+" | "?":
                raise PatternSyntaxError(f'has a "{character}" out of place')
        return Characters(((ord(character), ord(character)),))

    def _class(self) -> Characters:
        negated = self._take("^")
        ranges: list[tuple[int, int]] = []
        while not self._take("]"):
            low = self._member()
            if isinstance(low, Characters):
                ranges += _complement(low.ranges) if low.negated else low.ranges
                continue
            high: int | Characters = low
            if self._peek() == "-" and self._source[self._at + 1 : self._at + 2] not in ("]", ""):
                self._at += 1
                high = self._member()
            if isinstance(high, Characters) or high < low:
                raise PatternSyntaxError("has a class with a wrong range")
            ranges.append((low, high))
        return Characters(tuple(ranges), negated)

    def _member(self) -> int | Characters:
        character = self._next()
        if character != "\\":
            return ord(character)
        return 8 if self._take("b") else self._escape()

    def _escape(self) -> int | Characters:
        if code := _HEX.match(self._source, self._at):
            self._at = code.end()
            return int(next(digits for digits in code.groups() if digits), 16)
        character = self._next()
        if character.lower() in _NAMED:
            return Characters(_NAMED[character.lower()], negated=character.isupper())
        if character in _CONTROL:
            return _CONTROL[character]
        if character.isalnum():
            raise PatternSyntaxError(f'uses "\\{character}", which is not supported')
        return ord(character)

    def _peek(self) -> str:
        return self._source[self._at : self._at + 1]

    def _next(self) -> str:
        character = self._peek()
        if not character:
            raise PatternSyntaxError("breaks off before its end")
        self._at += 1
        return character

    def _take(self, character: str) -> bool:
        found = self._peek() == character
        self._at += found
        return found


def _bounds(counts: re.Match[str]) -> tuple[int, int | None]:
    least = int(counts[1])
    most = least if counts[2] is None else int(counts[3]) if counts[3] else None
    if max(least, most or 0) > MAX_REPETITIONS or (most is not None and most < least):
        raise PatternSyntaxError(f"has a repetition count above {MAX_REPETITIONS} or upside down")
    return least, most


def _complement(ranges: _Ranges) -> list[tuple[int, int]]:
    """The ranges in between; `ranges` is sorted."""
    edges = [-1, *(edge for pair in ranges for edge in pair), _LAST + 1]
    return [(low + 1, high - 1) for low, high in zip(edges[::2], edges[1::2], strict=True) if high - low > 1]
