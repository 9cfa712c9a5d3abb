"""Documents that are asked for by their hash, on every transport, and a service that executes no others."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.engine import sqlalchemy_url
from app.services.document import store
from app.services.document.store import Document
from app.services.document.trusted import CACHE_SECONDS
from app.settings import Settings
from tests.integration.api.answers import code, extensions
from tests.integration.api.conftest import OwnApi
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import connect
from tests.integration.streams.sse import read

VIEWER = "query Viewer { viewer { role } }"
COUNT = "query Count($n: Int) { tasks(first: $n) { totalCount } }"
EVENTS = "subscription Events { taskEvents { kind } }"
RESPONSE = "application/graphql-response+json"
NOT_FOUND = "PERSISTED_QUERY_NOT_FOUND"
NOT_TRUSTED = "DOCUMENT_NOT_TRUSTED"
Ask = Callable[..., Awaitable[httpx.Response]]


def sha256(document: str) -> str:
    return hashlib.sha256(document.encode()).hexdigest()


def by_apollo(document: str) -> dict[str, Any]:
    return {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": sha256(document)}}}


def by_id(document: str) -> dict[str, Any]:
    return {"documentId": f"sha256:{sha256(document)}"}


def by_bare_id(document: str) -> dict[str, Any]:
    return {"documentId": sha256(document)}


EACH_WAY = pytest.mark.parametrize("named", [by_apollo, by_id, by_bare_id])


@pytest.fixture(scope="module")
async def owner(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url))
    await store.add_documents(engine, [Document(each, "") for each in (VIEWER, COUNT, EVENTS)])
    yield engine
    await engine.dispose()


@pytest.fixture
def ask(http: httpx.AsyncClient, api: str, tenant: Tenant, owner: AsyncEngine) -> Ask:
    async def ask(request: dict[str, Any], *, url: str = api, accept: str = RESPONSE) -> httpx.Response:
        headers = {"Authorization": f"Bearer {tenant.api_key}", "Accept": accept}
        return await http.post(f"{url}/graphql", json=request, headers=headers)

    return ask


@EACH_WAY
async def test_a_hash_stands_for_its_document(ask: Ask, named: Callable[[str], dict[str, Any]]) -> None:
    answer = await ask(named(COUNT) | {"variables": {"n": 1}, "operationName": "Count"})

    assert answer.json()["data"] == {"tasks": {"totalCount": 0}}


@EACH_WAY
async def test_a_hash_may_come_in_the_address(
    http: httpx.AsyncClient, api: str, tenant: Tenant, owner: AsyncEngine, named: Callable[[str], dict[str, Any]]
) -> None:
    given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in named(VIEWER).items()}

    answer = await http.get(f"{api}/graphql", params=given, headers={"Authorization": f"Bearer {tenant.api_key}"})

    assert answer.json()["data"] == {"viewer": {"role": "OWNER"}}


@EACH_WAY
async def test_a_hash_is_good_on_sockets_and_streams(
    http: httpx.AsyncClient, api: str, tenant: Tenant, owner: AsyncEngine, named: Callable[[str], dict[str, Any]]
) -> None:
    headers = {"Authorization": f"Bearer {tenant.api_key}", "Accept": "text/event-stream"}
    async with connect(api, {"authorization": f"Bearer {tenant.api_key}"}) as socket:
        once = await (await socket.request(named(VIEWER))).message()
        live = await (await socket.request(named(EVENTS))).message()
    async with http.stream("POST", f"{api}/graphql/stream", json=named(VIEWER), headers=headers) as response:
        streamed = await anext(read(response))

    assert once["payload"]["data"] == {"viewer": {"role": "OWNER"}}
    assert live["payload"]["data"] == {"taskEvents": {"kind": "SNAPSHOT"}}
    assert streamed.data["data"] == {"viewer": {"role": "OWNER"}}


@EACH_WAY
async def test_an_unknown_hash_is_said_in_the_words_that_clients_wait_for(
    ask: Ask, named: Callable[[str], dict[str, Any]]
) -> None:
    strict, legacy = await ask(named("{ unknown }")), await ask(named("{ unknown }"), accept="application/json")

    assert code(strict) == (400, NOT_FOUND)
    assert code(legacy) == (200, NOT_FOUND)
    assert "not registered by sending them" in strict.json()["errors"][0]["message"]


async def test_sending_the_text_with_its_hash_executes_it_and_registers_nothing(ask: Ask) -> None:
    fresh = "query Fresh { viewer { role } }"

    both = await ask({"query": fresh} | by_apollo(fresh))
    hash_alone = await ask(by_apollo(fresh))

    assert both.json()["data"] == {"viewer": {"role": "OWNER"}}
    assert code(hash_alone) == (400, NOT_FOUND)


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        ({"query": COUNT} | by_apollo(VIEWER), ["extensions", "persistedQuery", "sha256Hash"]),
        (by_apollo(VIEWER) | by_id(COUNT), ["documentId"]),
        ({"documentId": "md5:abc"}, ["documentId"]),
        ({"documentId": 7}, ["documentId"]),
        ({"extensions": {"persistedQuery": {"version": 2, "sha256Hash": "0" * 64}}}, ["extensions", "persistedQuery"]),
        ({"extensions": {"persistedQuery": None}}, ["query"]),
        (
            {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 63}}},
            ["extensions", "persistedQuery", "sha256Hash"],
        ),
        ({"extensions": {}}, ["query"]),
        ({"query": ""}, ["query"]),
    ],
)
async def test_what_names_no_document_is_told_where(ask: Ask, request_: dict[str, Any], path: list[str]) -> None:
    refused = await ask(request_)

    assert (refused.status_code, extensions(refused)) == (400, {"code": "BAD_USER_INPUT", "path": path})


async def test_a_mutation_by_its_hash_is_no_query(
    http: httpx.AsyncClient, api: str, tenant: Tenant, owner: AsyncEngine
) -> None:
    document = 'mutation { createTask(input: {type: "note.write", input: {}}) { task { id } } }'
    await store.add_documents(owner, [Document(document, "")])

    refused = await http.get(f"{api}/graphql", params=by_id(document))

    assert code(refused) == (405, "BAD_USER_INPUT")


async def test_a_document_is_found_at_once_and_refused_soon_after_it_is_removed(ask: Ask, owner: AsyncEngine) -> None:
    document = Document("query Brief { viewer { role } }", "")
    before = await ask(by_id(document.text))
    await store.add_documents(owner, [document])
    during = await ask(by_id(document.text))
    await store.remove_documents(owner, [document.digest])
    async with asyncio.timeout(CACHE_SECONDS + 1):
        while "data" in (after := (await ask(by_id(document.text))).json()):  # noqa: ASYNC110  nothing tells
            await asyncio.sleep(0.1)

    assert code(before) == (400, NOT_FOUND)
    assert during.json()["data"] == {"viewer": {"role": "OWNER"}}
    assert after["errors"][0]["extensions"]["code"] == NOT_FOUND


async def test_the_guard_measures_them_too(ask: Ask, owner: AsyncEngine) -> None:
    document = "query($n: Int) { tasks(first: $n) { nodes { events(first: $n) { nodes { seq } } } } }"
    await store.add_documents(owner, [Document(document, "")])

    refused = await ask(by_id(document) | {"variables": {"n": 100}})

    assert extensions(refused)["limitName"] == "maxQueryCost"


async def test_trusted_only_executes_what_is_known_however_it_is_sent(own_api: OwnApi, ask: Ask) -> None:
    async with own_api(bizq_trusted_only=True) as url:
        answers = [await ask(request, url=url) for request in (by_id(VIEWER), by_apollo(VIEWER), {"query": VIEWER})]

    assert [answer.json()["data"] for answer in answers] == [{"viewer": {"role": "OWNER"}}] * 3


@pytest.mark.parametrize(
    "document", ["{ viewer { role } }", "{ __schema { queryType { name } } }", "{ __typename }", "{"]
)
async def test_trusted_only_refuses_the_rest_everywhere(
    own_api: OwnApi, http: httpx.AsyncClient, tenant: Tenant, ask: Ask, document: str
) -> None:
    headers = {"Authorization": f"Bearer {tenant.api_key}"}
    async with own_api(bizq_trusted_only=True) as url:
        over_http = await ask({"query": document}, url=url)
        with_hash = await ask({"query": document} | by_apollo(document), url=url)
        address = await http.get(f"{url}/graphql", params={"query": document}, headers=headers)
        streamed = await http.post(f"{url}/graphql/stream", json={"query": document}, headers=headers)
        async with connect(url, {"authorization": f"Bearer {tenant.api_key}"}) as socket:
            (error,) = (await (await socket.subscribe(document)).message())["payload"]

    assert [code(each) for each in (over_http, with_hash, address, streamed)] == [
        (400, NOT_TRUSTED),
        (400, NOT_TRUSTED),
        (200, NOT_TRUSTED),
        (400, NOT_TRUSTED),
    ]
    assert error["extensions"]["code"] == NOT_TRUSTED


async def test_the_service_itself_cannot_list_or_change_them(engine: AsyncEngine, owner: AsyncEngine) -> None:
    for statement in ("SELECT * FROM", "DELETE FROM"):
        async with engine.connect() as connection:
            with pytest.raises(DBAPIError, match="permission denied"):
                await connection.execute(text(f"{statement} trusted_documents"))
