"""`python -m tests.migrations_in_step`: up, down, up on an empty PostgreSQL, then: do models and migrations agree?

With `--write "message"` it writes the migration that brings them together instead.
"""

import argparse
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from alembic.util.exc import CommandError

from app.db import revision
from app.embedded.data_dir import DataDir
from app.embedded.postgres import EmbeddedPostgres


@contextmanager
def empty_database() -> Iterator[None]:
    """As DATABASE_OWNER_URL of this process, which must not have loaded its settings before."""
    folder = Path(tempfile.mkdtemp(prefix="bizq-migrations-"))
    data = DataDir(folder)
    data.open()
    postgres = EmbeddedPostgres(data.path / "postgres", data.run, data.secrets(), ephemeral=True)
    try:
        postgres.start()
        os.environ["DATABASE_URL"] = postgres.app_url
        os.environ["DATABASE_OWNER_URL"] = postgres.owner_url
        yield
    finally:
        postgres.stop()
        data.close()
        shutil.rmtree(folder)


def check() -> None:
    """Raises alembic's CommandError where they differ."""
    revision.upgrade()
    revision.downgrade()
    revision.upgrade()
    revision.check()


def write(message: str) -> Path:
    """A migration from the models. Read it before you commit it: alembic sees no policies, grants or functions."""
    revision.upgrade()
    number = int(revision.expected_head() or "0") + 1
    slug = re.sub(r"[^a-z0-9]+", "_", message.lower()).strip("_")
    return revision.write(f"{number:04}", f"{datetime.now(UTC):%Y%m%d}_{number:04}_{slug}", message)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", metavar="MESSAGE", help="write the migration that is missing")
    message = parser.parse_args().write
    with empty_database():
        try:
            if message:
                print(f"wrote {write(message)}")
            else:
                check()
                print("models and migrations are in step; up, down, up works")
        except CommandError as error:
            print(f'{error} Write a migration: make migration m="…"', file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
