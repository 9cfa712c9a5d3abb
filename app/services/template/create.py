"""A new template of the workspace, with its first version; and the built-in ones, kept in step with the code."""

from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping, insert
from sqlalchemy.dialects import postgresql as pg

from app import ids
from app.errors import Conflict, InvalidInput
from app.models import Template, TemplateVersion
from app.principal import Permission
from app.services.task.draft import MAX_TYPE_LENGTH, TYPE_PATTERN, check_size
from app.services.template.config import check_config
from app.services.template.queries import COLUMNS
from app.services.template.render import check_prompt
from app.services.template.schema_check import MAX_SCHEMA_BYTES, check_schema
from app.unit_of_work import UnitOfWork

MAX_NAME_LENGTH = 200
MAX_CATEGORY_LENGTH = 100
MAX_DESCRIPTION_LENGTH = 2_000


@dataclass(frozen=True, slots=True)
class TemplateDraft:
    slug: str
    name: str
    category: str
    description: str
    prompt: str
    input_schema: Any = None
    output_schema: Any = None
    config: Any = field(default_factory=dict)


async def create_template(uow: UnitOfWork, draft: TemplateDraft) -> RowMapping:
    """The template's columns. Raises InvalidInput naming the field, or Conflict for a slug that is taken."""
    uow.principal.require(Permission.TEMPLATE_WRITE)
    _check(draft)
    statement = (
        pg.insert(Template)
        .values(
            id=ids.new_id(),
            workspace_id=uow.principal.workspace_id,
            slug=draft.slug,
            name=draft.name.strip(),
            category=draft.category.strip(),
            description=draft.description,
            config=draft.config,
            creator_id=uow.principal.user_id,
        )
        .on_conflict_do_nothing(index_elements=["workspace_id", "slug"])
        .returning(*COLUMNS)
    )
    template = (await uow.session.execute(statement)).mappings().one_or_none()
    if template is None:
        raise Conflict(f"The workspace has a template {draft.slug} already.", ("slug",))
    await uow.session.execute(
        insert(TemplateVersion).values(
            id=ids.new_id(),
            template_id=template["id"],
            workspace_id=uow.principal.workspace_id,
            number=1,
            input_schema=draft.input_schema,
            output_schema=draft.output_schema,
            prompt=draft.prompt,
            config=draft.config,
        )
    )
    uow.audit("template.create", ids.encode(ids.TEMPLATE, template["id"]), {"slug": draft.slug})
    return template


def _check(draft: TemplateDraft) -> None:
    if len(draft.slug) > MAX_TYPE_LENGTH or not TYPE_PATTERN.fullmatch(draft.slug):
        raise InvalidInput('slug is words of letters, digits, "-" and "_" joined by dots: "email.reply".', ("slug",))
    _text("name", draft.name.strip(), 1, MAX_NAME_LENGTH)
    _text("category", draft.category.strip(), 1, MAX_CATEGORY_LENGTH)
    _text("description", draft.description, 0, MAX_DESCRIPTION_LENGTH)
    if "\0" in draft.prompt:
        raise InvalidInput("prompt cannot hold a NUL character.", ("prompt",))
    for name, schema in (("inputSchema", draft.input_schema), ("outputSchema", draft.output_schema)):
        if schema is not None:
            check_size(name, schema, MAX_SCHEMA_BYTES)
            check_schema(schema, (name,))
    if draft.output_schema is not None and draft.output_schema.get("type") != "object":
        raise InvalidInput('An output is a JSON object: outputSchema needs "type": "object".', ("outputSchema", "type"))
    check_prompt(draft.prompt, draft.input_schema)
    check_config(draft.config)


def _text(name: str, value: str, shortest: int, longest: int) -> None:
    if not shortest <= len(value) <= longest or "\0" in value:
        raise InvalidInput(f"{name} has {shortest} to {longest} characters, without NUL.", (name,))
