"""The guard in front of every transport."""

import asyncio
from typing import Any

import httpx
import pytest

from app.db.hot import Hot
from app.main import build_app
from app.settings import Settings
from tests.integration.conftest import Tenant, serving
from tests.integration.graphql_client import Gql, Socket
from tests.integration.streams.sse import stream

TOO_COSTLY = "{ tasks(first: 100) { nodes { events(first: 100) { nodes { seq } } } } }"
TOO_DEEP = (
    "subscription { taskEvents { task { " + "template { template { latestVersion { " * 4 + "id" + " }" * 12 + " } } }"
)


@pytest.mark.parametrize(
    ("document", "name", "limit", "actual"),
    [
        (TOO_COSTLY, "maxQueryCost", 1000, 1 + 100 * (1 + 1 + 100)),
        ("{ viewer { " + "role " * 2000 + "} }", "maxQueryTokens", 2000, 2001),
        ("{ " + " ".join(f"v{n}: viewer {{ role }}" for n in range(31)) + " }", "maxQueryAliases", 30, 31),
        ("{ viewer { role " + "@skip(if: false) " * 21 + "} }", "maxQueryDirectives", 20, 21),
        (
            "{ viewer { " + "...r " * 201 + "} } fragment r on Viewer { role }",
            "maxQuerySpreads",
            200,
            201,
        ),
    ],
)
async def test_a_document_that_asks_for_too_much_is_told_which_limit(
    gql: Gql, document: str, name: str, limit: int, actual: int
) -> None:
    (error,) = await gql.errors(document)

    assert {key: error["extensions"][key] for key in ("code", "limitName", "limit", "actual")} == {
        "code": "QUERY_TOO_COMPLEX",
        "limitName": name,
        "limit": limit,
        "actual": actual,
    }
    limits = (await gql(f"{{ serverInfo {{ limits {{ {name} }} }} }}"))["serverInfo"]["limits"]
    assert limits == {name: limit}


async def test_a_page_that_comes_from_a_variable_counts(gql: Gql) -> None:
    document = "query($n: Int) { tasks(first: $n) { nodes { events(first: $n) { nodes { seq } } } } }"

    assert (await gql.errors(document, n=100))[0]["extensions"]["limitName"] == "maxQueryCost"
    assert (await gql(document, n=10)) == {"tasks": {"nodes": []}}


@pytest.mark.parametrize("document", [TOO_COSTLY, TOO_DEEP, "{ viewer { " + "role " * 2000 + "} }"])
async def test_sockets_and_event_streams_have_the_same_guard(
    http: httpx.AsyncClient, api: str, tenant: Tenant, socket: Socket, document: str
) -> None:
    refused = await (await socket.subscribe(document)).message()
    async with stream(http, api, tenant.api_key, document) as events:
        streamed: dict[str, Any] | None = (await anext(events)).data

    assert refused["type"] == "error"
    assert refused["payload"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
    assert streamed is not None
    assert streamed["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"


async def test_several_operations_need_a_name(gql: Gql) -> None:
    (error,) = await gql.errors("query A { viewer { role } } query B { viewer { role } }")

    assert (error["extensions"]["code"], error["extensions"]["path"]) == ("BAD_USER_INPUT", ["operationName"])


async def test_the_whole_schema_can_be_asked_for(gql: Gql) -> None:
    deep = "{ __schema { types { fields { type { ofType { ofType { ofType { ofType { ofType { name } } } } } } } } } }"

    assert len((await gql(deep))["__schema"]["types"]) > 50


async def test_the_same_mistake_names_each_request_by_itself(gql: Gql) -> None:
    answers = await asyncio.gather(*(gql.raw("{ viewer { nothing } }") for _ in range(20)))

    named = [answer.json()["errors"][0]["extensions"]["requestId"] for answer in answers]
    assert named == [answer.headers["x-request-id"] for answer in answers]
    assert len(set(named)) == 20


async def test_a_request_that_takes_too_long_is_ended(
    http: httpx.AsyncClient, service_settings: Settings, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(self: Hot, *_: object) -> Any:
        return await self.call("SELECT pg_sleep(30)")

    monkeypatch.setattr(Hot, "fetch", slowly)
    settings = service_settings.model_copy(update={"bizq_max_execution_seconds": 1.0})
    async with serving(build_app(settings)) as url:
        async with asyncio.timeout(10):
            answer = await Gql(http, url, tenant.api_key).raw("{ tasks { totalCount } }")

    assert answer.json()["errors"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX"
