"""`bizq up`: everything at once, on this machine."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from app import settings as settings_module
from app.cli.banner import banner
from app.cli.console import err
from app.embedded.child import end_leftovers
from app.embedded.data_dir import ENCRYPTION_KEY, TOKEN_KEY, DataDir, EmbeddedError, Secrets
from app.embedded.instance import Instance, remove_instance, write_instance
from app.embedded.model import EmbeddedModel
from app.embedded.port import is_taken
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis
from app.embedded.service import ServiceProcess
from app.embedded.supervisor import Supervisor
from app.services.routing.configured import configured_models
from app.settings import CONSOLE, Settings

READY_SECONDS = 60.0
# One Ctrl-C can come twice: from the terminal and from `uv run`, which passes on what it gets.
SAME_REQUEST_SECONDS = 0.5
_CHECK_SECONDS = 3.0
# For whoever tries it out, and signs up as many people from one address. What is set otherwise is as it is set.
FOR_TRIALS = {
    "BIZQ_SUGGESTIONS": "true",
    "BIZQ_SIGN_UPS_PER_HOUR": "1000",
    "BIZQ_SIGN_INS_PER_MINUTE": "200",
}


def up(
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Keep nothing: data goes when it stops.")] = False,
    port: Annotated[int | None, typer.Option(help="Port of the API; default BIZQ_PORT, else 8000.")] = None,
) -> None:
    """Start PostgreSQL, Redis, a language model, the API and a worker, and keep them running until Ctrl-C.

    What is set in the environment is used instead: DATABASE_URL, REDIS_URL, and any provider's key or LOCAL_BASE_URL.
    Data lives in BIZQ_DATA_DIR (.bizq).
    """
    if port is not None:
        os.environ["BIZQ_PORT"] = str(port)
    loaded = settings_module.load()
    stopping = _Stopping()
    with ExitStack() as stack:
        folder = _throw_away(stack) if ephemeral else loaded.bizq_data_dir
        data = DataDir(folder)
        data.open()
        stack.callback(data.close)
        for name in end_leftovers(data.run):
            err.print(f"[dim]ended {name}, left over from an earlier run[/]")
        # Only now: another `bizq up` on this folder, or what a killed one left behind, may be what holds the port.
        if is_taken(loaded.bizq_port, loaded.bizq_host):
            raise EmbeddedError(
                f"Port {loaded.bizq_port} is taken. Stop what uses it, or choose another: BIZQ_PORT=8001 make run."
            )
        _check_given(loaded)
        supervisor = Supervisor(lambda line: err.print(f"[yellow]•[/] {line}"))
        stack.callback(_stop, supervisor, data.path)
        try:
            instance = _start(loaded, data, supervisor, stopping, ephemeral=ephemeral)
        except EmbeddedError:
            if not stopping.asked:
                raise
            instance = None
        if instance is None:
            return
        write_instance(data.path, instance)
        err.print(banner(instance, data.path))
        supervisor.watch(lambda: stopping.asked)


class _Stopping:
    """Ctrl-C and SIGTERM ask to stop; a second one hurries, by ending this process and with it its children."""

    def __init__(self) -> None:
        self._asked_at: float | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        elif now - self._asked_at > SAME_REQUEST_SECONDS:
            os._exit(130)

    @property
    def asked(self) -> bool:
        return self._asked_at is not None


def _start(
    loaded: Settings, data: DataDir, supervisor: Supervisor, stopping: _Stopping, *, ephemeral: bool
) -> Instance | None:
    """None where somebody stopped it meanwhile."""
    began = time.monotonic()
    secrets = data.secrets()
    environment = {**os.environ, "BIZQ_DATA_DIR": str(data.path)}
    environment |= {"BIZQ_HOST": loaded.bizq_host, "BIZQ_PORT": str(loaded.bizq_port)}
    environment |= {name: value for name, value in FOR_TRIALS.items() if name.lower() not in loaded.model_fields_set}
    if loaded.bizq_token_key is None:
        environment["BIZQ_TOKEN_KEY"] = secrets.key(TOKEN_KEY)
    if loaded.bizq_encryption_key is None:
        environment["BIZQ_ENCRYPTION_KEY"] = secrets.key(ENCRYPTION_KEY)
    if loaded.smtp_url is None:
        environment["SMTP_URL"] = CONSOLE
        err.print(f"[dim]mails are written to {escape(str(data.logs / 'api.log'))}[/]")
    if loaded.database_url is None:
        with _step("PostgreSQL"):
            postgres = EmbeddedPostgres(data.path / "postgres", data.run, secrets, ephemeral=ephemeral)
            supervisor.start("PostgreSQL", postgres)
        environment |= {"DATABASE_URL": postgres.app_url, "DATABASE_OWNER_URL": postgres.owner_url}
    if loaded.redis_url is None:
        with _step("Redis"):
            redis = EmbeddedRedis(data.path / "redis", data.run, secrets, ephemeral=ephemeral)
            supervisor.start("Redis", redis)
        environment["REDIS_URL"] = redis.url
    if not configured_models(loaded):
        model = EmbeddedModel(data.run)
        supervisor.start("the language model", model)
        environment["LOCAL_BASE_URL"] = model.base_url
    with _step("tables and templates"):
        _run(["migrate"], environment)
    # Stopped in the opposite order: first who takes tasks in, then who does them.
    supervisor.start("the worker", ServiceProcess("worker", environment, data.run))
    supervisor.start("the API", ServiceProcess("api", environment, data.run))
    with _step("demo workspace"):
        demo = _demo(secrets, environment)
    with _step("API and worker"):
        url = f"http://{loaded.bizq_host}:{loaded.bizq_port}"
        _wait_until_ready(url, supervisor, stopping, data)
    if stopping.asked:
        return None
    err.print(f"[bold green]ready[/] in {time.monotonic() - began:.1f} s")
    return Instance(
        pid=os.getpid(),
        url=url,
        api_key=demo["apiKey"],
        workspace_id=demo["workspaceId"],
        database_url=environment["DATABASE_URL"],
        database_owner_url=environment.get("DATABASE_OWNER_URL", environment["DATABASE_URL"]),
        redis_url=environment["REDIS_URL"],
        local_base_url=environment.get("LOCAL_BASE_URL"),
    )


def _stop(supervisor: Supervisor, path: Path) -> None:
    remove_instance(path)
    try:
        err.print("[dim]stopping …[/]")
    finally:
        # Also where nobody reads our output any more.
        supervisor.stop()
    err.print("stopped")


def _throw_away(stack: ExitStack) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="bizq-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    return folder


@contextmanager
def _step(name: str) -> Iterator[None]:
    began = time.monotonic()
    with err.status(f"{name} …"):
        yield
    err.print(f"[green]✓[/] {name} [dim]{time.monotonic() - began:.1f} s[/]")


def _demo(secrets: Secrets, environment: dict[str, str]) -> dict[str, str]:
    known = secrets.get("demo_api_key")
    if known is not None:
        environment = {**environment, "BIZQ_DEMO_API_KEY": known}
    demo: dict[str, str] = json.loads(_run(["demo", "--json"], environment))
    secrets.put("demo_api_key", demo["apiKey"])
    return demo


def _run(arguments: list[str], environment: dict[str, str]) -> str:
    """A command of ours, to its end. Its last line says what went wrong."""
    argv = [sys.executable, "-m", "app.cli", *arguments]
    result = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, start_new_session=True)  # noqa: S603
    if result.returncode:
        lines = [line for line in result.stderr.strip().splitlines() if line.strip()]
        reason = lines[-1].removeprefix("error ") if lines else f"exit code {result.returncode}"
        raise EmbeddedError(f"`bizq {arguments[0]}` failed: {reason}")
    return result.stdout


def _wait_until_ready(url: str, supervisor: Supervisor, stopping: _Stopping, data: DataDir) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and not stopping.asked:
        supervisor.look_once()
        try:
            with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:  # noqa: S310  our own address
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    if not stopping.asked:
        raise EmbeddedError(f"The API was not ready within {READY_SECONDS:g} s; see {data.logs / 'api.log'}.")


def _check_given(loaded: Settings) -> None:
    """What the environment names must answer; better said now than after everything else has started."""
    for name, secret, default_port in (
        ("DATABASE_URL", loaded.database_url, 5432),
        ("REDIS_URL", loaded.redis_url, 6379),
    ):
        if secret is None:
            continue
        parts = urlsplit(secret.get_secret_value())
        try:
            host, port = parts.hostname or "localhost", parts.port or default_port
        except ValueError:
            raise EmbeddedError(f"{name} is no URL that can be used: its port is not a number.") from None
        try:
            socket.create_connection((host, port), timeout=_CHECK_SECONDS).close()
        except OSError as error:
            raise EmbeddedError(
                f"{name} names {host}:{port}, which does not answer ({error.strerror or error}). "
                f"Start it, correct {name}, or unset it to let bizq start its own."
            ) from None
