"""From what a request shows to who is calling, and in which workspace."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.hot import Hot, Row
from app.errors import Forbidden, Unauthenticated
from app.principal import Permission, Person, Principal, Role
from app.services.account import api_keys
from app.services.account.external_tokens import ExternalTokens
from app.services.account.key_use import KeyUse
from app.services.account.tokens import Claims, NotOurs, TokenSigner

# A revoked key, session or membership stops working within this time.
CACHE_SECONDS = 1.0
CACHE_SIZE = 10_000
_API_KEY = "SELECT k.*, auth_workspace_plan(k.workspace_id) AS plan FROM auth_api_key($1) k"
_MEMBERSHIPS = "SELECT m.*, auth_workspace_plan(m.workspace_id) AS plan FROM auth_session_memberships($1, $2) m"
_Key: TypeAlias = "bytes | tuple[UUID, UUID | None]"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The Authorization value, and the public id of the workspace the request names, if it does."""

    authorization: str | None
    workspace: str | None

    def of(self, caller: Principal | Person | None) -> "Credentials":
        """For as long as a connection lives: in the workspace that it began in, whatever others are joined since."""
        if not isinstance(caller, Principal):
            return self
        return Credentials(self.authorization, ids.encode(ids.WORKSPACE, caller.workspace_id))


class Authenticator:
    """One a process. Look-ups are kept for a second, and asked for once however many wait: a burst costs one."""

    def __init__(self, engine: AsyncEngine, hot: Hot, signer: TokenSigner, external: ExternalTokens) -> None:
        self._hot = hot
        self._signer = signer
        self._external = external
        self._key_use = KeyUse(engine)
        self._asking: dict[_Key, asyncio.Task[Sequence[Row]]] = {}
        self._cache: OrderedDict[_Key, tuple[float, Sequence[Row]]] = OrderedDict()

    async def close(self) -> None:
        """Before the engine is disposed of: write which keys were used."""
        await self._key_use.close()

    async def caller(self, credentials: Credentials, *, fresh: bool = False) -> Principal | Person | None:
        """None for an anonymous caller, a Person for one of several workspaces or none who names none.

        `fresh` asks whatever is remembered. Raises Unauthenticated or Forbidden for one that shows what is wrong.
        """
        if not credentials.authorization:
            return None
        scheme, _, token = credentials.authorization.strip().partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Unauthenticated("Authorization is `Bearer <access token or API key>`.")
        token = token.strip()
        if token.startswith(api_keys.PREFIX):
            return await self._of_api_key(token, credentials.workspace, fresh)
        return await self._of_user(await self._claims_of(token), credentials.workspace, fresh)

    async def _claims_of(self, token: str) -> Claims:
        """Others are asked only about what is not ours."""
        try:
            return self._signer.claims_of(token)
        except NotOurs:
            return await self._external.claims_of(token)

    async def _of_api_key(self, secret: str, workspace: str | None, fresh: bool) -> Principal:
        key = api_keys.hash_of(secret)
        rows = await self._cached(key, lambda: self._hot.call(_API_KEY, key), fresh)
        if not rows:
            raise Unauthenticated("The API key is not valid: wrong, revoked or expired.")
        row = rows[0]
        if workspace and ids.decode(ids.WORKSPACE, workspace) != row["workspace_id"]:
            raise Forbidden("The API key belongs to another workspace than the one named.")
        self._key_use.note(row["api_key_id"])
        scopes = None if row["scopes"] is None else frozenset(Permission(scope) for scope in row["scopes"])
        return Principal(
            workspace_id=row["workspace_id"],
            role=Role(row["role"]),
            api_key_id=row["api_key_id"],
            scopes=scopes,
            plan=row["plan"],
        )

    async def _of_user(self, claims: Claims, workspace: str | None, fresh: bool) -> Principal | Person:
        user_id = claims.user_id
        key = (user_id, claims.session_id)
        rows = await self._cached(key, lambda: self._hot.call(_MEMBERSHIPS, *key), fresh)
        if not rows[0]["live"]:
            raise Unauthenticated("The session has ended; sign in again.")
        memberships = [row for row in rows if row["workspace_id"] is not None]
        wanted = ids.decode(ids.WORKSPACE, workspace) if workspace else None
        if workspace is None and len(memberships) != 1:
            return Person(user_id, claims.expires_at, claims.session_id)
        for row in memberships:
            if workspace is None or row["workspace_id"] == wanted:
                return Principal(
                    workspace_id=row["workspace_id"],
                    role=Role(row["role"]),
                    user_id=user_id,
                    expires_at=claims.expires_at,
                    session_id=claims.session_id,
                    plan=row["plan"],
                )
        raise Forbidden("You are not a member of this workspace.")

    async def _cached(self, key: _Key, load: Callable[[], Awaitable[Sequence[Row]]], fresh: bool) -> Sequence[Row]:
        found = self._cache.get(key) if not fresh else None
        if found is not None and found[0] > time.monotonic():
            return found[1]
        asking = self._asking.get(key) if not fresh else None
        if asking is None:
            asking = self._asking[key] = asyncio.ensure_future(self._ask(key, load))
            asking.add_done_callback(partial(self._asked, key))
        # Whoever goes away takes nobody else's answer along.
        return await asyncio.shield(asking)

    async def _ask(self, key: _Key, load: Callable[[], Awaitable[Sequence[Row]]]) -> Sequence[Row]:
        # From before the look-up: what is changed while it is on its way counts within the same time.
        until = time.monotonic() + CACHE_SECONDS
        rows = await load()
        self._cache[key] = (until, rows)
        self._cache.move_to_end(key)
        if len(self._cache) > CACHE_SIZE:
            self._cache.popitem(last=False)
        return rows

    def _asked(self, key: _Key, asking: "asyncio.Task[Sequence[Row]]") -> None:
        if self._asking.get(key) is asking:
            del self._asking[key]
        if not asking.cancelled():
            # Told to whoever waits, if anybody still does.
            asking.exception()
