"""Documents as clients send them: parsed and validated once, however often they come."""

from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache

from graphql import DocumentNode, GraphQLSyntaxError, OperationDefinitionNode, get_operation_ast, parse
from strawberry.extensions import SchemaExtension

CACHED_DOCUMENTS = 1000


@lru_cache(maxsize=CACHED_DOCUMENTS)
def parse_document(text: str) -> DocumentNode:
    """Raises GraphQLSyntaxError."""
    return parse(text)


def operation_of(text: str, name: str | None) -> OperationDefinitionNode | None:
    """The operation that would be executed; None where the document does not say which, or does not parse."""
    try:
        return get_operation_ast(parse_document(text), name)
    except GraphQLSyntaxError:
        return None


class DocumentCache(SchemaExtension):
    """Leaves what does not parse to Strawberry; raised from here, a socket's operation would end without an answer."""

    def on_parse(self) -> Iterator[None]:
        execution = self.execution_context
        with suppress(GraphQLSyntaxError):
            execution.graphql_document = parse_document(execution.query or "")
        yield
