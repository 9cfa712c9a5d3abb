"""A whole installation of processes, one of which dies while the others go on."""

import asyncio
import time
from typing import Any

import httpx
import psutil
import pytest

from tests.cluster import Cluster
from tests.integration.graphql_client import Gql

TASK_SECONDS = 15.0
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]

CREATE = "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { id } errors { message } } }"
TASK = "query($id: ID!) { task(id: $id) { status attemptCount } }"


async def ended(gql: Gql) -> dict[str, Any]:
    """A new task, as soon as it has ended."""
    created = (await gql(CREATE, i={"type": "text.summarize", "input": {"text": "The storm closed the port."}}))[
        "createTask"
    ]
    deadline = time.monotonic() + TASK_SECONDS
    while (task := (await gql(TASK, id=created["task"]["id"]))["task"])["status"] in ("QUEUED", "RUNNING"):
        assert time.monotonic() < deadline, task
        await asyncio.sleep(0.05)
    return dict(task)


async def test_a_new_worker_goes_on_where_one_was_killed_and_nothing_stays_behind() -> None:
    not_ours = psutil.Process().children(recursive=True)
    async with Cluster() as cluster, httpx.AsyncClient(timeout=10) as http:
        gql = Gql(http, cluster.urls[0], await cluster.make_tenant())
        assert await ended(gql) == {"status": "SUCCEEDED", "attemptCount": 1}

        (worker,) = cluster.workers
        worker.kill()
        assert await worker.wait(5) == -9
        replacement = await cluster.start_worker()

        assert await ended(gql) == {"status": "SUCCEEDED", "attemptCount": 1}
        assert cluster.workers == [replacement]
        family = [child for child in psutil.Process().children(recursive=True) if child not in not_ours]
        assert len(family) >= 5
        folder = cluster.folder
    assert psutil.wait_procs(family, timeout=5)[1] == []
    assert not folder.exists()
