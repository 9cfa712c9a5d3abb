"""node and nodes: every kind of global id, of this workspace only."""

from collections.abc import Awaitable, Callable

import pytest

from app import ids
from tests.integration.api.answers import extensions
from tests.integration.api.conftest import MakeTasks
from tests.integration.api.documents import CREATE_TEMPLATE, CREATE_WORKER, VIEWER, draft
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }"
KINDS = ["Task", "Worker", "Template", "TemplateVersion", "User", "Workspace", "ApiKey"]


@pytest.fixture
async def one_of_each(gql: Gql, make_tasks: MakeTasks, tenant: Tenant) -> list[str]:
    """Ids in the order of KINDS."""
    (task_id,) = await make_tasks(draft())
    worker = (await gql(CREATE_WORKER, input={"name": "Ann", "kind": "HUMAN"}))["createWorker"]["worker"]
    template = {"slug": "own.kind", "name": "Own", "prompt": "Do it."}
    template = (await gql(CREATE_TEMPLATE, input=template))["createTemplate"]["template"]
    user_id = ids.encode(ids.USER, tenant.account.user_id)
    key_id = (await gql(VIEWER))["viewer"]["apiKey"]["id"]
    version_id = template["latestVersion"]["id"]
    return [task_id, worker["id"], template["id"], version_id, user_id, tenant.workspace_id, key_id]


async def test_every_kind_is_found_by_its_id(gql: Gql, one_of_each: list[str]) -> None:
    found = (await gql(NODES, ids=one_of_each))["nodes"]
    alone = [(await gql("query($id: ID!) { node(id: $id) { __typename id } }", id=id))["node"] for id in one_of_each]

    assert found == [{"__typename": kind, "id": id} for kind, id in zip(KINDS, one_of_each, strict=True)]
    assert alone == found


async def test_every_kind_of_another_workspace_is_null(
    one_of_each: list[str], gql_as: Callable[[Tenant], Gql], make_tenant: Callable[[], Awaitable[Tenant]]
) -> None:
    stranger = gql_as(await make_tenant())

    assert (await stranger(NODES, ids=one_of_each))["nodes"] == [None] * len(KINDS)


async def test_built_in_template_is_everybodys(gql: Gql) -> None:
    listed = await gql("{ templates(first: 1) { nodes { id latestVersion { id } } } }")
    (template,) = listed["templates"]["nodes"]

    found = await gql(NODES, ids=[template["id"], template["latestVersion"]["id"]])

    assert [node["__typename"] for node in found["nodes"]] == ["Template", "TemplateVersion"]


@pytest.mark.parametrize(
    "id",
    ["", "task", "task_", "_", "\0", "task_x", "wait_" + "0" * 26, "task_" + "z" * 26, "TASK_" + "0" * 26, "ü" * 26],
)
async def test_what_is_no_id_is_null(gql: Gql, id: str) -> None:
    assert (await gql(NODES, ids=[id]))["nodes"] == [None]


async def test_order_and_repetitions_are_kept(gql: Gql, make_tasks: MakeTasks) -> None:
    one, two = await make_tasks(draft(), draft())

    found = (await gql(NODES, ids=[two, "nothing", one, two]))["nodes"]

    assert [node and node["id"] for node in found] == [two, None, one, two]


async def test_more_than_100_are_refused(gql: Gql) -> None:
    response = await gql.raw(NODES, ids=["task_x"] * 101)

    assert extensions(response) == {"code": "BAD_USER_INPUT", "path": ["ids"], "limit": 100, "actual": 101}
