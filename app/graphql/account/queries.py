"""Fields of Query about the caller."""

import strawberry

from app.graphql.account.types import ApiKey, ApiKeyConnection, Viewer
from app.graphql.account.user import User
from app.graphql.context import Info
from app.graphql.relay import After, First, PageArguments, fetch_page, uuid_key
from app.graphql.workspace.types import Workspace
from app.principal import Person, Principal
from app.services.account import queries

_KEY = uuid_key(queries.API_KEY_ID, "apiKey")


@strawberry.type
class AccountQueries:
    @strawberry.field(description="Who is calling; null when nobody signed in.")
    async def viewer(self, info: Info) -> Viewer | None:
        caller = info.context.caller
        if caller is None:
            return None
        user = await info.context.loaders.user.load(caller.user_id) if caller.user_id else None
        workspaces = await _workspaces(info, caller)
        person = User.from_row(user) if user is not None else None
        if isinstance(caller, Person):
            return Viewer(user=person, workspaces=workspaces)
        return Viewer(
            user=person,
            workspaces=workspaces,
            api_key=await _api_key(info, caller),
            workspace=await _workspace(info),
            role=caller.role,
            permissions=sorted(permission.value for permission in caller.permissions),
        )

    @strawberry.field(description="The workspace that this request acts in.")
    async def workspace(self, info: Info) -> Workspace | None:
        return await _workspace(info)

    @strawberry.field(
        description="The workspace's API keys, revoked ones too, in the order of their creation. For owners and admins."
    )
    async def api_keys(self, info: Info, first: First = None, after: After = None) -> ApiKeyConnection:
        page = await fetch_page(info.context.reader, queries.api_keys(), _KEY, PageArguments(first, after))
        return ApiKeyConnection.from_page(page)


async def _workspace(info: Info) -> Workspace | None:
    row = await info.context.reader.row(queries.workspace())
    return Workspace.from_row(row) if row is not None else None


async def _workspaces(info: Info, caller: Principal | Person) -> list[Workspace]:
    if caller.user_id is None:
        return [workspace for workspace in [await _workspace(info)] if workspace is not None]
    rows = await queries.workspaces_of(info.context.reader, caller.user_id)
    return [Workspace.from_row(row) for row in rows]


async def _api_key(info: Info, caller: Principal) -> ApiKey | None:
    if caller.api_key_id is None:
        return None
    row = await info.context.reader.row(queries.api_keys_by_ids([caller.api_key_id]))
    return ApiKey.from_row(row) if row is not None else None
