"""The templates that every workspace has. One JSON file for each; its name is the slug.

A file's prompt is two lists of lines, `system` and `user`; loaded, they are one text in the form `render`
reads: the system part, a line `---`, the user part. `config` is what a task takes from its template:
`maxOutputTokens`, `temperature`, and the `modelClass` that routing reads.

The output schemas stay within what all our providers enforce (OpenAI strict, Anthropic, llama.cpp's
grammar): closed objects, everything required, no number ranges (llama.cpp has none for `number`: choices
are an `enum`), and a `maxLength` below 2,000 on every text, which is what stops a small model that would
write for ever.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from app.services.template.render import SEPARATOR


@dataclass(frozen=True, slots=True)
class BuiltinTemplate:
    """As its file says; `prompt` is in the form `render` reads."""

    slug: str
    name: str
    category: str
    description: str
    input_schema: dict[str, Any]
    output_schema: dict[str, Any]
    prompt: str
    config: dict[str, Any]


@cache
def load() -> tuple[BuiltinTemplate, ...]:
    """All of them, by slug."""
    files = (file for file in resources.files(__name__).iterdir() if file.name.endswith(".json"))
    templates = (_read(json.loads(file.read_text(encoding="utf-8"))) for file in files)
    return tuple(sorted(templates, key=lambda template: template.slug))


def _read(content: dict[str, Any]) -> BuiltinTemplate:
    system, user = ("\n".join(content["prompt"][part]) for part in ("system", "user"))
    return BuiltinTemplate(
        slug=content["slug"],
        name=content["name"],
        category=content["category"],
        description=content["description"],
        input_schema=content["inputSchema"],
        output_schema=content["outputSchema"],
        prompt=f"{system}\n{SEPARATOR}\n{user}",
        config=content["config"],
    )
