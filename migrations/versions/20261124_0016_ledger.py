"""Money: the ledger, what is held for tasks, budgets; and what a workspace wants of routing."""

from types import ModuleType

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

revision = '0016'
down_revision = '0015'
branch_labels = None
depends_on = None

MINE = "workspace_id = (SELECT current_workspace_id())"
# The only ways to move money. Each takes the workspace's row first and holds it until the transaction ends, so it is
# called as late as can be. The system's side of every posting is kept in the same row: one lock, and no row that all
# workspaces would wait for.
MONEY_FUNCTIONS = """
CREATE FUNCTION budget_period_start(period varchar) RETURNS date
LANGUAGE sql STABLE SET search_path = public, pg_temp AS
$$ SELECT date_trunc(period, now() AT TIME ZONE 'UTC')::date $$;

CREATE FUNCTION reserve_credits(
    workspace uuid, tasks uuid[], holds integer[], amounts bigint[], workers uuid[], templates uuid[], api_keys uuid[]
)
RETURNS TABLE (task_id uuid, available bigint, refusal varchar, budget_id uuid, budget_left bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
DECLARE
    purse workspaces;
    budgeted boolean;
    budget record;
    amount bigint;
BEGIN
    IF workspace IS DISTINCT FROM current_workspace_id() THEN
        RAISE EXCEPTION 'credits belong to the present workspace' USING ERRCODE = 'insufficient_privilege';
    END IF;
    SELECT w.* INTO purse FROM workspaces w WHERE w.id = workspace FOR NO KEY UPDATE;
    budgeted := EXISTS (SELECT FROM budgets b WHERE b.workspace_id = workspace);
    FOR n IN 1 .. cardinality(tasks) LOOP
        task_id := tasks[n];
        amount := amounts[n];
        available := purse.credits_micros;
        refusal := NULL;
        budget_id := NULL;
        budget_left := NULL;
        IF amount > purse.credits_micros THEN
            refusal := 'credits';
        ELSIF budgeted THEN
            SELECT b.id, b.hard_micros - coalesce(u.used_micros, 0) INTO budget_id, budget_left FROM budgets b
            LEFT JOIN budget_usage u ON u.budget_id = b.id AND u.starts_on = budget_period_start(b.period)
            WHERE b.workspace_id = workspace AND amount > b.hard_micros - coalesce(u.used_micros, 0)
                AND (b.scope = 'WORKSPACE' OR b.scope_id IN (workers[n], templates[n], api_keys[n]))
            ORDER BY 2, 1 LIMIT 1;
            IF budget_id IS NOT NULL THEN
                refusal := 'budget';
            END IF;
        END IF;
        IF refusal IS NULL AND amount > 0 THEN
            purse.credits_micros := purse.credits_micros - amount;
            purse.reserved_micros := purse.reserved_micros + amount;
            purse.ledger_seq := purse.ledger_seq + 1;
            INSERT INTO ledger_entries (
                workspace_id, seq, kind, debit, credit, amount_micros, available_micros, reserved_micros, task_id, hold
            ) VALUES (
                workspace, purse.ledger_seq, 'RESERVE', 'AVAILABLE', 'RESERVED', amount, purse.credits_micros,
                purse.reserved_micros, tasks[n], holds[n]
            );
            IF budgeted THEN
                FOR budget IN
                    SELECT b.id, b.soft_micros, budget_period_start(b.period) AS starts_on FROM budgets b
                    WHERE b.workspace_id = workspace
                        AND (b.scope = 'WORKSPACE' OR b.scope_id IN (workers[n], templates[n], api_keys[n]))
                    ORDER BY b.id
                LOOP
                    PERFORM charge_budget(workspace, budget.id, budget.starts_on, amount, budget.soft_micros);
                    INSERT INTO budget_holds (task_id, budget_id, workspace_id, starts_on, amount_micros)
                    VALUES (tasks[n], budget.id, workspace, budget.starts_on, amount);
                END LOOP;
            END IF;
        END IF;
        RETURN NEXT;
    END LOOP;
    UPDATE workspaces w SET credits_micros = purse.credits_micros, reserved_micros = purse.reserved_micros,
        ledger_seq = purse.ledger_seq
    WHERE w.id = workspace AND w.ledger_seq <> purse.ledger_seq;
END
$$;

CREATE FUNCTION charge_budget(workspace uuid, budget uuid, starts date, amount bigint, soft bigint) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = public, pg_temp AS
$$
DECLARE
    usage budget_usage;
BEGIN
    INSERT INTO budget_usage AS u (budget_id, starts_on, workspace_id, used_micros)
    VALUES (budget, starts, workspace, amount)
    ON CONFLICT (budget_id, starts_on) DO UPDATE SET used_micros = u.used_micros + amount
    RETURNING u.* INTO usage;
    IF usage.soft_passed_at IS NULL AND usage.used_micros >= soft THEN
        UPDATE budget_usage u SET soft_passed_at = now() WHERE u.budget_id = budget AND u.starts_on = starts;
        INSERT INTO billing_events (workspace_id, kind, data) VALUES (
            workspace, 'SOFT_BUDGET_PASSED',
            jsonb_build_object('budget', budget, 'softMicros', soft, 'usedMicros', usage.used_micros));
    END IF;
END
$$;

CREATE FUNCTION settle_credits(
    workspace uuid, task uuid, hold integer, attempt integer, reserved bigint, charge bigint, cost bigint
)
RETURNS void LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
DECLARE
    purse workspaces;
    low bigint;
BEGIN
    IF workspace IS DISTINCT FROM current_workspace_id() THEN
        RAISE EXCEPTION 'credits belong to the present workspace' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF charge > reserved OR least(reserved, charge, cost) < 0 THEN
        RAISE EXCEPTION 'a charge is within what was reserved' USING ERRCODE = 'check_violation';
    END IF;
    UPDATE workspaces w SET credits_micros = w.credits_micros + reserved - charge,
        reserved_micros = w.reserved_micros - reserved, revenue_micros = w.revenue_micros + charge,
        provider_cost_micros = w.provider_cost_micros + cost,
        ledger_seq = w.ledger_seq + (charge > 0)::integer + (reserved > charge)::integer + (cost > 0)::integer
    WHERE w.id = workspace RETURNING w.* INTO purse;
    -- The balances are those after each: what is charged leaves the reserve before the rest goes back.
    INSERT INTO ledger_entries (
        workspace_id, seq, kind, debit, credit, amount_micros, available_micros, reserved_micros, task_id, hold,
        attempt
    )
    SELECT workspace, purse.ledger_seq - posted.later, posted.kind, posted.debit, posted.credit, posted.amount,
        posted.available, posted.held, task, settle_credits.hold, settle_credits.attempt
    FROM (VALUES
        ('SETTLE', 'RESERVED', 'REVENUE', charge, purse.credits_micros - (reserved - charge),
            purse.reserved_micros + (reserved - charge), (reserved > charge)::integer + (cost > 0)::integer),
        ('RELEASE', 'RESERVED', 'AVAILABLE', reserved - charge, purse.credits_micros, purse.reserved_micros,
            (cost > 0)::integer),
        ('PROVIDER_COST', 'PROVIDERS', 'PROVIDER_COST', cost, purse.credits_micros, purse.reserved_micros, 0)
    ) AS posted (kind, debit, credit, amount, available, held, later)
    WHERE posted.amount > 0;
    low := purse.topped_up_micros / 5;
    IF purse.credits_micros + purse.reserved_micros < low
        AND purse.credits_micros + purse.reserved_micros + charge >= low THEN
        INSERT INTO billing_events (workspace_id, kind, data) VALUES (
            workspace, 'LOW_BALANCE', jsonb_build_object(
                'creditsMicros', purse.credits_micros, 'reservedMicros', purse.reserved_micros,
                'toppedUpMicros', purse.topped_up_micros));
    END IF;
    UPDATE budget_usage u SET used_micros = u.used_micros - (h.amount_micros - charge) FROM budget_holds h
    WHERE h.task_id = task AND u.budget_id = h.budget_id AND u.starts_on = h.starts_on;
    DELETE FROM budget_holds h WHERE h.task_id = task;
END
$$;

CREATE FUNCTION post_credits(workspace uuid, entry_kind varchar, amount bigint, why varchar) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
DECLARE
    purse workspaces;
    other varchar := CASE entry_kind WHEN 'GRANT' THEN 'PROMO' WHEN 'REFUND' THEN 'REVENUE' ELSE 'CLEARING' END;
BEGIN
    IF workspace IS DISTINCT FROM current_workspace_id() THEN
        RAISE EXCEPTION 'credits belong to the present workspace' USING ERRCODE = 'insufficient_privilege';
    END IF;
    IF amount = 0 OR entry_kind NOT IN ('GRANT', 'PURCHASE', 'REFUND', 'ADJUSTMENT')
        OR (amount < 0 AND entry_kind <> 'ADJUSTMENT') THEN
        RAISE EXCEPTION 'not a posting of this kind' USING ERRCODE = 'check_violation';
    END IF;
    SELECT w.* INTO purse FROM workspaces w WHERE w.id = workspace FOR NO KEY UPDATE;
    IF purse.credits_micros + amount < 0 THEN
        RETURN NULL;
    END IF;
    UPDATE workspaces w SET credits_micros = w.credits_micros + amount, ledger_seq = w.ledger_seq + 1,
        promo_micros = w.promo_micros - CASE other WHEN 'PROMO' THEN amount ELSE 0 END,
        revenue_micros = w.revenue_micros - CASE other WHEN 'REVENUE' THEN amount ELSE 0 END,
        clearing_micros = w.clearing_micros - CASE other WHEN 'CLEARING' THEN amount ELSE 0 END,
        topped_up_micros = CASE WHEN amount > 0 THEN w.credits_micros + w.reserved_micros + amount
            ELSE w.topped_up_micros END
    WHERE w.id = workspace RETURNING w.* INTO purse;
    INSERT INTO ledger_entries (
        workspace_id, seq, kind, debit, credit, amount_micros, available_micros, reserved_micros, reason
    ) VALUES (
        workspace, purse.ledger_seq, entry_kind, CASE WHEN amount > 0 THEN other ELSE 'AVAILABLE' END,
        CASE WHEN amount > 0 THEN 'AVAILABLE' ELSE other END, abs(amount), purse.credits_micros,
        purse.reserved_micros, why
    );
    RETURN purse.ledger_seq;
END
$$;

CREATE FUNCTION funded_workspaces(most integer) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS
$$
    -- From one workspace to the next through the index of waiting tasks, and of each only those that come first: what
    -- waits in one, however much, costs the others nothing.
    WITH RECURSIVE waiting AS (
        SELECT (
            SELECT t.workspace_id FROM tasks t WHERE t.status = 'WAITING' AND t.wait ->> 'reason' = 'CREDITS'
            ORDER BY t.workspace_id LIMIT 1
        ) AS workspace_id
        UNION ALL
        SELECT (
            SELECT t.workspace_id FROM tasks t WHERE t.status = 'WAITING' AND t.wait ->> 'reason' = 'CREDITS'
                AND t.workspace_id > waiting.workspace_id
            ORDER BY t.workspace_id LIMIT 1
        ) FROM waiting WHERE waiting.workspace_id IS NOT NULL
    )
    SELECT w.id FROM waiting JOIN workspaces w ON w.id = waiting.workspace_id
    WHERE EXISTS (
        SELECT FROM (
            SELECT t.routing FROM tasks t
            WHERE t.workspace_id = w.id AND t.status = 'WAITING' AND t.wait ->> 'reason' = 'CREDITS'
            ORDER BY t.priority, t.id LIMIT 1000
        ) first WHERE (first.routing ->> 'ceilingMicros')::bigint <= w.credits_micros
    )
    LIMIT most
$$
"""
FUNCTIONS = {
    "reserve_credits": "uuid, uuid[], integer[], bigint[], uuid[], uuid[], uuid[]",
    "settle_credits": "uuid, uuid, integer, integer, bigint, bigint, bigint",
    "post_credits": "uuid, varchar, bigint, varchar",
    "funded_workspaces": "integer",
}
OWN_FUNCTIONS = {
    "charge_budget": "uuid, uuid, date, bigint, bigint",
    "refuse_ledger_change": "",
}
# For the tables' owner too, as for the audit log.
REFUSE_CHANGE = """
CREATE FUNCTION refuse_ledger_change() RETURNS trigger LANGUAGE plpgsql SET search_path = public, pg_temp AS
$$
BEGIN
    RAISE EXCEPTION 'the ledger is never changed: % on % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER refuse_change BEFORE UPDATE OR DELETE ON ledger_entries
FOR EACH ROW EXECUTE FUNCTION refuse_ledger_change();

CREATE TRIGGER refuse_truncate BEFORE TRUNCATE ON ledger_entries
FOR EACH STATEMENT EXECUTE FUNCTION refuse_ledger_change()
"""
# What a workspace's row is changed by, past the functions above.
PLAIN_COLUMNS = "id, name, slug, owner_id, plan, weight, concurrency, created_at"
NOTHING = (
    "credits_micros = 0 AND reserved_micros = 0 AND revenue_micros = 0 AND provider_cost_micros = 0 AND promo_micros = 0 "
    "AND clearing_micros = 0 AND topped_up_micros = 0 AND ledger_seq = 0"
)
# Balances from before there was a ledger become its first entries.
OLD_BALANCES = """
WITH opened AS (
    UPDATE workspaces SET clearing_micros = -credits_micros, topped_up_micros = credits_micros, ledger_seq = 1,
        reserved_micros = 0
    WHERE credits_micros > 0 RETURNING id, credits_micros
)
INSERT INTO ledger_entries (
    workspace_id, seq, kind, debit, credit, amount_micros, available_micros, reserved_micros, reason
)
SELECT id, 1, 'ADJUSTMENT', 'CLEARING', 'AVAILABLE', credits_micros, credits_micros, 0, 'opening balance' FROM opened
"""
# What was accepted before there were prices runs at its model's, and nothing is held for it.
OLD_TASKS = """
UPDATE tasks t SET routing = t.routing || jsonb_build_object('ceilingMicros', 0, 'candidates', jsonb_build_array(
    jsonb_build_object('provider', m.provider, 'model', t.routing ->> 'model', 'tier', t.routing ->> 'tier',
        'maxTokens', least(m.max_output_tokens, 4096), 'price', jsonb_build_object(
            'input', m.input_price, 'output', m.output_price, 'cached_input', m.cached_input_price))))
FROM ai_models m
WHERE t.status NOT IN ('SUCCEEDED') AND t.routing IS NOT NULL AND m.provider = t.routing ->> 'provider'
    AND m.name = (
        SELECT n.name FROM ai_models n WHERE n.provider = m.provider AND n.name IN (t.routing ->> 'model', '*')
        ORDER BY n.name = '*' LIMIT 1)
"""
TABLES = ("ledger_entries", "budget_holds", "budget_usage", "budgets", "billing_events", "routing_policies")
MONEY_COLUMNS = (
    "revenue_micros", "provider_cost_micros", "promo_micros", "clearing_micros", "topped_up_micros", "ledger_seq",
)


def upgrade() -> None:
    op.create_table('billing_events',
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('number', sa.BigInteger(), sa.Identity(always=True), nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('data', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('workspace_id', 'number')
    )
    op.create_table('budgets',
    sa.Column('id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('scope', sa.String(length=20), nullable=False),
    sa.Column('scope_id', sa.Uuid(), nullable=True),
    sa.Column('period', sa.String(length=10), nullable=False),
    sa.Column('soft_micros', sa.BigInteger(), nullable=True),
    sa.Column('hard_micros', sa.BigInteger(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('soft_micros >= 0 AND hard_micros >= 0', name='budgets_not_negative'),
    sa.CheckConstraint('soft_micros IS NOT NULL OR hard_micros IS NOT NULL', name='budgets_limit_something'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('id')
    )
    op.create_index('budgets_once', 'budgets', ['workspace_id', 'scope', 'scope_id', 'period'], unique=True, postgresql_nulls_not_distinct=True)
    op.create_table('ledger_entries',
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('seq', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('debit', sa.String(length=60), nullable=False),
    sa.Column('credit', sa.String(length=60), nullable=False),
    sa.Column('amount_micros', sa.BigInteger(), nullable=False),
    sa.Column('available_micros', sa.BigInteger(), nullable=False),
    sa.Column('reserved_micros', sa.BigInteger(), nullable=False),
    sa.Column('task_id', sa.Uuid(), nullable=True),
    sa.Column('hold', sa.Integer(), nullable=True),
    sa.Column('attempt', sa.Integer(), nullable=True),
    sa.Column('reason', sa.String(length=500), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.CheckConstraint('amount_micros > 0', name='ledger_entries_amount_positive'),
    sa.CheckConstraint('available_micros >= 0 AND reserved_micros >= 0', name='ledger_entries_never_in_debt'),
    sa.CheckConstraint('debit <> credit', name='ledger_entries_between_two_accounts'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('workspace_id', 'seq')
    )
    op.create_index('idx_ledger_entries_once', 'ledger_entries', ['task_id', 'kind', 'hold'], unique=True, postgresql_where=sa.text('task_id IS NOT NULL'))
    op.create_table('routing_policies',
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('models', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('cells', postgresql.JSONB(astext_type=sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('providers', postgresql.ARRAY(sa.Text()), server_default=sa.text("'{}'"), nullable=False),
    sa.Column('changed_at', sa.DateTime(timezone=True), server_default=sa.text('now()'), nullable=False),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('workspace_id')
    )
    op.create_table('budget_holds',
    sa.Column('task_id', sa.Uuid(), nullable=False),
    sa.Column('budget_id', sa.Uuid(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('amount_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.ForeignKeyConstraint(['budget_id'], ['budgets.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('task_id', 'budget_id')
    )
    op.create_table('budget_usage',
    sa.Column('budget_id', sa.Uuid(), nullable=False),
    sa.Column('starts_on', sa.Date(), nullable=False),
    sa.Column('workspace_id', sa.Uuid(), nullable=False),
    sa.Column('used_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False),
    sa.Column('soft_passed_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['budget_id'], ['budgets.id'], ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['workspace_id'], ['workspaces.id'], ),
    sa.PrimaryKeyConstraint('budget_id', 'starts_on')
    )
    op.add_column('tasks', sa.Column('spent_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('tasks', sa.Column('holds', sa.Integer(), server_default=sa.text('0'), nullable=False))
    op.add_column('tasks', sa.Column('api_key_id', sa.Uuid(), nullable=True))
    op.add_column('tasks', sa.Column('attempts_lost', sa.Integer(), server_default=sa.text('0'), nullable=False))
    op.create_index('idx_tasks_credits', 'tasks', ['workspace_id', 'priority', 'id'], unique=False, postgresql_where=sa.text("status = 'WAITING' AND wait ->> 'reason' = 'CREDITS'"))
    op.add_column('workspaces', sa.Column('revenue_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('workspaces', sa.Column('provider_cost_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('workspaces', sa.Column('promo_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('workspaces', sa.Column('clearing_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('workspaces', sa.Column('topped_up_micros', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.add_column('workspaces', sa.Column('ledger_seq', sa.BigInteger(), server_default=sa.text('0'), nullable=False))
    op.create_check_constraint("tasks_held_and_spent_not_negative", "tasks", "reserved_micros >= 0 AND spent_micros >= 0")
    op.create_check_constraint(
        "workspaces_revenue_and_cost_not_negative", "workspaces", "revenue_micros >= 0 AND provider_cost_micros >= 0")
    isolate = revision_module("0001").isolate
    for table in TABLES:
        isolate(table, MINE)
    op.execute("GRANT SELECT ON ledger_entries, budget_usage, budget_holds, billing_events TO bizq_app")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON budgets, routing_policies TO bizq_app")
    op.execute("REVOKE UPDATE ON workspaces FROM bizq_app")
    op.execute(f"GRANT UPDATE ({PLAIN_COLUMNS}) ON workspaces TO bizq_app")
    op.execute(f"CREATE POLICY begins_without_money ON workspaces AS RESTRICTIVE FOR INSERT TO bizq_app WITH CHECK ({NOTHING})")
    revision_module("0002").define(MONEY_FUNCTIONS)
    revision_module("0002").define(REFUSE_CHANGE)
    for name, arguments in OWN_FUNCTIONS.items():
        op.execute(f"REVOKE ALL ON FUNCTION {name}({arguments}) FROM PUBLIC")
    revision_module("0002").allow(FUNCTIONS)
    op.execute(OLD_BALANCES)
    op.execute(OLD_TASKS)


def revision_module(number: str) -> ModuleType:
    return context.script.get_revision(number).module


def downgrade() -> None:
    for name, arguments in FUNCTIONS.items():
        op.execute(f"DROP FUNCTION {name}({arguments})")
    op.execute("DROP FUNCTION charge_budget(uuid, uuid, date, bigint, bigint)")
    op.execute("DROP FUNCTION budget_period_start(varchar)")
    for table in TABLES:
        op.drop_table(table)
    op.execute("DROP FUNCTION refuse_ledger_change()")
    op.execute("DROP POLICY begins_without_money ON workspaces")
    op.drop_constraint("workspaces_revenue_and_cost_not_negative", "workspaces")
    for name in MONEY_COLUMNS:
        op.drop_column("workspaces", name)
    op.execute(f"REVOKE UPDATE ({PLAIN_COLUMNS}) ON workspaces FROM bizq_app")
    op.execute("GRANT UPDATE ON workspaces TO bizq_app")
    op.drop_constraint("tasks_held_and_spent_not_negative", "tasks")
    op.drop_index("idx_tasks_credits", "tasks")
    for name in ("spent_micros", "holds", "api_key_id"):
        op.drop_column("tasks", name)
    op.drop_column("tasks", "attempts_lost")
