"""What a client assembles from the chunks is the attempt's text, whatever happened to the log on the way.

The histories are those that can happen: attempts, each of one or two turns (the second mends the answer), texts sent
in pieces, checkpoints of what was sent, and at any moment a log that loses everything it held. Readers come at any
moment, with as much of the present text as they have, or with an earlier attempt's.
"""

from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.events.output import OutputEntry
from app.services.task.follow_output import Chunk, _Assembly

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "mend", "retry", "look", "join", "rejoin", "lose", "checkpoint"]),
        st.integers(0, 20),
    ),
    max_size=50,
)


@dataclass
class Client:
    """As a partner writes it: `reset` drops everything, then each chunk stands where its offset says."""

    text: str = ""

    def take(self, chunk: Chunk) -> None:
        if chunk.reset:
            self.text = ""
        assert chunk.offset == len(self.text)
        self.text += chunk.text


class Server:
    """One reader's loop: what the log holds beyond what was read, the row when it is needed, the news."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._assembly = _Assembly(len(client.text))
        self._read = 0
        self._looked = False

    def look(self, log: list[OutputEntry], row: tuple[int, str], *, ended: bool = False) -> None:
        wants_row = ended or not self._looked
        self._looked = True
        for entry in log:
            if int(entry.id) > self._read:
                self._read = int(entry.id)
                wants_row |= not self._assembly.add(entry)
        if wants_row:
            self._assembly.adopt(*row, final=ended)
        if (chunk := self._assembly.news()) is not None:
            self.client.take(chunk)


@dataclass
class World:
    """A writer with its log and row, and the readers. Letters tell turns apart."""

    log: list[OutputEntry] = field(default_factory=list)
    row: tuple[int, str] = (1, "")
    text: str = ""
    earlier: str = ""
    turns: int = 1
    sent: int = 0
    readers: list[Server] = field(default_factory=list)

    def step(self, kind: str, number: int) -> None:
        match kind:
            case "send":
                self._send("abcdefgh"[self.turns % 8] * (1 + number % 5))
            case "mend" if self.text:
                self.turns, self.text = self.turns + 1, ""
            case "retry":
                self.turns, self.earlier, self.text = self.turns + 1, self.text, ""
                self.row = (self.row[0] + 1, "")
            case "look" if self.readers:
                self.readers[number % len(self.readers)].look(self.log, self.row)
            case "join":
                self._join(self.text[:number])
            case "rejoin" if self.row[0] > 1:
                self._join(self.earlier[:number])
            case "lose":
                self.log.clear()
            case "checkpoint":
                self.row = (self.row[0], self.text)

    def finish(self) -> set[str]:
        self.row = (self.row[0], self.text)
        for reader in self.readers:
            reader.look(self.log, self.row, ended=True)
        return {reader.client.text for reader in self.readers}

    def _send(self, piece: str) -> None:
        self.sent += 1
        self.log.append(OutputEntry(str(self.sent), self.row[0], len(self.text), piece))
        self.text += piece

    def _join(self, text: str) -> None:
        self.readers.append(Server(Client(text)))
        self.readers[-1].look(self.log, self.row)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(STEPS)
@example(
    [
        ("send", 0),
        ("send", 0),
        ("lose", 0),
        ("send", 0),
        ("mend", 0),
        ("look", 0),
        ("send", 0),
        ("send", 0),
        ("lose", 0),
    ]
)
@example([("send", 4), ("retry", 0), ("lose", 0), ("rejoin", 5), ("send", 9), ("send", 9)])
@example([("join", 0), ("send", 1), ("lose", 0), ("send", 1), ("look", 0), ("mend", 0), ("send", 0), ("look", 0)])
def test_every_reader_ends_with_the_text_of_the_last_attempt(steps: list[tuple[str, int]]) -> None:
    world = World()
    world.step("join", 0)

    for kind, number in steps:
        world.step(kind, number)

    assert world.finish() == {world.text}


def test_a_reader_is_told_to_forget_when_the_answer_is_mended() -> None:
    world = World()
    world.step("join", 0)
    for kind, number in [("send", 4), ("look", 0), ("mend", 0), ("send", 1), ("look", 0)]:
        world.step(kind, number)

    assert world.readers[0].client.text == "cc"


def test_a_hole_is_filled_from_the_row_without_a_reset() -> None:
    assembly = _Assembly(0)
    assert assembly.add(OutputEntry("1", 1, 5, " world")) is False

    assembly.adopt(1, "Hello", final=False)

    assert assembly.news() == Chunk(1, 0, "Hello world")
    assert assembly.news() is None


def test_what_a_lost_turn_wrote_is_not_mixed_into_the_next() -> None:
    assembly = _Assembly(0)
    assembly.add(OutputEntry("1", 1, 5, "first turn"))
    assembly.add(OutputEntry("2", 1, 0, "seco"))
    assembly.adopt(1, "second", final=False)

    assert assembly.news() == Chunk(1, 0, "second")


def test_a_reader_who_has_all_gets_only_the_end() -> None:
    assembly = _Assembly(5)
    assembly.adopt(1, "Hello", final=True)

    assert assembly.news() is None
    assert assembly.end() == Chunk(1, 5, "", done=True)
