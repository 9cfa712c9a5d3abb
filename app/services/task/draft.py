"""What a caller asks for, checked field by field before anything is written."""

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import orjson

from app.errors import InvalidInput, LimitExceeded
from app.models import TaskComplexity
from app.services.task.lifecycle import DEFAULT_MAX_ATTEMPTS

TYPE_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]*(\.[a-z0-9][a-z0-9_-]*)*", re.IGNORECASE)
MAX_TYPE_LENGTH = 100
PRIORITIES = range(1, 10)
MAX_ATTEMPTS = 10
MAX_TAGS = 20
MAX_MODEL_LENGTH = 250
MAX_TAG_LENGTH = 50
MAX_METADATA_BYTES = 16_384
MAX_SCHEDULE = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class TaskDraft:
    """A task to be. `model` is `provider/model`, a model or an alias of the catalogue. `max_cost_micros` is in micro-
    credits; ids are those of this workspace or built in."""

    type: str
    input: Any
    template_id: UUID | None = None
    worker_id: UUID | None = None
    complexity: TaskComplexity = TaskComplexity.NORMAL
    cost_sensitive: bool = False
    priority: int = 5
    max_cost_micros: int | None = None
    run_at: datetime | None = None
    expires_at: datetime | None = None
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    metadata: dict[str, Any] = field(default_factory=dict)
    tags: tuple[str, ...] = ()
    model: str | None = None
    wait_for_credits: bool = False


def check(draft: TaskDraft, *, now: datetime, max_input_bytes: int) -> None:
    """Raises InvalidInput or LimitExceeded naming the field, and the limit where there is one."""
    _check_type(draft.type)
    if draft.priority not in PRIORITIES:
        raise InvalidInput(f"priority is 1 (first) to 9 (last), not {draft.priority}.", ("priority",))
    if not 1 <= draft.max_attempts <= MAX_ATTEMPTS:
        raise InvalidInput(f"maxAttempts is 1 to {MAX_ATTEMPTS}, not {draft.max_attempts}.", ("maxAttempts",))
    if draft.max_cost_micros is not None and draft.max_cost_micros < 0:
        raise InvalidInput("maxCost cannot be negative.", ("maxCost",))
    if draft.model is not None and (not 1 <= len(draft.model) <= MAX_MODEL_LENGTH or "\0" in draft.model):
        raise InvalidInput(f"model has 1 to {MAX_MODEL_LENGTH} characters.", ("model",))
    _check_times(draft, now)
    _check_tags(draft.tags)
    check_size("input", draft.input, max_input_bytes)
    check_size("metadata", draft.metadata, MAX_METADATA_BYTES)


def check_size(name: str, value: Any, limit: int) -> None:
    """Also refuses what PostgreSQL cannot store: NUL characters and lone surrogates."""
    try:
        encoded = orjson.dumps(value)
    except (orjson.JSONEncodeError, RecursionError):
        raise InvalidInput(f"{name} holds text or numbers that are not valid JSON.", (name,)) from None
    if b"\\u0000" in encoded and _has_nul(value):
        raise InvalidInput(f"{name} holds a NUL character, which cannot be stored.", (name,))
    if len(encoded) > limit:
        raise LimitExceeded(
            f"{name} is {len(encoded)} bytes; the limit is {limit}.",
            limit=limit,
            actual=len(encoded),
            path=(name,),
        )


def _has_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\0" in value
    if isinstance(value, dict):
        return any(_has_nul(part) for item in value.items() for part in item)
    return isinstance(value, list) and any(_has_nul(part) for part in value)


def _check_type(value: str) -> None:
    if len(value) > MAX_TYPE_LENGTH:
        raise LimitExceeded(
            f"type is {len(value)} characters; the limit is {MAX_TYPE_LENGTH}.",
            limit=MAX_TYPE_LENGTH,
            actual=len(value),
            path=("type",),
        )
    if not TYPE_PATTERN.fullmatch(value):
        raise InvalidInput('type is words of letters, digits, "-" and "_" joined by dots: "email.reply".', ("type",))


def _check_times(draft: TaskDraft, now: datetime) -> None:
    for name, moment in (("runAt", draft.run_at), ("expiresAt", draft.expires_at)):
        if moment is not None and moment.tzinfo is None:
            raise InvalidInput(f"{name} needs a time zone: 2026-01-31T12:00:00Z.", (name,))
        if moment is not None and moment > now + MAX_SCHEDULE:
            raise InvalidInput(f"{name} lies more than {MAX_SCHEDULE.days} days ahead.", (name,))
    if draft.expires_at is not None and draft.expires_at <= max(now, draft.run_at or now):
        raise InvalidInput("expiresAt must lie ahead, and after runAt.", ("expiresAt",))


def _check_tags(tags: tuple[str, ...]) -> None:
    if len(tags) > MAX_TAGS:
        raise LimitExceeded(
            f"{len(tags)} tags; the limit is {MAX_TAGS}.", limit=MAX_TAGS, actual=len(tags), path=("tags",)
        )
    for index, tag in enumerate(tags):
        if not 1 <= len(tag) <= MAX_TAG_LENGTH or "\0" in tag:
            raise InvalidInput(f"A tag is 1 to {MAX_TAG_LENGTH} characters.", ("tags", str(index)))
