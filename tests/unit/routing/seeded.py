"""The catalogue as a new installation has it: what the migration writes."""

import importlib.util
from pathlib import Path
from typing import Any

from app.services.billing.price import Price
from app.services.routing.catalogue import Catalogue, Model

_MIGRATION = next(Path("migrations/versions").glob("*_0015_ai_models.py"))


def seeded_catalogue() -> Catalogue:
    spec = importlib.util.spec_from_file_location("ai_models", _MIGRATION)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return Catalogue(_model(dict(zip(module.COLUMNS, row, strict=True))) for row in module.MODELS)


def _model(row: dict[str, Any]) -> Model:
    return Model(
        provider=row["provider"],
        name=row["name"],
        context_tokens=row["context_tokens"],
        max_output_tokens=row["max_output_tokens"],
        capabilities=frozenset(row["capabilities"]),
        price=Price(row["input_price"], row["output_price"], row["cached_input_price"]),
        aliases=tuple(row["aliases"]),
        successor=row["successor"],
    )
