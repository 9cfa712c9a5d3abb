"""All fakes under one address, and the interface to make them fail and to see what they were asked.

Base URLs: `http://host:port/openai/v1`, `/anthropic`, `/huggingface/v1` and `/replicate`.

- `POST /_faults` {"vendor", "kind", "times"?, "after"?, "delay"?, "retry_after"?, "status"?}: 201, the
  order as it was understood; 400 {"error"} for a wrong one. See `faults.FaultKind`.
- `DELETE /_faults`: 204, all orders forgotten.
- `GET /_requests`: per vendor what it served, and the last calls themselves.
- `GET /_served`: per vendor {"calls", "refused", "open", "input_tokens", "cached_input_tokens", "output_tokens"}, over
  all calls ever, to be compared with what was charged.
"""

import dataclasses
import json

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from app.fakes import anthropic, huggingface, openai
from app.fakes.faults import BadOrder, FaultQueue, parse_order
from app.fakes.journal import Journal
from app.fakes.replicate import ReplicateFake


def create_app() -> Starlette:
    """A new set of fakes with its own orders (`state.faults`), its own memory (`state.journal`) and the
    predictions of Replicate's (`state.replicate`)."""
    journal, faults = Journal(), FaultQueue()
    replicate = ReplicateFake(journal, faults)

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

    async def show_served(_: Request) -> Response:
        return JSONResponse(journal.served_as_json())

    app = Starlette(
        routes=[
            Route("/_faults", order_fault, methods=["POST"]),
            Route("/_faults", forget_faults, methods=["DELETE"]),
            Route("/_requests", show_requests, methods=["GET"]),
            Route("/_served", show_served, methods=["GET"]),
            Mount("/openai/v1", routes=openai.routes(journal, faults)),
            Mount("/anthropic", routes=anthropic.routes(journal, faults)),
            Mount("/huggingface/v1", routes=huggingface.routes(journal, faults)),
            Mount("/replicate", routes=replicate.routes()),
        ]
    )
    app.state.journal = journal
    app.state.faults = faults
    app.state.replicate = replicate
    return app
