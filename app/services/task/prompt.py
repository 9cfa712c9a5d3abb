"""What a model is asked: the template's prompt with the task's input, or the task itself where there is none."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import RowMapping

from app.providers.chat import ChatRequest, Message
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

    def request(self, model: str, turns: tuple[Message, ...], key: str) -> ChatRequest:
        return ChatRequest(
            model=model,
            system=self.system,
            messages=turns,
            max_tokens=self.max_tokens,
            temperature=self.temperature,
            json_schema=self.output_schema,
            idempotency_key=key,
        )


def build(task: RowMapping, version: RowMapping | None, worker: RowMapping | None) -> Prompt:
    """`version` and `worker` are the rows that the task names, or None."""
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


def idempotency_key(task_id: UUID, attempt: int, turn: int) -> str:
    """The same call has the same key, so that a vendor who knows it does not do it twice."""
    return f"{task_id}-{attempt}-{turn}"
