from app.cli import states
from app.models import TaskComplexity, TaskStatus
from app.models.columns import MICROS_PER_CREDIT
from app.services.task.lifecycle import TERMINAL


def test_the_command_line_uses_the_words_of_the_service() -> None:
    assert [status.value for status in states.TaskStatus] == [status.value for status in TaskStatus]
    assert [one.value for one in states.TaskComplexity] == [one.value for one in TaskComplexity]
    assert {status.value for status in states.ENDED} == {status.value for status in TERMINAL}
    assert states.MICROS_PER_CREDIT == MICROS_PER_CREDIT
