from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.actors.runner import Runner
from app.actors.work import work
from app.fakes.faults import Fault, FaultKind
from app.services.task.log import Cursor
from app.settings import Settings
from tests.integration.conftest import Fakes
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import Gql, Socket
from tests.integration.streams.watching import TASK_EVENTS, history, public, told, watch

CANCEL = "mutation($id: ID!) { cancelTask(id: $id) { errors { code } } }"


async def test_a_snapshot_then_everything_live_then_the_end(
    desk: Desk, socket: Socket, service_settings: Settings
) -> None:
    task_id = await desk.accept_one()
    stream = await watch(socket, task_id)
    opening = await stream.next()
    async with work(service_settings):
        events = await stream.rest()

    assert (opening["kind"], opening["seq"], opening["gap"]) == ("SNAPSHOT", 1, False)
    assert opening["task"]["status"] == "QUEUED"
    assert told(events) == [(public(task_id), 2, "STARTED"), (public(task_id), 3, "SUCCEEDED")]
    assert [event["task"]["status"] for event in events] == ["RUNNING", "SUCCEEDED"]


async def test_retries_are_told_in_their_order(
    desk: Desk, socket: Socket, service_settings: Settings, fakes: Fakes
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SERVER_ERROR, times=2))
    task_id = await desk.accept_one()
    stream = await watch(socket, task_id)
    opening = await stream.next()
    async with work(service_settings):
        events = [opening, *await stream.rest()]

    again = ["STARTED", "RETRY_SCHEDULED"]
    assert [event["kind"] for event in events] == ["SNAPSHOT", *again, *again, "STARTED", "SUCCEEDED"]
    assert [event["seq"] for event in events] == [1, 2, 3, 4, 5, 6, 7]
    assert events[2]["data"]["error"]["code"] == "server_error"


async def test_a_resume_from_every_cursor_gives_exactly_the_rest(
    desk: Desk, gql: Gql, socket: Socket, worker: Runner, fakes: Fakes
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SERVER_ERROR))
    task_id = await desk.accept_one()
    await desk.ended(task_id)
    events = await history(gql, task_id)
    assert len(events) == 5

    for seen in range(1, 6):
        stream = await watch(socket, task_id, after=events[seen - 1]["cursor"])
        assert await stream.rest() == events[seen:]


async def test_a_finished_task_is_a_snapshot_and_the_end(desk: Desk, socket: Socket, worker: Runner) -> None:
    task_id = await desk.accept_one()
    await desk.ended(task_id)

    (snapshot,) = await (await watch(socket, task_id)).rest()

    assert (snapshot["kind"], snapshot["seq"]) == ("SNAPSHOT", 3)
    assert (snapshot["task"]["status"], set(snapshot["task"]["output"])) == ("SUCCEEDED", {"summary"})
    assert await (await watch(socket, task_id, after=snapshot["cursor"])).rest() == []


async def test_a_resume_goes_on_live(desk: Desk, gql: Gql, socket: Socket, service_settings: Settings) -> None:
    task_id = await desk.accept_one()
    (created,) = await history(gql, task_id)
    stream = await watch(socket, task_id, after=created["cursor"])
    async with work(service_settings):
        events = await stream.rest()

    assert [event["kind"] for event in events] == ["STARTED", "SUCCEEDED"]


async def test_each_event_shows_the_task_as_it_stood(desk: Desk, gql: Gql, socket: Socket, worker: Runner) -> None:
    task_id = await desk.accept_one()
    await desk.ended(task_id)
    created, started, succeeded = await history(gql, task_id)

    (late, last) = await (await watch(socket, task_id, after=created["cursor"])).rest()

    assert created["task"] | {"status": "QUEUED", "attemptCount": 0} == created["task"]
    assert (late["task"]["status"], late["task"]["attemptCount"]) == ("RUNNING", 1)
    assert (late["task"]["output"], late["task"]["finishedAt"], late["task"]["costMicros"]) == (None, None, 0)
    assert late == started and last == succeeded
    assert last["task"]["output"] is not None and last["task"]["costMicros"] > 0


async def test_a_cursor_of_last_week_begins_anew_and_says_so(desk: Desk, gql: Gql, socket: Socket) -> None:
    task_id = await desk.accept_one()
    (created,) = await history(gql, task_id)
    position = Cursor.decode(created["cursor"]).position
    ancient = Cursor(position, datetime.now(UTC) - timedelta(hours=73)).encode()
    recent = Cursor(position, datetime.now(UTC) - timedelta(hours=71)).encode()

    stream = await watch(socket, task_id, after=ancient)
    opening = await stream.next()
    assert (opening["kind"], opening["gap"], opening["seq"]) == ("SNAPSHOT", True, 1)

    resumed = await watch(socket, task_id, after=recent)
    await gql(CANCEL, id=public(task_id))
    assert [event["kind"] for event in await stream.rest()] == ["CANCELED"]
    assert [(event["kind"], event["gap"]) for event in await resumed.rest()] == [("CANCELED", False)]


async def test_a_cursor_of_another_task_resumes_there(desk: Desk, gql: Gql, socket: Socket) -> None:
    first, second = await desk.accept_one(), await desk.accept_one()
    (created,) = await history(gql, second)
    for task_id in (first, second):
        await gql(CANCEL, id=public(task_id))

    events = await (await watch(socket, first, after=created["cursor"])).rest()

    assert told(events) == [(public(first), 2, "CANCELED")]


@pytest.mark.parametrize("after", ["", "nonsense", "MS4w", "\0"])
async def test_what_is_not_a_cursor_is_refused(desk: Desk, socket: Socket, after: str) -> None:
    task_id = await desk.accept_one()
    stream = await socket.subscribe(TASK_EVENTS, id=public(task_id), after=after)
    message: dict[str, Any] = await stream.message()

    errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
    assert errors[0]["extensions"]["code"] == "BAD_USER_INPUT"


async def test_many_watchers_of_one_task_all_see_its_end(
    desk: Desk, socket: Socket, service_settings: Settings
) -> None:
    task_id = await desk.accept_one()
    streams = [await watch(socket, task_id) for _ in range(15)]
    # All of them, before a worker can begin: a later snapshot would show the task running.
    first = [await stream.next() for stream in streams]
    async with work(service_settings):
        rest = [await stream.rest() for stream in streams]

    assert [event["kind"] for event in first] == ["SNAPSHOT"] * 15
    assert [[event["kind"] for event in events] for events in rest] == [["STARTED", "SUCCEEDED"]] * 15
