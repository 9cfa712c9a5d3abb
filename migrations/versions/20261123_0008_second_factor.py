"""The second factor: authenticator apps, recovery codes, half-done sign-ins, and when a session last showed it."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op

revision = '0008'
down_revision = '0007'
branch_labels = None
depends_on = None

MINE = "user_id = (SELECT current_user_id())"
TABLES = ("mfa_challenges", "recovery_codes", "totp_factors")
# Whoever completes a sign-in is nobody yet: this tells whose it is. What follows is done as that user.
CHALLENGE_FUNCTIONS = """
CREATE FUNCTION auth_mfa_challenge(challenge bytea, at timestamptz)
RETURNS TABLE (user_id uuid, password_hash varchar, origin bytea)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT u.id, u.password_hash, c.origin FROM mfa_challenges c JOIN users u ON u.id = c.user_id
    WHERE c.challenge_hash = challenge AND c.expires_at > at
        AND (c.password_digest IS NULL OR c.password_digest = sha256(convert_to(u.password_hash, 'UTF8')))
$$;

CREATE FUNCTION expire_mfa_challenges(most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    WITH old AS (
        SELECT c.challenge_hash FROM mfa_challenges c WHERE c.expires_at < now()
        ORDER BY c.expires_at LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM mfa_challenges c USING old WHERE c.challenge_hash = old.challenge_hash RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$
"""
FUNCTIONS = {"auth_mfa_challenge": "bytea, timestamptz", "expire_mfa_challenges": "integer"}


def upgrade() -> None:
    op.create_table('totp_factors',
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('secret', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('confirmed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_step', sa.BigInteger(), nullable=True),
    sa.Column('failures', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('failed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('locked_until', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], ),
    sa.PrimaryKeyConstraint('user_id')
    )
    op.create_table('recovery_codes',
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('code_hash', sa.LargeBinary(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], ),
    sa.PrimaryKeyConstraint('user_id', 'code_hash')
    )
    op.create_table('mfa_challenges',
    sa.Column('challenge_hash', sa.LargeBinary(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('password_digest', sa.LargeBinary(), nullable=True),
    sa.Column('origin', sa.LargeBinary(), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], ),
    sa.PrimaryKeyConstraint('challenge_hash')
    )
    op.create_index(op.f('ix_mfa_challenges_user_id'), 'mfa_challenges', ['user_id'], unique=False)
    op.create_index('idx_mfa_challenges_expiry', 'mfa_challenges', ['expires_at'], unique=False)
    op.add_column('sessions', sa.Column('mfa_at', sa.DateTime(timezone=True), nullable=True))
    for table in TABLES:
        revision_module("0001").isolate(table, MINE)
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON totp_factors, recovery_codes TO bizq_app")
    op.execute("GRANT SELECT, INSERT, DELETE ON mfa_challenges TO bizq_app")
    revision_module("0002").define(CHALLENGE_FUNCTIONS)
    revision_module("0002").allow(FUNCTIONS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    op.drop_column('sessions', 'mfa_at')
    for table in TABLES:
        op.drop_table(table)
