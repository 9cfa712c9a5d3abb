"""Rows by id, all that were asked for in one tick with one statement."""

from collections.abc import Callable, Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select
from strawberry.dataloader import DataLoader

from app.db.reader import Reader
from app.services.account import queries as accounts
from app.services.task import queries as tasks
from app.services.template import queries as templates
from app.services.worker import queries as workers

RowLoader = DataLoader[UUID, RowMapping | None]
TemplateLoader = DataLoader[UUID, RowMapping | dict[str, Any] | None]


class Loaders:
    """`cache=False` for sockets: they outlive the rows, so nothing is remembered from one event to the next."""

    def __init__(self, reader: Reader, *, cache: bool) -> None:
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

        self.task: RowLoader = rows(tasks.by_ids)
        self.partial_output: RowLoader = rows(tasks.partial_outputs, key="task_id")
        self.queue_position: RowLoader = rows(tasks.queue_positions)
        self.worker: RowLoader = rows(workers.by_ids)
        self.template: TemplateLoader = rows(templates.by_ids)
        self.template_version: RowLoader = DataLoader(load_versions, cache=cache)
        self.latest_version: RowLoader = rows(templates.latest_versions, key="template_id")
        self.user: RowLoader = rows(accounts.users_by_ids)
