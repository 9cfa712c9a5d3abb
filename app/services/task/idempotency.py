"""The same request with the same key is done once. The key's row is written by the statement that does the work
(accept_plain_tasks and accept_tasks, migrations 0020 and 0019): a repetition that comes while the first is under way
waits at it for its end.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict
from datetime import timedelta

import orjson

from app.errors import AppError, ErrorCode, InvalidInput
from app.services.task.draft import TaskDraft

MAX_KEY_LENGTH = 255
# accept_tasks says so too.
KEPT_FOR = timedelta(hours=24)


class IdempotencyKeyMismatch(AppError):
    code = ErrorCode.IDEMPOTENCY_KEY_MISMATCH

    def __init__(self) -> None:
        super().__init__("This idempotencyKey was used with another input.", ("idempotencyKey",))


class IdempotencyInProgress(AppError):
    code = ErrorCode.IDEMPOTENCY_IN_PROGRESS

    def __init__(self) -> None:
        super().__init__(
            "The first request with this idempotencyKey has not finished; repeat it in a moment.", ("idempotencyKey",)
        )


def fingerprint(drafts: Sequence[TaskDraft]) -> bytes:
    """What makes two requests the same: every field of every draft."""
    plain = [asdict(draft) for draft in drafts]
    return hashlib.sha256(orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)).digest()


def check_key(key: str) -> None:
    """Raises InvalidInput."""
    if not 1 <= len(key) <= MAX_KEY_LENGTH or "\0" in key:
        raise InvalidInput(f"idempotencyKey has 1 to {MAX_KEY_LENGTH} characters, without NUL.", ("idempotencyKey",))
