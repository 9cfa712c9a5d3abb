"""Every operation of the schema, tried by every kind of caller, over every transport."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from uuid import UUID

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlmodel import SQLModel

import app.models  # noqa: F401  registers the tables
from app.principal import Permission, Role
from tests import role_matrix
from tests.integration.api.people import Colleague, People
from tests.integration.graphql_client import Gql, connect
from tests.role_matrix import CALLERS, FORBIDDEN, ROLES, UNAUTHENTICATED, Caller, Case

CASES = list(role_matrix.cases())
TABLES = sorted(name for name, table in SQLModel.metadata.tables.items() if "workspace_id" in table.columns)
# Codes of the errors in an answer, wherever they stand.
Send: TypeAlias = Callable[[Case, str | None], Awaitable[set[str]]]


class Troupe:
    """A workspace with somebody of every kind."""

    def __init__(self, workspace_id: UUID, tokens: dict[Caller, str | None]) -> None:
        self.workspace_id = workspace_id
        self.tokens = tokens


@pytest.fixture
async def troupe(people: People) -> Troupe:
    workspace_id, owner = await people.founder()
    members: dict[Role, Colleague] = {Role.OWNER: owner}
    for role in ROLES[:-1]:
        members[role] = await people.member(workspace_id, role)
    tokens: dict[Caller, str | None] = {Caller(role=role): member.token for role, member in members.items()}
    keys = await people.keys(workspace_id, owner, [[scope] for scope in Permission])
    tokens |= {Caller(scope=scope): key for scope, key in zip(Permission, keys, strict=True)}
    return Troupe(workspace_id, tokens | {Caller(): None})


@pytest.fixture
def over_http(http: httpx.AsyncClient, api: str) -> Send:
    async def send(case: Case, token: str | None) -> set[str]:
        if not case.is_subscription:
            return codes((await Gql(http, api, token).raw(case.document, **case.variables)).json())
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        body = {"query": case.document, "variables": case.variables}
        async with http.stream("POST", f"{api}/graphql/stream", json=body, headers=headers) as response:
            async for line in response.aiter_lines():
                if line.startswith("data: "):
                    return codes(json.loads(line.removeprefix("data: ")))
        raise AssertionError("the stream ended without a result")

    return send


@pytest.fixture
def over_websocket(api: str) -> Send:
    async def send(case: Case, token: str | None) -> set[str]:
        async with connect(api, {"authorization": f"Bearer {token}"} if token else {}) as socket:
            message = await (await socket.subscribe(case.document, **case.variables)).message()
        payload = message["payload"]
        return codes({"errors": payload} if message["type"] == "error" else payload)

    return send


def codes(answer: dict[str, Any]) -> set[str]:
    found = {error["extensions"]["code"] for error in answer.get("errors") or []}
    for value in (answer.get("data") or {}).values():
        if isinstance(value, dict):
            found |= {error["code"] for error in value.get("errors", [])}
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
@pytest.mark.parametrize("transport", ["http", "websocket"])
async def test_operation_is_open_to_whom_the_table_says(
    case: Case, transport: str, troupe: Troupe, owner_engine: AsyncEngine, over_http: Send, over_websocket: Send
) -> None:
    send = over_http if transport == "http" else over_websocket
    callers = CALLERS if transport == "http" else some_of(case)
    refusals = {caller: caller.refusal(case.need) for caller in callers}
    before = await state_of(owner_engine, troupe.workspace_id)

    refused = {caller: await send(case, troupe.tokens[caller]) for caller in callers if refusals[caller]}

    assert refused == {caller: {code} for caller, code in refusals.items() if code}
    assert await state_of(owner_engine, troupe.workspace_id) == before
    for caller in callers:
        if refusals[caller] is None:
            assert not await send(case, troupe.tokens[caller]) & {FORBIDDEN, UNAUTHENTICATED}, caller


def some_of(case: Case) -> list[Caller]:
    """Nobody, everybody of the people, the key that has what is needed, and one that has not."""
    needed = role_matrix.permission_of(case.need)
    other = Permission.TASK_READ if needed is not Permission.TASK_READ else Permission.TASK_CREATE
    return [caller for caller in CALLERS if caller.scope in (None, needed, other)]


async def state_of(engine: AsyncEngine, workspace_id: UUID) -> dict[str, str | None]:
    """All that is in the rows of a workspace, but for when its keys were used."""
    found: dict[str, str | None] = {}
    async with engine.connect() as connection:
        for table, column in (*((table, "workspace_id") for table in TABLES), ("workspaces", "id")):
            rows = f"SELECT (to_jsonb(t) - 'last_used_at')::text AS row FROM {table} t WHERE {column} = :id"
            whole = text(f"SELECT md5(string_agg(row, '|' ORDER BY row)) FROM ({rows}) rows")
            found[table] = (await connection.execute(whole, {"id": workspace_id})).scalar_one()
    return found


async def test_a_change_of_the_workspace_would_be_seen(
    people: People, owner_engine: AsyncEngine, over_http: Send
) -> None:
    workspace_id, owner = await people.founder()
    (rename,) = (case for case in CASES if case.name == "Mutation.updateWorkspace")
    before = await state_of(owner_engine, workspace_id)

    assert await over_http(rename, owner.token) == set()

    assert await state_of(owner_engine, workspace_id) != before
