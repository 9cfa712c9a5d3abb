"""People whom other identity providers know, and single sign-on of workspaces through theirs (OpenID Connect)."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op

revision = '0012'
down_revision = '0011'
branch_labels = None
depends_on = None

# Who shows an identity, an e-mail domain or a code is not known yet, and neither is their workspace.
SSO_FUNCTIONS = """
CREATE FUNCTION external_user(shown bytea) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT e.user_id FROM external_identities e WHERE e.identity = shown $$;

CREATE FUNCTION user_of_email(indexes bytea[]) RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT u.id FROM users u WHERE u.email_index = ANY (indexes) ORDER BY u.id LIMIT 1 $$;

CREATE FUNCTION sso_connection(wanted uuid, mail_domain varchar)
RETURNS TABLE (
    id uuid, workspace_id uuid, issuer varchar, client_id varchar, client_secret bytea, role varchar, domains varchar[]
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT c.id, c.workspace_id, c.issuer, c.client_id, c.client_secret, c.role,
        ARRAY(SELECT d.domain FROM sso_domains d WHERE d.connection_id = c.id)
    FROM sso_connections c
    WHERE c.id = wanted OR c.id = (SELECT d.connection_id FROM sso_domains d WHERE d.domain = mail_domain)
$$;

CREATE FUNCTION take_sso_flow(shown bytea, from_browser bytea)
RETURNS TABLE (connection_id uuid, nonce varchar, challenge varchar, return_to varchar)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    DELETE FROM sso_flows f WHERE f.state = shown AND f.browser = from_browser AND f.expires_at > clock_timestamp()
    RETURNING f.connection_id, f.nonce, f.challenge, f.return_to
$$;

CREATE FUNCTION take_sso_code(shown bytea, answer varchar, linking boolean)
RETURNS TABLE (workspace_id uuid, user_id uuid, connection_id uuid, identity bytea)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    DELETE FROM sso_codes c
    WHERE c.code = shown AND c.challenge = answer AND (c.identity IS NOT NULL) = linking
        AND c.expires_at > clock_timestamp()
    RETURNING c.workspace_id, c.user_id, c.connection_id, c.identity
$$;

CREATE FUNCTION expire_sso(most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    WITH flows AS (
        DELETE FROM sso_flows f USING (
            SELECT o.state FROM sso_flows o WHERE o.expires_at < now() ORDER BY o.expires_at LIMIT most
            FOR UPDATE SKIP LOCKED
        ) old WHERE f.state = old.state RETURNING 1
    ), codes AS (
        DELETE FROM sso_codes c USING (
            SELECT o.code FROM sso_codes o WHERE o.expires_at < now() ORDER BY o.expires_at LIMIT most
            FOR UPDATE SKIP LOCKED
        ) old WHERE c.code = old.code RETURNING 1
    )
    SELECT greatest((SELECT count(*) FROM flows), (SELECT count(*) FROM codes))::integer
$$
"""
# As whoever deletes, so row-level security holds for what it writes too.
REMEMBER_MEMBER = """
CREATE FUNCTION remember_former_member() RETURNS trigger
LANGUAGE plpgsql SET search_path = public, pg_temp AS
$$
BEGIN
    INSERT INTO former_members (workspace_id, user_id) VALUES (OLD.workspace_id, OLD.user_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE TRIGGER remember_former_member AFTER DELETE ON memberships
FOR EACH ROW EXECUTE FUNCTION remember_former_member()
"""
FUNCTIONS = {
    "external_user": "bytea",
    "user_of_email": "bytea[]",
    "sso_connection": "uuid, varchar",
    "take_sso_flow": "bytea, bytea",
    "take_sso_code": "bytea, varchar, boolean",
    "expire_sso": "integer",
}
# In the order in which they can be dropped.
TABLES = ("former_members", "sso_codes", "sso_flows", "sso_domains", "sso_connections", "external_identities")


def upgrade() -> None:
    op.create_table('external_identities',
    sa.Column('identity', sa.LargeBinary(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('issuer', sa.String(length=500), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], ),
    sa.PrimaryKeyConstraint('identity')
    )
    op.create_index(op.f('ix_external_identities_user_id'), 'external_identities', ['user_id'], unique=False)
    op.create_table('sso_connections',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('issuer', sa.String(length=500), nullable=False),
    sa.Column('client_id', sa.String(length=255), nullable=False),
    sa.Column('client_secret', sa.LargeBinary(), nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index(op.f('ix_sso_connections_workspace_id'), 'sso_connections', ['workspace_id'], unique=False)
    op.create_table('sso_domains',
    sa.Column('domain', sa.String(length=253), nullable=False),
    sa.Column('connection_id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.ForeignKeyConstraint(['connection_id'], ['sso_connections.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('domain')
    )
    op.create_index(op.f('ix_sso_domains_connection_id'), 'sso_domains', ['connection_id'], unique=False)
    op.create_table('sso_flows',
    sa.Column('state', sa.LargeBinary(), nullable=False),
    sa.Column('browser', sa.LargeBinary(), nullable=False),
    sa.Column('connection_id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('nonce', sa.String(length=43), nullable=False),
    sa.Column('challenge', sa.String(length=43), nullable=False),
    sa.Column('return_to', sa.String(length=2000), nullable=False),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['connection_id'], ['sso_connections.id'], ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('state')
    )
    op.create_index(op.f('ix_sso_flows_connection_id'), 'sso_flows', ['connection_id'], unique=False)
    op.create_index('idx_sso_flows_expiry', 'sso_flows', ['expires_at'], unique=False)
    op.create_table('sso_codes',
    sa.Column('code', sa.LargeBinary(), nullable=False),
    sa.Column('challenge', sa.String(length=43), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('connection_id', sa.Uuid(), nullable=True),
    sa.Column('identity', sa.LargeBinary(), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('code')
    )
    op.create_index('idx_sso_codes_expiry', 'sso_codes', ['expires_at'], unique=False)
    op.create_table('former_members',
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('left_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('workspace_id', 'user_id')
    )
    mine = revision_module("0001").MINE
    isolate = revision_module("0001").isolate
    isolate("external_identities", revision_module("0004").MINE)
    for table in ("sso_connections", "sso_domains", "sso_flows", "sso_codes", "former_members"):
        isolate(table, mine)
    op.execute("GRANT INSERT ON external_identities, sso_flows, sso_codes TO bizq_app")
    op.execute("GRANT SELECT, INSERT ON former_members TO bizq_app")
    revision_module("0002").define(SSO_FUNCTIONS)
    revision_module("0002").allow(FUNCTIONS)
    op.execute(REMEMBER_MEMBER)
    op.execute("REVOKE ALL ON FUNCTION remember_former_member() FROM PUBLIC")
    op.execute(TRIGGER)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    op.execute("DROP TRIGGER remember_former_member ON memberships")
    op.execute("DROP FUNCTION remember_former_member()")
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    for table in TABLES:
        op.drop_table(table)
