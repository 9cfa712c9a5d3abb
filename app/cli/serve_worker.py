"""`bizq worker`: one worker process, against DATABASE_URL and REDIS_URL."""

from app import settings
from app.actors import process
from app.log import configure


def worker() -> None:
    """Do tasks: claim what is due, call the models, record results. Run as many of these as you like."""
    loaded = settings.load()
    configure(loaded)
    process.serve(loaded)
