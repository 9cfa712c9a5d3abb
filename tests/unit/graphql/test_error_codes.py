"""From what went wrong to the code that clients branch on."""

import pytest
from graphql import GraphQLError, GraphQLSyntaxError, Source, parse, validate

from app.errors import AppError, Conflict, Forbidden, InvalidInput, LimitExceeded, NotFound, Unauthenticated
from app.graphql.errors import (
    UNEXPECTED,
    GenericError,
    LimitError,
    publish,
    top_level_code,
    user_error,
)
from app.graphql.schema import schema


@pytest.mark.parametrize(
    ("original", "code"),
    [
        (Unauthenticated("Sign in."), "UNAUTHENTICATED"),
        (Forbidden("No."), "FORBIDDEN"),
        (NotFound("Task", "task_x"), "NOT_FOUND"),
        (InvalidInput("Wrong."), "BAD_USER_INPUT"),
        (LimitExceeded("Too many.", limit=1, actual=2), "BAD_USER_INPUT"),
        (Conflict("Taken."), "BAD_USER_INPUT"),
        (RuntimeError("secret"), "INTERNAL"),
        (None, "INTERNAL"),
    ],
)
def test_what_a_resolver_raised(original: Exception | None, code: str) -> None:
    error = GraphQLError("said", path=["field"], original_error=original)

    assert top_level_code(error) == code


def test_bug_that_is_not_at_any_place_is_ours() -> None:
    assert top_level_code(GraphQLError("secret", original_error=RuntimeError("secret"))) == "INTERNAL"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("Variable '$id' has invalid value: Expected value of non-null type 'ID!' not to be None.", "BAD_USER_INPUT"),
        ("Variable '$id' has invalid value at .a[0]: no.", "BAD_USER_INPUT"),
        ("Variable '$id' is not defined.", "GRAPHQL_VALIDATION_FAILED"),
        ("Variable '$id' is never used.", "GRAPHQL_VALIDATION_FAILED"),
        ("Cannot query field 'nothing' on type 'Query'.", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
def test_what_graphql_found_before_anything_ran(message: str, code: str) -> None:
    assert top_level_code(GraphQLError(message, positions=[0], source=Source("{ a }"))) == code


def test_document_that_does_not_parse() -> None:
    with pytest.raises(GraphQLSyntaxError) as refused:
        parse("{")

    assert top_level_code(refused.value) == "GRAPHQL_PARSE_FAILED"


def test_literal_that_is_too_much_for_python_is_the_callers_fault() -> None:
    (error,) = validate(schema._schema, parse(f"{{ tasks(first: {'9' * 5_000}) {{ totalCount }} }}"))

    assert top_level_code(error) == "GRAPHQL_VALIDATION_FAILED"


def test_bug_loses_its_message_and_a_known_failure_keeps_it() -> None:
    bug = GraphQLError("secret", path=["a"], original_error=RuntimeError("secret"))
    limit = LimitExceeded("Too many.", limit=1, actual=2, path=("first",))
    known = GraphQLError(limit.message, path=["a"], original_error=limit)

    publish(bug, "request")
    publish(known, "request")

    assert (bug.message, bug.extensions) == (UNEXPECTED, {"code": "INTERNAL", "requestId": "request"})
    assert known.message == "Too many."
    assert known.extensions == {
        "code": "BAD_USER_INPUT",
        "requestId": "request",
        "path": ["first"],
        "limit": 1,
        "actual": 2,
    }


@pytest.mark.parametrize(
    ("error", "prefix", "path"),
    [
        (InvalidInput("Wrong.", ("email",)), ("input",), ["input", "email"]),
        (InvalidInput("Wrong.", ("email",)), (), ["email"]),
        (InvalidInput("Wrong."), ("input",), None),
    ],
)
def test_error_of_a_payload_leads_to_the_value(
    error: AppError, prefix: tuple[str, ...], path: list[str] | None
) -> None:
    shown = user_error(error, prefix)

    assert isinstance(shown, GenericError)
    assert (shown.code, shown.message, shown.path) == (error.code, "Wrong.", path)


def test_limit_in_a_payload_says_both_numbers() -> None:
    shown = user_error(LimitExceeded("Too many.", limit=3, actual=4, path=("tags",)), ("input",))

    assert isinstance(shown, LimitError)
    assert (shown.limit, shown.actual, shown.path) == (3, 4, ["input", "tags"])
