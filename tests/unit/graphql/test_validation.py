"""What a document is told when it is not valid, and that nobody can make that cost much."""

import pytest
from graphql import DocumentNode, GraphQLError, GraphQLSchema, get_introspection_query

from app.errors import Unauthenticated
from app.graphql import documents
from app.graphql.documents import CACHED_CHARACTERS, CACHED_LONG_CHARACTERS, LONG
from app.graphql.guard import QueryLimits, QueryTooComplex
from app.graphql.limits import MAX_COMPARISONS
from app.graphql.schema import schema
from app.graphql.validation import MAX_ERRORS, Disclosure

SCHEMA = schema._schema
LIMITS = QueryLimits(tokens=2000, depth=12, aliases=30, spreads=200, directives=20, cost=1000)
OPEN = Disclosure(introspection=True, suggestions=True)
CLOSED = Disclosure(introspection=False, suggestions=False)


def messages(text: str, disclosure: Disclosure = CLOSED) -> list[str]:
    return [error.message for error in documents.problems(SCHEMA, text, None, None, LIMITS, disclosure)]


@pytest.mark.parametrize(
    "text",
    [
        "{ viewr { role } }",
        "{ viewer { rolle } }",
        "{ tasks(frst: 1) { totalCount } }",
        "{ tasks(filter: {statuss: QUEUED}) { totalCount } }",
        "{ tasks(filter: {statuses: [QUEUD]}) { totalCount } }",
        "query($filter: TaskFiltr) { tasks(filter: $filter) { totalCount } }",
        "{ tasks @skp(if: true) { totalCount } }",
        "{ node(id: 1) { ... on Taks { id } } }",
        "{ viewer { role @skip(iff: true) } }",
    ],
)
def test_names_that_would_be_right_are_told_to_nobody_by_default(text: str) -> None:
    assert messages(text)
    assert "Did you mean" not in " ".join(messages(text))


def test_where_suggestions_are_on_they_help() -> None:
    assert messages("{ viewr { role } }", OPEN) == [
        "Cannot query field 'viewr' on type 'Query'. Did you mean 'viewer'?"
    ]


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Task") { name } }',
        "{ ... { alias: __schema { queryType { name } } } }",
        "{ viewer { role } ...f } fragment f on Query { ... on Query { __schema { queryType { name } } } }",
        "query a { viewer { role } } query b { __schema { queryType { name } } }",
        get_introspection_query(),
    ],
)
def test_the_schema_is_for_callers_that_are_known(text: str) -> None:
    name = "a" if text.startswith("query a") else None
    (refused,) = documents.problems(SCHEMA, text, name, None, LIMITS, CLOSED)

    assert isinstance(refused.original_error, Unauthenticated)
    assert documents.problems(SCHEMA, text, name, None, LIMITS, OPEN) == []


def test_the_name_of_a_type_is_no_secret() -> None:
    assert messages("{ __typename viewer { __typename } }") == []


def test_errors_end_after_a_few() -> None:
    found = messages("{ " + " ".join(f"f{n}" for n in range(300)) + " }")

    assert found[:2] == ["Cannot query field 'f0' on type 'Query'.", "Cannot query field 'f1' on type 'Query'."]
    assert len(found) == MAX_ERRORS + 1
    assert found[-1].startswith("Too many validation errors")


def test_fields_that_do_not_agree_are_told() -> None:
    (conflict,) = messages("{ tasks(first: 1) { totalCount } tasks(first: 2) { totalCount } }")

    assert conflict.startswith("Fields 'tasks' conflict because they have differing arguments.")


def test_fields_that_take_long_to_compare_are_too_many() -> None:
    (refused,) = documents.problems(SCHEMA, "{" + "viewer{user{id}}" * 280 + "}", None, None, LIMITS, CLOSED)

    assert isinstance(refused.original_error, QueryTooComplex)
    assert (refused.original_error.name, refused.original_error.limit) == ("maxQueryComparisons", MAX_COMPARISONS)


def test_a_view_made_of_thirty_parts_is_not_too_many() -> None:
    part = "on Task { id __typename status worker { id name } events(first: 1) { nodes { seq kind } } }"
    parts = " ".join(f"fragment f{n} {part}" for n in range(30))
    spreads = " ".join(f"...f{n}" for n in range(30))

    assert messages(f"{{ tasks(first: 1) {{ nodes {{ {spreads} }} }} }} {parts}") == []


@pytest.fixture
def validated(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The documents that were validated anew."""
    texts: list[str] = []

    def validate(schema: GraphQLSchema, document: DocumentNode, *, suggestions: bool) -> tuple[GraphQLError, ...]:
        assert document.loc is not None
        texts.append(document.loc.source.body)
        return ()

    monkeypatch.setattr(documents, "validation_errors", validate)
    return texts


@pytest.mark.parametrize(("length", "characters"), [(LONG, CACHED_CHARACTERS), (2 * LONG, CACHED_LONG_CHARACTERS)])
def test_as_many_documents_are_remembered_as_their_length_allows(
    validated: list[str], length: int, characters: int
) -> None:
    fit = characters // length
    texts = [f"{{ viewer {{ role }} }}#{length}-{n}".ljust(length, "x") for n in range(fit + 1)]

    for text in [*texts, texts[-1], texts[1], texts[0]]:
        assert messages(text) == []

    assert validated == [*texts, texts[0]]


def test_long_documents_do_not_drive_out_short_ones(validated: list[str]) -> None:
    short = "{ viewer { role } } # short"
    messages(short)
    for n in range(50):
        messages(f"{{ viewer {{ role }} }} # {n}".ljust(200_000, "x"))

    messages(short)

    assert validated.count(short) == 1
