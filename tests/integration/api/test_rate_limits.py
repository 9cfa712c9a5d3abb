"""How much a caller may ask for: what is taken, told and refused, over HTTP."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import sqlalchemy_url
from app.main import build_app
from app.principal import Role
from app.services.account import api_keys
from app.services.account.sign_up import add_api_key
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.api.conftest import MakeTasks, OwnApi
from tests.integration.api.documents import ONE_POINT, TEN_POINTS, draft
from tests.integration.conftest import MakeTenant, Tenant, serving
from tests.integration.graphql_client import Gql
from tests.integration.still_clock import stop_clock

PAGE = "{ tasks(first: 100) { nodes { id } pageInfo { hasNextPage } } }"
GRAPHQL = "application/graphql-response+json"
Limited = Callable[[Tenant | None], Gql]


@pytest.fixture
async def limited(service_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Limited]:
    """Callers, from an address of the test's own, of an API for whose limits no time passes."""
    stop_clock(monkeypatch)
    changes = {"bizq_rate_points": 100, "bizq_rate_seconds": 600, "bizq_rate_anonymous_points": 20}
    app = build_app(service_settings.model_copy(update=changes))
    headers = {"X-Forwarded-For": f"2001:db8:{secrets.token_hex(2)}:{secrets.token_hex(2)}::1"}
    async with serving(app) as url, httpx.AsyncClient(timeout=30, headers=headers) as http:
        yield lambda tenant: Gql(http, url, tenant.api_key if tenant is not None else None)


async def cost_of(gql: Gql, document: str, **variables: Any) -> Any:
    return (await gql.raw(document, **variables)).json()["extensions"]["cost"]


async def test_the_101st_point_is_refused(limited: Limited, tenant: Tenant) -> None:
    caller = limited(tenant)

    answers = await asyncio.gather(*(caller.raw(ONE_POINT) for _ in range(100)))
    refused = await caller.raw(ONE_POINT)

    assert [answer.json().get("errors") for answer in answers] == [None] * 100
    assert "data" not in refused.json()
    (error,) = refused.json()["errors"]
    assert error["extensions"]["code"] == "THROTTLED"


async def test_a_refusal_says_what_it_would_have_cost_and_when_to_come_back(limited: Limited, tenant: Tenant) -> None:
    caller = limited(tenant)
    for document in (*[TEN_POINTS] * 9, *[ONE_POINT] * 4):
        await caller(document)

    refused = await caller.raw(PAGE, {"Accept": GRAPHQL})

    assert refused.status_code == 429
    (error,) = refused.json()["errors"]
    assert error.pop("message") == "Points needed: 10; left: 6 of 100. Try again in 24 s."
    assert error["extensions"] == {
        "code": "THROTTLED",
        "requestId": refused.headers["x-request-id"],
        "limit": 100,
        "cost": 10,
        "retryAfterSeconds": 24,
    }
    assert refused.json()["extensions"]["cost"] == {
        "requestedQueryCost": 10,
        "actualQueryCost": None,
        "throttleStatus": {"maximumAvailable": 100, "currentlyAvailable": 6, "restoreRate": pytest.approx(1 / 6)},
    }
    assert refused.headers["retry-after"] == "24"


async def test_plain_json_has_200_for_it_and_the_same_headers(limited: Limited) -> None:
    anybody = limited(None)
    for _ in range(20):
        await anybody("{ serverInfo { version } }")

    refused = await anybody.raw("{ serverInfo { version } }", {"Accept": "application/json"})

    assert (refused.status_code, refused.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert refused.json()["errors"][0]["extensions"]["code"] == "THROTTLED"
    assert refused.headers["retry-after"] == "30"
    assert (refused.headers["x-ratelimit-limit"], refused.headers["x-ratelimit-remaining"]) == ("20", "0")


async def test_headers_tell_of_the_bucket_that_has_least_left(limited: Limited, tenant: Tenant) -> None:
    before = time.time()
    answer = await limited(tenant).raw(ONE_POINT)

    assert {name: answer.headers[name] for name in ("x-ratelimit-limit", "x-ratelimit-remaining")} == {
        "x-ratelimit-limit": "100",
        "x-ratelimit-remaining": "99",
    }
    # A hundredth of 600 s.
    assert before + 6 <= int(answer.headers["x-ratelimit-reset"]) < time.time() + 7


async def test_what_was_asked_for_and_not_there_is_given_back(limited: Limited, tenant: Tenant) -> None:
    caller = limited(tenant)

    empty = await cost_of(caller, PAGE)

    assert (empty["requestedQueryCost"], empty["actualQueryCost"]) == (10, 1)
    assert empty["throttleStatus"]["currentlyAvailable"] == 99
    assert (await cost_of(caller, ONE_POINT))["throttleStatus"]["currentlyAvailable"] == 98


async def test_rows_that_are_there_are_paid_for(limited: Limited, make_tasks: MakeTasks, tenant: Tenant) -> None:
    await make_tasks(*[draft()] * 15)
    document = "query($n: Int) { tasks(first: $n) { edges { node { id input } } } }"

    cost = await cost_of(limited(tenant), document, n=100)

    assert (cost["requestedQueryCost"], cost["actualQueryCost"]) == (20, 3)


async def test_a_document_that_is_not_valid_costs_a_point(limited: Limited, tenant: Tenant) -> None:
    caller = limited(tenant)

    costs = [await cost_of(caller, wrong) for wrong in ("{ tasks { nodes { nothing } } }", "{ tasks {")]

    assert [cost["actualQueryCost"] for cost in costs] == [1, 1]
    assert costs[-1]["throttleStatus"]["currentlyAvailable"] == 98


async def test_what_is_more_than_there_ever_is_says_that_waiting_does_not_help(limited: Limited) -> None:
    answer = await limited(None).raw("{ tasks(first: 100) { edges { node { worker { id } } } } }", {"Accept": GRAPHQL})

    assert (answer.status_code, "retry-after" in answer.headers) == (400, False)
    (error,) = answer.json()["errors"]
    assert "Waiting does not help" in error["message"]
    assert {name: error["extensions"][name] for name in ("code", "limitName", "limit", "actual")} == {
        "code": "QUERY_TOO_COMPLEX",
        "limitName": "maximumAvailable",
        "limit": 20,
        "actual": 30,
    }
    assert answer.headers["x-ratelimit-remaining"] == "20"


async def test_a_mutation_that_is_refused_does_nothing(limited: Limited, tenant: Tenant, gql: Gql) -> None:
    caller = limited(tenant)
    create = "mutation($i: [CreateTaskInput!]!) { createTasks(inputs: $i) { results { task { id } } } }"

    for _ in range(10):
        await caller(TEN_POINTS)
    refused = await caller.errors(create, i=[draft()])

    assert refused[0]["extensions"]["code"] == "THROTTLED"
    assert (await gql("{ tasks { totalCount } }"))["tasks"]["totalCount"] == 0


async def test_50_callers_at_once_get_no_more_than_there_is(limited: Limited, tenant: Tenant) -> None:
    async def call() -> int:
        answers = [await limited(tenant).raw(ONE_POINT) for _ in range(4)]
        return sum("data" in answer.json() for answer in answers)

    assert sum(await asyncio.gather(*(call() for _ in range(50)))) == 100


async def test_two_processes_share_what_there_is(
    own_api: OwnApi, limited: Limited, tenant: Tenant, http: httpx.AsyncClient
) -> None:
    async with own_api(bizq_rate_points=100, bizq_rate_seconds=600) as other:
        callers = (limited(tenant), Gql(http, other, tenant.api_key))
        answers = await asyncio.gather(*(callers[number % 2].raw(ONE_POINT) for number in range(120)))

    assert sum("data" in answer.json() for answer in answers) == 100


async def test_points_come_back_with_time(own_api: OwnApi, tenant: Tenant, http: httpx.AsyncClient) -> None:
    async with own_api(bizq_rate_points=10, bizq_rate_seconds=1) as url:
        caller = Gql(http, url, tenant.api_key)
        began = time.monotonic()
        given = 0
        while time.monotonic() - began < 1.5:
            given += "data" in (await caller.raw(ONE_POINT)).json()
            await asyncio.sleep(0.02)
        lasted = time.monotonic() - began

    assert 20 <= given <= 11 + 10 * lasted


async def test_key_workspace_and_address_are_counted_by_themselves(limited: Limited, make_tenant: MakeTenant) -> None:
    one, other = await make_tenant(), await make_tenant()
    for _ in range(20):
        await limited(None)("{ serverInfo { version } }")
    for _ in range(2):
        await limited(one)(ONE_POINT)

    left = [(await cost_of(limited(who), ONE_POINT))["throttleStatus"] for who in (None, one, other)]

    assert [status["currentlyAvailable"] for status in left] == [0, 97, 99]


@pytest.fixture
def put_on_plan(settings: Settings) -> Callable[[Tenant, str], Awaitable[None]]:
    async def put(tenant: Tenant, plan: str) -> None:
        engine = create_async_engine(sqlalchemy_url(settings.owner_database_url), poolclass=NullPool)
        async with engine.begin() as connection:
            values = {"plan": plan, "id": tenant.account.workspace_id}
            await connection.execute(text("UPDATE workspaces SET plan = :plan WHERE id = :id"), values)
        await engine.dispose()

    return put


@pytest.mark.parametrize(("plan", "points"), [("FREE", 100), ("PRO", 1_000), ("SCALE", 10_000), ("OTHER", 100)])
async def test_a_plan_multiplies_the_points(
    limited: Limited, tenant: Tenant, put_on_plan: Callable[[Tenant, str], Awaitable[None]], plan: str, points: int
) -> None:
    await put_on_plan(tenant, plan)

    cost = await cost_of(limited(tenant), ONE_POINT)

    assert cost["throttleStatus"] == {
        "maximumAvailable": points,
        "currentlyAvailable": points - 1,
        "restoreRate": pytest.approx(points / 600),
    }


async def test_without_points_nothing_is_limited_and_nothing_told(
    own_api: OwnApi, tenant: Tenant, http: httpx.AsyncClient
) -> None:
    async with own_api(bizq_rate_points=0) as url:
        answers = [await Gql(http, url, token).raw("{ serverInfo { version } }") for token in (tenant.api_key, None)]

    assert [list(answer.json()) for answer in answers] == [["data"], ["data"]]
    assert not any(name.startswith("x-ratelimit") for answer in answers for name in answer.headers)


async def test_what_is_no_request_costs_its_address_a_point(limited: Limited, tenant: Tenant) -> None:
    strange = {"Authorization": "Bearer bzq_live_wrong", "Accept": GRAPHQL}

    refused = [await limited(None).raw(ONE_POINT, strange) for _ in range(20)]
    then = await limited(None).raw(ONE_POINT, strange)

    assert {answer.status_code for answer in refused} == {401}
    assert [int(answer.headers["x-ratelimit-remaining"]) for answer in refused] == list(range(19, -1, -1))
    assert (then.status_code, then.json()["errors"][0]["extensions"]["code"]) == (429, "THROTTLED")
    # Who shows who they are has points of their own.
    assert (await limited(tenant).raw(ONE_POINT)).status_code == 200


async def test_a_workspace_has_what_five_of_its_callers_have(
    limited: Limited, tenant: Tenant, unit_of_work: UnitOfWorkFactory
) -> None:
    keys = [api_keys.generate() for _ in range(6)]
    async with unit_of_work(tenant.principal) as uow:
        for key in keys:
            await add_api_key(uow, creator_id=tenant.account.user_id, name="one", key=key, role=Role.MEMBER)
    *five, sixth = [limited(replace(tenant, api_key=key.secret)) for key in keys]

    answers = await asyncio.gather(*(caller.raw(TEN_POINTS) for caller in five for _ in range(10)))
    (refused,) = await sixth.errors(TEN_POINTS)

    assert all("data" in answer.json() for answer in answers)
    assert (refused["extensions"]["limit"], refused["extensions"]["retryAfterSeconds"]) == (500, 12)
