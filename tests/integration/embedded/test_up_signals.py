import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil

from app.embedded.port import free_port


def test_one_request_to_stop_that_arrives_twice_still_stops_in_order(home: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("BIZQ_", "DATABASE_", "REDIS_"))}
    # A vendor's address instead of the embedded model: this is about stopping.
    kept |= {"BIZQ_DATA_DIR": str(home), "BIZQ_PORT": str(free_port()), "LOCAL_BASE_URL": "http://127.0.0.1:1/v1"}
    command = [sys.executable, "-m", "app.cli", "up"]
    with subprocess.Popen(command, env=kept, stderr=subprocess.PIPE, text=True) as up:
        assert up.stderr is not None
        while "Stop with Ctrl-C" not in (line := up.stderr.readline()):
            assert line, up.wait()
        family = psutil.Process(up.pid).children(recursive=True)

        # As after Ctrl-C under `uv run`: once from the terminal, once passed on.
        up.send_signal(signal.SIGINT)
        up.send_signal(signal.SIGINT)
        rest = up.stderr.read()

    assert up.returncode == 0
    assert rest.splitlines()[-2:] == ["stopping …", "stopped"]
    assert psutil.wait_procs(family, timeout=0)[1] == []
    assert not (home / "instance.json").exists()
