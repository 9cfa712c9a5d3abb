"""All fakes under one address, and the interface to make them fail and to see what they were asked.

SDK base URLs: `http://host:port/openai/v1` and `http://host:port/anthropic`.

- `POST /_faults` {"vendor", "kind", "times"?, "after"?, "delay"?, "retry_after"?, "status"?}: 201, the
  order as it was understood; 400 {"error"} for a wrong one. See `faults.FaultKind`.
- `DELETE /_faults`: 204, all orders forgotten.
- `GET /_requests`: per vendor the number of calls, tokens served, and the calls themselves.
"""

import dataclasses
import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from app.fakes import anthropic, openai
from app.fakes.faults import BadOrder, FaultQueue, parse_order
from app.fakes.journal import Journal


def create_app() -> Starlette:
    """A new set of fakes with its own orders (`state.faults`) and its own memory (`state.journal`)."""
    journal, faults = Journal(), FaultQueue()

    async def order_fault(request: Request) -> Response:
        try:
            fault = parse_order(json.loads(await request.body()))
        except (BadOrder, json.JSONDecodeError, UnicodeDecodeError) as error:
            return JSONResponse({"error": str(error)}, 400)
        faults.add(fault)
        return JSONResponse(dataclasses.asdict(fault), 201)

    async def forget_faults(_: Request) -> Response:
        faults.clear()
        return Response(status_code=204)

    async def show_requests(_: Request) -> Response:
        return JSONResponse(journal.as_json())

    app = Starlette(
        routes=[
            Route("/_faults", order_fault, methods=["POST"]),
            Route("/_faults", forget_faults, methods=["DELETE"]),
            Route("/_requests", show_requests, methods=["GET"]),
            Mount("/openai/v1", routes=openai.routes(journal, faults)),
            Mount("/anthropic", routes=anthropic.routes(journal, faults)),
        ]
    )
    app.state.journal = journal
    app.state.faults = faults
    return app
