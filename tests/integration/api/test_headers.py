"""The headers of every kind of answer."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import websockets

from app.http import health
from app.main import build_app
from app.settings import Settings
from tests.integration.conftest import Tenant, serving

SECURITY = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
VIEWER: dict[str, Any] = {"json": {"query": "{ viewer { role } }"}}
CORS = {"Origin": "https://app.example.com", "Access-Control-Request-Method": "POST"}
ANSWERS: list[tuple[str, str, int, dict[str, Any]]] = [
    ("POST", "/graphql", 200, VIEWER),
    ("GET", "/graphql", 400, {}),
    ("GET", "/graphql", 200, {"params": {"query": "{ __typename }"}}),
    ("DELETE", "/graphql", 405, {}),
    ("OPTIONS", "/graphql", 405, {}),
    ("HEAD", "/graphql", 405, {}),
    ("OPTIONS", "/graphql", 200, {"headers": CORS}),
    ("OPTIONS", "/graphql", 400, {"headers": CORS | {"Origin": "null"}}),
    ("POST", "/graphql", 403, VIEWER | {"headers": {"Origin": "null"}}),
    ("POST", "/graphql", 401, VIEWER | {"headers": {"Authorization": "Bearer wrong"}}),
    ("POST", "/graphql", 403, VIEWER | {"headers": {"X-Workspace-Id": "ws_01h455vb4pex5vsknk084sn02q"}}),
    ("POST", "/graphql", 413, {"content": b"x" * 300_000, "headers": {"Content-Type": "application/json"}}),
    ("POST", "/graphql", 415, {"content": b"{}"}),
    ("POST", "/graphql/stream", 200, VIEWER),
    ("POST", "/graphql/stream", 406, VIEWER | {"headers": {"Accept": "image/png"}}),
    ("PUT", "/graphql/stream", 405, {}),
    ("GET", "/schema.graphql", 200, {}),
    ("GET", "/schema.graphql", 401, {"headers": {"Authorization": ""}}),
    ("POST", "/schema.graphql", 405, {}),
    ("GET", "/healthz", 200, {}),
    ("POST", "/healthz", 405, {}),
    ("GET", "/readyz", 200, {}),
    ("GET", "/nowhere", 404, {}),
    ("POST", "/", 404, {}),
    ("GET", "/graphql/", 307, {}),
]


@pytest.fixture(scope="module")
async def url(service_settings: Settings) -> AsyncIterator[str]:
    async with serving(
        build_app(service_settings.model_copy(update={"allowed_origins": (CORS["Origin"],)}))
    ) as address:
        yield address


@pytest.mark.parametrize(("method", "path", "status", "request_"), ANSWERS)
async def test_every_answer_has_them(
    http: httpx.AsyncClient, url: str, tenant: Tenant, method: str, path: str, status: int, request_: dict[str, Any]
) -> None:
    headers = {"Authorization": f"Bearer {tenant.api_key}"} | request_.get("headers", {})

    answer = await http.request(method, url + path, **request_ | {"headers": headers})

    assert answer.status_code == status
    assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY


async def test_public_keys_may_be_kept_for_a_while(http: httpx.AsyncClient, api: str) -> None:
    answer = await http.get(f"{api}/.well-known/jwks.json")

    expected = SECURITY | {"cache-control": "public, max-age=300"}
    assert {name: answer.headers.get(name) for name in SECURITY} == expected


async def test_what_nobody_expected_has_them_and_says_nothing(
    http: httpx.AsyncClient, api: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("secret-canary")

    monkeypatch.setattr(health, "expected_head", broken)

    answer = await http.get(f"{api}/readyz")

    assert answer.status_code == 500
    assert {name: answer.headers.get(name) for name in SECURITY} == SECURITY
    (error,) = answer.json()["errors"]
    assert error["extensions"] == {"code": "INTERNAL", "requestId": answer.headers["X-Request-Id"]}
    assert "secret-canary" not in answer.text


@pytest.mark.parametrize(("path", "origin"), [("/graphql", "https://evil.example.com"), ("/nowhere", None)])
async def test_a_socket_that_is_refused_has_them(url: str, path: str, origin: str | None) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with websockets.connect(url.replace("http", "ws", 1) + path, origin=websockets.Origin(origin or url)):
            pass

    response = refused.value.response
    assert response.status_code == 403
    assert {name: response.headers.get(name) for name in SECURITY} == SECURITY
