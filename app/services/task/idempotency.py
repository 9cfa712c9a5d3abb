"""The same request with the same key is done once. The key's row is in the transaction that does the work:

a repetition that comes while the first is under way waits at the row until that has committed or rolled back.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import bindparam, delete, func, literal, select, text, update
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


def check_key(key: str) -> None:
    """Raises InvalidInput."""
    if not 1 <= len(key) <= MAX_KEY_LENGTH or "\0" in key:
        raise InvalidInput(f"idempotencyKey has 1 to {MAX_KEY_LENGTH} characters, without NUL.", ("idempotencyKey",))


async def begin(uow: UnitOfWork, prints: Mapping[str, bytes]) -> dict[str, dict[str, Any] | AppError]:
    """For those keys that an earlier request had: its stored answer, or IdempotencyKeyMismatch for another input.

    The requests with the other keys are the first. Raises IdempotencyInProgress when one is under way elsewhere.
    """
    if not prints:
        return {}
    workspace_id = uow.principal.workspace_id
    # In one order, so that two transactions with the same keys do not wait for each other.
    mine = [{"workspace_id": workspace_id, "key": key, "fingerprint": prints[key]} for key in sorted(prints)]
    new = pg.insert(_KEY).values(mine)
    fresh = {"fingerprint": new.excluded.fingerprint, "answer": None, "created_at": func.now()}
    statement = new.on_conflict_do_update(
        index_elements=["workspace_id", "key"], set_=fresh, where=_KEY.c.created_at < func.now() - literal(KEPT_FOR)
    ).returning(_KEY.c.key)
    await uow.session.execute(_WAIT)
    try:
        first = set((await uow.session.execute(statement)).scalars())
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
            raise
        raise IdempotencyInProgress(
            "The first request with this idempotencyKey has not finished; repeat it in a moment.", ("idempotencyKey",)
        ) from None
    earlier = prints.keys() - first
    if not earlier:
        return {}
    stored = select(_KEY.c.key, _KEY.c.fingerprint, _KEY.c.answer).where(*_own(uow, earlier))
    return {
        row.key: row.answer if row.fingerprint == prints[row.key] else _mismatch()
        for row in await uow.session.execute(stored)
    }


async def record(uow: UnitOfWork, answers: Mapping[str, dict[str, Any]]) -> None:
    """Keep the answers for whoever repeats the requests."""
    if not answers:
        return
    statement = update(_KEY).where(_KEY.c.workspace_id == uow.principal.workspace_id, _KEY.c.key == bindparam("of"))
    rows = [{"of": key, "answer": answer} for key, answer in answers.items()]
    await (await uow.session.connection()).execute(statement, rows)


async def release(uow: UnitOfWork, keys: Collection[str]) -> None:
    """Leave them to requests that are right."""
    if keys:
        await uow.session.execute(delete(_KEY).where(*_own(uow, keys)))


def _mismatch() -> IdempotencyKeyMismatch:
    return IdempotencyKeyMismatch("This idempotencyKey was used with another input.", ("idempotencyKey",))


def _own(uow: UnitOfWork, keys: Collection[str]) -> tuple[Any, ...]:
    return _KEY.c.workspace_id == uow.principal.workspace_id, _KEY.c.key.in_(keys)
