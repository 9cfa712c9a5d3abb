"""The tables, one file each. Importing this package registers all of them with SQLModel's metadata."""

from app.models.ai_model import AIModel
from app.models.api_key import ApiKey
from app.models.audit_chain import AuditChain
from app.models.audit_entry import AuditEntry
from app.models.billing_event import BillingEvent, BillingEventKind
from app.models.budget import Budget, BudgetHold, BudgetPeriod, BudgetScope, BudgetUsage
from app.models.external_identity import ExternalIdentity
from app.models.former_member import FormerMember
from app.models.idempotency_key import IdempotencyKey
from app.models.invitation import Invitation
from app.models.ledger_entry import Account, LedgerEntry, LedgerKind
from app.models.mail_token import MailToken
from app.models.membership import Membership
from app.models.mfa_challenge import MfaChallenge
from app.models.provider_connection import ProviderConnection, ProviderKind
from app.models.recovery_code import RecoveryCode
from app.models.refresh_token import RefreshToken
from app.models.routing_policy import RoutingPolicy
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
from app.models.usage_day import UsageDay
from app.models.usage_progress import UsageProgress
from app.models.user import User
from app.models.worker import Worker, WorkerKind
from app.models.workspace import Workspace

__all__ = [
    "AIModel",
    "Account",
    "ApiKey",
    "AuditChain",
    "AuditEntry",
    "BillingEvent",
    "BillingEventKind",
    "Budget",
    "BudgetHold",
    "BudgetPeriod",
    "BudgetScope",
    "BudgetUsage",
    "ExternalIdentity",
    "FormerMember",
    "IdempotencyKey",
    "Invitation",
    "LedgerEntry",
    "LedgerKind",
    "MailToken",
    "Membership",
    "MfaChallenge",
    "ProviderConnection",
    "ProviderKind",
    "RecoveryCode",
    "RefreshToken",
    "RoutingPolicy",
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
    "UsageDay",
    "UsageProgress",
    "User",
    "Worker",
    "WorkerKind",
    "Workspace",
]
