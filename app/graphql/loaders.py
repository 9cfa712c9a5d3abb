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


class Loaders:
    """`cache=False` for sockets: they outlive the rows, so nothing is remembered from one event to the next."""

    def __init__(self, reader: Reader, *, cache: bool) -> None:
        def rows(statement: Callable[[Collection[UUID]], Select[Any]], key: str = "id") -> RowLoader:
            async def load(keys: list[UUID]) -> Sequence[RowMapping | None]:
                found = {row[key]: row for row in await reader.rows(statement(keys))}
                return [found.get(item) for item in keys]

            return DataLoader(load, cache=cache)

        self.task = rows(tasks.by_ids)
        self.partial_output = rows(tasks.partial_outputs, key="task_id")
        self.queue_position = rows(tasks.queue_positions)
        self.worker = rows(workers.by_ids)
        self.template = rows(templates.by_ids)
        self.template_version = rows(templates.versions_by_ids)
        self.latest_version = rows(templates.latest_versions, key="template_id")
        self.user = rows(accounts.users_by_ids)
