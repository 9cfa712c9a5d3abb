import gc
from datetime import UTC, datetime, timedelta

from graphql.execution.collect_fields import FieldDetails

from app.actors.runner import Runner
from app.actors.work import work
from app.fakes.faults import Fault, FaultKind
from app.services.task.log import Cursor
from app.settings import Settings
from tests.integration.conftest import Fakes
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import Gql, Socket
from tests.integration.streams.watching import history, public, told, watch_all

ALL_ZERO = "task_00000000000000000000000000"


async def test_an_empty_workspace_opens_with_a_task_that_does_not_exist(desk: Desk, socket: Socket) -> None:
    stream = await watch_all(socket)
    opening = await stream.next()
    task_id = await desk.accept_one()

    assert (opening["kind"], opening["task"]["id"], opening["seq"], opening["gap"]) == ("SNAPSHOT", ALL_ZERO, 0, False)
    assert told([await stream.next()]) == [(public(task_id), 1, "CREATED")]


async def test_the_opening_shows_the_newest_task(desk: Desk, socket: Socket) -> None:
    _, newest = await desk.accept(2)

    opening = await (await watch_all(socket)).next()

    assert told([opening]) == [(public(newest), 1, "SNAPSHOT")]


async def test_a_resume_from_the_opening_misses_nothing(desk: Desk, socket: Socket) -> None:
    await desk.accept()
    opening = await (await watch_all(socket)).next()
    tasks = await desk.accept(3)

    stream = await watch_all(socket, after=opening["cursor"])

    assert sorted(told([await stream.next() for _ in tasks])) == sorted((public(task), 1, "CREATED") for task in tasks)


async def test_events_of_all_tasks_come_in_the_order_of_the_log(
    desk: Desk, socket: Socket, service_settings: Settings
) -> None:
    stream = await watch_all(socket)
    await stream.next()
    async with work(service_settings):
        tasks = await desk.accept(5)
        events = [await stream.next() for _ in range(15)]

    log = await desk.rows(
        "SELECT task_id, seq, kind FROM task_events WHERE workspace_id = :id ORDER BY xid, task_id, seq",
        id=desk.tenant.account.workspace_id,
    )
    assert told(events) == [(public(row["task_id"]), row["seq"], row["kind"]) for row in log]
    assert {event["task"]["id"] for event in events} == {public(task) for task in tasks}
    positions = [Cursor.decode(event["cursor"]).position for event in events]
    assert positions == sorted(positions)


async def test_a_resume_from_every_cursor_goes_across_tasks(
    desk: Desk, gql: Gql, socket: Socket, worker: Runner
) -> None:
    tasks = [await desk.accept_one(), await desk.accept_one()]
    for task_id in tasks:
        await desk.ended(task_id)
    events = [event for task_id in tasks for event in await history(gql, task_id)]
    events.sort(key=lambda event: Cursor.decode(event["cursor"]).position)

    for seen in range(1, 6):
        stream = await watch_all(socket, after=events[seen - 1]["cursor"])
        assert [await stream.next() for _ in range(6 - seen)] == events[seen:]
        await stream.stop()


async def test_only_the_wanted_types_and_states_are_told(
    desk: Desk, socket: Socket, service_settings: Settings, fakes: Fakes
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.BAD_REQUEST))
    by_type = await watch_all(socket, types=["review.classify"])
    failures = await watch_all(socket, statuses=["FAILED", "EXPIRED"])
    for stream in (by_type, failures):
        await stream.next()
    async with work(service_settings):
        failing = await desk.accept_one()
        await desk.ended(failing)
        review = await desk.accept_one(type="review.classify", input={"review": "Lovely."})
        await desk.ended(review)

    assert told([await by_type.next() for _ in range(3)]) == [
        (public(review), 1, "CREATED"),
        (public(review), 2, "STARTED"),
        (public(review), 3, "SUCCEEDED"),
    ]
    assert told([await failures.next()]) == [(public(failing), 3, "FAILED")]


async def test_a_cursor_of_last_week_gives_one_snapshot_with_a_gap(desk: Desk, gql: Gql, socket: Socket) -> None:
    old = await desk.accept_one()
    (created,) = await history(gql, old)
    position = Cursor.decode(created["cursor"]).position
    await desk.accept()
    stream = await watch_all(socket, after=Cursor(position, datetime.now(UTC) - timedelta(hours=73)).encode())

    opening = await stream.next()
    task_id = await desk.accept_one()

    assert (opening["kind"], opening["gap"]) == ("SNAPSHOT", True)
    assert told([await stream.next()]) == [(public(task_id), 1, "CREATED")]


async def test_an_open_subscription_keeps_nothing_of_the_events_it_has_sent(desk: Desk, socket: Socket) -> None:
    stream = await watch_all(socket)
    await stream.next()

    async def kept_after(events: int) -> int:
        await desk.accept(events)
        for _ in range(events):
            await stream.next()
        gc.collect()
        return sum(isinstance(item, FieldDetails) for item in gc.get_objects())

    first = await kept_after(20)
    assert await kept_after(200) <= first + 20
