"""GraphQL over HTTP: methods, media types, operations."""

from collections.abc import Awaitable, Callable

import httpx
import orjson
import pytest

from tests.integration.api.answers import code
from tests.integration.api.documents import TASK_EVENTS
from tests.integration.graphql_client import Gql

Post = Callable[..., Awaitable[httpx.Response]]
VIEWER_BODY = orjson.dumps({"query": "{ viewer { role } }"})


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
async def test_only_post_is_served(post: Post, method: str) -> None:
    response = await post(VIEWER_BODY, method=method)

    assert code(response) == (405, "BAD_USER_INPUT")
    assert response.headers["Allow"] == "POST"


async def test_query_in_the_address_is_not_run(http: httpx.AsyncClient, api: str) -> None:
    response = await http.get(f"{api}/graphql", params={"query": "{ serverInfo { version } }"})

    assert response.status_code == 405
    assert "data" not in response.json()


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
