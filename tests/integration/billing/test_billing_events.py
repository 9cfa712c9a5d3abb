"""Billing events: listed, and live from any cursor on."""

from collections.abc import Callable
from typing import Any

import httpx

from app.actors.runner import Runner
from app.main import build_app
from app.settings import Settings
from tests.integration.billing.conftest import SUMMARY, Sql
from tests.integration.billing.test_budgets import create, set_budget
from tests.integration.conftest import MakeTenant, Tenant, serving
from tests.integration.graphql_client import Gql, Socket, connect

FIELDS = "cursor kind creditsMicros reservedMicros toppedUpMicros budgetId softMicros usedMicros"
LIST = (
    f"query($first: Int, $after: String) {{ billingEvents(first: $first, after: $after) {{ nodes {{ {FIELDS} }} }} }}"
)
LIVE = f"subscription($after: String) {{ billingEvents(after: $after) {{ {FIELDS} }} }}"
WRITE = """INSERT INTO billing_events (workspace_id, kind, data)
    SELECT :workspace, 'LOW_BALANCE', jsonb_build_object('creditsMicros', n) FROM generate_series(1, :count) n"""


async def listed(gql: Gql, **page: Any) -> list[Any]:
    nodes: list[Any] = (await gql(LIST, **page))["billingEvents"]["nodes"]
    return nodes


async def test_soft_budget_that_is_passed_is_told_live_and_listed(gql: Gql, socket: Socket) -> None:
    live = await socket.subscribe(LIVE)
    opening = await live.next()
    assert (opening["kind"], opening["reservedMicros"]) == ("SNAPSHOT", 0)
    budget = await set_budget(gql, softMicros=1)

    held = (await create(gql))["task"]["reservedMicros"]

    event = await live.next()
    told = {name: event[name] for name in ("kind", "budgetId", "softMicros", "usedMicros", "creditsMicros")}
    assert told == {
        "kind": "SOFT_BUDGET_PASSED",
        "budgetId": budget["id"],
        "softMicros": 1,
        "usedMicros": held,
        "creditsMicros": None,
    }
    assert await listed(gql) == [event]


async def test_low_balance_is_told_once(
    make_tenant: MakeTenant, gql_as: Callable[[Tenant], Gql], worker: Runner, api: str, sql: Sql
) -> None:
    poor = await make_tenant(credits_micros=1_000_000)
    gql = gql_as(poor)
    await sql("UPDATE workspaces SET topped_up_micros = 4999900 WHERE id = :id", id=poor.account.workspace_id)
    async with connect(api, {"authorization": f"Bearer {poor.api_key}"}) as socket:
        live = await socket.subscribe(LIVE)
        await live.next()
        for _ in range(2):
            created = await gql("mutation($i: CreateTaskInput!) { createTask(input: $i) { task { id } } }", i=SUMMARY)
            ends = "subscription($id: ID) { taskEvents(taskId: $id) { kind } }"
            await (await socket.subscribe(ends, id=created["createTask"]["task"]["id"])).rest()
        event = await live.next()

    assert (event["kind"], event["toppedUpMicros"], event["budgetId"]) == ("LOW_BALANCE", 4_999_900, None)
    assert [each["kind"] for each in await listed(gql)] == ["LOW_BALANCE"]


async def test_subscription_resumes_in_another_process_with_everything_that_was_missed(
    gql: Gql, tenant: Tenant, socket: Socket, service_settings: Settings, sql: Sql
) -> None:
    live = await socket.subscribe(LIVE)
    cursor = (await live.next())["cursor"]
    await live.stop()
    await sql(WRITE, workspace=tenant.account.workspace_id, count=300)

    credentials = {"authorization": f"Bearer {tenant.api_key}"}
    async with serving(build_app(service_settings)) as url, connect(url, credentials) as other:
        resumed = await other.subscribe(LIVE, after=cursor)
        missed = [await resumed.next() for _ in range(300)]
        await sql(WRITE, workspace=tenant.account.workspace_id, count=1)
        live_again = await resumed.next()

    assert [event["creditsMicros"] for event in missed] == list(range(1, 301))
    assert live_again["creditsMicros"] == 1
    assert [event["cursor"] for event in await listed(gql, first=2)] == [live_again["cursor"], missed[-1]["cursor"]]


async def test_nothing_is_told_of_another_workspace(
    gql: Gql, socket: Socket, tenant: Tenant, make_tenant: MakeTenant, sql: Sql
) -> None:
    stranger = await make_tenant()
    live = await socket.subscribe(LIVE)
    await live.next()
    await sql(WRITE, workspace=stranger.account.workspace_id, count=3)
    await sql(WRITE, workspace=tenant.account.workspace_id, count=1)

    event = await live.next()

    assert event["creditsMicros"] == 1
    assert await listed(gql) == [event]


async def test_server_sent_events_resume_from_their_id(
    http: httpx.AsyncClient, api: str, tenant: Tenant, gql: Gql, sql: Sql
) -> None:
    await sql(WRITE, workspace=tenant.account.workspace_id, count=3)
    oldest = (await listed(gql))[-1]
    headers = {"Authorization": f"Bearer {tenant.api_key}", "Last-Event-ID": oldest["cursor"]}

    found: list[str] = []
    async with http.stream("POST", f"{api}/graphql/stream", json={"query": LIVE}, headers=headers) as response:
        async for line in response.aiter_lines():
            if line.startswith("id: "):
                found.append(line.removeprefix("id: "))
            if len(found) == 2:
                break

    newest_first = [event["cursor"] for event in await listed(gql)]
    assert found == [newest_first[1], newest_first[0]]


async def test_a_cursor_of_something_else_is_refused(socket: Socket) -> None:
    message = await (await socket.subscribe(LIVE, after="bGVkZ2VyOjE")).message()

    (error,) = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
    assert (error["extensions"]["code"], error["extensions"]["path"]) == ("BAD_USER_INPUT", ["after"])
