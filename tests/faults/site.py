"""An installation that all fault tests share, whole again before each."""

import asyncio
import secrets
from typing import Any
from uuid import UUID

import httpx

from app import ids
from tests.cluster import Cluster
from tests.faults.partner import Load, Partner
from tests.faults.records import Logged, Records
from tests.faults.vendor import Vendor
from tests.faults.waiting import PATIENCE_SECONDS
from tests.faults.watcher import Watcher

_SIGN_UP = """mutation($input: SignUpInput!) {
  signUp(input: $input) { accessToken workspace { id } errors { message } } }"""

_HISTORY = """query($after: String) { tasks(first: 20, after: $after) {
  nodes { id events(first: 30) { nodes { seq kind } } } pageInfo { hasNextPage endCursor } } }"""


class Site:
    """A workspace of the test's own in the shared cluster, with everything a test needs of it."""

    def __init__(self, cluster: Cluster, http: httpx.AsyncClient, token: str, workspace_id: UUID) -> None:
        self.cluster = cluster
        self.http = http
        self.token = token
        self.workspace_id = workspace_id
        self.vendor = Vendor(http, cluster.fakes_url)
        self.records = Records(cluster.owner_url, workspace_id)
        self.partner = Partner(http, self.addresses, token)

    def addresses(self) -> list[str]:
        """Of the API processes that run now."""
        return self.cluster.urls

    def load(self) -> Load:
        """Eight clients, about 20 creates a second."""
        return Load(self.partner, clients=8, pause=0.4)

    async def logged_by_api(self) -> list[Logged]:
        """The events of all tasks as `Task.events` shows them."""
        nodes: list[dict[str, Any]] = []
        after = None
        while True:
            page = (await self.partner.ask(_HISTORY, after=after))["tasks"]
            nodes += page["nodes"]
            if not page["pageInfo"]["hasNextPage"]:
                return [Logged(n["id"], e["seq"], e["kind"]) for n in nodes for e in n["events"]["nodes"]]
            after = page["pageInfo"]["endCursor"]

    def watchers(self, count: int, task: str | None = None) -> list[Watcher]:
        """They begin at different addresses."""
        return [Watcher(self.addresses, self.token, task, number) for number in range(count)]


async def open_site(cluster: Cluster, http: httpx.AsyncClient) -> Site:
    """With a new workspace."""
    account = {"email": f"{secrets.token_hex(8)}@example.com", "password": "correct horse battery", "name": "Test"}
    partner = Partner(http, lambda: cluster.urls, None)
    made = (await partner.ask(_SIGN_UP, input=account))["signUp"]
    assert made["errors"] == []
    workspace_id = ids.decode(ids.WORKSPACE, made["workspace"]["id"])
    assert workspace_id is not None
    return Site(cluster, http, made["accessToken"], workspace_id)


async def make_whole(cluster: Cluster, apis: int, workers: int) -> None:
    """Start what the test before has ended, end what it had too much of."""
    for server, start in ((cluster.postgres, cluster.start_postgres), (cluster.redis, cluster.start_redis)):
        if server.child is None or not server.child.running:
            await start()
    for process in [*cluster.apis[apis:], *cluster.workers[workers:]]:
        process.kill()
        await process.wait(PATIENCE_SECONDS)
    for process in [*cluster.apis, *cluster.workers]:
        process.thaw()
    await asyncio.gather(
        *(cluster.start_api() for _ in range(apis - len(cluster.apis))),
        *(cluster.start_worker() for _ in range(workers - len(cluster.workers))),
    )
