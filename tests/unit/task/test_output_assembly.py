"""What a client assembles from the chunks is the last attempt's text, whatever happened to the log on the way.

The histories are those that can happen: attempts, texts sent in pieces, checkpoints of what was sent, and at any moment
a log that loses everything it held. Readers come at any moment, with as much of an attempt's text as they have; those
that came before attempts could be named do not name theirs.
"""

from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.events.output import OutputEntry
from app.services.task.follow_output import Chunk, _Assembly

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["send", "send", "send", "next", "look", "join", "rejoin", "forgetful", "lose", "checkpoint"]),
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

    def __init__(self, client: Client, attempt: int) -> None:
        self.client = client
        self._assembly = _Assembly(attempt, len(client.text))
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
        if (chunk := self._assembly.news(ended=ended)) is not None:
            self.client.take(chunk)


@dataclass
class World:
    """A writer with its log and row, and the readers. Letters tell attempts apart."""

    log: list[OutputEntry] = field(default_factory=list)
    row: tuple[int, str] = (1, "")
    text: str = ""
    earlier: str = ""
    sent: int = 0
    readers: list[Server] = field(default_factory=list)

    def step(self, kind: str, number: int) -> None:
        attempt = self.row[0]
        match kind:
            case "send":
                self._send("abcdefgh"[attempt % 8] * (1 + number % 5))
            case "next":
                self.earlier, self.text, self.row = self.text, "", (attempt + 1, "")
            case "look" if self.readers:
                self.readers[number % len(self.readers)].look(self.log, self.row)
            case "join":
                self._join(self.text[:number], attempt)
            case "forgetful":
                self._join(self.text[:number], 1)
            case "rejoin" if attempt > 1:
                self._join(self.earlier[:number], attempt - 1)
            case "lose":
                self.log.clear()
            case "checkpoint":
                self.row = (attempt, self.text)

    def finish(self) -> set[str]:
        self.row = (self.row[0], self.text)
        for reader in self.readers:
            reader.look(self.log, self.row, ended=True)
        return {reader.client.text for reader in self.readers}

    def _send(self, piece: str) -> None:
        self.sent += 1
        self.log.append(OutputEntry(str(self.sent), self.row[0], len(self.text), piece))
        self.text += piece

    def _join(self, text: str, attempt: int) -> None:
        self.readers.append(Server(Client(text), attempt))
        self.readers[-1].look(self.log, self.row)


@settings(max_examples=500, deadline=None, derandomize=True, database=None)
@given(STEPS)
@example([("send", 4), ("next", 0), ("lose", 0), ("rejoin", 5), ("send", 9), ("send", 9)])
@example([("join", 0), ("send", 1), ("lose", 0), ("send", 1), ("look", 0), ("next", 0), ("send", 0), ("look", 0)])
@example([("next", 0), ("send", 3), ("checkpoint", 0), ("join", 3), ("send", 3), ("lose", 0), ("look", 1)])
def test_every_reader_ends_with_the_text_of_the_last_attempt(steps: list[tuple[str, int]]) -> None:
    world = World()
    world.step("join", 0)

    for kind, number in steps:
        world.step(kind, number)

    assert world.finish() == {world.text}


def test_a_reader_is_told_to_forget_when_another_attempt_begins() -> None:
    assembly = _Assembly(1, 0)
    assembly.add(OutputEntry("1", 1, 0, "Dear customer"))
    assert assembly.news(ended=False) == Chunk(1, 0, "Dear customer")

    assembly.add(OutputEntry("2", 2, 0, "Hello"))

    assert assembly.news(ended=False) == Chunk(2, 0, "Hello", reset=True)


def test_a_reader_of_a_later_attempt_goes_on_without_a_reset() -> None:
    assembly = _Assembly(2, 3)
    assembly.add(OutputEntry("1", 1, 0, "Dear customer"))
    assert assembly.news(ended=False) is None

    assembly.add(OutputEntry("2", 2, 0, "Hello"))

    assert assembly.news(ended=False) == Chunk(2, 3, "lo")


def test_a_hole_is_filled_from_the_row_without_a_reset() -> None:
    assembly = _Assembly(1, 0)
    assert assembly.add(OutputEntry("1", 1, 5, " world")) is False

    assembly.adopt(1, "Hello", final=False)

    assert assembly.news(ended=False) == Chunk(1, 0, "Hello world")
    assert assembly.news(ended=False) is None


def test_what_was_written_after_the_task_was_lost_is_taken_back() -> None:
    assembly = _Assembly(1, 0)
    assembly.add(OutputEntry("1", 1, 0, "Hello world"))
    assert assembly.news(ended=False) == Chunk(1, 0, "Hello world")

    assembly.adopt(1, "Hello", final=True)

    assert assembly.news(ended=True) == Chunk(1, 0, "Hello", reset=True)


def test_a_reader_who_has_all_gets_only_the_end() -> None:
    assembly = _Assembly(1, 5)
    assembly.adopt(1, "Hello", final=True)

    assert assembly.news(ended=False) is None
    assert assembly.end() == Chunk(1, 5, "", done=True)
