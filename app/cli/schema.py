"""`bizq schema`: the GraphQL schema, as partners build on it."""

import sys

from app.graphql.schema import schema as graphql_schema


def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    sys.stdout.write(graphql_schema.as_str() + "\n")
