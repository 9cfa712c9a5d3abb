"""Pages of other origins: what a browser is told before it asks, and what it cannot do without asking."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
import websockets

from app.main import build_app
from app.settings import Settings
from tests.integration.api.answers import refusals
from tests.integration.conftest import Tenant, serving
from tests.integration.graphql_client import Gql

APP = "https://app.example.com"
FOREIGN = "https://evil.example.com"
# Also what only looks like it, and what has no origin: a sandboxed frame, a file.
FOREIGN_ONES = [FOREIGN, "null", "", "https://app.example.com.evil.example", "http://app.example.com", f"{APP}:8443"]
CREATE = 'mutation { createTask(input: {type: "note.write", input: {}}) { task { id } errors { code path } } }'
ASKED_HEADERS = "authorization, content-type, x-workspace-id, last-event-id"
Preflight = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture(scope="module")
async def url(service_settings: Settings) -> AsyncIterator[str]:
    """An API that lets pages of one other origin in."""
    async with serving(build_app(service_settings.model_copy(update={"allowed_origins": (APP,)}))) as address:
        yield address


@pytest.fixture
def preflight(http: httpx.AsyncClient, url: str) -> Preflight:
    async def ask(origin: str, method: str = "POST", headers: str = ASKED_HEADERS, to: str = url) -> httpx.Response:
        asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": headers}
        return await http.options(f"{to}/graphql", headers={"Origin": origin} | asked)

    return ask


async def test_a_page_that_is_let_in_may_send_what_clients_send(preflight: Preflight) -> None:
    answer = await preflight(APP)

    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert answer.headers["Access-Control-Allow-Credentials"] == "true"
    assert answer.headers["Access-Control-Allow-Methods"] == "GET, POST"
    assert "Origin" in answer.headers["Vary"]
    allowed = {name.lower() for name in answer.headers["Access-Control-Allow-Headers"].split(", ")}
    assert set(ASKED_HEADERS.split(", ")) <= allowed


@pytest.mark.parametrize("origin", FOREIGN_ONES)
async def test_all_other_pages_are_told_no(preflight: Preflight, origin: str) -> None:
    answer = await preflight(origin)

    assert answer.status_code == 400
    assert "Access-Control-Allow-Origin" not in answer.headers


@pytest.mark.parametrize(("method", "headers"), [("DELETE", ASKED_HEADERS), ("POST", "x-unheard-of")])
async def test_not_everything_may_be_sent(preflight: Preflight, method: str, headers: str) -> None:
    assert (await preflight(APP, method, headers)).status_code == 400


async def test_answers_can_be_read_by_pages_that_are_let_in(http: httpx.AsyncClient, url: str, tenant: Tenant) -> None:
    answer = await Gql(http, url, tenant.api_key).raw("{ viewer { role } }", headers={"Origin": APP})

    assert answer.json()["data"] == {"viewer": {"role": "OWNER"}}
    assert answer.headers["Access-Control-Allow-Origin"] == APP
    assert {"X-Request-Id", "Retry-After"} <= set(answer.headers["Access-Control-Expose-Headers"].split(", "))
    assert answer.headers["Vary"] == "Origin"


@pytest.mark.parametrize("origin", FOREIGN_ONES)
@pytest.mark.parametrize(("method", "path"), [("POST", ""), ("GET", ""), ("POST", "/stream"), ("GET", "/stream")])
async def test_nothing_is_executed_for_other_pages(
    http: httpx.AsyncClient, url: str, gql: Gql, tenant: Tenant, origin: str, method: str, path: str
) -> None:
    headers = {"Origin": origin, "Authorization": f"Bearer {tenant.api_key}"}
    body: dict[str, Any] = (
        {"json": {"query": CREATE}} if method == "POST" else {"params": {"query": "{ viewer { role } }"}}
    )

    answer = await http.request(method, f"{url}/graphql{path}", headers=headers, **body)

    assert (answer.status_code, answer.json()["errors"][0]["extensions"]) == (403, {"code": "FORBIDDEN"})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert await gql("{ tasks { totalCount } }") == {"tasks": {"totalCount": 0}}


@pytest.mark.parametrize(
    "media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
@pytest.mark.parametrize("path", ["", "/stream"])
async def test_what_a_page_can_send_without_asking_is_no_request(
    http: httpx.AsyncClient, url: str, gql: Gql, tenant: Tenant, media: str, path: str
) -> None:
    headers = {"Origin": APP, "Content-Type": media, "Authorization": f"Bearer {tenant.api_key}"}

    answer = await http.post(f"{url}/graphql{path}", headers=headers, content=b'{"query": "mutation { signOut }"}')

    assert answer.status_code == 415
    assert await gql("{ tasks { totalCount } }") == {"tasks": {"totalCount": 0}}


@pytest.mark.parametrize("path", ["", "/stream"])
async def test_an_address_changes_nothing(
    http: httpx.AsyncClient, url: str, gql: Gql, tenant: Tenant, path: str
) -> None:
    headers = {"Authorization": f"Bearer {tenant.api_key}"}

    answer = await http.get(f"{url}/graphql{path}", headers=headers, params={"query": CREATE})

    assert '"data"' not in answer.text
    assert await gql("{ tasks { totalCount } }") == {"tasks": {"totalCount": 0}}


@pytest.mark.parametrize("origin", FOREIGN_ONES)
async def test_other_pages_get_no_socket(url: str, origin: str) -> None:
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with socket(url, Origin=origin):
            pass

    assert refused.value.response.status_code == 403
    assert refused.value.response.headers["X-Content-Type-Options"] == "nosniff"


async def test_sockets_open_for_pages_that_are_let_in_own_pages_and_others_than_browsers(url: str) -> None:
    for headers in ({"Origin": APP}, {"Origin": url}, {"Origin": FOREIGN, "Sec-Fetch-Site": "same-origin"}, {}):
        async with socket(url, **headers) as opened:
            assert opened.subprotocol == "graphql-transport-ws"


async def test_by_default_own_pages_and_others_than_browsers_are_let_in(
    http: httpx.AsyncClient, api: str, gql: Gql, preflight: Preflight
) -> None:
    own = await gql.raw(CREATE, headers={"Origin": api})
    without = await gql.raw(CREATE)
    foreign = await gql.raw(CREATE, headers={"Origin": APP})

    assert [refusals(answer.json()["data"]["createTask"]) for answer in (own, without)] == [[], []]
    assert foreign.status_code == 403
    assert (await preflight(APP, to=api)).status_code == 400
    assert await gql("{ tasks { totalCount } }") == {"tasks": {"totalCount": 2}}


def socket(url: str, **headers: str) -> websockets.connect:
    protocols = [websockets.Subprotocol("graphql-transport-ws")]
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return websockets.connect(
        url.replace("http", "ws", 1) + "/graphql", subprotocols=protocols, additional_headers=named
    )
