"""A stranger understands the schema: everything in it says what it is."""

from collections.abc import Iterator

from graphql import GraphQLEnumType, GraphQLInputObjectType, GraphQLInterfaceType, GraphQLObjectType, build_schema

from app.graphql.schema import schema

built = build_schema(schema.as_str())
OF_THE_LANGUAGE = {"Boolean", "Float", "ID", "Int", "String"}


def described() -> Iterator[tuple[str, str | None]]:
    """Every place in the schema with its description."""
    for name, type_ in built.type_map.items():
        if name in OF_THE_LANGUAGE or name.startswith("__"):
            continue
        yield name, type_.description
        match type_:
            case GraphQLObjectType() | GraphQLInterfaceType():
                for field_name, field in type_.fields.items():
                    yield f"{name}.{field_name}", field.description
                    for argument_name, argument in field.args.items():
                        yield f"{name}.{field_name}({argument_name})", argument.description
            case GraphQLInputObjectType():
                for input_name, input_field in type_.fields.items():
                    yield f"{name}.{input_name}", input_field.description
            case GraphQLEnumType():
                for value_name, value in type_.values.items():
                    yield f"{name}.{value_name}", value.description


def test_everything_is_described() -> None:
    assert [place for place, description in described() if not (description or "").strip()] == []


def test_descriptions_are_sentences() -> None:
    offenders = [
        place
        for place, description in described()
        if description and place != "DateTime" and not description.strip().endswith((".", "!", '"'))
    ]

    assert offenders == []


def test_walk_reaches_every_kind_of_place() -> None:
    places = dict(described())

    assert {"Task", "Task.events(first)", "TaskFilter.search", "TaskStatus.QUEUED", "JSON", "Node.id"} <= places.keys()
