"""`bizq credits` and `bizq ledger verify`, on the database as its owner."""

from collections.abc import Awaitable, Callable

import pytest

from app.settings import Settings
from tests.integration.cli.conftest import Result, Start
from tests.integration.conftest import PLENTY, Tenant
from tests.integration.engine.desk import Desk

Operate = Callable[..., Awaitable[Result]]
MOST = 10**15


@pytest.fixture
def operate(start: Start, settings: Settings) -> Operate:
    async def operate(*arguments: str) -> Result:
        addresses = {"DATABASE_URL": settings.app_database_url, "DATABASE_OWNER_URL": settings.owner_database_url}
        return await (await start(*arguments, **addresses)).result()

    return operate


async def test_grant_and_adjust_move_credits_and_say_so_in_ledger_and_audit_log(
    operate: Operate, desk: Desk, tenant: Tenant
) -> None:
    granted = await operate("credits", "grant", tenant.workspace_id, "--micros", "500", "--reason", "pilot", "--json")
    taken = await operate(
        "credits", "adjust", tenant.workspace_id, "--micros", f"-{PLENTY + 500}", "--reason", " twice ", "--json"
    )

    assert (granted.code, granted.json["balances"]["availableMicros"]) == (0, PLENTY + 500)
    assert (taken.code, taken.json["balances"]["availableMicros"]) == (0, 0)
    newest = [(entry["number"], entry["kind"], entry["debit"], entry["reason"]) for entry in taken.json["entries"]]
    assert newest[:2] == [(3, "ADJUSTMENT", "AVAILABLE", "twice"), (2, "GRANT", "PROMO", "pilot")]
    audited = await desk.rows(
        "SELECT action, subject, data FROM audit_entries WHERE workspace_id = :mine ORDER BY seq DESC LIMIT 2",
        mine=tenant.account.workspace_id,
    )
    assert [tuple(row.values()) for row in audited] == [
        ("credits.adjust", tenant.workspace_id, {"micros": -PLENTY - 500, "reason": "twice", "entry": 3}),
        ("credits.grant", tenant.workspace_id, {"micros": 500, "reason": "pilot", "entry": 2}),
    ]


async def test_show_prints_balances_and_entries(operate: Operate, desk: Desk, tenant: Tenant) -> None:
    await desk.accept_one()

    shown = await operate("credits", "show", tenant.workspace_id)

    lines = [line.split() for line in shown.out.splitlines()]
    assert lines[1] == ["available", "999.998375", str(PLENTY - 1_625)]
    assert lines[2] == ["reserved", "0.001625", "1625"]
    header = lines.index(["ENTRY", "AT", "KIND", "MICRO-CREDITS", "AVAILABLE", "RESERVED", "TASK", "REASON"])
    assert lines[header + 1][0] == "2"
    assert lines[header + 1][-5:-1] == ["RESERVE", "1625", str(PLENTY - 1_625), "1625"]


@pytest.mark.parametrize(
    ("command", "micros", "reason", "message"),
    [
        ("grant", "0", "x", f"micros is 0; it can be 1 to {MOST}, or as negative in adjust."),
        ("adjust", "0", "x", f"micros is 0; it can be 1 to {MOST}, or as negative in adjust."),
        ("grant", str(MOST + 1), "x", f"micros is {MOST + 1}; it can be 1 to {MOST}, or as negative in adjust."),
        ("grant", "-5", "x", "micros of a grant is positive; `bizq credits adjust` takes credits away."),
        ("grant", "5", " ", "reason has 1 to 500 characters, without NUL."),
        ("adjust", "5", "x" * 501, "reason has 1 to 500 characters, without NUL."),
    ],
)
async def test_what_cannot_be_posted_is_one_line_and_nothing_moves(
    operate: Operate, desk: Desk, tenant: Tenant, command: str, micros: str, reason: str, message: str
) -> None:
    result = await operate("credits", command, tenant.workspace_id, "--micros", micros, "--reason", reason)

    assert (result.code, result.out, result.err) == (1, "", f"error {message}\n")
    assert await desk.purse() == (PLENTY, 0)


async def test_more_than_is_available_is_refused_and_says_what_to_do(
    operate: Operate, desk: Desk, tenant: Tenant
) -> None:
    await desk.accept_one()

    result = await operate("credits", "adjust", tenant.workspace_id, "--micros", f"-{PLENTY}", "--reason", "x")

    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "error The workspace has less than 1000.0 credits available. What is held for tasks cannot be taken: it comes "
        f"back when they end. `bizq credits show {tenant.workspace_id}` shows both.\n"
    )
    assert await desk.purse() == (PLENTY - 1_625, 1_625)


@pytest.mark.parametrize("unknown", ["ws_nope", "ws_01h455vb4pex5vsknk084sn02q"])
@pytest.mark.parametrize(
    "command", [["credits", "show"], ["credits", "grant", "--micros", "1", "--reason", "x"], ["ledger", "verify"]]
)
async def test_an_unknown_workspace_is_one_line(operate: Operate, command: list[str], unknown: str) -> None:
    result = await operate(*command, unknown)

    assert (result.code, result.out) == (1, "")
    assert result.err == f"error There is no workspace {unknown}. `bizq workspace list` shows them.\n"


async def test_verify_is_exit_code_0_for_a_sound_ledger(operate: Operate, desk: Desk, tenant: Tenant) -> None:
    await desk.accept_one()

    table, as_json = [await operate("ledger", "verify", tenant.workspace_id, *more) for more in ([], ["--json"])]

    assert (table.code, as_json.code, table.err) == (0, 0, "")
    lines = table.out.splitlines()
    assert lines[0].strip() == "2 entries of 1 workspaces"
    assert lines[1].split() == ["INVARIANT", "STATE", "PROMISE"]
    assert len(lines) == 15
    answer = as_json.json
    assert (answer["ok"], answer["workspaces"], answer["entries"], answer["breaks"]) == (True, 1, 2, [])


async def test_verify_is_exit_code_1_and_names_the_break(operate: Operate, desk: Desk, tenant: Tenant) -> None:
    await desk.change("UPDATE workspaces SET revenue_micros = 7 WHERE id = :mine", mine=tenant.account.workspace_id)

    table, as_json = [await operate("ledger", "verify", tenant.workspace_id, *more) for more in ([], ["--json"])]

    problem = "REVENUE is 7; its entries sum to 0"
    assert (table.code, as_json.code) == (1, 1)
    assert table.err == f"{tenant.workspace_id}: accounts: {problem}\n"
    assert "1 broken" in table.out
    assert as_json.json["breaks"] == [
        {"invariant": "accounts", "workspaceId": tenant.workspace_id, "subjectId": None, "problem": problem}
    ]
