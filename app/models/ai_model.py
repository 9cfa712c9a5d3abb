from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns

# In the place of a name: every model of the provider that has no row of its own.
ANY_MODEL = "*"
CAPABILITIES = ("chat", "json_schema", "vision", "tools")


class AIModel(SQLModel, table=True):
    """A model that tasks can be given to, what it can do and what it costs. The installation's, not a workspace's.

    Prices are micro-credits per million tokens. `aliases` are further names that lead to it; the one named
    `successor` takes its place while it is not enabled.
    """

    __tablename__ = "ai_models"
    __table_args__ = (
        sa.CheckConstraint(
            "input_price >= 0 AND output_price >= 0 AND cached_input_price >= 0", name="ai_models_prices_not_negative"
        ),
        sa.CheckConstraint("context_tokens > 0 AND max_output_tokens > 0", name="ai_models_sizes_positive"),
    )

    provider: str = Field(sa_type=sa.String(50), primary_key=True)
    name: str = Field(sa_type=sa.String(200), primary_key=True)
    aliases: list[str] = columns.text_array()
    context_tokens: int = Field(sa_type=sa.Integer)
    max_output_tokens: int = Field(sa_type=sa.Integer)
    capabilities: list[str] = columns.text_array()
    input_price: int = columns.micros()
    output_price: int = columns.micros()
    cached_input_price: int = columns.micros()
    successor: str | None = columns.optional_varchar(200)
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": sa.true()})
    changed_at: datetime = columns.timestamp()
