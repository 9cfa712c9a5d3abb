"""What clients send about tasks, turned into what the services take."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import TypeVar
from uuid import UUID

import strawberry

from app import ids
from app.errors import AppError, InvalidInput, LimitExceeded, NotFound
from app.graphql.task.enums import TaskComplexityType, TaskStatusType
from app.models import TaskComplexity
from app.models.columns import MICROS_PER_CREDIT
from app.services.task.draft import TaskDraft, check_size
from app.services.task.lifecycle import DEFAULT_MAX_ATTEMPTS
from app.services.task.queries import TaskFilter

JSON = strawberry.scalars.JSON
T = TypeVar("T")
DEFAULT_PRIORITY = 5
MAX_COST_CREDITS = 1_000_000
MAX_FILTER_VALUES = 50
MAX_SEARCH_LENGTH = 200
MAX_FILTER_BYTES = 16_384


@strawberry.input(description="A task to create.")
class CreateTaskInput:
    type: str = strawberry.field(description='What kind of work: "email.reply". A template of this slug is used.')
    input: JSON = strawberry.field(description="What it works on; checked against the template's JSON Schema.")
    template_id: strawberry.ID | None = strawberry.field(
        default=None, description="Use this template, whatever the type says."
    )
    worker_id: strawberry.ID | None = strawberry.field(default=None, description="Let this worker do it.")
    complexity: TaskComplexityType | None = strawberry.field(  # type: ignore[valid-type]
        default=TaskComplexity.NORMAL, description="How hard it is; a hint for choosing the model."
    )
    cost_sensitive: bool | None = strawberry.field(default=False, description="Prefer a cheap model.")
    priority: int | None = strawberry.field(
        default=DEFAULT_PRIORITY, description="1 goes first, 9 last, within the workspace."
    )
    max_cost: float | None = strawberry.field(
        default=None,
        description="At most so many credits, held until it ends: it limits how long its output can be. Without it "
        "twice the template's price, and at most 1.",
    )
    run_at: datetime | None = strawberry.field(
        default=None, description="Not before this time; at most 366 days ahead."
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="Not at all when it has not begun by then."
    )
    max_attempts: int | None = strawberry.field(
        default=None, description=f"1 to 10 tries; {DEFAULT_MAX_ATTEMPTS} by default."
    )
    metadata: JSON | None = strawberry.field(default=None, description="Your own data: an object of at most 16 KiB.")
    tags: list[str] | None = strawberry.field(default=None, description="Your own labels: 20 of at most 50 characters.")
    model: str | None = strawberry.field(
        default=None,
        description="Use this model and no other: provider/model, a model's name or one of its aliases, or one of the "
        "workspace's own connections, as name/model or alone.",
    )
    wait_for_credits: bool | None = strawberry.field(
        default=False,
        description="Where credits do not suffice, accept it all the same: it is WAITING until there are enough.",
    )

    def to_draft(self) -> TaskDraft:
        """Raises InvalidInput or NotFound naming the field. null means the same as leaving a field out."""
        if self.metadata is not None and not isinstance(self.metadata, dict):
            raise InvalidInput("metadata is a JSON object.", ("metadata",))
        return TaskDraft(
            type=self.type,
            input=self.input,
            template_id=decode_id(ids.TEMPLATE, "Template", self.template_id, "templateId"),
            worker_id=decode_id(ids.WORKER, "Worker", self.worker_id, "workerId"),
            complexity=self.complexity or TaskComplexity.NORMAL,
            cost_sensitive=bool(self.cost_sensitive),
            priority=DEFAULT_PRIORITY if self.priority is None else self.priority,
            max_cost_micros=_micros(self.max_cost),
            run_at=self.run_at,
            expires_at=self.expires_at,
            max_attempts=DEFAULT_MAX_ATTEMPTS if self.max_attempts is None else self.max_attempts,
            metadata=self.metadata or {},
            tags=tuple(self.tags or ()),
            model=self.model,
            wait_for_credits=bool(self.wait_for_credits),
        )


@strawberry.input(name="TaskFilter", description="Only tasks that fit every condition given.")
class TaskFilterInput:
    statuses: list[TaskStatusType] | None = strawberry.field(default=None, description="Any of these.")  # type: ignore[valid-type]
    types: list[str] | None = strawberry.field(default=None, description="Any of these.")
    worker_id: strawberry.ID | None = strawberry.field(default=None, description="Named for this worker.")
    template_id: strawberry.ID | None = strawberry.field(
        default=None, description="Created with any version of this template."
    )
    tags: list[str] | None = strawberry.field(default=None, description="Having all of these.")
    created_after: datetime | None = strawberry.field(default=None, description="Accepted after this time.")
    created_before: datetime | None = strawberry.field(default=None, description="Accepted before this time.")
    finished_after: datetime | None = strawberry.field(default=None, description="Ended after this time.")
    finished_before: datetime | None = strawberry.field(default=None, description="Ended before this time.")
    error_codes: list[str] | None = strawberry.field(
        default=None, description="Whose error has any of these codes, such as worker_lost."
    )
    search: str | None = strawberry.field(default=None, description="A part of the type, or a tag.")
    input_contains: JSON | None = strawberry.field(
        default=None,
        description='Whose input contains this: {"customer": 7} fits every input with that member.',
    )

    def to_filter(self) -> TaskFilter:
        """Raises InvalidInput, LimitExceeded or NotFound, naming the condition below `filter`."""
        try:
            return self._checked()
        except AppError as error:
            error.path = ("filter", *error.path)
            raise

    def _checked(self) -> TaskFilter:
        texts = {"types": self.types, "tags": self.tags, "errorCodes": self.error_codes}
        for name, values in {"statuses": self.statuses, **texts}.items():
            if values is not None and len(values) > MAX_FILTER_VALUES:
                raise LimitExceeded(
                    f"{name} has {len(values)} values; the limit is {MAX_FILTER_VALUES}.",
                    limit=MAX_FILTER_VALUES,
                    actual=len(values),
                    path=(name,),
                )
        if self.search is not None and len(self.search) > MAX_SEARCH_LENGTH:
            raise LimitExceeded(
                f"search is {len(self.search)} characters; the limit is {MAX_SEARCH_LENGTH}.",
                limit=MAX_SEARCH_LENGTH,
                actual=len(self.search),
                path=("search",),
            )
        for name, words in {"search": [self.search or ""], **texts}.items():
            if any("\0" in word for word in words or ()):
                raise InvalidInput("A filter cannot hold a NUL character.", (name,))
        check_size("inputContains", self.input_contains, MAX_FILTER_BYTES)
        return TaskFilter(
            statuses=_tuple(self.statuses),
            types=_tuple(self.types),
            worker_id=decode_id(ids.WORKER, "Worker", self.worker_id, "workerId"),
            template_id=decode_id(ids.TEMPLATE, "Template", self.template_id, "templateId"),
            tags=_tuple(self.tags),
            created_after=_moment("createdAfter", self.created_after),
            created_before=_moment("createdBefore", self.created_before),
            finished_after=_moment("finishedAfter", self.finished_after),
            finished_before=_moment("finishedBefore", self.finished_before),
            error_codes=_tuple(self.error_codes),
            search=self.search,
            input_contains=self.input_contains,
        )


def decode_id(prefix: str, kind: str, text: str | None, field: str) -> UUID | None:
    """None for None. What is not an id of this kind is an id of nothing: NotFound, as for an unknown one."""
    if text is None:
        return None
    value = ids.decode(prefix, text)
    if value is None:
        raise NotFound(kind, text[:60], (field,))
    return value


def require_id(prefix: str, kind: str, text: str, field: str = "id") -> UUID:
    value = decode_id(prefix, kind, text, field)
    assert value is not None
    return value


def _moment(name: str, value: datetime | None) -> datetime | None:
    if value is None:
        return None
    if value.tzinfo is None:
        raise InvalidInput(f"{name} needs a time zone: 2026-01-31T12:00:00Z.", (name,))
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise InvalidInput(f"{name} lies beyond the years 1 to 9999.", (name,)) from None


def _micros(credits: float | None) -> int | None:
    if credits is None:
        return None
    if not 0 <= credits <= MAX_COST_CREDITS:
        raise InvalidInput(f"maxCost is 0 to {MAX_COST_CREDITS} credits.", ("maxCost",))
    return int((Decimal(repr(credits)) * MICROS_PER_CREDIT).to_integral_value(ROUND_HALF_UP))


def _tuple(values: Sequence[T] | None) -> tuple[T, ...] | None:
    return None if values is None else tuple(values)
