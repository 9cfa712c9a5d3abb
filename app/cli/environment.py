"""Commands that work on the database find a running embedded instance by its data folder."""

import os
from pathlib import Path

from app.embedded.data_dir import ENCRYPTION_KEY, TOKEN_KEY, DataDir
from app.embedded.instance import Instance, read_instance
from app.settings import Settings

PROVIDER_VARIABLES = (
    *("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "HUGGINGFACE_API_KEY", "REPLICATE_API_TOKEN"),
    "LOCAL_BASE_URL",
)


def data_dir() -> Path:
    """BIZQ_DATA_DIR. Read here: settings need not be complete to find an instance."""
    default: Path = Settings.model_fields["bizq_data_dir"].default
    return Path(os.environ.get("BIZQ_DATA_DIR") or default)


def running_instance() -> Instance | None:
    """The one in BIZQ_DATA_DIR."""
    return read_instance(data_dir())


def adopt_instance() -> None:
    """Fill what the environment leaves open from the running instance, before settings are loaded.

    The owner's address is taken only together with the database's: migrating one database and serving another would
    be worse than a missing variable. For the same reason `bizq up` must not call this: it starts instances.
    """
    instance = running_instance()
    if instance is None:
        return
    if not os.environ.get("DATABASE_URL"):
        os.environ["DATABASE_URL"] = instance.database_url
        os.environ["DATABASE_OWNER_URL"] = instance.database_owner_url
    if not os.environ.get("REDIS_URL"):
        os.environ["REDIS_URL"] = instance.redis_url
    secrets = DataDir(data_dir()).secrets()
    for name, key in (("BIZQ_TOKEN_KEY", secrets.get(TOKEN_KEY)), ("BIZQ_ENCRYPTION_KEY", secrets.get(ENCRYPTION_KEY))):
        if key and not os.environ.get(name):
            os.environ[name] = key
    if instance.local_base_url and not any(os.environ.get(name) for name in PROVIDER_VARIABLES):
        os.environ["LOCAL_BASE_URL"] = instance.local_base_url
