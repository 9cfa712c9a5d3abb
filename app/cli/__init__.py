"""The bizq command. Each command is in a module of this package."""

import importlib
import sys

import typer

from app.cli.console import fail
from app.cli.environment import adopt_instance
from app.errors import AppError
from app.settings import read_env_file

# Where each command is. A module is imported when its command is asked for: importing what all of them need takes
# longer than most of them run.
COMMANDS = {
    "up": "up:up",
    "api": "serve_api:api",
    "worker": "serve_worker:worker",
    "migrate": "migrate:migrate",
    "run": "run:run",
    "watch": "watch:watch",
    "task": "task:app",
    "seed": "seed:seed",
    "fakes": "fakes:fakes",
    "doctor": "doctor:doctor",
    "workspace": "workspace:app",
    "user": "user:app",
    "sso": "sso:app",
    "keys": "keys:app",
    "audit": "audit:app",
    "credits": "credits:app",
    "ledger": "ledger:app",
    "models": "models:app",
    "providers": "providers:providers",
    "documents": "trusted_documents:app",
    "schema": "schema:schema",
}
HIDDEN = {"demo": "demo:demo"}
# These work on database and Redis themselves; without addresses they use those of a running instance.
ON_THE_DATABASE = {
    "api", "worker", "migrate", "seed", "doctor", "workspace", "keys", "user", "audit", "sso", "documents",
    "credits", "ledger", "models", "providers",
}  # fmt: skip


def main() -> None:
    """Expected failures are one line and exit code 1."""
    asked = sys.argv[1:2]
    read_env_file()
    try:
        if not ON_THE_DATABASE.isdisjoint(asked):
            adopt_instance()
        build(asked)()
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
        module, _, attribute = every[name].partition(":")
        command = getattr(importlib.import_module(f"app.cli.{module}"), attribute)
        if isinstance(command, typer.Typer):
            app.add_typer(command, name=name)
        else:
            app.command(name, hidden=name in HIDDEN)(command)
    return app


def _no_options() -> None:
    """Queue business tasks, let AI and people do them, watch every one live."""
