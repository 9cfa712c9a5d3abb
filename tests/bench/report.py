"""What came out: a table for people, JSON for programs."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from tests.bench.figures import SERVICE, Figures

VERSION = 1
# From here on strangers had a part in the figures.
DISTURBED_CORES = 0.15


@dataclass(frozen=True, slots=True)
class Report:
    """`broken` is what was found wrong when all was over, beside the workloads' own failures."""

    machine: dict[str, Any]
    options: dict[str, float | int]
    figures: Sequence[Figures]
    broken: Sequence[str]

    @property
    def failures(self) -> list[str]:
        return [f"{item.name}: {reason}" for item in self.figures for reason in item.failures] + list(self.broken)

    def as_json(self) -> dict[str, Any]:
        return {
            "version": VERSION,
            "passed": not self.failures,
            "machine": self.machine,
            "options": self.options,
            "workloads": [item.as_json() for item in self.figures],
            "failures": self.failures,
        }


def show(report: Report, console: Console) -> None:
    verdict = "FAILED" if report.failures else "every answer was right"
    table = Table(title=f"bench: {verdict}", box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("workload", ratio=1, overflow="fold")
    for name in ("rate/s", "p50 ms", "p95 ms", "p99 ms", "CPU ms"):
        table.add_column(name, justify="right", no_wrap=True)
    for item in report.figures:
        times = [_number(value, 1) for value in (item.p50_ms, item.p95_ms, item.p99_ms)]
        table.add_row(_described(item), _number(item.per_second, 0), *times, _number(item.service_cpu_ms, 2))
    machine = report.machine
    table.caption = (
        f"{machine['cores']} cores, {machine['processor']}, Python {machine['python']}. "
        "CPU: of the service, for one request, task or delivery."
    )
    console.print(table)
    for failure in report.failures:
        console.print(f"FAILURE {failure}", markup=False, highlight=False, soft_wrap=True)


def _described(item: Figures) -> str:
    """The cell that says what it was, with what has no column of its own."""
    cpu = ", ".join(f"{group} {milliseconds:.2f}" for group in SERVICE if (milliseconds := item.cpu_ms.get(group)))
    details = [f"CPU ms: {cpu}", *(f"{name.replace('_', ' ')}: {value:,.1f}" for name, value in item.extra.items())]
    if item.other_cores >= DISTURBED_CORES:
        details.append(f"disturbed: {item.other_cores:.1f} cores busy with others")
    return "\n".join([f"[bold]{item.name}[/] {item.title}", *(f"[dim]{line}[/]" for line in details)])


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:,.{digits}f}"
