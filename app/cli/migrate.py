"""`bizq migrate`: bring the database to this version."""

import asyncio

from app import settings
from app.cli.console import err
from app.db import revision
from app.db.guard import check_owner
from app.services.template.built_in import publish_built_in


def migrate() -> None:
    """Create or upgrade the tables, as the owner (DATABASE_OWNER_URL, else DATABASE_URL)."""
    loaded = settings.load()
    asyncio.run(check_owner(loaded))
    revision.upgrade()
    published = asyncio.run(publish_built_in(loaded.owner_database_url))
    err.print(f"database is at {revision.expected_head()}; {published} built-in templates published")
