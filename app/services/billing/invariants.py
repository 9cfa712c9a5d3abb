"""What always holds of the ledger, as queries that find where it does not.

Each gives a row for every place where its promise is broken: `workspace_id`, at most one of `task_id` and `budget_id`,
and the figures that its `problem` names. With `:workspace` they look at one workspace, where it is null at all.
"""

from dataclasses import dataclass

# What the queries are about, as they name it: each is preceded by this, and PostgreSQL leaves out what it does not use.
# `holds` has one row for each time that credits were reserved for a task, `purses` one for each task; there `open` is
# what its holds that have not ended are worth, `open_hold` the number of the last of them. A hold of -1 is that of an
# entry which says none, as none of ours does.
SUBJECTS = """
WITH shown AS NOT MATERIALIZED (
    SELECT w.id AS workspace_id, w.* FROM workspaces w WHERE cast(:workspace AS uuid) IS NULL OR w.id = :workspace
), entries AS NOT MATERIALIZED (
    SELECT e.* FROM ledger_entries e WHERE cast(:workspace AS uuid) IS NULL OR e.workspace_id = :workspace
), work AS NOT MATERIALIZED (
    SELECT t.id AS task_id, t.workspace_id, t.status, t.holds, t.cost_micros, t.reserved_micros, t.spent_micros,
        t.status IN ('SUCCEEDED', 'FAILED', 'CANCELED', 'EXPIRED') AS ended,
        t.worker_id, t.template_version_id, t.api_key_id
    FROM tasks t WHERE cast(:workspace AS uuid) IS NULL OR t.workspace_id = :workspace
), holds AS (
    SELECT e.workspace_id, e.task_id, coalesce(e.hold, -1) AS hold,
        sum(e.amount_micros) FILTER (WHERE e.kind = 'RESERVE') AS reserved,
        sum(e.amount_micros) FILTER (WHERE e.kind = 'SETTLE') AS settled,
        sum(e.amount_micros) FILTER (WHERE e.kind = 'RELEASE') AS released,
        sum(e.amount_micros) FILTER (WHERE e.kind = 'REFUND') AS refunded,
        sum(e.amount_micros) FILTER (WHERE e.kind = 'PROVIDER_COST') AS cost,
        min(e.seq) FILTER (WHERE e.kind = 'RESERVE') AS reserve_seq,
        min(e.seq) FILTER (WHERE e.kind IN ('SETTLE', 'RELEASE')) AS end_seq,
        min(e.created_at) FILTER (WHERE e.kind = 'RESERVE') AS reserved_at
    FROM entries e WHERE e.task_id IS NOT NULL GROUP BY 1, 2, 3
), purses AS (
    SELECT h.workspace_id, h.task_id, max(h.hold) AS last_hold,
        coalesce(sum(h.settled), 0) - coalesce(sum(h.refunded), 0) AS charged,
        coalesce(sum(h.reserved) FILTER (WHERE h.end_seq IS NULL), 0) AS open,
        max(h.hold) FILTER (WHERE h.end_seq IS NULL AND h.reserved IS NOT NULL) AS open_hold
    FROM holds h GROUP BY 1, 2
)
"""


@dataclass(frozen=True, slots=True)
class Invariant:
    """`promise` in words, the `query` that finds the exceptions, and what is said of each: a format of its columns."""

    name: str
    promise: str
    query: str
    problem: str


SEQUENCE = Invariant(
    "sequence",
    "a workspace's entries are numbered 1, 2, 3 … up to its counter",
    """
    SELECT n.workspace_id, n.seq, n.due FROM (
        SELECT e.workspace_id, e.seq, coalesce(lag(e.seq) OVER by_seq, 0) + 1 AS due FROM entries e
        WINDOW by_seq AS (PARTITION BY e.workspace_id ORDER BY e.seq)
    ) n WHERE n.seq <> n.due
    UNION ALL
    SELECT w.workspace_id, coalesce(m.last, 0), w.ledger_seq FROM shown w
    LEFT JOIN (SELECT e.workspace_id, max(e.seq) AS last FROM entries e GROUP BY 1) m USING (workspace_id)
    WHERE coalesce(m.last, 0) <> w.ledger_seq
    """,
    "entry {due} is due and {seq} is there",
)
KINDS = Invariant(
    "kinds",
    "each kind moves credits between its own two accounts, and an entry about a task says which hold",
    """
    SELECT e.workspace_id, e.task_id, e.seq, e.kind, e.debit, e.credit FROM entries e
    WHERE (e.kind, e.debit, e.credit) NOT IN (
        ('GRANT', 'PROMO', 'AVAILABLE'), ('PURCHASE', 'CLEARING', 'AVAILABLE'), ('REFUND', 'REVENUE', 'AVAILABLE'),
        ('ADJUSTMENT', 'CLEARING', 'AVAILABLE'), ('ADJUSTMENT', 'AVAILABLE', 'CLEARING'),
        ('RESERVE', 'AVAILABLE', 'RESERVED'), ('SETTLE', 'RESERVED', 'REVENUE'), ('RELEASE', 'RESERVED', 'AVAILABLE'),
        ('PROVIDER_COST', 'PROVIDERS', 'PROVIDER_COST')
    ) OR (e.task_id IS NULL) <> (e.hold IS NULL)
        OR (e.task_id IS NULL AND e.kind IN ('RESERVE', 'SETTLE', 'RELEASE', 'PROVIDER_COST'))
    """,
    "entry {seq} is a {kind} from {debit} to {credit}",
)
BALANCES = Invariant(
    "balances",
    "the balances that an entry records are those of the entry before, changed by its amount",
    """
    SELECT b.workspace_id, b.task_id, b.seq, b.available, b.available_due, b.reserved, b.reserved_due FROM (
        SELECT e.workspace_id, e.task_id, e.seq, e.available_micros AS available, e.reserved_micros AS reserved,
            coalesce(lag(e.available_micros) OVER by_seq, 0) + CASE 'AVAILABLE' WHEN e.credit THEN e.amount_micros
                WHEN e.debit THEN -e.amount_micros ELSE 0 END AS available_due,
            coalesce(lag(e.reserved_micros) OVER by_seq, 0) + CASE 'RESERVED' WHEN e.credit THEN e.amount_micros
                WHEN e.debit THEN -e.amount_micros ELSE 0 END AS reserved_due
        FROM entries e WINDOW by_seq AS (PARTITION BY e.workspace_id ORDER BY e.seq)
    ) b WHERE b.available <> b.available_due OR b.reserved <> b.reserved_due
    """,
    "entry {seq} records {available} available and {reserved} reserved; {available_due} and {reserved_due} are due",
)
ACCOUNTS = Invariant(
    "accounts",
    "each balance of a workspace is the sum of the entries of that account",
    """
    SELECT w.workspace_id, a.account, a.kept, coalesce(s.posted, 0) AS posted FROM shown w
    CROSS JOIN LATERAL (VALUES
        ('AVAILABLE', w.credits_micros), ('RESERVED', w.reserved_micros), ('REVENUE', w.revenue_micros),
        ('PROVIDER_COST', w.provider_cost_micros), ('PROMO', w.promo_micros), ('CLEARING', w.clearing_micros)
    ) AS a (account, kept)
    LEFT JOIN (
        SELECT moved.workspace_id, m.account, sum(m.micros) AS posted FROM (
            SELECT e.workspace_id, e.debit, e.credit, sum(e.amount_micros) AS micros FROM entries e GROUP BY 1, 2, 3
        ) moved CROSS JOIN LATERAL (VALUES (moved.debit, -moved.micros), (moved.credit, moved.micros))
            AS m (account, micros)
        GROUP BY 1, 2
    ) s ON s.workspace_id = w.workspace_id AND s.account = a.account
    WHERE a.kept <> coalesce(s.posted, 0)
    """,
    "{account} is {kept}; its entries sum to {posted}",
)
HOLDS = Invariant(
    "holds",
    "what was reserved once for a task is settled or released, all of it and no more, after it was reserved",
    """
    SELECT h.workspace_id, h.task_id, h.hold, coalesce(h.reserved, 0) AS reserved, coalesce(h.settled, 0) AS settled,
        coalesce(h.released, 0) AS released
    FROM holds h
    WHERE h.end_seq IS NOT NULL AND (h.reserved IS NULL OR h.reserve_seq > h.end_seq
        OR h.reserved <> coalesce(h.settled, 0) + coalesce(h.released, 0))
    """,
    "hold {hold} reserved {reserved}, settled {settled} and released {released}",
)
OPEN_HOLDS = Invariant(
    "open holds",
    "a hold that is open is the last of a task that has not ended, and is what the task says is held for it",
    """
    SELECT coalesce(t.workspace_id, p.workspace_id) AS workspace_id, coalesce(t.task_id, p.task_id) AS task_id,
        coalesce(t.status, 'gone') AS status, coalesce(t.reserved_micros, 0) AS held, coalesce(p.open, 0) AS open
    FROM purses p FULL JOIN work t ON t.task_id = p.task_id AND t.workspace_id = p.workspace_id
    WHERE CASE WHEN t.task_id IS NULL OR t.ended THEN p.open > 0
        ELSE t.reserved_micros <> coalesce(p.open, 0) OR p.open_hold <> t.holds END
    """,
    "it is {status} and says that {held} are held; its open entries hold {open}",
)
ENDED = Invariant(
    "ended tasks",
    "a task that has ended holds nothing",
    """
    SELECT t.workspace_id, t.task_id, t.status, t.reserved_micros AS held FROM work t
    WHERE t.ended AND t.reserved_micros <> 0
    """,
    "it is {status} and says that {held} are held",
)
RESERVES = Invariant(
    "reserves",
    "what a workspace has reserved is the sum of its open holds, and of what its unfinished tasks say is held",
    """
    SELECT w.workspace_id, w.reserved_micros AS reserved, coalesce(o.micros, 0) AS open, coalesce(t.micros, 0) AS held
    FROM shown w
    LEFT JOIN (SELECT p.workspace_id, sum(p.open) AS micros FROM purses p GROUP BY 1) o USING (workspace_id)
    LEFT JOIN (
        SELECT t.workspace_id, sum(t.reserved_micros) AS micros FROM work t WHERE NOT t.ended GROUP BY 1
    ) t USING (workspace_id)
    WHERE w.reserved_micros <> coalesce(o.micros, 0) OR w.reserved_micros <> coalesce(t.micros, 0)
    """,
    "{reserved} are reserved; its open holds sum to {open}, its unfinished tasks hold {held}",
)
# What was charged before there was a ledger has no entries: such tasks never had a hold.
CHARGES = Invariant(
    "charges",
    "what a task cost is the sum of what was settled for it, less what was refunded",
    """
    SELECT t.workspace_id, t.task_id, t.cost_micros AS cost, coalesce(p.charged, 0) AS charged
    FROM work t LEFT JOIN purses p USING (task_id)
    WHERE t.cost_micros <> coalesce(p.charged, 0) AND (t.holds > 0 OR p.charged > 0)
    """,
    "it says that it cost {cost}; {charged} were charged",
)
PROVIDER_COSTS = Invariant(
    "provider costs",
    "what a task that has ended took from providers is booked once, and of one that has not nothing",
    """
    SELECT t.workspace_id, t.task_id, t.spent_micros AS spent, coalesce(h.cost, 0) AS booked
    FROM work t LEFT JOIN holds h ON h.task_id = t.task_id AND h.hold = t.holds
    WHERE coalesce(h.cost, 0) <> CASE WHEN t.ended THEN t.spent_micros ELSE 0 END
    """,
    "it has spent {spent}; {booked} are booked",
)
OWNERS = Invariant(
    "owners",
    "the entries of a task are in the ledger of its own workspace",
    """
    SELECT h.workspace_id, h.task_id FROM holds h JOIN tasks t ON t.id = h.task_id
    WHERE t.workspace_id <> h.workspace_id
    """,
    "it belongs to another workspace than its entries",
)
# In the period in which the credits were reserved, as the database counts when it reserves and settles.
BUDGETS = Invariant(
    "budgets",
    "what is used of a budget is what was charged for tasks of its period, and is held for those that have not ended",
    """
    SELECT u.workspace_id, u.budget_id, u.starts_on, u.used_micros AS used, coalesce(due.micros, 0) AS due
    FROM budget_usage u JOIN shown w USING (workspace_id)
    LEFT JOIN (
        SELECT b.id AS budget_id, date_trunc(b.period, h.reserved_at AT TIME ZONE 'UTC')::date AS starts_on,
            sum(CASE WHEN h.end_seq IS NULL THEN h.reserved ELSE coalesce(h.settled, 0) END) AS micros
        FROM budgets b JOIN holds h USING (workspace_id) JOIN work t USING (task_id)
        LEFT JOIN template_versions v ON v.id = t.template_version_id
        WHERE b.scope = 'WORKSPACE' OR b.scope_id IN (t.worker_id, v.template_id, t.api_key_id)
        GROUP BY 1, 2
    ) due ON due.budget_id = u.budget_id AND due.starts_on = u.starts_on
    WHERE u.used_micros <> coalesce(due.micros, 0)
    """,
    "{used} are used in the period from {starts_on}; {due} were charged or are held",
)
BUDGET_HOLDS = Invariant(
    "budget holds",
    "what is held of a budget is held for a task that has not ended, as much as the task says",
    """
    SELECT h.workspace_id, h.task_id, h.amount_micros AS amount, coalesce(t.status, 'gone') AS status,
        coalesce(t.reserved_micros, 0) AS held
    FROM budget_holds h JOIN shown w USING (workspace_id) LEFT JOIN work t USING (task_id)
    LEFT JOIN budget_usage u ON u.budget_id = h.budget_id AND u.starts_on = h.starts_on
    WHERE t.task_id IS NULL OR t.ended OR t.reserved_micros <> h.amount_micros OR u.budget_id IS NULL
    """,
    "{amount} of a budget are held for it; it is {status} and says that {held} are",
)
INVARIANTS = (
    SEQUENCE, KINDS, BALANCES, ACCOUNTS, HOLDS, OPEN_HOLDS, ENDED, RESERVES, CHARGES, PROVIDER_COSTS, OWNERS, BUDGETS,
    BUDGET_HOLDS,
)  # fmt: skip
