import base64
from contextlib import suppress
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.services.task.log import BEGINNING, Cursor, Position

MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)).map(
    lambda moment: moment.replace(microsecond=moment.microsecond // 1000 * 1000)
)
POSITIONS = st.builds(Position, st.integers(0, 2**63 - 1), st.uuids(), st.integers(0, 2**31 - 1))


def encoded(plain: str) -> str:
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


@given(POSITIONS, MOMENTS)
def test_a_cursor_comes_back_as_it_was(position: Position, at: datetime) -> None:
    assert Cursor.decode(Cursor(position, at).encode()) == Cursor(position, at)


@given(POSITIONS, POSITIONS)
def test_no_position_comes_before_the_beginning(first: Position, second: Position) -> None:
    assert min(first, second) >= BEGINNING


@given(st.text(max_size=200))
@example("é")
@example("=")
@example("A")
@example("\0")
@example("\ud800")
def test_no_text_breaks_the_decoder(text: str) -> None:
    with suppress(InvalidInput):
        Cursor.decode(text)


@given(st.text(st.characters(codec="ascii"), max_size=80))
@example("1.-1.00000000000000000000000000000000.1.1")
@example("1.1.00000000000000000000000000000000.1." + "f" * 40)
@example("1._1.0_0.1.1")
def test_no_content_breaks_the_decoder(plain: str) -> None:
    with suppress(InvalidInput):
        Cursor.decode(encoded(plain))


@pytest.mark.parametrize(
    "plain",
    [
        pytest.param("2.1." + "0" * 32 + ".1.1", id="another version"),
        pytest.param("1.1." + "0" * 32 + ".1", id="a part is missing"),
        pytest.param("1.1." + "0" * 31 + ".1.1", id="no task id"),
        pytest.param("1.-1." + "0" * 32 + ".1.1", id="negative transaction"),
        pytest.param("1.1." + "0" * 32 + ".-1.1", id="negative seq"),
        pytest.param(f"1.{2**63:x}." + "0" * 32 + ".1.1", id="transaction beyond 63 bits"),
        pytest.param("1.1." + "0" * 32 + f".{2**31:x}.1", id="seq beyond 31 bits"),
        pytest.param("1.1." + "0" * 32 + ".1." + "f" * 30, id="a time that does not exist"),
        pytest.param("1.1." + "0" * 32 + ".1.-" + "f" * 15, id="a time before all"),
    ],
)
def test_what_is_not_a_cursor_is_refused_by_name(plain: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Cursor.decode(encoded(plain))

    assert caught.value.path == ("after",)


def test_the_order_of_positions_is_transaction_task_seq() -> None:
    low, high = UUID(int=1), UUID(int=2)

    assert Position(1, high, 9) < Position(2, low, 1) < Position(2, low, 2) < Position(2, high, 1)
