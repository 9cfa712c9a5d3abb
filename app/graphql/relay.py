"""Relay connections over keyset pages: an opaque cursor names the last row seen, never an offset."""

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias
from uuid import UUID

import strawberry
from sqlalchemy import ColumnElement, Select

from app.db.reader import Reader
from app.errors import InvalidInput, LimitExceeded

DEFAULT_PAGE = 25
MAX_PAGE = 100

First: TypeAlias = Annotated[
    int | None,
    strawberry.argument(description=f"How many from the start, at most {MAX_PAGE}; {DEFAULT_PAGE} by default."),
]
After: TypeAlias = Annotated[str | None, strawberry.argument(description="Only what comes after this cursor.")]
Last: TypeAlias = Annotated[
    int | None,
    strawberry.argument(description=f"How many from the end, at most {MAX_PAGE}; not together with first."),
]
Before: TypeAlias = Annotated[str | None, strawberry.argument(description="Only what comes before this cursor.")]


@strawberry.interface(description="Anything with a global id that node(id:) can fetch.")
class Node:
    id: strawberry.ID = strawberry.field(description="Global id: a type prefix and a sortable unique part.")


@strawberry.type(description="Where a page lies in its list.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether more follows this page.")
    has_previous_page: bool = strawberry.field(description="Whether something comes before this page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the first edge; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the last edge; null on an empty page.")


@dataclass(frozen=True, slots=True)
class PageArguments:
    first: int | None = None
    after: str | None = None
    last: int | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Key:
    """What a list is ordered by: a unique column. `tag` keeps a cursor of one list from being used in another."""

    column: ColumnElement[Any]
    tag: str
    parse: Callable[[str], Any]
    descending: bool = False


def uuid_key(column: ColumnElement[Any], tag: str, *, descending: bool = False) -> Key:
    return Key(column, tag, UUID, descending)


def number_key(column: ColumnElement[Any], tag: str) -> Key:
    """For a column of type integer."""
    return Key(column, tag, _int32)


def _int32(text: str) -> int:
    value = int(text)
    if not -(2**31) <= value < 2**31:
        raise ValueError
    return value


@dataclass(frozen=True, slots=True)
class Page:
    """Rows in the list's order, each with its cursor."""

    rows: Sequence[Mapping[Any, Any]]
    cursors: Sequence[str]
    info: PageInfo


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows of a list a page is made of: `size` and one more, within the `bounds` (whether smaller than the value,
    and the value), from the list's end where it is `falling`."""

    key: Key
    arguments: PageArguments
    size: int
    falling: bool
    bounds: Sequence[tuple[bool, Any]]

    @classmethod
    def of(cls, key: Key, arguments: PageArguments) -> "Window":
        """Raises InvalidInput or LimitExceeded, naming the argument."""
        backwards = arguments.last is not None
        if backwards and arguments.first is not None:
            raise InvalidInput("Give first or last, not both.", ("last",))
        size = _size("last" if backwards else "first", arguments.last if backwards else arguments.first)
        bounds = [
            (smaller, decode_cursor(key, name, cursor))
            for name, cursor, smaller in (
                ("after", arguments.after, key.descending),
                ("before", arguments.before, not key.descending),
            )
            if cursor is not None
        ]
        return cls(key, arguments, size, key.descending != backwards, bounds)

    def page(self, found: Sequence[Mapping[Any, Any]]) -> Page:
        """Of the rows, in the order in which they were found."""
        arguments, backwards = self.arguments, self.arguments.last is not None
        more = len(found) > self.size
        rows = list(found[: self.size])
        if backwards:
            rows.reverse()
        name = str(self.key.column.key)
        cursors = [encode_cursor(self.key.tag, row[name]) for row in rows]
        info = PageInfo(
            has_next_page=arguments.before is not None if backwards else more,
            has_previous_page=more if backwards else arguments.after is not None,
            start_cursor=cursors[0] if cursors else None,
            end_cursor=cursors[-1] if cursors else None,
        )
        return Page(rows, cursors, info)


async def fetch_page(reader: Reader, statement: Select[Any], key: Key, arguments: PageArguments) -> Page:
    """Raises InvalidInput or LimitExceeded, naming the argument."""
    window = Window.of(key, arguments)
    for smaller, value in window.bounds:
        statement = statement.where(key.column < value if smaller else key.column > value)
    ordered = statement.order_by(key.column.desc() if window.falling else key.column.asc()).limit(window.size + 1)
    return window.page(await reader.rows(ordered))


def encode_cursor(tag: str, value: object) -> str:
    return base64.urlsafe_b64encode(f"{tag}:{value}".encode()).decode().rstrip("=")


def decode_cursor(key: Key, name: str, cursor: str) -> Any:
    """What the row that it names has in the key's column. Raises InvalidInput, naming the argument."""
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        tag, _, value = base64.b64decode(padded, altchars=b"-_", validate=True).decode().partition(":")
        if tag != key.tag:
            raise ValueError
        return key.parse(value)
    except (binascii.Error, ValueError):
        raise InvalidInput(f"{name} is not a cursor of this list.", (name,)) from None


def _size(name: str, size: int | None) -> int:
    if size is None:
        return DEFAULT_PAGE
    if size < 0:
        raise InvalidInput(f"{name} cannot be negative.", (name,))
    if size > MAX_PAGE:
        raise LimitExceeded(f"{name} is {size}; the limit is {MAX_PAGE}.", limit=MAX_PAGE, actual=size, path=(name,))
    return size
