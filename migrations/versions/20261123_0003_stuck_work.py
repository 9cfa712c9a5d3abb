"""The names of stuck work, over all workspaces, for `bizq doctor`."""

from alembic import op

revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

# At most `most` of each kind; `since` is since when it is stuck, `leased_by` whose the lease was, `attempt` which try is dead.
#
# Each part reads a partial index that holds only what it is about. The queue's index is in the order of claiming, not
# of waiting, so its oldest are looked for in each (workspace, priority) by id, which is creation: those that were queued
# again a moment ago are passed over. That costs a few index probes a workspace, however long the queues are. A task's
# last event may be so old that it has been dropped; then the task has waited since its creation, or nearly.
STUCK_TASKS = """
CREATE FUNCTION stuck_tasks(patience interval, most integer) RETURNS TABLE (
    kind varchar, workspace_id uuid, task_id uuid, type varchar, since timestamptz, leased_by varchar, attempt integer
)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    WITH RECURSIVE queues AS (
        (SELECT t.workspace_id, t.priority FROM tasks t
         WHERE t.status = 'QUEUED' AND t.run_at IS NULL AND t.routing IS NOT NULL
         ORDER BY t.workspace_id, t.priority LIMIT 1)
        UNION ALL
        SELECT next.workspace_id, next.priority FROM queues q CROSS JOIN LATERAL (
            SELECT t.workspace_id, t.priority FROM tasks t
            WHERE t.status = 'QUEUED' AND t.run_at IS NULL AND t.routing IS NOT NULL
                AND (t.workspace_id, t.priority) > (q.workspace_id, q.priority)
            ORDER BY t.workspace_id, t.priority LIMIT 1
        ) next
    ), queued AS (
        SELECT waiting.* FROM queues q CROSS JOIN LATERAL (
            SELECT t.workspace_id, t.id, t.type, coalesce(entered.at, t.created_at) AS since
            FROM tasks t LEFT JOIN LATERAL (
                SELECT greatest(e.at, (e.data ->> 'nextAttemptAt')::timestamptz) AS at FROM task_events e
                -- The time spares looking into partitions from before the task; clocks may differ.
                WHERE e.task_id = t.id AND e.seq = t.event_seq AND e.at >= t.created_at - interval '1 hour'
            ) entered ON true
            WHERE t.workspace_id = q.workspace_id AND t.priority = q.priority
                AND t.status = 'QUEUED' AND t.run_at IS NULL AND t.routing IS NOT NULL
                -- Ids are UUIDv7 and begin with the time in milliseconds: what is younger is not even looked at.
                AND t.id < rpad(lpad(to_hex((extract(epoch FROM now() - patience) * 1000)::bigint), 12, '0'), 32, '0')::uuid
                AND coalesce(entered.at, t.created_at) <= now() - patience
            ORDER BY t.id LIMIT most
        ) waiting
        UNION ALL
        -- Put off until a time that has come: nobody takes a retry, or nobody serves the schedule.
        (SELECT t.workspace_id, t.id, t.type, t.run_at FROM tasks t
         WHERE t.status IN ('SCHEDULED', 'QUEUED') AND t.run_at IS NOT NULL AND t.run_at <= now() - patience
            AND (t.status = 'SCHEDULED' OR t.routing IS NOT NULL)
         ORDER BY t.run_at LIMIT most)
    )
    (SELECT 'due'::varchar, q.workspace_id, q.id, q.type, q.since, NULL::varchar, NULL::integer
     FROM queued q ORDER BY q.since, q.id LIMIT most)
    UNION ALL
    (SELECT 'lease_lost', t.workspace_id, t.id, t.type, t.lease_until, t.leased_by, t.attempt
     FROM tasks t WHERE t.status = 'RUNNING' AND t.lease_until <= now() ORDER BY t.lease_until, t.id LIMIT most)
    UNION ALL
    (SELECT 'attempt_dead', a.workspace_id, a.task_id, t.type, a.started_at, NULL, a.number
     FROM task_attempts a JOIN tasks t ON t.id = a.task_id
     WHERE a.status = 'RUNNING' AND (t.status <> 'RUNNING' OR t.attempt <> a.number)
     ORDER BY a.started_at, a.task_id LIMIT most)
    UNION ALL
    (SELECT 'worker_lost', t.workspace_id, t.id, t.type, t.finished_at, t.leased_by, t.attempt
     FROM tasks t
     WHERE t.status = 'FAILED' AND t.error ->> 'code' = 'worker_lost' AND t.finished_at > now() - interval '24 hours'
     ORDER BY t.finished_at DESC, t.id LIMIT most)
$$
"""
SIGNATURE = "stuck_tasks(interval, integer)"


def upgrade() -> None:
    op.execute(STUCK_TASKS)
    op.execute(f"REVOKE ALL ON FUNCTION {SIGNATURE} FROM PUBLIC")
    op.execute(f"GRANT EXECUTE ON FUNCTION {SIGNATURE} TO bizq_app")


def downgrade() -> None:
    op.execute(f"DROP FUNCTION {SIGNATURE}")
