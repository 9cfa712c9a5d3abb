import json

import pytest

from tests.integration.cli.conftest import Bizq, Start


async def create(bizq: Bizq) -> str:
    return (await bizq("run", "text.summarize", "Some words.", "--no-wait")).out.strip()


@pytest.mark.usefixtures("worker")
async def test_one_task_is_watched_from_its_first_event_to_its_last(bizq: Bizq) -> None:
    task_id = await create(bizq)

    live = await bizq("watch", task_id, "--json")
    again = await bizq("watch", task_id)

    events = [json.loads(line) for line in live.out.splitlines()]
    assert [(event["seq"], event["kind"]) for event in events] == [(1, "CREATED"), (2, "STARTED"), (3, "SUCCEEDED")]
    assert {event["task"]["id"] for event in events} == {task_id}
    assert [line.split()[1:3] for line in again.out.splitlines()] == [
        ["1", "CREATED"],
        ["2", "STARTED"],
        ["3", "SUCCEEDED"],
    ]
    assert (live.code, again.code) == (0, 0)


async def test_the_workspace_is_watched_live_until_interrupted(
    start: Start, bizq: Bizq, access: dict[str, str]
) -> None:
    command = await start("watch", "--json", **access)
    assert json.loads(await command.line())["kind"] == "SNAPSHOT"

    task_id = await create(bizq)
    event = json.loads(await command.line())
    result = await command.interrupt()

    assert (event["task"]["id"], event["seq"], event["kind"]) == (task_id, 1, "CREATED")
    assert (result.code, result.out, result.err) == (0, "", "")


async def test_a_foreign_task_cannot_be_watched(bizq: Bizq) -> None:
    result = await bizq("watch", "task_01h455vb4pex5vsknk084sn02q")

    assert result.code == 1
    assert result.err == "error Task task_01h455vb4pex5vsknk084sn02q does not exist in this workspace.\n"
