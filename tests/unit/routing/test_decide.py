from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ErrorCode, InvalidInput, LimitExceeded
from app.models import TaskComplexity
from app.providers.chat import Usage
from app.services.billing.price import FREE, Price, cost_micros
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
from tests.unit.routing.seeded import seeded_catalogue

LOW, NORMAL, HIGH = TaskComplexity.LOW, TaskComplexity.NORMAL, TaskComplexity.HIGH
MODELS = {"openai": "gpt", "anthropic": "claude", "local": "smol"}
CHAT, ALL = frozenset({"chat"}), frozenset({"chat", "json_schema", "vision", "tools"})
DEAR, CHEAP = Price(1_000_000, 4_000_000, 100_000), Price(100_000, 500_000, 10_000)
CATALOGUE = Catalogue(
    [
        Model("openai", "gpt", 100_000, 10_000, ALL, CHEAP, aliases=("gpt-3.5-turbo",)),
        Model("openai", "gpt-big", 100_000, 10_000, ALL, DEAR, aliases=("gpt-4", "gpt-4-turbo")),
        Model("anthropic", "claude", 100_000, 10_000, ALL, CHEAP, aliases=("claude-instant",)),
        Model("anthropic", "claude-opus", 100_000, 10_000, ALL, DEAR, aliases=("claude-3-opus",)),
        Model("local", "*", 2_000, 500, CHAT, FREE, aliases=("llama-3-70b", "codellama-34b", "mistral-7b")),
    ]
)
EVERYTHING = "openai anthropic local"


def here(configured: str = EVERYTHING, **more: object) -> Installation:
    return replace(Installation(CATALOGUE, {name: MODELS[name] for name in configured.split()}), **more)


def refs(decision: RoutingDecision) -> list[str]:
    return [candidate.ref for candidate in decision.candidates]


@pytest.mark.parametrize(
    ("complexity", "cheap", "configured", "order", "tier"),
    [
        # everything configured: the rules
        (HIGH, False, EVERYTHING, ["anthropic/claude", "openai/gpt", "local/smol"], "primary"),
        (HIGH, True, EVERYTHING, ["anthropic/claude", "openai/gpt", "local/smol"], "primary"),
        (NORMAL, True, EVERYTHING, ["local/smol", "openai/gpt", "anthropic/claude"], "budget"),
        (LOW, True, EVERYTHING, ["local/smol", "openai/gpt", "anthropic/claude"], "budget"),
        (NORMAL, False, EVERYTHING, ["openai/gpt", "anthropic/claude", "local/smol"], "primary"),
        (LOW, False, EVERYTHING, ["openai/gpt", "anthropic/claude", "local/smol"], "primary"),
        # the preferred one is missing: the next of the same rule
        (HIGH, False, "openai local", ["openai/gpt", "local/smol"], "primary"),
        (NORMAL, True, "openai anthropic", ["openai/gpt", "anthropic/claude"], "primary"),
        (NORMAL, False, "anthropic local", ["anthropic/claude", "local/smol"], "primary"),
        # the embedded mode has nothing else
        (HIGH, False, "local", ["local/smol"], "budget"),
        (NORMAL, False, "local", ["local/smol"], "budget"),
    ],
)
def test_the_documents_rules(
    complexity: TaskComplexity, cheap: bool, configured: str, order: list[str], tier: str
) -> None:
    decision = decide(RoutingRequest(complexity=complexity, cost_sensitive=cheap), here(configured))

    assert refs(decision) == order
    assert decision.candidates[0].tier == tier


TASK, WORKER = {"model": "gpt-4"}, {"worker_provider": "anthropic", "worker_model": "claude-opus"}
POLICY = {"policy": Policy(models=["local/smol", "claude"])}
CLASS = {"model_class": "code_generation"}


@pytest.mark.parametrize(
    ("said", "order", "reason"),
    [
        # what is said first is followed: the task, the worker, the policy, the template, the rules
        (TASK | WORKER | POLICY | CLASS, ["openai/gpt-big"], "the task names gpt-4"),
        (WORKER | POLICY | CLASS, ["anthropic/claude-opus"], "the worker names anthropic"),
        ({"worker_provider": "local"} | POLICY, ["local/smol"], "the worker names local"),
        (POLICY | CLASS, ["local/smol", "anthropic/claude"], "the workspace's policy prefers local/smol"),
        (
            CLASS,
            ["anthropic/claude-opus", "openai/gpt-big", "local/smol"],
            "the template's class is code_generation",
        ),
        ({}, ["openai/gpt", "anthropic/claude", "local/smol"], "the default prefers openai"),
        # where a class begins
        (
            CLASS | {"tier": "fallback"},
            ["openai/gpt-big", "anthropic/claude-opus", "local/smol"],
            "the template asks for code_generation/fallback",
        ),
        (
            CLASS | {"cost_sensitive": True},
            ["local/smol", "openai/gpt-big", "anthropic/claude-opus"],
            "cost-sensitive prefers code_generation/budget",
        ),
        (
            {"model_class": "content_generation", "complexity": HIGH},
            ["anthropic/claude-opus", "openai/gpt-big", "local/smol"],
            "high complexity prefers anthropic: content_generation/fallback",
        ),
        # a policy may change a cell, and shut providers out
        (
            CLASS | {"policy": Policy(cells={"code_generation/primary": "claude-instant"})},
            ["anthropic/claude", "openai/gpt-big", "local/smol"],
            "the template's class is code_generation",
        ),
        (
            {"policy": Policy(providers=frozenset({"local"}))},
            ["local/smol"],
            "the workspace's policy does not allow anthropic",
        ),
        # a soft budget that is used up sends tasks to the cheap ones, where nobody gave an order
        (
            {"budget_passed": True},
            ["local/smol", "openai/gpt", "anthropic/claude"],
            "a soft budget is used up: the budget tier goes first",
        ),
        (TASK | {"budget_passed": True}, ["openai/gpt-big"], "the task names gpt-4"),
        # what cannot do it is left out
        (
            {"capabilities": frozenset({"chat", "json_schema"}), "cost_sensitive": True},
            ["openai/gpt", "anthropic/claude"],
            "local/smol lacks json_schema",
        ),
        (
            {"input_tokens": 1_990, "cost_sensitive": True},
            ["openai/gpt", "anthropic/claude"],
            "local/smol reads 1984 tokens, the task has up to 1990",
        ),
        (
            CLASS | {"input_tokens": 100, "output_tokens": 100, "most_micros": 10},
            ["local/smol"],
            "anthropic/claude-opus costs at least 164 micro-credits for this task, it may cost 10",
        ),
    ],
)
def test_decision_table(said: dict[str, object], order: list[str], reason: str) -> None:
    decision = decide(RoutingRequest(**said), here())  # type: ignore[arg-type]

    assert refs(decision) == order
    assert reason in decision.reasons


def test_reasons_name_the_rule_and_everyone_who_was_passed_over() -> None:
    assert decide(RoutingRequest(complexity=HIGH), here("local")).reasons == [
        "high complexity prefers anthropic",
        "anthropic is not configured",
        "openai is not configured",
        "huggingface is not configured",
        "replicate is not configured",
    ]


def test_an_unwell_model_is_tried_last_even_if_it_is_the_only_one() -> None:
    unwell = {"openai/gpt": "5 of its last 5 calls failed"}

    assert refs(decide(RoutingRequest(), here(unhealthy=unwell))) == ["anthropic/claude", "local/smol", "openai/gpt"]
    only = decide(RoutingRequest(model="gpt"), here(unhealthy=unwell))
    assert refs(only) == ["openai/gpt"]
    assert only.reasons == ["the task names gpt", "openai/gpt is tried last: 5 of its last 5 calls failed"]


@pytest.mark.parametrize(
    ("said", "configured", "error", "message"),
    [
        ({}, "", NoProvider, "OPENAI_API_KEY, .* or LOCAL_BASE_URL"),
        ({"worker_provider": "anthropic"}, "openai local", NoProvider, "anthropic, which is not configured"),
        ({"model": "gpt-4"}, "local", NoProvider, "openai is not configured"),
        ({"model": "gpt-99"}, EVERYTHING, InvalidInput, "There is no model gpt-99"),
        ({"input_tokens": 100_000}, EVERYTHING, LimitExceeded, "openai/gpt reads 99984 tokens"),
        ({"model": "gpt-4", "most_micros": 3}, EVERYTHING, InvalidInput, "costs at least 4 micro-credits"),
        ({"policy": Policy(providers=frozenset({"acme"}))}, EVERYTHING, NoProvider, "does not allow openai"),
    ],
)
def test_what_nothing_can_do_is_refused_with_all_the_reasons(
    said: dict[str, object], configured: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        decide(RoutingRequest(**said), here(configured))  # type: ignore[arg-type]


def test_a_refusal_names_its_code_and_its_field() -> None:
    with pytest.raises(InvalidInput) as unknown:
        decide(RoutingRequest(model="gpt-99"), here())
    with pytest.raises(NoProvider) as missing:
        decide(RoutingRequest(), here(""))

    assert (unknown.value.code, unknown.value.path) == (ErrorCode.INVALID_INPUT, ("model",))
    assert missing.value.code is ErrorCode.PROVIDER_UNAVAILABLE


def test_output_is_cut_to_what_the_highest_cost_pays_for() -> None:
    request = RoutingRequest(model="gpt-big", input_tokens=100, output_tokens=1_000, most_micros=900)

    (candidate,) = decide(request, here()).candidates

    assert candidate.max_tokens == 200
    assert decide(request, here()).ceiling_micros == 900


def test_what_the_operator_has_set_stands_in_for_the_providers_other_models() -> None:
    fixed = here("openai", models={"openai": "gpt"}, fixed=frozenset({"openai"}))

    assert refs(decide(RoutingRequest(model_class="code_generation"), fixed)) == ["openai/gpt"]
    assert refs(decide(RoutingRequest(model="gpt-4"), fixed)) == ["openai/gpt-big"]


@pytest.mark.parametrize(
    ("model_class", "tier", "today"),
    [
        ("content_generation", "primary", "openai/gpt-6.2-sol"),
        ("content_generation", "fallback", "anthropic/claude-opus-5-5"),
        ("content_generation", "budget", "local/smollm2-135m-instruct"),
        ("code_generation", "primary", "anthropic/claude-opus-5-5"),
        ("code_generation", "fallback", "openai/gpt-6.2-sol"),
        ("code_generation", "budget", "local/smollm2-135m-instruct"),
        ("simple_tasks", "primary", "openai/gpt-6-luna"),
        ("simple_tasks", "fallback", "anthropic/claude-haiku-5-5"),
        ("simple_tasks", "budget", "local/smollm2-135m-instruct"),
    ],
)
def test_the_documents_nine_cells_lead_to_todays_models(model_class: str, tier: str, today: str) -> None:
    models = {"openai": "gpt-6-luna", "anthropic": "claude-haiku-5-5", "local": "smollm2-135m-instruct"}

    decision = decide(RoutingRequest(model_class=model_class, tier=tier), Installation(seeded_catalogue(), models))

    assert refs(decision)[0] == today


REQUESTS = st.builds(
    RoutingRequest,
    complexity=st.sampled_from(TaskComplexity),
    cost_sensitive=st.booleans(),
    model=st.sampled_from([None, None, "gpt-4", "openai/gpt", "claude-3-opus", "mistral-7b"]),
    policy=st.sampled_from([Policy(), Policy(models=["claude", "gpt"]), Policy(providers=frozenset({"openai"}))]),
    model_class=st.sampled_from([None, "content_generation", "code_generation", "simple_tasks"]),
    tier=st.sampled_from([None, "primary", "fallback", "budget"]),
    capabilities=st.sampled_from([CHAT, frozenset({"chat", "json_schema"})]),
    input_tokens=st.integers(0, 120_000),
    output_tokens=st.integers(1, 20_000),
    most_micros=st.integers(0, 200_000),
    budget_passed=st.booleans(),
)
INSTALLATIONS = st.sets(st.sampled_from(sorted(MODELS))).map(lambda names: here(" ".join(sorted(names))))


@given(REQUESTS, INSTALLATIONS)
def test_every_candidate_is_able_and_none_can_cost_more_than_its_ceiling(
    request: RoutingRequest, installation: Installation
) -> None:
    try:
        decision = decide(request, installation)
    except (NoProvider, InvalidInput, LimitExceeded):
        return

    assert decision == decide(request, installation)
    assert len(set(refs(decision))) == len(decision.candidates)
    for candidate in decision.candidates:
        found = CATALOGUE.of(candidate.provider, candidate.model)
        assert found is not None
        assert candidate.provider in installation.models
        assert request.capabilities <= found.capabilities
        assert 1 <= candidate.max_tokens <= min(request.output_tokens, found.max_output_tokens)
        assert request.input_tokens + candidate.max_tokens <= found.context_tokens
        most = cost_micros(candidate.price, Usage(request.input_tokens, candidate.max_tokens))
        assert most <= decision.ceiling_micros <= request.most_micros
    assert decision.estimated_micros <= decision.ceiling_micros


@given(REQUESTS)
def test_a_stored_decision_gives_its_candidates_back(request: RoutingRequest) -> None:
    try:
        decision = decide(request, here())
    except (NoProvider, InvalidInput, LimitExceeded):
        return

    stored = decision.as_json()

    assert [Candidate.from_json(each) for each in stored["candidates"]] == decision.candidates
    assert [f"{stored['provider']}/{stored['model']}", *stored["fallbacks"]] == refs(decision)
