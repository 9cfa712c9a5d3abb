"""Rate limits for which no time passes, however long a busy machine takes."""

from hashlib import sha1

import pytest

from app.events import shared_buckets
from app.events.token_bucket import TAKE

# Keys live for a thousand times as long: Redis would expire them by its own clock.
UNEXPIRED = TAKE.replace("'PX'", "'EX'")
_STILL = "local now = 1700000000000\n" + UNEXPIRED


def stop_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """For every API that is started from now on; and none counts by itself because Redis was slow to answer."""
    monkeypatch.setattr(shared_buckets, "SCRIPT", _STILL)
    monkeypatch.setattr(shared_buckets, "SCRIPT_HASH", sha1(_STILL.encode(), usedforsecurity=False).hexdigest())
    shared_buckets._command.cache_clear()
    monkeypatch.setattr(shared_buckets, "PATIENCE_SECONDS", 30.0)
    monkeypatch.setattr(shared_buckets, "SILENCE_SECONDS", 30.0)
