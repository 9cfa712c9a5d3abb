"""`bizq api`: one API process, against DATABASE_URL and REDIS_URL."""

import asyncio
import gc
import socket
from types import FrameType

import uvicorn
from starlette.applications import Starlette

from app import settings
from app.db.guard import check_database, check_keys
from app.db.vault import Vault
from app.http.websocket_protocol import WebSocketProtocol
from app.log import configure
from app.main import build_app

SHUTDOWN_SECONDS = 25
# What a client that does not read may leave unsent in the kernel; what is on its way is not counted.
UNSENT_BYTES = 4_096


def api() -> None:
    """Serve GraphQL on BIZQ_HOST:BIZQ_PORT. Run as many of these as you like."""
    loaded = settings.load()
    # uvicorn would show what is missing as a stack trace.
    loaded.require_service()
    asyncio.run(check_database(loaded))
    asyncio.run(check_keys(loaded, Vault(loaded.encryption_keys)))
    configure(loaded)
    config = uvicorn.Config(
        build_app(loaded),
        host=loaded.bizq_host,
        port=loaded.bizq_port,
        loop="uvloop",
        http="httptools",
        ws=WebSocketProtocol,
        ws_max_size=65_536,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        # An event is small, and its encoding is shared by all who watch: compressing it for each would cost more.
        ws_per_message_deflate=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        forwarded_allow_ips=list(loaded.bizq_trusted_proxies),
        access_log=False,
        log_config=None,
    )
    listener = config.bind_socket()
    # Inherited by every connection that it accepts.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
    # What has been loaded stays: to look through it for garbage would stop the process for 0.2 s each time.
    gc.collect()
    gc.freeze()
    Server(config).run(sockets=[listener])


class Server(uvicorn.Server):
    """uvicorn's, which closes sockets with 1012 when told to stop; streams of server-sent events are told here."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would raise the signal again in the end, as if we had not stopped in order. Asked twice, do not wait.
        self.force_exit = self.should_exit
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        if isinstance(app, Starlette):
            app.state.stopping.set()
        await super().shutdown(sockets)
