"""An outage of a dependency: logged when it begins and when it ends, with the pauses between the tries."""

import random

import structlog

FIRST_PAUSE = 0.05
LONGEST_PAUSE = 2.0

log = structlog.stdlib.get_logger(__name__)


class Outage:
    """Counts the failures in a row of what `dependency` names. Pauses are in seconds."""

    def __init__(self, dependency: str) -> None:
        self._dependency = dependency
        self._failures = 0

    def failed(self, error: BaseException) -> float:
        """Note a failure; answers how long to wait before the next try, doubling from 0.05 to 2 s."""
        if self._failures == 0:
            log.warning("outage_began", dependency=self._dependency, error=f"{type(error).__name__}: {error}")
        longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(self._failures, 16))
        self._failures += 1
        # Jitter, so that the processes of a fleet do not all come back in the same millisecond.
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 not a secret

    def recovered(self) -> None:
        if self._failures:
            log.info("outage_ended", dependency=self._dependency, failures=self._failures)
        self._failures = 0
