"""The end of an API key: in every process within a second, as authenticators keep what they know no longer."""

from uuid import UUID

from sqlalchemy import RowMapping, func, update

from app import ids
from app.errors import NotFound
from app.models import ApiKey
from app.principal import Permission
from app.services.account.queries import API_KEY_COLUMNS
from app.services.account.step_up import require_step_up
from app.unit_of_work import UnitOfWork

_API_KEY = ApiKey.__table__  # type: ignore[attr-defined]


async def revoke_api_key(uow: UnitOfWork, public_id: str) -> RowMapping:
    """The key's columns; of one that was revoked before, as it is. Raises Forbidden, MfaRequired or NotFound."""
    uow.principal.require(Permission.API_KEY_MANAGE)
    await require_step_up(uow)
    key_id: UUID | None = ids.decode(ids.API_KEY, public_id)
    mine = (_API_KEY.c.id == key_id) & (_API_KEY.c.workspace_id == uow.principal.workspace_id)
    values = {"revoked_at": func.coalesce(_API_KEY.c.revoked_at, uow.now)}
    statement = update(_API_KEY).where(mine).values(**values).returning(*API_KEY_COLUMNS)
    row = (await uow.session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound("API key", public_id)
    if row["revoked_at"] == uow.now:
        uow.audit("api_key.revoke", public_id, {"name": row["name"]})
        uow.change_access()
    return row
