"""What a model is asked: the template's prompt with the task's input, or the task itself where there is none."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from app.providers.chat import ChatRequest, Message
from app.services.routing.decide import Candidate
from app.services.task.queries import Columns
from app.services.template.render import render
from app.services.template.schema_check import resolve_output_schema

DEFAULT_MAX_TOKENS = 1024
_PLAIN_SYSTEM = "You do business tasks. Answer with the result only, ready to use, without comments."


@dataclass(frozen=True, slots=True)
class Prompt:
    """A request without its model; `output_schema` is what the answer has to fit, if anything."""

    system: str
    user: str
    output_schema: dict[str, Any] | None
    max_tokens: int
    temperature: float | None


def build(task: Columns, version: Mapping[str, Any] | None, worker: Mapping[str, Any] | None) -> Prompt:
    """`task` has a type and an input; `version` and `worker` are the rows that it names, or None."""
    parameters: dict[str, Any] = {
        **(version["config"] if version else {}),
        **(worker["parameters"] if worker else {}),
    }
    if version is None:
        question = orjson.dumps(task["input"], option=orjson.OPT_INDENT_2).decode()
        system, user, schema = _PLAIN_SYSTEM, f"Task: {task['type']}\n\nInput:\n{question}", None
    else:
        rendered = render(version["prompt"], task["input"])
        system, user = rendered.system, rendered.user
        schema = version["output_schema"] and resolve_output_schema(version["output_schema"], task["input"])
    if worker is not None and worker["system_prompt"]:
        system = f"{worker['system_prompt']}\n\n{system}".strip()
    return Prompt(
        system=system,
        user=user,
        output_schema=schema,
        max_tokens=parameters.get("maxOutputTokens", DEFAULT_MAX_TOKENS),
        temperature=parameters.get("temperature"),
    )


def request(asked: Prompt, candidate: Candidate, messages: tuple[Message, ...], task: Columns) -> ChatRequest:
    """To the candidate, on its terms. `task` is the row of the running attempt."""
    return ChatRequest(
        model=candidate.model,
        system=asked.system,
        messages=messages,
        max_tokens=candidate.max_tokens,
        temperature=asked.temperature,
        json_schema=asked.output_schema,
        idempotency_key=_idempotency_key(asked.system, messages, candidate, task),
    )


def _idempotency_key(system: str, messages: tuple[Message, ...], candidate: Candidate, task: Columns) -> str:
    """A vendor who knows the key does not do the call twice: that of an attempt whose worker was lost, perhaps after
    the answer and before it was recorded, is that of the attempt which follows it. A failed call's is not used again.
    """
    said = orjson.dumps([candidate.ref, candidate.max_tokens, system, *((turn.role, turn.text) for turn in messages)])
    number = task["attempt"] - task["attempts_lost"]
    return f"{task['id']}-{number}-{hashlib.sha256(said).hexdigest()[:16]}"
