"""What came out: a table for people, JSON for programs."""

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

SHOWN_VIOLATIONS = 10


@dataclass(frozen=True, slots=True)
class Report:
    """Times are in seconds, or in milliseconds where the name says so."""

    seed: int
    seconds: float
    faults: Mapping[str, int]
    acknowledged: int
    replayed: int
    succeeded: int
    failed: int
    canceled: int
    lost: int
    doubled: int
    inconsistent: int
    subscribers: int
    reconnects: int
    events_delivered: int
    missed_events: int
    duplicate_events: int
    order_violations: int
    ledger_entries: int
    ledger_breaks: int
    longest_outage: float
    longest_outage_at: float
    create_p50_ms: float
    create_p99_ms: float
    time_to_drain: float
    answers: Mapping[str, int]
    endings: Mapping[str, int]
    violations: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"passed": not self.violations}


def percentiles_ms(latencies: Sequence[float]) -> tuple[float, float]:
    """The 50th and 99th of latencies in seconds; zeros where there are too few to tell."""
    if len(latencies) < 2:
        return 0.0, 0.0
    cuts = statistics.quantiles(latencies, n=100, method="inclusive")
    return cuts[49] * 1000, cuts[98] * 1000


def show(report: Report, console: Console) -> None:
    table = Table(title=f"chaos, seed {report.seed}: {'FAILED' if report.violations else 'passed'}", show_header=False)
    table.add_column(justify="left")
    table.add_column(justify="right")
    for section in (_faults(report), _creates(report), _events(report), _times(report), _answers(report)):
        for name, value in section.items():
            table.add_row(name, value)
        table.add_section()
    console.print(table)
    for _, group in itertools.groupby(report.violations, lambda line: line.partition(":")[0]):
        lines = list(group)
        for line in lines[:SHOWN_VIOLATIONS]:
            console.print(f"VIOLATION {line}", markup=False, highlight=False, soft_wrap=True)
        if (more := len(lines) - SHOWN_VIOLATIONS) > 0:
            console.print(f"and {more} more of these; --json has all")


def _faults(report: Report) -> dict[str, str]:
    total = sum(report.faults.values())
    return {"faults": f"{total} in {report.seconds:.0f} s"} | _indented(report.faults)


def _creates(report: Report) -> dict[str, str]:
    return {
        "creates acknowledged": str(report.acknowledged),
        "  of these answered from an earlier try": str(report.replayed),
        "succeeded": str(report.succeeded),
        "failed": str(report.failed),
        "canceled": str(report.canceled),
        "lost": str(report.lost),
        "doubled": str(report.doubled),
        "inconsistent histories": str(report.inconsistent),
        "ledger entries": str(report.ledger_entries),
        "ledger breaks": str(report.ledger_breaks),
    }


def _events(report: Report) -> dict[str, str]:
    return {
        "events delivered": str(report.events_delivered),
        f"reconnects of {report.subscribers} subscribers": str(report.reconnects),
        "missed events": str(report.missed_events),
        "duplicate events": str(report.duplicate_events),
        "order violations": str(report.order_violations),
    }


def _times(report: Report) -> dict[str, str]:
    return {
        "longest outage of creates": f"{report.longest_outage:.2f} s",
        "  it began, counted from the first fault": f"{report.longest_outage_at:.0f} s",
        "create p50 during faults": f"{report.create_p50_ms:.0f} ms",
        "create p99 during faults": f"{report.create_p99_ms:.0f} ms",
        "time to drain": f"{report.time_to_drain:.1f} s",
    }


def _answers(report: Report) -> dict[str, str]:
    return (
        {"requests, by answer": ""} | _indented(report.answers) | {"sockets, by ending": ""} | _indented(report.endings)
    )


def _indented(counts: Mapping[str, int]) -> dict[str, str]:
    return {f"  {name}": str(count) for name, count in sorted(counts.items())}
