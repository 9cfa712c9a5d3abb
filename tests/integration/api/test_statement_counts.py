"""What a read costs in SQL statements, each counted, on an API of its own. BEGIN and COMMIT are not statements here."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app import main
from app.db.engine import create_engine
from app.db.hot import Hot, Row
from app.main import build_app
from app.settings import Settings
from tests.integration.api.conftest import MakeTasks
from tests.integration.api.documents import CREATE_TASK, CREATE_TEMPLATE, CREATE_WORKER, draft
from tests.integration.conftest import Tenant, serving
from tests.integration.graphql_client import Gql

PAGE = """{ tasks(first: 25) { nodes {
  id type status cost costMicros worker { id name } template { number template { slug name } } createdBy { name } }
  pageInfo { hasNextPage } } }"""


@dataclass
class Counted:
    """An API whose statements are written down."""

    gql: Gql
    statements: list[str] = field(default_factory=list)

    @contextmanager
    def counting(self) -> Iterator[list[str]]:
        self.statements.clear()
        yield self.statements


@pytest.fixture
async def counted(
    executed_once: None,
    service_settings: Settings,
    http: httpx.AsyncClient,
    tenant: Tenant,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Counted]:
    engines: list[AsyncEngine] = []

    def keep(settings: Settings) -> AsyncEngine:
        engines.append(create_engine(settings))
        return engines[-1]

    class Noting(Hot):
        """Writes down what is sent as a single statement."""

        async def call(self, sql: str, *values: object) -> Sequence[Row]:
            counted.statements.append(sql)
            return await super().call(sql, *values)

    monkeypatch.setattr(main, "create_engine", keep)
    monkeypatch.setattr(main, "Hot", Noting)
    async with serving(build_app(service_settings)) as url:
        (engine,) = engines
        counted = Counted(Gql(http, url, tenant.api_key))

        def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
            counted.statements.append(statement)

        event.listen(engine.sync_engine, "before_cursor_execute", note)
        # The first connection asks PostgreSQL what it is; the first request looks the key up.
        await counted.gql("{ viewer { role } }")
        yield counted


@pytest.fixture
async def page_of_25(gql: Gql, make_tasks: MakeTasks) -> None:
    """Tasks of five workers and five templates."""
    drafts = []
    for number in range(5):
        worker = {"name": f"Worker {number}", "kind": "HUMAN"}
        worker_id = (await gql(CREATE_WORKER, input=worker))["createWorker"]["worker"]["id"]
        template = {"slug": f"kind.{number}", "name": f"Kind {number}", "prompt": "Do it."}
        assert (await gql(CREATE_TEMPLATE, input=template))["createTemplate"]["errors"] == []
        drafts += [draft(type=f"kind.{number}", workerId=worker_id)] * 5
    await make_tasks(*drafts)


async def test_page_of_tasks_with_worker_and_template_costs_three_statements(
    page_of_25: None, counted: Counted
) -> None:
    with counted.counting() as statements:
        nodes = (await counted.gql(PAGE))["tasks"]["nodes"]

    assert len(statements) == 3, statements
    assert len(nodes) == 25
    assert {node["worker"]["name"] for node in nodes} == {f"Worker {number}" for number in range(5)}
    assert {node["template"]["template"]["slug"] for node in nodes} == {f"kind.{number}" for number in range(5)}


async def test_total_is_counted_only_when_asked_for(counted: Counted, make_tasks: MakeTasks) -> None:
    await make_tasks(*[draft()] * 3)

    with counted.counting() as statements:
        await counted.gql("{ tasks { nodes { id } } }")
    assert [statement for statement in statements if "count(" in statement] == []

    with counted.counting() as statements:
        answer = await counted.gql("{ tasks { totalCount } }")
    assert len([statement for statement in statements if "count(" in statement]) == 1
    assert answer["tasks"]["totalCount"] == 3


async def test_refused_page_costs_nothing(counted: Counted) -> None:
    with counted.counting() as statements:
        await counted.gql.errors("{ tasks(first: 101) { nodes { id } } }")

    assert statements == []


async def test_many_nodes_of_a_kind_cost_one_statement(counted: Counted, make_tasks: MakeTasks) -> None:
    made = await make_tasks(*[draft()] * 20)

    with counted.counting() as statements:
        found = await counted.gql("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=made)

    assert [node["id"] for node in found["nodes"]] == made
    assert len(statements) == 1, statements


async def test_a_create_costs_two_statements(counted: Counted) -> None:
    # The catalogue of models is read once in a while.
    await counted.gql(CREATE_TASK, input=draft())
    with counted.counting() as statements:
        created = (await counted.gql(CREATE_TASK, input=draft()))["createTask"]

    assert created["errors"] == []
    assert len(statements) == 2, statements
    assert "task_terms" in statements[0]
    assert "accept_plain_tasks" in statements[1]
