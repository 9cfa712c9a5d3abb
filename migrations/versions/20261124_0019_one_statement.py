"""Tasks accepted, and tasks that succeed, in one statement each: one round trip, and row locks held for no longer."""

from alembic import op

revision = '0019'
down_revision = '0018'
branch_labels = None
depends_on = None

# Both run with the caller's rights: row-level security holds inside them as it does outside.
#
# accept_tasks writes what the planner has decided. `drafts` is a JSON array of tasks: their columns, `key` (of the
# request that one belongs to, or null), `ceiling` (what is held for it), `template` (whose budgets count) and `waits`
# (for credits, where there are none, with `wait` and `wait_until`). `requests` is a JSON array of those requests that
# have a key: `fingerprint` in hex, and `answer`, which is kept for who repeats it: a list of {"task": id} and of errors,
# or null where an error leaves the key free; `whole` says that a refusal leaves it free as well.
#
# Gives one row for each task that was made, and before them, where there is something to tell, one with `told`:
# {"earlier": {key: {"fingerprint", "answer"}}, "refused": {task: {"refusal", "required", "available", "budget", "left"}}}.
# Raises lock_not_available where a request with one of the keys is under way elsewhere for more than two seconds.
ACCEPT_TASKS = """
CREATE FUNCTION accept_tasks(workspace uuid, moment timestamptz, drafts jsonb, requests jsonb)
RETURNS TABLE (told jsonb, task tasks)
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS
$$
DECLARE
    earlier jsonb := '{}';
    refused jsonb := '{}';
    waiting uuid[] := '{}';
    priced record;
BEGIN
    PERFORM set_config('app.workspace_id', workspace::text, true), set_config('app.user_id', '', true);
    IF requests <> '[]' THEN
        PERFORM set_config('lock_timeout', '2s', true);
        -- In one order, so that two transactions with the same keys do not wait for each other.
        INSERT INTO idempotency_keys AS k (workspace_id, key, fingerprint)
        SELECT workspace, r.key, decode(r.fingerprint, 'hex')
        FROM jsonb_to_recordset(requests) AS r (key varchar, fingerprint text) ORDER BY r.key
        ON CONFLICT ON CONSTRAINT idempotency_keys_pkey
        DO UPDATE SET fingerprint = excluded.fingerprint, answer = NULL, created_at = now()
        WHERE k.created_at < now() - interval '24 hours';
        -- Those that this transaction has written are the first ones; an answer is never null once it is committed.
        SELECT coalesce(jsonb_object_agg(k.key, jsonb_build_object(
            'fingerprint', encode(k.fingerprint, 'hex'), 'answer', k.answer)), '{}')
        INTO earlier
        FROM idempotency_keys k JOIN jsonb_to_recordset(requests) AS r (key varchar) ON r.key = k.key
        WHERE k.workspace_id = workspace AND k.answer IS NOT NULL;
        IF earlier <> '{}' THEN
            drafts := coalesce((
                SELECT jsonb_agg(d.draft ORDER BY d.n) FROM jsonb_array_elements(drafts) WITH ORDINALITY AS d (draft, n)
                WHERE NOT coalesce(earlier ? (d.draft ->> 'key'), false)
            ), '[]');
        END IF;
    END IF;
    -- What costs nothing waits for nobody: the workspace's row is locked only for what has a price.
    SELECT array_agg(d.id ORDER BY d.n) AS ids, array_agg(1 ORDER BY d.n) AS holds,
        array_agg(d.ceiling ORDER BY d.n) AS amounts, array_agg(d.worker_id ORDER BY d.n) AS workers,
        array_agg(d.template ORDER BY d.n) AS templates, array_agg(d.api_key_id ORDER BY d.n) AS api_keys
    INTO priced
    FROM ROWS FROM (
        jsonb_to_recordset(drafts) AS (id uuid, ceiling bigint, worker_id uuid, template uuid, api_key_id uuid)
    ) WITH ORDINALITY AS d (id, ceiling, worker_id, template, api_key_id, n)
    WHERE d.ceiling > 0;
    IF priced.ids IS NOT NULL THEN
        SELECT coalesce(jsonb_object_agg(d.id, jsonb_build_object(
            'refusal', r.refusal, 'required', d.ceiling, 'available', r.available, 'budget', r.budget_id,
            'left', r.budget_left)) FILTER (WHERE r.refusal <> 'credits' OR NOT d.waits), '{}'),
            coalesce(array_agg(d.id) FILTER (WHERE r.refusal = 'credits' AND d.waits), '{}')
        INTO refused, waiting
        FROM reserve_credits(workspace, priced.ids, priced.holds, priced.amounts, priced.workers, priced.templates,
            priced.api_keys) r
        JOIN jsonb_to_recordset(drafts) AS d (id uuid, ceiling bigint, waits boolean) ON d.id = r.task_id
        WHERE r.refusal IS NOT NULL;
    END IF;
    IF earlier <> '{}' OR refused <> '{}' THEN
        RETURN QUERY SELECT jsonb_build_object('earlier', earlier, 'refused', refused), NULL::tasks;
    END IF;
    RETURN QUERY
    WITH made AS (
        INSERT INTO tasks (
            id, workspace_id, type, status, input, template_version_id, worker_id, created_by, api_key_id, complexity,
            cost_sensitive, priority, routing, max_cost_micros, reserved_micros, holds, max_attempts, run_at, expires_at,
            wait, wait_until, metadata, tags, event_seq, created_at
        )
        SELECT d.id, workspace, d.type, CASE WHEN d.id = ANY (waiting) THEN 'WAITING' ELSE d.status END,
            coalesce(d.input, 'null'), d.template_version_id, d.worker_id, d.created_by, d.api_key_id, d.complexity,
            d.cost_sensitive, d.priority, d.routing, d.max_cost_micros,
            CASE WHEN d.id = ANY (waiting) THEN 0 ELSE d.ceiling END, CASE WHEN d.id = ANY (waiting) THEN 0 ELSE 1 END,
            d.max_attempts, d.run_at, d.expires_at, CASE WHEN d.id = ANY (waiting) THEN d.wait END,
            CASE WHEN d.id = ANY (waiting) THEN d.wait_until END, d.metadata, d.tags, 1, moment
        FROM jsonb_to_recordset(drafts) AS d (
            id uuid, type varchar, status varchar, input jsonb, template_version_id uuid, worker_id uuid,
            created_by uuid, api_key_id uuid, complexity varchar, cost_sensitive boolean, priority smallint,
            routing jsonb, max_cost_micros bigint, ceiling bigint, max_attempts integer, run_at timestamptz,
            expires_at timestamptz, wait jsonb, wait_until timestamptz, metadata jsonb, tags text[]
        )
        WHERE NOT refused ? d.id::text
        RETURNING *
    ), logged AS (
        INSERT INTO task_events (task_id, seq, workspace_id, xid, kind, status, attempt, data, at)
        SELECT made.id, 1, workspace, made.event_xid, 'CREATED', made.status, 0, '{}', moment FROM made
    )
    SELECT NULL::jsonb, ROW(made.*)::tasks FROM made;
    IF requests <> '[]' THEN
        DELETE FROM idempotency_keys k USING jsonb_to_recordset(requests) AS r (key varchar, answer jsonb, whole boolean)
        WHERE k.workspace_id = workspace AND k.key = r.key AND k.answer IS NULL AND (r.answer IS NULL OR r.whole AND EXISTS (
            SELECT FROM jsonb_array_elements(r.answer) AS item (value) WHERE refused ? (item.value ->> 'task')));
        UPDATE idempotency_keys k SET answer = jsonb_build_object('results', (
            SELECT coalesce(jsonb_agg(coalesce(refused -> (item.value ->> 'task'), item.value) ORDER BY item.n), '[]')
            FROM jsonb_array_elements(r.answer) WITH ORDINALITY AS item (value, n)))
        FROM jsonb_to_recordset(requests) AS r (key varchar, answer jsonb)
        WHERE k.workspace_id = workspace AND k.key = r.key AND k.answer IS NULL;
    END IF;
END
$$
"""
# A success, only while the attempt is the present one of a running task; false where it is not. `charge` is kept of
# what was `reserved` with this `hold`, `cost` is what all attempts since then have used; the rest is the attempt's own.
SUCCEED_TASK = """
CREATE FUNCTION succeed_task(
    workspace uuid, task uuid, number integer, moment timestamptz, result jsonb, written text, input_tokens integer,
    output_tokens integer, cached_input_tokens integer, micros bigint, estimated boolean, hold integer, reserved bigint,
    charge bigint, cost bigint
)
RETURNS boolean LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS
$$
DECLARE
    after tasks;
BEGIN
    PERFORM set_config('app.workspace_id', workspace::text, true), set_config('app.user_id', '', true);
    UPDATE tasks t SET status = 'SUCCEEDED', version = t.version + 1, event_seq = t.event_seq + 1,
        event_xid = greatest(t.event_xid, pg_current_xact_id()), output = result, error = NULL, progress = 1,
        finished_at = moment, lease_until = NULL, cost_micros = t.cost_micros + charge, reserved_micros = 0,
        spent_micros = succeed_task.cost
    WHERE t.id = task AND t.workspace_id = workspace AND t.status = 'RUNNING' AND t.attempt = number
    RETURNING t.* INTO after;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO task_events (task_id, seq, workspace_id, xid, kind, status, attempt, data, at)
    VALUES (task, after.event_seq, workspace, after.event_xid, 'SUCCEEDED', 'SUCCEEDED', number,
        jsonb_build_object('attempt', number), moment);
    UPDATE task_attempts a SET status = 'SUCCEEDED', finished_at = moment,
        output_text = CASE WHEN written = '' THEN a.output_text ELSE written END,
        input_tokens = succeed_task.input_tokens, output_tokens = succeed_task.output_tokens,
        cached_input_tokens = succeed_task.cached_input_tokens, cost_micros = micros, usage_estimated = estimated
    WHERE a.task_id = task AND a.number = succeed_task.number;
    -- Last, as it locks the workspace's row.
    IF reserved > 0 OR cost > 0 THEN
        PERFORM settle_credits(workspace, task, hold, number, reserved, charge, cost);
    END IF;
    RETURN true;
END
$$
"""
OWN_RIGHTS = {
    "accept_tasks": "uuid, timestamptz, jsonb, jsonb",
    "succeed_task": "uuid, uuid, integer, timestamptz, jsonb, text, integer, integer, integer, bigint, boolean, integer, "
    "bigint, bigint, bigint",
}


def upgrade() -> None:
    op.execute(ACCEPT_TASKS)
    op.execute(SUCCEED_TASK)
    for name, arguments in OWN_RIGHTS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {name}({arguments}) FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name}({arguments}) TO bizq_app")


def downgrade() -> None:
    for name, arguments in OWN_RIGHTS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
