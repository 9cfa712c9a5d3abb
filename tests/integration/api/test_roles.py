"""What a role may not do is refused, and nothing is written."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from app.principal import Role
from app.services.account.tokens import TokenSigner
from app.settings import Settings
from tests.integration.api.documents import (
    CANCEL_TASK,
    COUNT,
    CREATE_TASK,
    CREATE_TASKS,
    CREATE_TEMPLATE,
    CREATE_WORKER,
    RETRY_TASK,
    draft,
)
from tests.integration.conftest import MakeTenant, Tenant
from tests.integration.graphql_client import Gql

WRITES: list[tuple[str, dict[str, Any]]] = [
    (CREATE_TASK, {"input": draft()}),
    (CREATE_TASKS, {"inputs": [draft()]}),
    (CANCEL_TASK, {"id": "task_" + "0" * 26}),
    (RETRY_TASK, {"id": "task_" + "0" * 26}),
    (CREATE_WORKER, {"input": {"name": "Ann", "kind": "HUMAN"}}),
    (CREATE_TEMPLATE, {"input": {"slug": "own.kind", "name": "Own", "prompt": "Do it."}}),
]
READ = f'{COUNT[:-1]} workers {{ nodes {{ id }} }} templates(search: "own.kind") {{ nodes {{ id }} }} }}'


@pytest.mark.parametrize(("mutation", "variables"), WRITES, ids=range(len(WRITES)))
async def test_viewer_reads_and_cannot_write(
    gql_as: Callable[[Tenant], Gql], make_tenant: MakeTenant, mutation: str, variables: dict[str, Any]
) -> None:
    viewer = gql_as(await make_tenant(Role.VIEWER))

    (refused,) = (await viewer(mutation, **variables)).values()

    assert [error["code"] for error in refused["errors"]] == ["FORBIDDEN"]
    assert [value for name, value in refused.items() if name not in ("errors", "results")] in ([None], [])
    assert await viewer(READ) == {"tasks": {"totalCount": 0}, "workers": {"nodes": []}, "templates": {"nodes": []}}


async def test_viewer_cannot_cancel_what_the_owner_created(
    gql_as: Callable[[Tenant], Gql], make_tenant: MakeTenant, api: str, http: httpx.AsyncClient, settings: Settings
) -> None:
    tenant = await make_tenant(Role.VIEWER)
    owner = Gql(http, api, TokenSigner(settings.token_key, 900).issue(tenant.account.user_id).text)
    task_id = (await owner(CREATE_TASK, input=draft()))["createTask"]["task"]["id"]

    refused = (await gql_as(tenant)(CANCEL_TASK, id=task_id))["cancelTask"]

    assert [error["code"] for error in refused["errors"]] == ["FORBIDDEN"]
    task = await owner("query($id: ID!) { task(id: $id) { status events { nodes { kind } } } }", id=task_id)
    assert task["task"] == {"status": "SCHEDULED", "events": {"nodes": [{"kind": "CREATED"}]}}


@pytest.mark.parametrize(("mutation", "variables"), WRITES[4:], ids=["worker", "template"])
async def test_member_works_and_cannot_manage(
    gql_as: Callable[[Tenant], Gql], make_tenant: MakeTenant, mutation: str, variables: dict[str, Any]
) -> None:
    member = gql_as(await make_tenant(Role.MEMBER))

    created = (await member(CREATE_TASK, input=draft()))["createTask"]
    (refused,) = (await member(mutation, **variables)).values()

    assert created["errors"] == []
    assert [error["code"] for error in refused["errors"]] == ["FORBIDDEN"]
