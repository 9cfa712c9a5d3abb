"""The ledger of the demo tasks: what the service would have written, had it done them one after the other."""

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

# Once for each batch of tasks, whose rows are in the temporary table that the loader fills. The workspaces' rows are
# locked in one order, so that a seed and another, or a worker that does the queued ones, wait and never lock each
# other up. Where a batch might need more than is left, the company has bought a round sum just before.
_LOCK = text("""
    SELECT FROM workspaces WHERE id IN (SELECT workspace_id FROM seeded_tasks) ORDER BY id FOR NO KEY UPDATE
""")
_POST = text("""
WITH held AS (
    SELECT t.*, (t.routing ->> 'ceilingMicros')::bigint AS ceiling FROM seeded_tasks t
), purchase AS (
    SELECT w.id AS workspace_id, min(t.created_at) AS at,
        1000000000 * ceil(sum(t.ceiling) / 1000000000.0)::bigint AS micros
    FROM held t JOIN workspaces w ON w.id = t.workspace_id
    GROUP BY w.id HAVING sum(t.ceiling) > w.credits_micros
), moves AS (
    SELECT p.workspace_id, p.at, NULL::uuid AS task_id, 0 AS place, 'PURCHASE' AS kind, 'CLEARING' AS debit,
        'AVAILABLE' AS credit, p.micros, NULL::integer AS attempt
    FROM purchase p
    UNION ALL
    SELECT t.workspace_id, m.at, t.id, m.place, m.kind, m.debit, m.credit, m.micros, m.attempt
    FROM held t CROSS JOIN LATERAL (VALUES
        (t.created_at, 1, 'RESERVE', 'AVAILABLE', 'RESERVED', t.ceiling, NULL),
        (t.finished_at, 2, 'SETTLE', 'RESERVED', 'REVENUE', t.cost_micros, t.attempt),
        (t.finished_at, 3, 'RELEASE', 'RESERVED', 'AVAILABLE', t.ceiling - t.cost_micros, t.attempt),
        (t.finished_at, 4, 'PROVIDER_COST', 'PROVIDERS', 'PROVIDER_COST', t.spent_micros, t.attempt)
    ) AS m (at, place, kind, debit, credit, micros, attempt)
    WHERE m.at IS NOT NULL AND m.micros > 0
), entries AS (
    INSERT INTO ledger_entries (
        workspace_id, seq, kind, debit, credit, amount_micros, available_micros, reserved_micros, task_id, hold,
        attempt, reason, created_at
    )
    SELECT m.workspace_id, w.ledger_seq + row_number() OVER so_far, m.kind, m.debit, m.credit, m.micros,
        w.credits_micros + sum(CASE 'AVAILABLE' WHEN m.credit THEN m.micros WHEN m.debit THEN -m.micros ELSE 0 END)
            OVER so_far,
        w.reserved_micros + sum(CASE 'RESERVED' WHEN m.credit THEN m.micros WHEN m.debit THEN -m.micros ELSE 0 END)
            OVER so_far,
        m.task_id, CASE WHEN m.task_id IS NOT NULL THEN 1 END, m.attempt,
        CASE m.kind WHEN 'PURCHASE' THEN 'demo data' END, m.at
    FROM moves m JOIN workspaces w ON w.id = m.workspace_id
    WINDOW so_far AS (PARTITION BY m.workspace_id ORDER BY m.at, m.place = 0 DESC, m.task_id, m.place)
    RETURNING workspace_id, seq, kind, amount_micros, available_micros, reserved_micros
)
UPDATE workspaces w SET ledger_seq = e.last, credits_micros = newest.available_micros,
    reserved_micros = newest.reserved_micros, revenue_micros = w.revenue_micros + coalesce(e.charged, 0),
    provider_cost_micros = w.provider_cost_micros + coalesce(e.cost, 0),
    clearing_micros = w.clearing_micros - coalesce(e.bought, 0),
    topped_up_micros = CASE WHEN e.bought > 0 THEN w.credits_micros + w.reserved_micros + e.bought
        ELSE w.topped_up_micros END
FROM (
    SELECT workspace_id, max(seq) AS last, sum(amount_micros) FILTER (WHERE kind = 'SETTLE') AS charged,
        sum(amount_micros) FILTER (WHERE kind = 'PROVIDER_COST') AS cost,
        sum(amount_micros) FILTER (WHERE kind = 'PURCHASE') AS bought
    FROM entries GROUP BY 1
) e JOIN entries newest ON newest.workspace_id = e.workspace_id AND newest.seq = e.last
WHERE w.id = e.workspace_id
""")


async def post_entries(connection: AsyncConnection) -> None:
    """For the tasks of this transaction's `seeded_tasks`: held when created, settled when they ended."""
    await connection.execute(_LOCK)
    await connection.execute(_POST)
