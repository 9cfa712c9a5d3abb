"""The bizq command. Each command is a module of this package."""

import sys

import typer

from app.cli import demo, migrate, schema, serve
from app.cli.console import fail
from app.errors import AppError

app = typer.Typer(
    name="bizq",
    help="Queue business tasks, let AI and people do them, watch every one live.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command()(serve.api)
app.command()(serve.worker)
app.command()(migrate.migrate)
app.command()(schema.schema)
app.command(hidden=True)(demo.demo)


def main() -> None:
    """Expected failures are one line and exit code 1."""
    try:
        app()
    except AppError as error:
        sys.exit(fail(error.message))


