"""The regular expressions of a JSON Schema's `pattern`, matched in time linear in the text.

Python's `re` backtracks: a customer's `^(a+)+$` would stop a process for hours. Here a pattern becomes a
small state machine that reads each character once. Understood of ECMAScript's syntax (ECMA-262, 22.2.1):
literals, `.`, classes, escapes, groups, `|`, quantifiers (greedy or lazy: the same language), `^` and `$`
around the whole pattern or a whole alternative. Refused: look-around, back-references, `\\b`, `\\p{…}`.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.services.template.pattern_syntax import Alternatives, Characters, Node, Repeat, Sequence, parse

MAX_STATES = 1000


class PatternTooLarge(ValueError):
    """The pattern's counted repetitions unfold into more than MAX_STATES states."""


@dataclass(slots=True)
class _State:
    """Reads one of `reads` and goes on, or goes on without reading where that is None."""

    reads: Characters | None
    nexts: tuple[int, ...]


class Pattern:
    """A compiled pattern. Raises PatternTooLarge, or PatternSyntaxError from the parser."""

    def __init__(self, source: str) -> None:
        self._states: list[_State] = []
        self._end = self._add(None, ())
        self._start = self._build(parse(source), self._end)

    def search(self, text: str, spend: Callable[[int], None]) -> bool:
        """Is there a match anywhere? `spend` is told the states visited for each character, and may raise."""
        active = self._reachable((self._start,))
        for character in text:
            spend(len(active))
            active = self._reachable(self._after(active, ord(character)))
        return self._end in active

    def _after(self, active: Iterable[int], code: int) -> list[int]:
        states = (self._states[number] for number in active)
        return [state.nexts[0] for state in states if state.reads is not None and code in state.reads]

    def _reachable(self, numbers: Iterable[int]) -> set[int]:
        seen: set[int] = set()
        waiting = list(numbers)
        while waiting:
            number = waiting.pop()
            if number not in seen:
                seen.add(number)
                state = self._states[number]
                waiting.extend(state.nexts if state.reads is None else ())
        return seen

    def _add(self, reads: Characters | None, nexts: tuple[int, ...]) -> int:
        if len(self._states) >= MAX_STATES:
            raise PatternTooLarge(f"unfolds into more than {MAX_STATES} states")
        self._states.append(_State(reads, nexts))
        return len(self._states) - 1

    def _build(self, node: Node, after: int) -> int:
        """Built from the end: the number of the state where `node` begins, so that `after` follows it."""
        match node:
            case Characters():
                return self._add(node, (after,))
            case Alternatives(options):
                return self._add(None, tuple([self._build(option, after) for option in options]))
            case Sequence(parts):
                for part in reversed(parts):
                    after = self._build(part, after)
                # A state of its own also for nothing at all, so that repeating it counts.
                return after if parts else self._add(None, (after,))
            case Repeat():
                return self._build_repeat(node, after)

    def _build_repeat(self, node: Repeat, after: int) -> int:
        if node.most is None:
            loop = self._add(None, ())
            self._states[loop].nexts = (self._build(node.body, loop), after)
            after = loop
        else:
            end = after
            for _ in range(node.most - node.least):
                after = self._add(None, (self._build(node.body, after), end))
        for _ in range(node.least):
            after = self._build(node.body, after)
        return after
