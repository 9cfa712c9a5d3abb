"""What a worker process asks of the queue: work, more time, and which of its work is no longer wanted.

These look across workspaces, through functions of the database made for just that. Each statement is a transaction: a
process that freezes between two cannot keep others from claiming.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from app.db.hot import Hot, Row

_CLAIM = "SELECT * FROM claim_tasks($1, $2, $3, $4, $5, $6)"
_RENEW = "SELECT id, attempt FROM renew_leases($1, $2, $3)"
_CANCELED = "SELECT id, attempt FROM cancel_requests($1)"


@dataclass(frozen=True, slots=True)
class Turn:
    """Where a process is in its rounds of the workspaces: the one served last, and how much of its turn it has had."""

    workspace_id: UUID
    taken: int

    def after(self, claimed: Sequence[Row]) -> "Turn":
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
    hot: Hot,
    *,
    claimant: str,
    most: int,
    per_workspace: int,
    lease: timedelta,
    turn: Turn = FIRST_TURN,
) -> Sequence[Row]:
    """Up to `most` due tasks, now RUNNING and leased to the claimant, in the order of the workspaces' turns.

    The next claim goes on with `turn.after` these.
    """
    return await hot.call(_CLAIM, claimant, most, per_workspace, lease, turn.workspace_id, turn.taken)


async def renew_leases(hot: Hot, held: Sequence[Held], *, lease: timedelta) -> set[Held]:
    """Those still held, for another lease from now. The rest belong to somebody else or have ended."""
    rows = await hot.call(_RENEW, [item.task_id for item in held], [item.attempt for item in held], lease)
    return {Held(row["id"], row["attempt"]) for row in rows}


async def canceled(hot: Hot, held: Sequence[Held]) -> set[Held]:
    """Those that somebody asked to cancel."""
    rows = await hot.call(_CANCELED, [item.task_id for item in held])
    return {Held(row["id"], row["attempt"]) for row in rows} & set(held)
