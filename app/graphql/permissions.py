"""What each operation needs: one table, which is what decides. ARCHITECTURE.md prints it by role.

Services ask for permissions again, as the command line and workers call them too. That they ask for nothing else than
what stands here is proved with API keys that have a single scope (tests/integration/api/test_role_matrix.py).
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

from strawberry.extensions import FieldExtension
from strawberry.types import Info as AnyInfo
from strawberry.types.field import StrawberryField
from strawberry.utils.str_converters import to_camel_case

from app.graphql.context import Context
from app.principal import Permission


class Access(Enum):
    """Where no permission is needed."""

    ANYBODY = "anybody"
    SIGNED_IN = "anybody who is signed in"
    PERSON = "any person who is signed in"


@dataclass(frozen=True, slots=True)
class InPerson:
    """The permission, and that the caller is no API key."""

    permission: Permission


Need: TypeAlias = Access | Permission | InPerson
QUERY: dict[str, Need] = {
    # Each type has its own permission, below.
    "node": Access.SIGNED_IN,
    "nodes": Access.SIGNED_IN,
    "viewer": Access.ANYBODY,
    "serverInfo": Access.ANYBODY,
    "workspace": Permission.WORKSPACE_READ,
    "members": Permission.MEMBER_READ,
    "invitations": Permission.MEMBER_MANAGE,
    "apiKeys": Permission.API_KEY_MANAGE,
    "auditLog": Permission.AUDIT_READ,
    "task": Permission.TASK_READ,
    "tasks": Permission.TASK_READ,
    "quoteTask": Permission.TASK_CREATE,
    "explainRouting": Permission.TASK_CREATE,
    "ledger": Permission.BILLING_READ,
    "models": Access.SIGNED_IN,
    "providers": Access.SIGNED_IN,
    "usage": Permission.BILLING_READ,
    "budgets": Permission.BILLING_READ,
    "billingEvents": Permission.BILLING_READ,
    "routingPolicy": Permission.WORKSPACE_READ,
    "workers": Permission.WORKER_READ,
    "templates": Permission.TEMPLATE_READ,
    "providerConnections": Permission.PROVIDER_MANAGE,
}
MUTATION: dict[str, Need] = {
    "signUp": Access.ANYBODY,
    "signIn": Access.ANYBODY,
    "refreshSession": Access.ANYBODY,
    "signOut": Access.ANYBODY,
    "completeSso": Access.ANYBODY,
    "linkSso": Access.PERSON,
    "requestPasswordReset": Access.ANYBODY,
    "resetPassword": Access.ANYBODY,
    "verifyEmail": Access.ANYBODY,
    "resendVerification": Access.PERSON,
    "changePassword": Access.PERSON,
    "enrolTotp": Access.PERSON,
    "confirmTotp": Access.PERSON,
    "stepUp": Access.PERSON,
    "regenerateRecoveryCodes": Access.PERSON,
    "disableTotp": Access.PERSON,
    "createWorkspace": Access.PERSON,
    "acceptInvitation": Access.PERSON,
    # Every role may read its workspace, so every member may leave it.
    "leaveWorkspace": InPerson(Permission.WORKSPACE_READ),
    "updateWorkspace": Permission.WORKSPACE_UPDATE,
    "transferOwnership": InPerson(Permission.WORKSPACE_TRANSFER),
    "inviteMember": Permission.MEMBER_MANAGE,
    "cancelInvitation": Permission.MEMBER_MANAGE,
    "changeMemberRole": Permission.MEMBER_MANAGE,
    "removeMember": Permission.MEMBER_MANAGE,
    "createApiKey": Permission.API_KEY_MANAGE,
    "revokeApiKey": Permission.API_KEY_MANAGE,
    "createTask": Permission.TASK_CREATE,
    "createTasks": Permission.TASK_CREATE,
    "cancelTask": Permission.TASK_CANCEL,
    "retryTask": Permission.TASK_RETRY,
    "createWorker": Permission.WORKER_WRITE,
    "createTemplate": Permission.TEMPLATE_WRITE,
    "createProviderConnection": Permission.PROVIDER_MANAGE,
    "updateProviderConnection": Permission.PROVIDER_MANAGE,
    "deleteProviderConnection": Permission.PROVIDER_MANAGE,
    "testProviderConnection": Permission.PROVIDER_MANAGE,
    "setBudget": Permission.BILLING_MANAGE,
    "deleteBudget": Permission.BILLING_MANAGE,
    "setRoutingPolicy": Permission.WORKSPACE_UPDATE,
}
SUBSCRIPTION: dict[str, Need] = {
    "taskEvents": Permission.TASK_READ,
    "taskOutput": Permission.TASK_READ,
    "billingEvents": Permission.BILLING_READ,
}
# What node and nodes need for each type.
NODE: dict[str, Permission] = {
    "Task": Permission.TASK_READ,
    "Worker": Permission.WORKER_READ,
    "Template": Permission.TEMPLATE_READ,
    "TemplateVersion": Permission.TEMPLATE_READ,
    "User": Permission.MEMBER_READ,
    "Workspace": Permission.WORKSPACE_READ,
    "ApiKey": Permission.API_KEY_MANAGE,
    "LedgerEntry": Permission.BILLING_READ,
    "Budget": Permission.BILLING_READ,
}


class WithoutNeed(Exception):
    """An operation is not in the table."""


class Needs(FieldExtension):
    """Refuses before the field's own code runs. Raises Unauthenticated or Forbidden."""

    def __init__(self, need: Need) -> None:
        self._need = need

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: AnyInfo, **arguments: Any
    ) -> Any:
        check(self._need, info.context)
        result = next_(source, info, **arguments)
        return await result if inspect.isawaitable(result) else result


def check(need: Need, context: Context) -> None:
    """Raises Unauthenticated or Forbidden."""
    match need:
        case Permission():
            context.principal.require(need)
        case InPerson():
            context.person  # noqa: B018
            context.principal.require(need.permission)
        case Access.PERSON:
            context.person  # noqa: B018  raises for everybody else
        case Access.SIGNED_IN:
            context.principal  # noqa: B018


def protect(fields: list[StrawberryField], needs: dict[str, Need]) -> None:
    """Every field of a root type. Raises WithoutNeed for one that the table does not know."""
    for field in fields:
        name = field.graphql_name or to_camel_case(field.python_name)
        need = needs.get(name)
        if need is None:
            raise WithoutNeed(f"{name} has no entry in app/graphql/permissions.py: say who may use it.")
        if need is not Access.ANYBODY:
            # Innermost, which is the first: what a mutation refuses is in its payload.
            field.extensions = [Needs(need), *field.extensions]
