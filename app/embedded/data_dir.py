"""The folder of an embedded instance: one supervisor at a time, secrets made once."""

import base64
import fcntl
import json
import os
import secrets
from pathlib import Path

from app.errors import AppError, ErrorCode

# The name under which the secrets hold the key that signs access tokens.
TOKEN_KEY = "token_key"  # noqa: S105  a name, not a secret
ENCRYPTION_KEY = "encryption_key"


class EmbeddedError(AppError):
    """The embedded instance cannot start. The message says what to do."""

    code = ErrorCode.INVALID_STATE


class DataDir:
    """`<path>/{postgres,redis,run,logs}`, `secrets.json`, `instance.json` and the lock."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.run = self.path / "run"
        self.logs = self.path / "logs"
        self._lock: int | None = None

    def open(self) -> None:
        """Create it and take its lock, which the kernel releases when this process ends, however it ends."""
        try:
            for folder in (self.path, self.run, self.logs):
                folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise EmbeddedError(
                f"Cannot write to the data folder {self.path} ({error.strerror}). "
                "Set BIZQ_DATA_DIR to a folder that you may write to."
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedError(
                f"Another `bizq up` is running on {self.path}. Stop it, or set BIZQ_DATA_DIR to another folder."
            ) from None

    def close(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def secrets(self) -> "Secrets":
        """Those of this folder; made at the first start."""
        return Secrets(self.path / "secrets.json")


class Secrets:
    """Passwords and keys by name, in a file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._values: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
            if not all(isinstance(value, str) for value in self._values.values()):
                raise ValueError
        except (ValueError, AttributeError):
            raise EmbeddedError(
                f"{path} is damaged. Restore it, or remove the data folder to begin anew (this deletes its data)."
            ) from None

    def get(self, name: str) -> str | None:
        return self._values.get(name)

    def password(self, name: str) -> str:
        return self._values.get(name) or self.put(name, secrets.token_urlsafe(24))

    def key(self, name: str) -> str:
        """32 random bytes in base64."""
        return self._values.get(name) or self.put(name, base64.b64encode(secrets.token_bytes(32)).decode())

    def put(self, name: str, value: str) -> str:
        self._values[name] = value
        fresh = self._path.with_suffix(".new")
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(self._values, file, indent=2)
        fresh.replace(self._path)
        return value
