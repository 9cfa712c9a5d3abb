"""Work that is done again and again while a process lives."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

log = structlog.get_logger(__name__)


async def every(seconds: float, action: Callable[[], Awaitable[None]]) -> None:
    """Until cancelled, whatever the database does meanwhile."""
    while True:
        await asyncio.sleep(seconds)
        try:
            await action()
        except (SQLAlchemyError, OSError) as error:
            log.warning("the database does not answer; trying again", reason=type(error).__name__)
        except Exception:
            # Without it leases would run out, or due tasks would wait for ever.
            log.exception("periodic work broke; trying again")
