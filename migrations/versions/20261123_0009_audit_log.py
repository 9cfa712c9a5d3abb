"""The audit log: entries that are only ever added, chained by their hashes in each workspace."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = '0009'
down_revision = '0008'
branch_labels = None
depends_on = None

MINE = "workspace_id = (SELECT current_workspace_id())"
# The only way to add an entry: numbers have no gap and hashes no fork, whoever calls. The update of the chain's row makes
# writers of one workspace take turns until they commit.
APPEND_FUNCTION = """
CREATE FUNCTION append_audit_entry(
    chain uuid, canonical bytea, at timestamptz, member uuid, api_key uuid, role varchar, action varchar,
    subject varchar, client_address varchar, data jsonb
)
RETURNS bigint LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
DECLARE
    head audit_chains;
BEGIN
    IF chain IS DISTINCT FROM current_workspace_id() THEN
        RAISE EXCEPTION 'an entry belongs to the audit log of the present workspace'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    INSERT INTO audit_chains (workspace_id, seq, hash) VALUES (chain, 0, decode(repeat('00', 32), 'hex'))
    ON CONFLICT DO NOTHING;
    UPDATE audit_chains c SET seq = c.seq + 1, hash = sha256(c.hash || int8send(c.seq + 1) || canonical)
    WHERE c.workspace_id = chain RETURNING c.* INTO head;
    INSERT INTO audit_entries VALUES (
        chain, head.seq, at, member, api_key, role, action, subject, client_address, data, head.hash);
    RETURN head.seq;
END
$$
"""
# For the tables' owner too. Who may switch triggers off can change entries; `bizq audit verify` finds it.
REFUSE_FUNCTIONS = """
CREATE FUNCTION refuse_audit_change() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS
$$
BEGIN
    RAISE EXCEPTION 'the audit log is never changed: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE FUNCTION check_audit_chain() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS
$$
BEGIN
    IF NEW.workspace_id <> OLD.workspace_id OR NEW.seq <> OLD.seq + 1 THEN
        RAISE EXCEPTION 'a chain of the audit log only grows' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$
"""
TRIGGERS = """
CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON audit_entries
FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit_entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change();

CREATE TRIGGER only_grow BEFORE UPDATE ON audit_chains
FOR EACH ROW EXECUTE FUNCTION check_audit_chain();

CREATE TRIGGER refuse_delete BEFORE DELETE ON audit_chains
FOR EACH ROW EXECUTE FUNCTION refuse_audit_change();

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON audit_chains
FOR EACH STATEMENT EXECUTE FUNCTION refuse_audit_change()
"""
# So that it is known whose session ended.
END_SESSION_FUNCTION = """
CREATE FUNCTION auth_end_session(token bytea) RETURNS uuid
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    UPDATE sessions s SET revoked_at = now() FROM refresh_tokens t
    WHERE t.token_hash = token AND s.id = t.session_id AND s.revoked_at IS NULL
    RETURNING s.user_id
$$
"""
COUNT_FUNCTION = """
CREATE FUNCTION count_sign_in_failures(keys bytea[]) RETURNS integer
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT coalesce(max(f.failures), 0) FROM sign_in_failures f WHERE f.key = ANY (keys) $$
"""
FUNCTIONS = {
    "append_audit_entry": "uuid, bytea, timestamptz, uuid, uuid, varchar, varchar, varchar, varchar, jsonb",
    "count_sign_in_failures": "bytea[]",
    "auth_end_session": "bytea",
}
OWN_FUNCTIONS = {"refuse_audit_change": "", "check_audit_chain": ""}


def upgrade() -> None:
    op.create_table('audit_chains',
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id')
    )
    op.create_table('audit_entries',
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=True),
    sa.Column('api_key_id', sa.Uuid(), nullable=True),
    sa.Column('role', sa.String(length=20), nullable=True),
    sa.Column('action', sa.String(length=100), nullable=False),
    sa.Column('subject', sa.String(length=100), nullable=True),
    sa.Column('client_address', sa.String(length=100), nullable=True),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('hash', sa.LargeBinary(), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'seq')
    )
    op.create_index('idx_audit_entries_action', 'audit_entries', ['workspace_id', 'action', 'seq'], unique=False)
    op.create_index('idx_audit_entries_user', 'audit_entries', ['workspace_id', 'user_id', 'seq'], unique=False)
    isolate = revision_module("0001").isolate
    isolate("audit_chains", "false")
    isolate("audit_entries", MINE)
    op.execute("GRANT SELECT ON audit_entries TO bizq_app")
    op.execute(f"DROP FUNCTION auth_end_session({FUNCTIONS['auth_end_session']})")
    for statements in (REFUSE_FUNCTIONS, APPEND_FUNCTION, END_SESSION_FUNCTION, COUNT_FUNCTION, TRIGGERS):
        revision_module("0002").define(statements)
    for name, arguments in OWN_FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {name}({arguments}) FROM PUBLIC")
    revision_module("0002").allow(FUNCTIONS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    op.drop_table('audit_entries')
    op.drop_table('audit_chains')
    for name, arguments in (FUNCTIONS | OWN_FUNCTIONS).items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    earlier = revision_module("0004")
    (end,) = (one for one in earlier.SESSION_FUNCTIONS.split(";\n\n") if "FUNCTION auth_end_session(" in one)
    op.execute(end)
    revision_module("0002").allow({"auth_end_session": earlier.FUNCTIONS["auth_end_session"]})
