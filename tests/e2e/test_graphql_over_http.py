"""All audits of the npm package graphql-http, which come from the authors of the GraphQL-over-HTTP specification."""

import asyncio
import json
import shutil
from pathlib import Path

import pytest

from tests.cluster import Cluster

AUDITS = Path(__file__).parent / "audits"
pytestmark = pytest.mark.skipif(shutil.which("npm") is None, reason="The audits are JavaScript, and npm is not here.")


async def run(folder: Path, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *arguments, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return printed.decode()


async def test_every_audit_of_the_specification_passes(tmp_path: Path) -> None:
    shutil.copytree(AUDITS, tmp_path, dirs_exist_ok=True)
    await run(tmp_path, "npm", "install", "--no-package-lock", "--no-audit", "--no-fund")
    async with Cluster(apis=1, workers=0) as cluster:
        key = await cluster.make_tenant()
        results = json.loads(await run(tmp_path, "node", "audit.mjs", f"{cluster.urls[0]}/graphql", key))

    assert [result for result in results if result["status"] != "ok"] == []
    assert len(results) == 61
