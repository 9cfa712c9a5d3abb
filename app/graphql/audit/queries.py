"""Fields of Query about the audit log."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.graphql.audit.types import AuditEntryConnection
from app.graphql.context import Info
from app.graphql.relay import After, Before, First, Key, Last, PageArguments, fetch_page
from app.services.audit.queries import COLUMNS, AuditFilter, entries


def _seq(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:
        raise ValueError
    return value


_KEY = Key(COLUMNS.seq, "audit", _seq, descending=True)


@strawberry.type
class AuditQueries:
    @strawberry.field(
        description="Everything that changed access, money or configuration of this workspace, newest first. For "
        "owners and admins."
    )
    async def audit_log(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        action: Annotated[
            str | None,
            strawberry.argument(
                description="Only this action; one that ends in a dot takes all that begin so: api_key."
            ),
        ] = None,
        actor_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only what this person or API key did.")
        ] = None,
        subject_id: Annotated[
            strawberry.ID | None, strawberry.argument(description="Only what was done to the thing with this id.")
        ] = None,
        since: Annotated[
            datetime | None, strawberry.argument(description="Only what was done at this time or later.")
        ] = None,
        until: Annotated[datetime | None, strawberry.argument(description="Only what was done by this time.")] = None,
    ) -> AuditEntryConnection:
        statement = entries(AuditFilter(action, actor_id, subject_id, since, until))
        page = await fetch_page(info.context.reader, statement, _KEY, PageArguments(first, after, last, before))
        return AuditEntryConnection.from_page(page)
