"""`bizq task retry --failed-since`, through a running API."""

import shlex
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime

import httpx
import pytest

from app import clock
from app.cli.client import Address, Client
from app.cli.replay import Replay, find, retry_all
from app.principal import Role
from tests.integration.cli.conftest import Bizq, Fail
from tests.integration.engine.desk import Desk

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
async def client(access: dict[str, str]) -> AsyncIterator[Client]:
    address = Address(access["BIZQ_URL"], access["BIZQ_API_KEY"])
    async with httpx.AsyncClient(headers=address.headers, trust_env=False) as http:
        yield Client(address, http)


async def statuses(bizq: Bizq) -> dict[str, str]:
    return {task["id"]: task["status"] for task in (await bizq("task", "list", "--json")).json["tasks"]}


async def test_without_yes_nothing_changes_and_the_command_is_shown(bizq: Bizq, fail: Fail) -> None:
    old, lost, other = await fail(minutes=90), await fail(minutes=50), await fail(code="rate_limited")

    result = await bizq("task", "retry", "--failed-since", "1h")

    assert result.code == 0
    heading, first, second, *_, command = result.out.splitlines()
    assert heading.split() == ["ID", "TYPE", "ERROR", "FINISHED"]
    assert first.split()[:3] == [other, "note.write", "rate_limited"]
    assert second.split()[:3] == [lost, "note.write", "worker_lost"]
    assert "2 tasks would be retried; nothing has been changed." in result.out
    assert command.split()[:4] == ["bizq", "task", "retry", "--failed-since"]
    assert await statuses(bizq) == dict.fromkeys((old, lost, other), "FAILED")


async def test_the_command_shown_retries_just_those(bizq: Bizq, fail: Fail) -> None:
    old, other = await fail(minutes=90), await fail(code="rate_limited")
    lost, canceled = await fail(minutes=50), await fail(code=None, status="CANCELED")
    filters = ("--failed-since", "1h", "--error", "worker_lost", "--json")

    plan = (await bizq("task", "retry", *filters)).json
    done = await bizq(*shlex.split(plan["command"])[1:])

    assert ([task["id"] for task in plan["tasks"]], plan["found"], plan["dryRun"]) == ([lost], 1, True)
    assert (done.code, done.out) == (0, "1 of 1 task retried\n")
    assert await statuses(bizq) == {lost: "QUEUED", old: "FAILED", other: "FAILED", canceled: "CANCELED"}


async def test_states_types_and_a_limit_narrow_it(bizq: Bizq, fail: Fail) -> None:
    made = [
        await fail(code=None, status="CANCELED", type="a"),
        await fail(code=None, status="EXPIRED", type="b"),
        await fail(type="a"),
        await fail(code=None, status="EXPIRED", type="a"),
    ]
    since = ("task", "retry", "--failed-since", "1d", "--json", "--type", "a")

    both = (await bizq(*since, "--status", "canceled", "--status", "EXPIRED")).json
    one = (await bizq(*since, "--status", "canceled", "--status", "EXPIRED", "--limit", "1", "--yes")).json

    assert [task["id"] for task in both["tasks"]] == [made[3], made[0]]
    assert one == {"dryRun": False, "found": 1, "retried": 1, "noLongerRetryable": 0, "failed": [], "left": 0}
    assert (await statuses(bizq))[made[3]] == "QUEUED"


async def test_more_than_a_page_is_retried_once_each(bizq: Bizq, desk: Desk) -> None:
    made = await desk.accept(103)
    await desk.change("UPDATE tasks SET status = 'FAILED', finished_at = now() WHERE id = ANY (:ids)", ids=made)

    plan = (await bizq("task", "retry", "--failed-since", "1h")).out.splitlines()
    done = (await bizq("task", "retry", "--failed-since", "1h", "--yes", "--json")).json

    assert plan[21] == "… and 83 more"
    assert (done["found"], done["retried"]) == (len(made), len(made))
    assert (await bizq("task", "list", "--status", "failed", "--json")).json["tasks"] == []


async def test_one_that_somebody_else_retried_meanwhile_is_counted(client: Client, bizq: Bizq, fail: Fail) -> None:
    first, second = await fail(), await fail()
    found = await find(client, Replay(LONG_AGO), lambda count: None)
    await bizq("task", "retry", first)

    outcome = await retry_all(client, found, on_done=lambda: None, on_lost=lambda: None)

    assert [task["id"] for task in found] == [second, first]
    assert (outcome.retried, outcome.gone, outcome.failures, outcome.complete) == (1, 1, {}, True)


async def test_what_fails_again_meanwhile_is_not_part_of_the_run(client: Client, fail: Fail) -> None:
    task_id = await fail()
    found = await find(client, Replay(LONG_AGO), lambda count: None)
    again = await fail()

    outcome = await retry_all(client, found, on_done=lambda: None, on_lost=lambda: None)

    assert [task["id"] for task in found] == [task_id]
    assert outcome.retried == 1
    assert [task["id"] for task in await find(client, Replay(LONG_AGO), lambda count: None)] == [again]


async def test_who_may_not_retry_is_told_why_once(
    bizq: Bizq, fail: Fail, add_key: Callable[[Role], Awaitable[str]]
) -> None:
    made = {await fail(), await fail()}

    result = await bizq("task", "retry", "--failed-since", "1h", "--yes", BIZQ_API_KEY=await add_key(Role.VIEWER))

    assert (result.code, result.out) == (1, "0 of 2 tasks retried\n")
    assert result.err == ("2 failed: This needs the permission task:retry; ask an owner or admin of the workspace.\n")
    assert await statuses(bizq) == dict.fromkeys(made, "FAILED")


async def test_nothing_to_retry_is_no_failure(bizq: Bizq) -> None:
    result = await bizq("task", "retry", "--failed-since", clock.now().isoformat())

    assert result.code == 0
    assert result.out.startswith("No task fits: none ended FAILED since ")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Give a TASK, or --failed-since for all that ended since then, such as --failed-since 2h."),
        (("task_1", "--failed-since", "2h"), "Give a TASK, or --failed-since with its filters, not both."),
        (("task_1", "--yes"), "Give a TASK, or --failed-since with its filters, not both."),
        (("--error", "x"), "Give a TASK, or --failed-since for all that ended since then, such as --failed-since 2h."),
        (("--failed-since", "soon"), "soon is not a time; give one such as 30m, 2h, 3d or 2026-01-31T12:00:00Z."),
    ],
)
async def test_what_cannot_be_meant_is_one_line(bizq: Bizq, arguments: tuple[str, ...], message: str) -> None:
    result = await bizq("task", "retry", *arguments)

    assert (result.code, result.out, result.err) == (1, "", f"error {message}\n")
