"""`python -m tests.role_matrix`: who may use which operation, as a Markdown table. With `--write` into ARCHITECTURE.md.

The operations are the schema's, what each needs is in app/graphql/permissions.py, and what roles may in
app/principal.py; tests/integration/api/test_role_matrix.py tries every cell.
"""

import argparse
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphql import (
    GraphQLArgument,
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from app.graphql.node import KINDS
from app.graphql.permissions import MUTATION, NODE, QUERY, SUBSCRIPTION, Access, InPerson, Need
from app.graphql.schema import schema
from app.principal import PERMISSIONS, Permission, Role

DOCUMENT = Path(__file__).parent.parent / "ARCHITECTURE.md"
START, END = "<!-- permissions -->", "<!-- /permissions -->"
ROLES = (Role.VIEWER, Role.MEMBER, Role.ADMIN, Role.OWNER)
UNAUTHENTICATED, FORBIDDEN = "UNAUTHENTICATED", "FORBIDDEN"
_NEEDS = {"query": QUERY, "mutation": MUTATION, "subscription": SUBSCRIPTION}
_SCALARS = {"ID": "x", "String": "x", "Int": 1, "Float": 1.0, "Boolean": True, "JSON": {}}


@dataclass(frozen=True, slots=True)
class Caller:
    """A person with a role, a key with one scope made by an owner, or neither: nobody."""

    role: Role | None = None
    scope: Permission | None = None

    def __str__(self) -> str:
        return self.scope or self.role or "anonymous"

    def refusal(self, need: Need) -> str | None:
        """The code that they are refused with; None for what they may do."""
        if need is Access.ANYBODY:
            return None
        if self.role is None and self.scope is None:
            return UNAUTHENTICATED
        if self.scope is not None and is_personal(need):
            return FORBIDDEN
        wanted = permission_of(need)
        granted = PERMISSIONS[self.role] if self.role is not None else {self.scope}
        return None if wanted is None or wanted in granted else FORBIDDEN


CALLERS = [Caller(), *(Caller(role=role) for role in ROLES), *(Caller(scope=scope) for scope in Permission)]


@dataclass(frozen=True, slots=True)
class Case:
    """A request for one operation, with arguments that lead nowhere, and what it needs."""

    name: str
    document: str
    variables: dict[str, Any]
    need: Need

    @property
    def is_subscription(self) -> bool:
        return self.document.startswith("subscription")


def cases() -> Iterator[Case]:
    """One for every field of Query, Mutation and Subscription; of node and nodes one for every type."""
    for root, type_ in _roots():
        for name, field in type_.fields.items():
            operation = f"{type_.name}.{name}"
            if name in ("node", "nodes") and root == "query":
                for prefix, kind in KINDS.items():
                    need = NODE[kind.node.__name__]
                    key = f"{prefix}_{'0' * 26}"
                    variables = {"id": key} if name == "node" else {"ids": [key]}
                    yield Case(f"{operation}({kind.node.__name__})", _document(root, name, field), variables, need)
            else:
                variables = {name: _value(argument.type) for name, argument in _required(field).items()}
                yield Case(operation, _document(root, name, field), variables, _NEEDS[root][name])


def table() -> str:
    """The lines between the markers, without them."""
    head = ["operation", "permission", "anonymous", *(role.value for role in ROLES), "API key"]
    lines = [_line(head), _line(["---"] * len(head))]
    for case in cases():
        if case.name.startswith("Query.nodes("):
            continue
        name = case.name.replace("Query.node(", "Query.node, nodes (")
        permission = permission_of(case.need)
        wanted = permission or ("–" if case.need is Access.ANYBODY else "signed in")
        people = [_mark(Caller(role=role), case.need) for role in (None, *ROLES)]
        key = "–" if is_personal(case.need) else "with the scope" if permission else "yes"
        lines.append(_line([name, wanted, *people, key]))
    return "\n".join(lines)


def committed() -> str:
    """What stands in ARCHITECTURE.md."""
    _, _, rest = DOCUMENT.read_text().partition(START)
    return rest.partition(END)[0].strip()


def write() -> None:
    before, _, rest = DOCUMENT.read_text().partition(START)
    _, _, after = rest.partition(END)
    DOCUMENT.write_text(f"{before}{START}\n{table()}\n{END}{after}")


def permission_of(need: Need) -> Permission | None:
    return need.permission if isinstance(need, InPerson) else need if isinstance(need, Permission) else None


def is_personal(need: Need) -> bool:
    return need is Access.PERSON or isinstance(need, InPerson)


def _mark(caller: Caller, need: Need) -> str:
    return "yes" if caller.refusal(need) is None else "–"


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _roots() -> Iterator[tuple[str, GraphQLObjectType]]:
    graphql = schema._schema
    for name, type_ in (
        ("query", graphql.query_type),
        ("mutation", graphql.mutation_type),
        ("subscription", graphql.subscription_type),
    ):
        assert type_ is not None
        yield name, type_


def _required(field: GraphQLField) -> dict[str, GraphQLArgument]:
    return {name: argument for name, argument in field.args.items() if is_required_argument(argument)}


def _document(root: str, name: str, field: GraphQLField) -> str:
    arguments = _required(field)
    declared = ", ".join(f"${argument}: {definition.type}" for argument, definition in arguments.items())
    passed = ", ".join(f"{argument}: ${argument}" for argument in arguments)
    kind = get_named_type(field.type)
    errors = " errors { code }" if root == "mutation" else ""
    selection = "" if is_leaf_type(kind) else f" {{ __typename{errors} }}"
    return f"{root}{f'({declared})' if declared else ''} {{ {name}{f'({passed})' if passed else ''}{selection} }}"


def _value(type_: GraphQLInputType) -> Any:
    """The least that the type takes; of an enum the last, which of roles is the one that may least."""
    match type_:
        case GraphQLNonNull():
            return _value(type_.of_type)
        case GraphQLList():
            return [_value(type_.of_type)]
        case GraphQLEnumType():
            return list(type_.values)[-1]
        case GraphQLInputObjectType():
            return {name: _value(field.type) for name, field in type_.fields.items() if is_required_input_field(field)}
        case _:
            return _SCALARS[type_.name]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put it between the markers of ARCHITECTURE.md")
    if parser.parse_args().write:
        write()
    else:
        print(f"{START}\n{table()}\n{END}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
