"""Five wrong codes in a row lock, whatever they are for."""

import asyncio
from datetime import timedelta

from tests.integration.api.answers import refusals
from tests.integration.mfa.conftest import Count
from tests.integration.mfa.people import WRONG_CODE, HeldClock, Member

WRONG = [("INVALID_CREDENTIALS", ["code"])]
LOCKED = [("LIMIT_EXCEEDED", ["code"])]


async def fail(member: Member, times: int) -> None:
    for _ in range(times):
        assert refusals(await member.step_up(member.phone.wrong_code())) == WRONG


async def test_fifth_wrong_code_locks_over_all_challenges_and_sessions(
    member: Member, held_clock: HeldClock, count: Count
) -> None:
    challenges = [await member.challenge() for _ in range(4)]
    before = await count("sessions", member.person)
    for challenge in challenges[:3]:
        assert refusals(await member.complete(challenge, member.phone.wrong_code())) == [WRONG_CODE]
    await fail(member, 2)
    code, until = member.phone.next_code(), held_clock.now() + timedelta(minutes=15) - timedelta(seconds=30)

    locked = await member.complete(challenges[3], code)
    stepped_up = await member.step_up(member.recovery_codes[0])

    assert refusals(locked) == [("LIMIT_EXCEEDED", ["input", "code"])]
    assert refusals(stepped_up) == LOCKED
    assert locked["retryAt"] == stepped_up["retryAt"] == until.isoformat()
    assert await count("sessions", member.person) == before
    assert (await member.mfa())["recoveryCodesLeft"] == 10


async def test_locked_user_still_gets_a_challenge_and_signs_in_afterwards(
    member: Member, held_clock: HeldClock
) -> None:
    await fail(member, 5)
    assert refusals(await member.sign_in(member.recovery_codes[0])) == [("LIMIT_EXCEEDED", ["input", "code"])]
    held_clock.move(timedelta(minutes=15))

    assert (await member.sign_in(member.recovery_codes[0]))["errors"] == []


async def test_each_lock_is_longer_up_to_an_hour(member: Member, held_clock: HeldClock) -> None:
    minutes = []
    for _ in range(4):
        await fail(member, 5)
        locked = await member.step_up(member.phone.code())
        assert refusals(locked) == LOCKED
        minutes.append(next(m for m in (15, 30, 60) if locked["retryAt"] == after(held_clock, m)))
        held_clock.move(timedelta(minutes=minutes[-1]))

    assert minutes == [15, 30, 60, 60]


def after(held_clock: HeldClock, minutes: int) -> str:
    return (held_clock.now() + timedelta(minutes=minutes)).isoformat()


async def test_right_code_ends_the_count(member: Member) -> None:
    for _ in range(3):
        await fail(member, 4)
        assert (await member.step_up(member.phone.next_code()))["errors"] == []


async def test_fifteen_quiet_minutes_end_the_count(member: Member, held_clock: HeldClock) -> None:
    await fail(member, 4)
    held_clock.move(timedelta(minutes=15))
    await fail(member, 4)

    assert (await member.step_up(member.phone.code()))["errors"] == []


async def test_what_is_refused_while_locked_does_not_count(member: Member, held_clock: HeldClock) -> None:
    await fail(member, 5)
    for _ in range(10):
        assert refusals(await member.step_up(member.phone.wrong_code())) == LOCKED
    held_clock.move(timedelta(minutes=15))
    await fail(member, 4)

    assert (await member.step_up(member.phone.code()))["errors"] == []


async def test_of_twenty_parallel_guesses_five_are_looked_at(member: Member) -> None:
    wrong = member.phone.wrong_code()

    answers = await asyncio.gather(*(member.step_up(wrong) for _ in range(20)))

    codes = sorted(error["code"] for answer in answers for error in answer["errors"])
    assert codes == ["INVALID_CREDENTIALS"] * 5 + ["LIMIT_EXCEEDED"] * 15


async def test_every_wrong_code_gets_the_same_answer_and_counts(member: Member) -> None:
    used_recovery, used_code = member.recovery_codes[0], member.phone.next_code()
    await member.step_up(used_recovery)
    await member.step_up(used_code)
    given = [used_code, used_recovery, member.phone.wrong_code(), "0000-0000-0000-0000", ""]

    answers = [await member.step_up(code) for code in given]

    assert answers == [answers[0]] * 5
    assert refusals(answers[0]) == WRONG
    assert refusals(await member.step_up(member.phone.next_code())) == LOCKED
