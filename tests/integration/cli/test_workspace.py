"""`bizq workspace`, on the database as its owner."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.settings import Settings
from tests.integration.cli.conftest import Result, Start
from tests.integration.conftest import Tenant
from tests.integration.engine.desk import Desk

Workspace = Callable[..., Awaitable[Result]]


@pytest.fixture
def workspace(start: Start, settings: Settings) -> Workspace:
    async def workspace(*arguments: str) -> Result:
        addresses = {"DATABASE_URL": settings.app_database_url, "DATABASE_OWNER_URL": settings.owner_database_url}
        return await (await start("workspace", *arguments, **addresses)).result()

    return workspace


def of(tenant: Tenant, answer: Any) -> dict[str, Any]:
    (found,) = (item for item in answer["workspaces"] if item["id"] == tenant.workspace_id)
    return dict(found)


async def test_list_tells_shares_and_what_is_in_the_queue(workspace: Workspace, desk: Desk, tenant: Tenant) -> None:
    _, _, running = await desk.accept(3)
    await desk.change("UPDATE tasks SET status = 'RUNNING', lease_until = now() WHERE id = :id", id=running)

    found = of(tenant, (await workspace("list", "--json")).json)
    table = (await workspace("list")).out

    assert found == {
        "id": tenant.workspace_id, "name": "Test workspace", "plan": found["plan"], "weight": 1, "concurrency": None,
        "queued": 2, "running": 1,
    }  # fmt: skip
    assert table.split("\n", 1)[0].split() == ["ID", "NAME", "PLAN", "WEIGHT", "CONCURRENCY", "QUEUED", "RUNNING"]
    (line,) = (line for line in table.splitlines() if tenant.workspace_id in line)
    assert line.split()[-4:] == ["1", "default", "2", "1"]


async def test_set_changes_what_is_given_and_default_takes_the_limit_away(workspace: Workspace, tenant: Tenant) -> None:
    both = await workspace("set", tenant.workspace_id, "--weight", "25", "--concurrency", "10000", "--json")
    weight = await workspace("set", tenant.workspace_id, "--weight", "4", "--json")
    back = await workspace("set", tenant.workspace_id, "--concurrency", "default")

    assert [(share.json["weight"], share.json["concurrency"]) for share in (both, weight)] == [
        (25, 10_000),
        (4, 10_000),
    ]
    assert back.out.splitlines()[1].split()[-4:] == ["4", "default", "0", "0"]
    after = of(tenant, (await workspace("list", "--json")).json)
    assert (after["weight"], after["concurrency"]) == (4, None)


async def test_set_changes_the_plan(workspace: Workspace, tenant: Tenant) -> None:
    changed = await workspace("set", tenant.workspace_id, "--plan", "PRO", "--json")

    assert (changed.json["plan"], changed.json["weight"], changed.json["concurrency"]) == ("PRO", 1, None)
    assert of(tenant, (await workspace("list", "--json")).json)["plan"] == "PRO"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("--weight", "0"), "weight is 0; it can be 1 to 25."),
        (("--weight", "26"), "weight is 26; it can be 1 to 25."),
        (("--concurrency", "0"), "concurrency is 0; it can be 1 to 10000."),
        (("--concurrency", "10001", "--weight", "2"), "concurrency is 10001; it can be 1 to 10000."),
        (("--concurrency", "many"), "concurrency is many; it can be 1 to 10000, or default."),
        (("--plan", "GOLD"), "plan is GOLD; it can be FREE, PRO, SCALE (BIZQ_RATE_PLANS)."),
        ((), "Give at least one of --weight, --concurrency and --plan, such as --weight 4."),
    ],
)
async def test_what_is_out_of_bounds_names_the_limit_and_changes_nothing(
    workspace: Workspace, tenant: Tenant, change: tuple[str, ...], message: str
) -> None:
    result = await workspace("set", tenant.workspace_id, *change)

    assert (result.code, result.out, result.err) == (1, "", f"error {message}\n")
    share = of(tenant, (await workspace("list", "--json")).json)
    assert (share["weight"], share["concurrency"]) == (1, None)


@pytest.mark.parametrize("unknown", ["ws_nope", "ws_01h455vb4pex5vsknk084sn02q"])
async def test_an_unknown_workspace_is_one_line(workspace: Workspace, unknown: str) -> None:
    result = await workspace("set", unknown, "--weight", "2")

    assert (result.code, result.out) == (1, "")
    assert result.err == f"error There is no workspace {unknown}. `bizq workspace list` shows them.\n"
