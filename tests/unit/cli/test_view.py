from typing import Any

import pytest

from app.cli import view

TASK: dict[str, Any] = {
    "id": "task_1", "type": "email.reply", "status": "QUEUED", "version": 1, "attemptCount": 0, "costMicros": 0,
    "createdAt": "2026-01-01T12:00:00+00:00", "runAt": None, "startedAt": None, "finishedAt": None,
    "queuePosition": None, "routing": {"provider": "local", "model": "smollm2"}, "error": None,
}  # fmt: skip


def test_control_characters_do_not_reach_the_terminal() -> None:
    text = view.plain("a\x1b[2Jb\x9b31mc\rd\ttab\nline\r\nend [bold]x[/bold] :smile:")

    assert text.plain == "a�[2Jb�31mc�d\ttab\nline\nend [bold]x[/bold] :smile:"
    assert text.spans == []


@pytest.mark.parametrize(
    ("seconds", "text"), [(-3, "0 s"), (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (86_400 * 12, "12 d")]
)
def test_duration_is_in_the_largest_unit(seconds: float, text: str) -> None:
    assert view.duration(seconds) == text


@pytest.mark.parametrize(
    ("micros", "text"), [(0, "0"), (1, "0.000001"), (1_500_000, "1.5"), ("9007199254740993", "9007199254.740993")]
)
def test_credits_are_exact(micros: int | str, text: str) -> None:
    assert view.credits(micros) == text


@pytest.mark.parametrize(
    ("output", "text"),
    [
        ({"summary": "All is well."}, "All is well."),
        ({"body": "Hello,\n\nyes.", "subject": "Re: chair"}, "subject: Re: chair\nbody:\nHello,\n\nyes."),
        ({"sentiment": "positive", "confidence": 0.9}, "sentiment: positive\nconfidence: 0.9"),
        (["a"], '[\n  "a"\n]'),
    ],
)
def test_output_reads_well(output: Any, text: str) -> None:
    assert view.output_text(output).plain == text


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "waits for a worker"),
        ({"queuePosition": 3}, "number 3 in the queue"),
        ({"status": "RUNNING"}, "local/smollm2"),
        ({"status": "FAILED", "error": {"message": "local: no answer in time."}}, "local: no answer in time."),
        ({"status": "CANCELED"}, ""),
        (
            {
                "status": "SUCCEEDED",
                "costMicros": 42,
                "startedAt": "2026-01-01T12:00:00+00:00",
                "finishedAt": "2026-01-01T12:00:01.500000+00:00",
            },
            "done in 1.5 s, 0.000042 credits",
        ),
    ],
)
def test_doing_says_what_a_task_is_at(changes: dict[str, Any], text: str) -> None:
    assert view.doing({**TASK, **changes}) == text


def test_ids_are_whole_in_a_narrow_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    task = {**TASK, "id": "task_01h455vb4pex5vsknk084sn02q", "status": "FAILED", "error": {"message": "x" * 50}}

    view.print_table(view.tasks_table([task], width=40))

    line = capsys.readouterr().out.splitlines()[1]
    assert line.startswith("task_01h455vb4pex5vsknk084sn02q  email.reply  FAILED")
    assert line.endswith("x" * 9 + "…")
