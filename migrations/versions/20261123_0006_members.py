"""Invitations, and callers who belong to no workspace or to several."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op

revision = '0006'
down_revision = '0005'
branch_labels = None
depends_on = None

INVITATION_FUNCTION = """
CREATE FUNCTION auth_invitation(hash bytea) RETURNS TABLE (invitation_id uuid, workspace_id uuid, role varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT i.id, i.workspace_id, i.role FROM invitations i
    WHERE i.token_hash = hash AND i.accepted_at IS NULL AND i.canceled_at IS NULL AND i.expires_at > now()
$$
"""
# A row without a workspace for who belongs to none: whether their session lives is asked all the same.
MEMBERSHIPS_FUNCTION = """
CREATE OR REPLACE FUNCTION auth_session_memberships(member uuid, session uuid)
RETURNS TABLE (workspace_id uuid, role varchar, live boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT m.workspace_id, m.role, CASE
        WHEN session IS NULL THEN EXISTS (SELECT FROM users u WHERE u.id = member)
        ELSE EXISTS (
            SELECT FROM sessions s
            WHERE s.id = session AND s.user_id = member AND s.revoked_at IS NULL AND s.expires_at > now()
        )
    END
    FROM (SELECT 1) AS always LEFT JOIN memberships m ON m.user_id = member
    ORDER BY m.created_at, m.workspace_id
$$
"""
FUNCTIONS = {"auth_invitation": "bytea"}


def upgrade() -> None:
    op.create_table('invitations',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('email', sa.LargeBinary(), nullable=False),
    sa.Column('email_index', sa.LargeBinary(), nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('invited_by', sa.Uuid(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('accepted_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('canceled_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['invited_by'], ['users.id'], ),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('token_hash')
    )
    op.create_index('idx_invitations_address', 'invitations', ['workspace_id', 'email_index'], unique=False)
    first = revision_module("0001")
    first.isolate("invitations", first.MINE)
    op.execute("GRANT SELECT, INSERT, UPDATE ON invitations TO bizq_app")
    op.execute(INVITATION_FUNCTION)
    op.execute(MEMBERSHIPS_FUNCTION)
    revision_module("0002").allow(FUNCTIONS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    earlier = revision_module("0004").SESSION_FUNCTIONS.split(";\n\n")
    (memberships,) = (one for one in earlier if "FUNCTION auth_session_memberships(" in one)
    op.execute(memberships.replace("CREATE FUNCTION", "CREATE OR REPLACE FUNCTION"))
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    op.drop_table('invitations')
