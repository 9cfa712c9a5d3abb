"""The only place that turns our errors into answers: into a payload's `errors`, or into a top-level code."""

import inspect
import re
from collections.abc import Awaitable, Callable
from typing import Any

import strawberry
import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from strawberry.extensions import FieldExtension
from strawberry.schema.exceptions import CannotGetOperationTypeError
from strawberry.types import Info
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from app.db.availability import is_unavailable
from app.errors import AppError, ErrorCode, Forbidden, LimitExceeded, NotFound, Unauthenticated
from app.graphql.enums import described
from app.graphql.guard import QueryTooComplex
from app.graphql.scalars import BigInt
from app.graphql.trusted import DocumentNotTrusted, DocumentUnknown
from app.graphql.wording import without_values
from app.services.billing.ledger import BudgetExceeded, InsufficientCredits
from app.services.limit.throttle import Throttled

log = structlog.get_logger(__name__)

INTERNAL = "INTERNAL"
THROTTLED = "THROTTLED"
# How graphql-core begins its complaint about a value sent in `variables`.
_BAD_VARIABLE = re.compile(r"Variable '\$\w+' has invalid value")
UNAVAILABLE_MESSAGE = (
    "The database does not answer at the moment. Repeat the request, with the same idempotencyKey if any."
)
UNEXPECTED = "Something went wrong on our side. Quote the requestId if you report it."

ErrorCodeType = described(
    ErrorCode,
    "What kind of failure an error in a payload is. Stable: branch on it, not on the message.",
    {
        "INVALID_INPUT": "A value is wrong; path names it.",
        "NOT_FOUND": "There is nothing with this id in the workspace.",
        "FORBIDDEN": "The caller's role or scopes do not allow it.",
        "CONFLICT": "It collides with something that exists.",
        "INVALID_STATE": "It cannot be done in the present state.",
        "INSUFFICIENT_CREDITS": "The workspace has not enough credits.",
        "BUDGET_EXCEEDED": "A budget would be exceeded.",
        "LIMIT_EXCEEDED": "A limit of the service would be exceeded; the error names limit and actual value.",
        "IDEMPOTENCY_KEY_MISMATCH": "The idempotency key was used with another input.",
        "IDEMPOTENCY_IN_PROGRESS": "The first request with this idempotency key has not finished yet.",
        "INVALID_CREDENTIALS": "E-mail address, password or code is wrong.",
        "MFA_REQUIRED": "A second factor is needed.",
        "PROVIDER_UNAVAILABLE": "No AI provider can do it at present.",
    },
)


@strawberry.interface(description="Why a mutation did not do what was asked. Nothing has changed.")
class UserError:
    message: str = strawberry.field(description="For people: what is wrong and what to do.")
    code: ErrorCodeType = strawberry.field(description="For programs: what kind of failure it is.")  # type: ignore[valid-type]
    path: list[str] | None = strawberry.field(
        description='Where in the arguments, such as ["input", "type"]; null where no value is at fault.'
    )


@strawberry.type(description="A failure that has no more to tell than its code, message and path.")
class GenericError(UserError):
    pass


@strawberry.type(description="There are not enough credits, or a budget has not enough left, for what it may cost.")
class CreditsError(UserError):
    required_micros: BigInt = strawberry.field(description="What it may cost at most, in micro-credits.")
    available_micros: BigInt = strawberry.field(description="What is available, in micro-credits.")


@strawberry.type(description="A limit of the service would be exceeded.")
class LimitError(UserError):
    limit: BigInt = strawberry.field(description="The limit, in the unit that the message names.")
    actual: BigInt = strawberry.field(description="What was given, in the same unit.")


def user_error(error: AppError, prefix: tuple[str, ...] = ()) -> UserError:
    """`prefix` leads from the mutation's arguments to the value that the error's path starts in."""
    path = [*prefix, *error.path] if error.path else None
    if isinstance(error, LimitExceeded):
        return LimitError(
            message=error.message,
            code=error.code,
            path=path,
            limit=BigInt(error.limit),
            actual=BigInt(error.actual),
        )
    if isinstance(error, InsufficientCredits | BudgetExceeded):
        return CreditsError(
            message=error.message,
            code=error.code,
            path=path,
            required_micros=BigInt(error.required),
            available_micros=BigInt(error.available),
        )
    return GenericError(message=error.message, code=error.code, path=path)


class PayloadErrors(FieldExtension):
    """Puts what a mutation raises into its payload. A missing or wrong login stays a top-level error."""

    def __init__(self, *prefix: str) -> None:
        self._prefix = prefix

    def apply(self, field: StrawberryField) -> None:
        self._field = field

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        try:
            result = next_(source, info, **arguments)
            return await result if inspect.isawaitable(result) else result
        except Unauthenticated:
            raise
        except AppError as error:
            payload: Any = self._field.type
            beside = {to_camel_case(name) for name in arguments} - set(self._prefix)
            prefix = () if error.path[:1] and error.path[0] in beside else self._prefix
            return payload(errors=[user_error(error, prefix)])


def publish(error: GraphQLError, request_id: str) -> None:
    """Make a top-level error fit to be seen: code and request id in its extensions, nothing of a bug's message."""
    original = error.original_error
    extensions: dict[str, Any] = {"code": top_level_code(error), "requestId": request_id}
    if isinstance(original, AppError):
        extensions |= {"path": list(original.path)} if original.path else {}
        if isinstance(original, LimitExceeded):
            extensions |= {"limit": original.limit, "actual": original.actual}
        if isinstance(original, Throttled):
            extensions |= throttling(original)
        if isinstance(original, QueryTooComplex):
            extensions["limitName"] = original.name
    elif is_unavailable(original):
        error.message = UNAVAILABLE_MESSAGE
        extensions["retryable"] = True
        log.warning("not answered: the database does not answer", request_id=request_id, reason=type(original).__name__)
    elif extensions["code"] == INTERNAL:
        error.message = UNEXPECTED
        log.error("unexpected error", request_id=request_id, field=error.path, exc_info=original)
    else:
        error.message = without_values(error)
    error.extensions = extensions


def throttling(error: Throttled) -> dict[str, Any]:
    """What the error's `extensions` say, for whoever wants to come back in time."""
    return {"limit": error.limit, "cost": error.cost, "retryAfterSeconds": error.retry_after}


def top_level_code(error: GraphQLError) -> str:
    original = error.original_error
    match original:
        case Unauthenticated():
            return "UNAUTHENTICATED"
        case Forbidden():
            return "FORBIDDEN"
        case NotFound():
            return "NOT_FOUND"
        case Throttled():
            return THROTTLED
        case DocumentUnknown():
            return "PERSISTED_QUERY_NOT_FOUND"
        case DocumentNotTrusted():
            return "DOCUMENT_NOT_TRUSTED"
        case QueryTooComplex():
            return "QUERY_TOO_COMPLEX"
        case AppError() | CannotGetOperationTypeError():
            return "BAD_USER_INPUT"
        case GraphQLError() | None:
            return _language_code(error)
        case _:
            # Without a path nothing has run: a literal is too much for its scalar's parser.
            return _language_code(error) if error.path is None and error.locations else INTERNAL


def _language_code(error: GraphQLError) -> str:
    """graphql-core tells phases apart only by what an error carries: a source position, then a path."""
    if isinstance(error, GraphQLSyntaxError):
        return "GRAPHQL_PARSE_FAILED"
    if error.path is not None:
        return INTERNAL
    return "BAD_USER_INPUT" if _BAD_VARIABLE.match(error.message) else "GRAPHQL_VALIDATION_FAILED"
