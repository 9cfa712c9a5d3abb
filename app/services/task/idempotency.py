"""The same request with the same key is done once. The key's row is in the transaction that does the work:

a repetition that comes while the first is under way waits at the row until that has committed or rolled back.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import func, literal, select, text, update
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.exc import DBAPIError

from app.errors import AppError, ErrorCode, InvalidInput
from app.models import IdempotencyKey
from app.services.task.draft import TaskDraft
from app.unit_of_work import UnitOfWork

MAX_KEY_LENGTH = 255
KEPT_FOR = timedelta(hours=24)
_WAIT = text("SELECT set_config('lock_timeout', '2s', true)")
_LOCK_NOT_AVAILABLE = "55P03"
_KEY = IdempotencyKey.__table__  # type: ignore[attr-defined]


class IdempotencyKeyMismatch(AppError):
    code = ErrorCode.IDEMPOTENCY_KEY_MISMATCH


class IdempotencyInProgress(AppError):
    code = ErrorCode.IDEMPOTENCY_IN_PROGRESS


def fingerprint(drafts: Sequence[TaskDraft]) -> bytes:
    """What makes two requests the same: every field of every draft."""
    plain = [asdict(draft) for draft in drafts]
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).digest()


async def begin(uow: UnitOfWork, key: str, print_: bytes) -> dict[str, Any] | None:
    """The stored answer of an earlier request with this key, or None: then this request is the first.

    Raises IdempotencyKeyMismatch for another input, IdempotencyInProgress when the first is still under way.
    """
    if not 1 <= len(key) <= MAX_KEY_LENGTH or "\0" in key:
        raise InvalidInput(f"idempotencyKey has 1 to {MAX_KEY_LENGTH} characters, without NUL.", ("idempotencyKey",))
    mine = {"workspace_id": uow.principal.workspace_id, "key": key, "fingerprint": print_}
    fresh = {"fingerprint": print_, "answer": None, "created_at": func.now()}
    statement = (
        pg.insert(_KEY)
        .values(mine)
        .on_conflict_do_update(
            index_elements=["workspace_id", "key"],
            set_=fresh,
            where=_KEY.c.created_at < func.now() - literal(KEPT_FOR),
        )
        .returning(_KEY.c.key)
    )
    await uow.session.execute(_WAIT)
    try:
        first = (await uow.session.execute(statement)).one_or_none()
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise IdempotencyInProgress(
            "The first request with this idempotencyKey has not finished; repeat it in a moment.", ("idempotencyKey",)
        ) from None
    if first is not None:
        return None
    stored = (await uow.session.execute(select(_KEY.c.fingerprint, _KEY.c.answer).where(*_own(uow, key)))).one()
    if stored.fingerprint != print_:
        raise IdempotencyKeyMismatch("This idempotencyKey was used with another input.", ("idempotencyKey",))
    answer: dict[str, Any] = stored.answer
    return answer


async def record(uow: UnitOfWork, key: str, answer: dict[str, Any]) -> None:
    """Keep the answer for whoever repeats the request."""
    await uow.session.execute(update(_KEY).where(*_own(uow, key)).values(answer=answer))


def _own(uow: UnitOfWork, key: str) -> tuple[Any, ...]:
    return _KEY.c.workspace_id == uow.principal.workspace_id, _KEY.c.key == key
