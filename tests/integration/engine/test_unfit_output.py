import json

from tests.integration.engine.conftest import WorkingWith
from tests.integration.engine.desk import Desk
from tests.integration.engine.scripted import Scripted

FIT = json.dumps({"summary": "Snow, two days."})


async def test_one_turn_mends_an_answer(desk: Desk, working_with: WorkingWith) -> None:
    provider = Scripted("Sorry, no JSON today.", FIT)
    async with working_with(provider):
        task_id = await desk.accept_one()
        task = await desk.ended(task_id)

    assert (task["status"], task["attempt"], task["output"]) == ("SUCCEEDED", 2, {"summary": "Snow, two days."})
    unfit, mended = await desk.attempts(task_id)
    assert (unfit["status"], unfit["error"]["code"], unfit["output_tokens"]) == ("FAILED", "output_invalid", 5)
    assert (mended["status"], mended["input_tokens"], mended["output_tokens"]) == ("SUCCEEDED", 10, 5)
    assert json.loads(mended["output_text"]) == task["output"]
    assert task["cost_micros"] == unfit["cost_micros"] + mended["cost_micros"]
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "PROGRESS", "SUCCEEDED"]
    first, mending = provider.requests
    assert [message.role for message in mending.messages] == ["user", "assistant", "user"]
    assert mending.messages[1].text == "Sorry, no JSON today."
    assert first.idempotency_key != mending.idempotency_key


async def test_an_answer_that_stays_unfit_is_mended_once_in_each_of_three_tries(
    desk: Desk, working_with: WorkingWith
) -> None:
    provider = Scripted("No.")
    async with working_with(provider):
        task_id = await desk.accept_one()
        task = await desk.ended(task_id)

    assert (task["status"], task["attempt"], task["output"]) == ("FAILED", 6, None)
    assert task["error"]["code"] == "output_invalid"
    assert len(provider.requests) == provider.closed == 6
    assert [attempt["error"]["code"] for attempt in await desk.attempts(task_id)] == ["output_invalid"] * 6


async def test_the_next_try_can_succeed(desk: Desk, working_with: WorkingWith) -> None:
    async with working_with(Scripted("No.", '{"summary": 7}', FIT)):
        task_id = await desk.accept_one()
        task = await desk.ended(task_id)

    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 3)
    _, mended, _ = await desk.attempts(task_id)
    assert mended["output_text"].strip() == '{"summary": 7}'


async def test_characters_that_cannot_be_stored_do_not_lose_the_answer(desk: Desk, working_with: WorkingWith) -> None:
    async with working_with(Scripted('{"summary": "a\\u0000b\\ud800"}')):
        task = await desk.ended(await desk.accept_one())

    assert (task["status"], task["output"]) == ("SUCCEEDED", {"summary": "ab"})


async def test_text_that_cannot_be_stored_does_not_lose_the_attempt(desk: Desk, working_with: WorkingWith) -> None:
    async with working_with(Scripted("a\0b \ud800c")):
        task_id = await desk.accept_one(type="anything.else", input={"text": "x"})
        task = await desk.ended(task_id)

    assert (task["status"], task["output"]) == ("SUCCEEDED", {"text": "ab c "})
    assert [attempt["output_text"] for attempt in await desk.attempts(task_id)] == ["ab c "]
