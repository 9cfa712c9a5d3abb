"""Who is calling, in which workspace, and what they may do there."""

from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from app.errors import Forbidden

# The IP address that the request being served comes from; None where nobody said.
client_address: ContextVar[str | None] = ContextVar("client_address", default=None)
# The nil UUID (RFC 9562, 5.9), which no workspace has: row-level security shows nothing there.
NOWHERE = UUID(int=0)


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
    WORKSPACE_PLAN = "workspace:plan"
    WORKSPACE_TRANSFER = "workspace:transfer"
    MEMBER_READ = "member:read"
    MEMBER_MANAGE = "member:manage"
    API_KEY_MANAGE = "api_key:manage"
    AUDIT_READ = "audit:read"


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
}
_OWN = _MANAGE | {Permission.WORKSPACE_PLAN, Permission.WORKSPACE_TRANSFER}

# Each role may all that the next may, and more.
PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: _OWN,
    Role.ADMIN: _MANAGE,
    Role.MEMBER: _WORK,
    Role.VIEWER: _READ,
}


@dataclass(frozen=True, slots=True)
class Principal:
    """A caller. `scopes` narrows an API key below its role; None means all that the role allows.

    A person who acts in no workspace has the workspace NOWHERE and no role. `expires_at` is when the token that shows
    who it is runs out, `session_id` the sign-in that it came from; None where it is no token.
    """

    workspace_id: UUID
    role: Role | None
    user_id: UUID | None = None
    api_key_id: UUID | None = None
    scopes: frozenset[Permission] | None = None
    expires_at: datetime | None = None
    session_id: UUID | None = None

    @classmethod
    def system(cls, workspace_id: UUID) -> "Principal":
        """The service itself, acting in a workspace."""
        return cls(workspace_id=workspace_id, role=Role.OWNER)

    @classmethod
    def outside(
        cls, user_id: UUID, *, expires_at: datetime | None = None, session_id: UUID | None = None
    ) -> "Principal":
        """A person who belongs to no workspace, or to several and named none."""
        return cls(workspace_id=NOWHERE, role=None, user_id=user_id, expires_at=expires_at, session_id=session_id)

    @property
    def permissions(self) -> frozenset[Permission]:
        granted = PERMISSIONS[self.role] if self.role is not None else frozenset()
        return granted if self.scopes is None else granted & self.scopes

    def require(self, permission: Permission) -> None:
        """Raises Forbidden, naming the permission or the workspace that is missing."""
        if self.workspace_id == NOWHERE:
            raise Forbidden(
                "This is done in a workspace: send its id as X-Workspace-Id, or as workspaceId in connection_init. "
                "viewer lists your workspaces."
            )
        if permission not in self.permissions:
            raise Forbidden(f"This needs the permission {permission.value}; ask an owner or admin of the workspace.")

    def require_person(self) -> UUID:
        """The person's id. Raises Forbidden for an API key."""
        if self.user_id is None:
            raise Forbidden("This is for people: sign in. An API key cannot do it.")
        return self.user_id


def narrower(one: Role, other: Role) -> Role:
    """The one of two roles that may less."""
    return min(one, other, key=lambda role: len(PERMISSIONS[role]))
