"""What a caller may do is looked at again for as long as a connection lives, not only when it begins."""

import asyncio
from collections import defaultdict
from collections.abc import Callable

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app import clock
from app.errors import AppError
from app.events.hub import Hub
from app.principal import Permission, Person, Principal
from app.services.account.authenticate import Authenticator, Credentials
from app.unit_of_work import ACCESS_CHANNEL

log = structlog.get_logger(__name__)
# One look-up for each caller, however many connections they have: when somebody's access has been changed, and in case
# that news was lost.
RECHECK_SECONDS = 2.0
# Many changes in a row are one round.
PAUSE_SECONDS = 0.2


class LiveAccess:
    """Of one connection. `on_change` gets the caller with another role; `on_end` gets why access has ended."""

    def __init__(
        self,
        credentials: Credentials,
        caller: Principal | Person,
        on_change: Callable[[Principal], None],
        on_end: Callable[[str], None],
    ) -> None:
        self.credentials = credentials
        self._caller = caller
        self._on_change = on_change
        self._on_end = on_end
        self._expiry: asyncio.TimerHandle | None = None
        if caller.expires_at is not None:
            left = (caller.expires_at - clock.now()).total_seconds()
            self._expiry = asyncio.get_running_loop().call_later(left, on_end, "The access token has expired.")

    def found(self, caller: Principal | Person | None) -> None:
        """Who the credentials belong to now."""
        if caller is None or caller == self._caller or isinstance(self._caller, Person):
            # Who began in no workspace stays in none, also when they have joined one since.
            return
        self._caller = caller
        if isinstance(caller, Person):
            self.end("You do not belong to this workspace any more.")
        elif Permission.TASK_READ in caller.permissions:
            self._on_change(caller)
        else:
            self.end("The role does not allow to watch tasks any more.")

    def end(self, reason: str) -> None:
        self.forget()
        self._on_end(reason)

    def forget(self) -> None:
        if self._expiry is not None:
            self._expiry.cancel()


class AccessWatch:
    """One a process."""

    def __init__(self, authenticator: Authenticator, hub: Hub) -> None:
        self._authenticator = authenticator
        self._hub = hub
        self._live: defaultdict[Credentials, set[LiveAccess]] = defaultdict(set)
        self._rounds: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._rounds = asyncio.create_task(self._check_forever(), name="check access")

    async def stop(self) -> None:
        if self._rounds is not None:
            self._rounds.cancel()
            await asyncio.wait([self._rounds])

    def enter(self, access: LiveAccess) -> None:
        self._live[access.credentials].add(access)

    def leave(self, access: LiveAccess) -> None:
        access.forget()
        self._live[access.credentials].discard(access)
        if not self._live[access.credentials]:
            del self._live[access.credentials]

    async def _check_forever(self) -> None:
        async with self._hub.listen(ACCESS_CHANNEL) as news:
            while True:
                await news.wait(RECHECK_SECONDS)
                for credentials in list(self._live):
                    await self._check(credentials)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _check(self, credentials: Credentials) -> None:
        try:
            caller = await self._authenticator.caller(credentials, fresh=True)
        except AppError as error:
            for access in list(self._live.get(credentials, ())):
                access.end(error.message)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            log.warning("access not checked: the database does not answer", reason=type(error).__name__)
        except Exception:
            # The boundary of the task: without it nobody's access would be looked at again.
            log.exception("access check broke")
        else:
            for access in list(self._live.get(credentials, ())):
                access.found(caller)
