"""One cluster for all tests of this package: starting one costs more than most of the tests."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.cluster import Cluster
from tests.faults.site import Site, make_whole, open_site

APIS, WORKERS = 2, 1
ENVIRONMENT = {
    "BIZQ_WORKSPACE_CONCURRENCY": "64",
    "BIZQ_WORKER_CONCURRENCY": "64",
    # Short, so that a test sees tasks being handed back.
    "BIZQ_DRAIN_SECONDS": "2",
}


@pytest.fixture(scope="session")
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster(APIS, WORKERS, ENVIRONMENT) as started:
        yield started


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=10) as client:
        yield client


@pytest.fixture
async def site(cluster: Cluster, http: httpx.AsyncClient) -> AsyncIterator[Site]:
    await make_whole(cluster, APIS, WORKERS)
    opened = await open_site(cluster, http)
    yield opened
    await opened.vendor.forget()
