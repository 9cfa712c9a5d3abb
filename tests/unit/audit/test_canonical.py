"""What the hash of an entry is computed from, as a stranger would compute it."""

import hashlib
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from app.db.audit import NO_HASH, Entry, canonical, chained

WORKSPACE = UUID("01890a5d-ac96-774b-bcce-b302099a8057")
AT = datetime(2026, 11, 23, 5, 41, 0, tzinfo=UTC)


def entry(**changes: Any) -> Entry:
    return Entry(**{"action": "api_key.create", "subject": None, "data": {}, "at": AT} | changes)


def test_entry_is_written_as_rfc_8785_says() -> None:
    content = canonical(
        WORKSPACE,
        entry(
            subject="key_01h455vb4pex5vsknk084sn02q",
            data={"scopes": ["task:read"], "name": 'Ann\'s "ключ"\n\u2028', "expiresAt": None, "count": 3, "on": True},
            user_id=WORKSPACE,
            role="OWNER",
            client="192.0.2.1",
        ),
    )

    assert content.decode() == (
        '{"action":"api_key.create","apiKey":null,"at":"2026-11-23T05:41:00.000000Z","clientAddress":"192.0.2.1",'
        '"data":{"count":3,"expiresAt":null,"name":"Ann\'s \\"ключ\\"\\n\u2028","on":true,"scopes":["task:read"]},'
        '"role":"OWNER","subject":"key_01h455vb4pex5vsknk084sn02q","user":"usr_01h455vb4pex5vsknk084sn02q",'
        '"workspace":"ws_01h455vb4pex5vsknk084sn02q"}'
    )


def test_time_is_in_utc_whatever_zone_it_came_in() -> None:
    here = AT.astimezone(timezone(timedelta(hours=2)))

    assert canonical(WORKSPACE, entry(at=here)) == canonical(WORKSPACE, entry())


def test_hash_covers_the_one_before_the_number_and_the_content() -> None:
    first = chained(NO_HASH, 1, b"{}")

    assert first == hashlib.sha256(b"\0" * 32 + b"\0\0\0\0\0\0\0\1" + b"{}").digest()
    assert len({first, chained(first, 1, b"{}"), chained(NO_HASH, 2, b"{}"), chained(NO_HASH, 1, b"[]")}) == 4


@pytest.mark.parametrize("value", [1.5, 2**53, -(2**53), b"bytes", {"ключ": 1}, {1: 2}, [[{"a": 0.1}]], AT])
def test_what_has_no_canonical_form_is_refused(value: object) -> None:
    with pytest.raises(TypeError, match="is not for the audit log"):
        canonical(WORKSPACE, entry(data={"value": value}))
