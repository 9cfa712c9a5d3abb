"""Reads of templates and their versions: columns; built-in ones are everybody's."""

from typing import Any

from sqlalchemy import ColumnElement, func, literal, literal_column, or_

from app.db.hot import Row
from app.errors import InvalidInput, LimitExceeded
from app.models import Template

MAX_SEARCH_LENGTH = 200
COLUMNS = Template.__table__.c  # type: ignore[attr-defined]
# As idx_templates_search has it.
_WORDS: ColumnElement[Any] = literal_column("to_tsvector('english', templates.name || ' ' || templates.category)")


BY_IDS = "SELECT * FROM templates WHERE id = ANY ($1::uuid[])"
_OF_TEMPLATE = ", ".join(f"t.{column.name} AS template_{column.name}" for column in COLUMNS if column.name != "id")
# Each with its template's columns, named template_…: who shows a version shows its template's name too.
VERSIONS_BY_IDS = f"""
    SELECT v.*, {_OF_TEMPLATE} FROM template_versions v JOIN templates t ON t.id = v.template_id
    WHERE v.id = ANY ($1::uuid[])
"""  # noqa: S608  our own text
# Of each of these templates.
LATEST_VERSIONS = """
    SELECT v.* FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.number = t.latest_version
    WHERE t.id = ANY ($1::uuid[])
"""


def template_of(version: Row) -> dict[str, Any]:
    """The template's columns, out of a row of VERSIONS_BY_IDS."""
    return {column.name: version[f"template_{column.name}"] for column in COLUMNS}


def matching(search: str | None, category: str | None) -> list[ColumnElement[bool]]:
    """Conditions for a list: words of name and category (English stems), and an exact category.

    Raises InvalidInput or LimitExceeded naming the argument.
    """
    for name, value in (("search", search or ""), ("category", category or "")):
        _check_text(name, value)
    conditions: list[ColumnElement[bool]] = []
    if search:
        found = _WORDS.bool_op("@@")(func.websearch_to_tsquery(literal_column("'english'"), search))
        conditions.append(or_(found, COLUMNS.slug == search))
    if category:
        conditions.append(COLUMNS.category == literal(category))
    return conditions


def _check_text(name: str, value: str) -> None:
    if "\0" in value:
        raise InvalidInput(f"{name} cannot hold a NUL character.", (name,))
    if len(value) > MAX_SEARCH_LENGTH:
        raise LimitExceeded(
            f"{name} is {len(value)} characters; the limit is {MAX_SEARCH_LENGTH}.",
            limit=MAX_SEARCH_LENGTH,
            actual=len(value),
            path=(name,),
        )
