"""`bizq migrate`: bring the database to this version."""

import asyncio
from typing import Annotated

import typer
from alembic.util.exc import CommandError

from app import settings
from app.cli.console import err, fail
from app.db import revision
from app.services.template.built_in import publish_built_in


def migrate(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing: fail if models and migrations differ.")
    ] = False,
) -> None:
    """Create or upgrade the tables, as the owner (DATABASE_OWNER_URL, else DATABASE_URL)."""
    loaded = settings.load()
    if check:
        try:
            revision.check()
        except CommandError as error:
            raise typer.Exit(fail(f'{error}. Write a migration: make migration m="…"')) from None
        err.print("models and migrations are in step")
        return
    revision.upgrade()
    published = asyncio.run(publish_built_in(loaded.owner_database_url))
    err.print(f"database is at {revision.expected_head()}; {published} built-in templates published")
