"""Reads of workers: columns, for one workspace."""

from app.models import Worker

COLUMNS = Worker.__table__.c  # type: ignore[attr-defined]
BY_IDS = "SELECT * FROM workers WHERE id = ANY ($1::uuid[])"
