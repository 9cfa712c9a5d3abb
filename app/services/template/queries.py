"""Reads of templates and their versions: columns; built-in ones are everybody's."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, RowMapping, Select, func, literal, literal_column, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.errors import InvalidInput, LimitExceeded, NotFound
from app.models import Template, TemplateVersion

MAX_SEARCH_LENGTH = 200
COLUMNS = Template.__table__.c  # type: ignore[attr-defined]
# As idx_templates_search has it.
_WORDS: ColumnElement[Any] = literal_column("to_tsvector('english', templates.name || ' ' || templates.category)")
VERSION_COLUMNS = TemplateVersion.__table__.c  # type: ignore[attr-defined]


def by_ids(templates: Collection[UUID]) -> Select[Any]:
    return select(*COLUMNS).where(COLUMNS.id.in_(templates))


def versions_by_ids(versions: Collection[UUID]) -> Select[Any]:
    """Each with its template's columns, named template_…: who shows a version shows its template's name too."""
    of_template = [column.label(f"template_{column.name}") for column in COLUMNS if column.name != "id"]
    return (
        select(*VERSION_COLUMNS, *of_template)
        .join(Template, COLUMNS.id == VERSION_COLUMNS.template_id)
        .where(VERSION_COLUMNS.id.in_(versions))
    )


def template_of(version: RowMapping) -> dict[str, Any]:
    """The template's columns, out of a row of `versions_by_ids`."""
    return {column.name: version[f"template_{column.name}"] for column in COLUMNS}


def latest_versions(templates: Collection[UUID]) -> Select[Any]:
    latest = COLUMNS.latest_version == VERSION_COLUMNS.number
    return (
        select(*VERSION_COLUMNS)
        .join(Template, (COLUMNS.id == VERSION_COLUMNS.template_id) & latest)
        .where(COLUMNS.id.in_(templates))
    )


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


async def version_for(session: AsyncSession, *, template_id: UUID | None, slug: str) -> Row[Any] | None:
    """The version a new task is pinned to: the named template's, else that of the template whose slug is the
    task's type (the workspace's own before the built-in one), else none. Raises NotFound for an unknown id."""
    latest = COLUMNS.latest_version == VERSION_COLUMNS.number
    chosen = COLUMNS.id == template_id if template_id else COLUMNS.slug == slug
    statement = (
        select(*VERSION_COLUMNS)
        .join(Template, (COLUMNS.id == VERSION_COLUMNS.template_id) & latest)
        .where(chosen)
        .order_by(COLUMNS.workspace_id.nulls_last())
        .limit(1)
    )
    row = (await session.execute(statement)).one_or_none()
    if row is None and template_id is not None:
        raise NotFound("Template", ids.encode(ids.TEMPLATE, template_id), ("templateId",))
    return row
