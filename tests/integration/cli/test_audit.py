"""`bizq audit verify`, on the database as its owner."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory
from tests.conftest import Servers
from tests.integration.cli.conftest import Result, Start
from tests.integration.conftest import Tenant

Audit = Callable[..., Awaitable[Result]]


@pytest.fixture
def audit(start: Start, settings: Settings) -> Audit:
    async def audit(*arguments: str) -> Result:
        addresses = {"DATABASE_URL": settings.app_database_url, "DATABASE_OWNER_URL": settings.owner_database_url}
        return await (await start("audit", "verify", *arguments, **addresses)).result()

    return audit


@pytest.fixture
async def as_superuser(servers: Servers, settings: Settings) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(servers.postgres.superuser_url.rpartition("/")[0] + "/bizq")
    yield connection
    await connection.close()


@pytest.fixture
async def entries(unit_of_work: UnitOfWorkFactory, tenant: Tenant) -> int:
    """How many there are in the tenant's log."""
    async with unit_of_work(tenant.principal) as uow:
        for number in range(3):
            uow.audit("test.done", None, {"number": number})
    return 5


def of(tenant: Tenant, answer: Any) -> dict[str, Any]:
    (found,) = (chain for chain in answer["chains"] if chain["workspaceId"] == tenant.workspace_id)
    return dict(found)


async def test_whole_log_is_exit_code_0_and_shows_the_end_of_each_chain(
    audit: Audit, tenant: Tenant, entries: int
) -> None:
    one, table = await audit(tenant.workspace_id, "--json"), await audit(tenant.workspace_id)
    every = await audit("--json")

    chain = of(tenant, one.json)
    assert (one.code, one.json["ok"], table.code) == (0, True, 0)
    assert of(tenant, every.json) == chain
    assert (chain["head"]["seq"], chain["verified"], chain["brokenAt"], chain["problem"]) == (5, 5, None, None)
    header, line = table.out.splitlines()
    assert header.split()[:3] == ["WORKSPACE", "ENTRIES", "STATE"]
    assert line.split() == [tenant.workspace_id, "5", "ok", chain["head"]["hash"]]


async def test_altered_entry_is_exit_code_1_and_named(
    audit: Audit, tenant: Tenant, entries: int, as_superuser: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    await as_superuser.execute("SET session_replication_role = replica")
    await as_superuser.execute(
        "UPDATE audit_entries SET action = 'x' WHERE workspace_id = $1 AND seq = 3", tenant.account.workspace_id
    )

    result, as_json = await audit(tenant.workspace_id), await audit(tenant.workspace_id, "--json")

    problem = "entry 3 was altered: its hash is not that of its content and the entries before"
    assert (result.code, result.err) == (1, f"{tenant.workspace_id}: {problem}\n")
    assert "broken at 3" in result.out
    assert (as_json.code, as_json.json["ok"]) == (1, False)
    assert of(tenant, as_json.json)["problem"] == problem


async def test_what_it_printed_is_an_anchor_for_later(
    audit: Audit, tenant: Tenant, entries: int, tmp_path: Path
) -> None:
    before = await audit(tenant.workspace_id, "--json")
    file, wrong = tmp_path / "anchor.json", tmp_path / "wrong.json"
    file.write_text(before.out)
    wrong.write_text(before.out.replace(of(tenant, before.json)["head"]["hash"], "00" * 32))

    same, other = [await audit(tenant.workspace_id, "--anchor", str(path)) for path in (file, wrong)]

    assert (same.code, other.code) == (0, 1)
    assert "entry 5 or one before was replaced" in other.err


@pytest.mark.parametrize("unknown", ["ws_nope", "ws_01h455vb4pex5vsknk084sn02q"])
async def test_an_unknown_workspace_is_one_line(audit: Audit, unknown: str) -> None:
    result = await audit(unknown)

    assert (result.code, result.out) == (1, "")
    assert result.err == f"error There is no workspace {unknown}. `bizq workspace list` shows them.\n"


async def test_anchor_that_is_none_is_one_line(audit: Audit, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[]")

    result = await audit("--anchor", str(tmp_path / "a.json"))

    assert (result.code, result.err.strip()) == (
        1,
        f"error {tmp_path / 'a.json'} is not what `bizq audit verify --json` prints.",
    )
