import subprocess
import sys
from pathlib import Path

import psutil
import pytest

STARTER = """
import sys, threading
from pathlib import Path
from app.embedded.data_dir import DataDir
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis
data = DataDir(Path(sys.argv[1]))
data.open()
parts = [kind(data.path / name, data.run, data.secrets(), ephemeral=True)
         for kind, name in ((EmbeddedPostgres, "postgres"), (EmbeddedRedis, "redis"))]
for part in parts:
    part.start()
print(*(part.child.pid for part in parts), flush=True)
threading.Event().wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent died")
def test_servers_end_when_who_started_them_is_killed(home: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", STARTER, str(home)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        servers = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
        servers += [child for server in servers for child in server.children(recursive=True)]

        parent.kill()

    _, alive = psutil.wait_procs(servers, timeout=15)
    assert len(servers) > 2
    assert alive == []
