"""Whoever tampers with the log is found, as far as can be."""

import hashlib

import pytest

from app.services.audit.verify import Head
from tests.integration.audit.conftest import Log, Tamper, Verify
from tests.integration.conftest import Tenant


@pytest.fixture
async def first(log: Log, report: Verify) -> int:
    """The number of the first of five entries that a test may tamper with; the log ends with them."""
    await log(5)
    return (await report()).head.seq - 4


async def test_log_that_nobody_touched_is_whole(first: int, report: Verify) -> None:
    found = await report()

    assert (found.broken_at, found.problem) == (None, None)
    assert (found.entries, found.head.seq) == (first + 4, first + 4)
    assert len(found.head.hash) == 32


@pytest.mark.parametrize(
    "change",
    [
        "action = 'test.undone'",
        "data = '{\"number\": 7}'",
        "data = '{\"number\": 0.5}'",
        "at = at + interval '1 microsecond'",
        "user_id = NULL",
        "role = 'VIEWER'",
        "subject = 'key_y'",
        "client_address = '192.0.2.9'",
        "hash = sha256(hash)",
    ],
)
async def test_altered_entry_is_named(first: int, report: Verify, tamper: Tamper, change: str) -> None:
    await tamper(f"UPDATE audit_entries SET {change} WHERE workspace_id = $1 AND seq = $2", first + 1)

    found = await report()

    assert found.broken_at == first + 1
    assert found.problem == f"entry {first + 1} was altered: its hash is not that of its content and the entries before"


async def test_altered_entry_with_a_hash_that_fits_breaks_the_next(first: int, report: Verify, tamper: Tamper) -> None:
    await tamper("DELETE FROM audit_entries WHERE workspace_id = $1 AND seq = $2", first + 1)
    await tamper("UPDATE audit_entries SET seq = seq - 1 WHERE workspace_id = $1 AND seq > $2", first + 1)

    found = await report()

    assert found.broken_at == first + 1


async def test_removed_entry_is_named(first: int, report: Verify, tamper: Tamper) -> None:
    await tamper("DELETE FROM audit_entries WHERE workspace_id = $1 AND seq = $2", first + 2)

    found = await report()

    assert found.broken_at == first + 2
    assert found.problem == f"entry {first + 2} is missing: the next one there is has the number {first + 3}"


async def test_entries_removed_at_the_end_are_missed(first: int, report: Verify, tamper: Tamper) -> None:
    await tamper("DELETE FROM audit_entries WHERE workspace_id = $1 AND seq > $2", first + 2)

    found = await report()

    assert (found.broken_at, found.entries) == (first + 3, first + 2)
    assert found.problem == f"entry {first + 3} is missing: the chain ends at {first + 4}"


async def test_all_entries_removed_are_missed(first: int, report: Verify, tamper: Tamper) -> None:
    await tamper("DELETE FROM audit_entries WHERE workspace_id = $1")

    assert (await report()).broken_at == 1


async def test_entry_put_in_beyond_the_end_is_named(first: int, report: Verify, tamper: Tamper) -> None:
    await tamper("DELETE FROM audit_chains WHERE workspace_id = $1")

    found = await report()

    assert (found.broken_at, found.problem) == (1, "entry 1 was put in: it is not in the chain")


async def test_end_that_was_moved_back_is_found_by_an_anchor_only(
    first: int, report: Verify, tamper: Tamper, tenant: Tenant
) -> None:
    anchor = {tenant.account.workspace_id: (await report()).head}
    await tamper("DELETE FROM audit_entries WHERE workspace_id = $1 AND seq > $2", first)
    await tamper(
        "UPDATE audit_chains c SET seq = e.seq, hash = e.hash FROM audit_entries e "
        "WHERE c.workspace_id = $1 AND e.workspace_id = $1 AND e.seq = $2",
        first,
    )

    assert (await report()).problem is None
    found = await report(anchor)
    assert (found.broken_at, found.problem) == (
        first + 1,
        f"entry {first + 1} is missing: the anchor is entry {first + 4}",
    )


async def test_chain_that_was_computed_anew_does_not_fit_an_anchor(
    first: int, report: Verify, log: Log, tenant: Tenant
) -> None:
    anchor = Head(first + 1, hashlib.sha256(b"as it was").digest())
    await log()

    found = await report({tenant.account.workspace_id: anchor})

    assert (found.broken_at, found.problem) == (
        first + 1,
        f"entry {first + 1} or one before was replaced: its hash is not the one of the anchor",
    )


async def test_anchor_is_good_for_the_log_as_it_goes_on(first: int, report: Verify, log: Log, tenant: Tenant) -> None:
    anchor = {tenant.account.workspace_id: (await report()).head}
    await log(3)

    assert (await report(anchor)).problem is None
