"""A JSON Schema validator whose work is bounded by a budget of steps, and whose patterns take linear time."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from functools import lru_cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend
from referencing import Registry

from app.services.template.pattern import Pattern

MAX_STEPS = 100_000
COMPILED_PATTERNS = 512

_PAIRS_PER_STEP = 4
_Keyword = Callable[[Validator, Any, Any, Any], Iterable[ValidationError] | None]
_steps_left: ContextVar[int] = ContextVar("steps_left", default=MAX_STEPS)


class OutOfSteps(Exception):
    """The value is too large for this schema, or the schema multiplies too much."""


def bounded_validator(schema: Mapping[str, Any]) -> Validator:
    """A validator that fetches nothing. The schema is one that `schema_check` lets through."""
    validator: Validator = _BoundedValidator(schema, registry=Registry())
    return validator


def first_error(validator: Validator, value: Any) -> ValidationError | None:
    """Raises OutOfSteps; also RecursionError, OverflowError or ValueError for absurd values."""
    _steps_left.set(MAX_STEPS)
    return next(iter(validator.iter_errors(value)), None)


@lru_cache(maxsize=COMPILED_PATTERNS)
def compiled_pattern(source: str) -> Pattern:
    """Raises PatternSyntaxError or PatternTooLarge."""
    return Pattern(source)


def _spend(steps: int) -> None:
    left = _steps_left.get() - steps
    if left < 0:
        raise OutOfSteps
    _steps_left.set(left)


def _matches(validator: Validator, pattern: str, instance: object, schema: object) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not compiled_pattern(pattern).search(instance, _spend):
        yield ValidationError("does not match")


def _counted(keyword: _Keyword) -> _Keyword:
    """The keyword, paying for its work: a step, and one for each member of a list it compares with."""

    def check(validator: Validator, value: Any, instance: Any, schema: Any) -> Iterable[ValidationError]:
        _spend(1 + (len(value) if isinstance(value, list) else 0))
        return keyword(validator, value, instance, schema) or ()

    return check


def _unique(validator: Validator, value: Any, instance: Any, schema: Any) -> Iterable[ValidationError]:
    # jsonschema compares every pair where the items cannot be sorted.
    _spend(len(instance) ** 2 // _PAIRS_PER_STEP if isinstance(instance, list) else 0)
    return Draft202012Validator.VALIDATORS["uniqueItems"](validator, value, instance, schema) or ()


_BoundedValidator = extend(  # type: ignore[no-untyped-call]  # the stubs leave `extend` untyped
    Draft202012Validator,
    {
        name: _counted(keyword)
        for name, keyword in {
            **Draft202012Validator.VALIDATORS,
            "pattern": _matches,
            "uniqueItems": _unique,
        }.items()
    },
)
