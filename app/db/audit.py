"""The audit log: who did what in a workspace, when and from where, in a chain that shows when it was tampered with.

Entries of a workspace are numbered 1, 2, 3 … without a gap. The hash of each covers all before it:

    hash(0) = 32 zero bytes
    hash(n) = SHA-256( hash(n-1) || n as 8 bytes, big-endian || JSON(n) )

JSON(n) is the entry in the JSON Canonicalization Scheme (RFC 8785: UTF-8, members sorted, no white space): one object
with exactly these members, null where there is nothing:

    action         such as "api_key.create"
    apiKey         public id of the API key that did it
    at             "2026-11-23T05:41:00.123456Z": UTC, always six digits of a second
    clientAddress  IP address that the request came from
    data           an object of strings, whole numbers up to 2^53-1, booleans, nulls, lists and objects
    role           what the actor was in the workspace
    subject        public id of what it was done to
    user           public id of the person who did it
    workspace      public id of the workspace

`auditLog` shows every entry with its hash, so whoever has them all can verify the chain without us. No secret, e-mail
address or name is ever part of an entry. The client address is, and as it is: entries cannot be sealed anew when keys
change, and who verifies the chain must be able to read what was hashed. Owners and admins see it, nobody else.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import bindparam, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app import ids
from app.db.reader import enter_workspace
from app.principal import Principal, Role, client_address

NO_HASH: Final = bytes(32)
MAX_ADDRESS_LENGTH = 100
_MAX_INTEGER = 2**53 - 1
_APPEND = text(
    "SELECT append_audit_entry(:chain, :canonical, :at, :user, :api_key, :role, :action, :subject, :client, :data)"
).bindparams(bindparam("data", type_=JSONB))
_MEMBERSHIPS = text("SELECT workspace_id, role FROM auth_memberships(:user) ORDER BY workspace_id")


@dataclass(frozen=True, slots=True)
class Entry:
    """Neither user nor API key: the service itself, who operates it, or nobody knows who."""

    action: str
    subject: str | None
    data: Mapping[str, Any]
    at: datetime
    user_id: UUID | None = None
    api_key_id: UUID | None = None
    role: str | None = None
    client: str | None = None

    @classmethod
    def by(
        cls, principal: Principal, at: datetime, action: str, subject: str | None, data: Mapping[str, Any] | None = None
    ) -> "Entry":
        """From where the present request comes."""
        person = principal.user_id is not None or principal.api_key_id is not None
        return cls(
            action=action,
            subject=subject,
            data=data or {},
            at=at,
            user_id=principal.user_id,
            api_key_id=principal.api_key_id,
            role=principal.role.value if person else None,
            client=(client_address.get() or "")[:MAX_ADDRESS_LENGTH] or None,
        )


async def append(connection: AsyncConnection | AsyncSession, workspace_id: UUID, entries: Iterable[Entry]) -> None:
    """To the log of the workspace that the transaction is in. The last thing it does: others wait for its end."""
    for entry in entries:
        values = {
            "chain": workspace_id,
            "canonical": canonical(workspace_id, entry),
            "at": entry.at,
            "user": entry.user_id,
            "api_key": entry.api_key_id,
            "role": entry.role,
            "action": entry.action,
            "subject": entry.subject,
            "client": entry.client,
            "data": entry.data,
        }
        await connection.execute(_APPEND, values)


async def append_for_user(
    connection: AsyncConnection | AsyncSession,
    user_id: UUID,
    at: datetime,
    action: str,
    data: Mapping[str, Any] | None = None,
    *,
    by_them: bool = True,
) -> None:
    """What somebody did with their account: to the log of every workspace that they belong to, as it concerns each.

    `by_them` False: it was done to their account, and nobody knows who did it.

    The transaction leaves the workspace that it was in, so this is its end. Always in the same order of workspaces:
    no two transactions wait for each other.
    """
    for workspace_id, role in (await connection.execute(_MEMBERSHIPS, {"user": user_id})).all():
        member = Principal(workspace_id=workspace_id, role=Role(role), user_id=user_id)
        await enter_workspace(connection, member)
        actor = member if by_them else Principal.system(workspace_id)
        await append(connection, workspace_id, [Entry.by(actor, at, action, ids.encode(ids.USER, user_id), data)])


def canonical(workspace_id: UUID, entry: Entry) -> bytes:
    """JSON(n), as above. Raises TypeError for data that has no canonical form."""
    _check(entry.data)
    members = {
        "action": entry.action,
        "apiKey": ids.encode(ids.API_KEY, entry.api_key_id) if entry.api_key_id else None,
        "at": entry.at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "clientAddress": entry.client,
        "data": entry.data,
        "role": entry.role,
        "subject": entry.subject,
        "user": ids.encode(ids.USER, entry.user_id) if entry.user_id else None,
        "workspace": ids.encode(ids.WORKSPACE, workspace_id),
    }
    return json.dumps(members, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def chained(previous: bytes, seq: int, content: bytes) -> bytes:
    """hash(n), of hash(n-1), n and JSON(n)."""
    return hashlib.sha256(previous + seq.to_bytes(8, "big") + content).digest()


def _check(value: Any) -> None:
    """Keys are ours and ASCII: sorted by code point they are as RFC 8785 wants them. It writes other numbers than
    small whole ones as JavaScript would, which nothing here needs."""
    match value:
        case None | bool() | str():
            return
        case int() if abs(value) <= _MAX_INTEGER:
            return
        case list() | tuple():
            for item in value:
                _check(item)
        case Mapping() if all(isinstance(key, str) and key.isascii() for key in value):
            for item in value.values():
                _check(item)
        case _:
            raise TypeError(f"{type(value).__name__} is not for the audit log")
