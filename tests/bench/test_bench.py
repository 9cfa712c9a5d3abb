"""The benchmark itself, in small: it runs, and its figures add up."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.bench.fan_out import BURST, ROUNDS
from tests.bench.figures import SERVICE

TASKS, SUBSCRIBERS = 25, 6
SMALL = ["--seconds", "0.3", "--workspaces", "2", "--tasks", "100"]
SMALL += ["--burst", str(TASKS), "--subscribers", str(SUBSCRIBERS)]


async def bench(*arguments: str) -> tuple[int | None, str]:
    """Exit code, and all that was printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.bench",
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        printed, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    return process.returncode, printed.decode()


async def test_a_small_run_passes_and_its_figures_add_up(tmp_path: Path) -> None:
    # when
    code, printed = await bench(*SMALL, "--json", str(tmp_path / "figures.json"))
    # then
    assert code == 0, printed
    report = json.loads((tmp_path / "figures.json").read_text())
    assert (report["passed"], report["failures"]) == (True, [])
    found: dict[str, Any] = {item["name"]: item for item in report["workloads"]}
    assert list(found) == ["w1", "w2", "w3", "w3drain", "w4", "w4steady", "w5"]
    assert [found[name]["count"] for name in ("w4", "w4steady", "w5")] == [TASKS, 90, SUBSCRIBERS * (ROUNDS + BURST)]
    assert found["w3drain"]["count"] >= found["w3"]["count"] > 0
    for name, item in found.items():
        assert item["seconds"] > 0, name
        assert item["service_cpu_ms"] > 0, name
        assert item["service_cpu_ms"] == sum(item["cpu_ms"][group] for group in SERVICE), name
    for name in set(found) - {"w3drain"}:
        assert 0 < found[name]["p50_ms"] <= found[name]["p95_ms"] <= found[name]["p99_ms"], name
    assert found["w4steady"]["per_second"] is None
    assert all(item["per_second"] > 0 for name, item in found.items() if name != "w4steady")
    assert found["w4"]["cpu_ms"]["worker"] > 0


async def test_a_file_that_cannot_be_compared_with_is_refused_before_anything_starts(tmp_path: Path) -> None:
    code, printed = await bench("--compare", str(tmp_path / "missing.json"))
    assert (code, "missing.json" in printed, "starting" in printed) == (2, True, False)
