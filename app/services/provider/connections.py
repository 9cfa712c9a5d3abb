"""Changes of a workspace's own connections to providers. A key that was given is used, and never shown again."""

from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from sqlalchemy import RowMapping, delete, func, insert, select, update

from app import ids
from app.db.sealed import PROVIDER_KEY
from app.db.vault import Vault
from app.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from app.models import ProviderKind
from app.principal import Permission
from app.services.account.step_up import require_step_up
from app.services.provider.draft import CHECKED, ConnectionValues, check_new, check_values, checked_name, hint_of
from app.services.provider.queries import COLUMNS, TABLE, by_name
from app.services.workspace.turn import person_behind, take_turn
from app.unit_of_work import UnitOfWork

MAX_CONNECTIONS = 20


async def create_connection(
    uow: UnitOfWork, vault: Vault, kind: ProviderKind, name: str, values: ConnectionValues, *, allow_private: bool
) -> RowMapping:
    """The connection's columns. Raises Forbidden, MfaRequired, Conflict, LimitExceeded, or InvalidInput."""
    await _enter(uow)
    checked = check_values(kind, check_new(kind, values), values.api_key, allow_private=allow_private)
    checked |= {"name": checked_name(name), "provider": kind}
    await _check_room(uow, name)
    connection_id = ids.new_id()
    statement = insert(TABLE).values(
        id=connection_id,
        workspace_id=uow.principal.workspace_id,
        created_by=await person_behind(uow),
        created_at=uow.now,
        changed_at=uow.now,
        **checked,
        **_sealed(vault, connection_id, values.api_key),
    )
    row = (await uow.session.execute(statement.returning(*COLUMNS))).mappings().one()
    _audit(uow, "provider_connection.create", row, {"provider": row["provider"], "model": row["model"]})
    return row


async def update_connection(
    uow: UnitOfWork, vault: Vault, public_id: str, values: ConnectionValues, *, allow_private: bool
) -> RowMapping:
    """As create_connection; raises NotFound where there is none. What is None stays as it is."""
    await _enter(uow)
    before = await _held(uow, public_id)
    kind = ProviderKind(before["provider"])
    said = values.said()
    after = {name: said.get(name, before[name]) for name in CHECKED}
    checked = check_values(kind, after, values.api_key, allow_private=allow_private)
    changed = {name: value for name, value in (said | checked).items() if value != before[name]}
    if "base_url" in changed and before["has_key"] and values.api_key is None:
        # Else whoever may change the address could have the key sent to themselves.
        raise InvalidInput("Another address needs the key once more: give apiKey as well.", ("apiKey",))
    sealed = _sealed(vault, before["id"], values.api_key)
    mine = TABLE.c.id == before["id"]
    statement = update(TABLE).where(mine).values(**changed, **sealed, changed_at=uow.now).returning(*COLUMNS)
    row = (await uow.session.execute(statement)).mappings().one()
    fields = sorted([*changed, *(["api_key"] if sealed else [])])
    _audit(uow, "provider_connection.update", row, {"changed": fields, "enabled": row["enabled"]})
    return row


async def delete_connection(uow: UnitOfWork, public_id: str) -> None:
    """With its key. Tasks that were to go through it move on to their other models, or fail. Raises as update does."""
    await _enter(uow)
    row = await _held(uow, public_id)
    await uow.session.execute(delete(TABLE).where(TABLE.c.id == row["id"]))
    _audit(uow, "provider_connection.delete", row, {})


async def _enter(uow: UnitOfWork) -> None:
    uow.principal.require(Permission.PROVIDER_MANAGE)
    await require_step_up(uow)
    await take_turn(uow, Permission.PROVIDER_MANAGE)


async def _check_room(uow: UnitOfWork, name: str) -> None:
    count = (await uow.session.execute(select(func.count()).select_from(TABLE))).scalar_one()
    if count >= MAX_CONNECTIONS:
        message = f"The workspace has {count} connections; the limit is {MAX_CONNECTIONS}."
        raise LimitExceeded(message, limit=MAX_CONNECTIONS, actual=count + 1)
    if (await uow.session.execute(by_name(name))).first() is not None:
        raise Conflict(f"There is a connection {name} already.", ("name",))


async def _held(uow: UnitOfWork, public_id: str) -> RowMapping:
    key: UUID | None = ids.decode(ids.PROVIDER_CONNECTION, public_id)
    has_key = TABLE.c.api_key.is_not(None).label("has_key")
    mine = (TABLE.c.id == key) & (TABLE.c.workspace_id == uow.principal.workspace_id)
    row = (await uow.session.execute(select(*COLUMNS, has_key).where(mine))).mappings().one_or_none()
    if row is None:
        raise NotFound("Provider connection", public_id)
    return row


def _sealed(vault: Vault, connection_id: UUID, api_key: str | None) -> dict[str, Any]:
    if api_key is None:
        return {}
    return {"api_key": vault.seal(PROVIDER_KEY.place, connection_id, api_key), "key_hint": hint_of(api_key)}


def _audit(uow: UnitOfWork, action: str, row: RowMapping, data: dict[str, Any]) -> None:
    host = urlsplit(row["base_url"]).hostname if row["base_url"] is not None else None
    named = {"name": row["name"], **({"host": host} if host is not None else {})}
    uow.audit(action, ids.encode(ids.PROVIDER_CONNECTION, row["id"]), named | data)
