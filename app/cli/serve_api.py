"""`bizq api`: one API process, against DATABASE_URL and REDIS_URL."""

import asyncio

import uvicorn

from app import settings
from app.db.guard import check_database

SHUTDOWN_SECONDS = 30


def api() -> None:
    """Serve GraphQL on BIZQ_HOST:BIZQ_PORT. Run as many of these as you like."""
    loaded = settings.load()
    # uvicorn would show what is missing as a stack trace.
    loaded.require_service()
    asyncio.run(check_database(loaded))
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=loaded.bizq_host,
        port=loaded.bizq_port,
        loop="uvloop",
        http="httptools",
        ws="websockets-sansio",
        ws_max_size=65_536,
        ws_ping_interval=20,
        ws_ping_timeout=20,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        server_header=False,
        access_log=False,
        log_config=None,
    )
