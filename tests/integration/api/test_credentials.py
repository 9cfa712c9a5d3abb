"""Wrong credentials: 401 or 403 before anything is executed."""

import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import jwt
import pytest

from app import ids
from app.services.account.tokens import TokenSigner
from app.settings import Settings
from tests.integration.api.answers import code
from tests.integration.api.documents import UNKNOWN_TASK
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

Send = Callable[..., Awaitable[httpx.Response]]


@pytest.fixture
def send(http: httpx.AsyncClient, api: str) -> Send:
    async def viewer(**headers: str | bytes) -> httpx.Response:
        named = {name.replace("_", "-").encode(): value for name, value in headers.items()}
        raw = {name: value if isinstance(value, bytes) else value.encode() for name, value in named.items()}
        return await http.post(f"{api}/graphql", json={"query": "{ viewer { role } }"}, headers=list(raw.items()))

    return viewer


@pytest.mark.parametrize(
    "authorization",
    [
        "garbage",
        "Bearer",
        "Basic dXNlcjpwYXNz",
        "Bearer not.a.token",
        "Bearer bzq_live_wrong",
        "Bearer " + "x" * 4000,
        b"Bearer \xff\xfe",
        b"Bearer bzq_live_\xe4",
    ],
)
async def test_wrong_authorization_is_unauthenticated(send: Send, authorization: str | bytes) -> None:
    response = await send(Authorization=authorization)

    assert code(response) == (401, "UNAUTHENTICATED")
    assert response.headers["WWW-Authenticate"] == "Bearer"


async def test_expired_token_is_unauthenticated(send: Send, tenant: Tenant, settings: Settings) -> None:
    expired = TokenSigner(settings.token_key, -1).issue(tenant.account.user_id)

    response = await send(Authorization=f"Bearer {expired.text}")

    assert code(response) == (401, "UNAUTHENTICATED")
    assert response.json()["errors"][0]["message"] == "The access token has expired; sign in again."


async def test_token_of_another_key_is_unauthenticated(send: Send, tenant: Tenant) -> None:
    forged = TokenSigner(bytes(32), 900).issue(tenant.account.user_id)

    assert code(await send(Authorization=f"Bearer {forged.text}")) == (401, "UNAUTHENTICATED")


@pytest.mark.parametrize("algorithm", ["none", "HS256"])
async def test_token_of_another_algorithm_is_unauthenticated(send: Send, tenant: Tenant, algorithm: str) -> None:
    now = int(time.time())
    claims: dict[str, Any] = {"iss": "bizq", "aud": "bizq", "iat": now, "exp": now + 900}
    claims["sub"] = ids.encode(ids.USER, tenant.account.user_id)
    forged = jwt.encode(claims, "" if algorithm == "none" else "k" * 32, algorithm=algorithm)

    assert code(await send(Authorization=f"Bearer {forged}")) == (401, "UNAUTHENTICATED")


async def test_token_of_a_user_without_this_workspace_is_forbidden(
    send: Send, make_tenant: Callable[[], Awaitable[Tenant]], settings: Settings
) -> None:
    one, other = await make_tenant(), await make_tenant()
    token = TokenSigner(settings.token_key, 900).issue(one.account.user_id).text

    for workspace in (other.workspace_id, "ws_x", "%00"):
        response = await send(Authorization=f"Bearer {token}", X_Workspace_Id=workspace)
        assert code(response) == (403, "FORBIDDEN")
    own = await send(Authorization=f"Bearer {token}", X_Workspace_Id=one.workspace_id)
    assert own.json()["data"] == {"viewer": {"role": "OWNER"}}


async def test_api_key_of_another_workspace_than_the_one_named_is_forbidden(
    send: Send, make_tenant: Callable[[], Awaitable[Tenant]]
) -> None:
    one, other = await make_tenant(), await make_tenant()

    foreign = await send(Authorization=f"Bearer {one.api_key}", X_Workspace_Id=other.workspace_id)
    own = await send(Authorization=f"bearer {one.api_key}", X_Workspace_Id=one.workspace_id)

    assert code(foreign) == (403, "FORBIDDEN")
    assert own.json()["data"] == {"viewer": {"role": "OWNER"}}


@pytest.mark.parametrize(
    "document",
    [
        "{ workspace { id } }",
        "{ tasks { totalCount } }",
        "{ workers { nodes { id } } }",
        "{ templates { nodes { id } } }",
        f'{{ node(id: "{UNKNOWN_TASK}") {{ id }} }}',
        f'{{ task(id: "{UNKNOWN_TASK}") {{ id }} }}',
        'mutation { createTask(input: {type: "a", input: 1}) { task { id } } }',
        'mutation { cancelTask(id: "task_x") { task { id } } }',
        'mutation { createWorker(input: {name: "a", kind: HUMAN}) { worker { id } } }',
    ],
)
async def test_anonymous_caller_is_asked_to_sign_in(gql_as: Callable[[Tenant | None], Gql], document: str) -> None:
    assert code(await gql_as(None).raw(document)) == (200, "UNAUTHENTICATED")
