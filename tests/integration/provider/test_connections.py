"""createProviderConnection and its like: what is taken, what is shown, who may."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest

from app.principal import Role
from app.services.provider.connections import MAX_CONNECTIONS
from tests.integration.api.accounts import Person, new_email
from tests.integration.api.answers import refusals
from tests.integration.conftest import MakeTenant
from tests.integration.graphql_client import Gql
from tests.integration.mfa.conftest import held_clock  # noqa: F401
from tests.integration.mfa.people import HeldClock, enrolled
from tests.integration.provider.conftest import CREATE, DELETE, KEY, LIST, TEST, UPDATE

AUDIT = "{ auditLog { nodes { action subjectId data } } }"
SERVER: dict[str, Any] = {
    "provider": "OPENAI_COMPATIBLE", "name": "berlin", "model": "llama", "baseUrl": "https://models.example.com/v1/",
}  # fmt: skip
VENDOR: dict[str, Any] = {"provider": "OPENAI", "name": "ours", "apiKey": KEY}


async def create(gql: Gql, **wanted: Any) -> Any:
    return (await gql(CREATE, input=wanted))["createProviderConnection"]


async def update(gql: Gql, **wanted: Any) -> Any:
    return (await gql(UPDATE, input=wanted))["updateProviderConnection"]


async def listed(gql: Gql) -> list[str]:
    return [each["name"] for each in (await gql(LIST))["providerConnections"]]


async def test_only_the_end_of_a_key_is_ever_shown(gql: Gql) -> None:
    created = await create(gql, **VENDOR)
    await update(gql, id=created["connection"]["id"], model="gpt-6-luna")
    answers = [await gql.raw(document, id=created["connection"]["id"]) for document in (LIST, AUDIT, TEST)]

    assert created["connection"]["keyEndsWith"] == "cdef"
    assert not [answer for answer in answers if KEY in answer.text]
    assert KEY not in str(created)


async def test_server_has_sizes_and_its_address_without_a_slash(gql: Gql) -> None:
    first = await create(gql, **SERVER)
    second = await create(gql, **SERVER | {"name": "paris", "contextTokens": 2000, "apiKey": "short-key"})

    assert first["errors"] == []
    assert first["connection"] | {"id": ""} == {
        "id": "", "name": "berlin", "provider": "OPENAI_COMPATIBLE", "keyEndsWith": None, "model": "llama",
        "baseUrl": "https://models.example.com/v1", "contextTokens": 8192, "maxOutputTokens": 4096, "enabled": True,
    }  # fmt: skip
    assert (second["connection"]["keyEndsWith"], second["connection"]["maxOutputTokens"]) == (None, 2000)
    assert await listed(gql) == ["berlin", "paris"]


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (VENDOR | {"name": "openai"}, "name"),
        (VENDOR | {"name": "openai_compatible"}, "name"),
        *((VENDOR | {"name": name}, "name") for name in ("", "Ours", "9lives", "a/b", "a" * 41, "ours\0", "our key")),
        (VENDOR | {"apiKey": None}, "apiKey"),
        *((VENDOR | {"apiKey": key}, "apiKey") for key in ("short", "k" * 501, "with space 123", "line\nbreak")),
        (VENDOR | {"apiKey": "schlüssel-0123"}, "apiKey"),
        (VENDOR | {"baseUrl": "https://models.example.com"}, "baseUrl"),
        (VENDOR | {"contextTokens": 100}, "contextTokens"),
        (VENDOR | {"model": ""}, "model"),
        (VENDOR | {"model": "m" * 201}, "model"),
        (VENDOR | {"model": "a\0b"}, "model"),
        (SERVER | {"baseUrl": None}, "baseUrl"),
        (SERVER | {"baseUrl": "http://models.example.com/v1"}, "baseUrl"),
        (SERVER | {"baseUrl": "https://127.0.0.1:8000/v1"}, "baseUrl"),
        (SERVER | {"baseUrl": "https://user:password@models.example.com/v1"}, "baseUrl"),
        (SERVER | {"model": None}, "model"),
        (SERVER | {"contextTokens": 0}, "contextTokens"),
        (SERVER | {"contextTokens": -1}, "contextTokens"),
        (SERVER | {"contextTokens": 10_000_001}, "contextTokens"),
        (SERVER | {"contextTokens": 10, "maxOutputTokens": 11}, "maxOutputTokens"),
        (SERVER | {"maxOutputTokens": 0}, "maxOutputTokens"),
    ],
)  # fmt: skip
async def test_what_is_wrong_is_refused_by_its_field(gql: Gql, wanted: dict[str, Any], field: str) -> None:
    refused = await create(gql, **wanted)

    assert refusals(refused) == [("INVALID_INPUT", ["input", field])]
    assert refused["connection"] is None
    assert await listed(gql) == []


async def test_name_is_given_once_in_a_workspace(gql: Gql) -> None:
    await create(gql, **VENDOR)

    assert refusals(await create(gql, **SERVER | {"name": "ours"})) == [("CONFLICT", ["input", "name"])]
    assert await listed(gql) == ["ours"]


async def test_workspace_has_so_many_and_no_more_also_when_all_come_at_once(gql: Gql) -> None:
    made = await asyncio.gather(*(create(gql, **VENDOR | {"name": f"key-{n}"}) for n in range(MAX_CONNECTIONS + 3)))

    refused = [payload for payload in made if payload["errors"]]
    assert [refusals(payload) for payload in refused] == [[("LIMIT_EXCEEDED", None)]] * 3
    assert len(await listed(gql)) == MAX_CONNECTIONS


async def test_another_address_needs_the_key_once_more(gql: Gql) -> None:
    made = (await create(gql, **SERVER, apiKey=KEY))["connection"]
    elsewhere = "https://elsewhere.example.com/v1"

    refused = await update(gql, id=made["id"], baseUrl=elsewhere)
    same = await update(gql, id=made["id"], baseUrl="https://models.example.com/v1/", maxOutputTokens=100)
    moved = await update(gql, id=made["id"], baseUrl=elsewhere, apiKey="another-key-0123456789")

    assert refusals(refused) == [("INVALID_INPUT", ["input", "apiKey"])]
    assert (same["errors"], same["connection"]["baseUrl"]) == ([], made["baseUrl"])
    assert (moved["connection"]["baseUrl"], moved["connection"]["keyEndsWith"]) == (elsewhere, "6789")


async def test_foreign_connection_and_none_are_the_same(
    gql: Gql, make_tenant: MakeTenant, http: httpx.AsyncClient, api: str
) -> None:
    stranger = Gql(http, api, (await make_tenant()).api_key)
    foreign = (await create(stranger, **VENDOR))["connection"]["id"]

    for wanted in (foreign, "pcn_01h455vb4pex5vsknk084sn02q", "nonsense", ""):
        assert refusals(await update(gql, id=wanted, enabled=False)) == [("NOT_FOUND", ["input", "id"])]
        deleted = (await gql(DELETE, id=wanted))["deleteProviderConnection"]
        tested = (await gql(TEST, id=wanted))["testProviderConnection"]
        assert refusals(deleted) == refusals(tested) == [("NOT_FOUND", ["id"])]
        assert tested["works"] is None
    assert (await listed(gql), await listed(stranger)) == ([], ["ours"])


async def test_members_neither_see_nor_change_them(make_tenant: MakeTenant, http: httpx.AsyncClient, api: str) -> None:
    member = Gql(http, api, (await make_tenant(Role.MEMBER)).api_key)

    assert refusals(await create(member, **VENDOR)) == [("FORBIDDEN", None)]
    assert [error["extensions"]["code"] for error in await member.errors(LIST)] == ["FORBIDDEN"]


async def test_second_factor_is_asked_for_before_anything_changes(
    http: httpx.AsyncClient,
    api: str,
    held_clock: HeldClock,  # noqa: F811
) -> None:
    member = await enrolled(Person(http, api, new_email()), held_clock)
    made = (await member.ask(CREATE, input=VENDOR))["connection"]["id"]
    held_clock.move(timedelta(minutes=11))

    for document, variables in (
        (CREATE, {"input": SERVER}), (UPDATE, {"input": {"id": made, "enabled": False}}), (DELETE, {"id": made}),
    ):  # fmt: skip
        assert refusals(await member.ask(document, **variables)) == [("MFA_REQUIRED", None)]
    left = await Gql(http, api, member.token)(LIST)
    assert [(each["name"], each["enabled"]) for each in left["providerConnections"]] == [("ours", True)]


async def test_changes_are_in_the_audit_log_without_the_key(gql: Gql) -> None:
    made = (await create(gql, **SERVER, apiKey=KEY))["connection"]["id"]
    await update(gql, id=made, apiKey="another-key-0123456789", enabled=False)
    await gql(DELETE, id=made)

    entries = (await gql(AUDIT))["auditLog"]["nodes"][:3]

    named = {"name": "berlin", "host": "models.example.com"}
    assert [(entry["action"], entry["subjectId"], entry["data"]) for entry in reversed(entries)] == [
        ("provider_connection.create", made, {**named, "provider": "openai_compatible", "model": "llama"}),
        ("provider_connection.update", made, {**named, "changed": ["api_key", "enabled"], "enabled": False}),
        ("provider_connection.delete", made, named),
    ]


async def test_deleting_takes_it_away(gql: Gql) -> None:
    made = (await create(gql, **VENDOR))["connection"]["id"]

    assert (await gql(DELETE, id=made))["deleteProviderConnection"]["errors"] == []
    assert await listed(gql) == []
    assert refusals((await gql(DELETE, id=made))["deleteProviderConnection"]) == [("NOT_FOUND", ["id"])]
