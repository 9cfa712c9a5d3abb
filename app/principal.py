"""Who is calling, in which workspace, and what they may do there."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.errors import Forbidden

# The IP address that the request being served comes from; None where nobody said.
client_address: ContextVar[str | None] = ContextVar("client_address", default=None)


class Role(StrEnum):
    OWNER = "OWNER"
    ADMIN = "ADMIN"
    MEMBER = "MEMBER"
    VIEWER = "VIEWER"


class Permission(StrEnum):
    TASK_READ = "task:read"
    TASK_CREATE = "task:create"
    TASK_CANCEL = "task:cancel"
    TASK_RETRY = "task:retry"
    WORKER_READ = "worker:read"
    WORKER_WRITE = "worker:write"
    TEMPLATE_READ = "template:read"
    TEMPLATE_WRITE = "template:write"
    WORKSPACE_READ = "workspace:read"
    API_KEY_MANAGE = "api_key:manage"


_READ = frozenset({Permission.TASK_READ, Permission.WORKER_READ, Permission.TEMPLATE_READ, Permission.WORKSPACE_READ})
_WORK = _READ | {Permission.TASK_CREATE, Permission.TASK_CANCEL, Permission.TASK_RETRY}
_MANAGE = _WORK | {Permission.WORKER_WRITE, Permission.TEMPLATE_WRITE, Permission.API_KEY_MANAGE}

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _MANAGE,
    Role.ADMIN: _MANAGE,
    Role.MEMBER: _WORK,
    Role.VIEWER: _READ,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `scopes` narrows an API key below its role; None means all that the role allows.

    `expires_at` is when the token that shows who it is runs out, `session_id` the sign-in that it came from; None
    where it is no token. `plan` is the workspace's.
    """

    workspace_id: UUID
    role: Role
    user_id: UUID | None = None
    api_key_id: UUID | None = None
    scopes: frozenset[Permission] | None = None
    expires_at: datetime | None = None
    session_id: UUID | None = None
    plan: str = "FREE"

    @classmethod
    def system(cls, workspace_id: UUID) -> "Principal":
        """The service itself, acting in a workspace."""
        return cls(workspace_id=workspace_id, role=Role.OWNER)

    @property
    def permissions(self) -> frozenset[Permission]:
        granted = PERMISSIONS[self.role]
        return granted if self.scopes is None else granted & self.scopes

    def require(self, permission: Permission) -> None:
        """Raises Forbidden, naming the permission that is missing."""
        if permission not in self.permissions:
            raise Forbidden(f"This needs the permission {permission.value}; ask an owner or admin of the workspace.")
