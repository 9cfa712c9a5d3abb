"""What resolvers are told about their field: the context at once, all the rest only where somebody asks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode, GraphQLField, GraphQLObjectType
from graphql.pyutils import Path
from strawberry.types import Info
from strawberry.types.field import StrawberryField

from app.graphql.compiled.errors import Frame, path_of
from app.graphql.compiled.run import Run


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """A field of a document where it is selected; `name` is what it is called in the answer."""

    name: str
    nullable: bool
    nodes: Sequence[FieldNode]
    # graphql-core's, of which `nodes` are a part.
    details: Any
    parent: GraphQLObjectType
    definition: GraphQLField
    field: StrawberryField | None


class PlanInfo(Info[Any, Any]):
    """Strawberry's, which makes graphql-core's from the run as soon as it is needed."""

    context: Any = None

    def __init__(self, run: Run, site: Site, frame: Frame) -> None:
        self.context = run.context
        self._run = run
        self._site = site
        self._frame = frame

    @property
    def _raw_info(self) -> Any:  # type: ignore[override]  # nobody writes it
        return raw_info(self._run, self._site, self._frame)

    @property
    def _field(self) -> Any:  # type: ignore[override]
        return self._site.field


def raw_info(run: Run, site: Site, frame: Frame) -> Any:
    """graphql-core's, of the field that the position belongs to."""
    keys = path_of(frame)
    while isinstance(keys[-1], int):
        keys.pop()
    path: Path | None = None
    for key in keys:
        path = Path(path, key, None)
    return run.executor.build_resolve_info(site.definition, site.nodes, site.parent, path)
