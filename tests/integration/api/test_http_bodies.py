"""Bodies that are not a request: refused before a document is looked at, and never a 500."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson
import pytest

from tests.integration.api.answers import code, extensions
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

Post = Callable[..., Awaitable[httpx.Response]]
LIMIT = 262_144


async def test_body_over_the_limit_is_refused_with_both_sizes(post: Post) -> None:
    response = await post(b'{"query": "{ viewer { role } } #%s"}' % (b"x" * 300 * 1024))

    assert code(response) == (413, "BAD_USER_INPUT")
    assert extensions(response)["limit"] == LIMIT
    assert extensions(response)["actual"] == 300 * 1024 + 34


async def test_body_at_the_limit_is_taken(post: Post) -> None:
    head, tail = b'{"query": "{ viewer { role } } #', b'"}'

    response = await post(head + b"x" * (LIMIT - len(head) - len(tail)) + tail)

    assert response.json()["data"] == {"viewer": {"role": "OWNER"}}


async def test_chunked_body_is_refused_before_it_has_all_come(api: str, tenant: Tenant) -> None:
    address = urlsplit(api)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"POST /graphql HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {tenant.api_key}\r\n"
    writer.write(head.encode() + b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(5):
        writer.write(b"10000\r\n" + b"x" * 65_536 + b"\r\n")
    await writer.drain()

    async with asyncio.timeout(10):
        status = await reader.readline()
    writer.close()

    assert status.startswith(b"HTTP/1.1 413 ")


async def test_length_that_lies_does_not_help(http: httpx.AsyncClient, api: str) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b"x" * 65_536

    response = await http.post(f"{api}/graphql", content=chunks(), headers={"Content-Type": "application/json"})

    assert code(response) == (413, "BAD_USER_INPUT")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"query": "{ viewer { role } }"} trailing',
        b'{"query": "{ viewer { role } } \xff"}',
        b'\xff\xfe{\x00"\x00',
        b"[]",
        b'[{"query": "{ viewer { role } }"}]',
        b'"query"',
        b"7",
        b"null",
        b"true",
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a":' * 30_000 + b"1" + b"}" * 30_000,
        b'{"query": "{ viewer { role } }", "variables": {"a": ' + b"9" * 5_000 + b"}}",
    ],
    ids=lambda body: repr(body[:24]),
)
async def test_what_is_not_a_json_object_is_refused(post: Post, body: bytes) -> None:
    response = await post(body)

    assert code(response) == (400, "BAD_USER_INPUT")
    assert extensions(response)["path"] == ["body"]


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("query", None),
        ("query", 7),
        ("query", ""),
        ("variables", []),
        ("variables", "{}"),
        ("operationName", 7),
        ("extensions", []),
    ],
)
async def test_member_of_the_wrong_type_is_named(post: Post, member: str, value: object) -> None:
    response = await post(orjson.dumps({"query": "{ viewer { role } }"} | {member: value}))

    assert code(response) == (400, "BAD_USER_INPUT")
    assert extensions(response)["path"] == [member]


@pytest.mark.parametrize(
    "document",
    [
        "{ viewer " * 20_000,
        "{ a(b: " + "[" * 60_000,
        "query($a: " + "[" * 60_000 + "Int",
        "{ viewer { role }",
        "#",
        "\0",
    ],
    ids=lambda document: repr(document[:12]),
)
async def test_document_that_does_not_parse_is_refused(gql: Gql, document: str) -> None:
    plain = await gql.raw(document)
    strict = await gql.raw(document, headers={"Accept": "application/graphql-response+json"})

    assert code(plain) == (200, "GRAPHQL_PARSE_FAILED")
    assert code(strict) == (400, "GRAPHQL_PARSE_FAILED")


@pytest.mark.parametrize(
    "document",
    ["{ nothing }", "{ viewer }", "{ task { id } }", "{ tasks(first: $n) { totalCount } }", "{ viewer { ...a } }"],
)
async def test_document_that_does_not_fit_the_schema_is_refused(gql: Gql, document: str) -> None:
    assert code(await gql.raw(document)) == (200, "GRAPHQL_VALIDATION_FAILED")


async def test_variable_of_the_wrong_type_is_the_callers_fault(gql: Gql) -> None:
    document = (
        "query($id: ID!, $at: DateTime) { task(id: $id) { id } tasks(filter: {createdAfter: $at}) { totalCount } }"
    )

    wrong: tuple[dict[str, Any], ...] = (
        {"id": None},
        {"id": []},
        {},
        {"id": "x", "at": "tomorrow"},
        {"id": "x", "at": "9999-12-31T24:00Z"},
    )

    for variables in wrong:
        assert code(await gql.raw(document, **variables)) == (200, "BAD_USER_INPUT")
