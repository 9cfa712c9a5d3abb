"""Single sign-on by OpenID Connect: to a workspace's identity provider, and back with a code for the frontend."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.vault import Vault
from app.errors import InvalidInput
from app.providers.identity.openid import Client, NotAuthenticated, OpenIdProvider
from app.providers.identity.web import IdentityProviderUnavailable, Web
from app.services.account.external_identities import ExternalPerson
from app.services.sso import admit, codes, connections, flows
from app.services.sso.connections import Connection
from app.services.sso.flows import Flow
from app.services.sso.refusal import Reason, SsoRefused
from app.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger(__name__)

CALLBACK = "/auth/sso/callback"
CHALLENGE_LENGTH = 43
MAX_RETURN_TO = 2_000
_BASE64URL = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose provider: of an e-mail address, of its domain, or a connection by its public id; one of the three.

    `challenge` is BASE64URL(SHA256(verifier)) of a verifier that the frontend keeps; `return_to` one of its pages.
    """

    email: str | None
    domain: str | None
    connection: str | None
    challenge: str
    return_to: str


@dataclass(frozen=True, slots=True)
class Departure:
    """Where to send the browser, and the secret that it is to keep if it goes to a provider."""

    url: str
    browser: str | None


class NotUnderWay(InvalidInput):
    """A callback that belongs to no sign-in of this browser: there is nowhere to send it."""


class SingleSignOn:
    """One a process. `api_url` is the address at which browsers reach it, `origins` those of frontends."""

    def __init__(
        self,
        engine: AsyncEngine,
        unit_of_work: UnitOfWorkFactory,
        vault: Vault,
        web: Web,
        api_url: str,
        origins: Collection[str],
    ) -> None:
        self._engine = engine
        self._unit_of_work = unit_of_work
        self._vault = vault
        self._web = web
        self._redirect_uri = api_url + CALLBACK
        self._origins = {_origin(url) for url in (*origins, api_url)}
        self._providers: dict[str, OpenIdProvider] = {}

    async def start(self, asked: Asked) -> Departure:
        """To the provider; or back to `return_to` with `sso_error`. Raises InvalidInput naming the parameter."""
        self._check(asked)
        try:
            return await self._depart(asked, await self._connection(asked))
        except SsoRefused as refused:
            log.warning("single sign-on not begun", reason=refused.reason.value, detail=refused.detail)
            return Departure(_with(asked.return_to, {"sso_error": refused.reason.value}), None)

    async def _depart(self, asked: Asked, connection: Connection) -> Departure:
        provider = self._provider(connection)
        try:
            await provider.metadata()
            begun = await flows.begin(self._engine, connection, challenge=asked.challenge, return_to=asked.return_to)
            url = await provider.sign_in_url(
                self._client(connection),
                state=begun.state,
                nonce=begun.nonce,
                code_verifier=begun.browser,
                login_hint=asked.email,
            )
        except IdentityProviderUnavailable as error:
            raise SsoRefused(Reason.PROVIDER_UNAVAILABLE, str(error)) from None
        return Departure(url, begun.browser)

    async def finish(self, answer: Mapping[str, str], browser: str) -> str:
        """Where to send the browser: to the frontend, with `sso_code`, or `sso_error` that says why there is none.

        `answer` is what the provider sent it back with. Raises NotUnderWay.
        """
        flow = await flows.take(self._engine, answer.get("state", ""), browser)
        connection = await self._find(flow) if flow is not None else None
        if flow is None or connection is None:
            raise NotUnderWay("This sign-in is not under way in this browser, or took too long. Please start again.")
        try:
            person = await self._authenticated(connection, flow, answer, browser)
            outcome = await self._admitted(connection, flow, person)
        except SsoRefused as refused:
            _log(connection, refused)
            outcome = {"sso_error": refused.reason.value}
        return _with(flow.return_to, outcome)

    async def _authenticated(
        self, connection: Connection, flow: Flow, answer: Mapping[str, str], browser: str
    ) -> ExternalPerson:
        provider = self._provider(connection)
        try:
            _check_issuer(answer.get("iss"), connection.issuer, required=(await provider.metadata()).names_itself)
            if "error" in answer:
                raise SsoRefused(Reason.REFUSED_BY_PROVIDER, answer["error"][:100])
            claims = await provider.claims(
                self._client(connection), code=answer.get("code", ""), nonce=flow.nonce, code_verifier=browser
            )
        except NotAuthenticated as error:
            raise SsoRefused(Reason.INVALID_RESPONSE, str(error)) from None
        except IdentityProviderUnavailable as error:
            raise SsoRefused(Reason.PROVIDER_UNAVAILABLE, str(error)) from None
        return ExternalPerson.of(claims)

    async def _admitted(self, connection: Connection, flow: Flow, person: ExternalPerson) -> dict[str, str]:
        """A code for a session; where somebody has the e-mail address, one for linking."""
        try:
            user_id = await admit.admit(self._unit_of_work, self._vault, connection, person)
        except SsoRefused as refused:
            owner = None
            if refused.reason is Reason.ACCOUNT_EXISTS and person.email is not None:
                owner = await admit.owner_of(self._engine, self._vault, person.email)
            if owner is None:
                raise
            _log(connection, refused)
            code = await codes.keep(self._engine, connection, owner, flow.challenge, identity=person.identity)
            return {"sso_error": refused.reason.value, "sso_code": code}
        log.info("signed in by an identity provider", connection=str(connection.id), user=str(user_id))
        return {"sso_code": await codes.keep(self._engine, connection, user_id, flow.challenge)}

    def _check(self, asked: Asked) -> None:
        if len([way for way in (asked.email, asked.domain, asked.connection) if way]) != 1:
            raise InvalidInput("Give one of email, domain and connection.")
        if len(asked.challenge) != CHALLENGE_LENGTH or not _BASE64URL.issuperset(asked.challenge):
            raise InvalidInput("challenge is BASE64URL(SHA256(verifier)): 43 characters.", ("challenge",))
        plain = asked.return_to.isascii() and asked.return_to.isprintable() and "\\" not in asked.return_to
        if not plain or len(asked.return_to) > MAX_RETURN_TO or _origin(asked.return_to) not in self._origins:
            raise InvalidInput(
                "return_to is a page of the frontend: its origin is in ALLOWED_ORIGINS or BIZQ_API_URL, and it has at "
                f"most {MAX_RETURN_TO} characters.",
                ("return_to",),
            )

    async def _connection(self, asked: Asked) -> Connection:
        if asked.connection:
            wanted = ids.decode(ids.SSO_CONNECTION, asked.connection)
            found = await connections.find(self._engine, self._vault, connection_id=wanted) if wanted else None
        else:
            domain = (
                connections.domain_of(asked.email) if asked.email else connections.checked_domain(asked.domain or "")
            )
            found = await connections.find(self._engine, self._vault, domain=domain)
        if found is None:
            raise SsoRefused(Reason.NO_CONNECTION)
        return found

    async def _find(self, flow: Flow) -> Connection | None:
        return await connections.find(self._engine, self._vault, connection_id=flow.connection_id)

    def _provider(self, connection: Connection) -> OpenIdProvider:
        if connection.issuer not in self._providers:
            self._providers[connection.issuer] = OpenIdProvider(self._web, connection.issuer)
        return self._providers[connection.issuer]

    def _client(self, connection: Connection) -> Client:
        return Client(connection.client_id, connection.client_secret, self._redirect_uri)


def _check_issuer(named: str | None, issuer: str, *, required: bool) -> None:
    """RFC 9207, section 2.4: an answer of another provider than the one that was asked is not used."""
    if named != issuer and (required or named is not None):
        raise SsoRefused(Reason.INVALID_RESPONSE, "The answer is another issuer's, or does not name its own.")


def _log(connection: Connection, refused: SsoRefused) -> None:
    log.warning(
        "single sign-on refused", connection=str(connection.id), reason=refused.reason.value, detail=refused.detail
    )


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.netloc}".lower()


def _with(url: str, parameters: Mapping[str, str]) -> str:
    parts = urlsplit(url)
    query = [*parse_qsl(parts.query, keep_blank_values=True), *parameters.items()]
    return urlunsplit(parts._replace(query=urlencode(query)))
