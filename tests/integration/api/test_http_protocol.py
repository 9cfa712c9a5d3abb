"""GraphQL over HTTP: methods, media types, operations."""

from collections.abc import Awaitable, Callable

import httpx
import orjson
import pytest

from tests.integration.api.answers import code
from tests.integration.api.documents import TASK_EVENTS
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

Post = Callable[..., Awaitable[httpx.Response]]
VIEWER_BODY = orjson.dumps({"query": "{ viewer { role } }"})


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_only_get_and_post_are_served(post: Post, method: str) -> None:
    response = await post(VIEWER_BODY, method=method)

    assert code(response) == (405, "BAD_USER_INPUT")
    assert response.headers["Allow"] == "GET, POST"


async def test_a_query_may_come_in_the_address(http: httpx.AsyncClient, api: str) -> None:
    parameters = {
        "query": "query($n: Boolean!) { serverInfo { version @include(if: $n) } }",
        "variables": '{"n": true}',
    }

    response = await http.get(f"{api}/graphql", params=parameters)

    assert response.json()["data"]["serverInfo"]["version"]


async def test_a_mutation_may_not(http: httpx.AsyncClient, api: str, gql: Gql, tenant: Tenant) -> None:
    mutation = 'mutation { createTask(input: {type: "note.write", input: {}}) { task { id } } }'
    headers = {"Authorization": f"Bearer {tenant.api_key}"}

    response = await http.get(f"{api}/graphql", params={"query": mutation}, headers=headers)

    assert (code(response), response.headers["Allow"]) == ((405, "BAD_USER_INPUT"), "POST")
    assert (await gql("{ tasks { totalCount } }"))["tasks"]["totalCount"] == 0


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_what_a_browser_form_could_send_is_refused(post: Post, media: str) -> None:
    assert code(await post(VIEWER_BODY, **{"Content-Type": media})) == (415, "BAD_USER_INPUT")


@pytest.mark.parametrize("media", ["application/json; charset=utf-8", "Application/JSON"])
async def test_json_is_recognised_however_it_is_spelt(post: Post, media: str) -> None:
    assert (await post(VIEWER_BODY, **{"Content-Type": media})).json()["data"] == {"viewer": {"role": "OWNER"}}


async def test_subscription_needs_a_socket(gql: Gql) -> None:
    assert code(await gql.raw(TASK_EVENTS)) == (400, "BAD_USER_INPUT")


async def test_operation_can_be_chosen_by_name(post: Post) -> None:
    document = {"query": "query a { viewer { role } } query b { workspace { name } }"}

    assert code(await post(orjson.dumps(document | {"operationName": "c"}))) == (400, "BAD_USER_INPUT")
    chosen = await post(orjson.dumps(document | {"operationName": "b"}))
    assert chosen.json()["data"] == {"workspace": {"name": "Test workspace"}}


async def test_answers_are_marked_as_nobody_elses(gql: Gql) -> None:
    response = await gql.raw("{ viewer { role } }", headers={"Accept": "application/graphql-response+json"})

    assert response.headers["Content-Type"] == "application/graphql-response+json; charset=utf-8"
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert len(response.headers["X-Request-Id"]) == 32


async def test_an_empty_operation_name_in_the_address_is_none(http: httpx.AsyncClient, api: str) -> None:
    response = await http.get(f"{api}/graphql", params={"query": "query a { __typename }", "operationName": ""})

    assert response.json()["data"] == {"__typename": "Query"}
