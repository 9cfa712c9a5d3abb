import asyncio
from collections.abc import Callable

import httpx
import pytest

from app.actors.runner import Runner
from app.actors.work import work
from app.main import build_app
from app.models import TaskEventKind
from app.services.account.tokens import TokenSigner
from app.settings import Settings
from tests.integration.conftest import Tenant, serving
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import Gql
from tests.integration.streams.sse import read, stream
from tests.integration.streams.watching import TASK_EVENTS, TASK_OUTPUT, WORKSPACE_EVENTS, history, public, told

CREATE = 'mutation { createTask(input: {type: "text.summarize", input: {text: "Snow."}}) { task { status } } }'


@pytest.fixture
def get(http: httpx.AsyncClient, api: str, tenant: Tenant) -> Callable[..., object]:
    async def send(method: str = "GET", accept: str = "text/event-stream", **parameters: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {tenant.api_key}", "Accept": accept}
        return await http.request(method, f"{api}/graphql/stream", params=parameters, headers=headers)

    return send


async def test_a_task_is_watched_to_its_end(
    desk: Desk, gql: Gql, http: httpx.AsyncClient, api: str, tenant: Tenant, service_settings: Settings
) -> None:
    task_id = await desk.accept_one()
    async with stream(http, api, tenant.api_key, TASK_EVENTS, id=public(task_id)) as events:
        snapshot = await anext(events)
        async with work(service_settings):
            rest = [event async for event in events]

    assert snapshot.value["kind"] == TaskEventKind.SNAPSHOT
    assert told([event.value for event in rest[:-1]]) == told((await history(gql, task_id))[1:])
    assert [event.id for event in rest[:-1]] == [event.value["cursor"] for event in rest[:-1]]
    assert (rest[-1].event, rest[-1].data) == ("complete", None)


async def test_last_event_id_goes_on_from_there_whatever_the_document_says(
    desk: Desk, gql: Gql, http: httpx.AsyncClient, api: str, tenant: Tenant, worker: Runner
) -> None:
    task_id = await desk.accept_one()
    await desk.ended(task_id)
    past = await history(gql, task_id)

    async with stream(
        http, api, tenant.api_key, TASK_EVENTS, last_id=past[1]["cursor"], id=public(task_id), after=past[0]["cursor"]
    ) as events:
        got = [event async for event in events]

    assert told([event.value for event in got[:-1]]) == told(past[2:])
    assert got[-1].event == "complete"


async def test_a_workspace_goes_on_after_its_last_event(
    desk: Desk, http: httpx.AsyncClient, api: str, tenant: Tenant
) -> None:
    async with stream(http, api, tenant.api_key, WORKSPACE_EVENTS) as events:
        opening = await anext(events)
    missed = await desk.accept(3)

    async with stream(http, api, tenant.api_key, WORKSPACE_EVENTS, last_id=opening.id) as events:
        got = [(await anext(events)).value for _ in missed]

    assert sorted(told(got)) == sorted((public(task), 1, "CREATED") for task in missed)


async def test_output_goes_on_at_the_offset(
    desk: Desk, http: httpx.AsyncClient, api: str, tenant: Tenant, worker: Runner
) -> None:
    task_id = await desk.accept_one()
    await desk.ended(task_id)
    text = (await desk.attempts(task_id))[0]["output_text"]

    async with stream(http, api, tenant.api_key, TASK_OUTPUT, last_id="1.5", id=public(task_id)) as events:
        chunks = [event.value async for event in events if event.event == "next"]

    assert "".join(chunk["text"] for chunk in chunks) == text[5:]
    assert (chunks[0]["offset"], chunks[-1]["done"]) == (5, True)


async def test_a_query_and_a_mutation_are_one_result(http: httpx.AsyncClient, api: str, tenant: Tenant) -> None:
    async with stream(http, api, tenant.api_key, CREATE) as events:
        result, end = [event async for event in events]

    assert (result.value, end.event) == ({"task": {"status": "QUEUED"}}, "complete")


async def test_what_is_wrong_with_a_document_is_said_in_the_stream(
    http: httpx.AsyncClient, api: str, tenant: Tenant
) -> None:
    async with stream(http, api, tenant.api_key, "subscription { taskEvents { nothing } }") as events:
        refused, end = [event async for event in events]

    assert refused.data is not None
    assert refused.data["errors"][0]["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
    assert "data" not in refused.data
    assert end.event == "complete"


async def test_a_task_that_does_not_exist_is_an_error_of_the_stream(
    http: httpx.AsyncClient, api: str, tenant: Tenant
) -> None:
    async with stream(http, api, tenant.api_key, TASK_EVENTS, id="task_01h455vb4pex5vsknk084sn02q") as events:
        refused, end = [event async for event in events]

    assert refused.data is not None
    assert (refused.data["data"], refused.data["errors"][0]["extensions"]["code"]) == (None, "NOT_FOUND")
    assert end.event == "complete"


async def test_get_takes_the_operation_from_the_url(get: Callable[..., object]) -> None:
    response: httpx.Response = await get(
        query="query($n: Int) { tasks(first: $n) { totalCount } }", variables='{"n": 1}'
    )  # type: ignore[misc]

    assert [event.value async for event in read(response) if event.event == "next"] == [{"totalCount": 0}]


async def test_get_changes_nothing(get: Callable[..., object], gql: Gql) -> None:
    response: httpx.Response = await get(query=CREATE)  # type: ignore[misc]

    refused, _ = [event async for event in read(response)]
    assert refused.data is not None
    assert refused.data["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"
    assert (await gql("{ tasks { totalCount } }"))["tasks"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("method", "accept", "parameters", "status"),
    [
        ("PUT", "text/event-stream", {"query": "{ viewer { role } }"}, 405),
        ("GET", "application/json", {"query": "{ viewer { role } }"}, 406),
        ("GET", "text/event-stream", {}, 400),
        ("GET", "text/event-stream", {"query": "{ viewer { role } }", "variables": "["}, 400),
        ("POST", "text/event-stream", {"query": "{ viewer { role } }"}, 415),
    ],
)
async def test_what_is_no_request_is_refused_with_a_status(
    get: Callable[..., object], method: str, accept: str, parameters: dict[str, str], status: int
) -> None:
    response: httpx.Response = await get(method, accept, **parameters)  # type: ignore[misc]

    assert response.status_code == status
    assert response.json()["errors"][0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_a_wrong_key_is_401(http: httpx.AsyncClient, api: str) -> None:
    headers = {"Authorization": "Bearer bzq_live_wrong", "Accept": "text/event-stream"}

    response = await http.post(f"{api}/graphql/stream", json={"query": "{ viewer { role } }"}, headers=headers)

    assert (response.status_code, response.headers["www-authenticate"]) == (401, "Bearer")


async def test_silence_is_broken_by_comments(
    http: httpx.AsyncClient, api: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.graphql.sse.HEARTBEAT_SECONDS", 0.05)
    headers = {"Authorization": f"Bearer {tenant.api_key}"}
    body = {"query": WORKSPACE_EVENTS}

    async with http.stream("POST", f"{api}/graphql/stream", json=body, headers=headers) as response:
        lines = response.aiter_lines()
        async with asyncio.timeout(10):
            comments = [line async for line in _first(lines, 12) if line.startswith(":")]

    assert len(comments) >= 3


async def _first(lines: object, count: int) -> object:
    for _ in range(count):
        yield await anext(lines)  # type: ignore[call-overload]


async def test_a_process_that_goes_down_ends_the_stream_without_completing_it(
    http: httpx.AsyncClient, service_settings: Settings, tenant: Tenant
) -> None:
    app = build_app(service_settings)
    async with serving(app) as url, stream(http, url, tenant.api_key, WORKSPACE_EVENTS) as events:
        await anext(events)
        app.state.stopping.set()
        rest = [event async for event in events]

    assert rest == []


async def test_a_token_that_runs_out_ends_the_stream_without_completing_it(
    http: httpx.AsyncClient, api: str, service_settings: Settings, tenant: Tenant
) -> None:
    token = TokenSigner(service_settings.token_key, 2).issue(tenant.account.user_id)
    async with stream(http, api, token.text, WORKSPACE_EVENTS) as events:
        await anext(events)
        async with asyncio.timeout(10):
            rest = [event async for event in events]

    assert rest == []
