"""graphql-transport-ws by the book: what is said, what is answered, and with which code it ends, one row for each rule.

Rules: github.com/enisdenjo/graphql-ws, PROTOCOL.md.
"""

from dataclasses import dataclass
from typing import Any

import pytest
import websockets

from app.db.hot import Hot
from tests.integration.api.test_websocket_protocol import closed, connection_to, hear, say
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

INIT: dict[str, Any] = {"type": "connection_init"}
ROLE = {"query": "{ __typename }"}
EVENTS = {"query": "subscription { taskEvents { kind } }"}
ACK, PONG, NEXT, ERROR, COMPLETE = "connection_ack", "pong", "next", "error", "complete"


def subscribe(identifier: object = "1", payload: object = ROLE) -> dict[str, Any]:
    return {"type": "subscribe", "id": identifier, "payload": payload}


@dataclass(frozen=True, slots=True)
class Rule:
    """`says` are the client's messages, in one go; `hears` the types that come back; then `code`, None for open."""

    name: str
    says: list[Any]
    hears: list[str]
    code: int | None = None


RULES = [
    Rule("init may have a payload", [INIT | {"payload": {}}], [ACK]),
    Rule("init may have a null payload", [INIT | {"payload": None}], [ACK]),
    Rule("init's payload is an object", [INIT | {"payload": "Bearer x"}], [], 4400),
    Rule("a second init is too many", [INIT, INIT], [ACK], 4429),
    Rule("a second init is too many with a payload as well", [INIT, INIT | {"payload": None}], [ACK], 4429),
    Rule("ping is answered before init", [{"type": "ping"}, INIT], [PONG, ACK]),
    Rule("ping may have a null payload", [{"type": "ping", "payload": None}], [PONG]),
    Rule("ping's payload is an object", [{"type": "ping", "payload": 7}], [], 4400),
    Rule("pong without a ping is nothing", [{"type": "pong"}, {"type": "pong", "payload": {"a": 1}}, INIT], [ACK]),
    Rule("pong's payload is an object", [{"type": "pong", "payload": []}], [], 4400),
    Rule("subscribe comes after the acknowledgement", [subscribe()], [], 4401),
    Rule("subscribe may follow init at once", [INIT, subscribe()], [ACK, NEXT, COMPLETE]),
    Rule("an operation without a result is an error", [INIT, subscribe(payload={"query": "{"})], [ACK, ERROR]),
    Rule(
        "what may be left out may be null",
        [INIT, subscribe(payload=ROLE | {"variables": None, "operationName": None, "extensions": None})],
        [ACK, NEXT, COMPLETE],
    ),
    Rule("an id is a string", [INIT, subscribe(1)], [ACK], 4400),
    Rule("an id is not null", [INIT, subscribe(None)], [ACK], 4400),
    Rule("an id is not empty", [INIT, subscribe("")], [ACK], 4400),
    Rule("subscribe has a payload", [INIT, subscribe(payload=None)], [ACK], 4400),
    Rule("extensions are an object", [INIT, subscribe(payload=ROLE | {"extensions": []})], [ACK], 4400),
    Rule("operationName is a string", [INIT, subscribe(payload=ROLE | {"operationName": 7})], [ACK], 4400),
    Rule("an id in use is taken", [INIT, subscribe(payload=EVENTS), subscribe(payload=EVENTS)], [ACK], 4409),
    Rule(
        "a long id in use is taken too",
        [INIT, subscribe("ä" * 1_000, EVENTS), subscribe("ä" * 1_000, EVENTS)],
        [ACK],
        4409,
    ),
    Rule("complete before init is of nothing", [{"type": "complete", "id": "1"}, INIT], [ACK]),
    Rule(
        "complete of an unknown id is nothing", [INIT, {"type": "complete", "id": "unknown"}, subscribe()], [ACK, NEXT]
    ),
    Rule("complete has an id", [INIT, {"type": "complete"}], [ACK], 4400),
    Rule("complete's id is a string", [INIT, {"type": "complete", "id": 1}], [ACK], 4400),
    Rule("next comes from the server", [INIT, {"type": "next", "id": "1", "payload": {}}], [ACK], 4400),
    Rule("error comes from the server", [INIT, {"type": "error", "id": "1", "payload": []}], [ACK], 4400),
    Rule("the acknowledgement comes from the server", [{"type": "connection_ack"}], [], 4400),
    Rule("start is of another protocol", [INIT, {"type": "start", "id": "1", "payload": ROLE}], [ACK], 4400),
    Rule("a type that nobody knows may be long", [{"type": "x" * 10_000}], [], 4400),
    Rule("types are spelt one way", [{"type": "PING"}], [], 4400),
    Rule("frames are text", [b'{"type": "ping"}'], [], 4400),
    Rule("a message is an object", ['["ping"]'], [], 4400),
    Rule("a message is JSON", ["ping"], [], 4400),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
async def test_rule(api: str, tenant: Tenant, rule: Rule) -> None:
    address = api.replace("http", "ws", 1) + "/graphql"
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    headers = {"Authorization": f"Bearer {tenant.api_key}"}
    async with websockets.connect(address, subprotocols=protocols, additional_headers=headers) as connection:
        for message in rule.says:
            await say(connection, message)
        heard = [(await hear(connection))["type"] for _ in rule.hears]

        assert heard == rule.hears
        if rule.code is None:
            await say(connection, {"type": "ping", "payload": {"still": "here"}})
            while (last := await hear(connection))["type"] != PONG:
                pass
            assert last == {"type": "pong", "payload": {"still": "here"}}
        else:
            assert await closed(connection) == rule.code
            assert 0 < len((connection.close_reason or "").encode()) <= 123


async def test_an_id_can_be_used_again_when_its_operation_has_ended(api: str, tenant: Tenant) -> None:
    async with connection_to(api) as connection:
        await say(connection, INIT | {"payload": {"authorization": f"Bearer {tenant.api_key}"}})
        await say(connection, subscribe("1", EVENTS))
        assert [(await hear(connection))["type"] for _ in range(2)] == [ACK, NEXT]

        await say(connection, {"type": "complete", "id": "1"})
        await say(connection, subscribe("1"))

        assert [(await hear(connection))["type"] for _ in range(2)] == [NEXT, COMPLETE]


async def test_nothing_is_done_for_whoever_was_not_acknowledged(api: str, gql: Gql, tenant: Tenant) -> None:
    create = 'mutation { createTask(input: {type: "note.write", input: {}}) { task { id } } }'
    async with connection_to(api) as connection:
        await say(connection, subscribe("1", {"query": create}))

        assert await closed(connection) == 4401

    assert await gql("{ tasks { totalCount } }") == {"tasks": {"totalCount": 0}}


async def test_without_a_sub_protocol_nothing_is_spoken(api: str) -> None:
    async with websockets.connect(api.replace("http", "ws", 1) + "/graphql") as connection:
        assert connection.subprotocol is None
        assert await closed(connection) == 4406


async def test_the_protocol_is_chosen_from_those_offered(api: str) -> None:
    offered = [websockets.Subprotocol(name) for name in ("graphql-ws", "graphql-transport-ws")]
    async with websockets.connect(api.replace("http", "ws", 1) + "/graphql", subprotocols=offered) as connection:
        assert connection.subprotocol == "graphql-transport-ws"


async def test_while_the_database_is_away_a_socket_is_to_come_back(
    api: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(Hot, "call", away)

    async with connection_to(api) as connection:
        await say(connection, INIT | {"payload": {"authorization": f"Bearer {tenant.api_key}"}})

        assert await closed(connection) == 1013
