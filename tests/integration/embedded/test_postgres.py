import asyncpg
import psutil
import pytest

from app.embedded.data_dir import DataDir
from tests.integration.embedded.conftest import MakePostgres


async def test_the_service_role_is_neither_superuser_nor_owner_nor_exempt(make_postgres: MakePostgres) -> None:
    postgres = make_postgres()
    postgres.start()

    app = await asyncpg.connect(postgres.app_url)
    role = await app.fetchrow(
        "SELECT rolname, rolsuper, rolbypassrls, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user"
    )
    owner = await app.fetchval("SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'bizq'")
    await app.close()

    assert role is not None
    assert tuple(role.values()) == ("bizq_app", False, False, False, False)
    assert owner == "bizq_owner"


async def test_a_wrong_password_is_refused(make_postgres: MakePostgres) -> None:
    postgres = make_postgres()
    postgres.start()

    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(postgres.app_url, password="wrong")


async def test_what_was_committed_outlives_a_sigkill_and_a_new_start(
    make_postgres: MakePostgres, data: DataDir
) -> None:
    first = make_postgres()
    first.start()
    owner = await asyncpg.connect(first.owner_url)
    await owner.execute("CREATE TABLE kept (n int); INSERT INTO kept VALUES (42)")
    await owner.close()

    assert first.child is not None
    first.child.kill()
    first.child.process.wait()
    second = make_postgres()
    second.start()

    again = await asyncpg.connect(second.owner_url)
    assert await again.fetchval("SELECT n FROM kept") == 42
    await again.close()


async def test_stopping_leaves_no_process_and_disconnects_who_is_there(
    make_postgres: MakePostgres, data: DataDir
) -> None:
    postgres = make_postgres()
    postgres.start()
    assert postgres.child is not None
    family = [psutil.Process(postgres.child.pid)]
    family += family[0].children(recursive=True)
    client = await asyncpg.connect(postgres.app_url)

    postgres.stop()

    assert psutil.wait_procs(family, timeout=0)[1] == []
    assert list(data.run.iterdir()) == []
    client.terminate()
