"""`bizq sso`, on the database as its owner."""

import secrets
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app import ids
from app.settings import Settings
from tests.integration.cli.conftest import Result, Start
from tests.integration.conftest import Tenant

ISSUER = "https://login.example.com"
SECRET = "client-secret-canary"
Sso = Callable[..., Awaitable[Result]]


@pytest.fixture
def sso(start: Start, settings: Settings) -> Sso:
    assert settings.bizq_encryption_key is not None
    variables = {
        "DATABASE_URL": settings.app_database_url,
        "DATABASE_OWNER_URL": settings.owner_database_url,
        "BIZQ_ENCRYPTION_KEY": settings.bizq_encryption_key.get_secret_value(),
        "BIZQ_API_URL": "https://api.example.com",
    }

    async def sso(*arguments: str) -> Result:
        return await (await start("sso", *arguments, **variables)).result(f"{SECRET}\n".encode())

    return sso


@pytest.fixture
def domain() -> str:
    return f"{secrets.token_hex(8)}.example"


async def of(sso: Sso, tenant: Tenant) -> list[dict[str, Any]]:
    listed = (await sso("list", "--json")).json["connections"]
    return [each for each in listed if each["workspace"] == tenant.workspace_id]


async def test_connection_is_added_listed_without_its_secret_and_removed(sso: Sso, tenant: Tenant, domain: str) -> None:
    options = ("--issuer", ISSUER, "--client-id", "bizq", "--domain", domain.upper(), "--role", "viewer")

    added = await sso("add", tenant.workspace_id, *options)
    table = await sso("list")
    listed = await of(sso, tenant)

    connection = added.out.split()[1]
    assert "Redirect URI: https://api.example.com/auth/sso/callback" in added.out
    assert listed == [
        {
            "id": connection, "workspace": tenant.workspace_id, "issuer": ISSUER, "clientId": "bizq", "role": "VIEWER",
            "domains": [domain],
        }
    ]  # fmt: skip
    assert connection in table.out
    assert SECRET not in added.out + added.err + table.out
    assert (await sso("remove", connection)).code == 0
    assert await of(sso, tenant) == []


async def test_domain_is_one_connections_only(sso: Sso, tenant: Tenant, domain: str) -> None:
    options = ("--issuer", ISSUER, "--client-id", "bizq", "--domain", domain)
    await sso("add", tenant.workspace_id, *options)

    again = await sso("add", tenant.workspace_id, *options)

    assert (again.code, again.err.strip()) == (1, f"error {domain}: another connection has it.")
    assert len(await of(sso, tenant)) == 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--issuer": "http://login.example.com"}, "https://"),
        ({"--issuer": "https://login.example.com?a=b"}, "without ?"),
        ({"--domain": "nothing"}, "not a domain"),
        ({"--domain": "@example.com"}, "not a domain"),
        ({"--role": "OWNER"}, "it can be ADMIN, MEMBER, VIEWER"),
        ({"--client-id": "x" * 256}, "1 to 255"),
    ],
)
async def test_what_is_wrong_is_named_and_nothing_is_added(
    sso: Sso, tenant: Tenant, domain: str, changes: dict[str, str], message: str
) -> None:
    options = {"--issuer": ISSUER, "--client-id": "bizq", "--domain": domain, **changes}

    refused = await sso("add", tenant.workspace_id, *(word for option in options.items() for word in option))

    assert refused.code == 1
    assert message in refused.err
    assert await of(sso, tenant) == []


async def test_absent_workspace_and_connection_are_named(sso: Sso, domain: str) -> None:
    absent = ids.encode(ids.WORKSPACE, ids.new_id())
    options = ("--issuer", ISSUER, "--client-id", "bizq", "--domain", domain)

    for workspace in (absent, "ws_1"):
        refused = await sso("add", workspace, *options)
        assert (refused.code, f"There is no workspace {workspace}." in refused.err) == (1, True)
    removed = await sso("remove", "sso_1")
    assert (removed.code, "There is no connection sso_1." in removed.err) == (1, True)
