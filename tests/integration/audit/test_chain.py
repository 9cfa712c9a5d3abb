"""Entries are added in one chain, and only added."""

import asyncio

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.db.audit import Entry, append
from app.db.reader import enter_workspace
from app.principal import Principal, client_address
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.audit.conftest import Log, Verify
from tests.integration.conftest import MakeTenant, Tenant

WRITERS = 50
ADD = "SELECT append_audit_entry(:chain, 'x', now(), NULL, NULL, NULL, 'a', NULL, NULL, '{}')"


async def seqs(owner: AsyncEngine, tenant: Tenant) -> list[int]:
    statement = text("SELECT seq FROM audit_entries WHERE workspace_id = :mine ORDER BY seq")
    async with owner.connect() as connection:
        return list((await connection.execute(statement, {"mine": tenant.account.workspace_id})).scalars())


async def test_fifty_writers_at_once_make_one_chain_without_a_gap(
    unit_of_work: UnitOfWorkFactory, tenant: Tenant, owner: AsyncEngine, report: Verify
) -> None:
    before = len(await seqs(owner, tenant))

    async def write(number: int) -> None:
        async with unit_of_work(tenant.principal) as uow:
            uow.audit("test.first", None, {"number": number})
            uow.audit("test.second", None, {"number": number})

    await asyncio.gather(*(write(number) for number in range(WRITERS)))

    last = before + 2 * WRITERS
    assert await seqs(owner, tenant) == list(range(1, last + 1))
    found = await report()
    assert (found.entries, found.head.seq, found.problem) == (last, last, None)


async def test_people_of_the_same_workspaces_never_wait_for_each_other_in_a_circle(
    unit_of_work: UnitOfWorkFactory, make_tenant: MakeTenant, owner: AsyncEngine
) -> None:
    one, two = await make_tenant(), await make_tenant()
    join = text("INSERT INTO memberships (workspace_id, user_id, role) VALUES (:workspace, :user, 'ADMIN')")
    async with owner.begin() as connection:
        for here, there in ((one, two), (two, one)):
            values = {"workspace": here.account.workspace_id, "user": there.account.user_id}
            await connection.execute(join, values)
    before = [len(await seqs(owner, tenant)) for tenant in (one, two)]

    async def write(tenant: Tenant) -> None:
        async with unit_of_work(tenant.principal) as uow:
            uow.audit("test.here", None)
            uow.audit_account("test.everywhere")

    await asyncio.gather(*(write(tenant) for _ in range(10) for tenant in (one, two)))

    after = [len(await seqs(owner, tenant)) for tenant in (one, two)]
    assert [now - then for now, then in zip(after, before, strict=True)] == [30, 30]


async def test_what_is_rolled_back_leaves_no_entry_and_no_gap(
    unit_of_work: UnitOfWorkFactory, tenant: Tenant, owner: AsyncEngine, log: Log
) -> None:
    before = await seqs(owner, tenant)
    with pytest.raises(ValueError, match="no"):
        async with unit_of_work(tenant.principal) as uow:
            uow.audit("test.never", None)
            await uow.write_audit()
            raise ValueError("no")

    await log()

    assert await seqs(owner, tenant) == [*before, len(before) + 1]


async def test_entry_says_who_and_from_where(
    unit_of_work: UnitOfWorkFactory, tenant: Tenant, owner: AsyncEngine
) -> None:
    client_address.set("192.0.2.77")
    async with unit_of_work(tenant.principal) as uow:
        uow.audit("test.done", "wkr_x", {"a": 1})
        now = uow.now
    client_address.set(None)
    statement = text(
        "SELECT user_id, api_key_id, role, subject, client_address, data, at FROM audit_entries "
        "WHERE workspace_id = :mine AND action = 'test.done'"
    )
    async with owner.connect() as connection:
        row = (await connection.execute(statement, {"mine": tenant.account.workspace_id})).one()

    assert tuple(row) == (tenant.account.user_id, None, "OWNER", "wkr_x", "192.0.2.77", {"a": 1}, now)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_entries SET action = 'x'",
        "DELETE FROM audit_entries",
        "TRUNCATE audit_entries",
        "DELETE FROM audit_chains",
        "TRUNCATE audit_chains",
        "UPDATE audit_chains SET seq = 0",
        "UPDATE audit_chains SET hash = 'x'",
    ],
)
async def test_nothing_changes_an_entry_not_even_the_owner(
    owner: AsyncEngine, engine: AsyncEngine, tenant: Tenant, report: Verify, statement: str
) -> None:
    for connected in (owner, engine):
        with pytest.raises(DBAPIError, match=r"audit log|permission denied"):
            async with connected.begin() as connection:
                await enter_workspace(connection, tenant.principal)
                await connection.execute(text(statement))

    assert (await report()).problem is None


async def test_the_service_adds_through_the_function_only_and_to_its_own_workspace(
    engine: AsyncEngine, tenant: Tenant, make_tenant: MakeTenant
) -> None:
    other = await make_tenant()
    insert = "INSERT INTO audit_entries (workspace_id, seq) VALUES (current_workspace_id(), 99)"
    for statement, values in (
        (insert, {}),
        (ADD, {"chain": other.account.workspace_id}),
        ("SELECT * FROM audit_chains", {}),
    ):
        with pytest.raises(DBAPIError, match=r"permission denied|belongs to the audit log"):
            async with engine.begin() as connection:
                await enter_workspace(connection, tenant.principal)
                await connection.execute(text(statement), values)


async def test_what_operators_do_has_no_actor(owner: AsyncEngine, tenant: Tenant, report: Verify) -> None:
    operator = Principal.system(tenant.account.workspace_id)
    async with owner.begin() as connection:
        await enter_workspace(connection, operator)
        entry = Entry.by(operator, clock.now(), "workspace.set", None)
        await append(connection, tenant.account.workspace_id, [entry])

    assert (entry.user_id, entry.api_key_id, entry.role) == (None, None, None)
    assert (await report()).problem is None
