from datetime import date

import pytest

from app.errors import InvalidInput, LimitExceeded
from app.models import BudgetPeriod
from app.services.billing.budgets import next_period
from app.services.billing.usage import Period, period

TODAY = date(2026, 3, 17)


@pytest.mark.parametrize(
    ("kind", "starts_on", "expected"),
    [
        (BudgetPeriod.DAY, date(2026, 12, 31), date(2027, 1, 1)),
        (BudgetPeriod.DAY, date(2028, 2, 28), date(2028, 2, 29)),
        (BudgetPeriod.MONTH, date(2026, 1, 1), date(2026, 2, 1)),
        (BudgetPeriod.MONTH, date(2026, 2, 1), date(2026, 3, 1)),
        (BudgetPeriod.MONTH, date(2026, 12, 1), date(2027, 1, 1)),
    ],
)
def test_a_budget_begins_anew(kind: BudgetPeriod, starts_on: date, expected: date) -> None:
    assert next_period(kind, starts_on) == expected


def test_usage_is_of_this_month_unless_somebody_says_otherwise() -> None:
    assert period(None, None, TODAY) == Period(date(2026, 3, 1), TODAY)
    assert period(None, date(2026, 1, 31), TODAY) == Period(date(2026, 1, 1), date(2026, 1, 31))
    assert period(date(2026, 1, 5), None, TODAY) == Period(date(2026, 1, 5), TODAY)


def test_a_leap_year_is_the_longest_period() -> None:
    assert period(date(2028, 1, 1), date(2028, 12, 31), TODAY).last == date(2028, 12, 31)
    with pytest.raises(LimitExceeded) as refused:
        period(date(2028, 1, 1), date(2029, 1, 1), TODAY)
    assert (refused.value.limit, refused.value.actual, refused.value.path) == (366, 367, ("from",))


def test_a_period_does_not_end_before_it_begins() -> None:
    with pytest.raises(InvalidInput, match="after to") as refused:
        period(date(2026, 3, 2), date(2026, 3, 1), TODAY)
    assert refused.value.path == ("from",)
