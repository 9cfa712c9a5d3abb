"""The bizq command. Each command is a function of the same name in a module of this package."""

import importlib
import sys

import typer

from app.cli.console import fail
from app.errors import AppError

# A command's module is imported when it is asked for: importing what all of them need takes longer than most run.
COMMANDS = {
    "up": "up",
    "api": "serve_api",
    "worker": "serve_worker",
    "migrate": "migrate",
    "schema": "schema",
}
HIDDEN = {"demo": "demo"}


def main() -> None:
    """Expected failures are one line and exit code 1."""
    try:
        build(sys.argv[1:2])()
    except AppError as error:
        sys.exit(fail(error.message))


def build(asked: list[str]) -> typer.Typer:
    """The command asked for; all of them for `--help` and for a word that is none."""
    app = typer.Typer(
        name="bizq",
        help="Queue business tasks, let AI and people do them, watch every one live.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    # Without a callback typer takes a single command for the whole program.
    app.callback()(_no_options)
    every = COMMANDS | HIDDEN
    for name in asked if asked and asked[0] in every else every:
        module = importlib.import_module(f"app.cli.{every[name]}")
        app.command(name, hidden=name in HIDDEN)(getattr(module, name))
    return app


def _no_options() -> None:
    """Queue business tasks, let AI and people do them, watch every one live."""
