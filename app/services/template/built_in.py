"""Keeps the built-in templates in the database in step with the code. Run by `bizq migrate`, as the owner."""

from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine
from sqlalchemy.pool import NullPool

from app import ids
from app.db.engine import sqlalchemy_url
from app.models import Template, TemplateVersion
from app.services.template import builtin
from app.services.template.builtin import BuiltinTemplate

_TEMPLATE = Template.__table__  # type: ignore[attr-defined]
_VERSION = TemplateVersion.__table__  # type: ignore[attr-defined]


async def publish_built_in(owner_url: str) -> int:
    """Insert what is missing; where content has changed, publish a new version. Returns how many there are."""
    engine = create_async_engine(sqlalchemy_url(owner_url), poolclass=NullPool)
    templates = builtin.load()
    async with engine.begin() as connection:
        for template in templates:
            await _publish(connection, template)
    await engine.dispose()
    return len(templates)


async def _publish(connection: AsyncConnection, template: BuiltinTemplate) -> None:
    shown = {
        "name": template.name,
        "category": template.category,
        "description": template.description,
        "config": dict(template.config),
        "is_public": True,
    }
    upsert = (
        pg.insert(_TEMPLATE)
        .values(id=ids.new_id(), workspace_id=None, slug=template.slug, latest_version=0, **shown)
        .on_conflict_do_update(index_elements=["workspace_id", "slug"], set_=shown)
        .returning(_TEMPLATE.c.id, _TEMPLATE.c.latest_version)
    )
    row = (await connection.execute(upsert)).one()
    content = _content(template)
    latest = select(*(_VERSION.c[name] for name in content)).where(
        _VERSION.c.template_id == row.id, _VERSION.c.number == row.latest_version
    )
    present = (await connection.execute(latest)).mappings().one_or_none()
    if present is not None and dict(present) == content:
        return
    number = row.latest_version + 1
    await connection.execute(insert(_VERSION).values(id=ids.new_id(), template_id=row.id, number=number, **content))
    await connection.execute(_TEMPLATE.update().where(_TEMPLATE.c.id == row.id).values(latest_version=number))


def _content(template: BuiltinTemplate) -> dict[str, Any]:
    return {
        "input_schema": dict(template.input_schema),
        "output_schema": dict(template.output_schema),
        "prompt": template.prompt,
        "config": dict(template.config),
    }
