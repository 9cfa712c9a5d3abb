"""A moment in the past, as people type it."""

import re
from datetime import UTC, datetime, timedelta

from app.errors import InvalidInput

EXAMPLES = "such as 30m, 2h, 3d or 2026-01-31T12:00:00Z"
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_AGO = re.compile(r"([0-9]{1,9})([smhdw])")


def parse_when(text: str, now: datetime) -> datetime:
    """`2h` before `now`, or an ISO 8601 time; in UTC. A time without a zone is one of this machine's clock.

    Raises InvalidInput with an example for what is neither, or not in the past.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text.strip()).astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{text} lies before the year 1; give a time {EXAMPLES}.") from None
    except ValueError:
        raise InvalidInput(f"{text} is not a time; give one {EXAMPLES}.") from None
    if moment > now:
        raise InvalidInput(f"{text} is still to come; give a time {EXAMPLES}.")
    return moment
