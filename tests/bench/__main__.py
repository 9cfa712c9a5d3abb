"""`python -m tests.bench`: how fast the whole service is on this machine, with all checks on, and how right."""

import asyncio
import json as json_format
import resource
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from tests.bench.compare import Incomparable, compare, show_ratios
from tests.bench.growth import Growth, draw, picture_path, show_growth
from tests.bench.http_client import BadAnswer
from tests.bench.installation import Installation, machine
from tests.bench.meter import Gone
from tests.bench.report import Report, show
from tests.bench.socket_client import SocketFailed
from tests.bench.workloads import Bench, Options, Workload
from tests.cluster_process import ClusterError

Say = Callable[[str], None]
T = TypeVar("T")
# The installation did not come up, or a part of it went away.
_ENDS = (ClusterError, Gone, BadAnswer, SocketFailed, OSError, EOFError)


def main(
    workload: Annotated[
        list[Workload] | None, typer.Option("--workload", "-w", help="Only these; repeat it for several.")
    ] = None,
    seconds: Annotated[
        float, typer.Option(min=0.2, help="How long each of W1 to W3 takes; W4 steady three times.")
    ] = 5,
    processes: Annotated[int, typer.Option(min=1, max=64, help="So many api and so many worker processes.")] = 1,
    workspaces: Annotated[int, typer.Option(min=1, max=1_000, help="Tenants that take turns.")] = 20,
    tasks: Annotated[int, typer.Option(min=1, help="Tasks in the table before it begins.")] = 10_000,
    burst: Annotated[int, typer.Option(min=1, help="Tasks of W4's burst.")] = 2_000,
    subscribers: Annotated[int, typer.Option(min=1, max=15_000, help="Sockets of W5.")] = 500,
    json: Annotated[Path | None, typer.Option(help="Write the figures into this file.")] = None,
    compare_with: Annotated[
        Path | None, typer.Option("--compare", help="A file of --json: ratios, and exit code 1 if 20 % slower.")
    ] = None,
    growth: Annotated[
        Path | None, typer.Option(help="Instead: rates and times as there is more of everything; draws this .svg.")
    ] = None,
    large: Annotated[bool, typer.Option("--large", help="--growth to 1,000,000 tasks, 10,000 subscribers.")] = False,
) -> None:
    """Measure a whole installation on this machine: durable servers, log-in, row-level security, limits and ledger on.

    W1 lists of 20 with worker and template, W2 one task, W3 createTask
    without a worker (each with 32 connections); W4 tasks to their SUCCEEDED event
    over subscriptions, in a burst and 100 a second; W5 one event to many
    sockets. The model is a stand-in that takes 2 ms. Every answer is checked,
    every created task looked up, and the ledger verified.

    Processor time is the service's own for one request, task or delivery.

    Exit code 0: all was right. 1: wrong answers, named, or a regression.
    2: a part of the installation did not come up or ended, or --compare does
    not fit. Logs of all processes are kept after 1 and 2.

    Example: python -m tests.bench --growth growth.svg --large
    Example: python -m tests.bench -w w1 -w w3 --seconds 10 --json new.json --compare old.json
    """
    if growth is not None and compare_with is not None:
        raise typer.BadParameter("--growth is not compared; leave --compare out.")
    console = Console(stderr=True)
    earlier = _read(compare_with, console)
    folder = Path(tempfile.mkdtemp(prefix="bizq-bench-"))
    chosen = tuple(item for item in Workload if item in (workload or Workload))
    options = Options(folder, chosen, seconds, processes, workspaces, tasks, burst, subscribers)
    say = _progress(console)
    if growth is not None:
        grown = _finish(Growth(options, large, say).measure(), folder, console)
        show_growth(grown, Console())
        path = picture_path(growth)
        path.write_text(draw(grown.points))
        result, failures = {"machine": machine()} | grown.as_json(), grown.failures
        console.print(f"drawn: {path}", highlight=False)
    else:
        report = _finish(run(options, say), folder, console)
        show(report, Console())
        result, failures = report.as_json(), report.failures
    if json is not None:
        json.write_text(json_format.dumps(result, indent=2) + "\n")
    if failures:
        console.print(f"logs: {folder}", highlight=False)
        raise typer.Exit(1)
    shutil.rmtree(folder)
    if earlier is not None:
        _compare(earlier, result, console)


async def run(options: Options, say: Say) -> Report:
    """Raises ClusterError where the installation does not come up."""
    say(f"starting PostgreSQL, Redis, a model's stand-in and {options.processes} api")
    async with Installation(options.processes, options.folder) as installation:
        say(f"filling in {options.workspaces} workspaces and {options.tasks} tasks")
        await installation.fill(options.workspaces, options.tasks)
        figures = await Bench(options, installation, say).run()
        say("verifying the ledger")
        broken = [f"ledger: {found}" for found in await installation.ledger_breaks()]
    return Report(machine(), options.as_json(), figures, broken)


def _progress(console: Console) -> Say:
    begun = time.monotonic()

    def say(line: str) -> None:
        console.print(f"[{time.monotonic() - begun:5.1f} s] {line}", markup=False, highlight=False, soft_wrap=True)

    return say


def _finish(work: Coroutine[Any, Any, T], folder: Path, console: Console) -> T:
    """Its result. Ends the program where it is told to stop, or the installation does not come up or stay."""
    # A socket is a file, here and in the api.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    try:
        return asyncio.run(_unless_told_to_stop(work))
    except (asyncio.CancelledError, KeyboardInterrupt):
        shutil.rmtree(folder)
        raise typer.Exit(130) from None
    except _ENDS as error:
        console.print(f"{type(error).__name__}: {error}\nlogs: {folder}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


async def _unless_told_to_stop(work: Coroutine[Any, Any, T]) -> T:
    """SIGTERM ends it as Ctrl-C does, with all that it started."""
    running = asyncio.ensure_future(work)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


def _read(path: Path | None, console: Console) -> dict[str, Any] | None:
    """Before anything is measured: a file that cannot be read is known at once."""
    if path is None:
        return None
    try:
        earlier: dict[str, Any] = json_format.loads(path.read_text())
    except (OSError, ValueError) as error:
        console.print(f"--compare: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    return earlier


def _compare(earlier: dict[str, Any], result: dict[str, Any], console: Console) -> None:
    try:
        ratios = compare(earlier, result)
    except Incomparable as error:
        console.print(f"--compare: {error}", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None
    show_ratios(ratios, Console())
    if any(ratio.regressed for ratio in ratios):
        raise typer.Exit(1)


if __name__ == "__main__":
    # Rich would print every variable of a stack trace, keys and all.
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(main)
    command()
