"""What signing up, in and refreshing give: tokens, and their owner as they see themselves."""

from datetime import timedelta

from app.db.reader import Reader
from app.graphql.account.types import AuthPayload
from app.graphql.account.user import User
from app.graphql.context import Context
from app.graphql.workspace.types import Workspace
from app.principal import Principal
from app.services.account import queries
from app.services.account.sessions import Lifetime, OpenSession
from app.settings import Settings


def lifetime_of(settings: Settings) -> Lifetime:
    return Lifetime(timedelta(days=settings.bizq_session_idle_days), timedelta(days=settings.bizq_session_days))


async def signed_in(context: Context, session: OpenSession) -> AuthPayload:
    """The workspace only where there is no choice."""
    resources = context.resources
    token = resources.signer.issue(session.user_id, session.session_id)
    payload = AuthPayload(access_token=token.text, refresh_token=session.refresh_token, expires_at=token.expires_at)
    # As the new caller; whoever sent this request stays who they are for the rest of it.
    await context.close()
    reader = Reader(resources.engine, Principal.outside(session.user_id), keep=False)
    user = await reader.row(queries.users_by_ids({session.user_id}))
    payload.user = User.from_row(user) if user is not None else None
    workspaces = await queries.workspaces_of(reader, session.user_id)
    if len(workspaces) == 1:
        owner = await queries.owner_of(reader, session.user_id, workspaces[0])
        payload.workspace = Workspace.from_row(workspaces[0], owner=User.from_row(owner) if owner is not None else None)
    return payload
