"""Invitations that have ended are deleted: nobody needs the address any more."""

from types import ModuleType

from alembic import context, op

revision = '0013'
down_revision = '0012'
branch_labels = None
depends_on = None

# The table holds little else than what is open, so no index is needed to find the rest.
EXPIRE_INVITATIONS = """
CREATE FUNCTION expire_invitations(most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    WITH ended AS (
        SELECT i.id FROM invitations i
        WHERE i.accepted_at IS NOT NULL OR i.canceled_at IS NOT NULL OR i.expires_at <= now()
        LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM invitations i USING ended WHERE i.id = ended.id RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$
"""
FUNCTIONS = {"expire_invitations": "integer"}


def upgrade() -> None:
    revision_module("0002").define(EXPIRE_INVITATIONS)
    revision_module("0002").allow(FUNCTIONS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
