"""Where commands write: results to standard output, everything else to standard error."""

import sys
from typing import Any

import orjson
from rich.console import Console
from rich.markup import escape

# rich leaves colours out when the stream is not a terminal, and heeds NO_COLOR.
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def print_json(value: Any) -> None:
    """One JSON document, for programs."""
    sys.stdout.write(orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode() + "\n")


def fail(message: str) -> int:
    """Say what is wrong and what to do. Returns the exit code."""
    err.print(f"[bold red]error[/] {escape(message)}")
    return 1
