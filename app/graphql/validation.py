"""Is a document valid? Found out in two rounds, so that to refuse one costs little, whatever is in it.

First come the rules whose work grows with the document. Only then are fields that are selected more than once compared
with each other, pair by pair and level by level, which grows much faster: that has a budget.
"""

from dataclasses import dataclass

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OverlappingFieldsCanBeMergedRule,
    ValidationContext,
    specified_rules,
    validate,
)
from graphql.validation.validate import ValidationAbortedError

from app.errors import Unauthenticated
from app.graphql.guard import QueryTooComplex
from app.graphql.limits import MAX_COMPARISONS

# Each error costs as much as many fields: some print the value that is wrong. Nobody corrects more of them at once.
MAX_ERRORS = 10
_LINEAR_RULES = tuple(rule for rule in specified_rules if rule is not OverlappingFieldsCanBeMergedRule)
_SCHEMA_FIELDS = {"__schema", "__type"}


@dataclass(frozen=True, slots=True)
class Disclosure:
    """How much of the schema a caller is told: all of it on request, and a better name for one that is wrong."""

    introspection: bool
    suggestions: bool


class _MergeRule(OverlappingFieldsCanBeMergedRule):
    def __init__(self, context: ValidationContext) -> None:
        super().__init__(context)
        self.rule_context.remaining_complexity_budget = MAX_COMPARISONS


def validation_errors(schema: GraphQLSchema, document: DocumentNode, *, suggestions: bool) -> tuple[GraphQLError, ...]:
    """The first MAX_ERRORS reasons, and one that says that there are more; none where the document is valid."""
    errors = validate(schema, document, _LINEAR_RULES, MAX_ERRORS, hide_suggestions=not suggestions)
    if errors:
        return tuple(errors)
    errors = validate(schema, document, [_MergeRule], MAX_ERRORS, hide_suggestions=not suggestions)
    if errors and len(errors) <= MAX_ERRORS and isinstance(errors[-1], ValidationAbortedError):
        return (_too_many_comparisons(),)
    return tuple(errors)


def _too_many_comparisons() -> GraphQLError:
    problem = QueryTooComplex(
        f"The document selects the same fields so often that it takes more than {MAX_COMPARISONS} comparisons to see "
        "whether they agree, which is the limit: select each once.",
        name="maxQueryComparisons",
        limit=MAX_COMPARISONS,
        actual=MAX_COMPARISONS + 1,
    )
    return GraphQLError(problem.message, original_error=problem)


def introspects(document: DocumentNode) -> bool:
    """Whether it asks for the schema, also in a fragment that nothing spreads. `__typename` tells nothing of it."""
    open_sets = [
        definition.selection_set
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode)
    ]
    while open_sets:
        for node in open_sets.pop().selections:
            if isinstance(node, FieldNode) and node.name.value in _SCHEMA_FIELDS:
                return True
            if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
                open_sets.append(node.selection_set)
    return False


class SchemaHidden(Unauthenticated):
    def __init__(self) -> None:
        super().__init__(
            "The schema is shown to callers that are known: sign in, or send an API key: Authorization: Bearer <token>."
        )
