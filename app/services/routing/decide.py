"""Which provider and model does a task, and why. Pure: the same question always has the same answer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.errors import AppError, ErrorCode
from app.models import TaskComplexity

# The stack document's rules: high complexity to Anthropic, cost-sensitive to a local model, everything else to OpenAI.
PREFERENCES: dict[str, tuple[str, ...]] = {
    "high complexity": ("anthropic", "openai", "local"),
    "cost-sensitive": ("local", "openai", "anthropic"),
    "the default": ("openai", "anthropic", "local"),
}
BUDGET_TIER = "budget"
PRIMARY_TIER = "primary"


class NoProvider(AppError):
    """Nothing that is configured could do the task."""

    code = ErrorCode.PROVIDER_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """What the decision depends on. `models` maps each configured provider to its default model."""

    complexity: TaskComplexity
    cost_sensitive: bool
    models: Mapping[str, str]
    worker_provider: str | None = None
    worker_model: str | None = None


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """`fallbacks` are `provider/model`, in the order in which they would be tried."""

    provider: str
    model: str
    tier: str
    reasons: Sequence[str]
    fallbacks: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def decide(request: RoutingRequest) -> RoutingDecision:
    """An explicit worker first, then the rules, among what is configured. Raises NoProvider."""
    if request.worker_provider is not None:
        return _explicit(request, request.worker_provider)
    rule = _rule(request)
    preferred = PREFERENCES[rule]
    usable = [name for name in preferred if name in request.models]
    if not usable:
        raise NoProvider(
            "No AI provider is configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY or LOCAL_BASE_URL, "
            "or start with `bizq up`."
        )
    reasons = [f"{rule} prefers {preferred[0]}"]
    reasons += [f"{name} is not configured" for name in preferred[: preferred.index(usable[0])]]
    return RoutingDecision(
        provider=usable[0],
        model=request.models[usable[0]],
        tier=BUDGET_TIER if usable[0] == "local" else PRIMARY_TIER,
        reasons=reasons,
        fallbacks=[f"{name}/{request.models[name]}" for name in usable[1:]],
    )


def _rule(request: RoutingRequest) -> str:
    if request.complexity is TaskComplexity.HIGH:
        return "high complexity"
    return "cost-sensitive" if request.cost_sensitive else "the default"


def _explicit(request: RoutingRequest, provider: str) -> RoutingDecision:
    model = request.worker_model or request.models.get(provider)
    if provider not in request.models or model is None:
        raise NoProvider(f"The worker wants {provider}, which is not configured.")
    return RoutingDecision(provider, model, PRIMARY_TIER, [f"the worker names {provider}"], [])
