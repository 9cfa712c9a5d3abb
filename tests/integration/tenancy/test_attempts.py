"""2,000 random operations with a stranger's ids and cursors: nothing of theirs is seen, nothing of theirs changes."""

import asyncio
import random
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from statistics import median
from typing import Any
from uuid import UUID

import httpx
import pytest
from sqlmodel import SQLModel

import app.models  # noqa: F401  registers the tables
from app import ids
from app.graphql.schema import schema
from app.principal import Role
from app.services.account.tokens import TokenSigner
from app.settings import Settings
from tests.integration.api.documents import CREATE_TASK, CREATE_TEMPLATE, CREATE_WORKER, draft
from tests.integration.conftest import MakeTenant, Tenant
from tests.integration.graphql_client import Gql, connect
from tests.integration.tenancy.attempts import Attempt, Attempts
from tests.integration.tenancy.conftest import Connection

ATTEMPTS = 2_000
OF_SUBSCRIPTIONS = 60
AT_ONCE = 8
SEED = 20_261_123
FIRST_EVENT_SECONDS = 0.3
ABSENT = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
# An address of its own: what is counted by address is not to lock out other tests.
FROM = {"X-Forwarded-For": "198.51.100.7"}
IDS = """{ viewer { workspace { id } apiKey { id } }
  tasks { nodes { id template { id template { id } } } pageInfo { endCursor } }
  workers { nodes { id } pageInfo { endCursor } } }"""
Call = Callable[[Attempt, Any], Any]


@dataclass(frozen=True, slots=True)
class Victim:
    """Somebody in whose rows `canary` stands wherever text can."""

    tenant: Tenant
    canary: str
    ids: list[str]
    cursors: list[str]


@pytest.fixture
async def victim(make_tenant: MakeTenant, gql_as: Callable[[Tenant], Gql], as_superuser: Connection) -> Victim:
    tenant, canary = await make_tenant(), secrets.token_hex(12)
    gql = gql_as(tenant)
    await gql(CREATE_WORKER, input={"name": canary, "kind": "HUMAN"})
    await gql(CREATE_TEMPLATE, input={"slug": "own.kind", "name": canary, "prompt": canary})
    task = draft(type="own.kind", input={"text": canary}, tags=[canary], metadata={"note": canary})
    await gql(CREATE_TASK, input=task)
    for table, column, key in (("workspaces", "name", "id"), ("api_keys", "name", "workspace_id")):
        change = f"UPDATE {table} SET {column} = $1 WHERE {key} = $2"
        await as_superuser.execute(change, canary, tenant.account.workspace_id)
    seen = await gql(IDS)
    task = seen["tasks"]["nodes"][0]
    known = [seen["viewer"]["workspace"]["id"], seen["viewer"]["apiKey"]["id"], task["id"], task["template"]["id"]]
    known += [task["template"]["template"]["id"], ids.encode(ids.USER, tenant.account.user_id)]
    known += [worker["id"] for worker in seen["workers"]["nodes"]]
    cursors = [seen["tasks"]["pageInfo"]["endCursor"], seen["workers"]["pageInfo"]["endCursor"]]
    return Victim(tenant, canary, known, cursors)


async def everything_of(victim: Victim, connection: Connection) -> dict[str, list[str]]:
    """Each row of theirs, as text."""
    account = victim.tenant.account
    mine = [account.workspace_id, account.user_id]
    rows = {}
    for name, table in SQLModel.metadata.tables.items():
        if column := next((each for each in ("workspace_id", "user_id", "id") if each in table.columns), None):
            # When a key was used last is written a second later.
            statement = f"SELECT (to_jsonb(t) - 'last_used_at')::text AS row FROM {name} t WHERE {column} = ANY ($1)"
            rows[name] = sorted(record["row"] for record in await connection.fetch(statement, mine))
    return rows


def absent(known: str) -> str:
    """An id of the same kind that nothing has."""
    return ids.encode(known.partition("_")[0], ABSENT)


def operations() -> Iterator[tuple[str, str]]:
    """Every field of Query and Mutation, again and again, in an order of the seed's."""
    chance = random.Random(SEED)
    parsed = schema._schema
    assert parsed.query_type is not None
    assert parsed.mutation_type is not None
    fields = [("query", name) for name in parsed.query_type.fields]
    fields += [("mutation", name) for name in parsed.mutation_type.fields]
    while True:
        yield from chance.sample(fields, len(fields))


def errors_of(answer: dict[str, Any]) -> list[str]:
    """Every refusal in it, without the request's id and the ids that were asked for."""
    found = [{**error, "extensions": {**error["extensions"], "requestId": ""}} for error in answer.get("errors", [])]
    payloads = [value for value in (answer.get("data") or {}).values() if isinstance(value, dict)]
    for payload in payloads:
        found += payload.get("errors") or []
        found += [error for result in payload.get("results") or [] for error in (result or {}).get("errors") or []]
    return [re.sub(r"\b[a-z]+_[0-9a-z]{26}\b", "an id", str(error)) for error in found]


async def test_nothing_of_a_strangers_is_seen_or_changed(
    victim: Victim,
    make_tenant: MakeTenant,
    http: httpx.AsyncClient,
    api: str,
    settings: Settings,
    as_superuser: Connection,
) -> None:
    before = await everything_of(victim, as_superuser)
    owner, viewer = await make_tenant(), await make_tenant(Role.VIEWER)
    token = TokenSigner(settings.token_key, 900).issue(owner.account.user_id).text
    foreign = {"X-Workspace-Id": victim.tenant.workspace_id}
    callers = [
        (owner.api_key, FROM),
        # Named, as createWorkspace is among the operations: after it there is not just one.
        (token, FROM | {"X-Workspace-Id": owner.workspace_id}),
        (viewer.api_key, FROM),
        (None, FROM),
        (token, FROM | foreign),
        (owner.api_key, FROM | foreign),
    ]
    attempts = Attempts(schema._schema, victim.ids, victim.cursors, random.Random(SEED))
    made = [
        (attempts.next(*each), callers[number % len(callers)])
        for number, each in enumerate(islice(operations(), ATTEMPTS))
    ]
    places = asyncio.Semaphore(AT_ONCE)

    async def ask(attempt: Attempt, caller: tuple[str | None, dict[str, str]], variables: Any) -> dict[str, Any]:
        async with places:
            response = await Gql(http, api, caller[0]).raw(attempt.document, caller[1], **variables)
        assert response.status_code < 500, (attempt, response.text)
        assert victim.canary not in response.text, attempt
        answer: dict[str, Any] = response.json()
        assert "INTERNAL" not in str(errors_of(answer)), (attempt, answer)
        data = str(answer.get("data"))
        assert [known for known in victim.ids if f"'id': '{known}'" in data] == [], (attempt, answer)
        return answer

    async def attempt_twice(attempt: Attempt, caller: tuple[str | None, dict[str, str]]) -> None:
        """With their ids and with ids of nothing: what is refused is refused in the same words."""
        theirs = await ask(attempt, caller, attempt.variables)
        if attempt.ids:
            nobodys = await ask(attempt, caller, attempt.with_ids({known: absent(known) for known in attempt.ids}))
            assert errors_of(theirs) == errors_of(nobodys), attempt

    await asyncio.gather(*(attempt_twice(attempt, caller) for attempt, caller in made))

    assert {attempt.field for attempt, _ in made} == {name for _, name in islice(operations(), ATTEMPTS)}
    assert await everything_of(victim, as_superuser) == before


async def test_no_subscription_tells_of_a_strangers_tasks(
    victim: Victim, tenant: Tenant, api: str, gql_as: Callable[[Tenant], Gql]
) -> None:
    attempts = Attempts(schema._schema, victim.ids, victim.cursors, random.Random(SEED))
    parsed = schema._schema
    assert parsed.subscription_type is not None
    fields = list(parsed.subscription_type.fields)

    async def watch(attempt: Attempt) -> list[dict[str, Any]]:
        """All that comes until shortly after the stranger's next event."""
        async with connect(api, {"authorization": f"Bearer {tenant.api_key}"}) as socket:
            stream = await socket.subscribe(attempt.document, **attempt.variables)
            seen: list[dict[str, Any]] = []
            try:
                while not seen or seen[-1]["type"] != "complete":
                    seen.append(await stream.message(FIRST_EVENT_SECONDS))
            except TimeoutError:
                pass
        return seen

    for begin in range(0, OF_SUBSCRIPTIONS, 10):
        made = [attempts.next("subscription", fields[number % len(fields)]) for number in range(begin, begin + 10)]
        watching = [asyncio.create_task(watch(attempt)) for attempt in made]
        await gql_as(victim.tenant)(CREATE_TASK, input=draft(input={"text": victim.canary}))
        for attempt, seen in zip(made, await asyncio.gather(*watching), strict=True):
            assert victim.canary not in str(seen), attempt
            data = str([message["payload"].get("data") for message in seen if message["type"] == "next"])
            assert [known for known in victim.ids if known in data] == [], (attempt, seen)


@pytest.mark.parametrize("kind", ["task", "node", "cancel"])
async def test_foreign_id_takes_as_long_as_an_absent_one(victim: Victim, gql: Gql, kind: str) -> None:
    document = {
        "task": "query($id: ID!) { task(id: $id) { id } }",
        "node": "query($id: ID!) { node(id: $id) { id } }",
        "cancel": "mutation($id: ID!) { cancelTask(id: $id) { errors { code } } }",
    }[kind]
    theirs, nobodys = victim.ids[2], absent(victim.ids[2])
    seconds: dict[str, list[float]] = {theirs: [], nobodys: []}
    for _ in range(60):
        for asked in (theirs, nobodys):
            began = time.perf_counter()
            await gql.raw(document, id=asked)
            seconds[asked].append(time.perf_counter() - began)

    assert 0.7 < median(seconds[theirs]) / median(seconds[nobodys]) < 1.4
