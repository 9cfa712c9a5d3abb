"""Decisions where a workspace brings keys or servers of its own."""

import random
from typing import Any
from uuid import UUID

import pytest

from app.errors import AppError, InvalidInput
from app.models import ProviderKind, TaskComplexity
from app.services.billing.price import FREE, Price
from app.services.routing.catalogue import Catalogue, Model
from app.services.routing.decide import (
    Candidate,
    Installation,
    NoProvider,
    Policy,
    RoutingDecision,
    RoutingRequest,
    decide,
)
from app.services.routing.own import OwnConnection, OwnConnections

DEAR = Price(1_000_000, 5_000_000, 100_000)
ABLE = frozenset({"chat", "json_schema"})
CATALOGUE = Catalogue(
    [
        Model("openai", "gpt", 100_000, 10_000, ABLE, DEAR, aliases=("gpt-4-turbo",)),
        Model("openai", "*", 100_000, 10_000, ABLE, DEAR),
        Model("anthropic", "claude", 100_000, 10_000, ABLE, DEAR, aliases=("claude-3-opus",)),
        Model("local", "*", 8_000, 4_000, ABLE, FREE, aliases=("llama-3-70b",)),
    ]
)
MODELS = {"openai": "gpt", "anthropic": "claude"}
KEY = OwnConnection(UUID(int=1), "ours", ProviderKind.OPENAI)
OTHER_KEY = OwnConnection(UUID(int=2), "second", ProviderKind.OPENAI, "gpt-second")
SERVER = OwnConnection(UUID(int=3), "berlin", ProviderKind.OPENAI_COMPATIBLE, "llama", 4_000, 1_000)


def ask(*own: OwnConnection, models: dict[str, str] = MODELS, **request: Any) -> RoutingDecision:
    here = Installation(CATALOGUE, models, unhealthy={"openai/gpt": "it fails"}).seen_with(OwnConnections(own))
    return decide(RoutingRequest(**{"input_tokens": 100, "output_tokens": 500} | request), here)


def refs(decision: RoutingDecision) -> list[str]:
    return [candidate.ref for candidate in decision.candidates]


@pytest.mark.parametrize(
    ("own", "request_", "expected"),
    [
        # a key takes the place of the installation's wherever that would be used, and is not unwell with it
        ([], {}, ["anthropic/claude", "openai/gpt"]),
        ([KEY], {}, ["ours/gpt", "anthropic/claude"]),
        ([KEY], {"model": "openai/gpt"}, ["ours/gpt"]),
        ([KEY], {"model": "gpt"}, ["ours/gpt"]),
        ([KEY], {"model": "gpt-4-turbo"}, ["ours/gpt"]),
        ([KEY], {"model": "ours"}, ["ours/gpt"]),
        ([KEY], {"model": "ours/gpt-new"}, ["ours/gpt-new"]),
        ([KEY], {"worker_provider": "openai"}, ["ours/gpt"]),
        ([KEY], {"worker_provider": "ours", "worker_model": "gpt-new"}, ["ours/gpt-new"]),
        ([KEY], {"model_class": "content_generation"}, ["ours/gpt", "anthropic/claude"]),
        # of two the oldest does, the other is there by its name, with its model
        ([KEY, OTHER_KEY], {}, ["ours/gpt", "anthropic/claude"]),
        ([KEY, OTHER_KEY], {"model": "second"}, ["second/gpt-second"]),
        # a key that names a model is asked for that one
        ([OTHER_KEY], {}, ["second/gpt-second", "anthropic/claude"]),
        ([OTHER_KEY], {"model_class": "content_generation"}, ["second/gpt-second", "anthropic/claude"]),
        ([OTHER_KEY], {"model": "second/gpt"}, ["second/gpt"]),
        # a server comes last unless it is named, or money is short
        ([SERVER], {}, ["anthropic/claude", "berlin/llama", "openai/gpt"]),
        ([SERVER], {"model": "berlin"}, ["berlin/llama"]),
        ([SERVER], {"model": "berlin/qwen/7b"}, ["berlin/qwen/7b"]),
        ([SERVER], {"worker_provider": "berlin"}, ["berlin/llama"]),
        ([SERVER], {"policy": Policy(models=["berlin", "claude"])}, ["berlin/llama", "anthropic/claude"]),
        ([SERVER], {"policy": Policy(providers=frozenset({"berlin"}))}, ["berlin/llama"]),
        ([SERVER], {"budget_passed": True}, ["berlin/llama", "anthropic/claude", "openai/gpt"]),
        ([SERVER], {"complexity": TaskComplexity.HIGH}, ["anthropic/claude", "berlin/llama", "openai/gpt"]),
    ],
)
def test_decision_table(own: list[OwnConnection], request_: dict[str, Any], expected: list[str]) -> None:
    assert refs(ask(*own, **request_)) == expected


def test_own_connections_are_enough_where_the_installation_has_no_provider() -> None:
    assert refs(ask(SERVER, KEY, models={})) == ["ours/gpt-6-luna", "berlin/llama"]


def test_what_goes_through_them_costs_nothing_whatever_it_may_cost() -> None:
    decision = ask(KEY, model="openai/gpt", most_micros=0)

    (candidate,) = decision.candidates
    assert (candidate.price, candidate.connection, candidate.max_tokens) == (FREE, KEY.id, 500)
    assert (decision.estimated_micros, decision.ceiling_micros) == (0, 0)
    assert decision.reasons[-1].startswith("ours/gpt goes through the workspace's own connection ours: it costs no")


def test_fallbacks_of_the_installation_keep_their_price() -> None:
    decision = ask(KEY)

    assert [candidate.price for candidate in decision.candidates] == [FREE, DEAR]
    assert decision.ceiling_micros == 100 + 5 * 500


def test_decision_is_stored_with_the_connection_and_read_again() -> None:
    stored = ask(KEY).as_json()

    assert stored["connection"] == {"id": str(KEY.id), "name": "ours"}
    assert [Candidate.from_json(each) for each in stored["candidates"]] == list(ask(KEY).candidates)
    assert "connection" not in ask().as_json()


def test_server_is_left_out_where_the_task_does_not_fit() -> None:
    decision = ask(SERVER, input_tokens=5_000)

    assert refs(decision) == ["anthropic/claude", "openai/gpt"]
    assert "reads 3984 tokens" in " ".join(decision.reasons)


@pytest.mark.parametrize(("named", "error"), [("gone", InvalidInput), ("gone/llama", InvalidInput)])
def test_connection_that_there_is_not_is_refused_and_not_replaced(named: str, error: type[AppError]) -> None:
    with pytest.raises(error, match=named):
        ask(KEY, SERVER, model=named)


def test_policy_without_them_refuses_them() -> None:
    with pytest.raises(NoProvider, match="does not allow openai_compatible"):
        ask(SERVER, model="berlin", policy=Policy(providers=frozenset({"openai"})))


def test_same_question_has_the_same_answer_over_a_thousand_random_ones() -> None:
    chance = random.Random(20_261_124)
    for _ in range(1_000):
        own = chance.sample([KEY, OTHER_KEY, SERVER], chance.randint(0, 3))
        request = {
            "complexity": chance.choice(list(TaskComplexity)),
            "cost_sensitive": chance.random() < 0.5,
            "model": chance.choice([None, None, "berlin", "ours/gpt", "openai/gpt", "claude"]),
            "model_class": chance.choice([None, "content_generation", "simple_tasks"]),
            "budget_passed": chance.random() < 0.5,
        }
        assert outcome(own, request) == outcome(own, request)


def outcome(own: list[OwnConnection], request: dict[str, Any]) -> Any:
    try:
        decision = ask(*own, **request)
    except AppError as error:
        return error.message
    mine = {each.id for each in own}
    assert all(each.connection in mine for each in decision.candidates if each.price is FREE and each.connection)
    return decision.as_json()
