"""Whether a task fits a filter: what `queries.matching` asks PostgreSQL for a list, asked of one task in hand."""

from typing import Any
from uuid import UUID

from app.db.hot import Fetch
from app.services.task.queries import Columns, TaskFilter
from app.services.template import queries as templates


class Sieve:
    """A subscription's filter. Which template a version belongs to never changes, so it is asked once."""

    def __init__(self, wanted: TaskFilter, fetch: Fetch) -> None:
        self._wanted = wanted
        self._fetch = fetch
        self._templates: dict[UUID, UUID | None] = {}

    async def lets_through(self, task: Columns) -> bool:
        if not fits(self._wanted, task):
            return False
        return self._wanted.template_id is None or await self._template_of(task) == self._wanted.template_id

    async def _template_of(self, task: Columns) -> UUID | None:
        version_id = task["template_version_id"]
        if version_id is not None and version_id not in self._templates:
            versions = await self._fetch(templates.VERSIONS_BY_IDS, [version_id])
            self._templates[version_id] = versions[0]["template_id"] if versions else None
        return self._templates.get(version_id)


def fits(wanted: TaskFilter, task: Columns) -> bool:
    """Everything but the template, for which another table is needed."""
    finished_at, error = task["finished_at"], task["error"]
    return (
        (wanted.statuses is None or task["status"] in wanted.statuses)
        and (wanted.types is None or task["type"] in wanted.types)
        and (wanted.worker_id is None or task["worker_id"] == wanted.worker_id)
        and (wanted.tags is None or set(wanted.tags) <= set(task["tags"]))
        and (wanted.created_after is None or task["created_at"] > wanted.created_after)
        and (wanted.created_before is None or task["created_at"] < wanted.created_before)
        and (wanted.finished_after is None or (finished_at is not None and finished_at > wanted.finished_after))
        and (wanted.finished_before is None or (finished_at is not None and finished_at < wanted.finished_before))
        and (wanted.error_codes is None or (error is not None and error["code"] in wanted.error_codes))
        and (not wanted.search or wanted.search.lower() in task["type"].lower() or wanted.search in task["tags"])
        and (wanted.input_contains is None or contains(task["input"], wanted.input_contains))
    )


def contains(whole: Any, part: Any) -> bool:
    """PostgreSQL's `whole @> part` for jsonb: an array also contains a scalar that is one of its elements.

    Source: PostgreSQL 18 documentation, 8.14.3 "jsonb Containment and Existence".
    """
    if isinstance(whole, list) and not isinstance(part, list | dict):
        return any(_same_or_within(item, part) for item in whole)
    return _same_or_within(whole, part)


def _same_or_within(whole: Any, part: Any) -> bool:
    match part:
        case dict():
            return isinstance(whole, dict) and all(
                key in whole and _same_or_within(whole[key], value) for key, value in part.items()
            )
        case list():
            return isinstance(whole, list) and all(
                any(_same_or_within(item, wanted) for item in whole) for wanted in part
            )
    # True is 1 in Python, and not in JSON.
    return isinstance(whole, bool) == isinstance(part, bool) and bool(whole == part)
