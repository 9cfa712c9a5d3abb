"""`python -m tests.chaos`: break every part at random under load, then count what was lost."""

import asyncio
import json as json_format
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tests.chaos.report import Report, show
from tests.chaos.scenario import Options, run
from tests.cluster_process import ClusterError

MEAN_SECONDS_BETWEEN_FAULTS = 1.5


def main(
    seed: Annotated[int, typer.Option(help="Decides faults, targets, times and load.")] = 1,
    faults: Annotated[int, typer.Option(min=1, help="How many faults.")] = 100,
    seconds: Annotated[
        float | None, typer.Option(min=1, help="Spread the faults over so long; 1.5 s for each by default.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say each fault when it happens.")] = False,
) -> None:
    """Run a whole installation on this machine, and let its parts die under load.

    Two api and two worker processes, PostgreSQL and Redis of their own, and
    fakes of the AI vendors; 8 clients create 15 tasks/s, 20 subscribers watch.
    Processes are killed and frozen, servers killed, connections dropped. In the
    end every task, event and answer is compared through the public API, and
    the ledger is verified.

    Exit code 0: nothing lost, doubled or missed. 1: violations, named. 2: the
    installation did not come up. Logs of all processes are kept after 1 and 2.

    Example: python -m tests.chaos --seed 7 --faults 20 --verbose
    """
    console = Console(stderr=True)
    folder = Path(tempfile.mkdtemp(prefix="bizq-chaos-"))
    begun = time.monotonic()

    def say(line: str) -> None:
        if verbose or not line.startswith(" "):
            console.print(f"[{time.monotonic() - begun:5.1f} s] {line}", markup=False, highlight=False, soft_wrap=True)

    options = Options(seed, faults, seconds or faults * MEAN_SECONDS_BETWEEN_FAULTS, folder)
    try:
        report = asyncio.run(_unless_told_to_stop(options, say))
    except (asyncio.CancelledError, KeyboardInterrupt):
        shutil.rmtree(folder)
        raise typer.Exit(130) from None
    except ClusterError as error:
        console.print(f"{error}\nlogs: {folder / 'logs'}", markup=False, highlight=False)
        raise typer.Exit(2) from None
    if json:
        print(json_format.dumps(report.as_json(), indent=2))
    else:
        show(report, Console())
    if report.violations:
        console.print(f"logs: {folder / 'logs'}", highlight=False)
        raise typer.Exit(1)
    shutil.rmtree(folder)


async def _unless_told_to_stop(options: Options, say: Callable[[str], None]) -> Report:
    """SIGTERM ends it as Ctrl-C does, with all that it started."""
    running = asyncio.ensure_future(run(options, say))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, running.cancel)
    return await running


if __name__ == "__main__":
    # Rich would print every variable of a stack trace, keys and all.
    command = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    command.command()(main)
    command()
