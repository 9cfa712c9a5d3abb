"""The second factor, as its owner sees it."""

from datetime import datetime

import strawberry

from app.graphql.context import Context
from app.graphql.errors import UserError
from app.services.account import queries
from app.services.account.step_up import FRESH


@strawberry.type(description="A person's second factor: an authenticator app, and recovery codes in case it is lost.")
class Mfa:
    enabled_at: datetime = strawberry.field(description="Since when signing in needs a code.")
    recovery_codes_left: int = strawberry.field(description="How many recovery codes have not been used, of 10.")
    stepped_up_until: datetime | None = strawberry.field(
        description="Until when this session may do what needs the second factor; may be in the past. Null where this "
        "session never showed it."
    )


async def mfa_of(context: Context) -> Mfa | None:
    """Of the caller."""
    caller = context.caller
    if caller is None or caller.user_id is None:
        return None
    row = await context.reader.row(queries.second_factor(caller.person))
    if row is None:
        return None
    shown = row["mfa_at"]
    return Mfa(
        enabled_at=row["confirmed_at"],
        recovery_codes_left=row["codes_left"],
        stepped_up_until=shown + FRESH if shown is not None else None,
    )


@strawberry.type(description="What enrolTotp gives. Shown this once, and not again.")
class EnrolTotpPayload:
    secret: str | None = strawberry.field(
        default=None, description="The secret in base32, for whoever types it into an authenticator app."
    )
    provisioning_uri: str | None = strawberry.field(
        default=None, description="The same as otpauth://totp/…: show it as a QR code for an authenticator app to scan."
    )
    retry_at: datetime | None = strawberry.field(
        default=None, description="After too many wrong passwords (LIMIT_EXCEEDED): when it can be tried again."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type(description="Recovery codes. Shown this once, and stored as hashes only.")
class RecoveryCodesPayload:
    recovery_codes: list[str] | None = strawberry.field(
        default=None,
        description="Ten codes, each good once in place of one of the authenticator app. For the person to write down.",
    )
    retry_at: datetime | None = strawberry.field(
        default=None, description="After too many wrong codes (LIMIT_EXCEEDED): when one can be tried again."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type(description="What stepUp gives.")
class StepUpPayload:
    valid_until: datetime | None = strawberry.field(
        default=None, description="Until when this session may do what answered MFA_REQUIRED."
    )
    retry_at: datetime | None = strawberry.field(
        default=None, description="After too many wrong codes (LIMIT_EXCEEDED): when one can be tried again."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")
