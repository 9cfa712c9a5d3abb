import pytest

from app.fakes.faults import Fault, FaultKind
from tests.integration.cli.conftest import Bizq, Start
from tests.integration.conftest import Fakes


@pytest.mark.usefixtures("worker")
async def test_run_prints_the_output_and_reports_aside(bizq: Bizq) -> None:
    result = await bizq("run", "text.summarize", "Snow delayed the parcel.")

    assert result.code == 0
    assert "snow delayed the parcel" in result.out.lower()
    assert "task_" not in result.out
    # How much of it there is to report depends on who is faster.
    *events, summary = result.err.splitlines()
    assert events[0].split()[2] == "SNAPSHOT"
    assert summary.split()[1:3] == ["done", "in"]


@pytest.mark.usefixtures("worker")
async def test_run_gives_the_whole_task_as_json(bizq: Bizq) -> None:
    options = ("--high", "--priority", "2", "--cost-sensitive", "--json")

    result = await bizq("run", "review.classify", "-", *options, stdin=b"A sturdy chair.")

    assert (result.code, result.err) == (0, "")
    task = result.json
    assert (task["status"], task["input"]) == ("SUCCEEDED", {"review": "A sturdy chair."})
    assert (task["complexity"], task["priority"], task["costSensitive"]) == ("HIGH", 2, True)
    assert [attempt["number"] for attempt in task["attempts"]["nodes"]] == [1]


@pytest.mark.usefixtures("worker")
async def test_run_fails_when_the_task_does(bizq: Bizq, fakes: Fakes) -> None:
    # The worker may also find tasks that other tests left; those go to the other vendor.
    fakes.faults.add(Fault("anthropic", FaultKind.BAD_REQUEST))

    result = await bizq("run", "email.reply", "Where is my parcel?", "--high")

    assert (result.code, result.out) == (1, "")
    last = result.err.splitlines()[-1]
    assert "is FAILED: anthropic: the request was refused as invalid" in last
    assert "Try it again: bizq task retry task_" in last


async def test_run_says_which_json_a_template_needs(bizq: Bizq) -> None:
    result = await bizq("run", "text.translate", "Good morning")

    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "error text.translate needs text and targetLanguage. Give them as JSON: "
        """bizq run text.translate '{"text": "...", "targetLanguage": "..."}'\n"""
    )


async def test_run_without_waiting_prints_the_id(bizq: Bizq) -> None:
    result = await bizq("run", "text.translate", '{"text": "Hi", "targetLanguage": "German"}', "--no-wait")

    assert (result.code, result.err) == (0, "")
    assert (await bizq("task", "show", result.out.strip(), "--json")).json["status"] == "QUEUED"


async def test_a_refused_input_is_one_line(bizq: Bizq) -> None:
    result = await bizq("run", "text.translate", '{"text": "Hi"}')

    assert (result.code, result.out) == (1, "")
    assert result.err == "error input.targetLanguage is required.\n"


async def test_interrupting_leaves_the_task_and_says_how_to_go_on(
    start: Start, bizq: Bizq, access: dict[str, str]
) -> None:
    command = await start("run", "text.summarize", "Nobody works on this.", **access)
    assert "SNAPSHOT" in await command.line(error=True)

    result = await command.interrupt()

    assert result.code == 130
    task_id = result.err.split()[0]
    assert f"bizq watch {task_id}" in result.err
    assert f"bizq task cancel {task_id}" in result.err
    assert (await bizq("task", "show", task_id, "--json")).json["status"] == "QUEUED"


async def test_a_wrong_key_and_a_missing_service_are_one_line(bizq: Bizq) -> None:
    wrong = await bizq("run", "text.summarize", "x", BIZQ_API_KEY="bzq_live_wrong")
    missing = await bizq("run", "text.summarize", "x", BIZQ_URL="http://127.0.0.1:1")

    assert (wrong.code, wrong.err) == (1, "error The API key is not valid: wrong, revoked or expired.\n")
    assert missing.code == 1
    assert missing.err.startswith("error No BizQ answers at http://127.0.0.1:1 (")
    assert missing.err.count("\n") == 1
