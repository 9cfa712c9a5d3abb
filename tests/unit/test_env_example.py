import base64
import itertools
import os
import re
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.services.routing.configured import DEFAULT_MODELS
from app.settings import CLIENT_VARIABLES, Settings, SettingsError
from app.settings import load as cached_load

EXAMPLE = Path(__file__).parents[2] / ".env.example"
VARIABLE = re.compile(r"#([A-Z][A-Z0-9_]*)=(\S+)")
# Between `bizq up` and the command that it runs.
INTERNAL = {"BIZQ_DEMO_API_KEY"}
FIELDS = {name.upper(): field for name, field in Settings.model_fields.items()}
# Past the cache, which is the process's own.
load = cached_load.__wrapped__
WITHOUT_DEFAULT = {name for name, field in FIELDS.items() if field.default in (None, (), {})}


def variables() -> dict[str, str]:
    """Name to value of every line that is a variable; all other lines are prose."""
    found: dict[str, str] = {}
    for line in EXAMPLE.read_text().splitlines():
        variable = VARIABLE.fullmatch(line)
        assert variable or line == "" or line.startswith("# "), line
        if variable:
            name, value = variable.groups()
            assert name not in found, f"{name} is there twice"
            found[name] = value
    return found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where settings are loaded, with an environment that says nothing about them."""
    for name in FIELDS.keys() | CLIENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    # A copy, since loading a .env file sets variables.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_has_every_setting_and_no_other() -> None:
    assert set(variables()) == FIELDS.keys() | CLIENT_VARIABLES - INTERNAL


def test_each_variable_is_explained_right_above_it() -> None:
    lines = EXAMPLE.read_text().splitlines()

    for above, line in itertools.pairwise(lines):
        if VARIABLE.fullmatch(line):
            assert above.startswith("# "), line


def test_copied_as_it_is_it_changes_nothing(folder: Path) -> None:
    defaults = Settings()
    (folder / ".env").write_text(EXAMPLE.read_text())

    assert load() == defaults


def test_the_values_in_it_are_the_defaults(folder: Path) -> None:
    defaults = Settings()
    values = {name: value for name, value in variables().items() if name in FIELDS.keys() - WITHOUT_DEFAULT}
    (folder / ".env").write_text("\n".join(f"{name}={value}" for name, value in values.items()))

    assert load() == defaults


def test_the_models_in_it_are_those_used_where_none_is_named() -> None:
    example = variables()

    assert {name: example[f"{name.upper()}_MODEL"] for name in DEFAULT_MODELS} == DEFAULT_MODELS


def test_all_of_it_is_refused_until_the_key_is_a_secret_of_ones_own(folder: Path) -> None:
    (folder / ".env").write_text("\n".join(f"{name}={value}" for name, value in variables().items()))

    with pytest.raises(SettingsError, match=r"^BIZQ_TOKEN_KEY"):
        load()


def test_all_of_it_with_a_key_is_a_complete_set_of_settings(folder: Path) -> None:
    key = base64.b64encode(bytes(range(32))).decode()
    values = variables() | {"BIZQ_TOKEN_KEY": key, "BIZQ_ENCRYPTION_KEY": key}
    (folder / ".env").write_text("\n".join(f"{name}={value}" for name, value in values.items()))

    loaded = load()
    loaded.require_service()

    assert loaded.token_key == bytes(range(32))
    assert loaded.allowed_origins == ("https://app.example.com", "https://admin.example.com")
    assert loaded.database_owner_url == SecretStr(values["DATABASE_OWNER_URL"])
    assert [name for name in FIELDS if getattr(loaded, name.lower()) in (None, ())] == []
