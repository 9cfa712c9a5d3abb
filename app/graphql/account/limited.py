"""What one address may do only so often."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from strawberry.extensions import FieldExtension

from app.graphql.account.types import AuthPayload
from app.graphql.context import Info
from app.graphql.errors import user_error
from app.principal import client_address
from app.services.limit.attempts import Attempt, TooManyAttempts


class Limited(FieldExtension):
    """Of a mutation with an AuthPayload: told like a lock-out, LIMIT_EXCEEDED with retryAt."""

    def __init__(self, attempt: Attempt) -> None:
        self._attempt = attempt

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        try:
            await info.context.resources.attempts.count(self._attempt, client_address.get())
        except TooManyAttempts as refused:
            return AuthPayload(retry_at=refused.retry_at, errors=[user_error(refused)])
        result = next_(source, info, **arguments)
        return await result if inspect.isawaitable(result) else result
