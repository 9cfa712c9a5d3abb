from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import AppError, InvalidInput, LimitExceeded
from app.services.task.draft import TaskDraft, check

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MAX_INPUT = 1000


def draft(**changes: Any) -> TaskDraft:
    return TaskDraft(**({"type": "email.reply", "input": {"email": "Hello"}} | changes))


def check_at_noon(wanted: TaskDraft) -> None:
    check(wanted, now=NOW, max_input_bytes=MAX_INPUT)


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "a"},
        {"type": "E-mail.re_ply.2"},
        {"type": "x" * 100},
        {"priority": 1},
        {"priority": 9},
        {"max_attempts": 1},
        {"max_attempts": 10},
        {"max_cost_micros": 0},
        {"run_at": NOW - DAY},
        {"run_at": NOW + 366 * DAY},
        {"run_at": NOW + DAY, "expires_at": NOW + 2 * DAY},
        {"expires_at": NOW + timedelta(seconds=1)},
        {"tags": ("x" * 50,) * 20},
        {"input": "x" * (MAX_INPUT - 2)},
        {"input": None},
        {"input": "a backslash and u0000: \\u0000"},
        {"metadata": {"note": "x" * (16_384 - 11)}},
    ],
)
def test_accepted(changes: dict[str, Any]) -> None:
    check_at_noon(draft(**changes))


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"type": ""}, ("type",)),
        ({"type": ".reply"}, ("type",)),
        ({"type": "email..reply"}, ("type",)),
        ({"type": "email reply"}, ("type",)),
        ({"type": "email.reply\n"}, ("type",)),
        ({"type": "électron"}, ("type",)),
        ({"priority": 0}, ("priority",)),
        ({"priority": 10}, ("priority",)),
        ({"max_attempts": 0}, ("maxAttempts",)),
        ({"max_attempts": 11}, ("maxAttempts",)),
        ({"max_cost_micros": -1}, ("maxCost",)),
        ({"run_at": datetime(2026, 6, 2)}, ("runAt",)),
        ({"expires_at": datetime(2026, 6, 2)}, ("expiresAt",)),
        ({"run_at": NOW + 366 * DAY + timedelta(seconds=1)}, ("runAt",)),
        ({"expires_at": NOW + 367 * DAY}, ("expiresAt",)),
        ({"expires_at": NOW}, ("expiresAt",)),
        ({"run_at": NOW + DAY, "expires_at": NOW + DAY}, ("expiresAt",)),
        ({"tags": ("ok", "")}, ("tags", "1")),
        ({"tags": ("x" * 51,)}, ("tags", "0")),
        ({"tags": ("a\0b",)}, ("tags", "0")),
        ({"input": {"a": ["\0"]}}, ("input",)),
        ({"input": {"a\0": 1}}, ("input",)),
        ({"input": "\ud800"}, ("input",)),
        ({"input": 2**64}, ("input",)),
        ({"metadata": {"a": "\0"}}, ("metadata",)),
    ],
)
def test_refused_naming_the_field(changes: dict[str, Any], path: tuple[str, ...]) -> None:
    with pytest.raises(InvalidInput) as caught:
        check_at_noon(draft(**changes))

    assert caught.value.path == path


@pytest.mark.parametrize(
    ("changes", "path", "limit", "actual"),
    [
        ({"type": "x" * 101}, ("type",), 100, 101),
        ({"tags": ("a",) * 21}, ("tags",), 20, 21),
        ({"input": "x" * (MAX_INPUT - 1)}, ("input",), MAX_INPUT, MAX_INPUT + 1),
        ({"input": "é" * 600}, ("input",), MAX_INPUT, 1202),
        ({"metadata": {"note": "x" * 16_384}}, ("metadata",), 16_384, 16_395),
    ],
)
def test_too_much_is_refused_with_limit_and_amount(
    changes: dict[str, Any], path: tuple[str, ...], limit: int, actual: int
) -> None:
    with pytest.raises(LimitExceeded) as caught:
        check_at_noon(draft(**changes))

    assert (caught.value.path, caught.value.limit, caught.value.actual) == (path, limit, actual)


def test_a_deep_input_is_refused_and_breaks_nothing() -> None:
    deep: Any = []
    for _ in range(5000):
        deep = [deep]

    with pytest.raises(InvalidInput):
        check_at_noon(draft(input=deep))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON, st.text(), st.lists(st.text(max_size=60), max_size=25))
def test_whatever_is_sent_is_taken_or_refused(value: Any, kind: str, tags: list[str]) -> None:
    try:
        check_at_noon(draft(input=value, type=kind, tags=tuple(tags)))
    except AppError as error:
        assert error.path[0] in {"input", "type", "tags"}
