"""What signing up, in and refreshing give: tokens, and their owner as they see themselves."""

from datetime import timedelta

from app.db.reader import Reader
from app.graphql.account.types import AuthPayload
from app.graphql.account.user import User
from app.graphql.context import Context
from app.graphql.workspace.types import Workspace
from app.principal import Principal, Role
from app.services.account import people, queries
from app.services.account.sessions import Lifetime, OpenSession
from app.settings import Settings


def lifetime_of(settings: Settings) -> Lifetime:
    return Lifetime(timedelta(days=settings.bizq_session_idle_days), timedelta(days=settings.bizq_session_days))


async def signed_in(context: Context, session: OpenSession) -> AuthPayload:
    """The workspace only where there is no choice."""
    resources = context.resources
    token = resources.signer.issue(session.user_id, session.session_id)
    workspaces = await queries.workspaces_of(resources.engine, session.user_id)
    payload = AuthPayload(access_token=token.text, refresh_token=session.refresh_token, expires_at=token.expires_at)
    if workspaces:
        first = workspaces[0]
        # As the new caller; whoever sent this request stays who they are for the rest of it.
        await context.close()
        member = Principal(workspace_id=first["id"], role=Role.VIEWER, user_id=session.user_id)
        rows = await Reader(resources.engine, member, keep=False).rows(
            queries.users_by_ids({session.user_id, first["owner_id"]})
        )
        users = {row["id"]: User.from_row(people.opened(resources.vault, row)) for row in rows}
        payload.user = users[session.user_id]
        if len(workspaces) == 1:
            payload.workspace = Workspace.from_row(first, owner=users[first["owner_id"]])
    return payload
