"""The first tables, their row-level security, and the few functions that look across workspaces."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from sqlalchemy.types import UserDefinedType

revision = '0001'
down_revision = None
branch_labels = None
depends_on = None


class Xid8(UserDefinedType[int]):
    def get_col_spec(self, **_: object) -> str:
        return "xid8"


WORKSPACE_TABLES = (
    "memberships",
    "api_keys",
    "workers",
    "templates",
    "template_versions",
    "tasks",
    "task_attempts",
    "task_events",
    "idempotency_keys",
)
APP_ROLE = """
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'bizq_app') THEN
        CREATE ROLE bizq_app NOLOGIN NOSUPERUSER NOBYPASSRLS NOCREATEDB NOCREATEROLE;
    END IF;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION 'The role bizq_app is missing and this user may not create it.'
        USING HINT = 'As an administrator: CREATE ROLE bizq_app NOLOGIN; GRANT bizq_app TO <this user>;';
END $$
"""
# So that a service which is given the owner's login can switch to it. Where bizq_app logs in by itself, the owner
# may not be allowed to, and need not.
BECOME_APP_ROLE = """
DO $$
BEGIN
    GRANT bizq_app TO CURRENT_USER;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'The owner cannot become bizq_app; connect the service as bizq_app.';
END $$
"""
# Inside a scalar sub-select PostgreSQL asks these once for each statement, not once for each row.
SETTINGS = """
CREATE FUNCTION current_workspace_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('app.workspace_id', true), '')::uuid $$;
CREATE FUNCTION current_user_id() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS
$$ SELECT nullif(current_setting('app.user_id', true), '')::uuid $$
"""
MINE = "workspace_id = (SELECT current_workspace_id())"
# Who calls these is not known yet (sign-in), or works for every workspace (workers, the shared tail of the log).
# They are owned by the tables' owner, whose policy `maintenance` lets them look across.
AUTH_FUNCTIONS = """
CREATE FUNCTION auth_user(login varchar) RETURNS TABLE (user_id uuid, password_hash varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT u.id, u.password_hash FROM users u WHERE u.email = login $$;

CREATE FUNCTION auth_memberships(member uuid) RETURNS TABLE (workspace_id uuid, role varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT m.workspace_id, m.role FROM memberships m WHERE m.user_id = member ORDER BY m.created_at, m.workspace_id $$;

CREATE FUNCTION auth_api_key(hash bytea)
RETURNS TABLE (api_key_id uuid, workspace_id uuid, creator_id uuid, role varchar, scopes text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT k.id, k.workspace_id, k.creator_id, k.role, k.scopes FROM api_keys k
    WHERE k.secret_hash = hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
$$
"""
# Turns: the first due task of every workspace comes before the second of any (then priority, then age), within
# each workspace's limit of running tasks. A task without routing is a person's. The advisory lock makes the count of running tasks exact: claims take
# turns, and each takes a batch.
CLAIM_FUNCTION = """
CREATE FUNCTION claim_tasks(claimant varchar, most integer, per_workspace integer, lease interval)
RETURNS SETOF tasks LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('bizq.claim_tasks'));
    RETURN QUERY
    WITH RECURSIVE queues AS (
        (SELECT t.workspace_id FROM tasks t WHERE t.status = 'QUEUED' ORDER BY t.workspace_id LIMIT 1)
        UNION ALL
        SELECT (SELECT t.workspace_id FROM tasks t
                WHERE t.status = 'QUEUED' AND t.workspace_id > queues.workspace_id
                ORDER BY t.workspace_id LIMIT 1)
        FROM queues WHERE queues.workspace_id IS NOT NULL
    ), room AS (
        SELECT q.workspace_id, per_workspace - (
            SELECT count(*) FROM tasks r WHERE r.workspace_id = q.workspace_id AND r.status = 'RUNNING'
        ) AS free
        FROM queues q WHERE q.workspace_id IS NOT NULL
    ), turns AS (
        SELECT due.id, due.turn, due.priority
        FROM room CROSS JOIN LATERAL (
            SELECT t.id, t.priority, row_number() OVER (ORDER BY t.priority, t.id) AS turn
            FROM tasks t
            WHERE t.workspace_id = room.workspace_id AND t.status = 'QUEUED' AND t.routing IS NOT NULL
                AND (t.run_at IS NULL OR t.run_at <= now())
                AND (t.expires_at IS NULL OR t.expires_at > now() OR t.started_at IS NOT NULL)
            ORDER BY t.priority, t.id
            LIMIT greatest(0, least(room.free, most))
        ) due
        ORDER BY due.turn, due.priority, due.id
        LIMIT most
    ), chosen AS (
        SELECT t.id FROM tasks t JOIN turns USING (id) WHERE t.status = 'QUEUED' FOR UPDATE OF t SKIP LOCKED
    ), claimed AS (
        UPDATE tasks t
        SET status = 'RUNNING', attempt = t.attempt + 1, leased_by = claimant,
            lease_until = clock_timestamp() + lease,
            run_at = NULL, started_at = coalesce(t.started_at, now()), version = t.version + 1,
            event_seq = t.event_seq + 1, event_xid = greatest(t.event_xid, pg_current_xact_id())
        FROM chosen WHERE t.id = chosen.id
        RETURNING t.*
    ), attempts AS (
        INSERT INTO task_attempts (task_id, number, workspace_id, worker_id, provider, model, status, started_at)
        SELECT c.id, c.attempt, c.workspace_id, c.worker_id, c.routing->>'provider', c.routing->>'model', 'RUNNING',
            now()
        FROM claimed c
    ), logged AS (
        INSERT INTO task_events (task_id, seq, workspace_id, xid, kind, status, attempt, data, at)
        SELECT c.id, c.event_seq, c.workspace_id, c.event_xid, 'STARTED', c.status, c.attempt,
            jsonb_build_object('attempt', c.attempt), now()
        FROM claimed c
    )
    SELECT * FROM claimed;
END
$$
"""
WORK_FUNCTIONS = """
CREATE FUNCTION renew_leases(ids uuid[], attempts integer[], lease interval)
RETURNS TABLE (id uuid, attempt integer) LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    UPDATE tasks t SET lease_until = now() + lease
    FROM unnest(ids, attempts) held (id, attempt)
    WHERE t.id = held.id AND t.attempt = held.attempt AND t.status = 'RUNNING'
    RETURNING t.id, t.attempt
$$;

CREATE FUNCTION cancel_requests(ids uuid[]) RETURNS TABLE (id uuid, attempt integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT t.id, t.attempt FROM tasks t WHERE t.id = ANY (ids) AND t.cancel_requested_at IS NOT NULL $$;

CREATE FUNCTION overdue_tasks(cancel_grace interval, most integer)
RETURNS TABLE (workspace_id uuid, id uuid, attempt integer, reason varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    (SELECT t.workspace_id, t.id, t.attempt, 'expired' FROM tasks t
     WHERE t.status IN ('SCHEDULED', 'QUEUED') AND t.expires_at <= now() AND t.started_at IS NULL
     ORDER BY t.expires_at LIMIT most)
    UNION ALL
    (SELECT t.workspace_id, t.id, t.attempt, 'due' FROM tasks t
     WHERE t.status = 'SCHEDULED' AND t.run_at <= now() AND (t.expires_at IS NULL OR t.expires_at > now())
     ORDER BY t.run_at LIMIT most)
    UNION ALL
    (SELECT t.workspace_id, t.id, t.attempt, 'lease_lost' FROM tasks t
     WHERE t.status = 'RUNNING' AND t.lease_until <= now() ORDER BY t.lease_until LIMIT most)
    UNION ALL
    (SELECT t.workspace_id, t.id, t.attempt, 'cancel_overdue' FROM tasks t
     WHERE t.status = 'RUNNING' AND t.lease_until > now() AND t.cancel_requested_at <= now() - cancel_grace
     LIMIT most)
$$;

CREATE FUNCTION read_task_events(workspaces uuid[], xids xid8[], tasks uuid[], seqs integer[], page integer)
RETURNS SETOF task_events LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT e.* FROM unnest(workspaces, xids, tasks, seqs) AS place (workspace_id, xid, task_id, seq)
    CROSS JOIN LATERAL (
        SELECT * FROM task_events t
        WHERE t.workspace_id = place.workspace_id
            AND (t.xid, t.task_id, t.seq) > (place.xid, place.task_id, place.seq)
            AND t.xid < pg_snapshot_xmin(pg_current_snapshot())
        ORDER BY t.xid, t.task_id, t.seq
        LIMIT page
    ) e
$$;

CREATE FUNCTION task_events_head(workspace uuid) RETURNS TABLE (xid xid8, task_id uuid, seq integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT e.xid, e.task_id, e.seq FROM task_events e
    WHERE e.workspace_id = workspace AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
    ORDER BY e.xid DESC, e.task_id DESC, e.seq DESC LIMIT 1
$$
"""
# For `bizq doctor`.
HEALTH_FUNCTION = """
CREATE FUNCTION queue_health() RETURNS TABLE (
    now timestamptz, due bigint, oldest_due_since timestamptz, running bigint, leases_lost bigint,
    oldest_lease_lost_at timestamptz, orphaned_attempts bigint, lost_attempts bigint
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    WITH waiting AS (
        -- Since its last event, or since the time that event set: a retried task has not waited since its creation.
        SELECT count(*) AS due, min(greatest(e.at, t.run_at)) AS since
        FROM tasks t JOIN task_events e ON e.task_id = t.id AND e.seq = t.event_seq
        WHERE t.status = 'QUEUED' AND t.routing IS NOT NULL AND (t.run_at IS NULL OR t.run_at <= now())
    ), working AS (
        SELECT count(*) AS running, count(*) FILTER (WHERE t.lease_until <= now()) AS lost,
            min(t.lease_until) FILTER (WHERE t.lease_until <= now()) AS lost_at
        FROM tasks t WHERE t.status = 'RUNNING'
    ), tried AS (
        -- Ids are UUIDv7 and begin with the time: this reads the newest part of the primary key, not the whole table.
        SELECT count(*) FILTER (WHERE a.status = 'RUNNING' AND (t.status <> 'RUNNING' OR t.attempt <> a.number)) AS orphaned,
            count(*) FILTER (WHERE a.error ->> 'code' = 'worker_lost' AND a.finished_at > now() - interval '24 hours') AS lost
        FROM task_attempts a JOIN tasks t ON t.id = a.task_id
        WHERE a.task_id >= rpad(
            lpad(to_hex((extract(epoch FROM now() - interval '7 days') * 1000)::bigint), 12, '0'), 32, '0')::uuid
            AND a.status IN ('RUNNING', 'FAILED')
    )
    SELECT now(), waiting.due, waiting.since, working.running, working.lost, working.lost_at, tried.orphaned, tried.lost
    FROM waiting, working, tried
$$
"""
FUNCTIONS = {
    "auth_user": "varchar",
    "auth_memberships": "uuid",
    "auth_api_key": "bytea",
    "claim_tasks": "varchar, integer, integer, interval",
    "renew_leases": "uuid[], integer[], interval",
    "cancel_requests": "uuid[]",
    "overdue_tasks": "interval, integer",
    "read_task_events": "uuid[], xid8[], uuid[], integer[], integer",
    "task_events_head": "uuid",
    "queue_health": "",
}


def secure() -> None:
    op.execute(APP_ROLE)
    op.execute(BECOME_APP_ROLE)
    for statement in SETTINGS.split(";\n"):
        op.execute(statement)
    for table in WORKSPACE_TABLES:
        isolate(table, MINE)
    isolate("workspaces", "id = (SELECT current_workspace_id())")
    isolate("users", "id = (SELECT current_user_id())")
    # Colleagues see each other's names; the sub-select is itself subject to the policy of memberships.
    op.execute("CREATE POLICY colleagues ON users FOR SELECT USING (id IN (SELECT user_id FROM memberships))")
    for table in ("templates", "template_versions"):
        op.execute(
            f"CREATE POLICY built_in ON {table} FOR SELECT "
            "USING (workspace_id IS NULL AND (SELECT current_workspace_id()) IS NOT NULL)"
        )
    op.execute("GRANT USAGE ON SCHEMA public TO bizq_app")
    op.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON {', '.join(WORKSPACE_TABLES)} TO bizq_app")
    op.execute("GRANT SELECT, INSERT, UPDATE ON users, workspaces TO bizq_app")
    op.execute("REVOKE UPDATE, DELETE ON task_events, template_versions FROM bizq_app")
    op.execute("GRANT SELECT ON alembic_version TO bizq_app")
    for statements in (AUTH_FUNCTIONS, CLAIM_FUNCTION, WORK_FUNCTIONS, HEALTH_FUNCTION):
        for statement in statements.split(";\n\n"):
            op.execute(statement)
    for name, arguments in FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {name}({arguments}) FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name}({arguments}) TO bizq_app")


def isolate(table: str, mine: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY workspace_isolation ON {table} USING ({mine}) WITH CHECK ({mine})")
    op.execute(f"CREATE POLICY maintenance ON {table} TO CURRENT_USER USING (true) WITH CHECK (true)")


def upgrade() -> None:
    op.create_table('users',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('email', sa.String(length=255), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('password_hash', sa.String(length=255), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('email')
    )
    op.create_table('workspaces',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('slug', sa.String(length=100), nullable=False),
    sa.Column('owner_id', sa.Uuid(), nullable=False),
    sa.Column('plan', sa.String(length=50), nullable=False),
    sa.Column('credits_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('reserved_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('credits', sa.Numeric(precision=20, scale=6), sa.Computed("credits_micros::numeric / '1000000'::numeric", persisted=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('credits_micros >= 0', name='workspaces_credits_not_negative'),
    sa.CheckConstraint('reserved_micros >= 0', name='workspaces_reserved_not_negative'),
    sa.ForeignKeyConstraint(['owner_id'], ['users.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('slug')
    )
    op.create_table('api_keys',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('creator_id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.String(length=100), nullable=False),
    sa.Column('prefix', sa.String(length=20), nullable=False),
    sa.Column('secret_hash', sa.LargeBinary(), nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('scopes', postgresql.ARRAY(sa.Text()), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('last_used_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['creator_id'], ['users.id'], ),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('secret_hash')
    )
    op.create_index(op.f('ix_api_keys_workspace_id'), 'api_keys', ['workspace_id'], unique=False)
    op.create_table('memberships',
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('user_id', sa.Uuid(), nullable=False),
    sa.Column('role', sa.String(length=20), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], ),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('workspace_id', 'user_id')
    )
    op.create_index(op.f('ix_memberships_user_id'), 'memberships', ['user_id'], unique=False)
    op.create_table('templates',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=True),
    sa.Column('slug', sa.String(length=100), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('category', sa.String(length=100), nullable=False),
    sa.Column('description', sa.Text(), server_default='', nullable=False),
    sa.Column('config', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('creator_id', sa.Uuid(), nullable=True),
    sa.Column('is_public', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('latest_version', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['creator_id'], ['users.id'], ),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('idx_templates_config', 'templates', ['config'], unique=False, postgresql_using='gin')
    op.create_index('idx_templates_search', 'templates', [sa.literal_column("to_tsvector('english'::regconfig, (name::text || ' '::text) || category::text)")], unique=False, postgresql_using='gin')
    op.create_index('templates_workspace_slug', 'templates', ['workspace_id', 'slug'], unique=True, postgresql_nulls_not_distinct=True)
    op.create_table('workers',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('name', sa.String(length=200), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('provider', sa.String(length=50), nullable=True),
    sa.Column('model', sa.String(length=200), nullable=True),
    sa.Column('system_prompt', sa.Text(), nullable=True),
    sa.Column('parameters', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('capabilities', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('skills', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('enabled', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index(op.f('ix_workers_workspace_id'), 'workers', ['workspace_id'], unique=False)
    op.create_table('template_versions',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('template_id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=True),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('input_schema', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('output_schema', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('prompt', sa.Text(), nullable=False),
    sa.Column('config', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['template_id'], ['templates.id'], ),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('id'),
    sa.UniqueConstraint('template_id', 'number')
    )
    op.create_table('tasks',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('type', sa.String(length=100), nullable=False),
    sa.Column('status', sa.String(length=50), nullable=False),
    sa.Column('input', postgresql.JSONB(astext_type=sa.Text()), nullable=False),
    sa.Column('output', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('error', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('template_version_id', sa.Uuid(), nullable=True),
    sa.Column('worker_id', sa.Uuid(), nullable=True),
    sa.Column('created_by', sa.Uuid(), nullable=True),
    sa.Column('complexity', sa.String(length=20), nullable=False),
    sa.Column('cost_sensitive', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('priority', sa.SmallInteger(), server_default=sa.text('5'), nullable=False),
    sa.Column('progress', sa.Float(), nullable=True),
    sa.Column('routing', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('cost_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('reserved_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('max_cost_micros', sa.BigInteger(), nullable=True),
    sa.Column('cost', sa.Numeric(precision=20, scale=6), sa.Computed("cost_micros::numeric / '1000000'::numeric", persisted=True), nullable=True),
    sa.Column('attempt', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('max_attempts', sa.Integer(), server_default=sa.text('3'), nullable=False),
    sa.Column('attempts_before', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('lease_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_by', sa.String(length=100), nullable=True),
    sa.Column('run_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('expires_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('cancel_requested_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('cancel_reason', sa.String(length=500), nullable=True),
    sa.Column('wait', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('metadata', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('tags', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('version', sa.Integer(), server_default=sa.text('1'), nullable=False),
    sa.Column('event_seq', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('event_xid', Xid8(), server_default=sa.text('pg_current_xact_id()'), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.CheckConstraint('cost_micros >= 0', name='tasks_cost_not_negative'),
    sa.ForeignKeyConstraint(['created_by'], ['users.id'], ),
    sa.ForeignKeyConstraint(['template_version_id'], ['template_versions.id'], ),
    sa.ForeignKeyConstraint(['worker_id'], ['workers.id'], ),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('idx_tasks_created', 'tasks', ['workspace_id', sa.literal_column('created_at DESC')], unique=False)
    op.create_index('idx_tasks_due', 'tasks', ['run_at'], unique=False, postgresql_where=sa.text("status = 'SCHEDULED'"))
    op.create_index('idx_tasks_expiry', 'tasks', ['expires_at'], unique=False, postgresql_where=sa.text("status IN ('SCHEDULED', 'QUEUED')"))
    op.create_index('idx_tasks_input', 'tasks', ['input'], unique=False, postgresql_using='gin', postgresql_ops={'input': 'jsonb_path_ops'})
    op.create_index('idx_tasks_lease', 'tasks', ['lease_until'], unique=False, postgresql_where=sa.text("status = 'RUNNING'"))
    op.create_index('idx_tasks_queue', 'tasks', ['workspace_id', 'priority', 'id'], unique=False, postgresql_where=sa.text("status = 'QUEUED'"))
    op.create_index('idx_tasks_status', 'tasks', ['workspace_id', 'status', 'id'], unique=False)
    op.create_index('idx_tasks_workspace', 'tasks', ['workspace_id', 'id'], unique=False)
    op.create_table('task_attempts',
    sa.Column('task_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.Integer(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('worker_id', sa.Uuid(), nullable=True),
    sa.Column('provider', sa.String(length=50), nullable=True),
    sa.Column('model', sa.String(length=200), nullable=True),
    sa.Column('status', sa.String(length=50), nullable=False),
    sa.Column('error', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('output_text', sa.Text(), server_default='', nullable=False),
    sa.Column('input_tokens', sa.Integer(), nullable=True),
    sa.Column('output_tokens', sa.Integer(), nullable=True),
    sa.Column('cached_input_tokens', sa.Integer(), nullable=True),
    sa.Column('usage_estimated', sa.Boolean(), server_default=sa.text('false'), nullable=False),
    sa.Column('cost_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('started_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('finished_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['task_id'], ['tasks.id'], ),
    sa.ForeignKeyConstraint(['worker_id'], ['workers.id'], ),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('task_id', 'number')
    )
    op.create_table('task_events',
    sa.Column('task_id', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.Integer(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('xid', Xid8(), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('status', sa.String(length=50), nullable=False),
    sa.Column('attempt', sa.Integer(), server_default=sa.text('0'), nullable=False),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['task_id'], ['tasks.id'], ),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('task_id', 'seq')
    )
    op.create_index('idx_task_events_log', 'task_events', ['workspace_id', 'xid', 'task_id', 'seq'], unique=False)
    op.create_table('idempotency_keys',
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('key', sa.String(length=255), nullable=False),
    sa.Column('fingerprint', sa.LargeBinary(), nullable=False),
    sa.Column('answer', postgresql.JSONB(none_as_null=True, astext_type=sa.Text()), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('workspace_id', 'key')
    )
    secure()


def downgrade() -> None:
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    for table in reversed(("users", "workspaces", *WORKSPACE_TABLES)):
        op.execute(f"DROP TABLE {table} CASCADE")
    op.execute("DROP FUNCTION current_workspace_id(), current_user_id()")
    op.execute("REVOKE USAGE ON SCHEMA public FROM bizq_app")
