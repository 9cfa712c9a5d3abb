"""What signing up, in and refreshing give: tokens, and their owner as they see themselves."""

from datetime import timedelta
from uuid import UUID

from app.db.reader import Reader
from app.db.vault import Vault
from app.graphql.account.types import AuthPayload
from app.graphql.account.user import User
from app.graphql.context import Context
from app.graphql.workspace.types import Workspace
from app.principal import Person, Principal
from app.services.account import people, queries
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
    reader = Reader(resources.engine, Person(session.user_id), keep=False)
    payload.user = await _user(reader, resources.vault, session.user_id)
    workspaces = await queries.workspaces_of(reader, session.user_id)
    if len(workspaces) == 1:
        (row,) = workspaces
        member = queries.member_of(row["id"], session.user_id)
        payload.workspace = Workspace.from_row(row, await _user(reader, resources.vault, row["owner_id"], member))
    return payload


async def _user(reader: Reader, vault: Vault, user_id: UUID, within: Principal | None = None) -> User | None:
    row = await reader.row(queries.users_by_ids({user_id}), within=within)
    return User.from_row(people.opened(vault, row)) if row is not None else None
