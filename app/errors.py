"""Failures a caller can cause or must know of. Everything else is a bug and is masked at the edge."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """What kind of failure; the names are part of the public contract."""

    INVALID_INPUT = "INVALID_INPUT"
    NOT_FOUND = "NOT_FOUND"
    FORBIDDEN = "FORBIDDEN"
    CONFLICT = "CONFLICT"
    INVALID_STATE = "INVALID_STATE"
    INSUFFICIENT_CREDITS = "INSUFFICIENT_CREDITS"
    BUDGET_EXCEEDED = "BUDGET_EXCEEDED"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    IDEMPOTENCY_KEY_MISMATCH = "IDEMPOTENCY_KEY_MISMATCH"
    IDEMPOTENCY_IN_PROGRESS = "IDEMPOTENCY_IN_PROGRESS"
    INVALID_CREDENTIALS = "INVALID_CREDENTIALS"
    MFA_REQUIRED = "MFA_REQUIRED"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"


class AppError(Exception):
    """An expected failure. The message is shown to the caller; `path` names the input field at fault."""

    code: ErrorCode

    def __init__(self, message: str, path: tuple[str, ...] = ()) -> None:
        self.message = message
        self.path = path
        super().__init__(message)


class InvalidInput(AppError):
    code = ErrorCode.INVALID_INPUT


class NotFound(AppError):
    """Also the answer for what exists in another workspace: the two are indistinguishable."""

    code = ErrorCode.NOT_FOUND

    def __init__(self, kind: str, identifier: object, path: tuple[str, ...] = ("id",)) -> None:
        self.kind = kind
        self.identifier = identifier
        super().__init__(f"{kind} {identifier} does not exist in this workspace.", path)


class Forbidden(AppError):
    code = ErrorCode.FORBIDDEN


class Conflict(AppError):
    code = ErrorCode.CONFLICT


class InvalidState(AppError):
    code = ErrorCode.INVALID_STATE


class InvalidCredentials(AppError):
    code = ErrorCode.INVALID_CREDENTIALS


class MfaRequired(AppError):
    """The caller has a second factor and has not shown it, or not lately."""

    code = ErrorCode.MFA_REQUIRED


class LimitExceeded(AppError):
    """A limit of the service. `limit` and `actual` are in the unit the message names."""

    code = ErrorCode.LIMIT_EXCEEDED

    def __init__(self, message: str, *, limit: int, actual: int, path: tuple[str, ...] = ()) -> None:
        self.limit = limit
        self.actual = actual
        super().__init__(message, path)


class Unauthenticated(AppError):
    """No caller could be derived from the request: no token, a wrong one or an expired one."""

    code = ErrorCode.INVALID_CREDENTIALS
