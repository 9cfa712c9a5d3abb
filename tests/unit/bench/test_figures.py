import os
import subprocess
import sys

import pytest

from tests.bench.figures import Figures, each, percentile
from tests.bench.meter import Gone, Reading


@pytest.mark.parametrize(
    ("percent", "expected"), [(0, 1.0), (1, 1.0), (50, 50.0), (50.5, 51.0), (95, 95.0), (99, 99.0), (100, 100.0)]
)
def test_percentile_is_the_smallest_value_that_so_many_are_not_above(percent: float, expected: float) -> None:
    # given
    values = [float(value) for value in range(100, 0, -1)]
    # then
    assert percentile(values, percent) == expected


def test_percentile_of_one_value_is_that_value_and_of_none_is_none() -> None:
    assert [percentile([7.0], percent) for percent in (1, 50, 99)] == [7.0, 7.0, 7.0]
    assert percentile([], 50) is None


def test_processor_time_for_each_is_in_milliseconds_and_for_nothing_there_is_none() -> None:
    assert each({"api": 2.0, "redis": 0.5}, 1000) == {"api": 2.0, "redis": 0.5}
    assert each({"api": 2.0}, 0) == {}


def test_what_groups_used_is_the_difference_and_the_rest_was_strangers() -> None:
    # given
    first = Reading(10.0, {"api": 5.0, "load": 1.0}, busy=100.0)
    second = Reading(14.0, {"api": 8.0, "load": 1.5}, busy=106.5)
    # when
    used = first.until(second)
    # then
    assert (used.seconds, used.cpu, used.other_cores) == (4.0, {"api": 3.0, "load": 0.5}, 0.75)


def test_rounding_of_ticks_makes_no_strangers() -> None:
    assert Reading(0.0, {"api": 0.0}, 0.0).until(Reading(1.0, {"api": 1.0}, 0.99)).other_cores == 0.0


def test_figures_come_back_from_json_as_they_were_and_the_load_is_not_the_service() -> None:
    # given
    cpu = {"api": 1.0, "worker": 2.0, "postgres": 0.5, "redis": 0.25, "model": 4.0, "load": 8.0}
    figures = Figures("w4", "a burst", "task", 10, 2.0, 5.0, 1.0, 2.0, 3.0, cpu, 0.1, {"x": 1.0}, ["wrong"])
    # then
    assert figures.service_cpu_ms == 3.75
    assert Figures.from_json(figures.as_json()) == figures


def test_a_process_that_has_ended_cannot_be_measured() -> None:
    # given
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    # then
    with pytest.raises(Gone, match=str(ended.pid)):
        Reading.take({"api": [ended.pid]})


def test_what_a_process_and_its_children_do_is_counted() -> None:
    # given
    reading = Reading.take({"us": [os.getpid()]})
    # when
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)
    # then
    used = reading.until(Reading.take({"us": [os.getpid()]}))
    assert used.cpu["us"] >= 0.02
