import base64
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app import settings
from app.settings import CLIENT_VARIABLES, Settings, SettingsError

KEY = base64.b64encode(bytes(range(32))).decode()
SECRETS = {
    "DATABASE_URL": "postgresql://bizq:database-secret@localhost/bizq",
    "DATABASE_OWNER_URL": "postgresql://owner:owner-secret@localhost/bizq",
    "REDIS_URL": "redis://:redis-secret@localhost:6379/0",
    "BIZQ_TOKEN_KEY": KEY,
    "BIZQ_ENCRYPTION_KEY": KEY,
    "OPENAI_API_KEY": "sk-openai-secret",
    "ANTHROPIC_API_KEY": "sk-anthropic-secret",
    "HUGGINGFACE_API_KEY": "hf_secret",
    "REPLICATE_API_TOKEN": "r8_secret",
    "REPLICATE_WEBHOOK_SECRET": "whsec_thesecretbytesofawebhookabcdefgh",
    "SMTP_URL": "smtps://ann:smtp-secret@localhost",
}
Load = Callable[..., Settings]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Loads with these variables and no others, in an empty folder."""
    for name in {name.upper() for name in Settings.model_fields} | CLIENT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    # A copy, since loading a .env file sets variables.
    monkeypatch.setattr(os, "environ", os.environ.copy())
    monkeypatch.chdir(tmp_path)

    def with_variables(**variables: str) -> Settings:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        # Past the cache, which is the process's own.
        return settings.load.__wrapped__()

    return with_variables


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("BIZQ_PORT", "http", "valid integer"),
        ("BIZQ_PORT", "0", "greater than or equal to 1"),
        ("BIZQ_PORT", "65536", "less than or equal to 65535"),
        ("BIZQ_LOG_FORMAT", "xml", "console"),
        ("BIZQ_LOG_LEVEL", "INFO", "warning"),
        ("BIZQ_DATABASE_POOL", "1", "greater than or equal to 2"),
        ("BIZQ_TOKEN_SECONDS", "0", "greater than or equal to 1"),
        ("BIZQ_TOKEN_SECONDS", "15m", "valid integer"),
        ("BIZQ_WORKER_CONCURRENCY", "0", "greater than or equal to 1"),
        ("BIZQ_WORKSPACE_CONCURRENCY", "1001", "less than or equal to 1000"),
        ("BIZQ_LEASE_SECONDS", "0.5", "greater than or equal to 1"),
        ("BIZQ_LEASE_SECONDS", "nan", "less than or equal to 300"),
        ("BIZQ_DRAIN_SECONDS", "-1", "greater than or equal to 0"),
        ("BIZQ_MAX_BODY_BYTES", "256KiB", "valid integer"),
        ("BIZQ_MAX_INPUT_BYTES", "1023", "greater than or equal to 1024"),
    ],
)
def test_a_wrong_value_is_refused_with_the_variables_name_and_what_would_be_right(
    load: Load, name: str, value: str, reason: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**{name: value})

    assert refused.value.message.startswith(f"{name}: ")
    assert reason in refused.value.message


@pytest.mark.parametrize(
    "key",
    [
        "secret",
        "not base64 at all, but 44 characters long !!",
        base64.b64encode(bytes(31)).decode(),
        base64.b64encode(bytes(range(33))).decode(),
        base64.urlsafe_b64encode(b"\xff" * 32).decode(),
        "ключ",
    ],
)
def test_a_weak_token_key_is_refused_without_being_shown(load: Load, key: str) -> None:
    with pytest.raises(SettingsError) as refused:
        load(BIZQ_TOKEN_KEY=key)

    assert refused.value.message.startswith("BIZQ_TOKEN_KEY: ")
    assert key not in refused.value.message


def test_a_token_key_is_32_bytes_in_base64(load: Load) -> None:
    assert load(BIZQ_TOKEN_KEY=KEY).token_key == bytes(range(32))


@pytest.mark.parametrize("origins", ["*", "https://app.example.com, *"])
def test_a_wildcard_is_no_origin(load: Load, origins: str) -> None:
    with pytest.raises(SettingsError, match=r"^ALLOWED_ORIGINS: .*name the origins"):
        load(ALLOWED_ORIGINS=origins)


def test_origins_are_separated_by_commas(load: Load) -> None:
    origins = load(ALLOWED_ORIGINS=" https://a.example , https://b.example,").allowed_origins

    assert origins == ("https://a.example", "https://b.example")


@pytest.mark.parametrize(
    "origin",
    [
        "null",
        "app.example.com",
        "https://App.example.com",
        "https://app.example.com/",
        "https://app.example.com/path",
        "https://user@app.example.com",
        "https://app.example.com:443",
        "http://app.example.com:80",
    ],
)
def test_an_origin_is_written_as_browsers_do(load: Load, origin: str) -> None:
    with pytest.raises(SettingsError, match=rf"^ALLOWED_ORIGINS: {origin} is not an origin such as"):
        load(ALLOWED_ORIGINS=f"https://app.example.com,{origin}")


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://[::1]:8443", "app+x://host", "http://app:443"])
def test_other_origins_are_taken_as_they_are(load: Load, origin: str) -> None:
    assert load(ALLOWED_ORIGINS=origin).allowed_origins == (origin,)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("BIZQ_PROT", "BIZQ_PROT is not a setting of BizQ. Did you mean BIZQ_PORT?"),
        ("BIZQ_WORKER_CONCURENCY", "BIZQ_WORKER_CONCURENCY is not a setting of BizQ. Did you mean "),
        ("BIZQ_QQ", "BIZQ_QQ is not a setting of BizQ."),
    ],
)
def test_an_unknown_variable_of_ours_is_refused_with_the_one_that_was_meant(
    load: Load, name: str, message: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        load(**{name: "1"})

    assert refused.value.message.startswith(message)


def test_variables_of_others_and_of_the_command_line_are_left_alone(load: Load) -> None:
    loaded = load(PORT="9000", BIZQ_URL="http://127.0.0.1:9000", BIZQ_API_KEY="bzq_live_key")

    assert loaded == Settings()


@pytest.mark.parametrize("missing", ["DATABASE_URL", "REDIS_URL", "BIZQ_TOKEN_KEY", "BIZQ_ENCRYPTION_KEY"])
def test_a_missing_variable_of_the_service_is_named_with_what_to_do(load: Load, missing: str) -> None:
    loaded = load(**{name: value for name, value in SECRETS.items() if name != missing})

    with pytest.raises(SettingsError) as refused:
        loaded.require_service()

    assert refused.value.message == f"{missing} is not set. Set it, or start everything at once with `bizq up`."


def test_the_owner_is_the_database_login_unless_named(load: Load) -> None:
    database = SECRETS["DATABASE_URL"]

    assert load(DATABASE_URL=database).owner_database_url == database
    assert load(DATABASE_OWNER_URL="postgresql://owner@localhost/bizq").owner_database_url.startswith(
        "postgresql://own"
    )


def test_the_environment_goes_before_the_file(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BIZQ_PORT=8001\nBIZQ_HOST=0.0.0.0\n")

    loaded = load(BIZQ_PORT="8002")

    assert (loaded.bizq_port, loaded.bizq_host) == (8002, "0.0.0.0")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "nonsense-secret"),
        ("DATABASE_URL", "mysql://u:secret@localhost/bizq"),
        ("REDIS_URL", "http://:secret@localhost"),
        ("LOCAL_BASE_URL", "localhost:8080/secret"),
        ("BIZQ_TOKEN_KEY", base64.b64encode(b"secret" * 5 + b"ss").decode()),
    ],
)
def test_a_wrong_address_or_weak_key_is_refused_without_showing_it(load: Load, name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: ") as refused:
        load(**{name: value})

    assert "secret" not in refused.value.message


def test_an_unknown_variable_in_the_file_is_refused_too(load: Load, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("BIZQ_PROT=8001\n")

    with pytest.raises(SettingsError, match="BIZQ_PROT is not a setting"):
        load()


def test_secrets_are_never_shown(load: Load) -> None:
    loaded = load(**SECRETS)

    shown = f"{loaded!r} {loaded} {loaded.model_dump()} {loaded.model_dump_json()}"
    shown = shown.replace("replicate_webhook_secret", "")  # the name of a setting

    assert "secret" not in shown
    assert KEY not in shown


def test_settings_do_not_change_while_the_process_runs(load: Load) -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().bizq_port = 1  # type: ignore[misc]
