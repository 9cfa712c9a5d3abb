"""Fields of Mutation about templates."""

from typing import Annotated

import strawberry

from app.graphql.context import Info
from app.graphql.errors import PayloadErrors
from app.graphql.template.types import CreateTemplateInput, Template, TemplatePayload
from app.services.template.create import TemplateDraft, create_template


@strawberry.type
class TemplateMutations:
    @strawberry.mutation(
        description="Create a template of this workspace; it takes precedence over a built-in one of the same slug.",
        extensions=[PayloadErrors("input")],
    )
    async def create_template(
        self,
        info: Info,
        input: Annotated[CreateTemplateInput, strawberry.argument(description="The template.")],
    ) -> TemplatePayload:
        draft = TemplateDraft(
            slug=input.slug,
            name=input.name,
            category=input.category,
            description=input.description,
            prompt=input.prompt,
            input_schema=input.input_schema,
            output_schema=input.output_schema,
            config={} if input.config is None else input.config,
        )
        async with info.context.unit_of_work() as uow:
            template = await create_template(uow, draft)
        return TemplatePayload(template=Template.from_row(template))
