"""Fields of Query about templates."""

from typing import Annotated

import strawberry
from sqlalchemy import select

from app.graphql.context import Info
from app.graphql.relay import After, First, PageArguments, fetch_page, uuid_key
from app.graphql.template.types import TemplateConnection
from app.services.template import queries

_KEY = uuid_key(queries.COLUMNS.id, "template")


@strawberry.type
class TemplateQueries:
    @strawberry.field(description="Templates that this workspace can use, the built-in ones among them.")
    async def templates(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        search: Annotated[str | None, strawberry.argument(description="Words of name or category, or a slug.")] = None,
        category: Annotated[str | None, strawberry.argument(description="Only this category.")] = None,
    ) -> TemplateConnection:
        statement = select(*queries.COLUMNS).where(*queries.matching(search, category))
        page = await fetch_page(info.context.reader, statement, _KEY, PageArguments(first, after))
        return TemplateConnection.from_page(page)
