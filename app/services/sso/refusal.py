"""Why single sign-on ended without signing anybody in. The names are part of the public contract (`sso_error`)."""

from enum import StrEnum

from app.errors import InvalidCredentials


class Reason(StrEnum):
    NO_CONNECTION = "NO_CONNECTION"
    REFUSED_BY_PROVIDER = "REFUSED_BY_PROVIDER"
    PROVIDER_UNAVAILABLE = "PROVIDER_UNAVAILABLE"
    INVALID_RESPONSE = "INVALID_RESPONSE"
    EMAIL_NOT_VERIFIED = "EMAIL_NOT_VERIFIED"
    WRONG_DOMAIN = "WRONG_DOMAIN"
    ACCOUNT_EXISTS = "ACCOUNT_EXISTS"
    NO_LONGER_MEMBER = "NO_LONGER_MEMBER"


MESSAGES = {
    Reason.NO_CONNECTION: "Nobody signs in that way here.",
    Reason.REFUSED_BY_PROVIDER: "The identity provider did not sign you in.",
    Reason.PROVIDER_UNAVAILABLE: "The identity provider does not answer at the moment; try again.",
    Reason.INVALID_RESPONSE: "The identity provider's answer does not show who you are; start again.",
    Reason.EMAIL_NOT_VERIFIED: "The identity provider has not verified your e-mail address.",
    Reason.WRONG_DOMAIN: "Your e-mail address is not of a domain that this workspace signs in.",
    Reason.ACCOUNT_EXISTS: "An account with your e-mail address exists: sign in to it, then link it (linkSso).",
    Reason.NO_LONGER_MEMBER: "You are no longer a member of this workspace: ask to be invited.",
}


class SsoRefused(InvalidCredentials):
    """`detail` is for the log: what exactly was wrong."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        self.reason = reason
        self.detail = detail
        super().__init__(MESSAGES[reason])
