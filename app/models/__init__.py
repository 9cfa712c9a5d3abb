"""The tables, one file each. Importing this package registers all of them with SQLModel's metadata."""

from app.models.api_key import ApiKey
from app.models.idempotency_key import IdempotencyKey
from app.models.invitation import Invitation
from app.models.membership import Membership
from app.models.refresh_token import RefreshToken
from app.models.session import Session
from app.models.sign_in_failure import SignInFailure
from app.models.task import Task, TaskComplexity, TaskStatus, TaskWaitReason, TimeoutPolicy
from app.models.task_attempt import TaskAttempt
from app.models.task_event import TaskEvent, TaskEventKind
from app.models.template import Template
from app.models.template_version import TemplateVersion
from app.models.user import User
from app.models.worker import Worker, WorkerKind
from app.models.workspace import Workspace

__all__ = [
    "ApiKey",
    "IdempotencyKey",
    "Invitation",
    "Membership",
    "RefreshToken",
    "Session",
    "SignInFailure",
    "Task",
    "TaskAttempt",
    "TaskComplexity",
    "TaskEvent",
    "TaskEventKind",
    "TaskStatus",
    "TaskWaitReason",
    "Template",
    "TemplateVersion",
    "TimeoutPolicy",
    "User",
    "Worker",
    "WorkerKind",
    "Workspace",
]
