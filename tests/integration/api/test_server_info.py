"""serverInfo: what anybody may know."""

from collections.abc import Callable
from importlib.metadata import version

import httpx

from tests.integration.api.conftest import OwnApi
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

RATE_LIMITS = """{ serverInfo { rateLimits {
  points seconds plans { plan points workspacePoints } anonymousPoints signUpsPerHour signInsPerMinute
  refreshesPerMinute } } }"""
DOCUMENT = """{ serverInfo { version providers trustedDocumentsOnly limits {
  maxBodyBytes maxInputBytes maxMetadataBytes maxPageSize defaultPageSize maxTasksPerBatch maxAttempts maxTags
  runningTasksPerWorkspace subscriptionsPerSocket connectionInitSeconds resumeWindowHours accessTokenSeconds
  maxQueryComparisons } } }"""


async def test_anybody_can_ask_for_version_and_limits(gql_as: Callable[[Tenant | None], Gql]) -> None:
    info = (await gql_as(None)(DOCUMENT))["serverInfo"]

    assert info["version"] == version("bizq")
    assert info["providers"] == ["openai", "anthropic"]
    assert info["trustedDocumentsOnly"] is False
    assert info["limits"] == {
        "maxBodyBytes": 262_144,
        "maxInputBytes": 131_072,
        "maxMetadataBytes": 16_384,
        "maxPageSize": 100,
        "defaultPageSize": 25,
        "maxTasksPerBatch": 500,
        "maxAttempts": 10,
        "maxTags": 20,
        "runningTasksPerWorkspace": 10,
        "subscriptionsPerSocket": 20,
        "connectionInitSeconds": 10,
        "resumeWindowHours": 72,
        "accessTokenSeconds": 900,
        "maxQueryComparisons": 40_000,
    }


async def test_anybody_can_ask_how_much_may_be_asked(own_api: OwnApi, http: httpx.AsyncClient) -> None:
    changes = {"bizq_rate_points": 100, "bizq_rate_anonymous_points": 1_000, "bizq_sign_ups_per_hour": 10}
    async with own_api(**changes, bizq_sign_ins_per_minute=20, bizq_refreshes_per_minute=60) as url:
        info = (await Gql(http, url, None)(RATE_LIMITS))["serverInfo"]["rateLimits"]

    assert info == {
        "points": 100,
        "seconds": 60,
        "plans": [
            {"plan": "FREE", "points": 100, "workspacePoints": 500},
            {"plan": "PRO", "points": 1_000, "workspacePoints": 5_000},
            {"plan": "SCALE", "points": 10_000, "workspacePoints": 50_000},
        ],
        "anonymousPoints": 1_000,
        "signUpsPerHour": 10,
        "signInsPerMinute": 20,
        "refreshesPerMinute": 60,
    }
