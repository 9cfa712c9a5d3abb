"""Keys, tokens and who is calling."""

from datetime import datetime
from typing import Self

import strawberry

from app import ids
from app.db.hot import Row
from app.graphql.account.mfa_types import Mfa, mfa_of
from app.graphql.account.roles import RoleType
from app.graphql.account.user import User
from app.graphql.context import Info
from app.graphql.errors import UserError
from app.graphql.relay import Node, Page, PageInfo
from app.graphql.workspace.types import Workspace


@strawberry.type(description="A program's access to one workspace.")
class ApiKey(Node):
    name: str = strawberry.field(description="What the key is for.")
    prefix: str = strawberry.field(description="The first characters of the secret, to recognise it by.")
    scopes: list[str] = strawberry.field(description="The permissions of the key; empty means all that its role has.")
    created_at: datetime = strawberry.field(description="When it was created.")
    expires_at: datetime | None = strawberry.field(description="When it stops working; null for never.")
    last_used_at: datetime | None = strawberry.field(description="When it was last used, to about a minute.")
    revoked_at: datetime | None = strawberry.field(description="When it was revoked; null while it works.")

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            id=strawberry.ID(ids.encode(ids.API_KEY, row["id"])),
            name=row["name"],
            prefix=row["prefix"],
            scopes=row["scopes"] or [],
            created_at=row["created_at"],
            expires_at=row["expires_at"],
            last_used_at=row["last_used_at"],
            revoked_at=row["revoked_at"],
        )


@strawberry.type(description="An API key and its place in the list.")
class ApiKeyEdge:
    cursor: str = strawberry.field(description="Pass it as after to go on from here.")
    node: ApiKey = strawberry.field(description="The API key.")


@strawberry.type(description="A page of API keys.")
class ApiKeyConnection:
    edges: list[ApiKeyEdge] = strawberry.field(description="The API keys with their cursors.")
    nodes: list[ApiKey] = strawberry.field(description="The API keys alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @classmethod
    def from_page(cls, page: Page) -> Self:
        nodes = [ApiKey.from_row(row) for row in page.rows]
        edges = [ApiKeyEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=page.info)


@strawberry.type(description="What createApiKey and revokeApiKey give.")
class ApiKeyPayload:
    api_key: ApiKey | None = strawberry.field(default=None, description="The API key; null where errors say why.")
    secret: str | None = strawberry.field(
        default=None,
        description="After createApiKey: send it as `Authorization: Bearer <secret>`. Shown this once, and not kept.",
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type(description="Whether it worked.")
class SimplePayload:
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type(description="Who is calling, and what they may do here.")
class Viewer:
    user: User | None = strawberry.field(description="The person; null for an API key.")
    workspaces: list[Workspace] = strawberry.field(description="Every workspace the caller can act in.")
    api_key: ApiKey | None = strawberry.field(default=None, description="The API key; null for a person.")
    workspace: Workspace | None = strawberry.field(
        default=None,
        description="The workspace that this request acts in; null for a person who names none and has not just one.",
    )
    role: RoleType | None = strawberry.field(  # type: ignore[valid-type]
        default=None, description="The caller's role in it."
    )
    permissions: list[str] = strawberry.field(
        default_factory=list, description="What the caller may do in it, by name."
    )

    @strawberry.field(description="The caller's second factor; null where there is none, and for an API key.")
    async def mfa(self, info: Info) -> Mfa | None:
        return await mfa_of(info.context)


@strawberry.type(description="What signing up, signing in and refreshing a session give.")
class AuthPayload:
    access_token: str | None = strawberry.field(
        default=None, description="Send it as `Authorization: Bearer <token>`; valid until expiresAt."
    )
    refresh_token: str | None = strawberry.field(
        default=None,
        description="For a new access token without a password: pass it to refreshSession, once; keep it secret.",
    )
    expires_at: datetime | None = strawberry.field(default=None, description="When the access token stops working.")
    user: User | None = strawberry.field(default=None, description="Who signed in.")
    workspace: Workspace | None = strawberry.field(
        default=None,
        description="The workspace: the new one after signUp, the caller's only one after signIn.",
    )
    retry_at: datetime | None = strawberry.field(
        default=None, description="After too many failures or requests (LIMIT_EXCEEDED): when it can be tried again."
    )
    mfa_challenge: str | None = strawberry.field(
        default=None,
        description="After the right password, where the account has a second factor: no tokens yet, and errors is "
        "empty. Send it to signIn with a code, within 5 minutes.",
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")
