"""From a model's text to a task's output: parsed, cleaned, checked, and asked for again once where it does
not fit.

PostgreSQL stores neither NUL characters nor lone surrogates, and a small model under a JSON grammar does
write `\\u0000` and half an emoji. Both are removed, from names as well: they carry no meaning, and losing
a whole answer for one of them helps nobody. Numbers beyond a double or 64 bits make an answer invalid.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Literal, NoReturn

import orjson

from app.errors import AppError, ErrorCode
from app.services.template.schema_check import find_problem

MAX_QUOTED_ANSWER = 8_000

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_MAX_CANDIDATES = 20


class OutputInvalid(AppError):
    """The answer is not what the template's output schema asks for; `problem` says briefly what is wrong."""

    code = ErrorCode.INVALID_STATE
    reason = "output_invalid"

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"The model's answer does not fit the output schema: {problem}.", ("output",))


def parse_output(text: str, schema: Mapping[str, Any] | None) -> Any:
    """The output for the task row. Without a schema it is `{"text": text}`.

    With one: the JSON value that the text is, or else the first JSON object in it, prose and code fences
    around it left out. Raises OutputInvalid.
    """
    if schema is None:
        return {"text": storable(text)}
    value = _storable_value(_json_in(text))
    problem = find_problem(schema, value)
    if problem is not None:
        raise OutputInvalid(f"{'.'.join(('output', *problem.path))} {problem.expected}")
    try:
        orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise OutputInvalid("it holds a number too large to store") from None
    return value


def repair_messages(request_user: str, bad_text: str, problem: str) -> list[tuple[Literal["user", "assistant"], str]]:
    """The turns that ask for the answer again: the request, the answer, what is wrong with it.

    Vendors refuse an empty turn, so an empty answer is left out and the two user turns become one.
    """
    correction = (
        f"Your answer does not fit the required format: {problem}. "
        "Answer the request again, with one JSON object in the required format and nothing else."
    )
    answer = storable(bad_text).strip()[:MAX_QUOTED_ANSWER]
    if not answer:
        return [("user", f"{request_user}\n\n{correction}")]
    return [("user", request_user), ("assistant", answer), ("user", correction)]


def storable(text: str) -> str:
    """The text without NUL characters and lone surrogates."""
    return _UNSTORABLE.sub("", text)


def _storable_value(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, list):
        return [_storable_value(item) for item in value]
    if isinstance(value, dict):
        return {storable(name): _storable_value(item) for name, item in value.items()}
    return value


def _json_in(text: str) -> Any:
    try:
        return _DECODER.decode(text)
    except (ValueError, RecursionError):
        pass
    start = -1
    for _ in range(_MAX_CANDIDATES):
        start = text.find("{", start + 1)
        if start < 0:
            break
        try:
            return _DECODER.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            continue
    raise OutputInvalid("it holds no complete JSON object")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if abs(number) != float("inf") else _refuse(digits)


# Raw line breaks inside strings are let through: models that are not held to a grammar write them.
_DECODER = json.JSONDecoder(strict=False, parse_constant=_refuse, parse_float=_finite)
