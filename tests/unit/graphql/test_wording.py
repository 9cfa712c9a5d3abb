"""What an error says, and what it leaves out."""

from typing import Any

import pytest
from graphql import GraphQLError, GraphQLSyntaxError, parse, validate
from graphql.execution import get_variable_values

from app.graphql.schema import schema
from app.graphql.wording import LONGEST_MESSAGE, without_values

SIGN_IN = "mutation($input: SignInInput!) { signIn(input: $input) { accessToken } }"


def of_variables(value: Any) -> str:
    definitions = parse(SIGN_IN).definitions[0].variable_definitions  # type: ignore[attr-defined]
    errors = get_variable_values(schema._schema, definitions, {"input": value})
    assert isinstance(errors, list)
    return without_values(errors[0])


def of_document(text: str) -> str:
    return without_values(validate(schema._schema, parse(text))[0])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (
            {"email": "ann", "password": "hunter22", "pasword": 1},
            "Variable '$input' has invalid value: Expected value of type 'SignInInput' not to include unknown field "
            "'pasword'. Did you mean 'password'?",
        ),
        (
            {"email": "ann", "password": ["hunter22"]},
            "Variable '$input' has invalid value at .password: String cannot represent a non string value.",
        ),
        (
            "hunter22",
            "Variable '$input' has invalid value: Expected value of type 'SignInInput' to be an object.",
        ),
        (
            None,
            "Variable '$input' has invalid value: Expected value of non-null type 'SignInInput!' not to be None.",
        ),
    ],
)
def test_variables_are_not_repeated(value: Any, message: str) -> None:
    assert of_variables(value) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{ tasks(first: "hunter22") { totalCount } }', "Int cannot represent non-integer value."),
        ("{ tasks(first: 99999999999) { totalCount } }", "Int cannot represent non 32-bit signed integer value."),
        (
            'mutation { signIn(input: {email: "ann", password: "hunter22"  x: 1}) { accessToken } }',
            "Expected value of type 'SignInInput' not to include unknown field 'x'.",
        ),
        ("{ viewer }", "Field 'viewer' of type 'Viewer' must have a selection of subfields."),
        ("{ viewer { found } }", "Cannot query field 'found' on type 'Viewer'."),
    ],
)
def test_literals_are_not_repeated(text: str, message: str) -> None:
    assert of_document(text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{ signIn "hunter22" }', "Syntax Error: Expected Name, found String."),
        ('{ signIn """hunter22""" }', "Syntax Error: Expected Name, found BlockString."),
        ("{ viewer { role }", "Syntax Error: Expected Name, found <EOF>."),
        ("{ viewer { : } }", "Syntax Error: Expected Name, found ':'."),
    ],
)
def test_what_does_not_parse_is_not_repeated(text: str, message: str) -> None:
    with pytest.raises(GraphQLSyntaxError) as refused:
        parse(text)

    assert without_values(refused.value) == message


def test_a_message_ends_somewhere() -> None:
    assert without_values(GraphQLError("x" * 100_000)) == "x" * LONGEST_MESSAGE + "…"
