"""Rows by id, all that were asked for in one tick with one statement."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import RowMapping, Select
from strawberry.dataloader import DataLoader

from app.db.by_id import ById, Kind
from app.db.hot import Row
from app.db.reader import Reader
from app.db.vault import Unreadable, Vault
from app.principal import Person, Principal, in_workspace
from app.services.account import people
from app.services.account import queries as accounts
from app.services.task import queries as tasks
from app.services.template import queries as templates
from app.services.worker import queries as workers

RowLoader = DataLoader[UUID, RowMapping | None]
UserLoader = DataLoader[UUID, dict[str, Any] | None]
_TASK = Kind(tasks.BY_IDS)
_WORKER = Kind(workers.BY_IDS)
_TEMPLATE = Kind(templates.BY_IDS)
_TEMPLATE_VERSION = Kind(templates.VERSIONS_BY_IDS)
_LATEST_VERSION = Kind(templates.LATEST_VERSIONS, key="template_id")


Seen: TypeAlias = "dict[UUID, Row | None] | None"


class SharedLoader:
    """Of what all callers of a workspace see alike: with one statement for all their requests of a tick.

    What has come is remembered for the request, where `seen` is a dictionary.
    """

    def __init__(
        self, by_id: ById, caller: Principal | Person, kind: Kind, seen: dict[UUID, Row | None] | None
    ) -> None:
        self._by_id = by_id
        self._caller = caller
        self._kind = kind
        self._seen = seen

    async def load(self, key: UUID) -> Row | None:
        if self._seen is None:
            return await self._by_id.load(in_workspace(self._caller), self._kind, key)
        if key not in self._seen:
            self._seen[key] = await self._by_id.load(in_workspace(self._caller), self._kind, key)
        return self._seen[key]


class VersionLoader(SharedLoader):
    """Versions come with their templates, which nobody needs to ask for again."""

    def __init__(self, *arguments: Any, templates_seen: Seen) -> None:
        super().__init__(*arguments)
        self._templates_seen = templates_seen

    async def load(self, key: UUID) -> Row | None:
        version = await super().load(key)
        if version is not None and self._templates_seen is not None:
            template_id = version["template_id"]
            if template_id not in self._templates_seen:
                self._templates_seen[template_id] = templates.template_of(version)
        return version


class Loaders:
    """`cache=False` for sockets: they outlive the rows, so nothing is remembered from one event to the next."""

    def __init__(self, reader: Reader, by_id: ById, caller: Principal | Person, vault: Vault, *, cache: bool) -> None:
        def rows(statement: Callable[[Collection[UUID]], Select[Any]], key: str = "id") -> DataLoader[UUID, Any]:
            async def load(keys: list[UUID]) -> Sequence[RowMapping | None]:
                found = {row[key]: row for row in await reader.rows(statement(keys))}
                return [found.get(item) for item in keys]

            return DataLoader(load, cache=cache)

        async def load_users(keys: list[UUID]) -> Sequence[dict[str, Any] | Unreadable | None]:
            found = {row["id"]: row for row in await reader.rows(accounts.users_by_ids(keys))}
            return [_opened(vault, found.get(key)) for key in keys]

        def memory() -> Seen:
            return {} if cache else None

        seen = memory()
        self.task = SharedLoader(by_id, caller, _TASK, memory())
        self.worker = SharedLoader(by_id, caller, _WORKER, memory())
        self.template = SharedLoader(by_id, caller, _TEMPLATE, seen)
        self.template_version = VersionLoader(by_id, caller, _TEMPLATE_VERSION, memory(), templates_seen=seen)
        self.latest_version = SharedLoader(by_id, caller, _LATEST_VERSION, memory())
        self.partial_output: RowLoader = rows(tasks.partial_outputs, key="task_id")
        self.queue_position: RowLoader = rows(tasks.queue_positions)
        self.user: UserLoader = DataLoader(load_users, cache=cache)


def _opened(vault: Vault, row: RowMapping | None) -> dict[str, Any] | Unreadable | None:
    """What cannot be opened fails where it was asked for, and not for everybody else in the batch."""
    try:
        return people.opened(vault, row) if row is not None else None
    except Unreadable as error:
        return error
