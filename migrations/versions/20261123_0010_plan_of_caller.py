"""The plan of a caller's workspace, which says how many requests they may send."""

from types import ModuleType

from alembic import context, op

revision = '0010'
down_revision = '0009'
branch_labels = None
depends_on = None

# Asked together with who is calling, so before it is known which workspace the transaction is about.
PLAN_FUNCTION = """
CREATE FUNCTION auth_workspace_plan(workspace uuid) RETURNS varchar
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT w.plan FROM workspaces w WHERE w.id = workspace $$
"""
FUNCTIONS = {"auth_workspace_plan": "uuid"}


def upgrade() -> None:
    revision_module("0002").define(PLAN_FUNCTION)
    revision_module("0002").allow(FUNCTIONS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
