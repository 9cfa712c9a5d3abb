"""Tokens in mails: another password for who forgot theirs, and the proof that an address is read."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op

revision = '0007'
down_revision = '0006'
branch_labels = None
depends_on = None

# One statement that does the same for an address that nobody has. Beyond the limit it writes as well, but leaves the
# token that was mailed last as it is.
ISSUE_FUNCTION = """
CREATE FUNCTION issue_mail_token(
    purpose varchar, key bytea, member uuid, token bytea, lives interval, most integer, period interval
)
RETURNS boolean LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    INSERT INTO mail_tokens AS t (purpose, key, user_id, token_hash, expires_at, asked, asked_since)
    VALUES (issue_mail_token.purpose, issue_mail_token.key, member, token, now() + lives, 1, now())
    ON CONFLICT ON CONSTRAINT mail_tokens_pkey DO UPDATE SET
        user_id = excluded.user_id,
        token_hash = CASE WHEN t.asked >= most AND t.asked_since > now() - period
            THEN t.token_hash ELSE excluded.token_hash END,
        expires_at = CASE WHEN t.asked >= most AND t.asked_since > now() - period
            THEN t.expires_at ELSE excluded.expires_at END,
        asked = CASE WHEN t.asked_since > now() - period THEN least(t.asked, most) + 1 ELSE 1 END,
        asked_since = CASE WHEN t.asked_since > now() - period THEN t.asked_since ELSE now() END
    RETURNING t.asked <= most
$$
"""
# Of several at the same time one finds the token: the others wait for its row, and then it is used.
USE_FUNCTIONS = """
CREATE FUNCTION find_mail_token(purpose varchar, token bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT t.user_id FROM mail_tokens t
    WHERE t.token_hash = token AND t.purpose = find_mail_token.purpose AND t.expires_at > clock_timestamp()
$$;

CREATE FUNCTION use_mail_token(purpose varchar, token bytea) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    UPDATE mail_tokens t SET token_hash = NULL
    WHERE t.token_hash = token AND t.purpose = use_mail_token.purpose AND t.expires_at > clock_timestamp()
    RETURNING t.user_id
$$;

CREATE FUNCTION expire_mail_tokens(period interval, most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    WITH old AS (
        SELECT t.purpose, t.key FROM mail_tokens t
        WHERE t.expires_at < now() AND t.asked_since < now() - period
        ORDER BY t.expires_at LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM mail_tokens t USING old WHERE t.purpose = old.purpose AND t.key = old.key RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$
"""
FUNCTIONS = {
    "issue_mail_token": "varchar, bytea, uuid, bytea, interval, integer, interval",
    "find_mail_token": "varchar, bytea",
    "use_mail_token": "varchar, bytea",
    "expire_mail_tokens": "interval, integer",
}


def upgrade() -> None:
    op.add_column('users', sa.Column('email_verified_at', sa.DateTime(timezone=True), nullable=True))
    op.create_table('mail_tokens',
    sa.Column('purpose', sa.String(length=20), nullable=False),
    sa.Column('key', sa.LargeBinary(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=True),
    sa.Column('token_hash', sa.LargeBinary(), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('asked', sa.Integer(), nullable=False),
    sa.Column('asked_since', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], ),
    sa.PrimaryKeyConstraint('purpose', 'key'),
    sa.UniqueConstraint('token_hash')
    )
    op.create_index('idx_mail_tokens_age', 'mail_tokens', ['expires_at'], unique=False)
    revision_module("0001").isolate("mail_tokens", "false")
    for statements in (ISSUE_FUNCTION, USE_FUNCTIONS):
        revision_module("0002").define(statements)
    revision_module("0002").allow(FUNCTIONS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    op.drop_table('mail_tokens')
    op.drop_column('users', 'email_verified_at')
