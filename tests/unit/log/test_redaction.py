"""What never reaches a log line, however it got into an event."""

import base64
import io
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
import structlog

from app.log import configure
from app.log.redaction import REDACTED, redact, redact_text
from app.settings import Settings

TOKEN = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJ1c2VyIn0.c2lnbmF0dXJl"
KEY = base64.b64encode(bytes(range(32))).decode()


def cleaned(**event: Any) -> dict[str, Any]:
    return dict(redact(None, "info", event))


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "newPassword",
        "new_password",
        "secret",
        "client-secret",
        "accessToken",
        "refresh_token",
        "Authorization",
        "api_key",
        "apiKey",
        "OPENAI_API_KEY",
        "BIZQ_TOKEN_KEY",
        "encryption_key",
        "Set-Cookie",
        "email",
        "code",
        "totpCode",
        "credentials",
    ],
)
def test_values_with_such_names_are_taken_out(name: str) -> None:
    assert cleaned(**{name: "hunter22"}) == {name: REDACTED}
    assert cleaned(**{name: 123456}) == {name: REDACTED}
    assert cleaned(outer={"list": [{name: b"hunter22"}]}) == {"outer": {"list": [{name: REDACTED}]}}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("input_tokens", 12),
        ("maxTokens", 12),
        ("request_id", "0" * 32),
        ("key", "value"),
        ("password", None),
        ("has_token", True),
        ("encoded", "text"),
        ("at", 1.5),
    ],
)
def test_other_values_stay(name: str, value: object) -> None:
    assert cleaned(**{name: value}) == {name: value}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key bzq_live_3h0UG6oJuqD6GkT9ZmBA used", f"key bzq_live_{REDACTED} used"),
        ("bzr_3h0UG6oJuqD6GkT9-_mBA", f"bzr_{REDACTED}"),
        (f"got {TOKEN}!", f"got {REDACTED}!"),
        ("header Bearer abc.def-ghi sent", f"header Bearer {REDACTED} sent"),
        ("Incorrect API key provided: sk-proj-abcdef123456.", f"Incorrect API key provided: sk-{REDACTED}."),
        ("sk-ant-api03-abc_DEF", f"sk-{REDACTED}"),
        ("hf_abcdefghijklmnopqrstuvwxyzABCDEFGH is wrong", f"hf_{REDACTED} is wrong"),
        ("r8_abcdefghijklmnopqrstuvwxyzABCDEFGHIJK", f"r8_{REDACTED}"),
        ("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD", f"whsec_{REDACTED}"),
        ("postgresql://bizq:hunter22@db:5432/bizq", f"postgresql://{REDACTED}@db:5432/bizq"),
        ("redis://:hunter22@localhost/0", f"redis://{REDACTED}@localhost/0"),
        ("Key (email)=(ann.o'neil+x@mail.example.com) exists", f"Key (email)=({REDACTED}) exists"),
        (f"BIZQ_ENCRYPTION_KEY was {KEY}", f"BIZQ_ENCRYPTION_KEY was {REDACTED}"),
        ('{"password": "correct horse", "name": 1}', f'{{"password": {REDACTED}, "name": 1}}'),
        ("password=hunter22&x=1", f"password={REDACTED}&x=1"),
        ("{'refreshToken': 'abc def'}", f"{{'refreshToken': {REDACTED}}}"),
        ("cookie: session=abc; other", f"cookie: {REDACTED}; other"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out_of_a_text(text: str, shown: str) -> None:
    assert redact_text(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "task-abcdefgh is done",
        "https://api.example.com:8443/v1/messages answered 500",
        "at 2026-11-23T10:00:00Z",
        "tasks@index is no address",
        "the password is wrong",
        "input_tokens 12, 3 tokens",
        "0" * 64,
        "task_01h455vb4pex5vsknk084sn02q",
    ],
)
def test_other_texts_stay(text: str) -> None:
    assert redact_text(text) == text


def test_objects_show_no_more_than_their_text_may() -> None:
    class Credentials:
        def __repr__(self) -> str:
            return f"Credentials(authorization='Bearer {TOKEN}')"

    assert cleaned(caller=Credentials()) == {"caller": f"Credentials(authorization={REDACTED})"}


def test_nesting_ends_somewhere() -> None:
    nested: Any = {"password": "hunter22"}
    for _ in range(50):
        nested = {"in": nested}

    assert "hunter22" not in str(cleaned(nested=nested))


def test_it_costs_little() -> None:
    traceback = "\n".join(f'  File "/app/services/task/run.py", line {n}, in run_the_attempt_again' for n in range(200))
    worst = "a" * 200_000

    began = time.thread_time()
    redact_text(traceback)
    redact_text(worst)
    redact_text("eyJ" * 10_000)

    assert time.thread_time() - began < 0.25


Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lines]:
    """Configures logging as the service does; gives what was written, line by line."""
    root, config = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers[:], root.level
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    configure(Settings(bizq_log_format="json", bizq_log_level="debug"))
    written = root.handlers[0].stream  # type: ignore[attr-defined]
    yield lambda: [orjson.loads(line) for line in written.getvalue().splitlines()]
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.getLogger("app").setLevel(logging.NOTSET)
    structlog.configure(**config)


def test_ours_and_libraries_lines_go_through_it_with_their_exceptions(lines: Lines) -> None:
    try:
        raise ValueError(f"could not send Bearer {TOKEN} to ann@example.com")
    except ValueError:
        structlog.get_logger("app.test").exception("broke", password="hunter22")
        logging.getLogger("library").exception("failed for %s", "ann@example.com")

    ours, theirs = lines()

    assert (ours["password"], theirs["event"]) == (REDACTED, f"failed for {REDACTED}")
    for line in (ours, theirs):
        assert f"ValueError: could not send Bearer {REDACTED} to {REDACTED}" in line["exception"]


def test_debug_is_ours_alone(lines: Lines) -> None:
    structlog.get_logger("app.test").debug("ours")
    logging.getLogger("uvicorn.error").debug("< TEXT 'a frame'")

    assert [line["event"] for line in lines()] == ["ours"]
