"""Budgets are money: who has a second factor shows it before one is set or deleted."""

from datetime import timedelta

from tests.integration.api.answers import refusals
from tests.integration.mfa.people import HeldClock, Member

SET = """mutation { setBudget(input: {scope: WORKSPACE, period: DAY, hardMicros: 1}) {
  budget { id } errors { code path } } }"""
DELETE = "mutation($id: ID!) { deleteBudget(id: $id) { errors { code path } } }"
BUDGETS = "{ budgets { nodes { id } } }"


async def test_budgets_are_set_and_deleted_with_a_fresh_second_factor(member: Member, held_clock: HeldClock) -> None:
    held_clock.move(timedelta(minutes=10))
    assert refusals(await member.ask(SET)) == [("MFA_REQUIRED", None)]
    assert (await member.ask(BUDGETS))["nodes"] == []
    await member.step_up(member.phone.code())
    budget = (await member.ask(SET))["budget"]
    held_clock.move(timedelta(minutes=10))

    refused = await member.ask(DELETE, id=budget["id"])

    assert refusals(refused) == [("MFA_REQUIRED", None)]
    assert (await member.ask(BUDGETS))["nodes"] == [budget]
