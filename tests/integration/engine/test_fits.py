"""A filter of a live stream lets the same tasks through as the same filter of a list."""

import json
import random
from typing import Any

from sqlalchemy import text

from app.models import TaskStatus
from app.services.task import queries
from app.services.task.fits import contains, fits
from app.services.task.queries import TaskFilter
from tests.integration.engine.desk import Desk


def random_json(chance: random.Random, depth: int) -> Any:
    kind = chance.randint(0, 7 if depth else 5)
    if kind <= 5:
        return [None, True, False, 1, 1.0, "a", "", 0, "1"][chance.randrange(9)]
    if kind == 6:
        return [random_json(chance, depth - 1) for _ in range(chance.randint(0, 3))]
    return {chance.choice("abc"): random_json(chance, depth - 1) for _ in range(chance.randint(0, 3))}


async def test_containment_is_that_of_postgresql(desk: Desk) -> None:
    chance = random.Random(5)
    pairs = [(random_json(chance, 3), random_json(chance, 2)) for _ in range(5_000)]
    wholes, parts = zip(*[(json.dumps(whole), json.dumps(part)) for whole, part in pairs], strict=True)

    async with desk.engine.connect() as connection:
        rows = await connection.execute(
            text(
                "SELECT w::jsonb @> p::jsonb AS holds FROM unnest(cast(:wholes AS text[]), cast(:parts AS text[])) "
                "WITH ORDINALITY AS t (w, p, n) ORDER BY n"
            ),
            {"wholes": list(wholes), "parts": list(parts)},
        )
        expected = [row.holds for row in rows]

    assert [contains(whole, part) for whole, part in pairs] == expected
    assert 100 < sum(expected) < 4_900


async def test_filters_let_the_same_tasks_through_as_a_list(desk: Desk) -> None:
    chance = random.Random(6)
    for number in range(60):
        kind, given = chance.choice([("email.reply", {"email": "Hi"}), ("text.summarize", {"text": "Snow"})])
        await desk.accept(type=kind, input=given, tags=tuple(chance.sample("abc", chance.randint(0, 2))))
        if number % 3 == 0:
            await desk.claim(1)
    tasks = await desk.rows("SELECT * FROM tasks WHERE workspace_id = :id", id=desk.tenant.account.workspace_id)

    for _ in range(60):
        wanted = _random_filter(chance, [dict(task) for task in tasks])
        async with desk.unit_of_work(desk.tenant.principal) as uow:
            found = await uow.session.execute(queries.by_ids([t["id"] for t in tasks]).where(*queries.matching(wanted)))
            listed = {row["id"] for row in found.mappings()}
        assert {task["id"] for task in tasks if fits(wanted, task)} == listed, wanted


def _random_filter(chance: random.Random, tasks: list[dict[str, Any]]) -> TaskFilter:
    some = chance.choice(tasks)
    choices: dict[str, Any] = {
        "statuses": (chance.choice(list(TaskStatus)), TaskStatus(some["status"])),
        "types": (some["type"],),
        "tags": tuple(chance.sample(["a", "b", "c"], 1)),
        "created_after": some["created_at"],
        "created_before": some["created_at"],
        "finished_after": some["created_at"],
        "error_codes": ("worker_lost",),
        "search": chance.choice(["EMAIL", "summ", "a", "%", "_"]),
        "input_contains": chance.choice([{"text": "Snow"}, {"text": "Sun"}, {}, []]),
    }
    names = chance.sample(sorted(choices), chance.randint(1, 2))
    return TaskFilter(**{name: choices[name] for name in names})
