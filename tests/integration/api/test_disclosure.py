"""What the API tells of its schema, and to whom."""

from collections.abc import Callable

import httpx
import pytest

from tests.integration.api.answers import extensions
from tests.integration.api.conftest import OwnApi
from tests.integration.api.documents import TASK_EVENTS
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql, Socket, connect
from tests.integration.streams.sse import stream

INTROSPECTION = "{ __schema { queryType { name } } }"
WRONG_VALUE = "query($value: [TaskStatus!]) { tasks(filter: {statuses: $value}) { totalCount } }"


async def test_introspection_needs_a_login_over_http(gql_as: Callable[[Tenant | None], Gql], tenant: Tenant) -> None:
    refused = await gql_as(None).raw(INTROSPECTION, headers={"Accept": "application/graphql-response+json"})

    assert (refused.status_code, extensions(refused)) == (400, {"code": "UNAUTHENTICATED"})
    assert "data" not in refused.json()
    assert await gql_as(tenant)(INTROSPECTION) == {"__schema": {"queryType": {"name": "Query"}}}


async def test_introspection_needs_a_login_on_sockets_and_streams(http: httpx.AsyncClient, api: str) -> None:
    async with connect(api, {}) as anonymous:
        (error,) = (await (await anonymous.subscribe(INTROSPECTION)).message())["payload"]
    async with stream(http, api, None, INTROSPECTION) as events:
        streamed = (await anext(events)).data

    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert streamed is not None
    assert streamed["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_the_schemas_file_needs_a_login_too(http: httpx.AsyncClient, api: str, tenant: Tenant) -> None:
    address = f"{api}/schema.graphql"
    anonymous = await http.get(address)
    wrong = await http.get(address, headers={"Authorization": "Bearer bzq_live_wrong"})
    known = await http.get(address, headers={"Authorization": f"Bearer {tenant.api_key}"})

    assert [(answer.status_code, extensions(answer)["code"]) for answer in (anonymous, wrong)] == [
        (401, "UNAUTHENTICATED")
    ] * 2
    assert "type Query" not in anonymous.text
    assert known.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert known.text.count("\ntype Query ") == 1


@pytest.mark.parametrize("value", ["QUEUD", "RUNING"])
async def test_wrong_values_of_variables_suggest_nothing(gql: Gql, socket: Socket, value: str) -> None:
    (error,) = await gql.errors(WRONG_VALUE, value=[value])
    subscription = TASK_EVENTS.replace("$id: ID,", "$id: ID, $value: Boolean!,").replace(
        "{ kind", "{ kind @skip(if: $value)"
    )
    (watched,) = (await (await socket.subscribe(subscription, value=value)).message())["payload"]

    assert error["extensions"]["code"] == watched["extensions"]["code"] == "BAD_USER_INPUT"
    assert "Did you mean" not in error["message"] + watched["message"]


async def test_suggestions_can_be_turned_on(own_api: OwnApi, http: httpx.AsyncClient, tenant: Tenant) -> None:
    async with own_api(bizq_suggestions=True) as url:
        gql = Gql(http, url, tenant.api_key)
        (field,) = await gql.errors("{ viewr { role } }")
        (value,) = await gql.errors(WRONG_VALUE, value=["QUEUD"])

    assert field["message"].endswith("Did you mean 'viewer'?")
    assert value["message"].endswith("Did you mean the enum value 'QUEUED'?")


async def test_there_is_no_page_to_write_queries_on(http: httpx.AsyncClient, api: str) -> None:
    for path in ("/graphql", "/graphql/stream", "/", "/graphiql", "/playground"):
        answer = await http.get(f"{api}{path}", headers={"Accept": "text/html"})
        assert answer.status_code in (400, 404, 406), path
        assert "text/html" not in answer.headers["Content-Type"]
