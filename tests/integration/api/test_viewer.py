"""viewer and workspace: who is calling, and where."""

from collections.abc import Callable

import httpx
import pytest

from app import ids
from app.principal import PERMISSIONS, Role
from app.services.account.tokens import TokenSigner
from app.settings import Settings
from tests.integration.api.documents import VIEWER
from tests.integration.conftest import PLENTY, MakeTenant, Tenant
from tests.integration.graphql_client import Gql

GqlAs = Callable[[Tenant | None], Gql]


async def test_owner_sees_their_role_and_workspace(
    api: str, http: httpx.AsyncClient, tenant: Tenant, settings: Settings
) -> None:
    token = TokenSigner(settings.token_key, 900).issue(tenant.account.user_id).text

    viewer = (await Gql(http, api, token)(VIEWER))["viewer"]

    assert viewer["user"] == {"id": ids.encode(ids.USER, tenant.account.user_id)}
    assert viewer["apiKey"] is None
    assert viewer["role"] == "OWNER"
    assert viewer["workspace"] == {"id": tenant.workspace_id}
    assert viewer["workspaces"] == [{"id": tenant.workspace_id}]
    assert viewer["permissions"] == sorted(PERMISSIONS[Role.OWNER])


@pytest.mark.parametrize("role", list(Role))
async def test_api_key_has_its_own_role_and_no_user(gql_as: GqlAs, make_tenant: MakeTenant, role: Role) -> None:
    tenant = await make_tenant(role)

    viewer = (await gql_as(tenant)(VIEWER))["viewer"]

    assert viewer["user"] is None
    assert viewer["apiKey"]["name"] == "test"
    assert viewer["role"] == role
    assert viewer["workspaces"] == [{"id": tenant.workspace_id}]
    assert viewer["permissions"] == sorted(PERMISSIONS[role])


async def test_anonymous_is_nobody(gql_as: GqlAs) -> None:
    assert await gql_as(None)(VIEWER) == {"viewer": None}


async def test_workspace_shows_its_owner_and_its_money(gql: Gql, tenant: Tenant) -> None:
    document = """{ workspace { id name slug plan credits creditsMicros reservedMicros owner { id name email } } }"""

    workspace = (await gql(document))["workspace"]

    assert workspace["id"] == tenant.workspace_id
    assert workspace["name"] == "Test workspace"
    assert workspace["slug"].startswith("test-workspace-")
    assert (workspace["plan"], workspace["credits"]) == ("FREE", 1000)
    assert (workspace["creditsMicros"], workspace["reservedMicros"]) == (PLENTY, 0)
    assert workspace["owner"]["name"] == "Test"


async def test_secret_of_a_key_is_not_in_the_schema(gql: Gql) -> None:
    fields = (await gql('{ __type(name: "ApiKey") { fields { name } } }'))["__type"]["fields"]

    assert {"secret", "secretHash"} & {field["name"] for field in fields} == set()
