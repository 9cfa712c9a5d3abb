from pathlib import Path
from xml.etree import ElementTree

from tests.bench.growth import Grown, Point, draw, picture_path
from tests.bench.job import Outcome
from tests.bench.meter import Used

TEXT = "{http://www.w3.org/2000/svg}text"
USED = Used(1.0, {}, 0.0)


def texts(*points: Point) -> list[str | None]:
    return [item.text for item in ElementTree.fromstring(draw(points)).iter(TEXT)]


def test_what_was_measured_becomes_a_point_and_what_was_wrong_a_failure() -> None:
    # given
    grown = Grown()
    # when
    grown.add("tasks", 10, "list", Outcome(4, 2.0, 2.0, USED, [1.0, 2.0, 3.0, 9.0], ["no"]))
    # then
    assert grown.points == [Point("tasks", 10, "list", 2.0, 9.0)]
    assert grown.failures == ["tasks 10, list: no"]
    assert grown.as_json()["passed"] is False


def test_only_axes_with_points_are_drawn() -> None:
    # when
    drawn = texts(Point("tasks", 10, "list", 1.0, 2.0), Point("tasks", 100, "list", 1.0, 2.0))
    # then
    assert drawn.count("tasks in the table") == 2
    assert "workspaces" not in drawn


def test_a_line_is_drawn_where_it_has_values() -> None:
    # when
    drawn = texts(Point("backlog", 0, "done", 5.0, None), Point("backlog", 0, "beside", None, 7.0))
    # then
    assert (drawn.count("done"), drawn.count("beside")) == (1, 1)


def test_a_picture_goes_into_the_file_or_the_folder_that_was_named(tmp_path: Path) -> None:
    assert picture_path(tmp_path / "a" / "speed.svg") == tmp_path / "a" / "speed.svg"
    assert (tmp_path / "a").is_dir()
    assert picture_path(tmp_path / "b") == tmp_path / "b" / "growth.svg"
    assert (tmp_path / "b").is_dir()
