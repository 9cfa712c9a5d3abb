"""What keeps `bizq up` from starting is one line that says what to do, and exit code 1."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from app.embedded.port import LOOPBACK, free_port


def refusal(data_dir: Path, **variables: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BIZQ_", "DATABASE_", "REDIS_"))}
    environment = {**kept, "BIZQ_DATA_DIR": str(data_dir), "BIZQ_PORT": str(free_port()), **variables}
    command = [sys.executable, "-m", "app.cli", "up"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    return next(line for line in result.stderr.splitlines() if line.startswith("error "))


def test_a_taken_port_names_the_variable(tmp_path: Path) -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        port = other.getsockname()[1]
        line = refusal(tmp_path, BIZQ_PORT=str(port))

    assert line == (f"error Port {port} is taken. Stop what uses it, or choose another: BIZQ_PORT=8001 make run.")
    assert not (tmp_path / "postgres").exists()


def test_an_unreachable_database_is_named_without_its_password(tmp_path: Path) -> None:
    line = refusal(tmp_path, DATABASE_URL=f"postgresql://bizq:geheim@{LOOPBACK}:1/bizq")

    assert line.startswith("error DATABASE_URL names 127.0.0.1:1, which does not answer (Connection refused).")
    assert "geheim" not in line


def test_a_folder_that_cannot_be_written_names_the_variable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    line = refusal(tmp_path / "file" / "data")

    assert line.endswith("(Not a directory). Set BIZQ_DATA_DIR to a folder that you may write to.")
