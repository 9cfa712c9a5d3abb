import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ErrorCode
from app.models import TaskComplexity
from app.services.routing.decide import NoProvider, RoutingDecision, RoutingRequest, decide

LOW, NORMAL, HIGH = TaskComplexity.LOW, TaskComplexity.NORMAL, TaskComplexity.HIGH
MODELS = {"openai": "gpt", "anthropic": "claude", "local": "smol"}


def ask(complexity: TaskComplexity, cheap: bool, configured: str, **worker: str | None) -> RoutingDecision:
    models = {name: MODELS[name] for name in configured.split()}
    return decide(RoutingRequest(complexity=complexity, cost_sensitive=cheap, models=models, **worker))


@pytest.mark.parametrize(
    ("complexity", "cheap", "configured", "chosen", "tier", "fallbacks"),
    [
        # everything configured: the rules
        (HIGH, False, "openai anthropic local", "anthropic/claude", "primary", ["openai/gpt", "local/smol"]),
        (HIGH, True, "openai anthropic local", "anthropic/claude", "primary", ["openai/gpt", "local/smol"]),
        (NORMAL, True, "openai anthropic local", "local/smol", "budget", ["openai/gpt", "anthropic/claude"]),
        (LOW, True, "openai anthropic local", "local/smol", "budget", ["openai/gpt", "anthropic/claude"]),
        (NORMAL, False, "openai anthropic local", "openai/gpt", "primary", ["anthropic/claude", "local/smol"]),
        (LOW, False, "openai anthropic local", "openai/gpt", "primary", ["anthropic/claude", "local/smol"]),
        # the preferred one is missing: the next of the same rule
        (HIGH, False, "openai local", "openai/gpt", "primary", ["local/smol"]),
        (NORMAL, True, "openai anthropic", "openai/gpt", "primary", ["anthropic/claude"]),
        (NORMAL, False, "anthropic local", "anthropic/claude", "primary", ["local/smol"]),
        # the embedded mode has nothing else
        (HIGH, False, "local", "local/smol", "budget", []),
        (NORMAL, False, "local", "local/smol", "budget", []),
    ],
)
def test_decision_table(
    complexity: TaskComplexity, cheap: bool, configured: str, chosen: str, tier: str, fallbacks: list[str]
) -> None:
    decision = ask(complexity, cheap, configured)

    assert f"{decision.provider}/{decision.model}" == chosen
    assert decision.tier == tier
    assert decision.fallbacks == fallbacks


def test_reasons_name_the_rule_and_everyone_who_was_passed_over() -> None:
    assert ask(HIGH, False, "local").reasons == [
        "high complexity prefers anthropic",
        "anthropic is not configured",
        "openai is not configured",
    ]


@pytest.mark.parametrize(
    ("worker_provider", "worker_model", "chosen"),
    [("local", None, "local/smol"), ("anthropic", "claude-opus", "anthropic/claude-opus")],
)
def test_a_named_worker_comes_before_every_rule(worker_provider: str, worker_model: str | None, chosen: str) -> None:
    worker = {"worker_provider": worker_provider, "worker_model": worker_model}
    decision = ask(NORMAL, False, "openai anthropic local", **worker)

    assert f"{decision.provider}/{decision.model}" == chosen
    assert decision.fallbacks == []
    assert decision.reasons == [f"the worker names {worker_provider}"]


def test_a_worker_without_its_provider_is_not_replaced_by_another() -> None:
    with pytest.raises(NoProvider, match="anthropic, which is not configured") as caught:
        ask(NORMAL, False, "openai local", worker_provider="anthropic", worker_model="claude-opus")

    assert caught.value.code is ErrorCode.PROVIDER_UNAVAILABLE


def test_without_any_provider_the_message_says_what_to_set() -> None:
    with pytest.raises(NoProvider, match="OPENAI_API_KEY, ANTHROPIC_API_KEY or LOCAL_BASE_URL"):
        ask(NORMAL, False, "")


@given(st.sampled_from(TaskComplexity), st.booleans(), st.sets(st.sampled_from(sorted(MODELS)), min_size=1))
def test_only_what_is_configured_is_chosen_and_nothing_is_forgotten(
    complexity: TaskComplexity, cheap: bool, configured: set[str]
) -> None:
    decision = ask(complexity, cheap, " ".join(configured))

    named = [f"{decision.provider}/{decision.model}", *decision.fallbacks]
    assert sorted(named) == sorted(f"{name}/{MODELS[name]}" for name in configured)
    assert decision == ask(complexity, cheap, " ".join(configured))
