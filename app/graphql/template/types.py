"""Templates: named kinds of task, and the versions that tasks are pinned to."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

import strawberry

from app import ids
from app.db.hot import Row
from app.errors import NotFound
from app.graphql.account.user import User
from app.graphql.context import Info
from app.graphql.errors import UserError
from app.graphql.relay import Node, Page, PageInfo

JSON = strawberry.scalars.JSON


@strawberry.type(description="What a template said at one time. A task keeps the version it was created with.")
class TemplateVersion(Node):
    template_id: strawberry.Private[UUID]
    number: int = strawberry.field(description="1, 2, 3 … per template.")
    input_schema: JSON | None = strawberry.field(description="JSON Schema that a task's input has to fit.")
    output_schema: JSON | None = strawberry.field(description="JSON Schema that the output fits.")
    prompt: str = strawberry.field(description="The prompt, with {{placeholders}} for parts of the input.")
    created_at: datetime = strawberry.field(description="When it was published.")

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            id=strawberry.ID(ids.encode(ids.TEMPLATE_VERSION, row["id"])),
            template_id=row["template_id"],
            number=row["number"],
            input_schema=row["input_schema"],
            output_schema=row["output_schema"],
            prompt=row["prompt"],
            created_at=row["created_at"],
        )

    @strawberry.field(description="The template it is a version of.")
    async def template(self, info: Info) -> Annotated["Template", strawberry.lazy("app.graphql.template.types")]:
        row = await info.context.loaders.template.load(self.template_id)
        if row is None:
            raise NotFound("Template", ids.encode(ids.TEMPLATE, self.template_id))
        return Template.from_row(row)


@strawberry.type(description="A named kind of task: what goes in, what comes out, and how to ask for it.")
class Template(Node):
    key: strawberry.Private[UUID]
    creator_id: strawberry.Private[UUID | None]
    slug: str = strawberry.field(description='A task whose type is this uses the template: "email.reply".')
    name: str = strawberry.field(description="The name people see.")
    category: str = strawberry.field(description="What it belongs to, such as support.")
    description: str | None = strawberry.field(description="What it does; null where nobody said.")
    config: JSON = strawberry.field(
        description="What its tasks take from it: maxOutputTokens, temperature, modelClass, tier, priceMicros."
    )
    is_public: bool = strawberry.field(description="Whether every workspace can use it.")
    created_at: datetime = strawberry.field(description="When it was created.")

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            id=strawberry.ID(ids.encode(ids.TEMPLATE, row["id"])),
            key=row["id"],
            creator_id=row["creator_id"],
            slug=row["slug"],
            name=row["name"],
            category=row["category"],
            description=row["description"] or None,
            config=row["config"],
            is_public=row["is_public"],
            created_at=row["created_at"],
        )

    @strawberry.field(description="Who created it; null where it is built in.")
    async def creator(self, info: Info) -> User | None:
        row = await info.context.loaders.user.load(self.creator_id) if self.creator_id else None
        return User.from_row(row) if row is not None else None

    @strawberry.field(description="The version that new tasks get.")
    async def latest_version(self, info: Info) -> TemplateVersion:
        row = await info.context.loaders.latest_version.load(self.key)
        if row is None:
            raise NotFound("Template", self.id)
        return TemplateVersion.from_row(row)


@strawberry.type(description="A template and its place in the list.")
class TemplateEdge:
    cursor: str = strawberry.field(description="Pass it as after to go on from here.")
    node: Template = strawberry.field(description="The template.")


@strawberry.type(description="A page of templates.")
class TemplateConnection:
    edges: list[TemplateEdge] = strawberry.field(description="The templates with their cursors.")
    nodes: list[Template] = strawberry.field(description="The templates alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @classmethod
    def from_page(cls, page: Page) -> Self:
        nodes = [Template.from_row(row) for row in page.rows]
        edges = [TemplateEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=page.info)


@strawberry.type(description="What createTemplate gives.")
class TemplatePayload:
    template: Template | None = strawberry.field(default=None, description="The template; null where errors say why.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.input(description="A template to create, with its first version.")
class CreateTemplateInput:
    slug: str = strawberry.field(description='Words joined by dots, unique in the workspace: "invoice.check".')
    name: str = strawberry.field(description="1 to 200 characters.")
    category: str = strawberry.field(default="general", description="1 to 100 characters.")
    description: str = strawberry.field(default="", description="At most 2,000 characters.")
    prompt: str = strawberry.field(
        description="At most 20,000 characters. {{name}} stands for a part of the input; a line of three dashes "
        "parts system instructions from the question."
    )
    input_schema: JSON | None = strawberry.field(default=None, description="JSON Schema 2020-12 for the input.")
    output_schema: JSON | None = strawberry.field(
        default=None,
        description="JSON Schema 2020-12 for the output: an object. Without it the output is {text}.",
    )
    config: JSON | None = strawberry.field(
        default=None,
        description="What its tasks take from it: maxOutputTokens (1 to 32,768) and temperature (0 to 2) for the "
        "model; modelClass (content_generation, code_generation or simple_tasks) and within it tier (primary, fallback "
        "or budget) for routing; priceMicros, what a task usually costs in micro-credits: one without maxCost may cost "
        "twice as much, and never more than a credit.",
    )
