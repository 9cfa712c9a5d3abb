"""Whose points a request costs, and how many there are: for each key or person, for their workspace, for an address."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

from app.events.token_bucket import Bucket
from app.principal import Person, Principal
from app.services.account.lockout import network_of
from app.settings import Settings

# A workspace has as much as so many of its callers: one that runs wild takes a fifth of what the others share, and
# making more keys does not make more points.
WORKSPACE_CALLERS = 5
CACHED_CALLERS = 10_000


class Budgets:
    """A plan multiplies the points; one that is not in the settings counts as 1."""

    def __init__(self, settings: Settings) -> None:
        self._points = settings.bizq_rate_points
        self._window = settings.bizq_rate_seconds * 1000
        self._plans: Mapping[str, int] = settings.bizq_rate_plans
        # Without points nothing is limited.
        self._anonymous = settings.bizq_rate_anonymous_points if self._points else 0
        self._of_caller = lru_cache(maxsize=CACHED_CALLERS)(self._caller)
        self._of_person = lru_cache(maxsize=CACHED_CALLERS)(self._person)
        self._of_address = lru_cache(maxsize=CACHED_CALLERS)(self._address)

    def of(self, caller: Principal | Person | None, address: str | None) -> tuple[Bucket, ...]:
        """All that a request takes from, the caller's own first. None where there is no limit."""
        if caller is None:
            return self._of_address(address)
        if isinstance(caller, Person):
            return self._of_person(caller.user_id)
        return self._of_caller(caller.workspace_id, caller.api_key_id or caller.user_id, caller.plan)

    def points(self, plan: str) -> int:
        return self._points * self._plans.get(plan, 1)

    def _caller(self, workspace: UUID, caller: UUID | None, plan: str) -> tuple[Bucket, ...]:
        points = self.points(plan)
        if points == 0:
            return ()
        whole = Bucket(f"bizq:rate:{{{workspace.hex}}}", points * WORKSPACE_CALLERS, self._window)
        if caller is None:
            return (whole,)
        return Bucket(f"{whole.key}:{caller.hex}", points, self._window), whole

    def _person(self, user_id: UUID) -> tuple[Bucket, ...]:
        """Somebody who acts in no workspace, and so has no plan."""
        if self._points == 0:
            return ()
        return (Bucket(f"bizq:rate:{{{user_id.hex}}}", self._points, self._window),)

    def _address(self, address: str | None) -> tuple[Bucket, ...]:
        if self._anonymous == 0:
            return ()
        return (Bucket(f"bizq:rate:{{{address_key(address)}}}", self._anonymous, self._window),)


def address_key(address: str | None) -> str:
    """A hash: no address is stored. Of an IPv6 address its /64 network counts, which one customer has to themselves."""
    return sha256(network_of(address or "").encode()).hexdigest()[:32]
