"""The tables, one file each. Importing this package registers all of them with SQLModel's metadata."""

from app.models.api_key import ApiKey
from app.models.audit_chain import AuditChain
from app.models.audit_entry import AuditEntry
from app.models.external_identity import ExternalIdentity
from app.models.former_member import FormerMember
from app.models.idempotency_key import IdempotencyKey
from app.models.invitation import Invitation
from app.models.mail_token import MailToken
from app.models.membership import Membership
from app.models.mfa_challenge import MfaChallenge
from app.models.recovery_code import RecoveryCode
from app.models.refresh_token import RefreshToken
from app.models.session import Session
from app.models.sign_in_failure import SignInFailure
from app.models.sso_code import SsoCode
from app.models.sso_connection import SsoConnection
from app.models.sso_domain import SsoDomain
from app.models.sso_flow import SsoFlow
from app.models.task import Task, TaskComplexity, TaskStatus, TaskWaitReason, TimeoutPolicy
from app.models.task_attempt import TaskAttempt
from app.models.task_event import TaskEvent, TaskEventKind
from app.models.template import Template
from app.models.template_version import TemplateVersion
from app.models.totp_factor import TotpFactor
from app.models.trusted_document import TrustedDocument
from app.models.user import User
from app.models.worker import Worker, WorkerKind
from app.models.workspace import Workspace

__all__ = [
    "ApiKey",
    "AuditChain",
    "AuditEntry",
    "ExternalIdentity",
    "FormerMember",
    "IdempotencyKey",
    "Invitation",
    "MailToken",
    "Membership",
    "MfaChallenge",
    "RecoveryCode",
    "RefreshToken",
    "Session",
    "SignInFailure",
    "SsoCode",
    "SsoConnection",
    "SsoDomain",
    "SsoFlow",
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
    "TotpFactor",
    "TrustedDocument",
    "User",
    "Worker",
    "WorkerKind",
    "Workspace",
]
