"""Accounts as a frontend uses them: what it sends, and a person who has signed up."""

import secrets
from dataclasses import dataclass
from typing import Any

import httpx

from app.db.sealed import USER_EMAIL
from app.db.vault import Vault
from tests.conftest import ENCRYPTION_KEY
from tests.integration.graphql_client import Gql

ERRORS = "errors { code path message }"
TOKENS = f"{{ accessToken refreshToken expiresAt retryAt user {{ id }} {ERRORS} }}"
SIGN_UP = f"mutation($input: SignUpInput!) {{ signUp(input: $input) {TOKENS} }}"
SIGN_IN = f"mutation($input: SignInInput!) {{ signIn(input: $input) {TOKENS} }}"
REFRESH = f"mutation($refresh: String!) {{ refreshSession(refreshToken: $refresh) {TOKENS} }}"
SIGN_OUT = f"mutation($refresh: String!) {{ signOut(refreshToken: $refresh) {{ {ERRORS} }} }}"
CHANGE_PASSWORD = f"mutation($input: ChangePasswordInput!) {{ changePassword(input: $input) {{ {ERRORS} }} }}"
PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True)
class Person:
    """Whoever signed up with `email`. Requests come from the address `client`, as a proxy says."""

    http: httpx.AsyncClient
    url: str
    email: str
    client: str = "192.0.2.1"

    async def ask(self, document: str, token: str | None = None, /, **variables: Any) -> Any:
        """The mutation's payload."""
        headers = {"X-Forwarded-For": self.client}
        response = await Gql(self.http, self.url, token).raw(document, headers, **variables)
        answer = response.json()
        assert "errors" not in answer, answer["errors"]
        (payload,) = answer["data"].values()
        return payload

    async def sign_up(self) -> Any:
        return await self.ask(SIGN_UP, input={"email": self.email, "password": PASSWORD, "name": "Ann"})

    async def sign_in(self, password: str = PASSWORD) -> Any:
        return await self.ask(SIGN_IN, input={"email": self.email, "password": password})

    async def refresh(self, token: str) -> Any:
        return await self.ask(REFRESH, refresh=token)

    async def works(self, token: str) -> bool:
        """Whether an access token or API key is accepted."""
        response = await Gql(self.http, self.url, token).raw("{ viewer { role } }")
        assert response.status_code in (200, 401), response.text
        return response.status_code == 200


def new_email() -> str:
    return f"{secrets.token_hex(8)}@example.com"


def email_index(email: str) -> bytes:
    """What a user with this address is found by in the database."""
    return Vault([ENCRYPTION_KEY]).index(USER_EMAIL.place, email)
