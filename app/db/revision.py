"""The migrations that belong to this code, and how to run them."""

from functools import lru_cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

# Beside the package in a checkout, and in an installed wheel too.
_MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config


@lru_cache(maxsize=1)
def expected_head() -> str | None:
    """The revision that this code works with."""
    return ScriptDirectory.from_config(_config()).get_current_head()


def upgrade() -> None:
    """Bring the database of the settings to the head. Blocks; runs its own event loop."""
    command.upgrade(_config(), "head")


def check() -> None:
    """Raises alembic's CommandError when the models and the migrated database differ."""
    command.check(_config())


def downgrade() -> None:
    """Take every migration back, and with them every row."""
    command.downgrade(_config(), "base")


def write(number: str, name: str, message: str) -> Path:
    """A new migration file `<name>.py` with what the models have and the database of the settings does not."""
    config = _config()
    config.set_main_option("file_template", name)
    command.revision(config, message=message, rev_id=number, autogenerate=True)
    return _MIGRATIONS / "versions" / f"{name}.py"
