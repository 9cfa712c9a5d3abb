from tests.integration.cli.conftest import Bizq


async def create(bizq: Bizq, type: str = "text.summarize") -> str:
    """The id of a task that nobody works on."""
    return (await bizq("run", type, "Some words.", "--no-wait")).out.strip()


async def test_list_filters_and_goes_on_after_a_cursor(bizq: Bizq) -> None:
    first, other, last = await create(bizq), await create(bizq, "email.reply"), await create(bizq)

    page = (await bizq("task", "list", "--type", "text.summarize", "--status", "queued", "--limit", "1", "--json")).json
    cursor = page["pageInfo"]["endCursor"]
    rest = (await bizq("task", "list", "--type", "text.summarize", "--after", cursor, "--json")).json

    assert [task["id"] for task in page["tasks"]] == [last]
    assert [task["id"] for task in rest["tasks"]] == [first]
    assert rest["pageInfo"]["hasNextPage"] is False
    assert other not in str((page, rest))


async def test_list_is_a_table_and_says_how_to_see_more(bizq: Bizq) -> None:
    _, newest = await create(bizq), await create(bizq)

    result = await bizq("task", "list", "--limit", "1")

    heading, line = result.out.splitlines()
    assert heading.split() == ["ID", "TYPE", "STATUS", "ATTEMPTS", "AGE"]
    assert line.split()[:4] == [newest, "text.summarize", "QUEUED", "0"]
    assert result.err.startswith("More: --after ")


async def test_cancel_keeps_its_reason_and_retry_brings_it_back(bizq: Bizq) -> None:
    task_id = await create(bizq)

    canceled = await bizq("task", "cancel", task_id, "--reason", "duplicate [b]")
    retried = (await bizq("task", "retry", task_id, "--json")).json

    assert (canceled.code, canceled.out) == (0, f"{task_id} is CANCELED\n")
    assert retried["status"] == "QUEUED"
    shown = (await bizq("task", "show", task_id, "--json")).json
    assert [event["kind"] for event in shown["events"]] == ["CREATED", "CANCELED", "QUEUED"]
    assert shown["events"][1]["data"] == {"reason": "duplicate [b]"}


async def test_show_prints_everything_for_people(bizq: Bizq) -> None:
    task_id = await create(bizq)

    result = await bizq("task", "show", task_id)

    assert result.code == 0
    lines = result.out.splitlines()
    assert lines[0].split() == ["id", task_id]
    assert "Some words." in lines
    assert lines[-2] == "events"
    assert lines[-1].split()[1:] == ["1", "CREATED"]


async def test_an_unknown_task_is_one_line(bizq: Bizq) -> None:
    for command in ("show", "cancel", "retry"):
        result = await bizq("task", command, "task_nope")

        assert (result.code, result.out) == (1, "")
        assert result.err == "error Task task_nope does not exist in this workspace.\n"
