"""Many people at once: one statement, and one damaged row is one damaged answer."""

from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.by_id import ById
from app.db.hot import Hot
from app.db.reader import Reader
from app.db.vault import Unreadable, Vault
from app.graphql.loaders import Loaders
from app.principal import Principal, Role
from app.services.account.sign_up import NewAccount, SignUp, sign_up
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.encryption.conftest import OLD, Add, Someone, Sql

VAULT = Vault([OLD])


@pytest.fixture
def by_id(own: Settings) -> ById:
    """Not connected: people are not read through it."""
    return ById(Hot(own))


@pytest.fixture
async def account(unit_of_work: UnitOfWorkFactory) -> NewAccount:
    return await sign_up(unit_of_work, VAULT, SignUp("owner@example.com", "correct horse battery", "Owner"))


@pytest.fixture
async def colleagues(account: NewAccount, add: Add, sql: Sql) -> list[Someone]:
    made = await add(VAULT, 20)
    await sql.executemany(
        "INSERT INTO memberships (workspace_id, user_id, role) VALUES ($1, $2, 'MEMBER')",
        [(account.workspace_id, one.id) for one in made],
    )
    return made


async def test_twenty_people_are_read_with_one_statement(
    service: AsyncEngine, by_id: ById, account: NewAccount, colleagues: list[Someone]
) -> None:
    statements: list[str] = []
    reader = Reader(service, account.principal, keep=True)
    loaders = Loaders(reader, by_id, account.principal, VAULT, cache=True)
    await loaders.user.load(account.user_id)

    def note(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(service.sync_engine, "before_cursor_execute", note)
    rows = await loaders.user.load_many([one.id for one in colleagues])
    await reader.close()

    assert [(row["name"], row["email"]) for row in rows if row] == [(one.name, one.email) for one in colleagues]
    assert len(statements) == 1, statements
    assert "email_index" not in statements[0]
    assert "password_hash" not in statements[0]


async def test_a_damaged_row_fails_alone(
    service: AsyncEngine, by_id: ById, account: NewAccount, colleagues: list[Someone], sql: Sql
) -> None:
    damaged, whole = colleagues[:2]
    await sql.execute(
        "UPDATE users SET name = (SELECT name FROM users WHERE id = $1) WHERE id = $2", whole.id, damaged.id
    )
    loaders = Loaders(Reader(service, account.principal, keep=False), by_id, account.principal, VAULT, cache=True)

    first, second = loaders.user.load(damaged.id), loaders.user.load(whole.id)

    with pytest.raises(Unreadable, match=f"^users.name of {damaged.id} is not what was sealed there.$"):
        await first
    assert (await second or {})["name"] == whole.name


async def test_nobody_of_another_workspace_is_read(
    service: AsyncEngine, by_id: ById, colleagues: list[Someone]
) -> None:
    stranger = Principal(workspace_id=ids.new_id(), role=Role.OWNER, user_id=ids.new_id())
    loaders = Loaders(Reader(service, stranger, keep=False), by_id, stranger, VAULT, cache=True)

    assert await loaders.user.load_many([one.id for one in colleagues]) == [None] * 20
