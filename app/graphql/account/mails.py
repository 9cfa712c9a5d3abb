"""Fields of Mutation about what is done by mail: a forgotten password, and the proof of an address."""

from typing import Annotated

import strawberry

from app.graphql.account.types import SimplePayload
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors
from app.principal import client_address
from app.services.account import reset_password, verification

MailedToken = Annotated[str, strawberry.argument(description="The token of the link, behind #token=.")]


@strawberry.type
class MailMutations:
    @strawberry.mutation(
        description="Mail a link with which another password can be chosen: BIZQ_PUBLIC_URL/reset-password#token=…. "
        "It works once, for an hour, and ends those before. The answer is the same whether or not anybody has this "
        "address; no more than 3 mails an hour are sent to it.",
        extensions=[PayloadErrors()],
    )
    async def request_password_reset(
        self, info: Info, email: Annotated[str, strawberry.argument(description="E-mail address of the account.")]
    ) -> SimplePayload:
        resources = info.context.resources
        await reset_password.request_password_reset(
            resources.engine, resources.vault, resources.mailer, resources.settings.public_url, email
        )
        return SimplePayload()

    @strawberry.mutation(
        description="Set another password with a mailed token. Every session of the account ends; it signs nobody in, "
        "and a second factor stays.",
        extensions=[PayloadErrors()],
    )
    async def reset_password(
        self,
        info: Info,
        token: MailedToken,
        new_password: Annotated[str, strawberry.argument(description="The next password: 8 to 200 characters.")],
    ) -> SimplePayload:
        resources = info.context.resources
        await reset_password.reset_password(
            resources.engine, resources.vault, token, new_password, client_address.get()
        )
        return SimplePayload()

    @strawberry.mutation(
        description="Show that the address of an account is read, with the token that signUp mailed: "
        "BIZQ_PUBLIC_URL/verify-email#token=…. It works once, for 24 hours. Needs no login.",
        extensions=[PayloadErrors()],
    )
    async def verify_email(self, info: Info, token: MailedToken) -> SimplePayload:
        await verification.verify_email(info.context.resources.engine, token)
        return SimplePayload()

    @strawberry.mutation(
        description="Mail the caller another link for verifyEmail; it ends those before. At most 3 an hour. For "
        "people, not for API keys.",
        extensions=[PayloadErrors()],
    )
    async def resend_verification(self, info: Info) -> SimplePayload:
        resources = info.context.resources
        async with info.context.unit_of_work_as(info.context.person) as uow:
            await verification.resend_verification(uow, resources.vault, resources.settings.public_url)
        return SimplePayload()
