"""What a workspace wants of routing: read, and set as a whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, Select, func, select
from sqlalchemy.dialects import postgresql as pg

from app import ids
from app.errors import AppError, InvalidInput, LimitExceeded
from app.models import RoutingPolicy
from app.principal import Permission
from app.services.routing.catalogue import CELLS, TIERS
from app.services.routing.decide import Installation, NoProvider, Policy, RoutingRequest, decide
from app.services.routing.policy import MAX_MODELS
from app.unit_of_work import UnitOfWork

MAX_NAME_LENGTH = 250
_POLICY = RoutingPolicy.__table__.c  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Cell:
    """An entry of the document's table that is replaced."""

    model_class: str
    tier: str
    model: str


@dataclass(frozen=True, slots=True)
class PolicyDraft:
    """As Policy; of `providers` none means any."""

    models: Sequence[str] = ()
    cells: Sequence[Cell] = ()
    providers: Sequence[str] = ()

    @property
    def policy(self) -> Policy:
        cells = {f"{cell.model_class}/{cell.tier}": cell.model for cell in self.cells}
        return Policy(self.models, cells, frozenset(self.providers) or None)


def policy_of_workspace() -> Select[Any]:
    """Of the present workspace; no row where it has set none."""
    return select(*_POLICY).where(_POLICY.workspace_id == func.current_workspace_id())


async def set_policy(uow: UnitOfWork, draft: PolicyDraft, here: Installation) -> RowMapping:
    """In the place of what was set before. Raises Forbidden; InvalidInput or LimitExceeded naming the value; and
    NoProvider for a policy by which no task would find a model on this installation."""
    uow.principal.require(Permission.WORKSPACE_UPDATE)
    check(draft, here)
    policy = draft.policy
    values = {"models": list(policy.models), "cells": dict(policy.cells), "providers": sorted(policy.providers or ())}
    statement = (
        pg.insert(RoutingPolicy)
        .values(workspace_id=uow.principal.workspace_id, **values)
        .on_conflict_do_update(index_elements=["workspace_id"], set_={**values, "changed_at": func.now()})
        .returning(*_POLICY)
    )
    row = (await uow.session.execute(statement)).mappings().one()
    uow.audit("routing_policy.set", ids.encode(ids.WORKSPACE, uow.principal.workspace_id), values)
    return row


def check(draft: PolicyDraft, here: Installation) -> None:
    """Raises as `set_policy` does."""
    if len(draft.models) > MAX_MODELS:
        message = f"models has {len(draft.models)} entries; the limit is {MAX_MODELS}."
        raise LimitExceeded(message, limit=MAX_MODELS, actual=len(draft.models), path=("models",))
    _check_providers(draft, here)
    for place, name in enumerate(draft.models):
        _check_model(here, name, ("models", str(place)))
    places: set[tuple[str, str]] = set()
    for number, cell in enumerate(draft.cells):
        _check_cell(here, cell, ("cells", str(number)))
        if (cell.model_class, cell.tier) in places:
            raise InvalidInput(f"{cell.model_class}/{cell.tier} is replaced twice.", ("cells", str(number)))
        places.add((cell.model_class, cell.tier))
    _check_reachable(draft, here)


def _check_providers(draft: PolicyDraft, here: Installation) -> None:
    known = sorted({model.provider for model in here.catalogue.models})
    for place, name in enumerate(draft.providers):
        if name not in known:
            raise InvalidInput(f"There is no such provider; known are {', '.join(known)}.", ("providers", str(place)))
    if draft.providers and not set(draft.providers) & set(here.models):
        configured = ", ".join(sorted(here.models)) or "none"
        message = f"None of these providers is configured here, so no task could run; configured: {configured}."
        raise NoProvider(message, ("providers",))


def _check_model(here: Installation, name: str, path: tuple[str, ...]) -> None:
    # A provider's "any model" takes every name.
    if len(name) > MAX_NAME_LENGTH or "\0" in name or not here.catalogue.find(name, here.models):
        raise InvalidInput("There is no such model; name one of the catalogue, or provider/model.", path)


def _check_cell(here: Installation, cell: Cell, path: tuple[str, ...]) -> None:
    if cell.model_class not in CELLS:
        raise InvalidInput(f"modelClass is one of {', '.join(CELLS)}.", (*path, "modelClass"))
    if cell.tier not in TIERS:
        raise InvalidInput(f"tier is one of {', '.join(TIERS)}.", (*path, "tier"))
    _check_model(here, cell.model, (*path, "model"))


def _check_reachable(draft: PolicyDraft, here: Installation) -> None:
    """By the decision itself: for a task without a template, and for one of each class whose cells are replaced."""
    classes = [None, *dict.fromkeys(cell.model_class for cell in draft.cells)] if here.models else []
    for model_class in classes:
        try:
            decide(RoutingRequest(policy=draft.policy, model_class=model_class), here)
        except AppError as error:
            path = ("cells",) if model_class else ("models",) if draft.models else ("providers",)
            raise NoProvider(f"No task could run by this policy: {error.message}", path) from error
