"""The usage report, budgets that begin with what is used already, and the log of billing events for all who follow it."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op

revision = '0017'
down_revision = '0016'
branch_labels = None
depends_on = None

MINE = "workspace_id = (SELECT current_workspace_id())"
COUNTS = (
    "tasks", "succeeded", "failed", "canceled", "expired", "attempts", "input_tokens", "cached_input_tokens",
    "output_tokens", "cost_micros",
)
KEY = "workspace_id, day, type, worker_id, template_id, provider, model, is_open"
# What comes in one after the other is found by its time without an index that every write would have to keep in order.
BRIN = {"task_events": "at", "task_attempts": "finished_at", "ledger_entries": "created_at"}
# What ended, was called and was charged in a time, each counted on the day on which it happened. A task's end and its
# charge belong to the model that it had come to.
FACTS_FUNCTION = """
CREATE FUNCTION usage_between(since timestamptz, until timestamptz, is_open boolean) RETURNS SETOF usage_days
LANGUAGE plpgsql STABLE SET search_path = public, pg_temp SET timezone = 'UTC' SET plan_cache_mode = force_custom_plan AS
$$
DECLARE
    nobody CONSTANT uuid := '00000000-0000-0000-0000-000000000000';
BEGIN
    RETURN QUERY
    SELECT t.workspace_id, f.moment::date, t.type, coalesce(t.worker_id, nobody), coalesce(v.template_id, nobody),
        coalesce(f.provider, t.routing ->> 'provider', '')::varchar(50), coalesce(f.model, t.routing ->> 'model', '')::varchar(200), is_open,
        sum(f.tasks), sum(f.succeeded), sum(f.failed), sum(f.canceled), sum(f.expired), sum(f.attempts),
        sum(f.input_tokens)::bigint, sum(f.cached_input_tokens)::bigint, sum(f.output_tokens)::bigint,
        sum(f.cost_micros)::bigint
    FROM (
        SELECT e.task_id, e.at, CASE e.attempt WHEN 0 THEN '' END, CASE e.attempt WHEN 0 THEN '' END,
            1, (e.kind = 'SUCCEEDED')::integer, (e.kind = 'FAILED')::integer, (e.kind = 'CANCELED')::integer,
            (e.kind = 'EXPIRED')::integer, 0, 0::bigint, 0::bigint, 0::bigint, 0::bigint
        FROM task_events e
        WHERE e.at >= since AND e.at < until AND e.kind IN ('SUCCEEDED', 'FAILED', 'CANCELED', 'EXPIRED')
        UNION ALL
        SELECT a.task_id, a.finished_at, coalesce(a.provider, ''), coalesce(a.model, ''), 0, 0, 0, 0, 0, 1,
            coalesce(a.input_tokens, 0), coalesce(a.cached_input_tokens, 0), coalesce(a.output_tokens, 0), 0
        FROM task_attempts a
        WHERE a.finished_at >= since AND a.finished_at < until
        UNION ALL
        SELECT l.task_id, l.created_at, NULL, NULL, 0, 0, 0, 0, 0, 0, 0, 0, 0, l.amount_micros
        FROM ledger_entries l
        WHERE l.created_at >= since AND l.created_at < until AND l.kind = 'SETTLE'
    ) AS f (
        task_id, moment, provider, model, tasks, succeeded, failed, canceled, expired, attempts, input_tokens,
        cached_input_tokens, output_tokens, cost_micros
    )
    JOIN tasks t ON t.id = f.task_id
    LEFT JOIN template_versions v ON v.id = t.template_version_id
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8;
END
$$
"""
# Counting comes first, and only then is something written: a transaction that has written holds back the tail of the
# event log for everybody until it ends, which for a REFRESH of a materialised view is as long as it counts. What is an
# hour old is counted for good: no transaction of that time is open any more, and clocks differ by less. The rest is
# counted anew each time, and kept apart in rows that are open.
REFRESH_FUNCTION = f"""
CREATE FUNCTION refresh_usage(least_age interval) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp SET timezone = 'UTC' AS
$$
DECLARE
    began timestamptz := clock_timestamp();
    progress usage_progress;
    complete timestamptz := date_bin('10 minutes', now() - interval '1 hour', '2000-01-01');
    until timestamptz;
    seen xid8;
    closed usage_days[];
    open usage_days[];
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('bizq.refresh_usage')) THEN
        RETURN false;
    END IF;
    SELECT p.* INTO progress FROM usage_progress p;
    until := greatest(progress.open_from, least(progress.open_from + interval '1 day', complete));
    IF until >= complete THEN
        IF progress.refreshed_at > now() - greatest(least_age, 10 * progress.took) THEN
            RETURN false;
        END IF;
        IF progress.refreshed_at IS NOT NULL AND NOT EXISTS (
            SELECT FROM task_events e WHERE e.at >= progress.refreshed_at - interval '1 hour'
                AND e.xid >= progress.seen_xid AND e.kind <> 'CREATED'
        ) THEN
            UPDATE usage_progress SET refreshed_at = now();
            RETURN false;
        END IF;
    END IF;
    seen := pg_snapshot_xmin(pg_current_snapshot());
    closed := ARRAY(SELECT f FROM usage_between(progress.open_from, until, false) f);
    IF until >= complete THEN
        open := ARRAY(SELECT f FROM usage_between(until, 'infinity', true) f);
    END IF;
    INSERT INTO usage_days AS d SELECT * FROM unnest(closed)
    ON CONFLICT ({KEY}) DO UPDATE SET {', '.join(f'{name} = d.{name} + excluded.{name}' for name in COUNTS)};
    DELETE FROM usage_days d WHERE d.is_open;
    INSERT INTO usage_days SELECT * FROM unnest(open);
    UPDATE usage_progress SET open_from = until;
    IF until < complete THEN
        RETURN true;
    END IF;
    UPDATE usage_progress SET refreshed_at = now(), seen_xid = seen, took = clock_timestamp() - began;
    RETURN false;
END
$$
"""
# Its first usage is what it would be, had the budget been there since its period began: what was held for tasks in that
# time, and where they have ended, what they were charged.
BUDGET_FUNCTION = """
CREATE FUNCTION begin_budget(budget uuid) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
DECLARE
    mine budgets;
    starts date;
    used bigint := 0;
BEGIN
    SELECT b.* INTO mine FROM budgets b WHERE b.id = budget AND b.workspace_id = current_workspace_id();
    IF NOT FOUND THEN
        RAISE EXCEPTION 'a budget belongs to the present workspace' USING ERRCODE = 'insufficient_privilege';
    END IF;
    PERFORM FROM workspaces w WHERE w.id = mine.workspace_id FOR NO KEY UPDATE;
    starts := budget_period_start(mine.period);
    UPDATE budget_usage u SET soft_passed_at = NULL
    WHERE u.budget_id = mine.id AND u.starts_on = starts AND (mine.soft_micros IS NULL OR u.used_micros < mine.soft_micros);
    IF NOT EXISTS (SELECT FROM budget_usage u WHERE u.budget_id = mine.id AND u.starts_on = starts) THEN
        WITH held AS (
            SELECT r.task_id, r.amount_micros AS amount, s.amount_micros AS charge,
                s.task_id IS NOT NULL OR b.task_id IS NOT NULL AS ended
            FROM ledger_entries r
            JOIN tasks t ON t.id = r.task_id
            LEFT JOIN template_versions v ON v.id = t.template_version_id
            LEFT JOIN ledger_entries s ON s.task_id = r.task_id AND s.kind = 'SETTLE' AND s.hold = r.hold
            LEFT JOIN ledger_entries b ON b.task_id = r.task_id AND b.kind = 'RELEASE' AND b.hold = r.hold
            WHERE r.workspace_id = mine.workspace_id AND r.kind = 'RESERVE' AND r.created_at >= starts::timestamp AT TIME ZONE 'UTC'
                AND (mine.scope = 'WORKSPACE' OR mine.scope_id IN (t.worker_id, v.template_id, t.api_key_id))
        ), holding AS (
            INSERT INTO budget_holds (task_id, budget_id, workspace_id, starts_on, amount_micros)
            SELECT h.task_id, mine.id, mine.workspace_id, starts, h.amount FROM held h WHERE NOT h.ended
        )
        SELECT coalesce(sum(CASE WHEN h.ended THEN coalesce(h.charge, 0) ELSE h.amount END), 0) INTO used FROM held h;
    END IF;
    PERFORM charge_budget(mine.workspace_id, mine.id, starts, used, mine.soft_micros);
END
$$
"""
READ_FUNCTION = """
CREATE FUNCTION read_billing_events(workspaces uuid[], numbers bigint[], page integer) RETURNS SETOF billing_events
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    SELECT e.* FROM unnest(workspaces, numbers) AS place (workspace_id, number)
    CROSS JOIN LATERAL (
        SELECT * FROM billing_events e WHERE e.workspace_id = place.workspace_id AND e.number > place.number
        ORDER BY e.number LIMIT page
    ) e
$$
"""
FUNCTIONS = {
    "refresh_usage": "interval",
    "begin_budget": "uuid",
    "read_billing_events": "uuid[], bigint[], integer",
}
OWN_FUNCTIONS = {"usage_between": "timestamptz, timestamptz, boolean"}
# What happened before there was a report is counted by the scheduler, a day at a time.
BEGINNING = """
INSERT INTO usage_progress (open_from)
SELECT coalesce(least(
    (SELECT min(at) FROM task_events), (SELECT min(finished_at) FROM task_attempts),
    (SELECT min(created_at) FROM ledger_entries)), now())
"""


def upgrade() -> None:
    op.create_table('usage_days',
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('day', sa.Date(), nullable=False),
    sa.Column('type', sa.String(length=100), nullable=False),
    sa.Column('worker_id', sa.Uuid(), nullable=False),
    sa.Column('template_id', sa.Uuid(), nullable=False),
    sa.Column('provider', sa.String(length=50), nullable=False),
    sa.Column('model', sa.String(length=200), nullable=False),
    sa.Column('is_open', sa.Boolean(), nullable=False),
    *(sa.Column(name, sa.BigInteger(), server_default=sa.text('0'), nullable=False) for name in COUNTS),
    sa.PrimaryKeyConstraint(*KEY.split(", "))
    )
    op.create_index('idx_usage_days_open', 'usage_days', ['day'], unique=False, postgresql_where=sa.text('is_open'))
    op.create_table('usage_progress',
    sa.Column('one', sa.Boolean(), server_default=sa.text('true'), nullable=False),
    sa.Column('open_from', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.Column('refreshed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('seen_xid', revision_module("0001").Xid8(), nullable=True),
    sa.Column('took', sa.Interval(), nullable=True),
    sa.CheckConstraint('one', name='usage_progress_one'),
    sa.PrimaryKeyConstraint('one')
    )
    for table, column in BRIN.items():
        op.create_index(f'idx_{table}_{column}', table, [column], unique=False, postgresql_using='brin')
    isolate = revision_module("0001").isolate
    isolate("usage_days", MINE)
    op.execute("GRANT SELECT ON usage_days TO bizq_app")
    isolate("usage_progress", "false")
    # Of the installation, as the catalogue of models is.
    op.execute("CREATE POLICY catalogue ON usage_progress FOR SELECT USING (true)")
    op.execute("GRANT SELECT ON usage_progress TO bizq_app")
    op.execute(BEGINNING)
    for statement in (FACTS_FUNCTION, REFRESH_FUNCTION, BUDGET_FUNCTION, READ_FUNCTION):
        op.execute(statement)
    for name, arguments in OWN_FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {name}({arguments}) FROM PUBLIC")
    revision_module("0002").allow(FUNCTIONS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    for name, arguments in (FUNCTIONS | OWN_FUNCTIONS).items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    for table, column in BRIN.items():
        op.drop_index(f'idx_{table}_{column}', table)
    op.drop_table('usage_progress')
    op.drop_table('usage_days')
