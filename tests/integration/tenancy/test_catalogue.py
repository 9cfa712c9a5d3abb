"""What the migrations leave behind, as PostgreSQL's own catalogue tells it."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from sqlmodel import SQLModel

import app.models  # noqa: F401  registers the tables
from tests.integration.tenancy.conftest import Connection


@pytest.fixture(scope="module")
def known_functions() -> set[str]:
    """Those that the migrations list as looking across workspaces."""
    names: set[str] = {"stuck_tasks"}
    for path in sorted(Path("migrations/versions").resolve().glob("*.py")):
        revision = migration(path)
        names |= set(getattr(revision, "FUNCTIONS", ()))
        names -= set(getattr(revision, "REMOVED", ()))
    return names


def migration(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"migration_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


async def test_every_table_forces_row_level_security(as_app: Connection) -> None:
    tables = await as_app.fetch(
        """SELECT relname, relispartition, relrowsecurity, relforcerowsecurity FROM pg_class
        WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'"""
    )

    whole = {table["relname"] for table in tables if not table["relispartition"]}
    assert whole == set(SQLModel.metadata.tables)
    assert len(tables) > len(whole)
    assert [
        table["relname"] for table in tables if not (table["relrowsecurity"] and table["relforcerowsecurity"])
    ] == []


async def test_every_table_has_its_policies(as_app: Connection) -> None:
    policies = await as_app.fetch("SELECT tablename, policyname, cmd FROM pg_policies WHERE schemaname = 'public'")

    for table in SQLModel.metadata.tables:
        names = {(policy["policyname"], policy["cmd"]) for policy in policies if policy["tablename"] == table}
        assert {("workspace_isolation", "ALL"), ("maintenance", "ALL")} <= names, table
    others = {policy["policyname"] for policy in policies} - {"workspace_isolation", "maintenance"}
    assert others == {"built_in", "colleagues", "catalogue", "begins_without_money"}


async def test_maintenance_is_for_the_owner_alone(as_app: Connection) -> None:
    roles = await as_app.fetch("SELECT DISTINCT roles::text FROM pg_policies WHERE policyname = 'maintenance'")

    assert [role["roles"] for role in roles] == ["{bizq_owner}"]


async def test_a_partition_cannot_be_read_past_its_tables_policies(as_app: Connection) -> None:
    readable = await as_app.fetch(
        """SELECT relname FROM pg_class WHERE relispartition AND relkind = 'r'
        AND has_table_privilege(oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE')"""
    )

    assert readable == []


async def test_nothing_that_has_no_row_level_security_is_there(as_app: Connection) -> None:
    found = await as_app.fetch(
        """SELECT relname FROM pg_class WHERE relkind IN ('m', 'v', 'f') AND relnamespace = 'public'::regnamespace"""
    )

    assert found == []


def test_what_looks_across_workspaces_stands_in_the_architecture_document(known_functions: set[str]) -> None:
    document = Path("ARCHITECTURE.md").read_text()

    assert sorted(name for name in known_functions if f"`{name}`" not in document) == []


async def test_functions_that_look_across_workspaces_are_the_known_ones(
    as_app: Connection, known_functions: set[str]
) -> None:
    functions = await as_app.fetch(
        """SELECT proname, proconfig, proowner::regrole::text AS owner,
            has_function_privilege('public', oid, 'EXECUTE') AS everybody,
            has_function_privilege('bizq_app', oid, 'EXECUTE') AS service
        FROM pg_proc WHERE prosecdef AND pronamespace = 'public'::regnamespace"""
    )

    assert {function["proname"] for function in functions} == known_functions
    assert len(functions) == len(known_functions)
    for function in functions:
        assert function["proconfig"][0] == "search_path=public, pg_temp", function["proname"]
        assert (function["owner"], function["everybody"], function["service"]) == ("bizq_owner", False, True)


async def test_service_owns_nothing_and_can_make_nothing(as_app: Connection) -> None:
    owned = await as_app.fetchval("SELECT count(*) FROM pg_class WHERE relowner = 'bizq_app'::regrole")
    role = await as_app.fetchrow(
        "SELECT rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    )

    assert owned == 0
    assert role is not None
    assert tuple(role) == (False, False, False, False)
    assert not await as_app.fetchval("SELECT has_schema_privilege('public', 'CREATE')")


async def test_service_cannot_write_the_migrations_version(as_app: Connection) -> None:
    privileges = await as_app.fetchrow(
        """SELECT has_table_privilege('alembic_version', 'SELECT') AS read,
            has_table_privilege('alembic_version', 'INSERT, UPDATE, DELETE, TRUNCATE') AS write"""
    )

    assert privileges is not None
    assert tuple(privileges) == (True, False)
