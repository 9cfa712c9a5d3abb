"""What operations on a socket and on a stream of events cost."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from app.principal import Role
from app.services.account import api_keys
from app.services.account.sign_up import add_api_key
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.api.conftest import OwnApi, own_api  # noqa: F401  a fixture
from tests.integration.api.documents import LATER, TEN_POINTS
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql, connect
from tests.integration.still_clock import stop_clock
from tests.integration.streams.sse import read, stream

WATCH = "subscription { taskEvents { kind task { id } } }"
PAGE = "{ tasks(first: 100) { nodes { id } } }"
CREATE = "mutation($input: CreateTaskInput!) { createTask(input: $input) { task { id } } }"
DRAFT = {"type": "note.write", "input": {}, "runAt": LATER}


@pytest.fixture
async def limited(own_api: OwnApi, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:  # noqa: F811
    stop_clock(monkeypatch)
    async with own_api(bizq_rate_points=30, bizq_rate_seconds=600) as url:
        yield url


@pytest.fixture
async def watcher(tenant: Tenant, unit_of_work: UnitOfWorkFactory) -> str:
    """Another key of the workspace, with points of its own."""
    key = api_keys.generate()
    async with unit_of_work(tenant.principal) as uow:
        await add_api_key(uow, creator_id=tenant.account.user_id, name="watcher", key=key, role=Role.VIEWER)
    return key.secret


def cost(requested: int, actual: int, left: int) -> dict[str, Any]:
    status = {"maximumAvailable": 30, "currentlyAvailable": left, "restoreRate": 0.05}
    return {"cost": {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}}


async def test_a_query_on_a_socket_costs_what_it_gives(limited: str, tenant: Tenant) -> None:
    async with connect(limited, {"authorization": f"Bearer {tenant.api_key}"}) as socket:
        first = await (await socket.subscribe(PAGE)).message()
        second = await (await socket.subscribe(PAGE)).message()

    assert first["payload"]["extensions"] == cost(10, 1, 29)
    assert second["payload"]["extensions"] == cost(10, 1, 28)


async def test_a_subscription_costs_when_it_starts_and_its_events_are_free(
    limited: str, watcher: str, gql: Gql, http: httpx.AsyncClient
) -> None:
    async with connect(limited, {"authorization": f"Bearer {watcher}"}) as socket:
        watching = await socket.subscribe(WATCH)
        opened = await watching.message()
        for _ in range(20):
            await gql(CREATE, input=DRAFT)
        events = [await watching.message() for _ in range(20)]

    assert opened["payload"]["extensions"] == cost(1, 1, 29)
    assert [list(event["payload"]) for event in events] == [["data"]] * 20
    answer = await Gql(http, limited, watcher).raw("{ viewer { role } }")
    assert answer.headers["x-ratelimit-remaining"] == "28"


async def test_an_operation_on_a_socket_is_refused_by_itself(limited: str, tenant: Tenant, gql: Gql) -> None:
    async with connect(limited, {"authorization": f"Bearer {tenant.api_key}"}) as socket:
        watching = await socket.subscribe(WATCH)
        await watching.message()
        for document in (TEN_POINTS, TEN_POINTS, CREATE, CREATE):
            assert (await (await socket.subscribe(document, input=DRAFT)).message())["type"] == "next"
        refused = await (await socket.subscribe(TEN_POINTS)).message()
        events = [await watching.next() for _ in range(2)]

    assert refused["type"] == "error"
    (error,) = refused["payload"]
    assert {name: error["extensions"][name] for name in ("code", "limit", "cost", "retryAfterSeconds")} == {
        "code": "THROTTLED",
        "limit": 30,
        "cost": 10,
        "retryAfterSeconds": 60,
    }
    assert len(events) == (await gql("{ tasks { totalCount } }"))["tasks"]["totalCount"] == 2


async def test_a_stream_of_events_tells_in_its_headers_and_in_its_first_event(
    limited: str, tenant: Tenant, http: httpx.AsyncClient
) -> None:
    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {tenant.api_key}"}
    async with http.stream("POST", f"{limited}/graphql/stream", json={"query": WATCH}, headers=headers) as response:
        first = await anext(read(response))

    assert first.data is not None
    assert first.data["extensions"] == cost(1, 1, 29)
    assert response.headers["x-ratelimit-limit"] == "30"
    assert response.headers["x-ratelimit-remaining"] == "29"


async def test_a_query_as_a_stream_costs_what_it_gives(limited: str, tenant: Tenant, http: httpx.AsyncClient) -> None:
    async with stream(http, limited, tenant.api_key, PAGE) as events:
        answer = await anext(events)

    assert answer.data is not None
    assert answer.data["extensions"] == cost(10, 1, 29)


async def test_a_stream_without_points_does_not_begin(limited: str, tenant: Tenant, http: httpx.AsyncClient) -> None:
    caller = Gql(http, limited, tenant.api_key)
    for _ in range(3):
        await caller(TEN_POINTS)

    headers = {"Accept": "text/event-stream", "Authorization": f"Bearer {tenant.api_key}"}
    answer = await http.post(f"{limited}/graphql/stream", json={"query": WATCH}, headers=headers)

    assert (answer.status_code, answer.headers["retry-after"]) == (429, "20")
    assert answer.json()["errors"][0]["extensions"]["code"] == "THROTTLED"
