"""The key of access tokens is changed by command, and nobody is refused in between."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app import ids, settings
from app.cli.keys import app
from app.embedded.data_dir import TOKEN_KEY, DataDir
from app.errors import Unauthenticated
from app.services.account.tokens import TokenSigner

USER = ids.new_id()


@pytest.fixture(autouse=True)
def settings_of_the_test(nowhere: Path) -> Iterator[None]:
    settings.load.cache_clear()
    yield
    settings.load.cache_clear()


@pytest.fixture
def key(nowhere: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The setting of an installation."""
    made: str = run("new").stdout.strip()
    set_key(monkeypatch, made)
    return made


def set_key(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("BIZQ_TOKEN_KEY", value)
    settings.load.cache_clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def step(name: str, monkeypatch: pytest.MonkeyPatch) -> TokenSigner:
    """A process that was started with what the step printed."""
    printed = run("token", name).stdout.strip()
    assert printed.startswith("BIZQ_TOKEN_KEY=")
    set_key(monkeypatch, printed.partition("=")[2])
    return signer()


def signer() -> TokenSigner:
    loaded = settings.load()
    return TokenSigner(loaded.token_key, 900, loaded.other_token_keys)


def test_each_step_accepts_the_tokens_of_the_step_before(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = [signer(), *(step(name, monkeypatch) for name in ("add", "use", "drop"))]

    for before, after in pairwise(steps):
        assert after.claims_of(before.issue(USER).text).user_id == USER
        assert before.claims_of(after.issue(USER).text).user_id == USER
    with pytest.raises(Unauthenticated):
        steps[-1].claims_of(steps[0].issue(USER).text)


def test_using_the_next_key_needs_one(key: str) -> None:
    refused = run("token", "use")

    assert "bizq keys token add" in str(refused.exception)
    assert refused.stdout == ""


def test_key_of_an_embedded_instance_is_kept_for_it(nowhere: Path) -> None:
    first = DataDir(nowhere).secrets().key(TOKEN_KEY)

    for name in ("add", "use"):
        assert run("token", name).stdout == ""

    new, old = (DataDir(nowhere).secrets().get(TOKEN_KEY) or "").split(",")
    assert old == first != new


def test_without_a_key_it_says_how_to_make_one(nowhere: Path) -> None:
    assert "bizq keys new" in str(run("token", "add").exception)
