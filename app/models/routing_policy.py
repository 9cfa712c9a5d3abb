from datetime import datetime
from typing import Any
from uuid import UUID

from sqlmodel import SQLModel

from app.models import columns


class RoutingPolicy(SQLModel, table=True):
    """What a workspace wants of routing: `models` to prefer, `cells` of the table of classes to replace, and the only
    `providers` to use (empty: any)."""

    __tablename__ = "routing_policies"

    workspace_id: UUID = columns.reference("workspaces.id", primary_key=True)
    models: list[str] = columns.text_array()
    cells: dict[str, Any] = columns.jsonb()
    providers: list[str] = columns.text_array()
    changed_at: datetime = columns.timestamp()
