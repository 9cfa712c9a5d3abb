"""Sessions with rotating refresh tokens, the lock-out of sign-ins that fail, and when an API key was last used."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op

revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

MINE = "user_id = (SELECT current_user_id())"
# The session's row is locked before it is decided whether the token has been used: of any number of parallel uses one
# rotates, and the next revokes.
SESSION_FUNCTIONS = """
CREATE FUNCTION auth_refresh_session(old bytea, fresh bytea, idle interval)
RETURNS TABLE (outcome varchar, member uuid, session uuid)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
DECLARE
    found sessions;
BEGIN
    SELECT s.* INTO found FROM refresh_tokens t JOIN sessions s ON s.id = t.session_id
    WHERE t.token_hash = old FOR UPDATE OF s;
    IF found.id IS NULL THEN
        RETURN QUERY SELECT 'unknown'::varchar, NULL::uuid, NULL::uuid;
    ELSIF found.revoked_at IS NOT NULL OR found.expires_at <= clock_timestamp() THEN
        RETURN QUERY SELECT 'ended'::varchar, found.user_id, found.id;
    ELSIF (SELECT t.used_at FROM refresh_tokens t WHERE t.token_hash = old) IS NOT NULL THEN
        UPDATE sessions s SET revoked_at = clock_timestamp() WHERE s.id = found.id;
        RETURN QUERY SELECT 'reused'::varchar, found.user_id, found.id;
    ELSE
        UPDATE refresh_tokens t SET used_at = clock_timestamp() WHERE t.token_hash = old;
        INSERT INTO refresh_tokens (token_hash, session_id, user_id) VALUES (fresh, found.id, found.user_id);
        UPDATE sessions s SET expires_at = least(clock_timestamp() + idle, s.ends_at) WHERE s.id = found.id;
        RETURN QUERY SELECT 'rotated'::varchar, found.user_id, found.id;
    END IF;
END
$$;

CREATE FUNCTION auth_end_session(token bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    UPDATE sessions s SET revoked_at = now() FROM refresh_tokens t
    WHERE t.token_hash = token AND s.id = t.session_id AND s.revoked_at IS NULL
$$;

CREATE FUNCTION auth_session_memberships(member uuid, session uuid)
RETURNS TABLE (workspace_id uuid, role varchar, live boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT m.workspace_id, m.role, session IS NULL OR EXISTS (
        SELECT FROM sessions s
        WHERE s.id = session AND s.user_id = member AND s.revoked_at IS NULL AND s.expires_at > now()
    )
    FROM memberships m WHERE m.user_id = member ORDER BY m.created_at, m.workspace_id
$$;

CREATE FUNCTION expire_sessions(most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    WITH old AS (
        SELECT s.id FROM sessions s WHERE s.expires_at < now() ORDER BY s.expires_at LIMIT most FOR UPDATE SKIP LOCKED
    ), tokens AS (
        DELETE FROM refresh_tokens t USING old WHERE t.session_id = old.id
    ), gone AS (
        DELETE FROM sessions s USING old WHERE s.id = old.id RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$
"""
# An address from which the user has signed in before is not held by the lock that failures from anywhere else bring.
LOCK_OUT_FUNCTIONS = """
CREATE FUNCTION auth_sign_in(login varchar, origin bytea, address bytea, account bytea)
RETURNS TABLE (user_id uuid, password_hash varchar, locked_until timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT u.id, u.password_hash, (
        SELECT max(f.locked_until) FROM sign_in_failures f
        WHERE f.locked_until > clock_timestamp() AND (
            f.key IN (auth_sign_in.origin, address)
            OR (f.key = account AND NOT EXISTS (
                SELECT FROM sessions s WHERE s.user_id = u.id AND s.origin = auth_sign_in.origin))
        )
    )
    FROM (SELECT 1) AS always LEFT JOIN users u ON u.email = login
$$;

CREATE FUNCTION record_sign_in_failure(keys bytea[], limits integer[], longest interval[], first interval, quiet interval)
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
DECLARE
    now timestamptz := clock_timestamp();
    total integer;
BEGIN
    FOR i IN 1 .. cardinality(keys) LOOP
        INSERT INTO sign_in_failures AS f (key, failures, failed_at) VALUES (keys[i], 1, now)
        ON CONFLICT (key) DO UPDATE SET failed_at = now, failures = CASE
            WHEN greatest(f.failed_at, f.locked_until) < now - quiet THEN 1 ELSE f.failures + 1 END
        RETURNING f.failures INTO total;
        IF total % limits[i] = 0 THEN
            UPDATE sign_in_failures f
            SET locked_until = now + least(longest[i], first * 2 ^ least(total / limits[i] - 1, 20))
            WHERE f.key = keys[i];
        END IF;
    END LOOP;
END
$$;

CREATE FUNCTION forget_sign_in_failures(keys bytea[]) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ DELETE FROM sign_in_failures f WHERE f.key = ANY (keys) $$;

CREATE FUNCTION expire_sign_in_failures(quiet interval, most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    WITH old AS (
        SELECT f.key FROM sign_in_failures f
        WHERE f.failed_at < now() - quiet AND (f.locked_until IS NULL OR f.locked_until < now() - quiet)
        ORDER BY f.failed_at LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM sign_in_failures f USING old WHERE f.key = old.key RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$
"""
# Several processes report the same key: whoever is first in a minute writes.
KEY_FUNCTIONS = """
CREATE FUNCTION touch_api_keys(keys uuid[], apart interval) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    UPDATE api_keys k SET last_used_at = now()
    FROM (
        SELECT a.id FROM api_keys a
        WHERE a.id = ANY (keys) AND (a.last_used_at IS NULL OR a.last_used_at <= now() - apart)
        ORDER BY a.id FOR UPDATE SKIP LOCKED
    ) due
    WHERE k.id = due.id
$$
"""
AUTH_USER = """
CREATE FUNCTION auth_user(login varchar) RETURNS TABLE (user_id uuid, password_hash varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT u.id, u.password_hash FROM users u WHERE u.email = login $$
"""
# Taken over by auth_sign_in.
REMOVED = {"auth_user": "varchar"}
FUNCTIONS = {
    "auth_refresh_session": "bytea, bytea, interval",
    "auth_end_session": "bytea",
    "auth_session_memberships": "uuid, uuid",
    "expire_sessions": "integer",
    "auth_sign_in": "varchar, bytea, bytea, bytea",
    "record_sign_in_failure": "bytea[], integer[], interval[], interval, interval",
    "forget_sign_in_failures": "bytea[]",
    "expire_sign_in_failures": "interval, integer",
    "touch_api_keys": "uuid[], interval",
}


def upgrade() -> None:
    op.create_table('sessions',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('origin', sa.LargeBinary(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('ends_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index(op.f('ix_sessions_user_id'), 'sessions', ['user_id'], unique=False)
    op.create_index('idx_sessions_expiry', 'sessions', ['expires_at'], unique=False)
    op.create_table('refresh_tokens',
    sa.Column('token_hash', sa.LargeBinary(), nullable=False),
    sa.Column('session_id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('used_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['session_id'], ['sessions.id'], ),
    sa.PrimaryKeyConstraint('token_hash')
    )
    op.create_index(op.f('ix_refresh_tokens_session_id'), 'refresh_tokens', ['session_id'], unique=False)
    op.create_table('sign_in_failures',
    sa.Column('key', sa.LargeBinary(), nullable=False),
    sa.Column('failures', sa.Integer(), nullable=False),
    sa.Column('failed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('locked_until', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('key')
    )
    op.create_index('idx_sign_in_failures_age', 'sign_in_failures', ['failed_at'], unique=False)
    isolate = revision_module("0001").isolate
    isolate("sessions", MINE)
    isolate("refresh_tokens", MINE)
    isolate("sign_in_failures", "false")
    op.execute("GRANT SELECT, INSERT, UPDATE ON sessions TO bizq_app")
    op.execute("GRANT SELECT, INSERT ON refresh_tokens TO bizq_app")
    for statements in (SESSION_FUNCTIONS, LOCK_OUT_FUNCTIONS, KEY_FUNCTIONS):
        revision_module("0002").define(statements)
    revision_module("0002").allow(FUNCTIONS)
    for name, arguments in REMOVED.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    revision_module("0002").define(AUTH_USER)
    revision_module("0002").allow(REMOVED)
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    for table in ("refresh_tokens", "sessions", "sign_in_failures"):
        op.drop_table(table)
