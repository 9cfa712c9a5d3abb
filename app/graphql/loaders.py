"""Rows by id, all that were asked for in one tick with one statement."""

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select
from strawberry.dataloader import DataLoader

from app.db.reader import Reader
from app.db.vault import Unreadable, Vault
from app.services.account import people
from app.services.account import queries as accounts
from app.services.task import queries as tasks
from app.services.template import queries as templates
from app.services.worker import queries as workers

RowLoader = DataLoader[UUID, RowMapping | None]
UserLoader = DataLoader[UUID, dict[str, Any] | None]
TemplateLoader = DataLoader[UUID, RowMapping | dict[str, Any] | None]


class Loaders:
    """`cache=False` for sockets: they outlive the rows, so nothing is remembered from one event to the next."""

    def __init__(self, reader: Reader, vault: Vault, *, cache: bool) -> None:
        def rows(statement: Callable[[Collection[UUID]], Select[Any]], key: str = "id") -> DataLoader[UUID, Any]:
            async def load(keys: list[UUID]) -> Sequence[RowMapping | None]:
                found = {row[key]: row for row in await reader.rows(statement(keys))}
                return [found.get(item) for item in keys]

            return DataLoader(load, cache=cache)

        async def load_versions(keys: list[UUID]) -> Sequence[RowMapping | None]:
            found = {row["id"]: row for row in await reader.rows(templates.versions_by_ids(keys))}
            if cache:
                self.template.prime_many({row["template_id"]: templates.template_of(row) for row in found.values()})
            return [found.get(key) for key in keys]

        async def load_users(keys: list[UUID]) -> Sequence[dict[str, Any] | Unreadable | None]:
            found = {row["id"]: row for row in await reader.rows(accounts.users_by_ids(keys))}
            return [_opened(vault, found.get(key)) for key in keys]

        self.task: RowLoader = rows(tasks.by_ids)
        self.partial_output: RowLoader = rows(tasks.partial_outputs, key="task_id")
        self.queue_position: RowLoader = rows(tasks.queue_positions)
        self.worker: RowLoader = rows(workers.by_ids)
        self.template: TemplateLoader = rows(templates.by_ids)
        self.template_version: RowLoader = DataLoader(load_versions, cache=cache)
        self.latest_version: RowLoader = rows(templates.latest_versions, key="template_id")
        self.user: UserLoader = DataLoader(load_users, cache=cache)


def _opened(vault: Vault, row: RowMapping | None) -> dict[str, Any] | Unreadable | None:
    """What cannot be opened fails where it was asked for, and not for everybody else in the batch."""
    try:
        return people.opened(vault, row) if row is not None else None
    except Unreadable as error:
        return error
