"""Invitations, people without a workspace, and API keys that may do no more than whoever made them."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op

revision = '0006'
down_revision = '0004'
branch_labels = None
depends_on = None

MINE = "workspace_id = (SELECT current_workspace_id())"
# Whoever accepts is not in the workspace yet: the token says which one it is.
INVITATION_FUNCTIONS = """
CREATE FUNCTION auth_invitation(token bytea) RETURNS TABLE (
    id uuid, workspace_id uuid, workspace_name varchar, role varchar, email bytea, expires_at timestamptz
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT i.id, i.workspace_id, w.name, i.role, i.email, i.expires_at
    FROM invitations i JOIN workspaces w ON w.id = i.workspace_id
    WHERE i.token_hash = token AND i.expires_at > now()
$$;

CREATE FUNCTION expire_invitations(most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    WITH old AS (
        SELECT i.id FROM invitations i WHERE i.expires_at < now()
        ORDER BY i.expires_at LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM invitations i USING old WHERE i.id = old.id RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$
"""
# A key whose maker is no member any more is none.
API_KEY_FUNCTION = """
CREATE FUNCTION auth_api_key(hash bytea) RETURNS TABLE (
    api_key_id uuid, workspace_id uuid, creator_id uuid, role varchar, creator_role varchar, scopes text[]
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT k.id, k.workspace_id, k.creator_id, k.role, m.role, k.scopes
    FROM api_keys k JOIN memberships m ON m.workspace_id = k.workspace_id AND m.user_id = k.creator_id
    WHERE k.secret_hash = hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
$$
"""
# One row without a workspace for somebody who has none: whether the session lives is to be known all the same.
SESSION_FUNCTION = """
CREATE OR REPLACE FUNCTION auth_session_memberships(member uuid, session uuid)
RETURNS TABLE (workspace_id uuid, role varchar, live boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT m.workspace_id, m.role, EXISTS (SELECT FROM users u WHERE u.id = member) AND (session IS NULL OR EXISTS (
        SELECT FROM sessions s
        WHERE s.id = session AND s.user_id = member AND s.revoked_at IS NULL AND s.expires_at > now()
    ))
    FROM (SELECT 1) AS always LEFT JOIN memberships m ON m.user_id = member
    ORDER BY m.created_at, m.workspace_id
$$
"""
FUNCTIONS = {
    "auth_invitation": "bytea",
    "expire_invitations": "integer",
    "auth_api_key": "bytea",
}


def upgrade() -> None:
    op.create_table('invitations',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('email', sa.LargeBinary(), nullable=False),
    sa.Column('email_index', sa.LargeBinary(), nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('inviter_id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['inviter_id'], ['users.id'], ),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('token_hash')
    )
    op.create_index('invitations_workspace_email', 'invitations', ['workspace_id', 'email_index'], unique=True)
    op.create_index('idx_invitations_expiry', 'invitations', ['expires_at'], unique=False)
    revision_module("0001").isolate("invitations", MINE)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON invitations TO bizq_app")
    op.execute("DROP FUNCTION auth_api_key(bytea)")
    for statements in (INVITATION_FUNCTIONS, API_KEY_FUNCTION, SESSION_FUNCTION):
        revision_module("0002").define(statements)
    revision_module("0002").allow(FUNCTIONS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    op.drop_table("invitations")
    old = {"auth_api_key": "bytea"}
    restore(revision_module("0001").AUTH_FUNCTIONS, "CREATE FUNCTION auth_api_key(", "CREATE FUNCTION auth_api_key(")
    revision_module("0002").allow(old)
    restore(
        revision_module("0004").SESSION_FUNCTIONS,
        "CREATE FUNCTION auth_session_memberships(",
        "CREATE OR REPLACE FUNCTION auth_session_memberships(",
    )


def restore(statements: str, start: str, instead: str) -> None:
    """The one of an older revision's functions that begins so."""
    (statement,) = (each for each in statements.split(";\n\n") if start in each)
    op.execute(statement.replace(start, instead))
