import re
from itertools import pairwise
from xml.etree import ElementTree

import pytest

from tests.bench.svg import Line, Panel, picture, short, top_of

SVG = "{http://www.w3.org/2000/svg}"
LIST = Line("list & read", [(10_000, 400.0), (100_000, 390.0), (1_000_000, 200.0)])
PANEL = Panel("requests/s", "tasks in the table", [LIST])


def points(svg: str) -> list[list[tuple[float, float]]]:
    drawn = ElementTree.fromstring(svg).iter(f"{SVG}polyline")
    return [
        [(float(x), float(y)) for x, y in re.findall(r"([\d.]+),([\d.]+)", item.get("points", ""))] for item in drawn
    ]


def test_a_decade_is_as_wide_as_the_next_and_more_is_higher() -> None:
    # when
    (line,) = points(picture([[PANEL]]))
    # then
    steps = [after[0] - before[0] for before, after in pairwise(line)]
    assert steps[0] == pytest.approx(steps[1], abs=0.2) and steps[0] > 0
    assert line[0][1] < line[1][1] < line[2][1]


def test_the_scale_begins_at_zero() -> None:
    # given
    half = Panel("ms", "n", [Line("a", [(1, 100.0), (10, 50.0), (100, 0.0)])])
    # when
    ((_, first), (_, second), (_, third)) = points(picture([[half]]))[0]
    # then
    assert second - first == pytest.approx(third - second, abs=0.2)


def test_nothing_stands_a_decade_before_the_rest() -> None:
    # given
    backlog = Panel("tasks/s", "queued", [Line("done", [(0, 1.0), (10_000, 1.0), (100_000, 1.0)])])
    # when
    (line,) = points(picture([[backlog]]))
    # then
    assert line[1][0] - line[0][0] == pytest.approx(line[2][0] - line[1][0], abs=0.2)


def test_one_point_is_enough() -> None:
    assert len(points(picture([[Panel("a", "b", [Line("c", [(1, 2.0)])])]]))[0]) == 1


def test_names_are_text_and_every_panel_has_its_place() -> None:
    # when
    root = ElementTree.fromstring(picture([[PANEL, PANEL], [PANEL]]))
    # then
    assert [item.text for item in root.iter(f"{SVG}text")].count("list & read") == 3
    assert len({item.get("transform") for item in root.iter(f"{SVG}g")}) == 3


def test_it_reads_on_dark_ground_too() -> None:
    assert "prefers-color-scheme: dark" in picture([[PANEL]])


@pytest.mark.parametrize(
    ("most", "top"), [(0.0, 1.0), (1.0, 1.0), (1.1, 2.0), (3.0, 4.0), (47.0, 50.0), (51.0, 80.0), (990.0, 1000.0)]
)
def test_an_axis_ends_at_a_round_number_above_all(most: float, top: float) -> None:
    assert top_of([most / 2, most]) == pytest.approx(top)


def test_numbers_are_short() -> None:
    assert [short(value) for value in (0, 0.5, 10, 1_000, 2_500, 100_000, 1_000_000)] == [
        "0",
        "0.5",
        "10",
        "1k",
        "2.5k",
        "100k",
        "1M",
    ]
