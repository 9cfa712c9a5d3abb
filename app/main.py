"""The API process: everything it has one of, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, WebSocketRoute

from app.db.by_id import ById
from app.db.engine import create_engine
from app.db.guard import check_role
from app.db.hot import Hot
from app.db.vault import Vault
from app.events.call_slots import CallSlots
from app.events.circuits import SharedCircuits
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
from app.http.replicate_webhook import ReplicateWebhook
from app.http.sso import SsoRoutes
from app.integrations.configured import configured_mailer
from app.integrations.delivery import MailDelivery
from app.providers.identity.web import Web
from app.providers.own import Reach
from app.queue.announcer import Announcer
from app.queue.broker import create_broker
from app.services.account.authenticate import Authenticator
from app.services.account.external_tokens import ExternalTokens
from app.services.account.failed_sign_ins import FailedSignIns
from app.services.account.tokens import TokenSigner
from app.services.billing.events import billing_feed
from app.services.document.trusted import TrustedDocuments
from app.services.limit.attempts import Attempts
from app.services.limit.budget import Budgets
from app.services.limit.limiter import Limiter
from app.services.limit.throttle import Throttle
from app.services.provider.clients import OwnProviders
from app.services.routing.ceilings import Ceilings
from app.services.routing.configured import configured_models, fixed_models
from app.services.routing.health import ModelHealth
from app.services.routing.installation import Router
from app.services.sso.single_sign_on import SingleSignOn
from app.services.task.batch import TaskCreation
from app.services.task.log import task_feed
from app.services.task.plan import Intake
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory


def build_app(settings: Settings) -> Starlette:
    """`state.stopping` is an event to set when the process is told to go down, before its connections are closed."""
    engine, hot = create_engine(settings), Hot(settings)
    hub = Hub(settings.redis)
    announcer = Announcer(create_broker(settings.redis))
    mailer = MailDelivery(configured_mailer(settings))
    failed_sign_ins = FailedSignIns(engine)
    redis = redis_client(settings.redis)
    signer = TokenSigner(settings.token_key, settings.bizq_token_seconds, settings.other_token_keys)
    vault = Vault(settings.encryption_keys)
    feed = task_feed(hot, hub)
    billing_events = billing_feed(engine, hub)
    unit_of_work = UnitOfWorkFactory(engine, hub, announcer, mailer)
    web = Web()
    own_providers = OwnProviders(engine, vault, Reach.of(settings))
    external = ExternalTokens(engine, unit_of_work, vault, web, settings.bizq_token_issuers, settings.sign_up_micros)
    authenticator = Authenticator(engine, hot, signer, external)
    access = AccessWatch(authenticator, hub)
    buckets = SharedBuckets(settings.redis)
    limiter = Limiter(buckets)
    health = ModelHealth(SharedCircuits(redis), hub)
    ceilings = Ceilings(CallSlots(redis), settings.bizq_provider_concurrency, settings.bizq_provider_rate)
    router = Router(engine, configured_models(settings), fixed_models(settings), health.unhealthy)
    intake = Intake(router, settings.bizq_max_input_bytes)
    resources = Resources(
        settings=settings,
        query_limits=limits_of(settings),
        engine=engine,
        hot=hot,
        by_id=ById(hot),
        unit_of_work=unit_of_work,
        authenticator=authenticator,
        signer=signer,
        vault=vault,
        mailer=mailer,
        failed_sign_ins=failed_sign_ins,
        intake=intake,
        task_creation=TaskCreation(hot, unit_of_work, intake),
        hub=hub,
        feed=feed,
        billing_feed=billing_events,
        output=OutputLog(redis),
        access=access,
        throttle=Throttle(limiter, Budgets(settings)),
        attempts=Attempts(limiter, settings),
        documents=TrustedDocuments(engine),
        own_providers=own_providers,
        health=health,
        ceilings=ceilings,
        stopping=asyncio.Event(),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            await hot.start()
            stack.push_async_callback(hot.close)
            await check_role(engine)
            stack.push_async_callback(authenticator.close)
            stack.push_async_callback(failed_sign_ins.close)
            stack.push_async_callback(web.close)
            stack.push_async_callback(own_providers.aclose)
            stack.push_async_callback(redis.aclose)
            stack.push_async_callback(announcer.close)
            stack.push_async_callback(mailer.close)
            await buckets.start()
            stack.push_async_callback(buckets.stop)
            await hub.start()
            stack.push_async_callback(hub.stop)
            stack.push_async_callback(feed.stop)
            stack.push_async_callback(billing_events.stop)
            await health.start()
            stack.push_async_callback(health.stop)
            access.start()
            stack.push_async_callback(access.stop)
            yield

    sso: list[Route] = []
    if settings.bizq_api_url is not None:
        addresses = (settings.bizq_api_url, settings.allowed_origins)
        sso = SsoRoutes(SingleSignOn(engine, unit_of_work, vault, web, *addresses), resources.attempts).routes()
    webhooks: list[Route] = []
    if settings.replicate_webhook_secret is not None:
        secret = settings.replicate_webhook_secret.get_secret_value()
        webhooks = [ReplicateWebhook(secret, hub.publish).route()]
    readiness = Readiness(engine, hub)
    app = Starlette(
        routes=[
            Route("/graphql", KnownOrigins(GraphQLHTTP(resources), settings.allowed_origins)),
            WebSocketRoute("/graphql", KnownOrigins(GraphQLWebSocket(resources), settings.allowed_origins)),
            Route("/graphql/stream", KnownOrigins(GraphQLSSE(resources), settings.allowed_origins)),
            Route("/schema.graphql", SchemaFile(resources)),
            Route("/.well-known/jwks.json", Jwks(signer).jwks),
            *sso,
            *webhooks,
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
