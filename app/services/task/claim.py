"""What a worker process asks of the queue: work, more time, and which of its work is no longer wanted.

These look across workspaces, through functions of the database made for just that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Integer, RowMapping, bindparam, text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

_IDS = bindparam("ids", type_=ARRAY(UuidType))
_ATTEMPTS = bindparam("attempts", type_=ARRAY(Integer))
_CLAIM = text("SELECT * FROM claim_tasks(:claimant, :most, :per_workspace, :lease, :after, :taken)").bindparams(
    bindparam("after", type_=UuidType)
)
_RENEW = text("SELECT id, attempt FROM renew_leases(:ids, :attempts, :lease)").bindparams(_IDS, _ATTEMPTS)
_CANCELED = text("SELECT id, attempt FROM cancel_requests(:ids)").bindparams(_IDS)


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a process is in its rounds of the workspaces: the one served last, and how much of its turn it has had."""

    workspace_id: UUID
    taken: int

    def after(self, claimed: Sequence[RowMapping]) -> "Turn":
        """Once these were claimed, in this order."""
        if not claimed:
            return self
        last = claimed[-1]["workspace_id"]
        run = next((n for n, row in enumerate(reversed(claimed)) if row["workspace_id"] != last), len(claimed))
        same_turn = run == len(claimed) and last == self.workspace_id
        return Turn(last, run + self.taken if same_turn else run)


FIRST_TURN = Turn(UUID(int=0), 0)


@dataclass(frozen=True, slots=True)
class Held:
    """A claimed task: the attempt number is the fencing token."""

    task_id: UUID
    attempt: int


async def claim_tasks(
    engine: AsyncEngine,
    *,
    claimant: str,
    most: int,
    per_workspace: int,
    lease: timedelta,
    turn: Turn = FIRST_TURN,
) -> Sequence[RowMapping]:
    """Up to `most` due tasks, now RUNNING and leased to the claimant, in the order of the workspaces' turns.

    The next claim goes on with `turn.after` these.
    """
    values = {
        "claimant": claimant,
        "most": most,
        "per_workspace": per_workspace,
        "lease": lease,
        "after": turn.workspace_id,
        "taken": turn.taken,
    }
    async with _at_once(engine) as connection:
        return (await connection.execute(_CLAIM, values)).mappings().all()


async def renew_leases(engine: AsyncEngine, held: Sequence[Held], *, lease: timedelta) -> set[Held]:
    """Those still held, for another lease from now. The rest belong to somebody else or have ended."""
    values = {**_arrays(held), "lease": lease}
    async with _at_once(engine) as connection:
        return {Held(row.id, row.attempt) for row in await connection.execute(_RENEW, values)}


async def canceled(engine: AsyncEngine, held: Sequence[Held]) -> set[Held]:
    """Those that somebody asked to cancel."""
    async with _at_once(engine) as connection:
        rows = await connection.execute(_CANCELED, {"ids": _arrays(held)["ids"]})
        return {Held(row.id, row.attempt) for row in rows} & set(held)


def _at_once(engine: AsyncEngine) -> AsyncConnection:
    """Each statement is a transaction: a process that freezes between two cannot keep others from claiming."""
    return engine.execution_options(isolation_level="AUTOCOMMIT").connect()


def _arrays(held: Sequence[Held]) -> dict[str, list[UUID] | list[int]]:
    return {"ids": [item.task_id for item in held], "attempts": [item.attempt for item in held]}
