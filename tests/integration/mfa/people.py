"""People with an authenticator app, and what they send."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pyotp

from tests.integration.api.accounts import ERRORS, PASSWORD, Person

TOKENS = f"{{ accessToken refreshToken retryAt mfaChallenge user {{ id }} {ERRORS} }}"
SIGN_IN = f"mutation($input: SignInInput!) {{ signIn(input: $input) {TOKENS} }}"
ENROL = (
    f"mutation($password: String!) {{ enrolTotp(password: $password) {{ secret provisioningUri retryAt {ERRORS} }} }}"
)
CONFIRM = f"mutation($code: String!) {{ confirmTotp(code: $code) {{ recoveryCodes retryAt {ERRORS} }} }}"
STEP_UP = f"mutation($code: String!) {{ stepUp(code: $code) {{ validUntil retryAt {ERRORS} }} }}"
REGENERATE = f"mutation {{ regenerateRecoveryCodes {{ recoveryCodes {ERRORS} }} }}"
DISABLE = f"mutation {{ disableTotp {{ {ERRORS} }} }}"
CREATE_KEY = f'mutation {{ createApiKey(input: {{name: "one"}}) {{ apiKey {{ id }} secret {ERRORS} }} }}'
REVOKE_KEY = f"mutation($id: ID!) {{ revokeApiKey(id: $id) {{ apiKey {{ revokedAt }} {ERRORS} }} }}"
MFA = "{ viewer { mfa { enabledAt recoveryCodesLeft steppedUpUntil } } }"
WRONG_CODE = ("INVALID_CREDENTIALS", ["input", "code"])
WRONG_CHALLENGE = ("INVALID_CREDENTIALS", ["input", "mfaChallenge"])
STEP = timedelta(seconds=30)


class HeldClock:
    """The service's clock: stands still until it is moved."""

    def __init__(self) -> None:
        self._now = datetime.now(UTC)

    def now(self) -> datetime:
        return self._now

    def move(self, by: timedelta) -> None:
        self._now += by


@dataclass
class Phone:
    """An authenticator app."""

    secret: str
    clock: HeldClock

    def code(self, steps: int = 0) -> str:
        """The one that is shown so many steps from now."""
        return pyotp.TOTP(self.secret).at(self.clock.now(), counter_offset=steps)

    def next_code(self) -> str:
        """Waits until another one is shown."""
        self.clock.move(STEP)
        return self.code()

    def wrong_code(self) -> str:
        right = {self.code(steps) for steps in range(-2, 3)}
        return next(code for code in ("000000", "111111", "222222", "333333", "444444", "555555") if code not in right)


@dataclass
class Member:
    """Somebody whose second factor is on; `token` is of the session in which it was switched on."""

    person: Person
    phone: Phone
    token: str
    refresh_token: str
    recovery_codes: list[str]

    async def ask(self, document: str, **variables: Any) -> Any:
        return await self.person.ask(document, self.token, **variables)

    async def challenge(self) -> str:
        """After the right password."""
        payload = await self.person.ask(SIGN_IN, input={"email": self.person.email, "password": PASSWORD})
        assert (payload["errors"], payload["accessToken"]) == ([], None)
        challenge: str = payload["mfaChallenge"]
        return challenge

    async def complete(self, challenge: str, code: str) -> Any:
        return await self.person.ask(SIGN_IN, input={"mfaChallenge": challenge, "code": code})

    async def sign_in(self, code: str) -> Any:
        return await self.complete(await self.challenge(), code)

    async def step_up(self, code: str) -> Any:
        return await self.ask(STEP_UP, code=code)

    async def mfa(self) -> Any:
        return (await self.ask(MFA))["mfa"]


async def enrolled(person: Person, clock: HeldClock) -> Member:
    signed_up = await person.sign_up()
    token = signed_up["accessToken"]
    phone = Phone((await person.ask(ENROL, token, password=PASSWORD))["secret"], clock)
    confirmed = await person.ask(CONFIRM, token, code=phone.code())
    assert confirmed["errors"] == []
    return Member(person, phone, token, signed_up["refreshToken"], confirmed["recoveryCodes"])
