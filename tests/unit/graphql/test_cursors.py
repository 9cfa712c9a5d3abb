"""Cursors of connections, and what a page makes of its arguments."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, Select, column, select

from app.errors import InvalidInput, LimitExceeded
from app.graphql.relay import PageArguments, encode_cursor, fetch_page, number_key, uuid_key

BY_ID = uuid_key(column("id"), "task", descending=True)
BY_NUMBER = number_key(column("seq"), "event")
COLUMNS: list[ColumnElement[Any]] = [column("id"), column("seq")]
STATEMENT = select(*COLUMNS)


class Rows:
    """Stands where a Reader stands: gives so many rows, and keeps what it was asked."""

    def __init__(self, count: int = 0) -> None:
        self.found = [{"id": UUID(int=number), "seq": number} for number in range(count)]
        self.asked: list[Select[Any]] = []

    async def rows(self, statement: Select[Any]) -> list[dict[str, object]]:
        self.asked.append(statement)
        return list(self.found)


def bound(rows: Rows) -> list[object]:
    """The values in the statement that was sent: what a cursor says, and the limit."""
    return list(rows.asked[0].compile().params.values())


@given(st.uuids())
async def test_cursor_of_an_id_leads_back_to_it(id: UUID) -> None:
    rows = Rows()

    await fetch_page(rows, STATEMENT, BY_ID, PageArguments(after=encode_cursor("task", id)))  # type: ignore[arg-type]

    assert bound(rows) == [id, 26]


@given(st.integers(-(2**31), 2**31 - 1))
async def test_cursor_of_a_number_leads_back_to_it(number: int) -> None:
    rows = Rows()

    await fetch_page(rows, STATEMENT, BY_NUMBER, PageArguments(after=encode_cursor("event", number)))  # type: ignore[arg-type]

    assert bound(rows) == [number, 26]


@given(st.one_of(st.text(), st.text().map(lambda text: encode_cursor("event", text)), st.integers().map(str)))
async def test_any_text_is_a_cursor_of_this_list_or_refused(text: str) -> None:
    rows = Rows()
    try:
        await fetch_page(rows, STATEMENT, BY_NUMBER, PageArguments(before=text))  # type: ignore[arg-type]
    except InvalidInput as refused:
        assert (refused.path, rows.asked) == (("before",), [])
    else:
        (number, _) = bound(rows)
        assert isinstance(number, int)
        assert -(2**31) <= number < 2**31


@given(st.integers(2**31, 2**200) | st.integers(-(2**200), -(2**31) - 1))
async def test_number_that_no_column_holds_is_refused(number: int) -> None:
    with pytest.raises(InvalidInput):
        await fetch_page(Rows(), STATEMENT, BY_NUMBER, PageArguments(after=encode_cursor("event", number)))  # type: ignore[arg-type]


@given(st.uuids())
async def test_cursor_of_another_list_is_refused(id: UUID) -> None:
    with pytest.raises(InvalidInput, match="after is not a cursor of this list"):
        await fetch_page(Rows(), STATEMENT, BY_ID, PageArguments(after=encode_cursor("worker", id)))  # type: ignore[arg-type]


@given(st.integers())
async def test_page_has_as_many_rows_as_asked_and_looks_one_further(size: int) -> None:
    rows = Rows()
    try:
        await fetch_page(rows, STATEMENT, BY_ID, PageArguments(first=size))  # type: ignore[arg-type]
    except LimitExceeded as refused:
        assert (refused.limit, refused.actual) == (100, size)
    except InvalidInput:
        assert size < 0
    else:
        assert bound(rows) == [size + 1]


async def test_page_read_backwards_is_shown_forwards() -> None:
    rows = Rows(3)

    page = await fetch_page(rows, STATEMENT, BY_NUMBER, PageArguments(last=2))  # type: ignore[arg-type]

    assert [row["seq"] for row in page.rows] == [1, 0]
    assert list(page.cursors) == [encode_cursor("event", 1), encode_cursor("event", 0)]
    assert (page.info.has_previous_page, page.info.has_next_page) == (True, False)
