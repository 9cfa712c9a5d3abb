"""The API process: everything it has one of, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from app.db.engine import create_engine
from app.db.guard import check_role
from app.db.vault import Vault
from app.events.client import redis_client
from app.events.hub import Hub
from app.events.output import OutputLog
from app.events.shared_buckets import SharedBuckets
from app.graphql.access import AccessWatch
from app.graphql.context import Resources
from app.graphql.cost import HEADERS as COST_HEADERS
from app.graphql.documents import limits_of
from app.graphql.http import GraphQLHTTP
from app.graphql.schema_file import SchemaFile
from app.graphql.sse import GraphQLSSE
from app.graphql.websocket import GraphQLWebSocket
from app.http.boundary import Boundary
from app.http.client_address import ClientAddress
from app.http.headers import SecurityHeaders
from app.http.health import Readiness, healthz
from app.http.jwks import Jwks
from app.http.origin import KnownOrigins
from app.http.sso import SsoRoutes
from app.integrations.configured import configured_mailer
from app.integrations.delivery import MailDelivery
from app.providers.identity.web import Web
from app.queue.announcer import Announcer
from app.queue.broker import create_broker
from app.services.account.authenticate import Authenticator
from app.services.account.external_tokens import ExternalTokens
from app.services.account.failed_sign_ins import FailedSignIns
from app.services.account.tokens import TokenSigner
from app.services.document.trusted import TrustedDocuments
from app.services.limit.attempts import Attempts
from app.services.limit.budget import Budgets
from app.services.limit.limiter import Limiter
from app.services.limit.throttle import Throttle
from app.services.routing.configured import configured_models
from app.services.sso.single_sign_on import SingleSignOn
from app.services.task.create import Intake
from app.services.task.log import task_feed
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory


def build_app(settings: Settings) -> Starlette:
    """`state.stopping` is an event to set when the process is told to go down, before its connections are closed."""
    engine = create_engine(settings)
    hub = Hub(settings.redis)
    announcer = Announcer(create_broker(settings.redis))
    mailer = MailDelivery(configured_mailer(settings))
    failed_sign_ins = FailedSignIns(engine)
    redis = redis_client(settings.redis)
    signer = TokenSigner(settings.token_key, settings.bizq_token_seconds, settings.other_token_keys)
    vault = Vault(settings.encryption_keys)
    feed = task_feed(engine, hub)
    unit_of_work = UnitOfWorkFactory(engine, hub, announcer, mailer)
    web = Web()
    external = ExternalTokens(engine, unit_of_work, vault, web, settings.bizq_token_issuers)
    authenticator = Authenticator(engine, signer, external)
    access = AccessWatch(authenticator, hub)
    buckets = SharedBuckets(settings.redis)
    limiter = Limiter(buckets)
    resources = Resources(
        settings=settings,
        query_limits=limits_of(settings),
        engine=engine,
        unit_of_work=unit_of_work,
        authenticator=authenticator,
        signer=signer,
        vault=vault,
        mailer=mailer,
        failed_sign_ins=failed_sign_ins,
        intake=Intake(configured_models(settings), settings.bizq_max_input_bytes),
        hub=hub,
        feed=feed,
        output=OutputLog(redis),
        access=access,
        throttle=Throttle(limiter, Budgets(settings)),
        attempts=Attempts(limiter, settings),
        documents=TrustedDocuments(engine),
        stopping=asyncio.Event(),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            await check_role(engine)
            stack.push_async_callback(authenticator.close)
            stack.push_async_callback(failed_sign_ins.close)
            stack.push_async_callback(web.close)
            stack.push_async_callback(redis.aclose)
            stack.push_async_callback(announcer.close)
            stack.push_async_callback(mailer.close)
            await buckets.start()
            stack.push_async_callback(buckets.stop)
            await hub.start()
            stack.push_async_callback(hub.stop)
            stack.push_async_callback(feed.stop)
            access.start()
            stack.push_async_callback(access.stop)
            yield

    sso: list[Route] = []
    if settings.bizq_api_url is not None:
        addresses = (settings.bizq_api_url, settings.allowed_origins)
        sso = SsoRoutes(SingleSignOn(engine, unit_of_work, vault, web, *addresses), resources.attempts).routes()
    readiness = Readiness(engine, hub)
    app = Starlette(
        routes=[
            Route("/graphql", KnownOrigins(GraphQLHTTP(resources), settings.allowed_origins)),
            WebSocketRoute("/graphql", KnownOrigins(GraphQLWebSocket(resources), settings.allowed_origins)),
            Route("/graphql/stream", KnownOrigins(GraphQLSSE(resources), settings.allowed_origins)),
            Route("/schema.graphql", SchemaFile(resources)),
            Route("/.well-known/jwks.json", Jwks(signer).jwks),
            *sso,
            Route("/healthz", healthz),
            Route("/readyz", readiness.readyz),
        ],
        middleware=[
            Middleware(ClientAddress),
            Middleware(SecurityHeaders),
            Middleware(
                CORSMiddleware,
                allow_origins=settings.allowed_origins,
                allow_credentials=True,
                allow_methods=["GET", "POST"],
                allow_headers=["Authorization", "Content-Type", "X-Workspace-Id", "Last-Event-ID"],
                expose_headers=["X-Request-Id", "Retry-After", "WWW-Authenticate", *COST_HEADERS],
            ),
            Middleware(Boundary),
        ],
        lifespan=lifespan,
    )
    app.state.stopping = resources.stopping
    return app
