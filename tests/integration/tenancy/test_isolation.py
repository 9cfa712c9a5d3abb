"""Row-level security by itself: two tenants, every table, nothing but SQL."""

import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

import app.models  # noqa: F401  registers the tables
from app.services.account.sessions import Lifetime, open_session
from tests.integration.api.documents import CREATE_TASK, CREATE_TEMPLATE, CREATE_WORKER, draft
from tests.integration.conftest import MakeTenant, Tenant
from tests.integration.graphql_client import Gql
from tests.integration.tenancy.conftest import Connection, enter

# Only functions of their owner reach these.
NOBODYS = {
    "sign_in_failures",
    "mail_tokens",
    "audit_chains",
    "external_identities",
    "sso_connections",
    "sso_domains",
    "sso_flows",
    "sso_codes",
    "trusted_documents",
}
# Everybody reads these, and nobody who serves writes them.
OF_THE_INSTALLATION = {"ai_models", "usage_progress"}
TABLES = sorted(set(SQLModel.metadata.tables) - NOBODYS - OF_THE_INSTALLATION)
# Functions of their owner write these; the service reads them.
ONLY_READ = {"audit_entries", "ledger_entries", "budget_usage", "budget_holds", "billing_events", "usage_days"}
OF_A_USER = {"users", "sessions", "refresh_tokens", "totp_factors", "recovery_codes", "mfa_challenges"}
# What tells in each table whose row it is.
OWNED_BY = {"users": "id", "workspaces": "id"} | dict.fromkeys(OF_A_USER - {"users"}, "user_id")
NEVER_CHANGED = ONLY_READ | {
    "task_events",
    "template_versions",
    "refresh_tokens",
    "mfa_challenges",
    "former_members",
}
NEVER_DELETED = ONLY_READ | {
    "task_events",
    "template_versions",
    "refresh_tokens",
    "sessions",
    "users",
    "workspaces",
    "invitations",
    "former_members",
}
# Rows that no request makes as simply.
SECOND_FACTOR = """
    INSERT INTO totp_factors (user_id, secret) VALUES ($1, '');
    INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, '');
    INSERT INTO mfa_challenges (challenge_hash, user_id, expires_at) VALUES (sha256(uuid_send($1)), $1, now())"""
MONEY = """
    INSERT INTO budgets (id, workspace_id, scope, period, hard_micros) VALUES ($1, $1, 'WORKSPACE', 'DAY', 1);
    INSERT INTO budget_usage (budget_id, starts_on, workspace_id) VALUES ($1, current_date, $1);
    INSERT INTO budget_holds (task_id, budget_id, workspace_id, starts_on) VALUES ($1, $1, $1, current_date);
    INSERT INTO billing_events (workspace_id, kind) VALUES ($1, 'LOW_BALANCE');
    INSERT INTO routing_policies (workspace_id) VALUES ($1);
    INSERT INTO usage_days (workspace_id, day, type, worker_id, template_id, provider, model, is_open)
    VALUES ($1, current_date, 'x', $1, $1, '', '', false)"""


INVITE = "mutation($input: InviteMemberInput!) { inviteMember(input: $input) { errors { code } } }"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two workspaces with a row in every table."""

    mine: Tenant
    theirs: Tenant

    def key(self, table: str, tenant: Tenant) -> UUID:
        return tenant.account.user_id if table in OF_A_USER else tenant.account.workspace_id


@pytest.fixture
async def pair(
    make_tenant: MakeTenant, gql_as: Callable[[Tenant], Gql], engine: AsyncEngine, as_superuser: Connection
) -> AsyncIterator[Pair]:
    pair = Pair(await make_tenant(), await make_tenant())
    for tenant in (pair.mine, pair.theirs):
        gql = gql_as(tenant)
        await gql(CREATE_WORKER, input={"name": "Ann", "kind": "HUMAN"})
        await gql(CREATE_TEMPLATE, input={"slug": "own.kind", "name": "Own", "prompt": "Do it."})
        keyed = CREATE_TASK.replace("createTask(", 'createTask(idempotencyKey: "once", ')
        await gql(keyed, input=draft(type="own.kind"))
        await as_superuser.execute(
            """INSERT INTO task_attempts (task_id, number, workspace_id, status)
            SELECT id, 1, workspace_id, 'RUNNING' FROM tasks WHERE workspace_id = $1""",
            tenant.account.workspace_id,
        )
        await as_superuser.execute(
            "INSERT INTO former_members (workspace_id, user_id) VALUES ($1, $2)",
            tenant.account.workspace_id,
            tenant.account.user_id,
        )
        await as_superuser.execute(
            """INSERT INTO provider_connections (id, workspace_id, provider, name, api_key)
            VALUES (uuidv7(), $1, 'openai', 'ours', 'sealed')""",
            tenant.account.workspace_id,
        )
        lifetime = Lifetime(idle=timedelta(days=1), longest=timedelta(days=1))
        await open_session(engine, tenant.account.user_id, lifetime)
        await gql(INVITE, input={"email": f"{secrets.token_hex(8)}@example.com", "role": "MEMBER"})
        for statement in SECOND_FACTOR.split(";"):
            await as_superuser.execute(statement, tenant.account.user_id)
        for statement in MONEY.split(";"):
            await as_superuser.execute(statement, tenant.account.workspace_id)
    yield pair


async def fingerprint(connection: Connection, pair: Pair, table: str) -> str:
    """All that is in the other's rows."""
    column = OWNED_BY.get(table, "workspace_id")
    statement = f"SELECT string_agg(t::text, '|' ORDER BY t::text) FROM {table} t WHERE {column} = $1"
    found: str = await connection.fetchval(statement, pair.key(table, pair.theirs))
    assert found, f"the other workspace has no row in {table}"
    return found


@pytest.mark.parametrize("table", TABLES)
async def test_select_shows_only_what_is_mine(as_app: Connection, pair: Pair, table: str) -> None:
    column = OWNED_BY.get(table, "workspace_id")
    async with as_app.transaction():
        await enter(as_app, pair.mine.account.workspace_id, pair.mine.account.user_id)
        owners = {row[0] for row in await as_app.fetch(f"SELECT {column} FROM {table}")}

    assert owners - {None} == {pair.key(table, pair.mine)}


@pytest.mark.parametrize("table", TABLES)
async def test_update_and_delete_reach_nothing_of_the_other(
    as_app: Connection, as_superuser: Connection, pair: Pair, table: str
) -> None:
    before = await fingerprint(as_superuser, pair, table)
    column = OWNED_BY.get(table, "workspace_id")
    for statement, refused in (
        (f"UPDATE {table} SET {column} = {column} WHERE {column} = $1", table in NEVER_CHANGED),
        (f"DELETE FROM {table} WHERE {column} = $1", table in NEVER_DELETED),
    ):
        async with as_app.transaction():
            await enter(as_app, pair.mine.account.workspace_id, pair.mine.account.user_id)
            if refused:
                with pytest.raises(asyncpg.InsufficientPrivilegeError):
                    async with as_app.transaction():
                        await as_app.execute(statement, pair.key(table, pair.theirs))
            else:
                assert (await as_app.execute(statement, pair.key(table, pair.theirs))).endswith(" 0")

    assert await fingerprint(as_superuser, pair, table) == before


@pytest.mark.parametrize("table", TABLES)
async def test_insert_into_the_others_workspace_is_refused(
    as_app: Connection, as_superuser: Connection, pair: Pair, table: str
) -> None:
    column = OWNED_BY.get(table, "workspace_id")
    columns = SQLModel.metadata.tables[table].columns
    assert {column.name for column in columns if column.computed} <= {"cost", "credits"}
    names = ", ".join(f'"{column.name}"' for column in columns if not (column.computed or column.identity))
    row = await as_superuser.fetchval(
        f"SELECT to_jsonb(t) FROM {table} t WHERE {column} = $1 LIMIT 1", pair.key(table, pair.theirs)
    )

    # What functions of their owner write has its own tests.
    reason = "permission denied" if table in ONLY_READ else "row-level security"
    async with as_app.transaction():
        await enter(as_app, pair.mine.account.workspace_id, pair.mine.account.user_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match=reason):
            await as_app.execute(
                f"INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_record(NULL::{table}, $1)", row
            )


@pytest.mark.parametrize("table", sorted(set(TABLES) - NEVER_CHANGED))
async def test_row_cannot_be_handed_to_the_other(as_app: Connection, pair: Pair, table: str) -> None:
    column = OWNED_BY.get(table, "workspace_id")
    async with as_app.transaction():
        await enter(as_app, pair.mine.account.workspace_id, pair.mine.account.user_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await as_app.execute(
                f"UPDATE {table} SET {column} = $1 WHERE {column} = $2",
                pair.key(table, pair.theirs),
                pair.key(table, pair.mine),
            )


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("setting", [None, ""])
async def test_forgotten_workspace_shows_nothing(
    as_app: Connection, pair: Pair, table: str, setting: str | None
) -> None:
    async with as_app.transaction():
        if setting is not None:
            await as_app.execute("SELECT set_config('app.workspace_id', $1, true)", setting)
        assert await as_app.fetchval(f"SELECT count(*) FROM {table}") == 0


@pytest.mark.parametrize("table", sorted(NOBODYS))
@pytest.mark.parametrize(
    "statement", ["SELECT FROM {}", "INSERT INTO {} DEFAULT VALUES", "DELETE FROM {}", "TRUNCATE {}"]
)
async def test_what_is_nobodys_is_out_of_reach(as_app: Connection, pair: Pair, table: str, statement: str) -> None:
    async with as_app.transaction():
        await enter(as_app, pair.mine.account.workspace_id, pair.mine.account.user_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await as_app.execute(statement.format(table))


@pytest.mark.parametrize("table", sorted(OF_THE_INSTALLATION))
async def test_what_is_the_installations_is_read_and_not_written(as_app: Connection, pair: Pair, table: str) -> None:
    column = next(iter(SQLModel.metadata.tables[table].columns)).name
    assert await as_app.fetchval(f"SELECT count(*) FROM {table}") > 0

    for statement in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}", f"TRUNCATE {table}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await as_app.execute(statement)


async def test_workspace_is_forgotten_when_the_transaction_ends(as_app: Connection, pair: Pair) -> None:
    async with as_app.transaction():
        await enter(as_app, pair.mine.account.workspace_id)
        assert await as_app.fetchval("SELECT count(*) FROM tasks") == 1

    assert await as_app.fetchval("SELECT count(*) FROM tasks") == 0


async def test_built_in_templates_can_be_read_and_not_written(as_app: Connection, pair: Pair) -> None:
    async with as_app.transaction():
        await enter(as_app, pair.mine.account.workspace_id)
        assert await as_app.fetchval("SELECT count(*) FROM templates WHERE workspace_id IS NULL") == 6
        assert await as_app.execute("UPDATE templates SET name = 'x' WHERE workspace_id IS NULL") == "UPDATE 0"
        assert await as_app.execute("DELETE FROM templates WHERE workspace_id IS NULL") == "DELETE 0"
