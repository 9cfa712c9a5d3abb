"""Where in an answer something is, and what goes wrong there."""

from collections.abc import Collection
from typing import Any, TypeAlias

from graphql import FieldNode, GraphQLError, located_error

# A position: the one above it, its key there, the dict or list that it is a key of, and whether null may stand there.
# A plain tuple, as one is made for each object of each answer.
Frame: TypeAlias = tuple[Any, str | int, Any, bool]


def path_of(frame: Frame | None) -> list[str | int]:
    path: list[str | int] = []
    while frame is not None:
        path.append(frame[1])
        frame = frame[0]
    return path[::-1]


def is_within(frame: Frame | None, outer: Frame) -> bool:
    """Whether it is `outer` or below it."""
    while frame is not None:
        if frame is outer:
            return True
        frame = frame[0]
    return False


def nullable_from(frame: Frame | None) -> Frame | None:
    """The first position, from here upwards, that may be null."""
    while frame is not None and not frame[3]:
        frame = frame[0]
    return frame


def located(error: Exception, nodes: Collection[FieldNode], frame: Frame) -> GraphQLError:
    """As graphql-core tells it: once it has a path, it keeps it."""
    return located_error(error, nodes, path_of(frame))
