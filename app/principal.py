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
    WORKSPACE_UPDATE = "workspace:update"
    WORKSPACE_TRANSFER = "workspace:transfer"
    MEMBER_READ = "member:read"
    MEMBER_MANAGE = "member:manage"
    API_KEY_MANAGE = "api_key:manage"
    AUDIT_READ = "audit:read"
    BILLING_READ = "billing:read"
    BILLING_MANAGE = "billing:manage"
    PROVIDER_MANAGE = "provider:manage"


_READ = frozenset(
    {
        Permission.TASK_READ,
        Permission.WORKER_READ,
        Permission.TEMPLATE_READ,
        Permission.WORKSPACE_READ,
        Permission.MEMBER_READ,
    }
)
_WORK = _READ | {Permission.TASK_CREATE, Permission.TASK_CANCEL, Permission.TASK_RETRY}
_MANAGE = _WORK | {
    Permission.WORKER_WRITE,
    Permission.TEMPLATE_WRITE,
    Permission.WORKSPACE_UPDATE,
    Permission.MEMBER_MANAGE,
    Permission.API_KEY_MANAGE,
    Permission.AUDIT_READ,
    Permission.BILLING_READ,
    Permission.BILLING_MANAGE,
    Permission.PROVIDER_MANAGE,
}

# From the most to the least.
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _MANAGE | {Permission.WORKSPACE_TRANSFER},
    Role.ADMIN: _MANAGE,
    Role.MEMBER: _WORK,
    Role.VIEWER: _READ,
}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who is signed in, apart from any workspace. `expires_at` and `session_id` as in Principal."""

    user_id: UUID
    expires_at: datetime | None = None
    session_id: UUID | None = None

    @property
    def person(self) -> "Person":
        return self


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
    def person(self) -> Person:
        """Raises Forbidden for an API key."""
        if self.user_id is None:
            raise Forbidden("This is for people: sign in, as an API key is nobody in particular.")
        return Person(self.user_id, self.expires_at, self.session_id)

    @property
    def permissions(self) -> frozenset[Permission]:
        granted = PERMISSIONS[self.role]
        return granted if self.scopes is None else granted & self.scopes

    def require(self, permission: Permission) -> None:
        """Raises Forbidden, naming the permission that is missing."""
        if permission not in self.permissions:
            raise Forbidden(f"This needs the permission {permission.value}; ask an owner or admin of the workspace.")


def in_workspace(caller: Principal | Person) -> Principal:
    """Raises Forbidden for somebody who is in none."""
    if isinstance(caller, Person):
        raise Forbidden("Name the workspace: send its id as X-Workspace-Id, or as workspaceId in connection_init.")
    return caller
