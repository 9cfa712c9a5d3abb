"""Processor time and memory of groups of processes, with all that they started."""

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import psutil

Groups = Mapping[str, Sequence[int]]


class Gone(Exception):
    """A process that was to be measured has ended."""


@dataclass(frozen=True, slots=True)
class Used:
    """Seconds of processor time by group, "load" being this process, within `seconds` on the clock."""

    seconds: float
    cpu: Mapping[str, float]
    other_cores: float


@dataclass(frozen=True, slots=True)
class Reading:
    """The counters of one moment. Ticks of the kernel: 10 ms."""

    at: float
    cpu: Mapping[str, float]
    busy: float

    @classmethod
    def take(cls, groups: Groups) -> Self:
        """Raises Gone."""
        cpu = {name: sum(map(_cpu_seconds, pids)) for name, pids in groups.items()}
        return cls(time.perf_counter(), cpu | {"load": time.process_time()}, _busy_seconds())

    def until(self, later: "Reading") -> Used:
        seconds = later.at - self.at
        cpu = {name: later.cpu[name] - before for name, before in self.cpu.items()}
        strangers = later.busy - self.busy - sum(cpu.values())
        return Used(seconds, cpu, max(0.0, strangers / seconds))


def resident_bytes(pids: Sequence[int]) -> int:
    """Of these processes alone."""
    return sum(psutil.Process(pid).memory_info().rss for pid in pids)


def _cpu_seconds(pid: int) -> float:
    """Of the process, its descendants, and those of them that have ended and been waited for."""
    try:
        process = psutil.Process(pid)
        total = sum(process.cpu_times()[:4])
        children = process.children(recursive=True)
    except psutil.NoSuchProcess:
        raise Gone(f"process {pid} has ended") from None
    for member in children:
        # A session of PostgreSQL may end now; its time is its parent's then.
        with contextlib.suppress(psutil.NoSuchProcess):
            total += sum(member.cpu_times()[:4])
    return total


def _busy_seconds() -> float:
    """Of all cores since the machine was started."""
    times = psutil.cpu_times()
    return sum(times) - times.idle - getattr(times, "iowait", 0.0) - getattr(times, "steal", 0.0)
