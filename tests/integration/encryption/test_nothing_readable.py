"""Who signs up is nowhere to be read: not in the database, not in Redis, not in the logs."""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from redis import asyncio as redis_asyncio
from sqlalchemy.engine import make_url

from app.embedded.port import free_port
from app.settings import Settings
from tests.conftest import Servers
from tests.integration.api.accounts import CHANGE_PASSWORD, REFRESH, SIGN_IN, SIGN_UP
from tests.integration.encryption.conftest import Sql
from tests.integration.graphql_client import Gql

VIEWER = "{ viewer { user { name email } } }"


@dataclass(frozen=True, slots=True)
class Canary:
    """Texts that are nowhere else in the world."""

    local: str
    name: str
    password: str
    next_password: str

    @property
    def email(self) -> str:
        return f"Canary.{self.local}@Example.com"

    def found_in(self, content: str) -> list[str]:
        """Each as it is and as PostgreSQL writes bytes, in any case."""
        texts = (self.email, self.local, self.name, self.password, self.next_password)
        forms = {form.lower() for text in texts for form in (text, text.encode().hex(), text.lower().encode().hex())}
        return sorted(form for form in forms if form in content.lower())


@pytest.fixture
def canary() -> Canary:
    return Canary(*(secrets.token_hex(8) for _ in range(4)))


@dataclass(frozen=True, slots=True)
class Api:
    """A process that logs all that it can; `log` is what it wrote so far."""

    url: str
    log: Path


@pytest.fixture
async def debugging_api(own: Settings, tmp_path: Path) -> AsyncIterator[Api]:
    port, log = free_port(), tmp_path / "api.log"
    assert own.bizq_token_key is not None
    assert own.bizq_encryption_key is not None
    environment = {
        "PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1", "BIZQ_PORT": str(port), "BIZQ_DATA_DIR": str(tmp_path),
        "BIZQ_LOG_LEVEL": "debug", "BIZQ_LOG_FORMAT": "json",
        "DATABASE_URL": own.app_database_url, "REDIS_URL": own.redis,
        "BIZQ_TOKEN_KEY": own.bizq_token_key.get_secret_value(),
        "BIZQ_ENCRYPTION_KEY": own.bizq_encryption_key.get_secret_value(),
    }  # fmt: skip
    with log.open("wb") as file:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.cli", "api", env=environment, stdout=file, stderr=file
        )
    url = f"http://127.0.0.1:{port}"
    async with asyncio.timeout(60), httpx.AsyncClient() as http:
        while not await is_ready(http, url):
            await asyncio.sleep(0.05)
            assert process.returncode is None, log.read_text()
    yield Api(url, log)
    process.terminate()
    await process.wait()


async def is_ready(http: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await http.get(f"{url}/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


async def live(http: httpx.AsyncClient, url: str, canary: Canary) -> Any:
    """All that somebody does with an account; what they see of themselves."""
    anonymous = Gql(http, url, None)
    wanted = {"email": canary.email, "password": canary.password, "name": canary.name}
    signed_up = (await anonymous(SIGN_UP, input=wanted))["signUp"]
    assert signed_up["errors"] == []
    assert (await anonymous(SIGN_UP, input=wanted))["signUp"]["errors"][0]["code"] == "CONFLICT"
    login = {"email": canary.email, "password": canary.password}
    for refused in (login | {"password": canary.next_password}, login | {"email": f"x{canary.email}"}):
        assert (await anonymous(SIGN_IN, input=refused))["signIn"]["errors"][0]["code"] == "INVALID_CREDENTIALS"
    for _ in range(2):
        await anonymous(REFRESH, refresh=signed_up["refreshToken"])
    token = (await anonymous(SIGN_IN, input=login))["signIn"]["accessToken"]
    passwords = {"currentPassword": canary.password, "newPassword": canary.next_password}
    assert (await Gql(http, url, token)(CHANGE_PASSWORD, input=passwords))["changePassword"]["errors"] == []
    # The variable is of no type that fits, and what is wrong with it is said.
    await anonymous.raw(SIGN_IN, input=[canary.email, canary.password])
    await anonymous(SIGN_IN, input=login | {"password": canary.next_password + "x"})
    return (await Gql(http, url, token)(VIEWER))["viewer"]["user"]


async def fail(http: httpx.AsyncClient, url: str, canary: Canary, sql: Sql) -> None:
    """Sign up and in where the service has a bug."""
    wanted = {"email": f"x{canary.email}", "password": canary.password, "name": canary.name}
    await sql.execute("ALTER TABLE memberships RENAME TO gone")
    signing_up = await Gql(http, url, None).raw(SIGN_UP, input=wanted)
    await sql.execute("ALTER TABLE gone RENAME TO memberships")
    await sql.execute("ALTER TABLE sign_in_failures RENAME TO gone")
    signing_in = await Gql(http, url, None).raw(SIGN_IN, input={"email": canary.email, "password": canary.password})
    await sql.execute("ALTER TABLE gone RENAME TO sign_in_failures")
    for response in (signing_up, signing_in):
        assert response.json()["errors"][0]["extensions"]["code"] == "INTERNAL"


async def dump(servers: Servers, settings: Settings) -> str:
    """Every row of every table as text, PostgreSQL's own and its statistics included."""
    name = make_url(settings.owner_database_url).database
    url = make_url(servers.postgres.superuser_url).set(database=name).render_as_string(hide_password=False)
    async with asyncpg.create_pool(url, min_size=1, max_size=1) as pool, pool.acquire() as connection:
        await connection.execute("ANALYZE")
        tables = await connection.fetch(
            "SELECT oid::regclass::text AS name FROM pg_class WHERE relkind IN ('r', 'p', 'm')"
        )
        rows: list[str] = []
        for table in tables:
            rows += [row[0] for row in await connection.fetch(f"SELECT t::text FROM {table['name']} t")]
    return "\n".join(rows)


def server_log(servers: Servers) -> str:
    """PostgreSQL's, where statements that failed are."""
    assert servers.postgres.child is not None
    assert servers.postgres.child.command.log is not None
    return servers.postgres.child.command.log.read_text()


async def everything_in_redis(settings: Settings) -> str:
    client = redis_asyncio.Redis.from_url(settings.redis)
    found: list[Any] = []
    async for key in client.scan_iter():
        read = {
            b"string": client.get,
            b"hash": client.hgetall,
            b"set": client.smembers,
            b"stream": client.xrange,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        }[await client.type(key)]
        found.append((key, await read(key)))
    await client.aclose()
    return repr(found)


async def test_who_signs_up_is_to_be_read_nowhere(
    debugging_api: Api, own: Settings, servers: Servers, http: httpx.AsyncClient, canary: Canary, sql: Sql
) -> None:
    shown = await live(http, debugging_api.url, canary)
    await fail(http, debugging_api.url, canary, sql)

    assert shown == {"name": canary.name, "email": canary.email.lower()}
    database, log = await dump(servers, own), debugging_api.log.read_text()
    assert canary.found_in(database) == []
    assert canary.found_in(await everything_in_redis(own)) == []
    assert canary.found_in(log) == []
    assert canary.found_in(server_log(servers)) == []
    assert "My workspace" in database
    for line in ("a refresh token was used twice", "unexpected error", "UndefinedTableError"):
        assert line in log


async def test_the_search_finds_what_is_there(servers: Servers, own: Settings, sql: Sql, canary: Canary) -> None:
    client = redis_asyncio.Redis.from_url(own.redis)
    await client.hset("canary", mapping={"name": canary.name})  # type: ignore[misc]
    await sql.execute(
        "CREATE TABLE canaries AS SELECT $1::text AS email, $2::bytea AS password",
        canary.email.lower(),
        canary.password.encode(),
    )

    in_redis = canary.found_in(await everything_in_redis(own))
    in_database = canary.found_in(await dump(servers, own))
    await client.delete("canary")
    await client.aclose()

    assert in_redis == [canary.name]
    assert in_database == sorted([canary.email.lower(), canary.local, canary.password.encode().hex()])
