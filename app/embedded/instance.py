"""Where a running embedded instance can be found: `<data dir>/instance.json`, readable by its owner only."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

_FILE = "instance.json"
_KEYS = {
    "pid": "pid",
    "url": "url",
    "api_key": "apiKey",
    "workspace_id": "workspaceId",
    "database_url": "databaseUrl",
    "database_owner_url": "databaseOwnerUrl",
    "redis_url": "redisUrl",
    "local_base_url": "localBaseUrl",
}


@dataclass(frozen=True, slots=True)
class Instance:
    """`local_base_url` is None where other providers are configured."""

    pid: int
    url: str
    api_key: str
    workspace_id: str
    database_url: str
    database_owner_url: str
    redis_url: str
    local_base_url: str | None


def write_instance(data_dir: Path, instance: Instance) -> None:
    fresh = data_dir / f"{_FILE}.new"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump({_KEYS[name]: value for name, value in asdict(instance).items()}, file, indent=2)
    fresh.replace(data_dir / _FILE)


def read_instance(data_dir: Path) -> Instance | None:
    """None where none runs: no file, or the supervisor that wrote it has ended."""
    try:
        values = json.loads((data_dir / _FILE).read_text())
        instance = Instance(**{name: values[key] for name, key in _KEYS.items()})
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return instance if psutil.pid_exists(instance.pid) else None


def remove_instance(data_dir: Path) -> None:
    (data_dir / _FILE).unlink(missing_ok=True)
