"""How a field's value is come by: what Strawberry would call, with what it would pass."""

import inspect
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import strawberry
from strawberry.execution.is_awaitable import optimized_is_awaitable as is_awaitable
from strawberry.extensions import FieldExtension
from strawberry.extensions.field_extension import build_field_extension_resolvers
from strawberry.types.field import StrawberryField

from app.graphql.compiled.arguments import arguments_of, coerced
from app.graphql.compiled.completion import Execute, Member
from app.graphql.compiled.errors import Frame
from app.graphql.compiled.info import PlanInfo, Site, raw_info
from app.graphql.compiled.leaves import Leaf
from app.graphql.compiled.run import Complete, Pending, Run

# The field's value, or an awaitable of it.
Resolve = Callable[[Run, Any, Frame], Any]


def member(schema: strawberry.Schema, site: Site, complete: Complete, leaf: Leaf | None) -> Member:
    """`complete` is for the field's values; `leaf` what they are, if neither objects nor lists."""
    attribute = _attribute(schema, site)
    if attribute is not None:
        exact = leaf.exact if leaf is not None else None
        quick = leaf.quick if leaf is not None else None
        finish = _finishing(site, complete)
        return Member(site.name, attribute, exact, finish if quick is None else _quickly(quick, finish))
    return Member(site.name, None, None, _resolving(site, _resolver(schema, site), complete))


def constant(name: str, value: str) -> Member:
    return Member(name, None, None, lambda run, source, parent, result: value)


def _attribute(schema: strawberry.Schema, site: Site) -> str | None:
    """Where the value is read from, if that is all that has to be done."""
    field = site.field
    if field is None or not _is_plain(schema, field) or not field.is_basic_field or site.nodes[0].arguments:
        return None
    return field.python_name if schema.config.default_resolver is getattr else None


def _is_plain(schema: strawberry.Schema, field: StrawberryField) -> bool:
    """Whether Strawberry does with it only what is known here."""
    return type(field).get_result is StrawberryField.get_result and not schema.schema_converter.exception_handlers


def _quickly(quick: Callable[[Any], Any], finish: Execute) -> Execute:
    def execute(run: Run, value: Any, parent: Frame | None, result: dict[str, Any]) -> Any:
        known = quick(value)
        return known if known is not None else finish(run, value, parent, result)

    return execute


def _finishing(site: Site, complete: Complete) -> Execute:
    name, nullable, nodes = site.name, site.nullable, site.nodes

    def execute(run: Run, value: Any, parent: Frame | None, result: dict[str, Any]) -> Any:
        if value is None and nullable:
            return None
        frame = (parent, name, result, nullable)
        try:
            if is_awaitable(value):
                run.pending.append(Pending(value, frame, complete, nodes))
                return None
            return complete(run, value, frame)
        except Exception as error:
            run.failed(error, nodes, frame)
            return None

    return execute


def _resolving(site: Site, resolve: Resolve, complete: Complete) -> Execute:
    name, nullable, nodes = site.name, site.nullable, site.nodes

    def execute(run: Run, source: Any, parent: Frame | None, result: dict[str, Any]) -> Any:
        frame = (parent, name, result, nullable)
        try:
            value = resolve(run, source, frame)
            if is_awaitable(value):
                run.pending.append(Pending(value, frame, complete, nodes))
                return None
            return complete(run, value, frame)
        except Exception as error:
            run.failed(error, nodes, frame)
            return None

    return execute


def _resolver(schema: strawberry.Schema, site: Site) -> Resolve:
    field = site.field
    if field is not None and field.is_subscription:
        # The event itself.
        return lambda run, source, frame: source
    if field is None or field.base_resolver is None or not _is_plain(schema, field):
        return _by_strawberry(site)
    extensions = [extension for extension in field.extensions if extension.has_resolver]
    if any(type(each).map_arguments is not FieldExtension.map_arguments for each in field.extensions):
        return _by_strawberry(site)
    return _extended(schema, site) if extensions else _called(schema, site)


def _by_strawberry(site: Site) -> Resolve:
    def resolve(run: Run, source: Any, frame: Frame) -> Any:
        function = site.definition.resolve or run.executor.field_resolver
        return function(source, raw_info(run, site, frame), **coerced(run, site))

    return resolve


def _called(schema: strawberry.Schema, site: Site) -> Resolve:
    assert site.field is not None
    assert site.field.base_resolver is not None
    resolver = site.field.base_resolver
    arguments = arguments_of(schema, site)
    by_position, source_names, info_name = _reserved(site.field)
    if not callable(resolver.wrapped_func):
        return _by_strawberry(site)
    function = resolver.wrapped_func

    def resolve(run: Run, source: Any, frame: Frame) -> Any:
        info = PlanInfo(run, site, frame)
        named = arguments(run, info)
        for name in source_names:
            named[name] = source
        if info_name is not None:
            named[info_name] = info
        return function(source, **named) if by_position else function(**named)

    return resolve


def _extended(schema: strawberry.Schema, site: Site) -> Resolve:
    """With extensions around it, the last one outermost."""
    assert site.field is not None
    assert site.field.base_resolver is not None
    function: Callable[..., Any] = site.field.base_resolver
    arguments = arguments_of(schema, site)
    by_position, source_names, info_name = _reserved(site.field)
    extensions = build_field_extension_resolvers(site.field)

    def resolve(run: Run, source: Any, frame: Frame) -> Any:
        given = PlanInfo(run, site, frame)
        named = arguments(run, given)
        for name in source_names:
            named[name] = source
        if info_name not in (None, "info"):
            named[info_name] = given

        def innermost(_: Any, info: Any, **named: Any) -> Any:
            if info_name == "info":
                named["info"] = info
            return function(source, **named) if by_position else function(**named)

        around: Any = reduce(lambda next_, extension: partial(extension, next_), extensions, innermost)
        return around(source, given, **named)

    return resolve


def _reserved(field: StrawberryField) -> tuple[bool, list[str], str | None]:
    """Whether the source comes first, what else it is called, and what the info is called."""
    resolver = field.base_resolver
    assert resolver is not None
    sources = [each.name for each in (resolver.parent_parameter, resolver.root_parameter) if each is not None]
    info: inspect.Parameter | None = resolver.info_parameter
    return resolver.self_parameter is not None, sources, info.name if info is not None else None
