"""A claim never sorts: it reads the queue in its order, whatever the statistics say of a workspace.

Where they call a workspace small, to read everything it ever had and sort that looks as cheap.
"""

from alembic import op

revision = '0014'
down_revision = '0013'
branch_labels = None
depends_on = None

CLAIM_TASKS = "claim_tasks(varchar, integer, integer, interval, uuid, integer)"
SORTS = ("enable_sort", "enable_incremental_sort")


def upgrade() -> None:
    for setting in SORTS:
        op.execute(f"ALTER FUNCTION {CLAIM_TASKS} SET {setting} = off")


def downgrade() -> None:
    for setting in SORTS:
        op.execute(f"ALTER FUNCTION {CLAIM_TASKS} RESET {setting}")
