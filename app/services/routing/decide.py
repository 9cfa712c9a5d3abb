"""Which model does a task, why, and for how much at most. Pure: the same question always has the same answer.

The first that says something is followed: the caller's model or worker, the workspace's policy, the template's class
and tier, the stack document's rules. What cannot do it is then left out, with the reason.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from app.errors import AppError, ErrorCode, InvalidInput, LimitExceeded
from app.models import TaskComplexity
from app.providers.chat import Usage
from app.services.billing.price import FREE, Price, affordable_output, cost_micros
from app.services.routing.catalogue import CELLS, TIERS, Catalogue, Model
from app.services.routing.own import OwnConnection, OwnConnections

PRIMARY, FALLBACK, BUDGET = TIERS
# The stack document's rules: high complexity to Anthropic, cost-sensitive to a local model, everything else to OpenAI.
# Providers that the document's rules do not name come last.
PREFERENCES: dict[str, tuple[str, ...]] = {
    "high complexity": ("anthropic", "openai", "huggingface", "replicate", "local"),
    "cost-sensitive": ("local", "huggingface", "replicate", "openai", "anthropic"),
    "the default": ("openai", "anthropic", "huggingface", "replicate", "local"),
}
# Less is no answer.
LEAST_OUTPUT_TOKENS = 16
# Templates set the longest output generously, so that no answer is cut off.
USUAL_SHARE_OF_OUTPUT = 4


class NoProvider(AppError):
    """Nothing that is configured could do the task."""

    code = ErrorCode.PROVIDER_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Policy:
    """What a workspace wants. `models` go before templates and rules; `cells` replace entries of the document's table,
    by "class/tier"; of `providers`, where given, no other is used."""

    models: Sequence[str] = ()
    cells: Mapping[str, str] = field(default_factory=dict)
    providers: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Installation:
    """What there is to choose from. `models` is each configured provider's own model; those in `fixed` were set by the
    operator, and are used in the place of the provider's others. `unhealthy` says, by "provider/model", what is wrong.
    `own` is what the workspace brings itself, as far as this is the installation as a workspace sees it.
    """

    catalogue: Catalogue
    models: Mapping[str, str]
    fixed: frozenset[str] = frozenset()
    unhealthy: Mapping[str, str] = field(default_factory=dict)
    own: OwnConnections = field(default_factory=OwnConnections)

    def seen_with(self, own: OwnConnections) -> "Installation":
        """As the workspace sees it that has these."""
        if not own.connections:
            return self
        return replace(self, models=own.models(self.models), fixed=self.fixed | own.fixed(), own=own)

    def find(self, name: str) -> list[tuple[Model, OwnConnection | None]]:
        """What a name means, each with the workspace's own connection that leads there, if one does."""
        head, _, rest = name.partition("/")
        own = self.own.named(head)
        if own is not None:
            model = self.own.model_of(own, rest or self.models[own.name], self.catalogue)
            return [(model, own)] if model is not None else []
        found = self.catalogue.find(name, self.models)
        return [(model, self.own.instead_of(model.provider)) for model in found]


@dataclass(frozen=True, slots=True)
class RoutingRequest:
    """What the decision depends on. `input_tokens` is a bound, `output_tokens` the longest output that is wanted,
    `most_micros` what the task may cost at most."""

    complexity: TaskComplexity = TaskComplexity.NORMAL
    cost_sensitive: bool = False
    model: str | None = None
    worker_provider: str | None = None
    worker_model: str | None = None
    policy: Policy = Policy()
    model_class: str | None = None
    tier: str | None = None
    capabilities: frozenset[str] = frozenset({"chat"})
    input_tokens: int = 0
    output_tokens: int = 1
    most_micros: int = 1_000_000
    budget_passed: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may do the task, on the terms that hold for this task whatever the catalogue says later.

    `connection` is the workspace's own that leads to it, and `connection_name` what that is called; else None.
    """

    provider: str
    model: str
    tier: str
    max_tokens: int
    price: Price
    connection: UUID | None = None
    connection_name: str | None = None

    @property
    def ref(self) -> str:
        return f"{self.connection_name or self.provider}/{self.model}"

    def as_json(self) -> dict[str, Any]:
        return {
            "provider": self.provider,
            "model": self.model,
            "tier": self.tier,
            "maxTokens": self.max_tokens,
            "price": self.price.as_json(),
            **self.connection_json(),
        }

    def connection_json(self) -> dict[str, Any]:
        """Nothing for what the installation provides."""
        if self.connection is None:
            return {}
        return {"connection": {"id": str(self.connection), "name": self.connection_name}}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "Candidate":
        price = Price(**stored["price"])
        terms = (stored["provider"], stored["model"], stored["tier"], stored["maxTokens"], price)
        own = stored.get("connection")
        return cls(*terms, UUID(own["id"]), own["name"]) if own else cls(*terms)


@dataclass(frozen=True, slots=True)
class RoutingDecision:
    """The candidates in the order in which they are tried, and why it is these.

    `estimated_micros` is what the first usually costs, `ceiling_micros` what the dearest costs at most.
    """

    candidates: Sequence[Candidate]
    reasons: Sequence[str]
    estimated_micros: int
    ceiling_micros: int

    def as_json(self) -> dict[str, Any]:
        first, *others = self.candidates
        return {
            "provider": first.provider,
            "model": first.model,
            "tier": first.tier,
            "reasons": list(self.reasons),
            "fallbacks": [candidate.ref for candidate in others],
            "candidates": [candidate.as_json() for candidate in self.candidates],
            "ceilingMicros": self.ceiling_micros,
            **first.connection_json(),
        }


def ceiling_of(stored: Mapping[str, Any] | None) -> int:
    """Of a task's stored decision, if it has one: what the task costs at most, in micro-credits."""
    micros: int = stored["ceilingMicros"] if stored is not None else 0
    return micros


@dataclass(frozen=True, slots=True)
class _Wish:
    """A name that something prefers, in its place of the order. `replaceable`: a fixed model may stand in for it."""

    name: str
    tier: str
    replaceable: bool = False


@dataclass
class _Shortlist:
    wishes: list[_Wish]
    reasons: list[str]
    is_order: bool = False


def decide(request: RoutingRequest, here: Installation) -> RoutingDecision:
    """Raises NoProvider, InvalidInput for a maxCost or a model that nothing fits, LimitExceeded for the input."""
    shortlist = _shortlist(request, here)
    candidates, reasons = _fitting(request, here, shortlist)
    if request.budget_passed and not shortlist.is_order:
        reasons.append("a soft budget is used up: the budget tier goes first")
        candidates.sort(key=lambda candidate: (candidate.tier != BUDGET, candidate.price.output))
    for candidate in [each for each in candidates if each.ref in here.unhealthy]:
        reasons.append(f"{candidate.ref} is tried last: {here.unhealthy[candidate.ref]}")
        candidates.append(candidates.pop(candidates.index(candidate)))
    usual = Usage(request.input_tokens // 2, max(1, candidates[0].max_tokens // USUAL_SHARE_OF_OUTPUT))
    return RoutingDecision(
        candidates=candidates,
        reasons=reasons,
        estimated_micros=min(cost_micros(candidates[0].price, usual), ceiling(request, candidates[:1])),
        ceiling_micros=ceiling(request, candidates),
    )


def ceiling(request: RoutingRequest, candidates: Iterable[Candidate]) -> int:
    """What the dearest of them costs at most."""
    return max(cost_micros(each.price, Usage(request.input_tokens, each.max_tokens)) for each in candidates)


def _shortlist(request: RoutingRequest, here: Installation) -> _Shortlist:
    if request.model is not None:
        return _Shortlist([_Wish(request.model, PRIMARY)], [f"the task names {request.model}"], is_order=True)
    if request.worker_provider is not None:
        if request.worker_provider not in here.models:
            raise NoProvider(f"The worker names {request.worker_provider}, which is not configured.")
        name = f"{request.worker_provider}/{request.worker_model or here.models[request.worker_provider]}"
        return _Shortlist([_Wish(name, PRIMARY)], [f"the worker names {request.worker_provider}"], is_order=True)
    if request.policy.models:
        wishes = [_Wish(name, FALLBACK if place else PRIMARY) for place, name in enumerate(request.policy.models)]
        return _Shortlist(wishes, [f"the workspace's policy prefers {request.policy.models[0]}"])
    if request.model_class is not None:
        shortlist = _of_class(request, here, request.model_class)
    else:
        shortlist = _by_rule(request, here)
    # The document knows none of them: after all others, and first of the cheap ones.
    shortlist.wishes += [_Wish(server.name, BUDGET) for server in here.own.servers]
    return shortlist


def _by_rule(request: RoutingRequest, here: Installation) -> _Shortlist:
    rule = _rule(request)
    order = PREFERENCES[rule]
    wishes = [_Wish(f"{name}/{here.models[name]}", _tier_of(name)) for name in order if name in here.models]
    reasons = [f"{rule} prefers {order[0]}"]
    for name in order:
        if name in here.models:
            break
        reasons.append(f"{name} is not configured")
    return _Shortlist(wishes, reasons)


def _of_class(request: RoutingRequest, here: Installation, model_class: str) -> _Shortlist:
    """The document's row for this class; its rules say with which of the three to begin, unless the template does."""
    cells = {tier: request.policy.cells.get(f"{model_class}/{tier}", CELLS[model_class][tier]) for tier in TIERS}
    if request.tier is not None:
        start, reason = request.tier, f"the template asks for {model_class}/{request.tier}"
    elif request.complexity is TaskComplexity.HIGH:
        preferred = PREFERENCES["high complexity"][0]
        start = next((tier for tier in TIERS if _served_by(here, cells[tier], preferred)), PRIMARY)
        reason = f"high complexity prefers {preferred}: {model_class}/{start}"
    elif request.cost_sensitive:
        start, reason = BUDGET, f"cost-sensitive prefers {model_class}/{BUDGET}"
    else:
        start, reason = PRIMARY, f"the template's class is {model_class}"
    order = [start, *(tier for tier in (TIERS if start != BUDGET else reversed(TIERS)) if tier != start)]
    return _Shortlist([_Wish(cells[tier], tier, replaceable=True) for tier in order], [reason])


def _served_by(here: Installation, name: str, provider: str) -> bool:
    return any(model.provider == provider for model, _ in here.find(name))


def _rule(request: RoutingRequest) -> str:
    if request.complexity is TaskComplexity.HIGH:
        return "high complexity"
    return "cost-sensitive" if request.cost_sensitive else "the default"


def _tier_of(provider: str) -> str:
    return BUDGET if provider == "local" else PRIMARY


def _fitting(request: RoutingRequest, here: Installation, shortlist: _Shortlist) -> tuple[list[Candidate], list[str]]:
    """Those of the list that can do it, in order, and why; raises what was wrong with all of them."""
    reasons = list(shortlist.reasons)
    refusals: list[AppError] = []
    fitting: dict[str, Candidate] = {}
    for wish in shortlist.wishes:
        found = here.find(wish.name)
        if not found:
            refusals.append(InvalidInput(f"There is no model {wish.name}; name one as provider/model.", ("model",)))
            reasons.append(f"{wish.name} is not in the catalogue")
        for model, own in found:
            candidate = _candidate(request, here, wish, model, own)
            if isinstance(candidate, AppError):
                refusals.append(candidate)
                reasons.append(candidate.message)
            elif candidate.ref not in fitting:
                fitting[candidate.ref] = candidate
                if wish.name not in (candidate.ref, candidate.model, f"{candidate.provider}/{candidate.model}"):
                    reasons.append(f"{wish.name} is {candidate.ref} today")
                if own is not None:
                    reasons.append(
                        f"{candidate.ref} goes through the workspace's own connection {own.name}: it costs no credits, "
                        "whoever runs it bills the workspace"
                    )
    if not fitting:
        raise _refusal(here, refusals)
    return list(fitting.values()), reasons


def _candidate(
    request: RoutingRequest, here: Installation, wish: _Wish, model: Model, own: OwnConnection | None
) -> Candidate | AppError:
    if own is None and model.provider not in here.models:
        return NoProvider(f"{model.provider} is not configured")
    allowed = request.policy.providers
    if allowed is not None and allowed.isdisjoint({model.provider, own.name if own is not None else model.provider}):
        return NoProvider(f"the workspace's policy does not allow {model.provider}")
    named = own is not None and wish.name.partition("/")[0] == own.name
    if wish.replaceable and not named and model.provider in here.fixed:
        fixed = here.catalogue.of(model.provider, here.models[model.provider])
        model = fixed if fixed is not None else model
    if own is not None:
        model = replace(model, price=FREE)
    for check in _CHECKS:
        refusal = check(request, model)
        if refusal is not None:
            return refusal
    longest = [request.output_tokens, model.max_output_tokens, model.context_tokens - request.input_tokens]
    affordable = affordable_output(model.price, request.input_tokens, request.most_micros)
    tokens = min([*longest, affordable] if affordable is not None else longest)
    candidate = Candidate(model.provider, model.name, wish.tier, tokens, model.price)
    return candidate if own is None else replace(candidate, connection=own.id, connection_name=own.name)


def _capable(request: RoutingRequest, model: Model) -> AppError | None:
    missing = sorted(request.capabilities - model.capabilities)
    return NoProvider(f"{model.ref} lacks {', '.join(missing)}") if missing else None


def _roomy(request: RoutingRequest, model: Model) -> AppError | None:
    room = model.context_tokens - LEAST_OUTPUT_TOKENS
    if request.input_tokens <= room:
        return None
    message = f"{model.ref} reads {room} tokens, the task has up to {request.input_tokens}"
    return LimitExceeded(message, limit=room, actual=request.input_tokens, path=("input",))


def _affordable(request: RoutingRequest, model: Model) -> AppError | None:
    output = affordable_output(model.price, request.input_tokens, request.most_micros)
    least = min(LEAST_OUTPUT_TOKENS, request.output_tokens)
    if output is None or output >= least:
        return None
    needed = cost_micros(model.price, Usage(request.input_tokens, least))
    return InvalidInput(
        f"{model.ref} costs at least {needed} micro-credits for this task, it may cost {request.most_micros}",
        ("maxCost",),
    )


_CHECKS: tuple[Callable[[RoutingRequest, Model], AppError | None], ...] = (_capable, _roomy, _affordable)


def _refusal(here: Installation, refusals: Sequence[AppError]) -> AppError:
    if not here.models:
        return NoProvider(
            "No AI provider is configured: set OPENAI_API_KEY, ANTHROPIC_API_KEY, HUGGINGFACE_API_KEY, "
            "REPLICATE_API_TOKEN or LOCAL_BASE_URL, or start with `bizq up`."
        )
    # What the caller can mend goes before what only the operator can.
    said = "; ".join(dict.fromkeys(refusal.message.rstrip(".") for refusal in refusals))
    for refusal in refusals:
        if isinstance(refusal, LimitExceeded):
            return LimitExceeded(f"{said}.", limit=refusal.limit, actual=refusal.actual, path=refusal.path)
    for refusal in refusals:
        if isinstance(refusal, InvalidInput):
            return InvalidInput(f"{said}.", refusal.path)
    return NoProvider(f"{said}.")
