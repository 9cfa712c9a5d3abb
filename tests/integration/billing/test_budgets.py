"""Budgets: set, used, passed and exceeded, through the API."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.actors.runner import Runner
from tests.integration.api.answers import limits, refusals
from tests.integration.api.documents import UNKNOWN_TEMPLATE, UNKNOWN_WORKER
from tests.integration.billing.conftest import SUMMARY, Run, Sql
from tests.integration.conftest import MakeTenant, Tenant
from tests.integration.graphql_client import Gql

FIELDS = """id scope scopeId period softMicros hardMicros usedMicros heldMicros leftMicros softPassedAt startsAt
  resetsAt"""
ERRORS = "errors { code path message ... on LimitError { limit actual } }"
SET = f"mutation($input: SetBudgetInput!) {{ setBudget(input: $input) {{ budget {{ {FIELDS} }} {ERRORS} }} }}"
DELETE = f"mutation($id: ID!) {{ deleteBudget(id: $id) {{ {ERRORS} }} }}"
BUDGETS = f"{{ budgets {{ nodes {{ {FIELDS} }} }} }}"
CREATE = (
    f"mutation($input: CreateTaskInput!) {{ createTask(input: $input) {{ task {{ id reservedMicros }} {ERRORS} }} }}"
)
CREATE_KEY = 'mutation { createApiKey(input: {name: "one"}) { apiKey { id } secret } }'
CREATE_WORKER = """mutation { createWorker(input: {name: "Ann", kind: AI, provider: "openai"}) { worker { id } } }"""
EXPLAIN = "query($input: CreateTaskInput!) { explainRouting(input: $input) { model tier reasons } }"
TEMPLATES = "{ templates { nodes { id slug } } }"
QUOTE = f"query($input: CreateTaskInput!) {{ quoteTask(input: $input) {{ {ERRORS} }} }}"
MONEY = "SELECT credits_micros, reserved_micros, ledger_seq FROM workspaces WHERE id = :workspace"
# A task that waits: no worker takes what is due tomorrow.
LATER = {"runAt": (datetime.now(UTC) + timedelta(days=1)).isoformat()}


async def set_budget(gql: Gql, **values: Any) -> Any:
    answer = (await gql(SET, input={"scope": "WORKSPACE", "period": "DAY"} | values))["setBudget"]
    assert answer["errors"] == []
    return answer["budget"]


async def budgets(gql: Gql) -> list[Any]:
    nodes: list[Any] = (await gql(BUDGETS))["budgets"]["nodes"]
    return nodes


async def create(gql: Gql, **changes: Any) -> Any:
    return (await gql(CREATE, input=SUMMARY | LATER | changes))["createTask"]


async def ceiling(gql: Gql) -> int:
    micros: int = (await gql("query($i: CreateTaskInput!) { quoteTask(input: $i) { ceilingMicros } }", i=SUMMARY))[
        "quoteTask"
    ]["ceilingMicros"]
    return micros


async def test_hard_budget_refuses_and_nothing_is_held(gql: Gql, tenant: Tenant, sql: Sql) -> None:
    price = await ceiling(gql)
    budget = await set_budget(gql, hardMicros=price + 1)
    assert (await create(gql))["task"]["reservedMicros"] == price
    before = await sql(MONEY, workspace=tenant.account.workspace_id)

    refused = await create(gql)

    assert refused["task"] is None
    assert [error["code"] for error in refused["errors"]] == ["BUDGET_EXCEEDED"]
    assert budget["id"] in refused["errors"][0]["message"]
    assert await sql(MONEY, workspace=tenant.account.workspace_id) == before
    (now,) = await budgets(gql)
    assert (now["usedMicros"], now["heldMicros"], now["leftMicros"]) == (0, price, 1)


async def test_a_quote_says_what_a_create_would_and_holds_nothing(gql: Gql, tenant: Tenant, sql: Sql) -> None:
    budget = await set_budget(gql, hardMicros=await ceiling(gql) - 1)
    before = await sql(MONEY, workspace=tenant.account.workspace_id)

    quoted = (await gql(QUOTE, input=SUMMARY))["quoteTask"]

    assert quoted["errors"] == (await create(gql))["errors"]
    assert [error["code"] for error in quoted["errors"]] == ["BUDGET_EXCEEDED"]
    assert budget["id"] in quoted["errors"][0]["message"]
    assert await sql(MONEY, workspace=tenant.account.workspace_id) == before


async def test_of_64_at_once_a_budget_for_ten_takes_ten(gql: Gql) -> None:
    price = await ceiling(gql)
    await set_budget(gql, hardMicros=10 * price)

    answers = await asyncio.gather(*(create(gql) for _ in range(64)))

    codes = [answer["errors"][0]["code"] for answer in answers if answer["errors"]]
    assert codes == ["BUDGET_EXCEEDED"] * 54
    assert len([answer for answer in answers if answer["task"] is not None]) == 10
    (now,) = await budgets(gql)
    assert (now["heldMicros"], now["leftMicros"]) == (10 * price, 0)


async def test_what_ended_counts_with_its_charge(gql: Gql, tenant: Tenant, worker: Runner, run_task: Run) -> None:
    await set_budget(gql, hardMicros=10_000_000)

    task_id = await run_task()

    task = (await gql("query($id: ID!) { task(id: $id) { costMicros } }", id=task_id))["task"]
    (now,) = await budgets(gql)
    assert task["costMicros"] > 0
    assert (now["usedMicros"], now["heldMicros"]) == (task["costMicros"], 0)
    assert now["leftMicros"] == 10_000_000 - task["costMicros"]


async def test_new_budget_begins_with_what_its_period_has_used(gql: Gql, worker: Runner, run_task: Run) -> None:
    ended = await run_task()
    held = (await create(gql))["task"]
    cost = (await gql("query($id: ID!) { task(id: $id) { costMicros } }", id=ended))["task"]["costMicros"]

    budget = await set_budget(gql, period="MONTH", hardMicros=10_000_000)

    assert (budget["usedMicros"], budget["heldMicros"]) == (cost, held["reservedMicros"])
    await gql("mutation($id: ID!) { cancelTask(id: $id) { errors { code } } }", id=held["id"])
    (now,) = await budgets(gql)
    assert (now["usedMicros"], now["heldMicros"], now["leftMicros"]) == (cost, 0, 10_000_000 - cost)


async def test_what_a_period_before_used_does_not_count_in_a_new_budget(gql: Gql, tenant: Tenant, sql: Sql) -> None:
    await create(gql)
    await sql("ALTER TABLE ledger_entries DISABLE TRIGGER refuse_change")
    await sql(
        "UPDATE ledger_entries SET created_at = created_at - interval '1 day' WHERE workspace_id = :workspace",
        workspace=tenant.account.workspace_id,
    )
    await sql("ALTER TABLE ledger_entries ENABLE TRIGGER refuse_change")

    budget = await set_budget(gql, hardMicros=10_000_000)

    assert (budget["usedMicros"], budget["heldMicros"], budget["leftMicros"]) == (0, 0, 10_000_000)


async def test_periods_roll_over(gql: Gql, tenant: Tenant, sql: Sql) -> None:
    price = await ceiling(gql)
    await set_budget(gql, hardMicros=price)
    await create(gql)
    assert refusals(await create(gql)) == [("BUDGET_EXCEEDED", None)]

    for table in ("budget_usage", "budget_holds"):
        await sql(
            f"UPDATE {table} SET starts_on = starts_on - 1 WHERE workspace_id = :workspace",
            workspace=tenant.account.workspace_id,
        )

    (now,) = await budgets(gql)
    assert (now["usedMicros"], now["heldMicros"], now["leftMicros"]) == (0, 0, price)
    assert (await create(gql))["errors"] == []


async def test_periods_begin_and_end_at_midnight_utc(gql: Gql) -> None:
    today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    first = today.replace(day=1)

    day = await set_budget(gql, hardMicros=1)
    month = await set_budget(gql, period="MONTH", hardMicros=1)

    spans = [(budget["startsAt"], budget["resetsAt"]) for budget in (day, month)]
    assert spans == [
        (today.isoformat(), (today + timedelta(days=1)).isoformat()),
        (first.isoformat(), (first + timedelta(days=32)).replace(day=1).isoformat()),
    ]


async def test_soft_budget_lets_cheap_models_go_first(gql: Gql) -> None:
    before = (await gql(EXPLAIN, input=SUMMARY))["explainRouting"]
    await set_budget(gql, softMicros=1)
    assert (await gql(EXPLAIN, input=SUMMARY))["explainRouting"] == before

    assert (await create(gql))["errors"] == []

    explained = (await gql(EXPLAIN, input=SUMMARY))["explainRouting"]
    assert "a soft budget is used up: the budget tier goes first" in explained["reasons"]
    (now,) = await budgets(gql)
    assert now["softPassedAt"] is not None


@pytest.mark.parametrize("scope", ["WORKER", "TEMPLATE", "API_KEY"])
async def test_only_tasks_of_its_scope_count(gql: Gql, scope: str) -> None:
    worker = (await gql(CREATE_WORKER))["createWorker"]["worker"]["id"]
    found = {template["slug"]: template["id"] for template in (await gql(TEMPLATES))["templates"]["nodes"]}
    key = (await gql("{ viewer { apiKey { id } } }"))["viewer"]["apiKey"]["id"]
    other_key = (await gql(CREATE_KEY))["createApiKey"]["apiKey"]["id"]
    scope_id = {"WORKER": worker, "TEMPLATE": found["text.translate"], "API_KEY": other_key}[scope]
    budget = await set_budget(gql, scope=scope, scopeId=scope_id, hardMicros=0)
    assert budget["scopeId"] == scope_id

    assert (await create(gql))["errors"] == []

    counting = {"WORKER": {"workerId": worker}, "TEMPLATE": {"type": "text.translate"}, "API_KEY": {}}[scope]
    if scope == "TEMPLATE":
        counting["input"] = {"text": "Snow", "targetLanguage": "French"}
    if scope == "API_KEY":
        await gql(DELETE, id=budget["id"])
        await set_budget(gql, scope=scope, scopeId=key, hardMicros=0)
    assert refusals(await create(gql, **counting)) == [("BUDGET_EXCEEDED", None)]


async def test_setting_it_again_changes_it(gql: Gql) -> None:
    first = await set_budget(gql, hardMicros=5)

    second = await set_budget(gql, softMicros=3)

    assert second["id"] == first["id"]
    assert [(each["softMicros"], each["hardMicros"]) for each in await budgets(gql)] == [(3, None)]


async def test_raised_soft_budget_is_told_anew(gql: Gql, tenant: Tenant, sql: Sql) -> None:
    price = await ceiling(gql)
    await set_budget(gql, softMicros=1)
    await create(gql)
    raised = await set_budget(gql, softMicros=2 * price)
    assert raised["softPassedAt"] is None

    await create(gql)

    told = await sql(
        "SELECT data ->> 'softMicros' FROM billing_events WHERE workspace_id = :workspace ORDER BY number",
        workspace=tenant.account.workspace_id,
    )
    assert [row[0] for row in told] == ["1", str(2 * price)]


async def test_deleted_budget_refuses_nothing(gql: Gql) -> None:
    budget = await set_budget(gql, hardMicros=0)
    assert refusals(await create(gql)) == [("BUDGET_EXCEEDED", None)]

    assert (await gql(DELETE, id=budget["id"]))["deleteBudget"] == {"errors": []}

    assert (await create(gql))["errors"] == []
    assert await budgets(gql) == []


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({}, ("INVALID_INPUT", ["input", "hardMicros"])),
        ({"hardMicros": -1}, ("INVALID_INPUT", ["input", "hardMicros"])),
        ({"softMicros": 10**15 + 1}, ("INVALID_INPUT", ["input", "softMicros"])),
        ({"softMicros": 2, "hardMicros": 1}, ("INVALID_INPUT", ["input", "softMicros"])),
        ({"hardMicros": 1, "scopeId": UNKNOWN_WORKER}, ("INVALID_INPUT", ["input", "scopeId"])),
        ({"hardMicros": 1, "scope": "WORKER"}, ("INVALID_INPUT", ["input", "scopeId"])),
        ({"hardMicros": 1, "scope": "WORKER", "scopeId": UNKNOWN_WORKER}, ("NOT_FOUND", ["input", "scopeId"])),
        ({"hardMicros": 1, "scope": "WORKER", "scopeId": UNKNOWN_TEMPLATE}, ("NOT_FOUND", ["input", "scopeId"])),
    ],
)
async def test_wrong_budgets_are_refused_naming_the_field(
    gql: Gql, changes: dict[str, Any], refusal: tuple[str, list[str]]
) -> None:
    refused = (await gql(SET, input={"scope": "WORKSPACE", "period": "DAY"} | changes))["setBudget"]

    assert refusals(refused) == [refusal]
    assert await budgets(gql) == []


@pytest.mark.parametrize("micros", [1.5, True, "1e3", "12345678901234567890", "٣"])
async def test_money_that_is_no_whole_number_is_refused(gql: Gql, micros: Any) -> None:
    (error,) = await gql.errors(SET, input={"scope": "WORKSPACE", "period": "DAY", "hardMicros": micros})

    assert error["extensions"]["code"] == "BAD_USER_INPUT"
    assert await budgets(gql) == []


async def test_a_strangers_worker_and_budget_are_as_absent_ones(
    gql: Gql, gql_as: Callable[[Tenant], Gql], make_tenant: MakeTenant
) -> None:
    stranger = gql_as(await make_tenant())
    theirs = (await stranger(CREATE_WORKER))["createWorker"]["worker"]["id"]
    budget = await set_budget(stranger, hardMicros=0)
    wanted = {"scope": "WORKER", "period": "DAY", "scopeId": theirs, "hardMicros": 1}

    assert refusals((await gql(SET, input=wanted))["setBudget"]) == [("NOT_FOUND", ["input", "scopeId"])]
    assert refusals((await gql(DELETE, id=budget["id"]))["deleteBudget"]) == [("NOT_FOUND", ["id"])]

    assert (await gql("query($id: ID!) { node(id: $id) { id } }", id=budget["id"]))["node"] is None
    assert await budgets(stranger) == [budget]
    assert (await create(gql))["errors"] == []


async def test_budgets_of_a_workspace_are_bounded(gql: Gql, tenant: Tenant, sql: Sql) -> None:
    await sql(
        """INSERT INTO budgets (id, workspace_id, scope, scope_id, period, hard_micros)
        SELECT uuidv7(), :workspace, 'WORKER', gen_random_uuid(), 'DAY', 1 FROM generate_series(1, 100)""",
        workspace=tenant.account.workspace_id,
    )

    refused = (await gql(SET, input={"scope": "WORKSPACE", "period": "DAY", "hardMicros": 1}))["setBudget"]

    assert limits(refused) == [(100, 101)]
    ((count,),) = await sql(
        "SELECT count(*) FROM budgets WHERE workspace_id = :workspace", workspace=tenant.account.workspace_id
    )
    assert count == 100


async def test_setting_and_deleting_are_in_the_audit_log(gql: Gql) -> None:
    budget = await set_budget(gql, hardMicros=7)
    await gql(DELETE, id=budget["id"])

    log = (await gql('{ auditLog(action: "budget.") { nodes { action subjectId data } } }'))["auditLog"]["nodes"]

    assert [(entry["action"], entry["subjectId"]) for entry in log] == [
        ("budget.delete", budget["id"]),
        ("budget.set", budget["id"]),
    ]
    assert log[1]["data"] == {
        "scope": "WORKSPACE",
        "scopeId": None,
        "period": "DAY",
        "softMicros": None,
        "hardMicros": 7,
    }
