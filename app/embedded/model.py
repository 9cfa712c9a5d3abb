"""The built-in language model, as a process of its own: an OpenAI-compatible server on loopback."""

import sys
import urllib.request
from pathlib import Path

from app.embedded.child import Child, Command, wait_until
from app.embedded.data_dir import EmbeddedError
from app.embedded.port import LOOPBACK, free_port

START_SECONDS = 120.0


class EmbeddedModel:
    """`start` returns at once; the weights load behind it."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._port = free_port()
        self.child: Child | None = None

    @property
    def base_url(self) -> str:
        return f"http://{LOOPBACK}:{self._port}/v1"

    def start(self) -> None:
        log = self._run_dir.parent / "logs" / "model.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "app.embedded.model_server", "--port", str(self._port)]
        self.child = Child(Command("model", argv, log=log), self._run_dir)

    def wait_ready(self) -> None:
        """Until it answers. Raises EmbeddedError when it ended or took two minutes."""
        if self.child is None or not wait_until(self._answers, self.child, START_SECONDS):
            raise EmbeddedError("The language model did not start; its log is logs/model.log of the data folder.")

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{LOOPBACK}:{self._port}/health", timeout=1) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False
