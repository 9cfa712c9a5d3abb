"""Documents as clients send them: parsed, measured and validated once, however often they come."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from functools import wraps
from typing import Any, Generic, TypeVar, TypeVarTuple

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLSchema,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    get_operation_ast,
    parse,
)
from strawberry.extensions import SchemaExtension

from app.errors import InvalidInput
from app.graphql import guard
from app.graphql.context import Context
from app.graphql.guard import QueryLimits, QueryTooComplex, Size
from app.graphql.validation import Disclosure, SchemaHidden, introspects, validation_errors
from app.settings import Settings

# Together, in characters. A document of nothing but names has two objects for each: with ten times as many, each full
# collection of garbage would stop the process for a second.
CACHED_CHARACTERS = 300_000
# Longer ones, which a stranger may send to drive the others out, have a memory of their own.
LONG = 8_192
CACHED_LONG_CHARACTERS = 600_000
# The parser says so, and nothing else does.
_TOO_MANY_TOKENS = "Document contains more than"

Ts = TypeVarTuple("Ts")
R = TypeVar("R")


def remembered(function: Callable[[*Ts], R]) -> Callable[[*Ts], R]:
    """Its results for the documents that were used last. The document is the first text among the arguments."""

    def length(args: tuple[*Ts]) -> int:
        return next(len(value) for value in args if isinstance(value, str))

    def weigh(args: tuple[*Ts], result: R) -> int:
        return length(args)

    short, long = Memory(CACHED_CHARACTERS, function, weigh), Memory(CACHED_LONG_CHARACTERS, function, weigh)

    @wraps(function)
    def remembering(*args: *Ts) -> R:
        return (short if length(args) <= LONG else long).result(args)

    return remembering


class Memory(Generic[*Ts, R]):
    """A function's results that were used last, as long as they weigh no more than there is room for, together."""

    def __init__(self, room: int, function: Callable[[*Ts], R], weigh: Callable[[tuple[*Ts], R], int]) -> None:
        self._left = room
        self._function = function
        self._weigh = weigh
        self._known: OrderedDict[tuple[*Ts], tuple[R, int]] = OrderedDict()

    def result(self, args: tuple[*Ts]) -> R:
        found = self._known.get(args)
        if found is not None:
            self._known.move_to_end(args)
            return found[0]
        result = self._function(*args)
        weight = self._weigh(args, result)
        self._known[args] = (result, weight)
        self._left -= weight
        while self._left < 0:
            _, (_, freed) = self._known.popitem(last=False)
            self._left += freed
        return result


def limits_of(settings: Settings) -> QueryLimits:
    return QueryLimits(
        tokens=settings.bizq_max_query_tokens,
        depth=settings.bizq_max_query_depth,
        aliases=settings.bizq_max_query_aliases,
        spreads=settings.bizq_max_query_spreads,
        directives=settings.bizq_max_query_directives,
        cost=settings.bizq_max_query_cost,
    )


@remembered
def parse_document(text: str, max_tokens: int) -> DocumentNode:
    """Raises GraphQLSyntaxError, or QueryTooComplex as soon as there are too many tokens."""
    try:
        return parse(text, max_tokens=max_tokens)
    except GraphQLSyntaxError as error:
        if _TOO_MANY_TOKENS not in error.message:
            raise
        message = f"The document has more than {max_tokens} tokens, which is the limit."
        raise QueryTooComplex(message, name="maxQueryTokens", limit=max_tokens, actual=max_tokens + 1) from None


def operation_of(text: str, name: str | None, limits: QueryLimits) -> OperationDefinitionNode | None:
    """The operation that would be executed; None where the document does not say which, or cannot be read."""
    try:
        return get_operation_ast(parse_document(text, limits.tokens), name)
    except (GraphQLSyntaxError, QueryTooComplex):
        return None


def price(
    schema: GraphQLSchema, text: str, name: str | None, variables: Mapping[str, Any] | None, limits: QueryLimits
) -> int:
    """What the operation costs, in points: 1 at least, and where it is going to be refused for another reason."""
    if operation_of(text, name, limits) is None:
        return 1
    cost = _measured(schema, text, name, variables, limits).cost
    return guard.points(cost) if cost <= limits.cost else 1


def problems(
    schema: GraphQLSchema,
    text: str,
    name: str | None,
    variables: Mapping[str, Any] | None,
    limits: QueryLimits,
    disclosure: Disclosure,
) -> list[GraphQLError]:
    """Why this operation of a document that parses is not to be executed; empty where it may be."""
    document = parse_document(text, limits.tokens)
    operation = get_operation_ast(document, name)
    if operation is not None:
        try:
            guard.check(_measured(schema, text, name, variables, limits), limits)
        except QueryTooComplex as error:
            return [GraphQLError(error.message, original_error=error)]
    elif name is None:
        missing = InvalidInput("The document has several operations: say which in operationName.", ("operationName",))
        return [GraphQLError(missing.message, original_error=missing)]
    if not disclosure.introspection and _introspects(text, limits.tokens):
        hidden = SchemaHidden()
        return [GraphQLError(hidden.message, original_error=hidden)]
    # Copies: each answer writes its own request id into its errors.
    return [
        GraphQLError(error.message, error.nodes, error.source, error.positions, error.path, error.original_error)
        for error in _validation_errors(schema, text, limits.tokens, disclosure.suggestions)
    ]


def _measured(
    schema: GraphQLSchema, text: str, name: str | None, variables: Mapping[str, Any] | None, limits: QueryLimits
) -> Size:
    given = variables or {}
    pages = tuple((each, given[each]) for each in _page_variables(text, limits.tokens) if _is_int(given.get(each)))
    return _size(schema, text, name, limits.tokens, pages)


def _is_int(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@remembered
def _page_variables(text: str, max_tokens: int) -> tuple[str, ...]:
    return tuple(sorted(guard.page_variables(parse_document(text, max_tokens))))


@remembered
def _size(
    schema: GraphQLSchema, text: str, name: str | None, max_tokens: int, pages: tuple[tuple[str, int], ...]
) -> Size:
    document = parse_document(text, max_tokens)
    operation = get_operation_ast(document, name)
    assert operation is not None
    return guard.measure(schema, document, operation, dict(pages))


@remembered
def _introspects(text: str, max_tokens: int) -> bool:
    return introspects(parse_document(text, max_tokens))


@remembered
def _validation_errors(
    schema: GraphQLSchema, text: str, max_tokens: int, suggestions: bool
) -> tuple[GraphQLError, ...]:
    return validation_errors(schema, parse_document(text, max_tokens), suggestions=suggestions)


class Documents(SchemaExtension):
    """Puts all that in front of Strawberry's execution."""

    def on_parse(self) -> Iterator[None]:
        execution = self.execution_context
        limits = self._limits()
        # Left to Strawberry: raised from here, a socket's operation would end without an answer.
        with suppress(GraphQLSyntaxError):
            execution.graphql_document = parse_document(execution.query or "", limits.tokens)
        yield

    def on_validate(self) -> Iterator[None]:
        execution = self.execution_context
        execution.pre_execution_errors = problems(
            execution.schema._schema,
            execution.query or "",
            execution._provided_operation_name,
            execution.variables,
            self._limits(),
            self._context.disclosure,
        )
        yield

    def _limits(self) -> QueryLimits:
        return self._context.resources.query_limits

    @property
    def _context(self) -> Context:
        context = self.execution_context.context
        assert isinstance(context, Context)
        return context
