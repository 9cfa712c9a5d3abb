"""An API of our own address with single sign-on, a provider on loopback, and browsers between them."""

import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from starlette.applications import Starlette

from app.db.engine import sqlalchemy_url
from app.db.vault import Vault
from app.main import build_app
from app.principal import Role
from app.providers.identity import key_set
from app.services.sso.operate import NewConnection, add_connection
from app.settings import Settings, TokenIssuer
from tests.identity_provider import Client, IdentityProvider, Person
from tests.integration.conftest import Tenant, serving
from tests.integration.sso.browser import API, FRONTEND, Browser

AUDIENCE = "https://api.example.com"
CALLBACK = f"{API}/auth/sso/callback"
Sql = Callable[..., Awaitable[Any]]
Counts = Callable[[], Awaitable[Any]]


@pytest.fixture(scope="session")
async def served_provider() -> AsyncIterator[IdentityProvider]:
    provider = IdentityProvider(Person("nobody", "nobody@example.com"))
    async with serving(provider.app()) as url:
        provider.issuer = url
        yield provider


@pytest.fixture
def provider(served_provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch) -> IdentityProvider:
    """Obedient, and with a person whom nobody has seen yet, of a domain of their own."""
    # Another key is looked for at once, not at most every few seconds.
    monkeypatch.setattr(key_set, "APART_SECONDS", 0.0)
    served_provider.order = None
    served_provider.asked.clear()
    served_provider.codes.clear()
    served_provider.person = Person(secrets.token_hex(8), f"ann@{secrets.token_hex(8)}.example")
    return served_provider


@pytest.fixture(scope="session")
async def app(service_settings: Settings, served_provider: IdentityProvider) -> AsyncIterator[Starlette]:
    issuer = TokenIssuer(
        name="local",
        issuer=served_provider.issuer,
        jwks_url=f"{served_provider.issuer}/jwks",
        audience=AUDIENCE,
        algorithms=("RS256", "ES256", "EdDSA"),
    )
    changes = {"bizq_api_url": API, "allowed_origins": (FRONTEND,), "bizq_token_issuers": (issuer,)}
    app = build_app(service_settings.model_copy(update=changes))
    async with app.router.lifespan_context(app):
        yield app


MakeBrowser = Callable[[], Browser]


@pytest.fixture
async def make_browser(app: Starlette) -> AsyncIterator[MakeBrowser]:
    clients: list[httpx.AsyncClient] = []

    def make() -> Browser:
        # As over https, which cookies are kept for.
        clients.append(httpx.AsyncClient(mounts={API: httpx.ASGITransport(app)}, trust_env=False, timeout=30))
        return Browser(clients[-1])

    yield make
    for client in clients:
        await client.aclose()


@pytest.fixture
def browser(make_browser: MakeBrowser) -> Browser:
    return make_browser()


@pytest.fixture(scope="session")
async def owner_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def sql(owner_engine: AsyncEngine) -> Sql:
    """As the tables' owner; gives the first row's values, if it gives rows."""

    async def run(statement: str, **values: object) -> Any:
        async with owner_engine.begin() as connection:
            result = await connection.execute(text(statement), values)
            return result.first() if result.returns_rows else None

    return run


@pytest.fixture
def counts(sql: Sql) -> Counts:
    """How many users, sessions, memberships, identities and workspaces there are."""
    tables = ("users", "sessions", "memberships", "external_identities", "workspaces")
    statement = "SELECT " + ", ".join(f"(SELECT count(*) FROM {table})" for table in tables)
    return lambda: sql(statement)


@dataclass(frozen=True, slots=True)
class Company:
    """A workspace whose people sign in at the provider. `asked` is what a frontend starts with."""

    tenant: Tenant
    connection_id: UUID
    domain: str
    email: str

    @property
    def asked(self) -> dict[str, str]:
        return {"email": self.email}


@pytest.fixture
async def company(tenant: Tenant, provider: IdentityProvider, owner_engine: AsyncEngine, vault: Vault) -> Company:
    """The provider's person is of its domain."""
    client_id, secret = secrets.token_hex(8), secrets.token_urlsafe(24) + ":/+%"
    provider.clients[client_id] = Client(secret, CALLBACK)
    email = provider.person.email
    domain = email.partition("@")[2]
    wanted = NewConnection(tenant.account.workspace_id, provider.issuer, client_id, secret, [domain], role=Role.MEMBER)
    return Company(tenant, await add_connection(owner_engine, vault, wanted), domain, email)
