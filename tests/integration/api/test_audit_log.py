"""What leaves an entry in the audit log, and who may read it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.principal import Role
from app.services.workspace.shares import change_share
from tests.integration.api.accounts import CHANGE_PASSWORD, PASSWORD, SIGN_OUT, Person, new_email
from tests.integration.api.answers import refusals
from tests.integration.api.conftest import OwnApi
from tests.integration.api.documents import CREATE_TASK, CREATE_TEMPLATE, CREATE_WORKER, draft
from tests.integration.api.mailbox import REQUEST_RESET, RESET, VERIFY, Mailing, mailing
from tests.integration.conftest import MakeTenant, Tenant
from tests.integration.graphql_client import Gql

FIELDS = "seq at action subjectId actorId role clientAddress data hash user { id name }"
ARGUMENTS = "$first: Int, $after: String, $action: String, $actor: ID, $subject: ID, $since: DateTime, $until: DateTime"
LOG = f"""query({ARGUMENTS}) {{
  auditLog(first: $first, after: $after, action: $action, actorId: $actor, subjectId: $subject, since: $since,
    until: $until) {{ nodes {{ {FIELDS} }} pageInfo {{ hasNextPage endCursor }} }} }}"""
CREATE_KEY = "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { apiKey { id } secret } }"
REVOKE_KEY = "mutation($id: ID!) { revokeApiKey(id: $id) { errors { code } } }"


@pytest.fixture
def person(http: httpx.AsyncClient, api: str) -> Person:
    return Person(http, api, new_email(), client="192.0.2.33")


@pytest.fixture
async def mails(own_api: OwnApi, http: httpx.AsyncClient) -> AsyncIterator[Mailing]:
    async with mailing(own_api, http) as started:
        yield started


async def log_of(gql: Gql, **arguments: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await gql(LOG, **arguments))["auditLog"]["nodes"]
    return found


async def actions(person: Person, token: str) -> list[str]:
    return [entry["action"] for entry in await log_of(Gql(person.http, person.url, token))]


async def until_logged(gql: Gql, action: str, count: int) -> list[dict[str, Any]]:
    """What is written behind the answer is there a moment later."""
    async with asyncio.timeout(10):
        while len(found := await log_of(gql, action=action)) < count:  # noqa: ASYNC110 no event for it
            await asyncio.sleep(0.05)
    return found


async def test_account_leaves_its_entries_newest_first(person: Person) -> None:
    first = await person.sign_up()
    await person.ask(SIGN_OUT, refresh=first["refreshToken"])
    await person.ask(SIGN_OUT, refresh=first["refreshToken"])
    token = (await person.sign_in())["accessToken"]
    await person.ask(CHANGE_PASSWORD, token, input={"currentPassword": PASSWORD, "newPassword": "another password"})

    assert await actions(person, token) == [
        "password.change",
        "session.sign_in",
        "session.sign_out",
        "session.sign_in",
        "account.sign_up",
        "workspace.create",
    ]
    entry = (await log_of(Gql(person.http, person.url, token), action="session.sign_in"))[0]
    user = first["user"]["id"]
    assert (entry["actorId"], entry["subjectId"], entry["user"]["id"]) == (user, user, user)
    assert (entry["role"], entry["clientAddress"], entry["data"]) == ("OWNER", "192.0.2.33", {})


async def test_token_that_is_used_twice_is_in_the_log_without_an_actor(person: Person) -> None:
    first = await person.sign_up()
    await person.refresh(first["refreshToken"])
    for _ in range(2):
        await person.refresh(first["refreshToken"])
    token = (await person.sign_in())["accessToken"]

    (entry,) = await log_of(Gql(person.http, person.url, token), action="session.refresh_token_reused")

    assert (entry["actorId"], entry["role"], entry["subjectId"]) == (None, None, first["user"]["id"])


async def test_failed_sign_ins_are_counted_in_few_entries(person: Person) -> None:
    signed_up = await person.sign_up()
    gql = Gql(person.http, person.url, signed_up["accessToken"])
    elsewhere = Person(person.http, person.url, person.email, client="192.0.2.34")
    for number in range(9):
        await (person if number % 2 else elsewhere).sign_in("wrong password")
        if (number + 1).bit_count() == 1:
            await until_logged(gql, "session.sign_in_failed", (number + 1).bit_length())

    entries = await log_of(gql, action="session.sign_in_failed")

    assert [entry["data"] for entry in entries] == [{"failures": 8}, {"failures": 4}, {"failures": 2}, {"failures": 1}]
    assert {(entry["actorId"], entry["role"]) for entry in entries} == {(None, None)}
    assert entries[-1]["clientAddress"] == "192.0.2.34"


async def test_what_is_done_by_mail_is_in_the_log(mails: Mailing) -> None:
    person = mails.person()
    await person.sign_up()
    await person.ask(VERIFY, t=await mails.link(person.email, "verify-email"))
    await person.ask(REQUEST_RESET, email=person.email)
    await person.ask(RESET, t=await mails.link(person.email, "reset-password"), new="another password")
    token = (await person.sign_in("another password"))["accessToken"]

    assert (await actions(person, token))[:3] == ["session.sign_in", "password.reset", "email.verify"]


async def test_keys_workers_and_templates_are_in_the_log(gql: Gql, tenant: Tenant) -> None:
    created = (await gql(CREATE_KEY, input={"name": "CI", "scopes": ["task:read"]}))["createApiKey"]
    key = created["apiKey"]["id"]
    for _ in range(2):
        await gql(REVOKE_KEY, id=key)
    worker = (await gql(CREATE_WORKER, input={"name": "Ann", "kind": "HUMAN"}))["createWorker"]["worker"]["id"]
    template = await gql(CREATE_TEMPLATE, input={"slug": "own.kind", "name": "Own", "prompt": "Do it."})
    await gql(CREATE_TASK, input=draft())

    entries = await log_of(gql, first=4)

    assert [(entry["action"], entry["subjectId"]) for entry in entries] == [
        ("template.create", template["createTemplate"]["template"]["id"]),
        ("worker.create", worker),
        ("api_key.revoke", key),
        ("api_key.create", key),
    ]
    assert entries[3]["data"] == {"name": "CI", "role": "OWNER", "scopes": ["task:read"], "expiresAt": None}
    assert entries[0]["actorId"].startswith("key_")
    assert entries[0]["user"] is None
    assert created["secret"] not in json.dumps(entries)


async def test_what_is_refused_leaves_no_entry(gql: Gql) -> None:
    before = await log_of(gql)

    await gql(CREATE_KEY, input={"name": ""})
    await gql(CREATE_WORKER, input={"name": "", "kind": "HUMAN"})

    assert await log_of(gql) == before


async def test_operators_changes_are_in_the_log(gql: Gql, tenant: Tenant, owner_engine: AsyncEngine) -> None:
    await change_share(owner_engine, tenant.account.workspace_id, {"weight": 4, "concurrency": None})

    (entry,) = await log_of(gql, action="workspace.set")

    assert (entry["action"], entry["data"]) == ("workspace.set", {"weight": 4, "concurrency": None})
    assert (entry["actorId"], entry["role"], entry["subjectId"]) == (None, None, tenant.workspace_id)


async def test_filters_and_pages(gql: Gql) -> None:
    workers = [
        (await gql(CREATE_WORKER, input={"name": str(number), "kind": "HUMAN"}))["createWorker"]["worker"]["id"]
        for number in range(3)
    ]
    mine = (await log_of(gql, first=1))[0]["actorId"]
    page = (await gql(LOG, first=2, action="worker.create"))["auditLog"]
    rest = await log_of(gql, after=page["pageInfo"]["endCursor"], action="worker.")

    assert [entry["subjectId"] for entry in [*page["nodes"], *rest]] == workers[::-1]
    assert page["pageInfo"]["hasNextPage"] is True
    assert len(await log_of(gql, actor=mine)) == 3
    assert [entry["action"] for entry in await log_of(gql, subject=workers[1])] == ["worker.create"]
    assert len(await log_of(gql, since=page["nodes"][1]["at"], until=page["nodes"][0]["at"])) == 2
    for nobody in ("usr_01h455vb4pex5vsknk084sn02q", "nobody"):
        assert await log_of(gql, actor=nobody) == []


@pytest.mark.parametrize(
    ("arguments", "path"),
    [({"action": "a\0"}, ["action"]), ({"subject": "x" * 101}, ["subjectId"]), ({"after": "x"}, ["after"])],
)
async def test_wrong_argument_is_named(gql: Gql, arguments: dict[str, Any], path: list[str]) -> None:
    (error,) = await gql.errors(LOG, **arguments)

    assert (error["extensions"]["code"], error["extensions"]["path"]) == ("BAD_USER_INPUT", path)


@pytest.mark.parametrize(("role", "allowed"), [("ADMIN", True), ("MEMBER", False), ("VIEWER", False)])
async def test_it_is_for_owners_and_admins(
    gql_as: Callable[[Tenant], Gql], make_tenant: MakeTenant, role: str, allowed: bool
) -> None:
    gql = gql_as(await make_tenant(Role(role)))

    answer = (await gql.raw(LOG)).json()

    assert (answer["data"] is not None) is allowed
    if not allowed:
        assert [error["extensions"]["code"] for error in answer["errors"]] == ["FORBIDDEN"]


async def test_workspaces_do_not_see_each_others_log(
    gql: Gql, gql_as: Callable[[Tenant], Gql], make_tenant: MakeTenant
) -> None:
    other = gql_as(await make_tenant())
    await other(CREATE_WORKER, input={"name": "Ann", "kind": "HUMAN"})

    assert [entry["action"] for entry in await log_of(gql)] == ["account.sign_up", "workspace.create"]


async def test_a_stranger_can_verify_the_chain_from_what_the_api_shows(gql: Gql, tenant: Tenant) -> None:
    await gql(CREATE_KEY, input={"name": "Schlüssel \u2028 \U0001f511"})
    await gql(CREATE_WORKER, input={"name": "Ann", "kind": "HUMAN"})

    entries = (await log_of(gql))[::-1]

    last = bytes(32)
    for number, entry in enumerate(entries, start=1):
        at = datetime.fromisoformat(entry["at"]).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        actor = entry["actorId"] or ""
        members = {
            "action": entry["action"], "apiKey": actor if actor.startswith("key_") else None, "at": at,
            "clientAddress": entry["clientAddress"], "data": entry["data"], "role": entry["role"],
            "subject": entry["subjectId"], "user": actor if actor.startswith("usr_") else None,
            "workspace": tenant.workspace_id,
        }  # fmt: skip
        content = json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        last = hashlib.sha256(last + number.to_bytes(8, "big") + content).digest()
        assert (entry["seq"], entry["hash"]) == (number, last.hex())
    assert len(entries) == 4


async def test_wrong_present_password_is_a_sign_in_that_failed(person: Person) -> None:
    token = (await person.sign_up())["accessToken"]
    wrong = {"currentPassword": "wrong password", "newPassword": "another password"}

    refused = await person.ask(CHANGE_PASSWORD, token, input=wrong)

    assert refusals(refused) == [("INVALID_CREDENTIALS", ["input", "currentPassword"])]
    gql = Gql(person.http, person.url, token)
    assert (await until_logged(gql, "session.sign_in_failed", 1))[0]["data"] == {"failures": 1}
    assert await log_of(gql, action="password.change") == []
