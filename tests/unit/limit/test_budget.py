from uuid import UUID, uuid4

import pytest

from app.events.token_bucket import Bucket
from app.principal import Principal, Role
from app.services.limit.budget import Budgets, address_key
from app.settings import Settings

WORKSPACE, CALLER = UUID(int=1), UUID(int=2)


def caller(**changes: object) -> Principal:
    return Principal(**{"workspace_id": WORKSPACE, "role": Role.MEMBER, "api_key_id": CALLER} | changes)  # type: ignore[arg-type]


def test_a_key_and_its_workspace_lie_in_one_slot_of_a_cluster() -> None:
    assert Budgets(Settings()).of(caller(), "192.0.2.1") == (
        Bucket(f"bizq:rate:{{{WORKSPACE.hex}}}:{CALLER.hex}", 100, 60_000),
        Bucket(f"bizq:rate:{{{WORKSPACE.hex}}}", 500, 60_000),
    )


@pytest.mark.parametrize(("plan", "points"), [("FREE", 100), ("PRO", 1_000), ("SCALE", 10_000), ("UNHEARD", 100)])
def test_a_plan_multiplies_the_points(plan: str, points: int) -> None:
    assert [bucket.capacity for bucket in Budgets(Settings()).of(caller(plan=plan), None)] == [points, points * 5]


def test_a_person_has_points_of_their_own_in_each_workspace() -> None:
    budgets, person = Budgets(Settings()), uuid4()

    here, there = (
        budgets.of(caller(api_key_id=None, user_id=person, workspace_id=uuid4()), None)[0].key for _ in range(2)
    )

    assert here != there


def test_whoever_does_not_say_who_they_are_is_counted_by_address() -> None:
    (bucket,) = Budgets(Settings()).of(None, "192.0.2.1")

    assert (bucket.capacity, bucket.window) == (1_000, 60_000)
    assert "192.0.2.1" not in bucket.key


def test_an_ipv6_network_is_one_address() -> None:
    assert address_key("2001:db8:1:2::1") == address_key("2001:db8:1:2:ffff::9")
    assert address_key("2001:db8:1:2::1") != address_key("2001:db8:1:3::1")


def test_without_points_there_are_no_buckets() -> None:
    none = Budgets(Settings(bizq_rate_points=0))

    assert (none.of(caller(), None), none.of(None, "192.0.2.1")) == ((), ())
    assert Budgets(Settings(bizq_rate_anonymous_points=0)).of(None, "192.0.2.1") == ()
