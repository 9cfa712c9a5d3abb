"""Tasks through what a workspace brings itself, from the API to the last attempt."""

from typing import Any

from tests.integration.provider.conftest import (
    CREATE_TASK,
    DELETE,
    KEY,
    NOTE,
    UPDATE,
    Company,
    Hosted,
    Install,
    MakeCompany,
    Site,
)
from tests.integration.provider.server import ANSWER

EXPLAIN = """query($input: CreateTaskInput!) { explainRouting(input: $input) {
  provider model connectionId reasons fallbacks } }"""
LEDGER = "{ ledger(first: 10) { nodes { kind taskId: task { id } } } }"
WORKER = """mutation($input: CreateWorkerInput!) { createWorker(input: $input) {
  worker { id provider model } errors { code path } } }"""
SERVER: dict[str, Any] = {"provider": "OPENAI_COMPATIBLE", "name": "berlin", "model": "llama", "apiKey": KEY}


async def test_task_runs_on_the_companys_own_server_and_costs_no_credits(
    site: Site, company: Company, hosted: Hosted
) -> None:
    connection = await company.connect(**SERVER, baseUrl=hosted.url)
    explained = (await company.gql(EXPLAIN, input=NOTE | {"model": "berlin/llama"}))["explainRouting"]
    async with site.working():
        accepted = await company.submit(model="berlin/llama")
        task = await company.ended(accepted["id"])

    assert (task["status"], task["output"], task["costMicros"]) == ("SUCCEEDED", {"text": ANSWER}, 0)
    assert task["attempts"] == [
        {"number": 1, "provider": "openai_compatible", "model": "llama", "status": "SUCCEEDED", "costMicros": 0,
         "inputTokens": 11, "outputTokens": 7, "error": None}
    ]  # fmt: skip
    assert accepted["reservedMicros"] == 0
    assert explained == accepted["routing"] == task["routing"]
    assert explained["connectionId"] == connection["id"]
    assert explained["reasons"][-1] == (
        "berlin/llama goes through the workspace's own connection berlin: it costs no credits, whoever runs it bills "
        "the workspace"
    )
    assert [entry["kind"] for entry in (await company.gql(LEDGER))["ledger"]["nodes"]] == ["GRANT"]
    ((headers, body),) = hosted.server.asked
    assert (headers["authorization"], body["model"]) == (f"Bearer {KEY}", "llama")
    assert [name for name in headers if name.startswith(("x-", "openai"))] == []


async def test_server_without_a_key_is_asked_without_ours(site: Site, company: Company, hosted: Hosted) -> None:
    await company.connect(provider="OPENAI_COMPATIBLE", name="open", model="llama", baseUrl=hosted.url)
    async with site.working():
        task = await company.ended((await company.submit(model="open"))["id"])

    assert (task["status"], hosted.server.keys) == ("SUCCEEDED", ["none"])


async def test_own_key_takes_the_place_of_the_installations_in_this_workspace_only(
    install: Install, make_company: MakeCompany, hosted: Hosted
) -> None:
    async with install(openai_base_url=hosted.url) as site:
        mine, other = await make_company(site), await make_company(site)
        connection = await mine.connect(provider="OPENAI", name="ours", apiKey=KEY)
        async with site.working():
            first = await mine.ended((await mine.submit(model="openai/gpt-6-luna"))["id"])
            second = await other.ended((await other.submit(model="openai/gpt-6-luna"))["id"])

    assert hosted.server.keys == [KEY, "sk-test"]
    assert [first["routing"]["connectionId"], second["routing"]["connectionId"]] == [connection["id"], None]
    assert (first["costMicros"], second["costMicros"] > 0) == (0, True)
    assert first["attempts"][0]["provider"] == "openai"


async def test_a_name_is_known_in_its_own_workspace_only(
    site: Site, company: Company, make_company: MakeCompany, hosted: Hosted
) -> None:
    await company.connect(**SERVER, baseUrl=hosted.url)
    stranger = await make_company(site)

    refused = (await stranger.gql(CREATE_TASK, input=NOTE | {"model": "berlin/llama"}))["createTask"]
    worker = {"name": "Ann", "kind": "AI", "provider": "berlin"}
    refused_worker = (await stranger.gql(WORKER, input=worker))["createWorker"]

    assert [(error["code"], error["path"]) for error in refused["errors"]] == [("INVALID_INPUT", ["input", "model"])]
    assert refused_worker["errors"] == [{"code": "INVALID_INPUT", "path": ["input", "provider"]}]
    assert hosted.server.asked == []


async def test_worker_may_be_a_connection_by_its_name(site: Site, company: Company, hosted: Hosted) -> None:
    await company.connect(**SERVER, baseUrl=hosted.url)
    made = (await company.gql(WORKER, input={"name": "Ann", "kind": "AI", "provider": "berlin"}))["createWorker"]
    async with site.working():
        task = await company.ended((await company.submit(workerId=made["worker"]["id"]))["id"])

    assert (task["status"], task["routing"]["model"], hosted.server.keys) == ("SUCCEEDED", "llama", [KEY])


async def test_connection_that_is_gone_by_then_is_a_failed_attempt_and_the_next_model_does_it(
    site: Site, company: Company
) -> None:
    connection = await company.connect(provider="OPENAI", name="ours", apiKey=KEY)
    accepted = await company.submit()
    await company.gql(DELETE, id=connection["id"])
    async with site.working():
        task = await company.ended(accepted["id"])

    first, second = task["attempts"]
    assert (first["provider"], first["error"]) == ("openai", {"code": "connection_gone"})
    assert (second["provider"], second["status"]) == ("anthropic", "SUCCEEDED")
    assert (task["routing"]["connectionId"], first["costMicros"]) == (None, 0)


async def test_task_that_names_a_connection_fails_with_it(site: Site, company: Company, hosted: Hosted) -> None:
    connection = await company.connect(**SERVER, baseUrl=hosted.url)
    accepted = await company.submit(model="berlin")
    await company.gql(UPDATE, input={"id": connection["id"], "enabled": False})
    async with site.working():
        task = await company.ended(accepted["id"])

    assert (task["status"], task["error"]["code"], hosted.server.asked) == ("FAILED", "connection_gone", [])
    assert task["error"]["message"] == "berlin: the workspace's own connection was deleted or disabled."


async def test_new_key_counts_for_the_next_call(site: Site, company: Company, hosted: Hosted) -> None:
    connection = await company.connect(**SERVER, baseUrl=hosted.url)
    async with site.working():
        await company.ended((await company.submit(model="berlin"))["id"])
        await company.gql(UPDATE, input={"id": connection["id"], "apiKey": "another-key-0123456789"})
        await company.ended((await company.submit(model="berlin"))["id"])

    assert hosted.server.keys == [KEY, "another-key-0123456789"]


async def test_private_endpoint_is_not_called_any_more_when_the_operator_closes_it(
    site: Site, company: Company, hosted: Hosted, install: Install
) -> None:
    await company.connect(**SERVER, baseUrl=hosted.url)
    accepted = await company.submit(model="berlin")
    async with install(bizq_allow_private_endpoints=False) as strict, strict.working():
        task = await company.ended(accepted["id"])

    assert (task["status"], task["error"]["code"], hosted.server.asked) == ("FAILED", "address_refused", [])
