"""A browser, and the frontend in it: follows redirects one by one, keeps cookies, makes and keeps a verifier."""

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.integration.graphql_client import Gql

API = "https://bizq.test"
FRONTEND = "https://app.test"
RETURN_TO = f"{FRONTEND}/signed-in?tab=1"
COOKIE = "__Host-bizq-sso"
ERRORS = "errors { code path message }"
COMPLETE = (
    "mutation($code: String!, $verifier: String!) { completeSso(code: $code, verifier: $verifier) "
    f"{{ accessToken refreshToken user {{ id name email }} workspace {{ id }} {ERRORS} }} }}"
)
LINK = f"mutation($code: String!, $verifier: String!) {{ linkSso(code: $code, verifier: $verifier) {{ {ERRORS} }} }}"


@dataclass
class Browser:
    """`arrived` is what the frontend's page was opened with."""

    http: httpx.AsyncClient
    verifier: str = field(default_factory=lambda: secrets.token_urlsafe(32))

    @property
    def challenge(self) -> str:
        return base64.urlsafe_b64encode(hashlib.sha256(self.verifier.encode()).digest()).decode().rstrip("=")

    async def start(self, **asked: str) -> httpx.Response:
        parameters = {"challenge": self.challenge, "return_to": RETURN_TO, **asked}
        return await self.http.get(f"{API}/auth/sso/start", params=parameters)

    async def to_callback(self, **asked: str) -> str:
        """The address that the provider sends the browser back to, before it goes there."""
        at_provider = await self.http.get((await self.start(**asked)).headers["Location"])
        assert at_provider.status_code == 302, at_provider.text
        return at_provider.headers["Location"]

    async def sign_in(self, **asked: str) -> dict[str, str]:
        """All the way; gives what the frontend's page was opened with."""
        return arrived(await self.http.get(await self.to_callback(**asked)))

    async def complete(self, code: str, verifier: str | None = None) -> Any:
        return await self._mutation(COMPLETE, None, code, verifier)

    async def link(self, code: str, token: str | None, verifier: str | None = None) -> Any:
        return await self._mutation(LINK, token, code, verifier)

    async def _mutation(self, document: str, token: str | None, code: str, verifier: str | None) -> Any:
        variables = {"code": code, "verifier": verifier or self.verifier}
        (payload,) = (await Gql(self.http, API, token)(document, **variables)).values()
        return payload


def arrived(response: httpx.Response) -> dict[str, str]:
    """Parameters of the frontend's page that this redirect opens."""
    assert response.status_code == 303, response.text
    url = urlsplit(response.headers["Location"])
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{FRONTEND}/signed-in"
    parameters = dict(parse_qsl(url.query))
    assert parameters.pop("tab") == "1"
    return parameters
