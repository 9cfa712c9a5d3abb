"""What a newcomer does: a fresh copy, `make run`, an account, tasks on the real local model, Ctrl-C."""

import asyncio
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import jsonschema
import psutil
import pytest

from app.embedded.port import free_port
from tests.integration.graphql_client import Gql, connect

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 180
STOP_SECONDS = 60
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

INPUTS: dict[str, dict[str, Any]] = {
    "email.reply": {"email": "Hello, my order 1042 has not arrived yet. Could you tell me where it is? Best, Ana"},
    "text.summarize": {
        "text": "The storm closed the port for three days. Ships waited outside, and shops ran low on fruit."
    },
    "review.classify": {"review": "The chair broke after two days and nobody answered my calls. Very disappointed."},
    "product.description": {"name": "Nordic desk lamp", "features": ["dimmable", "oak base", "USB-C"]},
    "text.translate": {"text": "Good morning, your parcel is ready.", "targetLanguage": "French"},
    "data.extract": {"text": "Invoice 77 of 3 May, total 129.90 euros, from Lindt Ltd.", "fields": ["number", "total"]},
}
SIGN_UP = """mutation($i: SignUpInput!) { signUp(input: $i) {
  accessToken user { name } workspace { id name } errors { code } } }"""
CREATE = "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { id } errors { message } } }"
EVENTS = """subscription($id: ID) { taskEvents(taskId: $id) {
  seq kind task { status output attemptCount error { message } } } }"""
SCHEMAS = "{ templates { nodes { slug latestVersion { outputSchema } } } }"
TASK = "query($id: ID!) { task(id: $id) { events(first: 100) { nodes { seq kind } } } }"


@dataclass(frozen=True, slots=True)
class Running:
    process: subprocess.Popen[str]
    url: str
    api_key: str
    output: str
    data_dir: Path


def copy_of_the_repository(target: Path) -> Path:
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in files.stdout.splitlines():
        if (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (target / name).write_bytes((ROOT / name).read_bytes())
            (target / name).chmod((ROOT / name).stat().st_mode)
    return target


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = copy_of_the_repository(tmp_path_factory.mktemp("copy"))
    data_dir = folder / "data"
    # As in a newcomer's shell: nothing of this project is set.
    environment = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "SSL_CERT_FILE") if name in os.environ}
    environment |= {"BIZQ_PORT": str(free_port()), "BIZQ_DATA_DIR": str(data_dir), "PYTHONUNBUFFERED": "1"}
    log = folder / "make.log"
    with log.open("w") as out:
        process = subprocess.Popen(["make", "run"], cwd=folder, env=environment, stdout=out, stderr=out, text=True)
    try:
        output = wait_for_banner(process, log)
        key = re.search(r"bzq_live_\S+", output)
        assert key is not None
        yield Running(process, f"http://127.0.0.1:{environment['BIZQ_PORT']}", key.group(), output, data_dir)
    finally:
        if process.poll() is None:
            stop(process)


def wait_for_banner(process: subprocess.Popen[str], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        text = log.read_text()
        if "Stop with Ctrl-C" in text:
            return text
        assert process.poll() is None, text
        time.sleep(0.2)
    raise AssertionError(f"not ready in {START_SECONDS} s:\n{log.read_text()}")


def stop(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, as a terminal sends it: to make's children too."""
    for child in psutil.Process(process.pid).children():
        child.send_signal(signal.SIGINT)
    process.wait(STOP_SECONDS)


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


async def test_every_built_in_template_is_answered_by_the_real_model(running: Running, http: httpx.AsyncClient) -> None:
    account = {"email": "ana@example.com", "password": "correct horse", "name": "Ana", "workspaceName": "Ana's shop"}
    signed_up = (await Gql(http, running.url, None)(SIGN_UP, i=account))["signUp"]
    gql = Gql(http, running.url, signed_up["accessToken"])
    templates = (await gql(SCHEMAS))["templates"]["nodes"]
    schemas = {item["slug"]: item["latestVersion"]["outputSchema"] for item in templates}

    async with connect(running.url, {"authorization": f"Bearer {signed_up['accessToken']}"}) as socket:
        for slug, given in INPUTS.items():
            created = (await gql(CREATE, i={"type": slug, "input": given}))["createTask"]
            stream = await socket.subscribe(EVENTS, id=created["task"]["id"])
            events = await stream.rest(seconds=120)

            last = events[-1]
            assert last["kind"] == "SUCCEEDED", (slug, last)
            jsonschema.validate(last["task"]["output"], schemas[slug])
            logged = (await gql(TASK, id=created["task"]["id"]))["task"]["events"]["nodes"]
            assert [event["seq"] for event in logged] == list(range(1, len(logged) + 1))


async def test_the_three_lines_of_the_banner_work_when_pasted(running: Running) -> None:
    lines = [line.strip() for line in running.output.splitlines() if line.startswith("  ")]
    run, curl, socket = (next(line for line in lines if mark in line) for mark in ("bizq run", "curl -s", "websockets"))

    ran = await asyncio.to_thread(paste, run)
    posted = await asyncio.to_thread(paste, curl)
    watched = await asyncio.to_thread(paste, f"timeout 5 {socket}")

    assert (ran.returncode, bool(ran.stdout.strip())) == (0, True), ran
    assert json.loads(posted.stdout)["data"]["createTask"]["errors"] == []
    assert '"SNAPSHOT"' in watched.stdout, watched
    assert watched.stderr == ""


def paste(line: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=150, check=False)


async def test_ctrl_c_leaves_no_process_and_the_data_stays(running: Running) -> None:
    before = psutil.Process(running.process.pid).children(recursive=True)
    assert len(before) >= 5

    await asyncio.to_thread(stop, running.process)

    _, alive = psutil.wait_procs(before, timeout=10)
    assert alive == []
    assert running.process.returncode == 0
    assert not (running.data_dir / "instance.json").exists()
    assert (running.data_dir / "postgres" / "PG_VERSION").exists()
