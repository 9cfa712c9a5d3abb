"""Who may use which operation: the one table. A field of Query, Mutation or Subscription that is not in it stops the
schema from being built.

What a role may is in `app.principal`. Services ask for permissions again, as the command line and workers call them
too; what they ask for is what stands here, which the tests prove with keys that have nothing else.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from strawberry.extensions import FieldExtension
from strawberry.types import Info
from strawberry.utils.str_converters import to_camel_case

from app.graphql.context import Context
from app.graphql.errors import PayloadErrors
from app.principal import Permission


@dataclass(frozen=True, slots=True)
class Rule:
    """`permission` is one in the workspace of the request. None: whoever signed in, whether in a workspace or not."""

    permission: Permission | None = None
    person: bool = False
    anonymous: bool = False

    def check(self, context: Context) -> None:
        """Raises Unauthenticated or Forbidden."""
        if self.anonymous:
            return
        principal = context.principal
        if self.person:
            principal.require_person()
        if self.permission is not None:
            principal.require(self.permission)


ANYBODY = Rule(anonymous=True)
SIGNED_IN = Rule()
PERSON = Rule(person=True)

OPERATIONS: dict[str, Rule] = {
    "Query.serverInfo": ANYBODY,
    # Each type has its permission, below.
    "Query.node": SIGNED_IN,
    "Query.nodes": SIGNED_IN,
    # Null for who did not sign in.
    "Query.viewer": ANYBODY,
    "Query.workspace": Rule(Permission.WORKSPACE_READ),
    "Query.members": Rule(Permission.MEMBER_READ),
    "Query.invitations": Rule(Permission.MEMBER_MANAGE),
    # Whoever holds the token, before they have an account.
    "Query.invitation": ANYBODY,
    "Query.apiKeys": Rule(Permission.API_KEY_MANAGE),
    "Query.task": Rule(Permission.TASK_READ),
    "Query.tasks": Rule(Permission.TASK_READ),
    "Query.workers": Rule(Permission.WORKER_READ),
    "Query.templates": Rule(Permission.TEMPLATE_READ),
    "Mutation.signUp": ANYBODY,
    "Mutation.signIn": ANYBODY,
    "Mutation.refreshSession": ANYBODY,
    "Mutation.signOut": ANYBODY,
    "Mutation.changePassword": PERSON,
    "Mutation.createWorkspace": PERSON,
    "Mutation.acceptInvitation": PERSON,
    "Mutation.updateWorkspace": Rule(Permission.WORKSPACE_UPDATE),
    "Mutation.transferOwnership": Rule(Permission.WORKSPACE_TRANSFER, person=True),
    "Mutation.inviteMember": Rule(Permission.MEMBER_MANAGE),
    "Mutation.cancelInvitation": Rule(Permission.MEMBER_MANAGE),
    "Mutation.changeMemberRole": Rule(Permission.MEMBER_MANAGE),
    "Mutation.removeMember": Rule(Permission.MEMBER_MANAGE),
    # Every role may read its workspace, so every member may leave it.
    "Mutation.leaveWorkspace": Rule(Permission.WORKSPACE_READ, person=True),
    "Mutation.createApiKey": Rule(Permission.API_KEY_MANAGE),
    "Mutation.revokeApiKey": Rule(Permission.API_KEY_MANAGE),
    "Mutation.createTask": Rule(Permission.TASK_CREATE),
    "Mutation.createTasks": Rule(Permission.TASK_CREATE),
    "Mutation.cancelTask": Rule(Permission.TASK_CANCEL),
    "Mutation.retryTask": Rule(Permission.TASK_RETRY),
    "Mutation.createWorker": Rule(Permission.WORKER_WRITE),
    "Mutation.createTemplate": Rule(Permission.TEMPLATE_WRITE),
    "Subscription.taskEvents": Rule(Permission.TASK_READ),
    "Subscription.taskOutput": Rule(Permission.TASK_READ),
}
# What node(id:) and nodes(ids:) need for each type.
NODES: dict[str, Permission] = {
    "Task": Permission.TASK_READ,
    "Worker": Permission.WORKER_READ,
    "Template": Permission.TEMPLATE_READ,
    "TemplateVersion": Permission.TEMPLATE_READ,
    "User": Permission.MEMBER_READ,
    "Workspace": Permission.WORKSPACE_READ,
    "ApiKey": Permission.API_KEY_MANAGE,
    "Invitation": Permission.MEMBER_MANAGE,
}


class WithoutRule(Exception):
    """An operation is not in the table."""


def protect(root: Any) -> None:
    """Put its rule before every field of a root type. Raises WithoutRule."""
    definition = root.__strawberry_definition__
    for field in definition.fields:
        operation = f"{definition.name}.{field.graphql_name or to_camel_case(field.python_name)}"
        rule = OPERATIONS.get(operation)
        if rule is None:
            raise WithoutRule(f"{operation} has no entry in app/graphql/permissions.py: say who may use it.")
        if rule.anonymous:
            continue
        # Extensions run from the last to the first: inside of what makes a payload of errors, outside of all others.
        within = [each for each in field.extensions if not isinstance(each, PayloadErrors)]
        around = [each for each in field.extensions if isinstance(each, PayloadErrors)]
        field.extensions = [*within, _Permitted(rule), *around]


class _Permitted(FieldExtension):
    def __init__(self, rule: Rule) -> None:
        self._rule = rule

    def resolve(self, next_: Callable[..., Any], source: Any, info: Info, **arguments: Any) -> Any:
        self._rule.check(info.context)
        return next_(source, info, **arguments)

    async def resolve_async(
        self, next_: Callable[..., Awaitable[Any]], source: Any, info: Info, **arguments: Any
    ) -> Any:
        self._rule.check(info.context)
        result = next_(source, info, **arguments)
        return await result if inspect.isawaitable(result) else result
