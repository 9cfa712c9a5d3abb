"""The one place that reads the wall clock, so that tests can hold it."""

from datetime import UTC, datetime


def now() -> datetime:
    return datetime.now(UTC)
