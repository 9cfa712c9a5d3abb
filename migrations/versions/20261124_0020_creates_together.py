"""Tasks of several workspaces accepted in one statement, after one that reads what they are decided by."""

from types import ModuleType

from alembic import context, op

revision = '0020'
down_revision = '0019'
branch_labels = None
depends_on = None

# Both look across workspaces, for which the process has found out whose each request is, so each line of them names the
# workspace that it is about.
#
# task_terms reads what tasks are decided by. `asked` is a JSON array of workspaces with what their drafts name:
# `templates` and `types` of the same length, and `workers`. Gives a row for each workspace: what it has said about
# routing, whose soft budgets have been passed, its own connections, whether it has budgets at all, and the versions and
# workers that are there for it. A version is that of the named template, else of the template whose slug is the type,
# the workspace's own before the built-in one; `asked` in it is the position of what it was found for, from 1.
#
# accept_plain_tasks writes what is plain, and waits for nobody: only tasks of workspaces that have no budgets, enough
# credits for all of theirs, and a row that nobody else is changing; of requests with a key only those whose key is new.
# Gives the tasks that were made. Whatever is not among them has not been touched and is for accept_tasks, one workspace
# at a time; `drafts` and `requests` are as there, each with its `workspace`. Raises lock_not_available where a request
# with one of the keys is under way elsewhere for more than a tenth of a second.
FUNCTIONS_OF_SEVERAL = """
CREATE FUNCTION task_terms(asked jsonb)
RETURNS TABLE (
    workspace uuid, models text[], cells jsonb, providers text[], passed uuid[], own jsonb, budgeted boolean,
    versions jsonb, workers jsonb
)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
BEGIN
    RETURN QUERY
    SELECT a.workspace, p.models, p.cells, p.providers, (
        SELECT array_agg(b.scope_id) FROM budgets b
        JOIN budget_usage u ON u.budget_id = b.id AND u.starts_on = budget_period_start(b.period)
        WHERE b.workspace_id = a.workspace AND u.used_micros >= b.soft_micros
    ), (
        SELECT jsonb_agg(jsonb_build_object(
            'id', c.id, 'name', c.name, 'provider', c.provider, 'model', c.model,
            'context_tokens', c.context_tokens, 'max_output_tokens', c.max_output_tokens) ORDER BY c.id)
        FROM provider_connections c WHERE c.workspace_id = a.workspace AND c.enabled
    ), EXISTS (SELECT FROM budgets b WHERE b.workspace_id = a.workspace), (
        SELECT jsonb_agg(to_jsonb(version) || jsonb_build_object('asked', named.n))
        FROM unnest(a.templates, a.types) WITH ORDINALITY AS named (template_id, type, n), LATERAL (
            SELECT found.* FROM (
                SELECT v.*, 1 AS choice
                FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.number = t.latest_version
                WHERE t.id = named.template_id AND (t.workspace_id = a.workspace OR t.workspace_id IS NULL)
                UNION ALL SELECT v.*, 1
                FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.number = t.latest_version
                WHERE named.template_id IS NULL AND t.workspace_id = a.workspace AND t.slug = named.type
                UNION ALL SELECT v.*, 2
                FROM templates t JOIN template_versions v ON v.template_id = t.id AND v.number = t.latest_version
                WHERE named.template_id IS NULL AND t.workspace_id IS NULL AND t.slug = named.type
            ) AS found ORDER BY found.choice LIMIT 1
        ) AS version
    ), (
        SELECT jsonb_agg(to_jsonb(w)) FROM workers w WHERE w.id = ANY (a.workers) AND w.workspace_id = a.workspace
    )
    FROM jsonb_to_recordset(asked) AS a (workspace uuid, templates uuid[], types text[], workers uuid[])
    LEFT JOIN routing_policies p ON p.workspace_id = a.workspace;
END
$$;

CREATE FUNCTION accept_plain_tasks(moment timestamptz, drafts jsonb, requests jsonb) RETURNS SETOF tasks
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
BEGIN
    IF EXISTS (
        SELECT FROM jsonb_to_recordset(drafts) AS d (workspace uuid, worker_id uuid, template_version_id uuid)
        LEFT JOIN workers w ON w.id = d.worker_id LEFT JOIN template_versions v ON v.id = d.template_version_id
        WHERE w.workspace_id <> d.workspace OR v.workspace_id <> d.workspace
    ) THEN
        RAISE EXCEPTION 'a task is of its template''s and its worker''s workspace' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF requests <> '[]' THEN
        PERFORM set_config('lock_timeout', '100ms', true);
    END IF;
    RETURN QUERY
    WITH asked AS MATERIALIZED (
        SELECT d.* FROM ROWS FROM (
            jsonb_to_recordset(drafts) AS (
                workspace uuid, key varchar, ceiling bigint, id uuid, type varchar, status varchar, input jsonb,
                template_version_id uuid, worker_id uuid, created_by uuid, api_key_id uuid, complexity varchar,
                cost_sensitive boolean, priority smallint, routing jsonb, max_cost_micros bigint, max_attempts integer,
                run_at timestamptz, expires_at timestamptz, metadata jsonb, tags text[]
            )
        ) WITH ORDINALITY AS d (
            workspace, key, ceiling, id, type, status, input, template_version_id, worker_id, created_by, api_key_id,
            complexity, cost_sensitive, priority, routing, max_cost_micros, max_attempts, run_at, expires_at, metadata,
            tags, n
        )
    ), purses AS MATERIALIZED (
        SELECT w.id, w.credits_micros, w.reserved_micros, w.ledger_seq FROM workspaces w
        JOIN (SELECT asked.workspace, sum(asked.ceiling) AS micros FROM asked GROUP BY asked.workspace) AS total
            ON total.workspace = w.id
        WHERE w.credits_micros >= total.micros AND NOT EXISTS (SELECT FROM budgets b WHERE b.workspace_id = w.id)
        ORDER BY w.id FOR NO KEY UPDATE OF w SKIP LOCKED
    ), keyed AS (
        INSERT INTO idempotency_keys (workspace_id, key, fingerprint, answer)
        SELECT r.workspace, r.key, decode(r.fingerprint, 'hex'), jsonb_build_object('results', r.answer)
        FROM jsonb_to_recordset(requests) AS r (workspace uuid, key varchar, fingerprint text, answer jsonb)
        JOIN purses ON purses.id = r.workspace ORDER BY r.workspace, r.key
        ON CONFLICT ON CONSTRAINT idempotency_keys_pkey DO NOTHING
        RETURNING workspace_id, key
    ), taken AS MATERIALIZED (
        SELECT asked.*, purses.credits_micros, purses.reserved_micros, purses.ledger_seq
        FROM asked JOIN purses ON purses.id = asked.workspace
        WHERE asked.key IS NULL
            OR EXISTS (SELECT FROM keyed WHERE keyed.workspace_id = asked.workspace AND keyed.key = asked.key)
    ), made AS (
        INSERT INTO tasks (
            id, workspace_id, type, status, input, template_version_id, worker_id, created_by, api_key_id, complexity,
            cost_sensitive, priority, routing, max_cost_micros, reserved_micros, holds, max_attempts, run_at, expires_at,
            metadata, tags, event_seq, created_at
        )
        SELECT taken.id, taken.workspace, taken.type, taken.status, coalesce(taken.input, 'null'),
            taken.template_version_id, taken.worker_id, taken.created_by, taken.api_key_id, taken.complexity,
            taken.cost_sensitive, taken.priority, taken.routing, taken.max_cost_micros, taken.ceiling, 1,
            taken.max_attempts, taken.run_at, taken.expires_at, taken.metadata, taken.tags, 1, moment
        FROM taken ORDER BY taken.n
        RETURNING *
    ), logged AS (
        INSERT INTO task_events (task_id, seq, workspace_id, xid, kind, status, attempt, data, at)
        SELECT made.id, 1, made.workspace_id, made.event_xid, 'CREATED', made.status, 0, '{}', moment FROM made
    ), held AS MATERIALIZED (
        SELECT taken.id, taken.workspace, taken.ceiling, taken.credits_micros, taken.reserved_micros, taken.ledger_seq,
            sum(taken.ceiling) OVER so_far AS micros, row_number() OVER so_far AS entry
        FROM taken WHERE taken.ceiling > 0
        WINDOW so_far AS (PARTITION BY taken.workspace ORDER BY taken.n)
    ), posted AS (
        INSERT INTO ledger_entries (
            workspace_id, seq, kind, debit, credit, amount_micros, available_micros, reserved_micros, task_id, hold
        )
        SELECT held.workspace, held.ledger_seq + held.entry, 'RESERVE', 'AVAILABLE', 'RESERVED', held.ceiling,
            held.credits_micros - held.micros, held.reserved_micros + held.micros, held.id, 1
        FROM held
    ), paid AS (
        UPDATE workspaces w SET credits_micros = w.credits_micros - total.micros,
            reserved_micros = w.reserved_micros + total.micros, ledger_seq = w.ledger_seq + total.entries
        FROM (
            SELECT held.workspace, sum(held.ceiling) AS micros, count(*) AS entries FROM held GROUP BY held.workspace
        ) AS total
        WHERE w.id = total.workspace
    )
    SELECT made.* FROM made;
END
$$
"""
FUNCTIONS = {"task_terms": "jsonb", "accept_plain_tasks": "timestamptz, jsonb, jsonb"}


def upgrade() -> None:
    durability = revision_module("0002")
    durability.define(FUNCTIONS_OF_SEVERAL)
    durability.allow(FUNCTIONS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
