"""A new worker of the workspace."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, insert

from app import ids
from app.errors import InvalidInput
from app.models import Worker, WorkerKind
from app.principal import Permission
from app.services.provider.queries import by_name
from app.services.routing.configured import DEFAULT_MODELS
from app.services.worker.limits import KEY as LIMITS
from app.services.worker.limits import MAX_OUTPUT_TOKENS, NO_LIMITS, WorkerLimits
from app.services.worker.queries import COLUMNS
from app.unit_of_work import UnitOfWork

MAX_NAME_LENGTH = 200
MAX_MODEL_LENGTH = 200
MAX_PROMPT_LENGTH = 8_000
MAX_WORDS = 20
MAX_WORD_LENGTH = 50
MAX_TEMPERATURE = 2.0


@dataclass(frozen=True, slots=True)
class WorkerDraft:
    name: str
    kind: WorkerKind
    provider: str | None = None
    model: str | None = None
    system_prompt: str | None = None
    parameters: Any = dataclasses.field(default_factory=dict)
    capabilities: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    limits: WorkerLimits = NO_LIMITS


async def create_worker(uow: UnitOfWork, draft: WorkerDraft) -> RowMapping:
    """The worker's columns. Raises InvalidInput naming the field."""
    uow.principal.require(Permission.WORKER_WRITE)
    _check(draft)
    await _check_provider(uow, draft)
    statement = insert(Worker).values(
        id=ids.new_id(),
        workspace_id=uow.principal.workspace_id,
        name=draft.name.strip(),
        kind=draft.kind,
        provider=draft.provider,
        model=draft.model,
        system_prompt=draft.system_prompt,
        parameters=_stored(draft),
        capabilities=list(draft.capabilities),
        skills=list(draft.skills),
    )
    row = (await uow.session.execute(statement.returning(*COLUMNS))).mappings().one()
    data = {"kind": row["kind"], "provider": row["provider"], "model": row["model"]}
    uow.audit("worker.create", ids.encode(ids.WORKER, row["id"]), data)
    return row


def _stored(draft: WorkerDraft) -> dict[str, Any]:
    limits = draft.limits.as_json()
    return {**(draft.parameters or {}), **({LIMITS: limits} if limits else {})}


def _check(draft: WorkerDraft) -> None:
    _text("name", draft.name.strip(), 1, MAX_NAME_LENGTH)
    _text("model", draft.model, 1, MAX_MODEL_LENGTH)
    _text("systemPrompt", draft.system_prompt, 0, MAX_PROMPT_LENGTH)
    for name, words in (("capabilities", draft.capabilities), ("skills", draft.skills)):
        if len(words) > MAX_WORDS:
            raise InvalidInput(f"{name} has {len(words)} entries; the limit is {MAX_WORDS}.", (name,))
        for index, word in enumerate(words):
            _text(name, word, 1, MAX_WORD_LENGTH, str(index))
    if draft.kind is WorkerKind.AI:
        check_parameters(draft.parameters, "parameters")
        draft.limits.check()
        return
    for name, value in (
        ("provider", draft.provider),
        ("model", draft.model),
        ("systemPrompt", draft.system_prompt),
        ("parameters", draft.parameters),
        ("limits", draft.limits.as_json()),
    ):
        if value:
            raise InvalidInput(f"Only an AI worker has {name}.", (name,))


async def _check_provider(uow: UnitOfWork, draft: WorkerDraft) -> None:
    if draft.kind is not WorkerKind.AI or draft.provider in DEFAULT_MODELS:
        return
    if draft.provider is None or (await uow.session.execute(by_name(draft.provider))).first() is None:
        known = ", ".join(DEFAULT_MODELS)
        raise InvalidInput(
            f"provider of an AI worker is one of {known}, or the name of a connection of the workspace's own.",
            ("provider",),
        )


def _text(name: str, value: str | None, shortest: int, longest: int, *rest: str) -> None:
    if value is not None and (not shortest <= len(value) <= longest or "\0" in value):
        raise InvalidInput(f"{name} has {shortest} to {longest} characters, without NUL.", (name, *rest))


def check_parameters(parameters: Any, field: str, *also_known: str) -> None:
    """What may be said to a model. Raises InvalidInput naming the parameter, and those there are."""
    if not isinstance(parameters, dict):
        raise InvalidInput(f"{field} is a JSON object.", (field,))
    for name, value in parameters.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        match name:
            case "maxOutputTokens":
                fits = isinstance(value, int) and number and 1 <= value <= MAX_OUTPUT_TOKENS
                allowed = f"a whole number from 1 to {MAX_OUTPUT_TOKENS}"
            case "temperature":
                fits = number and 0 <= value <= MAX_TEMPERATURE
                allowed = f"a number from 0 to {MAX_TEMPERATURE:g}"
            case _:
                known = ", ".join(("maxOutputTokens", *also_known))
                raise InvalidInput(f"{name} is not a parameter; known are {known} and temperature.", (field, name))
        if not fits:
            raise InvalidInput(f"{name} is {allowed}.", (field, name))
