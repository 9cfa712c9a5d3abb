"""testProviderConnection says in plain words what is wrong."""

from typing import Any

import pytest

from app.embedded.port import free_port
from tests.integration.graphql_client import Gql
from tests.integration.provider.conftest import CREATE, KEY, TEST, UPDATE, Company, Hosted
from tests.integration.provider.server import Behave, chunk, refusing, streaming


async def outcome_of(gql: Gql, connection_id: str) -> Any:
    payload = (await gql(TEST, id=connection_id))["testProviderConnection"]
    assert payload["errors"] == []
    return payload


async def connected(company: Company, hosted: Hosted, **more: Any) -> str:
    made = await company.connect(
        **{"provider": "OPENAI_COMPATIBLE", "name": "berlin", "model": "llama", "baseUrl": hosted.url, "apiKey": KEY}
        | more
    )
    return str(made["id"])


async def test_what_works_is_asked_something_tiny(company: Company, hosted: Hosted) -> None:
    answer = await outcome_of(company.gql, await connected(company, hosted))

    assert 0 <= answer.pop("milliseconds") < 8000
    assert answer == {"works": True, "problem": None, "reason": None, "model": "llama", "errors": []}
    ((_, body),) = hosted.server.asked
    assert (body["model"], body["max_tokens"], hosted.server.keys) == ("llama", 16, [KEY])


async def test_one_that_is_disabled_can_be_tried_before_it_is_used(company: Company, hosted: Hosted) -> None:
    connection = await connected(company, hosted, enabled=False)

    assert (await outcome_of(company.gql, connection))["works"] is True


async def test_key_of_a_vendor_is_tried_with_the_vendors_usual_model(company: Company) -> None:
    right = await company.connect(provider="ANTHROPIC", name="ours", apiKey=KEY)
    wrong = await company.connect(provider="OPENAI", name="wrong", apiKey="invalid-0123456789")

    first, second = await outcome_of(company.gql, right["id"]), await outcome_of(company.gql, wrong["id"])

    assert (first["works"], first["model"]) == (True, "claude-haiku-5-5")
    assert (second["works"], second["reason"], second["model"]) == (False, "authentication", "gpt-6-luna")
    assert second["problem"] == "The key was not accepted: check that it is complete and was not revoked."


@pytest.mark.parametrize(
    ("behave", "reason", "words"),
    [
        (refusing(401), "authentication", "The key was not accepted"),
        (refusing(403), "permission", "The key is right but may not use this model"),
        (refusing(404), "not_found", "check the model, and that baseUrl"),
        (refusing(400), "bad_request", "refused as invalid"),
        (refusing(402), "quota_exhausted", "no credit left"),
        (refusing(429), "rate_limited", "too many requests"),
        (refusing(500), "server_error", "berlin: the service failed."),
        (refusing(302, Location="http://127.0.0.1:1/"), "redirected", "give the last address itself"),
        (streaming(chunk({"content": "no end"})), "stream_cut", "not as a model's server does"),
        (streaming({"hello": "world"}), "not_understood", "does not speak this protocol"),
    ],
)
async def test_what_is_wrong_is_said(company: Company, hosted: Hosted, behave: Behave, reason: str, words: str) -> None:
    hosted.server.behave = behave

    answer = await outcome_of(company.gql, await connected(company, hosted))

    assert (answer["works"], answer["reason"]) == (False, reason)
    assert words in answer["problem"]
    assert len(hosted.server.asked) == 1


async def test_nobody_there_and_a_name_that_is_none(company: Company, hosted: Hosted) -> None:
    for name, url in (("gone", f"http://127.0.0.1:{free_port()}/v1"), ("nowhere", "https://nowhere.invalid/v1")):
        answer = await outcome_of(company.gql, await connected(company, hosted, name=name, baseUrl=url))
        assert (answer["works"], answer["reason"]) == (False, "connection")
        assert "check the name and the port" in answer["problem"]


async def test_name_that_leads_inside_is_not_called_and_the_address_is_not_told(gql: Gql) -> None:
    wanted = {"provider": "OPENAI_COMPATIBLE", "name": "sly", "model": "m", "baseUrl": "https://localhost:8000/v1"}
    made = (await gql(CREATE, input=wanted))["createProviderConnection"]

    answer = await outcome_of(gql, made["connection"]["id"])

    assert (answer["works"], answer["reason"]) == (False, "address_refused")
    assert "127.0.0.1" not in answer["problem"]


async def test_next_test_uses_what_was_changed(company: Company, hosted: Hosted) -> None:
    connection = await connected(company, hosted)
    await outcome_of(company.gql, connection)
    await company.gql(UPDATE, input={"id": connection, "apiKey": "another-key-0123456789", "model": "qwen"})

    assert (await outcome_of(company.gql, connection))["model"] == "qwen"
    assert hosted.server.keys == [KEY, "another-key-0123456789"]
