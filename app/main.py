"""The API process: everything it has one of, put together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute

from app.db.engine import create_engine
from app.db.guard import check_role
from app.db.vault import Vault
from app.events.client import redis_client
from app.events.hub import Hub
from app.events.output import OutputLog
from app.graphql.access import AccessWatch
from app.graphql.context import Resources
from app.graphql.documents import limits_of
from app.graphql.http import GraphQLHTTP
from app.graphql.schema import schema
from app.graphql.sse import GraphQLSSE
from app.graphql.websocket import GraphQLWebSocket
from app.http.client_address import ClientAddress
from app.http.headers import SecurityHeaders
from app.http.health import Readiness, healthz
from app.http.jwks import Jwks
from app.queue.announcer import Announcer
from app.queue.broker import create_broker
from app.services.account.authenticate import Authenticator
from app.services.account.tokens import TokenSigner
from app.services.routing.configured import configured_models
from app.services.task.create import Intake
from app.services.task.log import task_feed
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory


def build_app(settings: Settings) -> Starlette:
    """`state.stopping` is an event to set when the process is told to go down, before its connections are closed."""
    engine = create_engine(settings)
    hub = Hub(settings.redis)
    announcer = Announcer(create_broker(settings.redis))
    redis = redis_client(settings.redis)
    signer = TokenSigner(settings.token_key, settings.bizq_token_seconds, settings.other_token_keys)
    vault = Vault(settings.encryption_keys)
    feed = task_feed(engine, hub)
    authenticator = Authenticator(engine, signer)
    access = AccessWatch(authenticator, hub)
    resources = Resources(
        settings=settings,
        query_limits=limits_of(settings),
        engine=engine,
        unit_of_work=UnitOfWorkFactory(engine, hub, announcer),
        authenticator=authenticator,
        signer=signer,
        vault=vault,
        intake=Intake(configured_models(settings), settings.bizq_max_input_bytes),
        hub=hub,
        feed=feed,
        output=OutputLog(redis),
        access=access,
        stopping=asyncio.Event(),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(engine.dispose)
            await check_role(engine)
            stack.push_async_callback(authenticator.close)
            stack.push_async_callback(redis.aclose)
            stack.push_async_callback(announcer.close)
            await hub.start()
            stack.push_async_callback(hub.stop)
            stack.push_async_callback(feed.stop)
            access.start()
            stack.push_async_callback(access.stop)
            yield

    readiness = Readiness(engine, hub)
    app = Starlette(
        routes=[
            Route("/graphql", GraphQLHTTP(resources)),
            WebSocketRoute("/graphql", GraphQLWebSocket(resources)),
            Route("/graphql/stream", GraphQLSSE(resources)),
            Route("/schema.graphql", _schema),
            Route("/.well-known/jwks.json", Jwks(signer).jwks),
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
                expose_headers=["X-Request-Id"],
            ),
        ],
        lifespan=lifespan,
    )
    app.state.stopping = resources.stopping
    return app


async def _schema(request: Request) -> PlainTextResponse:
    return PlainTextResponse(schema.as_str() + "\n")
