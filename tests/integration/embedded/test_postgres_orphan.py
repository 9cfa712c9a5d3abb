import asyncio

import asyncpg
import psutil

from tests.integration.embedded.conftest import MakePostgres

# Work without a wait, so that the session does not notice when its server dies.
BUSY = """
    DO $$ BEGIN
        RAISE WARNING 'working';
        FOR i IN 1..2000000000 LOOP END LOOP;
    END $$
"""


async def test_a_session_busy_when_the_server_was_killed_does_not_keep_it_from_coming_back(
    make_postgres: MakePostgres,
) -> None:
    postgres = make_postgres()
    postgres.start()
    client = await asyncpg.connect(postgres.superuser_url)
    session = psutil.Process(await client.fetchval("SELECT pg_backend_pid()"))
    working = asyncio.Event()
    client.add_log_listener(lambda *_: working.set())
    work = asyncio.create_task(client.execute(BUSY))
    await working.wait()

    assert postgres.child is not None
    postgres.child.kill()
    postgres.child.process.wait()
    assert session.is_running()
    postgres.start()

    assert not session.is_running() or session.status() == psutil.STATUS_ZOMBIE
    again = await asyncpg.connect(postgres.app_url)
    assert await again.fetchval("SELECT 1") == 1
    await again.close()
    await asyncio.wait([work])
    assert isinstance(work.exception(), asyncpg.PostgresConnectionError | OSError)
