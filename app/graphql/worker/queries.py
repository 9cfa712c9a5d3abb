"""Fields of Query about workers."""

import strawberry
from sqlalchemy import select

from app.graphql.context import Info
from app.graphql.relay import After, First, PageArguments, fetch_page, uuid_key
from app.graphql.worker.types import WorkerConnection
from app.services.worker import queries

_KEY = uuid_key(queries.COLUMNS.id, "worker")


@strawberry.type
class WorkerQueries:
    @strawberry.field(description="The workspace's workers, in the order of their creation.")
    async def workers(self, info: Info, first: First = None, after: After = None) -> WorkerConnection:
        statement = select(*queries.COLUMNS)
        page = await fetch_page(info.context.reader, statement, _KEY, PageArguments(first, after))
        return WorkerConnection.from_page(page)
