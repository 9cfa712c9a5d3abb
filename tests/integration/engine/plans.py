"""The plans of the statements that functions of the database run, as auto_explain tells them."""

from typing import Any

import asyncpg

from app.embedded.postgres import DATABASE
from tests.conftest import Servers

_TELL = """
LOAD 'auto_explain';
SET auto_explain.log_min_duration = 0;
SET auto_explain.log_nested_statements = on;
SET auto_explain.log_analyze = on;
SET auto_explain.log_timing = off;
SET client_min_messages = log
"""


async def plans_of(servers: Servers, statement: str, *values: Any) -> list[str]:
    """Of each statement that this one runs within itself. Nothing of it is kept.

    Only a superuser may load auto_explain; what is run by a SECURITY DEFINER function is its owner's all the same.
    """
    plans: list[str] = []
    connection = await asyncpg.connect(servers.postgres.superuser_url, database=DATABASE)
    try:
        connection.add_log_listener(lambda _, message: plans.append(message.message))
        async with connection.transaction():
            await connection.execute(_TELL)
            plans.clear()
            await connection.fetch(statement, *values)
            await connection.execute("SET LOCAL client_min_messages = error")
            # asyncpg calls listeners in the loop's next turn.
            told = [plan for plan in plans if "Query Text" in plan]
            raise _Undo(told)
    except _Undo as undo:
        return undo.plans
    finally:
        await connection.close()


class _Undo(Exception):
    """Rolls back."""

    def __init__(self, plans: list[str]) -> None:
        self.plans = plans
        super().__init__()
