"""How speed changes as there is more of something: tasks in the table, queued tasks, subscribers, workspaces."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson
from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench.figures import percentile
from tests.bench.http_client import Connection, graphql_request
from tests.bench.installation import Installation
from tests.bench.job import Outcome, task_input
from tests.bench.svg import Line, Panel, picture
from tests.bench.workloads import Bench, Options

TASKS, LARGE_TASKS = (10_000, 100_000), 1_000_000
BACKLOGS = (0, 10_000, 100_000)
SUBSCRIBERS, LARGE_SUBSCRIBERS = (10, 1_000), 10_000
WORKSPACES = (1, 100, 10_000)
# Of the other axes.
_SOME_WORKSPACES, _SOME_TASKS, _BURST = 20, 10_000, 1_000
# A workspace that has no backlog creates so many tasks a second beside those that have.
_BESIDE_PER_SECOND = 10.0
# Of fewer, the 95th percentile is the slowest one.
_BESIDE_LEAST = 50
_BATCH = 500
_STOP_SECONDS = 60.0
_QUEUE = """mutation($inputs: [CreateTaskInput!]!) {
  createTasks(inputs: $inputs) { errors { code } results { task { id } errors { code } } } }"""

# By axis what stands below the diagrams, and what the rate is of.
_AXES = {
    "tasks": ("tasks in the table", "requests/s"),
    "backlog": ("queued tasks", "tasks/s"),
    "subscribers": ("subscribers of one workspace", "deliveries/s"),
    "workspaces": ("workspaces", "requests/s"),
}


@dataclass(frozen=True, slots=True)
class Point:
    """`size` of what `axis` names; `line` is what was done. None where this was not what it is about."""

    axis: str
    size: int
    line: str
    per_second: float | None
    p95_ms: float | None


@dataclass(slots=True)
class Grown:
    points: list[Point] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def add(self, axis: str, size: int, line: str, outcome: Outcome) -> None:
        self.points.append(Point(axis, size, line, outcome.per_second, percentile(outcome.latencies, 95)))
        self.failures += [f"{axis} {size}, {line}: {reason}" for reason in outcome.failures]

    def as_json(self) -> dict[str, Any]:
        return {
            "passed": not self.failures,
            "growth": [asdict(point) for point in self.points],
            "failures": self.failures,
        }


class Growth:
    """Each axis has an installation of its own. Of `options` the folder, the seconds and the processes count."""

    def __init__(self, options: Options, large: bool, say: Callable[[str], None]) -> None:
        self._options = options
        self._large = large
        self._say = say
        self._grown = Grown()

    async def measure(self) -> Grown:
        """Raises ClusterError where an installation does not come up."""
        for axis, steps in {
            "tasks": self._tasks,
            "backlog": self._backlog,
            "subscribers": self._subscribers,
            "workspaces": self._workspaces,
        }.items():
            folder = self._options.folder / axis
            folder.mkdir()
            async with Installation(self._options.processes, folder) as installation:
                await steps(installation, Bench(replace(self._options, folder=folder), installation, self._say))
                self._grown.failures += [f"{axis}, ledger: {found}" for found in await installation.ledger_breaks()]
        return self._grown

    async def _tasks(self, installation: Installation, bench: Bench) -> None:
        there = 0
        for size in (*TASKS, *((LARGE_TASKS,) if self._large else ())):
            self._say(f"{size} tasks in the table")
            await installation.fill(_SOME_WORKSPACES, size - there)
            there = size
            self._grown.add("tasks", size, "list", await bench.lists())
            self._grown.add("tasks", size, "create", await bench.creates())

    async def _backlog(self, installation: Installation, bench: Bench) -> None:
        await installation.fill(_SOME_WORKSPACES, _SOME_TASKS)
        *crowd, beside = range(_SOME_WORKSPACES)
        for size in BACKLOGS:
            self._say(f"{size} queued tasks")
            await _queue(installation, crowd, size - await installation.open_tasks())
            await installation.start_workers(self._options.processes)
            if size == 0:
                burst = await bench.tasks(_BURST, None, crowd)
                # Their own queue is what they wait for.
                burst.latencies.clear()
                self._grown.add("backlog", size, "done", burst)
            before, began = await installation.open_tasks(), time.perf_counter()
            count = max(_BESIDE_LEAST, round(_BESIDE_PER_SECOND * self._options.seconds))
            small = await bench.tasks(count, _BESIDE_PER_SECOND, [beside])
            done = before - await installation.open_tasks()
            rate = done / (time.perf_counter() - began)
            if size:
                self._grown.points.append(Point("backlog", size, "done", rate, None))
            self._grown.add("backlog", size, "of a workspace without a queue", small)
            for worker in installation.workers:
                worker.stop()
                await worker.wait(_STOP_SECONDS)

    async def _subscribers(self, installation: Installation, bench: Bench) -> None:
        await installation.fill(1, _SOME_TASKS)
        for size in (*SUBSCRIBERS, *((LARGE_SUBSCRIBERS,) if self._large else ())):
            self._say(f"{size} subscribers")
            self._grown.add("subscribers", size, "event", await bench.fan_out(size))

    async def _workspaces(self, installation: Installation, bench: Bench) -> None:
        for size in WORKSPACES:
            self._say(f"{size} workspaces")
            await installation.fill(size - len(installation.tenants), _SOME_TASKS, keep=True)
            self._grown.add("workspaces", size, "read", await bench.reads())
            self._grown.add("workspaces", size, "create", await bench.creates())


async def _queue(installation: Installation, tenants: Sequence[int], count: int) -> None:
    """So many tasks more, in turns, without a worker to do them. Raises ValueError with an answer that is not right."""
    connection = await Connection.open(installation.ports[0])
    for number, begin in enumerate(range(0, count, _BATCH)):
        tenant = installation.tenants[tenants[number % len(tenants)]]
        inputs = [task_input(begin + place, tenant.worker_id) for place in range(min(_BATCH, count - begin))]
        body = await connection.ask(graphql_request(tenant.api_key, _QUEUE, {"inputs": inputs}))
        answer = (orjson.loads(body).get("data") or {}).get("createTasks") or {}
        if answer.get("errors") != [] or any(result["errors"] for result in answer["results"]):
            raise ValueError(body[:300].decode())
    connection.close()


def draw(points: Sequence[Point]) -> str:
    """An SVG picture: above the rates, below the times, one column for each axis."""
    axes = [axis for axis in _AXES if any(point.axis == axis for point in points)]
    rates = [Panel(_AXES[axis][1], _AXES[axis][0], _lines(points, axis, "per_second")) for axis in axes]
    times = [Panel("p95, ms", _AXES[axis][0], _lines(points, axis, "p95_ms")) for axis in axes]
    return picture([rates, times])


def _lines(points: Sequence[Point], axis: str, value: str) -> list[Line]:
    here = [point for point in points if point.axis == axis and getattr(point, value) is not None]
    names = dict.fromkeys(point.line for point in here)
    return [
        Line(name, [(float(point.size), float(getattr(point, value))) for point in here if point.line == name])
        for name in names
    ]


def show_growth(grown: Grown, console: Console) -> None:
    table = Table(title=f"growth: {'FAILED' if grown.failures else 'every answer was right'}", box=box.SIMPLE_HEAD)
    for name in ("of", "size", "what", "rate/s", "p95 ms"):
        table.add_column(name, justify="left" if name in ("of", "what") else "right")
    for point in grown.points:
        rate = "" if point.per_second is None else f"{point.per_second:,.0f}"
        p95 = "" if point.p95_ms is None else f"{point.p95_ms:,.1f}"
        table.add_row(_AXES[point.axis][0], f"{point.size:,}", point.line, rate, p95)
    console.print(table)
    for failure in grown.failures:
        console.print(f"FAILURE {failure}", markup=False, highlight=False, soft_wrap=True)


def picture_path(wanted: Path) -> Path:
    """The file itself, or growth.svg in a folder, which is made."""
    if wanted.suffix == ".svg":
        wanted.parent.mkdir(parents=True, exist_ok=True)
        return wanted
    wanted.mkdir(parents=True, exist_ok=True)
    return wanted / "growth.svg"
