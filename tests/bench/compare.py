"""Two runs side by side: what became slower, and by how much."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.figures import Figures

# Repeats on a machine that is shared differ by 10 % and more.
TOLERATED = 0.20


class Incomparable(Exception):
    """The other run did something else; the message says what."""


@dataclass(frozen=True, slots=True)
class Ratio:
    """New divided by old. Of a rate more is better, of processor time less."""

    workload: str
    what: str
    old: float
    new: float
    more_is_better: bool

    @property
    def value(self) -> float:
        return self.new / self.old

    @property
    def regressed(self) -> bool:
        worse = self.old / self.new if self.more_is_better else self.value
        return worse > 1 + TOLERATED


def compare(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Ratio]:
    """Of two reports as JSON, the workloads that both have. Raises Incomparable."""
    for name in sorted(new["options"]):
        theirs, ours = old["options"].get(name), new["options"][name]
        if theirs != ours:
            raise Incomparable(f"{name} was {theirs} there and is {ours} here.")
    before = {item["name"]: Figures.from_json(item) for item in old["workloads"]}
    after = [Figures.from_json(item) for item in new["workloads"]]
    ratios = [ratio for item in after if item.name in before for ratio in _ratios(before[item.name], item)]
    if not ratios:
        raise Incomparable("The two runs have no workload in common.")
    return ratios


def _ratios(old: Figures, new: Figures) -> list[Ratio]:
    ratios = []
    if old.per_second and new.per_second:
        ratios.append(Ratio(new.name, f"{new.unit}/s", old.per_second, new.per_second, more_is_better=True))
    if old.service_cpu_ms and new.service_cpu_ms:
        ratios.append(
            Ratio(new.name, f"CPU ms/{new.unit}", old.service_cpu_ms, new.service_cpu_ms, more_is_better=False)
        )
    return ratios


def show_ratios(ratios: Sequence[Ratio], console: Console) -> None:
    table = Table(title="compared with the earlier run")
    for name in ("workload", "figure", "then", "now", "now/then", ""):
        table.add_column(name, justify="left" if name in ("workload", "figure", "") else "right")
    for ratio in ratios:
        verdict = "REGRESSED" if ratio.regressed else ""
        table.add_row(ratio.workload, ratio.what, f"{ratio.old:.3g}", f"{ratio.new:.3g}", f"{ratio.value:.2f}", verdict)
    console.print(table)
