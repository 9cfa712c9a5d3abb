import pytest
from pydantic import ValidationError

from app.services.limit.budget import WORKSPACE_CALLERS
from app.settings import MAX_PLAN_FACTOR, MAX_RATE_POINTS, Settings


def test_plans_are_names_and_factors() -> None:
    assert Settings(bizq_rate_plans=" FREE=1, TEAM = 25 ").bizq_rate_plans == {"FREE": 1, "TEAM": 25}  # type: ignore[arg-type]


@pytest.mark.parametrize("plans", ["", "FREE", "FREE=", "=1", "FREE=0", "FREE=-1", "FREE=1.5", "FREE=401", "FREE=1,,"])
def test_what_is_no_plan_is_refused(plans: str) -> None:
    with pytest.raises(ValidationError, match="FREE=1,PRO=10,SCALE=100"):
        Settings(bizq_rate_plans=plans)  # type: ignore[arg-type]


def test_the_largest_settings_stay_exact() -> None:
    points = MAX_RATE_POINTS * MAX_PLAN_FACTOR * WORKSPACE_CALLERS
    with pytest.raises(ValidationError, match="600"):
        Settings(bizq_rate_seconds=601)

    # GraphQL's Int, and Lua's doubles: a request may ask for as much again as a bucket holds.
    assert points < 2**31
    assert 2 * points * 600_000 < 2**53


def test_ceilings_are_providers_and_numbers() -> None:
    settings = Settings(bizq_provider_concurrency="openai=20, local = 4", bizq_provider_rate="")  # type: ignore[arg-type]

    assert settings.bizq_provider_concurrency == {"openai": 20, "local": 4}
    assert settings.bizq_provider_rate == {}


@pytest.mark.parametrize(
    ("value", "message"),
    [("openai", "openai=20,anthropic=10"), ("openai=0", "1 to 1000000"), ("opena=1", "opena, which is none of openai")],
)
def test_what_is_no_ceiling_is_refused(value: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Settings(bizq_provider_rate=value)  # type: ignore[arg-type]
