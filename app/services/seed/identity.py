"""Ids and chance of a set of demo data: different for every set, the same every time."""

from datetime import UTC, datetime, timedelta
from random import Random
from uuid import UUID

# The newest demo task is a little older than this, whenever it is made: a set does not depend on the clock.
END = datetime(2026, 11, 1, tzinfo=UTC)
HISTORY = timedelta(days=90)
BEGINNING = END - HISTORY

_VERSION_7 = 0x7 << 76
_VARIANT = 0b10 << 62
_COUNTER_BITS = 40
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def chance(set_number: int, topic: str) -> Random:
    """A source of repeatable choices; one for each topic, so that more of one does not change another."""
    return Random(f"{set_number}/{topic}")  # noqa: S311  repeatable is what is wanted; no secret comes from it


def row_id(created_at: datetime, set_number: int, counter: int) -> UUID:
    """A UUIDv7 (RFC 9562, section 5.7) whose random part is set and counter: unique within a table of the set.

    Ids sort like (created_at in milliseconds, counter). `set_number` is below 2**22, `counter` below 2**40.
    """
    milliseconds = (created_at - _EPOCH) // _MILLISECOND
    return UUID(int=milliseconds << 80 | _VERSION_7 | _VARIANT | set_number << _COUNTER_BITS | counter)
