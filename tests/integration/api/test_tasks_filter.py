"""Every condition of TaskFilter, alone and together."""

import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta, timezone
from typing import Any, TypeAlias

import asyncpg
import pytest

from app import ids
from app.settings import Settings
from tests.integration.api.answers import extensions
from tests.integration.api.conftest import MakeTasks
from tests.integration.api.documents import (
    CANCEL_TASK,
    COUNT,
    CREATE_TEMPLATE,
    CREATE_WORKER,
    TASKS,
    UNKNOWN_TEMPLATE,
    UNKNOWN_WORKER,
    draft,
)
from tests.integration.graphql_client import Gql, Socket

FAR = "2999-01-01T00:00:00Z"
Owner: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
ONE = draft(type="mail.sort", tags=["red", "blue"], input={"customer": 7, "order": {"id": 1, "lines": [1, 2]}})
TWO = draft(type="mail.send", tags=["blue"], input={"customer": 8})
THREE = draft(type="note_50", tags=["50%"], input=["a", 5])
NAMES = ["one", "two", "three"]


@pytest.fixture
async def as_owner(settings: Settings) -> AsyncIterator[Owner]:
    """To give tasks an error without waiting for it."""
    connection = await asyncpg.connect(settings.owner_database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def names(make_tasks: MakeTasks) -> dict[str, str]:
    """Task id to name."""
    return dict(zip(await make_tasks(ONE, TWO, THREE), NAMES, strict=True))


async def fail(as_owner: Owner, task: str, code: str) -> None:
    """As far as its error goes: the task may still be canceled."""
    error = {"code": code, "message": "It failed.", "retryable": False}
    await as_owner.execute("UPDATE tasks SET error = $2 WHERE id = $1", ids.decode(ids.TASK, task), json.dumps(error))


async def found(gql: Gql, names: dict[str, str], **wanted: Any) -> list[str]:
    nodes = (await gql(TASKS, filter=wanted))["tasks"]["nodes"]
    count = (await gql(COUNT, filter=wanted))["tasks"]["totalCount"]
    assert count == len(nodes)
    return sorted((names[node["id"]] for node in nodes), key=NAMES.index)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, NAMES),
        (dict.fromkeys(("statuses", "types", "tags", "errorCodes", "search", "inputContains", "workerId")), NAMES),
        ({"statuses": ["SCHEDULED"]}, NAMES),
        ({"statuses": ["QUEUED", "RUNNING"]}, []),
        ({"statuses": []}, []),
        ({"types": ["mail.sort", "note_50"]}, ["one", "three"]),
        ({"types": ["mail"]}, []),
        ({"tags": ["blue"]}, ["one", "two"]),
        ({"tags": ["blue", "red"]}, ["one"]),
        ({"tags": []}, NAMES),
        ({"errorCodes": []}, []),
        ({"errorCodes": ["worker_lost"]}, []),
        ({"search": "MAIL."}, ["one", "two"]),
        ({"search": "red"}, ["one"]),
        ({"search": "re"}, []),
        ({"search": "50%"}, ["three"]),
        ({"search": "%"}, []),
        ({"search": "_"}, ["three"]),
        ({"search": "\\"}, []),
        ({"search": ""}, NAMES),
        ({"inputContains": {"customer": 7}}, ["one"]),
        ({"inputContains": {"order": {"lines": [2]}}}, ["one"]),
        ({"inputContains": {}}, ["one", "two"]),
        ({"inputContains": [5]}, ["three"]),
        ({"inputContains": 5}, ["three"]),
        ({"types": ["mail.sort", "mail.send"], "tags": ["blue"], "inputContains": {"customer": 8}}, ["two"]),
    ],
    ids=str,
)
async def test_condition(gql: Gql, names: dict[str, str], wanted: dict[str, Any], expected: list[str]) -> None:
    assert await found(gql, names, **wanted) == expected


async def test_status_follows_the_task(gql: Gql, names: dict[str, str]) -> None:
    canceled = (await gql(CANCEL_TASK, id=next(iter(names))))["cancelTask"]

    assert canceled["task"]["status"] == "CANCELED"
    assert await found(gql, names, statuses=["CANCELED"]) == ["one"]
    assert await found(gql, names, statuses=["SCHEDULED", "CANCELED"]) == NAMES


async def test_times_are_exclusive_whatever_their_zone(gql: Gql, names: dict[str, str]) -> None:
    (first, *_) = names
    task = (await gql("query($id: ID!) { task(id: $id) { createdAt } }", id=first))["task"]
    at = datetime.fromisoformat(task["createdAt"]).astimezone(timezone(timedelta(hours=-7)))

    assert await found(gql, names, createdAfter=at.isoformat()) == []
    assert await found(gql, names, createdBefore=at.isoformat()) == []
    assert await found(gql, names, createdAfter=(at - timedelta(microseconds=1)).isoformat()) == NAMES
    assert await found(gql, names, createdBefore=(at + timedelta(microseconds=1)).isoformat()) == NAMES


async def test_when_it_ended_is_exclusive_and_holds_for_no_task_that_goes_on(gql: Gql, names: dict[str, str]) -> None:
    (first, *_) = names
    await gql(CANCEL_TASK, id=first)
    task = (await gql("query($id: ID!) { task(id: $id) { finishedAt } }", id=first))["task"]
    at = datetime.fromisoformat(task["finishedAt"])
    moment = timedelta(microseconds=1)

    assert await found(gql, names, finishedAfter=at.isoformat()) == []
    assert await found(gql, names, finishedBefore=at.isoformat()) == []
    assert await found(gql, names, finishedAfter=(at - moment).isoformat()) == ["one"]
    assert await found(gql, names, finishedBefore=(at + moment).isoformat(), statuses=["CANCELED"]) == ["one"]


async def test_error_code_is_that_of_the_task(gql: Gql, names: dict[str, str], as_owner: Owner) -> None:
    for task, code in zip(names, ("worker_lost", "rate_limited"), strict=False):
        await fail(as_owner, task, code)

    assert await found(gql, names, errorCodes=["worker_lost"]) == ["one"]
    assert await found(gql, names, errorCodes=["worker_lost", "rate_limited", "other"]) == ["one", "two"]
    assert await found(gql, names, errorCodes=["WORKER_LOST"]) == []
    assert await found(gql, names, errorCodes=["rate_limited"], types=["mail.sort"]) == []


async def test_live_events_are_filtered_by_error_code(
    gql: Gql, socket: Socket, names: dict[str, str], as_owner: Owner
) -> None:
    lost, other, _ = names
    await fail(as_owner, lost, "worker_lost")
    watch = "subscription($filter: TaskFilter) { taskEvents(filter: $filter) { kind task { id } } }"
    stream = await socket.subscribe(watch, filter={"errorCodes": ["worker_lost"], "finishedBefore": FAR})
    assert (await stream.next())["kind"] == "SNAPSHOT"

    for task in (other, lost):
        await gql(CANCEL_TASK, id=task)

    assert (await stream.next()) == {"kind": "CANCELED", "task": {"id": lost}}


async def test_worker_and_template(gql: Gql, make_tasks: MakeTasks) -> None:
    worker = (await gql(CREATE_WORKER, input={"name": "Ann", "kind": "HUMAN"}))["createWorker"]["worker"]
    template = {"slug": "own.kind", "name": "Own", "prompt": "Do it."}
    template = (await gql(CREATE_TEMPLATE, input=template))["createTemplate"]["template"]
    made = await make_tasks(draft(workerId=worker["id"]), draft(templateId=template["id"]), draft(type="own.kind"))
    names = dict(zip(made, NAMES, strict=True))

    assert await found(gql, names, workerId=worker["id"]) == ["one"]
    assert await found(gql, names, templateId=template["id"]) == ["two", "three"]
    assert await found(gql, names, templateId=UNKNOWN_TEMPLATE) == []
    assert await found(gql, names, workerId=UNKNOWN_WORKER) == []


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"types": ["a"] * 51}, {"path": ["filter", "types"], "limit": 50, "actual": 51}),
        ({"tags": ["a"] * 51}, {"path": ["filter", "tags"], "limit": 50, "actual": 51}),
        ({"errorCodes": ["a"] * 51}, {"path": ["filter", "errorCodes"], "limit": 50, "actual": 51}),
        ({"errorCodes": ["a\0"]}, {"path": ["filter", "errorCodes"]}),
        ({"finishedAfter": "2026-01-01T00:00:00"}, {"path": ["filter", "finishedAfter"]}),
        ({"finishedBefore": "2026-01-01"}, {"path": ["filter", "finishedBefore"]}),
        ({"statuses": ["QUEUED"] * 51}, {"path": ["filter", "statuses"], "limit": 50, "actual": 51}),
        ({"search": "a" * 201}, {"path": ["filter", "search"], "limit": 200, "actual": 201}),
        (
            {"inputContains": {"a": "x" * 16_384}},
            {"path": ["filter", "inputContains"], "limit": 16_384, "actual": 16_392},
        ),
        ({"createdAfter": "2026-01-01T00:00:00"}, {"path": ["filter", "createdAfter"]}),
        ({"createdBefore": "2026-01-01"}, {"path": ["filter", "createdBefore"]}),
        ({"createdAfter": "0001-01-01T00:00:00+14:00"}, {"path": ["filter", "createdAfter"]}),
        ({"createdBefore": "9999-12-31T23:59:59-14:00"}, {"path": ["filter", "createdBefore"]}),
    ],
    ids=lambda value: next(iter(value)),
)
async def test_wrong_condition_is_named(gql: Gql, wanted: dict[str, Any], expected: dict[str, Any]) -> None:
    assert extensions(await gql.raw(TASKS, filter=wanted)) == {"code": "BAD_USER_INPUT", **expected}


@pytest.mark.parametrize("condition", ["workerId", "templateId"])
async def test_what_is_no_id_is_not_found(gql: Gql, condition: str) -> None:
    answer = extensions(await gql.raw(TASKS, filter={condition: "no id"}))

    assert answer == {"code": "NOT_FOUND", "path": ["filter", condition]}
