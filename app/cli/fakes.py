"""`bizq fakes`: stand-ins for the AI vendors, speaking their HTTP APIs."""

import contextlib
import os
import shlex
import socket
from typing import Annotated

import typer
import uvicorn

from app.cli.console import err, out, print_json
from app.errors import AppError, ErrorCode
from app.fakes.app import create_app
from app.fakes.faults import FaultKind
from app.fakes.webhook import SECRET

HOST = "127.0.0.1"


class PortTaken(AppError):
    code = ErrorCode.CONFLICT


def fakes(
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where to listen on loopback; 0 chooses a free port.")
    ] = 8900,
    json: Annotated[bool, typer.Option("--json", help="Print the addresses as JSON.")] = False,
) -> None:
    """Serve fakes of OpenAI, Anthropic, Hugging Face and Replicate, and print the settings that lead to them.

    They answer from the words of the prompt, stream, count tokens, and fail
    when told to. Nothing leaves this machine.

    Example: bizq fakes --port 8900
    """
    listener = _listen(port)
    url = f"http://{HOST}:{listener.getsockname()[1]}"
    variables = environment(url)
    if json:
        print_json({"url": url, "environment": variables})
    else:
        for name, value in variables.items():
            out.print(f"{name}={value}")
        order = shlex.quote('{"vendor": "openai", "kind": "rate_limit", "retry_after": 2}')
        err.print(f"\nThe next call fails:  curl {url}/_faults -d {order}", markup=False)
        err.print(f"Kinds of faults:      {', '.join(FaultKind)}", markup=False)
        err.print(f"What was asked:       curl {url}/_requests", markup=False)
        err.print(f"What was served:      curl {url}/_served", markup=False)
    config = uvicorn.Config(create_app(), log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
    # Ctrl-C is how it ends; uvicorn raises it again after it has shut down.
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def environment(url: str) -> dict[str, str]:
    """The settings by variable. Any key will do that does not begin with `invalid`."""
    return {
        "OPENAI_BASE_URL": f"{url}/openai/v1",
        "OPENAI_API_KEY": "fake",
        "ANTHROPIC_BASE_URL": f"{url}/anthropic",
        "ANTHROPIC_API_KEY": "fake",
        "HUGGINGFACE_BASE_URL": f"{url}/huggingface/v1",
        "HUGGINGFACE_API_KEY": "fake",
        "REPLICATE_BASE_URL": f"{url}/replicate",
        "REPLICATE_API_TOKEN": "fake",
        "REPLICATE_WEBHOOK_SECRET": SECRET,
    }


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise PortTaken(f"Cannot listen on port {port} ({reason}). Choose another with --port.") from None
