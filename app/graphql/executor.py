"""Strawberry's executor, which says of a wrong variable what is wrong with it, and no more than the caller may know."""

from typing import Any

from graphql import DocumentNode, GraphQLError, GraphQLSchema
from graphql import Executor as GraphQLExecutor
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.graphql.context import Context


class Executor(StrawberryGraphQLCoreExecutionContext):
    @classmethod
    def build(
        cls,
        schema: GraphQLSchema,
        document: DocumentNode,
        root_value: Any = None,
        context_value: Any = None,
        *arguments: Any,
        **options: Any,
    ) -> list[GraphQLError] | GraphQLExecutor[Any]:
        """graphql-core's, with suggestions of values that would be right only where these may leave the service."""
        hidden = not (isinstance(context_value, Context) and context_value.disclosure.suggestions)
        options["hide_suggestions"] = hidden
        return super().build(schema, document, root_value, context_value, *arguments, **options)
