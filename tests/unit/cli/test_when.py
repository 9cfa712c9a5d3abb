from datetime import UTC, datetime

import pytest

from app.cli.when import parse_when
from app.errors import InvalidInput

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("45s", datetime(2026, 3, 10, 11, 59, 15, tzinfo=UTC)),
        ("30m", datetime(2026, 3, 10, 11, 30, tzinfo=UTC)),
        ("2h", datetime(2026, 3, 10, 10, tzinfo=UTC)),
        ("3d", datetime(2026, 3, 7, 12, tzinfo=UTC)),
        ("1w", datetime(2026, 3, 3, 12, tzinfo=UTC)),
        (" 0s ", NOW),
        ("2026-03-10T11:00:00Z", datetime(2026, 3, 10, 11, tzinfo=UTC)),
        ("2026-03-10T11:00:00.25+02:00", datetime(2026, 3, 10, 9, 0, 0, 250_000, tzinfo=UTC)),
    ],
)
def test_a_duration_or_a_time(text: str, moment: datetime) -> None:
    assert parse_when(text, NOW) == moment


def test_a_time_without_a_zone_is_of_this_machines_clock() -> None:
    local = datetime(2026, 3, 9, 8)

    assert parse_when("2026-03-09T08:00", NOW) == local.astimezone(UTC)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", " is not a time"),
        ("yesterday", "yesterday is not a time"),
        ("2 hours", "2 hours is not a time"),
        ("-2h", "-2h is not a time"),
        ("٢h", "٢h is not a time"),
        ("2026-13-01", "2026-13-01 is not a time"),
        ("999999999d", "999999999d lies before the year 1"),
        ("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+14:00 lies before the year 1"),
        ("2026-03-10T12:00:01Z", "2026-03-10T12:00:01Z is still to come"),
    ],
)
def test_what_is_no_past_time_is_one_line_with_an_example(text: str, why: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        parse_when(text, NOW)

    assert refused.value.message.startswith(why)
    assert refused.value.message.endswith("such as 30m, 2h, 3d or 2026-01-31T12:00:00Z.")
    assert "\n" not in refused.value.message
