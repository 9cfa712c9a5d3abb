"""`bizq worker`: one worker process, against DATABASE_URL and REDIS_URL."""

import asyncio

from app import settings
from app.actors import process
from app.db.guard import check_database, check_keys
from app.db.vault import Vault
from app.log import configure


def worker() -> None:
    """Do tasks: claim what is due, call the models, record results. Run as many of these as you like."""
    loaded = settings.load()
    configure(loaded)
    # Dramatiq would log what is missing and go on without a runner.
    vault = Vault(loaded.encryption_keys)
    asyncio.run(check_database(loaded))
    asyncio.run(check_keys(loaded, vault))
    process.serve(loaded)
