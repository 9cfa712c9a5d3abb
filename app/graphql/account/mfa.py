"""Fields of Mutation about the second factor."""

from typing import Annotated

import strawberry

from app.graphql.account.mfa_types import EnrolTotpPayload, RecoveryCodesPayload, StepUpPayload
from app.graphql.account.types import SimplePayload
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors, user_error
from app.principal import client_address
from app.services.account import totp_factor
from app.services.account.lockout import SignInLocked
from app.services.account.step_up import step_up

CodeArgument = Annotated[
    str, strawberry.argument(description="The six digits that the authenticator app shows, or a recovery code.")
]
FirstCodeArgument = Annotated[
    str, strawberry.argument(description="The six digits that the authenticator app shows with the new secret.")
]
PasswordArgument = Annotated[str, strawberry.argument(description="The caller's password, once more.")]


@strawberry.type
class MfaMutations:
    @strawberry.mutation(
        description="Begin to use an authenticator app (TOTP, RFC 6238: SHA-1, 6 digits, 30 s) as a second factor. "
        "Nothing asks for it until confirmTotp; calling it again before gives another secret. For people with a "
        "password.",
        extensions=[PayloadErrors()],
    )
    async def enrol_totp(self, info: Info, password: PasswordArgument) -> EnrolTotpPayload:
        resources, person = info.context.resources, info.context.person
        await info.context.close()
        try:
            enrolment = await totp_factor.enrol_totp(
                resources.engine,
                resources.unit_of_work,
                resources.vault,
                resources.failed_sign_ins,
                person,
                password=password,
                client=client_address.get(),
            )
        except SignInLocked as locked:
            return EnrolTotpPayload(retry_at=locked.retry_at, errors=[user_error(locked)])
        return EnrolTotpPayload(secret=enrolment.secret, provisioning_uri=enrolment.uri)

    @strawberry.mutation(
        description="Switch the second factor on, by a first code of the app. From now on signing in needs a code, and "
        "every other session of the caller ends.",
        extensions=[PayloadErrors()],
    )
    async def confirm_totp(self, info: Info, code: FirstCodeArgument) -> RecoveryCodesPayload:
        resources, person = info.context.resources, info.context.person
        await info.context.close()
        try:
            codes = await totp_factor.confirm_totp(resources.unit_of_work, resources.vault, person, code)
        except SignInLocked as locked:
            return RecoveryCodesPayload(retry_at=locked.retry_at, errors=[user_error(locked)])
        return RecoveryCodesPayload(recovery_codes=codes)

    @strawberry.mutation(
        description="Show the second factor again: for 10 minutes this session may do what answered MFA_REQUIRED. Five "
        "wrong codes in a row lock for 15 minutes, signing in as well.",
        extensions=[PayloadErrors()],
    )
    async def step_up(self, info: Info, code: CodeArgument) -> StepUpPayload:
        resources, person = info.context.resources, info.context.person
        await info.context.close()
        try:
            valid_until = await step_up(resources.unit_of_work, resources.vault, person, code)
        except SignInLocked as locked:
            return StepUpPayload(retry_at=locked.retry_at, errors=[user_error(locked)])
        return StepUpPayload(valid_until=valid_until)

    @strawberry.mutation(
        description="Replace the caller's recovery codes by ten new ones. MFA_REQUIRED: call stepUp first.",
        extensions=[PayloadErrors()],
    )
    async def regenerate_recovery_codes(self, info: Info) -> RecoveryCodesPayload:
        async with info.context.unit_of_work_as(info.context.person) as uow:
            codes = await totp_factor.regenerate_recovery_codes(uow)
        return RecoveryCodesPayload(recovery_codes=codes)

    @strawberry.mutation(
        description="Switch the caller's second factor off; the password is enough again, and every other session of "
        "theirs ends. MFA_REQUIRED: call stepUp first.",
        extensions=[PayloadErrors()],
    )
    async def disable_totp(self, info: Info) -> SimplePayload:
        async with info.context.unit_of_work_as(info.context.person) as uow:
            await totp_factor.disable_totp(uow)
        return SimplePayload()
