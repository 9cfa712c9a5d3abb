import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import httpx
import uvicorn

from app.cli import live
from app.cli.client import Address, Client
from app.main import build_app
from app.settings import Settings
from tests.integration.cli.conftest import Bizq
from tests.integration.conftest import Tenant


@asynccontextmanager
async def api_at(settings: Settings, port: int) -> AsyncIterator[str]:
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(build_app(settings), log_config=None, ws="websockets-sansio", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await running


async def test_no_event_is_missed_over_a_restart_of_the_api(
    service_settings: Settings, tenant: Tenant, bizq: Bizq
) -> None:
    lost = asyncio.Event()
    async with httpx.AsyncClient() as http:
        async with api_at(service_settings, 0) as url:
            client = Client(Address(url, tenant.api_key), http)
            watching = live.events(client, live.Patience(60, lost.set))
            assert (await anext(watching))["kind"] == "SNAPSHOT"
            following = asyncio.create_task(anext(watching))
        await lost.wait()
        # Through another process of the API, while the watched one is away.
        missed = (await bizq("run", "text.summarize", "x", "--no-wait")).out.strip()
        async with api_at(service_settings, int(url.rpartition(":")[2])), aclosing(watching):
            event = await following

    assert (event["task"]["id"], event["seq"], event["kind"]) == (missed, 1, "CREATED")
