"""Reads of the audit log: columns, of the caller's workspace."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, false, func, select

from app import ids
from app.errors import InvalidInput
from app.models import AuditEntry

COLUMNS = AuditEntry.__table__.c  # type: ignore[attr-defined]
MAX_LENGTH = 100


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Every condition given must hold. `action` ending in "." takes all that begin so. The times are inclusive."""

    action: str | None = None
    actor: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def entries(wanted: AuditFilter) -> Select[Any]:
    """Raises InvalidInput naming the argument."""
    conditions = [COLUMNS.workspace_id == func.current_workspace_id()]
    if wanted.action is not None:
        action = _text("action", wanted.action)
        prefix = action.endswith(".")
        conditions.append(COLUMNS.action.startswith(action, autoescape=True) if prefix else COLUMNS.action == action)
    if wanted.actor is not None:
        conditions.append(_by(wanted.actor))
    if wanted.subject is not None:
        conditions.append(COLUMNS.subject == _text("subjectId", wanted.subject))
    for name, moment in (("since", wanted.since), ("until", wanted.until)):
        if moment is not None and moment.tzinfo is None:
            raise InvalidInput(f"{name} has a time zone, such as Z.", (name,))
    if wanted.since is not None:
        conditions.append(COLUMNS.at >= wanted.since)
    if wanted.until is not None:
        conditions.append(COLUMNS.at <= wanted.until)
    return select(*COLUMNS).where(*conditions)


def _by(actor: str) -> ColumnElement[bool]:
    """An id that is nobody's finds nothing, as one of another workspace does."""
    for prefix, column in ((ids.USER, COLUMNS.user_id), (ids.API_KEY, COLUMNS.api_key_id)):
        value: UUID | None = ids.decode(prefix, actor)
        if value is not None:
            found: ColumnElement[bool] = column == value
            return found
    return false()


def _text(name: str, value: str) -> str:
    if "\0" in value or len(value) > MAX_LENGTH:
        raise InvalidInput(f"{name} has at most {MAX_LENGTH} characters, without NUL.", (name,))
    return value
