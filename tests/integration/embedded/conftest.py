"""Servers of a test's own, which it may kill."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.embedded.data_dir import DataDir
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis

MakePostgres = Callable[[], EmbeddedPostgres]
MakeRedis = Callable[[], EmbeddedRedis]


@pytest.fixture
def home() -> Iterator[Path]:
    """Instead of `tmp_path`: another pytest of root's that starts meanwhile closes that to PostgreSQL's user."""
    folder = Path(tempfile.mkdtemp(prefix="bizq-test-"))
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def data(home: Path) -> Iterator[DataDir]:
    folder = DataDir(home)
    folder.open()
    yield folder
    folder.close()


@pytest.fixture
def make_postgres(data: DataDir) -> Iterator[MakePostgres]:
    """A durable server on the test's folder, as the next `bizq up` on it would make one."""
    made: list[EmbeddedPostgres] = []

    def make() -> EmbeddedPostgres:
        made.append(EmbeddedPostgres(data.path / "postgres", data.run, data.secrets(), ephemeral=False))
        return made[-1]

    yield make
    for server in made:
        server.stop()


@pytest.fixture
def make_redis(data: DataDir) -> Iterator[MakeRedis]:
    made: list[EmbeddedRedis] = []

    def make() -> EmbeddedRedis:
        made.append(EmbeddedRedis(data.path / "redis", data.run, data.secrets(), ephemeral=False))
        return made[-1]

    yield make
    for server in made:
        server.stop()
