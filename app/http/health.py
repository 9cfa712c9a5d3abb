"""GET /healthz: the process answers. GET /readyz: it can serve, and if not, why."""

import asyncio

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request
from starlette.responses import JSONResponse

from app.db.guard import migration_head
from app.db.revision import expected_head
from app.events.hub import Hub

CHECK_SECONDS = 3.0


async def healthz(request: Request) -> JSONResponse:
    return JSONResponse({"status": "ok"})


class Readiness:
    """`database` and `migrations` must be right. Redis may be away: requests are served, only later."""

    def __init__(self, engine: AsyncEngine, hub: Hub) -> None:
        self._engine = engine
        self._hub = hub

    async def readyz(self, request: Request) -> JSONResponse:
        checks = {
            "database": "ok",
            "migrations": "ok",
            "redis": "ok" if self._hub.connected else "unreachable",
        }
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                head = await migration_head(self._engine)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            checks["database"] = checks["migrations"] = f"unreachable ({type(error).__name__})"
        else:
            if head != expected_head():
                checks["migrations"] = f"at {head}, expected {expected_head()}: run `bizq migrate`"
        ready = checks["database"] == checks["migrations"] == "ok"
        return JSONResponse({"status": "ready" if ready else "not ready", "checks": checks}, 200 if ready else 503)
