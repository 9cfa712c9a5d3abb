"""All events of a task so far, page by page."""

from typing import Any

from app.cli import documents
from app.cli.client import Client


async def past_events(client: Client, task_id: str) -> tuple[str, list[dict[str, Any]]]:
    """The task's status, and its events, oldest first. Raises Refused for an unknown task."""
    found: list[dict[str, Any]] = []
    after = None
    while True:
        task = (await client.execute(documents.TASK_EVENTS_PAGE, id=task_id, after=after))["task"]
        page = task["events"]
        found += page["nodes"]
        if not page["pageInfo"]["hasNextPage"]:
            return task["status"], found
        after = page["pageInfo"]["endCursor"]
