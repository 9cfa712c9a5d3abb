"""Fills a template's prompt with a task's input.

A prompt is one text. A first line of exactly `---` parts it into instructions for the system role above
and the request below; without one it is all request. Inside, `{{name}}` or `{{a.b}}` stands for a value of
the input, and `{{#name}}…{{/name}}` is shown only where the value is there and is neither null, false, nor
empty. Values are put in once and never read as a prompt themselves. Single braces, and `}}` at the end of
a JSON example, are plain text.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from app.errors import InvalidInput, LimitExceeded

MAX_PROMPT_CHARACTERS = 20_000
MAX_RENDERED_CHARACTERS = 1_000_000
SEPARATOR = "---"

_SEPARATOR_LINE = re.compile(r"^---[ \t]*\r?(?:\n|\Z)", re.MULTILINE)
_NAME = r"[A-Za-z_][A-Za-z0-9_-]*(?:\.[A-Za-z0-9_-]+)*"
_TAG = re.compile(rf"(?<!\{{)\{{\{{\s*([#/]?)\s*({_NAME})\s*\}}\}}")
# What somebody meant as a tag: opened and not closed, or closed and opened with one brace.
_MALFORMED = re.compile(rf"\{{\{{|(?<!\{{)\{{\s*[#/]?\s*{_NAME}\s*\}}\}}")


class RenderedPrompt(NamedTuple):
    """What goes to the model. `system` may be empty."""

    system: str
    user: str


class _Tag(NamedTuple):
    """`sign` is "#" where a block opens, "/" where it ends, "" for a value; `before` is the text before."""

    before: str
    sign: str
    name: str


def render(prompt: str, input: Mapping[str, Any]) -> RenderedPrompt:
    """Text values as they are, lists of texts joined by commas, anything else as compact JSON.

    Raises InvalidInput for a malformed prompt, or naming the input that a placeholder needs and did not get;
    LimitExceeded where the result would be longer than MAX_RENDERED_CHARACTERS.
    """
    system, user = _parts(prompt)
    rendered = RenderedPrompt(_fill(system, input).strip(), _fill(user, input).strip())
    length = len(rendered.system) + len(rendered.user)
    if length > MAX_RENDERED_CHARACTERS:
        raise _too_long(length)
    return rendered


def placeholders(prompt: str) -> set[str]:
    """The names in the prompt, of values and of blocks, with their dots. Raises InvalidInput if malformed."""
    return {tag.name for part in _parts(prompt) for tag in _parse(part)[0]}


def check_prompt(prompt: str, input_schema: Mapping[str, Any] | None) -> None:
    """Raises InvalidInput naming the malformed tag, or the variable that the input schema does not have.

    Without a schema, or with one that names no properties, any variable may come. LimitExceeded where the
    prompt is longer than MAX_PROMPT_CHARACTERS.
    """
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise LimitExceeded(
            f"prompt is {len(prompt)} characters; the limit is {MAX_PROMPT_CHARACTERS}.",
            limit=MAX_PROMPT_CHARACTERS,
            actual=len(prompt),
            path=("prompt",),
        )
    if not _parts(prompt)[1].strip():
        raise InvalidInput(
            "prompt has no request: there must be text, below the --- line if there is one.", ("prompt",)
        )
    known = (input_schema or {}).get("properties")
    for name in sorted(placeholders(prompt)):
        if isinstance(known, Mapping) and name.partition(".")[0] not in known:
            raise InvalidInput(f"prompt uses {{{{{name}}}}}, which inputSchema does not define.", ("prompt",))


def _parts(prompt: str) -> tuple[str, str]:
    line = _SEPARATOR_LINE.search(prompt)
    return (prompt[: line.start()], prompt[line.end() :]) if line else ("", prompt)


def _parse(text: str) -> tuple[list[_Tag], str]:
    """The tags, with the text before each, and the text after the last. Blocks are closed in order."""
    tags: list[_Tag] = []
    open_blocks: list[str] = []
    at = 0
    for match in _TAG.finditer(text):
        tag = _Tag(_plain(text[at : match.start()]), match[1], match[2])
        if tag.sign == "#":
            open_blocks.append(tag.name)
        elif tag.sign == "/" and (not open_blocks or open_blocks.pop() != tag.name):
            raise InvalidInput(f"prompt ends a block with {{{{/{tag.name}}}}} that is not open there.", ("prompt",))
        tags.append(tag)
        at = match.end()
    if open_blocks:
        raise InvalidInput(f"prompt opens {{{{#{open_blocks[-1]}}}}} and does not end it.", ("prompt",))
    return tags, _plain(text[at:])


def _plain(text: str) -> str:
    malformed = _MALFORMED.search(text)
    if malformed:
        excerpt = text[malformed.start() : malformed.start() + 40]
        raise InvalidInput(f"prompt has malformed braces at “{excerpt}”: a variable is {{{{name}}}}.", ("prompt",))
    return text


def _fill(text: str, values: Mapping[str, Any]) -> str:
    tags, rest = _parse(text)
    written: list[str] = []
    length = 0
    hidden = 0  # how many of the open blocks are not shown; inside them only the nesting counts
    for tag in tags:
        piece = "" if hidden else tag.before
        if tag.sign == "#":
            hidden += bool(hidden) or not _shown(tag.name, values)
        elif tag.sign == "/":
            hidden -= bool(hidden)
        elif not hidden:
            piece += _value(tag.name, values)
        written.append(piece)
        length += len(piece)
        if length > MAX_RENDERED_CHARACTERS:
            raise _too_long(length)
    return "".join(written) + rest


def _shown(name: str, values: Any) -> bool:
    found, value = _lookup(name, values)
    return found and value is not None and value is not False and value not in ("", [], {})


def _value(name: str, values: Any) -> str:
    found, value = _lookup(name, values)
    path = ("input", *name.split("."))
    if not found:
        raise InvalidInput(f"input.{name} is required: the template's prompt uses it.", path)
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _lookup(name: str, values: Any) -> tuple[bool, Any]:
    """Whether the dotted path leads to a value, and the value."""
    for step in name.split("."):
        if not isinstance(values, Mapping) or step not in values:
            return False, None
        values = values[step]
    return True, values


def _too_long(length: int) -> LimitExceeded:
    return LimitExceeded(
        f"The prompt with its input is at least {length} characters; the limit is {MAX_RENDERED_CHARACTERS}.",
        limit=MAX_RENDERED_CHARACTERS,
        actual=length,
        path=("input",),
    )
