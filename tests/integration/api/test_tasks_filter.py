"""Every condition of TaskFilter, alone and together."""

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

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
from tests.integration.graphql_client import Gql

ONE = draft(type="mail.sort", tags=["red", "blue"], input={"customer": 7, "order": {"id": 1, "lines": [1, 2]}})
TWO = draft(type="mail.send", tags=["blue"], input={"customer": 8})
THREE = draft(type="note_50", tags=["50%"], input=["a", 5])
NAMES = ["one", "two", "three"]


@pytest.fixture
async def names(make_tasks: MakeTasks) -> dict[str, str]:
    """Task id to name."""
    return dict(zip(await make_tasks(ONE, TWO, THREE), NAMES, strict=True))


async def found(gql: Gql, names: dict[str, str], **wanted: Any) -> list[str]:
    nodes = (await gql(TASKS, filter=wanted))["tasks"]["nodes"]
    count = (await gql(COUNT, filter=wanted))["tasks"]["totalCount"]
    assert count == len(nodes)
    return sorted((names[node["id"]] for node in nodes), key=NAMES.index)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, NAMES),
        (dict.fromkeys(("statuses", "types", "tags", "search", "inputContains", "workerId")), NAMES),
        ({"statuses": ["SCHEDULED"]}, NAMES),
        ({"statuses": ["QUEUED", "RUNNING"]}, []),
        ({"statuses": []}, []),
        ({"types": ["mail.sort", "note_50"]}, ["one", "three"]),
        ({"types": ["mail"]}, []),
        ({"tags": ["blue"]}, ["one", "two"]),
        ({"tags": ["blue", "red"]}, ["one"]),
        ({"tags": []}, NAMES),
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
