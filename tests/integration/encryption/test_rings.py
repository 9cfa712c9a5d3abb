"""Processes whose keys stand in another order, as while the key is being changed."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.reader import Reader
from app.db.sealed import SEALED
from app.db.vault import Vault
from app.errors import Conflict
from app.principal import Principal, Role
from app.services.account import lockout, people, queries
from app.services.account.change_password import change_password
from app.services.account.failed_sign_ins import FailedSignIns
from app.services.account.lockout import Attempt, SignInLocked
from app.services.account.sign_in import sign_in
from app.services.account.sign_up import SignUp, sign_up
from app.services.encryption.rotate import rotate
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.encryption.conftest import NEW, OLD, Sql, until_waiting

BEFORE, NEXT, DURING, AFTER = Vault([OLD]), Vault([OLD, NEW]), Vault([NEW, OLD]), Vault([NEW])
ANN = SignUp("ann@example.com", "correct horse battery", "Ann")


async def everybody(sql: Sql) -> int:
    count: int = await sql.fetchval("SELECT count(*) FROM users")
    return count


@pytest.fixture
async def failed_sign_ins(service: AsyncEngine) -> AsyncIterator[FailedSignIns]:
    failed_sign_ins = FailedSignIns(service)
    yield failed_sign_ins
    await failed_sign_ins.close()


@pytest.mark.parametrize(("written", "asked"), [(BEFORE, NEXT), (NEXT, DURING)])
async def test_each_step_reads_and_finds_what_the_one_before_wrote_and_the_other_way_round(
    service: AsyncEngine,
    unit_of_work: UnitOfWorkFactory,
    failed_sign_ins: FailedSignIns,
    written: Vault,
    asked: Vault,
) -> None:
    for number, (writer, reader) in enumerate([(written, asked), (asked, written)]):
        wanted = SignUp(f"ann{number}@example.com", ANN.password, f"Ann {number}")
        account = await sign_up(unit_of_work, writer, wanted)

        verified = await sign_in(service, reader, failed_sign_ins, wanted.email.title(), wanted.password, None)
        row = await Reader(service, account.principal, keep=False).row(queries.users_by_ids([account.user_id]))

        assert verified.user_id == account.user_id
        assert row is not None
        opened = people.opened(reader, row)
        assert (opened["email"], opened["name"]) == (wanted.email, wanted.name)


async def test_accounts_go_on_through_all_steps(
    service: AsyncEngine, owner: AsyncEngine, unit_of_work: UnitOfWorkFactory, failed_sign_ins: FailedSignIns
) -> None:
    account = await sign_up(unit_of_work, BEFORE, ANN)
    for vault in (NEXT, DURING):
        verified = await sign_in(service, vault, failed_sign_ins, ANN.email, ANN.password, None)
        assert verified.user_id == account.user_id

    await rotate(owner, DURING, SEALED, lambda *_: None)

    for vault in (NEXT, DURING, AFTER):
        verified = await sign_in(service, vault, failed_sign_ins, ANN.email, ANN.password, None)
        assert verified.user_id == account.user_id
    changed = {"current": ANN.password, "new": "another horse battery", "client": None}
    await change_password(service, unit_of_work, AFTER, failed_sign_ins, account.principal, **changed)
    verified = await sign_in(service, AFTER, failed_sign_ins, ANN.email, changed["new"] or "", None)
    assert verified.user_id == account.user_id


@pytest.mark.parametrize(("first", "second"), [(NEXT, DURING), (DURING, NEXT), (BEFORE, DURING), (BEFORE, NEXT)])
async def test_an_address_is_taken_under_every_key(
    unit_of_work: UnitOfWorkFactory, sql: Sql, first: Vault, second: Vault
) -> None:
    await sign_up(unit_of_work, first, ANN)

    with pytest.raises(Conflict):
        await sign_up(unit_of_work, second, ANN)

    assert await everybody(sql) == 1


async def test_of_two_sign_ups_under_different_keys_the_second_waits_and_is_refused(
    unit_of_work: UnitOfWorkFactory, sql: Sql
) -> None:
    user_id, workspace_id = ids.new_id(), ids.new_id()
    async with unit_of_work(Principal(workspace_id=workspace_id, role=Role.OWNER, user_id=user_id)) as uow:
        assert await people.add_user(uow.session, NEXT, user_id, email=ANN.email, name=ANN.name, password_hash=None)
        second = asyncio.create_task(sign_up(unit_of_work, DURING, ANN))
        await until_waiting(sql, "advisory")

    with pytest.raises(Conflict):
        await second
    assert await everybody(sql) == 1


async def test_the_second_goes_on_where_the_first_gives_up(unit_of_work: UnitOfWorkFactory, sql: Sql) -> None:
    user_id, workspace_id = ids.new_id(), ids.new_id()
    with pytest.raises(RuntimeError, match="given up"):
        async with unit_of_work(Principal(workspace_id=workspace_id, role=Role.OWNER, user_id=user_id)) as uow:
            assert await people.add_user(uow.session, NEXT, user_id, email=ANN.email, name=ANN.name, password_hash=None)
            second = asyncio.create_task(sign_up(unit_of_work, DURING, ANN))
            await until_waiting(sql, "advisory")
            raise RuntimeError("given up")

    account = await second

    assert await sql.fetchval("SELECT id FROM users") == account.user_id


async def test_of_many_sign_ups_at_once_under_all_orders_one_succeeds(
    unit_of_work: UnitOfWorkFactory, sql: Sql
) -> None:
    rings = [Vault(keys) for keys in itertools.permutations([OLD, NEW, bytes(range(32))])]

    results = await asyncio.gather(*(sign_up(unit_of_work, vault, ANN) for vault in rings), return_exceptions=True)

    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 5 + ["NewAccount"]
    assert await everybody(sql) == 1


async def test_rotating_while_people_sign_up_leaves_one_account_each(
    owner: AsyncEngine, unit_of_work: UnitOfWorkFactory, sql: Sql
) -> None:
    wanted = [SignUp(f"ann{number}@example.com", ANN.password, "Ann") for number in range(4)]
    await asyncio.gather(*(sign_up(unit_of_work, NEXT, one) for one in wanted))

    async def again(one: SignUp) -> type:
        try:
            return type(await sign_up(unit_of_work, DURING, one))
        except Conflict:
            return Conflict

    results = await asyncio.gather(rotate(owner, DURING, SEALED, lambda *_: None), *map(again, wanted))

    assert results[1:] == [Conflict] * 4
    current = {report.place: report.current for report in results[0]}
    assert (current["users.email"], current["users.name"]) == (4, 4)


async def test_lock_holds_whatever_the_order_of_the_keys(service: AsyncEngine, failed_sign_ins: FailedSignIns) -> None:
    for _ in range(5):
        await lockout.record_failure(service, Attempt.of(BEFORE, ANN.email, "192.0.2.1"))

    for vault in (BEFORE, NEXT, DURING):
        with pytest.raises(SignInLocked):
            await sign_in(service, vault, failed_sign_ins, ANN.email, ANN.password, "192.0.2.1")
