"""Fair shares of the queue, history in partitions, and everything the scheduler serves from an index."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None

# Parent, its time column, the length of a partition. A partition is named after its first day (UTC).
HISTORIES = (("task_events", "at", "week"), ("task_attempts", "started_at", "month"))
COLUMNS = {
    "task_events": "task_id, seq, workspace_id, xid, kind, status, attempt, data, at",
    "task_attempts": "task_id, number, workspace_id, worker_id, provider, model, status, error, output_text, "
    "input_tokens, output_tokens, cached_input_tokens, usage_estimated, cost_micros, started_at, finished_at",
}
KEYS = {"task_events": "task_id, seq", "task_attempts": "task_id, number"}
# Attaching, other than CREATE … PARTITION OF, lets reading and writing go on meanwhile.
PARTITION_FUNCTIONS = """
CREATE FUNCTION add_partitions(parent text, unit text, since timestamptz, until timestamptz)
RETURNS void LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' AS
$$
DECLARE
    step interval := ('1 ' || unit)::interval;
    first timestamptz := date_trunc(unit, since);
    name text;
BEGIN
    WHILE first <= until LOOP
        name := parent || to_char(first, '_YYYYMMDD');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name, parent);
            EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
            EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
            EXECUTE format(
                'ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', parent, name, first, first + step);
        END IF;
        first := first + step;
    END LOOP;
END
$$;

CREATE FUNCTION drop_partitions(parent text, unit text, before timestamptz)
RETURNS integer LANGUAGE plpgsql SET search_path = public, pg_temp SET timezone = 'UTC' AS
$$
DECLARE
    step interval := ('1 ' || unit)::interval;
    name text;
    dropped integer := 0;
BEGIN
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        -- Null, not an error, for a name without a date: conditions may be looked at in any order.
        WHERE i.inhparent = parent::regclass
            AND to_timestamp(substring(c.relname FROM '_([0-9]{8})$'), 'YYYYMMDD') + step <= before
    LOOP
        EXECUTE format('DROP TABLE %I', name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$
"""
# Who comes second while another process is at it leaves it to that one. Nobody is made to wait for a partition longer
# than half a second: next time will do.
KEEP_HISTORY_FUNCTION = """
CREATE FUNCTION keep_history(events_kept interval, attempts_kept interval) RETURNS integer
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET lock_timeout = '500ms' AS
$$
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('bizq.keep_history')) THEN
        RETURN 0;
    END IF;
    PERFORM add_partitions('task_events', 'week', now(), now() + interval '4 weeks');
    PERFORM add_partitions('task_attempts', 'month', now(), now() + interval '2 months');
    RETURN drop_partitions('task_events', 'week', now() - events_kept)
        + drop_partitions('task_attempts', 'month', now() - attempts_kept);
END
$$
"""
# Weighted round robin: the workspaces stand in a ring, in the order of their ids. In each round a workspace may start as
# many tasks as its weight says, by priority, then age, and never more than its limit of running tasks leaves room for.
# `after` is the workspace that was served last, and `taken` how much of its turn it has had: it goes on with the rest.
# Walking the ring ends when everybody in the batch has had a turn, so a claim costs the same with ten workspaces and with
# ten thousand. A task without routing is a person's. The advisory lock makes the count of running tasks exact: claims
# take turns. The rows come in the order in which they were served.
CLAIM_FUNCTION = """
CREATE FUNCTION claim_tasks(
    claimant varchar, most integer, per_workspace integer, lease interval, after uuid, taken integer
)
RETURNS SETOF tasks LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
DECLARE
    standing uuid := after;
    once_around boolean := false;
    -- Whether the one served last has some of its turn left; it is then the first that is visited.
    goes_on boolean := coalesce((SELECT w.weight > taken FROM workspaces w WHERE w.id = after), false);
    had integer;
    mine uuid;
    share integer;
    room integer;
    place integer := 0;
    served integer := 0;
    due uuid[];
    candidates uuid[] := '{}';
    rounds integer[] := '{}';
    places integer[] := '{}';
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('bizq.claim_tasks'));
    WHILE served < most LOOP
        IF goes_on AND had IS NULL THEN
            mine := after;
            had := taken;
        ELSE
            had := 0;
            SELECT t.workspace_id INTO mine FROM tasks t
            WHERE t.workspace_id > standing
                AND t.status = 'QUEUED' AND t.run_at IS NULL AND t.routing IS NOT NULL
            -- By the whole key: no other index offers this order, so the planner does not wade through what has ended.
            ORDER BY t.workspace_id, t.priority, t.id LIMIT 1;
            IF mine IS NULL AND NOT once_around THEN
                once_around := true;
                standing := '00000000-0000-0000-0000-000000000000';
                CONTINUE;
            END IF;
            EXIT WHEN mine IS NULL OR (once_around AND (mine > after OR (goes_on AND mine = after)));
            standing := mine;
        END IF;
        SELECT w.weight, coalesce(w.concurrency, per_workspace) - (
            SELECT count(*) FROM tasks r WHERE r.workspace_id = mine AND r.status = 'RUNNING'
        ) INTO share, room FROM workspaces w WHERE w.id = mine;
        CONTINUE WHEN room <= 0;
        SELECT array_agg(t.id ORDER BY t.priority, t.id) INTO due FROM (
            SELECT q.id, q.priority FROM tasks q
            WHERE q.workspace_id = mine AND q.status = 'QUEUED' AND q.run_at IS NULL AND q.routing IS NOT NULL
                AND (q.expires_at IS NULL OR q.expires_at > now() OR q.started_at IS NOT NULL)
            ORDER BY q.priority, q.id LIMIT least(room, most)
        ) t;
        CONTINUE WHEN due IS NULL;
        place := place + 1;
        served := served + 1;
        candidates := candidates || due;
        rounds := rounds || ARRAY(SELECT (had + n - 1) / share FROM generate_series(1, cardinality(due)) n);
        places := places || array_fill(place, ARRAY[cardinality(due)]);
    END LOOP;
    RETURN QUERY
    WITH chosen AS (
        SELECT c.id, row_number() OVER (ORDER BY c.round, c.place, c.nth) AS nth
        FROM unnest(candidates, rounds, places) WITH ORDINALITY AS c (id, round, place, nth)
        ORDER BY c.round, c.place, c.nth LIMIT most
    ), locked AS (
        SELECT t.id FROM tasks t JOIN chosen USING (id) WHERE t.status = 'QUEUED' FOR UPDATE OF t SKIP LOCKED
    ), claimed AS (
        UPDATE tasks t
        SET status = 'RUNNING', attempt = t.attempt + 1, leased_by = claimant,
            lease_until = clock_timestamp() + lease,
            started_at = coalesce(t.started_at, now()), version = t.version + 1,
            event_seq = t.event_seq + 1, event_xid = greatest(t.event_xid, pg_current_xact_id())
        FROM locked WHERE t.id = locked.id
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
    SELECT claimed.* FROM claimed JOIN chosen ON chosen.id = claimed.id ORDER BY chosen.nth;
END
$$
"""
SCHEDULER_FUNCTIONS = """
CREATE FUNCTION queue_due_tasks(most integer) RETURNS TABLE (workspace_id uuid, tasks bigint)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    -- Of a retry only the time is taken away: that it would be tried again then has been said already.
    WITH due AS (
        SELECT t.id, t.status = 'SCHEDULED' AS opens FROM tasks t
        WHERE t.status IN ('SCHEDULED', 'QUEUED') AND t.run_at <= now()
            AND (t.expires_at IS NULL OR t.expires_at > now() OR t.started_at IS NOT NULL)
        ORDER BY t.run_at LIMIT most FOR UPDATE SKIP LOCKED
    ), moved AS (
        UPDATE tasks t
        SET status = 'QUEUED', run_at = NULL, version = t.version + due.opens::integer,
            event_seq = t.event_seq + due.opens::integer,
            event_xid = CASE WHEN due.opens THEN greatest(t.event_xid, pg_current_xact_id()) ELSE t.event_xid END
        FROM due WHERE t.id = due.id
        RETURNING t.*, due.opens
    ), logged AS (
        INSERT INTO task_events (task_id, seq, workspace_id, xid, kind, status, attempt, data, at)
        SELECT m.id, m.event_seq, m.workspace_id, m.event_xid, 'QUEUED', m.status, m.attempt,
            jsonb_build_object('reason', 'due'), now()
        FROM moved m WHERE m.opens
    )
    SELECT m.workspace_id, count(*) FROM moved m GROUP BY m.workspace_id
$$;

CREATE FUNCTION overdue_tasks(cancel_grace interval, most integer)
RETURNS TABLE (workspace_id uuid, id uuid, attempt integer, reason varchar)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    (SELECT t.workspace_id, t.id, t.attempt, 'expired' FROM tasks t
     WHERE t.status IN ('SCHEDULED', 'QUEUED') AND t.started_at IS NULL AND t.expires_at <= now()
     ORDER BY t.expires_at LIMIT most)
    UNION ALL
    (SELECT t.workspace_id, t.id, t.attempt, 'lease_lost' FROM tasks t
     WHERE t.status = 'RUNNING' AND t.lease_until <= now() ORDER BY t.lease_until LIMIT most)
    UNION ALL
    (SELECT t.workspace_id, t.id, t.attempt, 'cancel_overdue' FROM tasks t
     WHERE t.status = 'RUNNING' AND t.cancel_requested_at <= now() - cancel_grace AND t.lease_until > now()
     ORDER BY t.cancel_requested_at LIMIT most)
    UNION ALL
    (SELECT t.workspace_id, t.id, t.attempt, 'wait_over' FROM tasks t
     WHERE t.status = 'WAITING' AND t.wait_until <= now() ORDER BY t.wait_until LIMIT most)
$$;

CREATE FUNCTION expire_idempotency_keys(kept interval, most integer) RETURNS integer
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    WITH old AS (
        SELECT k.workspace_id, k.key FROM idempotency_keys k
        WHERE k.created_at < now() - kept ORDER BY k.created_at LIMIT most FOR UPDATE SKIP LOCKED
    ), gone AS (
        DELETE FROM idempotency_keys k USING old WHERE k.workspace_id = old.workspace_id AND k.key = old.key RETURNING 1
    )
    SELECT count(*)::integer FROM gone
$$
"""
# A cursor is good for 72 hours, so no reader of the log ever looks at more than the newest partitions.
LOG_FUNCTIONS = """
CREATE FUNCTION read_task_events(workspaces uuid[], xids xid8[], tasks uuid[], seqs integer[], page integer)
RETURNS SETOF task_events LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT e.* FROM unnest(workspaces, xids, tasks, seqs) AS place (workspace_id, xid, task_id, seq)
    CROSS JOIN LATERAL (
        SELECT * FROM task_events t
        WHERE t.workspace_id = place.workspace_id
            AND (t.xid, t.task_id, t.seq) > (place.xid, place.task_id, place.seq)
            AND t.xid < pg_snapshot_xmin(pg_current_snapshot())
            AND t.at BETWEEN now() - interval '80 hours' AND now() + interval '1 hour'
        ORDER BY t.xid, t.task_id, t.seq
        LIMIT page
    ) e
$$;

CREATE FUNCTION read_tasks(ids uuid[]) RETURNS SETOF tasks
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$ SELECT t.* FROM tasks t WHERE t.id = ANY (ids) $$;

CREATE FUNCTION task_events_head(workspace uuid) RETURNS TABLE (xid xid8, task_id uuid, seq integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT e.xid, e.task_id, e.seq FROM task_events e
    WHERE e.workspace_id = workspace AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
        AND e.at BETWEEN now() - interval '80 hours' AND now() + interval '1 hour'
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
        SELECT count(*) AS due, min(greatest(e.at, (e.data ->> 'nextAttemptAt')::timestamptz)) AS since
        FROM tasks t JOIN task_events e
            ON e.task_id = t.id AND e.seq = t.event_seq AND e.at >= t.created_at - interval '1 hour'
        WHERE t.status = 'QUEUED' AND t.run_at IS NULL AND t.routing IS NOT NULL
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
            AND a.started_at >= now() - interval '8 days'
            AND a.status IN ('RUNNING', 'FAILED')
    )
    SELECT now(), waiting.due, waiting.since, working.running, working.lost, working.lost_at, tried.orphaned, tried.lost
    FROM waiting, working, tried
$$
"""
FUNCTIONS = {
    "claim_tasks": "varchar, integer, integer, interval, uuid, integer",
    "queue_due_tasks": "integer",
    "overdue_tasks": "interval, integer",
    "expire_idempotency_keys": "interval, integer",
    "keep_history": "interval, interval",
    "read_task_events": "uuid[], xid8[], uuid[], integer[], integer",
    "read_tasks": "uuid[]",
    "task_events_head": "uuid",
    "queue_health": "",
}
OWN_FUNCTIONS = {
    "add_partitions": "text, text, timestamptz, timestamptz",
    "drop_partitions": "text, text, timestamptz",
}
REPLACED = {
    "claim_tasks": "varchar, integer, integer, interval",
    "overdue_tasks": "interval, integer",
    "read_task_events": "uuid[], xid8[], uuid[], integer[], integer",
    "task_events_head": "uuid",
    "queue_health": "",
}
INDEXES = {
    "idx_tasks_queue": "(workspace_id, priority, id) WHERE status = 'QUEUED' AND run_at IS NULL AND routing IS NOT NULL",
    "idx_tasks_due": "(run_at) WHERE status IN ('SCHEDULED', 'QUEUED') AND run_at IS NOT NULL",
    "idx_tasks_expiry": "(expires_at) WHERE status IN ('SCHEDULED', 'QUEUED') AND started_at IS NULL",
    "idx_tasks_canceling": "(cancel_requested_at) WHERE status = 'RUNNING' AND cancel_requested_at IS NOT NULL",
    "idx_tasks_waiting": "(wait_until) WHERE status = 'WAITING'",
    "idx_tasks_ended": "(workspace_id, finished_at) WHERE status IN ('FAILED', 'CANCELED', 'EXPIRED')",
    "idx_tasks_worker_lost": "(finished_at) WHERE status = 'FAILED' AND error ->> 'code' = 'worker_lost'",
}
OLD_INDEXES = {
    "idx_tasks_queue": "(workspace_id, priority, id) WHERE status = 'QUEUED'",
    "idx_tasks_due": "(run_at) WHERE status = 'SCHEDULED'",
    "idx_tasks_expiry": "(expires_at) WHERE status IN ('SCHEDULED', 'QUEUED')",
}


def upgrade() -> None:
    for name, arguments in REPLACED.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    op.add_column("workspaces", sa.Column("weight", sa.SmallInteger(), server_default=sa.text("1"), nullable=False))
    op.add_column("workspaces", sa.Column("concurrency", sa.Integer(), nullable=True))
    op.create_check_constraint("workspaces_weight_in_bounds", "workspaces", "weight BETWEEN 1 AND 25")
    op.create_check_constraint("workspaces_concurrency_in_bounds", "workspaces", "concurrency BETWEEN 1 AND 10000")
    op.add_column("tasks", sa.Column("wait_until", sa.DateTime(timezone=True), nullable=True))
    for name in OLD_INDEXES:
        op.drop_index(name, "tasks")
    for name, definition in INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON tasks {definition}")
    op.create_index("idx_idempotency_keys_age", "idempotency_keys", ["created_at"])
    define(PARTITION_FUNCTIONS)
    for table, time, unit in HISTORIES:
        partition(table, time, unit)
    for statements in (KEEP_HISTORY_FUNCTION, CLAIM_FUNCTION, SCHEDULER_FUNCTIONS, LOG_FUNCTIONS, HEALTH_FUNCTION):
        define(statements)
    for name, arguments in OWN_FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {name}({arguments}) FROM PUBLIC")
    allow(FUNCTIONS)


def partition(table: str, time: str, unit: str) -> None:
    """Replace the table by a partitioned one with the same rows."""
    op.execute(f"ALTER TABLE {table} RENAME TO {table}_whole")
    op.execute(
        f"CREATE TABLE {table} (LIKE {table}_whole INCLUDING DEFAULTS, PRIMARY KEY ({KEYS[table]}, {time})) "
        f"PARTITION BY RANGE ({time})"
    )
    if table == "task_events":
        op.execute("DROP INDEX idx_task_events_log")
        op.execute("CREATE INDEX idx_task_events_log ON task_events (workspace_id, xid, task_id, seq)")
    ahead = "4 weeks" if unit == "week" else "2 months"
    op.execute(
        f"SELECT add_partitions('{table}', '{unit}', (SELECT coalesce(min({time}), now()) FROM {table}_whole), "
        f"now() + interval '{ahead}')"
    )
    op.execute(f"INSERT INTO {table} ({COLUMNS[table]}) SELECT {COLUMNS[table]} FROM {table}_whole")
    op.execute(f"DROP TABLE {table}_whole")
    protect(table)


def protect(table: str) -> None:
    first().isolate(table, first().MINE)
    verbs = "SELECT, INSERT" if table == "task_events" else "SELECT, INSERT, UPDATE, DELETE"
    op.execute(f"GRANT {verbs} ON {table} TO bizq_app")


def define(statements: str) -> None:
    for statement in statements.split(";\n\n"):
        op.execute(statement)


def allow(functions: dict[str, str]) -> None:
    for name, arguments in functions.items():
        op.execute(f"REVOKE ALL ON FUNCTION {name}({arguments}) FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name}({arguments}) TO bizq_app")


def first() -> ModuleType:
    """The revision before this one, whose functions a downgrade brings back."""
    return context.script.get_revision("0001").module


def downgrade() -> None:
    for name, arguments in (FUNCTIONS | OWN_FUNCTIONS).items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    for table, time, _ in HISTORIES:
        op.execute(f"ALTER TABLE {table} RENAME TO {table}_parts")
        op.execute(f"CREATE TABLE {table} (LIKE {table}_parts INCLUDING DEFAULTS, PRIMARY KEY ({KEYS[table]}))")
        op.execute(f"INSERT INTO {table} ({COLUMNS[table]}) SELECT {COLUMNS[table]} FROM {table}_parts")
        op.execute(f"DROP TABLE {table}_parts")
        op.create_foreign_key(None, table, "tasks", ["task_id"], ["id"])
        op.create_foreign_key(None, table, "workspaces", ["workspace_id"], ["id"])
        protect(table)
    op.create_foreign_key(None, "task_attempts", "workers", ["worker_id"], ["id"])
    op.execute("CREATE INDEX idx_task_events_log ON task_events (workspace_id, xid, task_id, seq)")
    op.drop_index("idx_idempotency_keys_age", "idempotency_keys")
    for name in INDEXES:
        op.drop_index(name, "tasks")
    for name, definition in OLD_INDEXES.items():
        op.execute(f"CREATE INDEX {name} ON tasks {definition}")
    op.drop_column("tasks", "wait_until")
    op.drop_column("workspaces", "concurrency")
    op.drop_column("workspaces", "weight")
    old = first()
    for statements in (old.CLAIM_FUNCTION, old.WORK_FUNCTIONS, old.HEALTH_FUNCTION):
        for statement in statements.split(";\n\n"):
            if any(f"FUNCTION {name}(" in statement for name in REPLACED):
                op.execute(statement)
    allow(REPLACED)
