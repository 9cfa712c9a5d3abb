"""`bizq worker`: one worker process, against DATABASE_URL and REDIS_URL."""

import asyncio

from app import settings
from app.actors import process
from app.db.guard import check_database
from app.log import configure


def worker() -> None:
    """Do tasks: claim what is due, call the models, record results. Run as many of these as you like."""
    loaded = settings.load()
    configure(loaded)
    # Dramatiq would log what is missing and go on without a runner.
    asyncio.run(check_database(loaded))
    process.serve(loaded)
