"""API keys: shown once, at most what their creator may do, over within a second."""

import asyncio
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from app.principal import PERMISSIONS, Permission, Role
from app.services.account import key_use
from app.services.account.authenticate import CACHE_SECONDS
from tests.integration.api.answers import refusals
from tests.integration.api.conftest import OwnApi, Sql
from tests.integration.conftest import MakeTenant, Tenant
from tests.integration.graphql_client import Gql

CREATE = """mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { secret
  apiKey { id name prefix scopes createdAt expiresAt lastUsedAt revokedAt } errors { code path message } } }"""
REVOKE = "mutation($id: ID!) { revokeApiKey(id: $id) { apiKey { id revokedAt } errors { code path message } } }"
LIST = """query($after: String) {
  apiKeys(first: 2, after: $after) { nodes { id name } pageInfo { hasNextPage endCursor } } }"""
VIEWER = "{ viewer { role permissions user { id } apiKey { name } } }"
AsKey = Callable[[str], Gql]


@pytest.fixture
def as_key(http: httpx.AsyncClient, api: str) -> AsKey:
    return lambda secret: Gql(http, api, secret)


async def create(gql: Gql, **wanted: Any) -> Any:
    return (await gql(CREATE, input={"name": "ci"} | wanted))["createApiKey"]


async def test_key_works_is_shown_once_and_kept_as_a_hash(gql: Gql, as_key: AsKey, sql: Sql) -> None:
    created = await create(gql, name="  nightly job ")

    viewer = (await as_key(created["secret"])(VIEWER))["viewer"]
    row = await sql(
        "SELECT k::text AS content, secret_hash FROM api_keys k WHERE prefix = :p", p=created["secret"][:13]
    )

    assert viewer == {
        "role": "OWNER",
        "permissions": sorted(PERMISSIONS[Role.OWNER]),
        "user": None,
        "apiKey": {"name": "nightly job"},
    }
    assert created["secret"].startswith("bzq_live_")
    assert created["apiKey"]["prefix"] == created["secret"][:13]
    assert created["secret"][13:] not in row.content
    assert row.secret_hash == hashlib.sha256(created["secret"].encode()).digest()


async def test_scopes_narrow_a_key_and_the_keys_that_it_makes(gql: Gql, as_key: AsKey) -> None:
    scopes = ["task:read", "api_key:manage"]
    narrow = as_key((await create(gql, scopes=scopes))["secret"])

    heir = await create(narrow)
    more = await create(narrow, scopes=["task:read", "task:create"])

    assert (await narrow(VIEWER))["viewer"]["permissions"] == sorted(scopes)
    assert sorted(heir["apiKey"]["scopes"]) == sorted(scopes)
    assert refusals(more) == [("FORBIDDEN", ["input", "scopes", "1"])]


async def test_key_is_at_most_its_creators_role(make_tenant: MakeTenant, as_key: AsKey, gql: Gql) -> None:
    admin = await make_tenant(Role.ADMIN)

    key = await create(as_key(admin.api_key))

    assert (await as_key(key["secret"])(VIEWER))["viewer"]["role"] == "ADMIN"


@pytest.mark.parametrize("role", [Role.MEMBER, Role.VIEWER])
async def test_others_neither_make_nor_end_nor_see_keys(
    make_tenant: MakeTenant, as_key: AsKey, role: Role, gql: Gql
) -> None:
    tenant = await make_tenant(role)
    caller = as_key(tenant.api_key)

    assert refusals(await create(caller)) == [("FORBIDDEN", None)]
    own = (await caller("{ viewer { apiKey { id } } }"))["viewer"]["apiKey"]["id"]
    assert refusals((await caller(REVOKE, id=own))["revokeApiKey"]) == [("FORBIDDEN", None)]
    listed = (await caller.raw(LIST)).json()
    assert [error["extensions"]["code"] for error in listed["errors"]] == ["FORBIDDEN"]


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({"name": ""}, "name"),
        ({"name": " \t "}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"scopes": []}, "scopes"),
        ({"scopes": ["task:read", "no:such"]}, "scopes.1"),
        ({"expiresAt": "2020-01-01T00:00:00Z"}, "expiresAt"),
        ({"expiresAt": "2999-01-01T00:00:00"}, "expiresAt"),
    ],
)
async def test_wrong_input_is_named_and_makes_no_key(
    gql: Gql, tenant: Tenant, sql: Sql, wanted: dict[str, Any], path: str
) -> None:
    refused = await create(gql, **wanted)

    assert refusals(refused) == [("INVALID_INPUT", ["input", *path.split(".")])]
    assert (refused["secret"], refused["apiKey"]) == (None, None)
    mine = "SELECT count(*) FROM api_keys WHERE workspace_id = :id"
    assert (await sql(mine, id=tenant.account.workspace_id))[0] == 1


async def test_revoking_ends_a_key_within_a_second_in_every_process(
    gql: Gql, as_key: AsKey, own_api: OwnApi, http: httpx.AsyncClient
) -> None:
    created = await create(gql)
    async with own_api() as url:
        here, there = as_key(created["secret"]), Gql(http, url, created["secret"])
        assert [(await key.raw(VIEWER)).status_code for key in (here, there)] == [200, 200]

        revoked = (await gql(REVOKE, id=created["apiKey"]["id"]))["revokeApiKey"]

        async with asyncio.timeout(CACHE_SECONDS + 0.5):
            for key in (here, there):
                while (await key.raw(VIEWER)).status_code != 401:  # noqa: ASYNC110 no event for it
                    await asyncio.sleep(0.05)
    again = (await gql(REVOKE, id=created["apiKey"]["id"]))["revokeApiKey"]
    assert again["apiKey"] == revoked["apiKey"]


async def test_foreign_key_and_unknown_key_are_the_same_to_revoke(
    gql: Gql, as_key: AsKey, make_tenant: MakeTenant
) -> None:
    stranger: Tenant = await make_tenant()
    foreign = (await as_key(stranger.api_key)("{ viewer { apiKey { id } } }"))["viewer"]["apiKey"]["id"]

    for wanted in (foreign, "key_01h455vb4pex5vsknk084sn02q", "key_x", "nonsense", ""):
        refused = (await gql(REVOKE, id=wanted))["revokeApiKey"]
        assert refusals(refused) == [("NOT_FOUND", ["id"])]
    assert (await as_key(stranger.api_key)(VIEWER))["viewer"]["role"] == "OWNER"


async def test_key_expires_and_cannot_make_one_that_lives_longer(gql: Gql, as_key: AsKey) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=2)
    short = await create(gql, expiresAt=soon.isoformat())
    heirs = [await create(as_key(short["secret"]), **wanted) for wanted in ({}, {"expiresAt": "2999-01-01T00:00:00Z"})]

    assert [datetime.fromisoformat(heir["apiKey"]["expiresAt"]) for heir in heirs] == [soon, soon]
    async with asyncio.timeout(5):
        while (await as_key(short["secret"]).raw(VIEWER)).status_code != 401:  # noqa: ASYNC110 nor for this
            await asyncio.sleep(0.1)


async def test_keys_are_listed_in_pages(gql: Gql) -> None:
    names = ["first", "second", "third"]
    for name in names:
        await create(gql, name=name)

    page = (await gql(LIST))["apiKeys"]
    rest = (await gql(LIST, after=page["pageInfo"]["endCursor"]))["apiKeys"]

    assert [key["name"] for key in page["nodes"] + rest["nodes"]] == ["test", *names]
    assert [page["pageInfo"]["hasNextPage"], rest["pageInfo"]["hasNextPage"]] == [True, False]


async def test_last_use_is_written_soon_and_at_most_once_a_minute(
    gql: Gql, as_key: AsKey, sql: Sql, http: httpx.AsyncClient, own_api: OwnApi
) -> None:
    created = await create(gql)
    key = as_key(created["secret"])
    used = "SELECT last_used_at, xmin::text AS written FROM api_keys WHERE prefix = :prefix"
    prefix = created["apiKey"]["prefix"]

    await key(VIEWER)
    async with asyncio.timeout(key_use.WAIT_SECONDS + 2):
        while (await sql(used, prefix=prefix)).last_used_at is None:  # noqa: ASYNC110 no event for it
            await asyncio.sleep(0.05)
    first = (await sql(used, prefix=prefix)).written
    # Another process knows nothing of it, and asks.
    async with own_api() as url:
        await Gql(http, url, created["secret"])(VIEWER)
        await key(VIEWER)
    assert (await sql(used, prefix=prefix)).written == first

    await sql("UPDATE api_keys SET last_used_at = last_used_at - interval '1 minute' WHERE prefix = :p", p=prefix)
    async with own_api() as url:
        await Gql(http, url, created["secret"])(VIEWER)
    assert (await sql(used, prefix=prefix)).written != first


def test_every_permission_is_somebodys() -> None:
    assert frozenset().union(*PERMISSIONS.values()) == frozenset(Permission)
