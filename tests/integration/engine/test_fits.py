"""A filter means the same for a list, which PostgreSQL filters, and for a subscription, which is filtered here."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import orjson
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.db.hot import Row
from app.models import TaskStatus
from app.services.task import queries
from app.services.task.fits import Sieve, contains
from app.services.task.queries import TaskFilter
from tests.integration.engine.desk import Desk

ANYWHERE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
SCALARS = st.sampled_from([None, True, False, 0, 1, -1, 1.0, -0.0, 0.1, 1e23, 2**53 + 1, "", "a", "A", "é", "1", "\\"])
KEYS = st.sampled_from(["a", "b", "é", ""])
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3), max_leaves=8
)
# Parts of the whole are contained more often than chance would have it.
PAIRS = st.tuples(JSON, JSON) | st.tuples(st.lists(JSON, max_size=3), SCALARS) | JSON.map(lambda value: (value, value))
CONTAINS = """SELECT w.value @> p.value AS contained
    FROM unnest(cast(:wholes AS text[])) WITH ORDINALITY whole (text, n)
    JOIN unnest(cast(:parts AS text[])) WITH ORDINALITY part (text, n) USING (n)
    CROSS JOIN LATERAL (SELECT whole.text::jsonb AS value) w CROSS JOIN LATERAL (SELECT part.text::jsonb AS value) p
    ORDER BY n"""


def part_of(whole: Any, choose: Any) -> Any:
    """Something that is left when things are taken out of it."""
    if isinstance(whole, dict):
        return {key: part_of(value, choose) for key, value in whole.items() if choose()}
    if isinstance(whole, list):
        return [part_of(item, choose) for item in whole if choose()]
    return whole


@ANYWHERE
@given(st.lists(PAIRS, min_size=40, max_size=40), st.randoms(use_true_random=False))
async def test_contains_agrees_with_postgresql(desk: Desk, pairs: list[tuple[Any, Any]], chance: Any) -> None:
    pairs = pairs + [(whole, part_of(whole, lambda: chance.random() < 0.6)) for whole, _ in pairs]
    texts = [(orjson.dumps(whole).decode(), orjson.dumps(part).decode()) for whole, part in pairs]

    rows = await desk.rows(CONTAINS, wholes=[whole for whole, _ in texts], parts=[part for _, part in texts])

    # What PostgreSQL gives back of a number is what a task in hand has.
    ours = [contains(orjson.loads(whole), orjson.loads(part)) for whole, part in texts]
    wrong = [pair for pair, row, mine in zip(texts, rows, ours, strict=True) if row["contained"] != mine]
    assert wrong == []


TYPES = ["email.reply", "Email.Reply", "e_mail.reply", "email", "a%b"]
TAGS = ["urgent", "Urgent", "x", "re", "100%"]
CODES = ["worker_lost", "timeout"]
TIMES = [NOON, NOON + timedelta(hours=1), NOON + timedelta(hours=2)]
INPUTS = [{}, {"a": 1}, {"a": {"b": [1, 2]}}, [], [1, {"a": 1}], "text", 5, None]
# Among them letters whose small form is ASCII, or two letters.
SEARCHES = ["", "email", "EMAIL", "_", "%", "\\", "/", "re", "urgent", "URGENT", "100%", "é", "\u212a", "\u0130"]


def some(values: list[Any]) -> st.SearchStrategy[tuple[Any, ...] | None]:
    return st.none() | st.lists(st.sampled_from(values), max_size=2, unique=True).map(tuple)


def one(values: list[Any]) -> st.SearchStrategy[Any]:
    return st.none() | st.sampled_from(values)


FILTERS = st.builds(
    TaskFilter,
    statuses=some(list(TaskStatus)),
    types=some(TYPES),
    tags=some(TAGS),
    created_after=one(TIMES),
    created_before=one(TIMES),
    finished_after=one(TIMES),
    finished_before=one(TIMES),
    error_codes=some(CODES),
    search=one(SEARCHES),
    input_contains=one(INPUTS),
)
# A filter with all conditions at once would fit nothing: a few of them.
NARROW = st.tuples(FILTERS, st.sets(st.sampled_from([field.name for field in fields(TaskFilter)]), max_size=2)).map(
    lambda drawn: TaskFilter(**{name: getattr(drawn[0], name) for name in drawn[1]})
)


@st.composite
def tasks(draw: st.DrawFn) -> dict[str, Any]:
    ended = draw(st.booleans())
    code = draw(st.none() | st.sampled_from(CODES))
    return {
        "type": draw(st.sampled_from(TYPES)),
        "status": draw(st.sampled_from(list(TaskStatus))),
        "tags": draw(st.lists(st.sampled_from(TAGS), max_size=3)),
        "input": draw(st.sampled_from(INPUTS)),
        "error": {"code": code, "message": "…", "retryable": True} if code else None,
        "created_at": draw(st.sampled_from(TIMES)),
        "finished_at": draw(st.sampled_from(TIMES)) if ended else None,
    }


async def stored(desk: Desk, rows: list[dict[str, Any]]) -> None:
    """In the tenant's workspace, in the place of what was there."""
    await desk.clear()
    await desk.change(
        """INSERT INTO tasks (id, workspace_id, complexity, type, status, tags, input, error, created_at, finished_at)
        SELECT uuidv7(), :id, 'NORMAL', t.type, t.status, t.tags, coalesce(t.input, 'null'), t.error, t.created_at,
            t.finished_at
        FROM jsonb_to_recordset(cast(:rows AS jsonb)) AS t
            (type text, status text, tags text[], input jsonb, error jsonb,
            created_at timestamptz, finished_at timestamptz)
        """,
        id=desk.tenant.account.workspace_id,
        rows=orjson.dumps(rows).decode(),
    )


@ANYWHERE
@given(st.lists(tasks(), min_size=20, max_size=20), st.lists(NARROW, min_size=20, max_size=20))
async def test_a_filter_lets_through_what_a_list_shows(
    desk: Desk, rows: list[dict[str, Any]], filters: list[TaskFilter]
) -> None:
    await stored(desk, rows)
    everything = await listed(desk, TaskFilter())
    assert len(everything) == 20
    for wanted in filters:
        sieve = Sieve(wanted, desk.hot.of(desk.tenant.principal))
        through: set[UUID] = {task["id"] for task in everything if await sieve.lets_through(task)}
        assert through == {row["id"] for row in await listed(desk, wanted)}, wanted


async def listed(desk: Desk, wanted: TaskFilter) -> Sequence[Row]:
    """What the list of tasks has."""
    statement = queries.page(queries.matching(wanted), 1_000, falling=True)
    return await desk.hot.fetch(desk.tenant.principal, *statement)


async def test_a_template_and_a_worker_are_filtered_alike(desk: Desk) -> None:
    summary, review = await desk.accept_one(), await desk.accept_one(type="review.classify", input={"review": "Fine."})
    version = (await desk.task(summary))["template_version_id"]
    (row,) = await desk.rows("SELECT template_id FROM template_versions WHERE id = :id", id=version)
    fetch = desk.hot.of(desk.tenant.principal)
    tasks_in_hand = await fetch(queries.BY_IDS, [summary, review])

    for wanted, fitting in (
        (TaskFilter(template_id=row["template_id"]), {summary}),
        (TaskFilter(template_id=summary), set()),
        (TaskFilter(worker_id=summary), set()),
    ):
        sieve = Sieve(wanted, fetch)
        assert {task["id"] for task in tasks_in_hand if await sieve.lets_through(task)} == fitting
        assert {task["id"] for task in await listed(desk, wanted)} == fitting
