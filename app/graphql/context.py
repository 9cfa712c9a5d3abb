"""What a resolver can reach. No session among it: sibling fields run at the same time and could not share one."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias

from sqlalchemy.ext.asyncio import AsyncEngine
from strawberry.types import Info as StrawberryInfo

from app.db.by_id import ById
from app.db.hot import Fetch, Hot
from app.db.reader import Reader
from app.db.vault import Vault
from app.errors import Unauthenticated
from app.events.hub import Hub
from app.events.output import OutputLog
from app.graphql.access import AccessWatch
from app.graphql.guard import QueryLimits
from app.graphql.loaders import Loaders
from app.graphql.validation import Disclosure
from app.integrations.delivery import MailDelivery
from app.principal import Person, Principal, in_workspace
from app.services.account.authenticate import Authenticator, Credentials
from app.services.account.failed_sign_ins import FailedSignIns
from app.services.account.tokens import TokenSigner
from app.services.billing.events import BillingFeed
from app.services.document.trusted import TrustedDocuments
from app.services.limit.attempts import Attempts
from app.services.limit.throttle import Throttle
from app.services.provider.clients import OwnProviders
from app.services.routing.ceilings import Ceilings
from app.services.routing.health import ModelHealth
from app.services.task.batch import TaskCreation
from app.services.task.create import CreateRequest, Outcome
from app.services.task.draft import TaskDraft
from app.services.task.log import TaskFeed
from app.services.task.plan import Intake
from app.settings import Settings
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class Resources:
    """What a process has one of."""

    settings: Settings
    query_limits: QueryLimits
    engine: AsyncEngine
    hot: Hot
    by_id: ById
    unit_of_work: UnitOfWorkFactory
    authenticator: Authenticator
    signer: TokenSigner
    vault: Vault
    mailer: MailDelivery
    failed_sign_ins: FailedSignIns
    intake: Intake
    task_creation: TaskCreation
    hub: Hub
    feed: TaskFeed
    billing_feed: BillingFeed
    output: OutputLog
    access: AccessWatch
    documents: TrustedDocuments
    own_providers: OwnProviders
    health: ModelHealth
    ceilings: Ceilings
    throttle: Throttle
    attempts: Attempts
    # Set when the process goes down: who streams is to come back elsewhere.
    stopping: asyncio.Event


class Context:
    """Of one HTTP request, or of one socket with all its operations (`live`)."""

    def __init__(self, resources: Resources, request_id: str, *, live: bool) -> None:
        self.resources = resources
        self.request_id = request_id
        self._keep = not live
        self._caller: Principal | Person | None = None
        self._reader: Reader | None = None
        self._loaders: Loaders | None = None
        # Of a socket: what the handshake showed, then connection_init; and all that Strawberry read from the latter.
        self.credentials = Credentials(None, None)
        self.connection_params: dict[str, object] | None = None
        # Of a stream of server-sent events: where the client was, and what the event is called that is sent next.
        self.last_event_id: str | None = None
        self.event_id: str | None = None

    def enter(self, caller: Principal | Person | None) -> None:
        self._caller = caller
        if caller is not None:
            self._reader = Reader(self.resources.engine, caller, keep=self._keep)
            by_id, vault = self.resources.by_id, self.resources.vault
            self._loaders = Loaders(self._reader, by_id, caller, vault, cache=self._keep)

    @property
    def caller(self) -> Principal | Person | None:
        """None when anonymous, a Person where no workspace is named and there is not just one."""
        return self._caller

    @property
    def principal(self) -> Principal:
        """The caller in their workspace."""
        return in_workspace(self._signed_in())

    @property
    def person(self) -> Person:
        """The caller apart from any workspace. Raises Forbidden for an API key."""
        return self._signed_in().person

    @property
    def disclosure(self) -> Disclosure:
        return Disclosure(introspection=self._caller is not None, suggestions=self.resources.settings.bizq_suggestions)

    @property
    def reader(self) -> Reader:
        """Shows a caller without a workspace their own row only."""
        self._signed_in()
        assert self._reader is not None
        return self._reader

    @property
    def fetch(self) -> Fetch:
        """For single statements, in the caller's workspace."""
        return self.resources.hot.of(self.principal)

    @property
    def loaders(self) -> Loaders:
        self._signed_in()
        assert self._loaders is not None
        return self._loaders

    def _signed_in(self) -> Principal | Person:
        if self._caller is None:
            raise Unauthenticated("Sign in, or send an API key: Authorization: Bearer <token>.")
        return self._caller

    @asynccontextmanager
    async def unit_of_work(self) -> AsyncIterator[UnitOfWork]:
        """Ends the request's read transaction first: one request never holds two connections."""
        async with self.unit_of_work_as(self.principal) as uow:
            yield uow

    @asynccontextmanager
    async def unit_of_work_as(self, caller: Principal | Person) -> AsyncIterator[UnitOfWork]:
        """In another workspace than the request's, such as one that is being made, or in none."""
        await self.reader.close()
        async with self.resources.unit_of_work(caller) as uow:
            yield uow
        # What was read before the change is not the truth any more; nor is, on a socket, the caller's role as it was.
        self.enter(self._caller)

    async def create_tasks(self, drafts: Sequence[TaskDraft], key: str | None, *, keep_errors: bool) -> Outcome:
        """In a transaction that may be shared with other requests."""
        request = CreateRequest(self.principal, drafts, key, keep_errors)
        await self.reader.close()
        outcome = await self.resources.task_creation.create(request)
        self.enter(self._caller)
        return outcome

    async def close(self) -> None:
        """Keep no connection while something else is done than reading."""
        if self._reader is not None:
            await self._reader.close()

    async def end(self) -> None:
        """When the request has been answered. Fields beside one that failed may still be running."""
        self._keep = False
        if self._reader is not None:
            await self._reader.end()


Info: TypeAlias = StrawberryInfo[Context, None]
