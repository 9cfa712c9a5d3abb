"""serverInfo: what anybody may know."""

from collections.abc import Callable
from importlib.metadata import version

from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

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
