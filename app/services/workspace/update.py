"""Another name for a workspace. Its slug stays: addresses that people keep go on working."""

from sqlalchemy import RowMapping, update

from app.models import Workspace
from app.principal import Permission
from app.services.workspace.create import checked_name
from app.unit_of_work import UnitOfWork

_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]


async def update_workspace(uow: UnitOfWork, *, name: str) -> RowMapping:
    """Its columns. Raises Forbidden, or InvalidInput naming the field."""
    uow.principal.require(Permission.WORKSPACE_UPDATE)
    mine = _WORKSPACE.c.id == uow.principal.workspace_id
    statement = update(_WORKSPACE).where(mine).values(name=checked_name("name", name)).returning(*_WORKSPACE.c)
    return (await uow.session.execute(statement)).mappings().one()
