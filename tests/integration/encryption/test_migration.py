"""The migration that seals people who are there, and the way back."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.engine import make_url

from app.db.sealed import USER_EMAIL, USER_NAME
from app.db.vault import Vault
from app.settings import Settings
from tests.conftest import Servers
from tests.integration.encryption.conftest import NEW, OLD, Sql, alembic, ring

COUNT = 1_100
ROWS = "SELECT id, email, name, password_hash, created_at FROM users ORDER BY id"


@pytest.fixture
async def sql(unmigrated: Settings) -> AsyncIterator[Sql]:
    """A database before the migration, with more people in it than a batch holds."""
    assert await alembic(unmigrated, "upgrade", "0004") == (0, "")
    connection = await asyncpg.connect(unmigrated.owner_database_url)
    await connection.executemany(
        "INSERT INTO users (id, email, name, password_hash) VALUES ($1, $2, $3, 'hash')",
        [(UUID(int=number), f"zoë{number}@example.com", f"Zoë {number}") for number in range(COUNT)],
    )
    yield connection
    await connection.close()


async def test_up_down_and_up_again_keep_everybody(sql: Sql, unmigrated: Settings) -> None:
    before, vault = await sql.fetch(ROWS), Vault([OLD])

    assert await alembic(unmigrated, "upgrade", "head", key=ring(OLD)) == (0, "")
    for row in await sql.fetch("SELECT id, email, email_index, name FROM users"):
        number = row["id"].int
        assert vault.open(USER_EMAIL.place, row["id"], row["email"]) == f"zoë{number}@example.com"
        assert vault.open(USER_NAME.place, row["id"], row["name"]) == f"Zoë {number}"
        assert row["email_index"] == vault.index(USER_EMAIL.place, f"zoë{number}@example.com")

    assert await alembic(unmigrated, "downgrade", "0004", key=ring(NEW, OLD)) == (0, "")
    await sql.reload_schema_state()
    assert await sql.fetch(ROWS) == before

    assert await alembic(unmigrated, "upgrade", "head", key=ring(OLD)) == (0, "")
    assert await sql.fetchval("SELECT count(*) FROM users WHERE length(email_index) = 32") == COUNT


async def test_nothing_readable_is_left_in_the_tables_file(sql: Sql, unmigrated: Settings, servers: Servers) -> None:
    name = make_url(unmigrated.owner_database_url).database
    superuser = make_url(servers.postgres.superuser_url).set(database=name).render_as_string(hide_password=False)
    admin = await asyncpg.connect(superuser)

    async def file() -> bytes:
        await admin.execute("CHECKPOINT")
        content: bytes = await admin.fetchval("SELECT pg_read_binary_file(pg_relation_filepath('users'))")
        return content

    assert b"@example.com" in await file()
    assert await alembic(unmigrated, "upgrade", "head", key=ring(OLD)) == (0, "")

    content = await file()
    await admin.close()
    assert b"@example.com" not in content
    assert "Zoë".encode() not in content
    assert b"hash" in content


async def test_without_the_key_it_is_named_and_nothing_changes(sql: Sql, unmigrated: Settings) -> None:
    before = await sql.fetch(ROWS)

    code, complaint = await alembic(unmigrated, "upgrade", "head")

    assert code == 1
    assert f"names of {COUNT} users are to be encrypted or decrypted: set BIZQ_ENCRYPTION_KEY" in complaint
    assert await sql.fetchval("SELECT version_num FROM alembic_version") == "0004"
    assert await sql.fetch(ROWS) == before


async def test_a_foreign_key_opens_nothing_on_the_way_back(sql: Sql, unmigrated: Settings) -> None:
    assert await alembic(unmigrated, "upgrade", "head", key=ring(OLD)) == (0, "")
    before = await sql.fetch("SELECT * FROM users ORDER BY id")

    code, complaint = await alembic(unmigrated, "downgrade", "0004", key=ring(NEW))

    assert code == 1
    assert "which is not known. Nothing has changed." in complaint
    assert "example.com" not in complaint
    assert await sql.fetch("SELECT * FROM users ORDER BY id") == before
