"""Secrets are where they belong and nowhere else, after a day of use and misuse with logs at debug."""

from collections.abc import AsyncIterator

import pytest

from tests.e2e.canaries import SHOWN, Story, planted, tell

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(180)]
CANARIES = sorted(
    {*planted(), "access token", "refresh token", "API key", "database password", "Redis password", "token key"}
    | {"encryption key"}
)


@pytest.fixture(scope="module")
async def story() -> AsyncIterator[Story]:
    yield await tell()


def forms(canary: str) -> list[str]:
    """As it is, and as a binary column shows it."""
    return [canary, canary.encode().hex()]


def test_the_day_was_as_bad_as_it_should_have_been(story: Story) -> None:
    assert set(story.canaries) == set(CANARIES)
    assert all(len(canary) >= 12 for canary in story.canaries.values())
    statuses = {status: {label for label, each in story.statuses.items() if each == status} for status in (401, 415)}
    assert statuses == {401: {"wrong key", "wrong token"}, 415: {"form"}}
    assert "INTERNAL" in story.answers["bug"]
    assert "does not answer" in story.answers["away"]
    assert story.codes == [1000, 4403, 4400, 4400, 4429, 1009]
    for line in ("UndefinedFunction", "the database does not answer", "attempt ended", "refresh token was used twice"):
        assert line in story.logs
    assert "text.summarize" in story.database


def test_no_answer_says_what_serves_it(story: Story) -> None:
    assert [label for label, answer in story.answers.items() if '"server":' in answer or "uvicorn" in answer] == []


@pytest.mark.parametrize("canary", CANARIES)
def test_no_log_has_it(story: Story, canary: str) -> None:
    assert [line for line in story.logs.splitlines() if story.canaries[canary] in line] == []


@pytest.mark.parametrize("canary", CANARIES)
def test_only_the_answer_that_must_show_it_does(story: Story, canary: str) -> None:
    shown = {label for label, answer in story.answers.items() if story.canaries[canary] in answer}

    assert shown <= SHOWN.get(canary, set())


@pytest.mark.parametrize("canary", CANARIES)
def test_redis_has_it_not(story: Story, canary: str) -> None:
    assert [form for form in forms(story.canaries[canary]) if form in story.redis] == []


@pytest.mark.parametrize("canary", CANARIES)
def test_the_database_has_it_not_in_plain_text(story: Story, canary: str) -> None:
    assert [form for form in forms(story.canaries[canary]) if form in story.database] == []
