"""That queries are compared at all, and that a difference would be found."""

from typing import Any

import httpx
import pytest
from graphql import GraphQLError

from app.graphql.planned import PlannedSchema, Request
from app.main import build_app
from app.settings import Settings
from tests.integration.conftest import Tenant, serving
from tests.integration.differential import ATTEMPTS, Differential
from tests.integration.graphql_client import Gql, Socket

ROLE = "{ viewer { role } }"


async def test_a_query_is_executed_both_ways(gql: Gql, differential: Differential) -> None:
    await gql(ROLE)
    assert (differential.compared, differential.differences) == (1, [])


async def test_a_query_over_a_socket_is_executed_both_ways(socket: Socket, differential: Differential) -> None:
    stream = await socket.subscribe(ROLE)
    assert (await stream.message())["payload"]["data"] == {"viewer": {"role": "OWNER"}}
    assert (differential.compared, differential.differences) == (1, [])


async def test_a_mutation_is_executed_once(gql: Gql, differential: Differential) -> None:
    await gql('mutation { cancelTask(id: "task_1") { errors { code } } }')
    assert differential.compared == 0


@pytest.mark.parametrize("wrong", ["data", "order", "error"])
async def test_a_difference_is_found(
    wrong: str, gql: Gql, differential: Differential, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_strawberry = PlannedSchema.by_strawberry
    executions = 0

    async def spoilt(schema: PlannedSchema, request: Request) -> Any:
        nonlocal executions
        executions += 1
        result = await by_strawberry(schema, request)
        assert result.data is not None
        if wrong == "data":
            result.data["viewer"]["role"] = "VIEWER"
        elif wrong == "order":
            result.data["viewer"]["role"] = result.data["viewer"].pop("role")
        else:
            result.errors = [GraphQLError("only here")]
        return result

    monkeypatch.setattr(PlannedSchema, "by_strawberry", spoilt)
    await gql("{ viewer { role user { id } } }")

    assert (len(differential.differences), executions) == (1, ATTEMPTS)
    differential.differences.clear()


async def test_nothing_is_compiled_where_it_is_turned_off(
    service_settings: Settings, http: httpx.AsyncClient, tenant: Tenant, differential: Differential
) -> None:
    settings = service_settings.model_copy(update={"bizq_compiled_execution": False})
    async with serving(build_app(settings)) as url:
        assert (await Gql(http, url, tenant.api_key)(ROLE))["viewer"]["role"] == "OWNER"
    assert differential.compared == 0
