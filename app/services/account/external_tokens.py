"""Access tokens of other issuers (BIZQ_TOKEN_ISSUERS): verified by their keys, turned into users of ours.

Who shows a token for the first time signs up by it: with a user, and a workspace of their own.
"""

import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import jwt
import structlog
from jwt.types import Options
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.vault import Vault
from app.errors import Conflict, Forbidden, Unauthenticated
from app.providers.identity.key_set import KeySet
from app.providers.identity.signature import MAX_TOKEN_LENGTH, NotSigned, signing_key
from app.providers.identity.web import IdentityProviderUnavailable, Web
from app.services.account import external_identities
from app.services.account.external_identities import ExternalPerson
from app.services.account.sign_up import FIRST_WORKSPACE, NewAccount, open_account
from app.services.account.tokens import Claims
from app.settings import TokenIssuer
from app.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger(__name__)

# How far the issuer's clock may be from ours.
LEEWAY_SECONDS = 10
# The year 2100: what is not a date any more cannot be counted down to.
LATEST_EXPIRY = 4_102_444_800
_CHECKS: Options = {"require": ["exp", "sub", "iss", "aud"], "verify_iat": False, "enforce_minimum_key_length": True}
# Of an identity that was looked up: as long as memberships are (authenticate.py).
KNOWN_SECONDS = 1.0
KNOWN_SIZE = 10_000


class ExternalTokens:
    """One a process."""

    def __init__(
        self,
        engine: AsyncEngine,
        unit_of_work: UnitOfWorkFactory,
        vault: Vault,
        web: Web,
        issuers: Sequence[TokenIssuer],
        sign_up_micros: int,
    ) -> None:
        self._engine = engine
        self._unit_of_work = unit_of_work
        self._vault = vault
        self._issuers = {issuer.issuer: (issuer, KeySet(web, issuer.jwks_url)) for issuer in issuers}
        self._sign_up_micros = sign_up_micros
        self._known: OrderedDict[bytes, tuple[float, UUID]] = OrderedDict()

    async def claims_of(self, token: str) -> Claims:
        """Whose token it is, and until when. Raises Unauthenticated, or Forbidden for somebody who cannot sign up."""
        claims = await self._verified(token)
        expires_at = datetime.fromtimestamp(min(int(claims["exp"]), LATEST_EXPIRY), UTC)
        return Claims(await self._user_of(ExternalPerson.of(claims)), expires_at, None)

    async def _verified(self, token: str) -> dict[str, Any]:
        issuer, keys = self._issuer_of(token)
        try:
            key = await signing_key(token, keys, issuer.algorithms)
            return jwt.decode(
                token,
                key,
                [key.algorithm_name],
                _CHECKS,
                issuer=issuer.issuer,
                audience=issuer.audience,
                leeway=LEEWAY_SECONDS,
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The access token has expired; sign in again.") from None
        except (NotSigned, jwt.InvalidTokenError, jwt.InvalidKeyError, OverflowError) as error:
            log.info("token of another issuer refused", issuer=issuer.name, reason=str(error))
            raise _invalid() from None
        except IdentityProviderUnavailable as error:
            log.warning("keys of an issuer cannot be had", issuer=issuer.name, reason=str(error))
            raise Unauthenticated(f"The keys of {issuer.name} cannot be had at the moment; try again.") from None

    def _issuer_of(self, token: str) -> tuple[TokenIssuer, KeySet]:
        """By what the token says; whether it is true comes after."""
        if not self._issuers or len(token) > MAX_TOKEN_LENGTH:
            raise _invalid()
        try:
            named = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except jwt.InvalidTokenError:
            raise _invalid() from None
        found = self._issuers.get(named) if isinstance(named, str) else None
        if found is None:
            raise _invalid()
        return found

    async def _user_of(self, person: ExternalPerson) -> UUID:
        until, user_id = self._known.get(person.identity, (0.0, None))
        if user_id is not None and until > time.monotonic():
            return user_id
        async with self._engine.connect() as connection:
            user_id = await external_identities.find_user(connection, person.identity)
        if user_id is None:
            user_id = await self._sign_up(person)
        self._known[person.identity] = (time.monotonic() + KNOWN_SECONDS, user_id)
        self._known.move_to_end(person.identity)
        if len(self._known) > KNOWN_SIZE:
            self._known.popitem(last=False)
        return user_id

    async def _sign_up(self, person: ExternalPerson) -> UUID:
        if person.email is None:
            raise Forbidden(
                "Nobody is known by this token yet. To sign up, it needs the claims email, and email_verified as true."
            )
        account = NewAccount(ids.new_id(), ids.new_id())
        async with self._unit_of_work(account.principal) as uow:
            # Of many first requests one signs up.
            user_id = await external_identities.hold(uow.session, person.identity)
            if user_id is not None:
                return user_id
            try:
                await open_account(
                    uow,
                    self._vault,
                    email=person.email,
                    name=person.name,
                    workspace_name=FIRST_WORKSPACE,
                    credits_micros=self._sign_up_micros,
                )
            except Conflict:
                raise Forbidden(
                    "An account with the e-mail address of this token exists. Sign in to it; this token cannot."
                ) from None
            await external_identities.add(uow.session, account.user_id, person.identity, person.issuer)
        return account.user_id


def _invalid() -> Unauthenticated:
    return Unauthenticated("The access token is not valid.")
