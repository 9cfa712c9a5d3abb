import json
import os
import stat
import subprocess
from dataclasses import replace
from pathlib import Path

from app.embedded.instance import Instance, read_instance, remove_instance, write_instance

RUNNING = Instance(
    pid=os.getpid(),
    url="http://127.0.0.1:8000",
    api_key="bzq_live_key",
    workspace_id="ws_01h455vb4pex5vsknk084sn02q",
    database_url="postgresql://bizq_app:a@127.0.0.1:20001/bizq",
    database_owner_url="postgresql://bizq_owner:b@127.0.0.1:20001/bizq",
    redis_url="redis://:c@127.0.0.1:20002/0",
    local_base_url=None,
)


def test_a_running_instance_is_found_until_it_is_removed(tmp_path: Path) -> None:
    write_instance(tmp_path, RUNNING)
    assert read_instance(tmp_path) == RUNNING

    remove_instance(tmp_path)
    assert read_instance(tmp_path) is None


def test_only_its_owner_reads_the_file(tmp_path: Path) -> None:
    write_instance(tmp_path, RUNNING)

    assert stat.S_IMODE((tmp_path / "instance.json").stat().st_mode) == 0o600
    assert json.loads((tmp_path / "instance.json").read_text())["apiKey"] == "bzq_live_key"


def test_an_instance_whose_process_ended_is_none(tmp_path: Path) -> None:
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    write_instance(tmp_path, replace(RUNNING, pid=gone.pid))

    assert read_instance(tmp_path) is None


def test_an_illegible_file_is_no_instance(tmp_path: Path) -> None:
    (tmp_path / "instance.json").write_text('{"pid": 1')

    assert read_instance(tmp_path) is None
