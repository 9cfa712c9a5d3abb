from dataclasses import replace
from typing import Any

import pytest

from tests.bench.compare import Incomparable, Ratio, compare
from tests.bench.figures import Figures

OPTIONS = {"processes": 1, "tasks": 10_000}
BASE = Figures("w1", "lists", "request", 100, 1.0, 100.0, 1.0, 2.0, 3.0, {"api": 1.0, "load": 9.0}, 0.0)


def report(*figures: Figures, **options: int) -> dict[str, Any]:
    return {"options": OPTIONS | options, "workloads": [item.as_json() for item in figures]}


def verdicts(old: Figures, new: Figures) -> dict[str, bool]:
    return {ratio.what: ratio.regressed for ratio in compare(report(old), report(new))}


@pytest.mark.parametrize(
    ("rate", "regressed"), [(100.0, False), (300.0, False), (84.0, False), (82.0, True), (10.0, True)]
)
def test_a_rate_regresses_when_the_old_one_was_a_fifth_above_it(rate: float, regressed: bool) -> None:
    assert verdicts(BASE, replace(BASE, per_second=rate))["request/s"] is regressed


@pytest.mark.parametrize(
    ("milliseconds", "regressed"), [(1.0, False), (0.1, False), (1.19, False), (1.21, True), (5.0, True)]
)
def test_processor_time_regresses_when_it_is_a_fifth_above_the_old(milliseconds: float, regressed: bool) -> None:
    assert verdicts(BASE, replace(BASE, cpu_ms={"api": milliseconds}))["CPU ms/request"] is regressed


def test_the_load_may_cost_what_it_likes() -> None:
    assert verdicts(BASE, replace(BASE, cpu_ms={"api": 1.0, "load": 90.0})) == {
        "request/s": False,
        "CPU ms/request": False,
    }


def test_a_ratio_is_new_by_old() -> None:
    assert Ratio("w1", "request/s", 100.0, 250.0, more_is_better=True).value == 2.5


def test_a_rate_that_was_given_is_not_compared() -> None:
    # given
    steady = replace(BASE, per_second=None)
    # then
    assert list(verdicts(steady, steady)) == ["CPU ms/request"]


def test_only_workloads_of_both_are_compared() -> None:
    # given
    other = replace(BASE, name="w2")
    # then
    assert {ratio.workload for ratio in compare(report(BASE, other), report(other))} == {"w2"}
    with pytest.raises(Incomparable, match="no workload in common"):
        compare(report(BASE), report(other))


def test_runs_of_other_sizes_are_not_compared() -> None:
    with pytest.raises(Incomparable, match=r"tasks was 10000 there and is 5 here\."):
        compare(report(BASE), report(BASE, tasks=5))
