"""Column kinds shared by the tables."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.dialects.postgresql.base import ischema_names
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field

MICROS_PER_CREDIT = 1_000_000


class Xid8(UserDefinedType[int]):
    """PostgreSQL's 64-bit transaction id."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "xid8"


# So that alembic recognises the type when it compares the tables with the models.
ischema_names["xid8"] = Xid8


def uuid_key() -> Any:
    """A UUIDv7 made by the application, so that the id is known before the row is."""
    return Field(sa_type=sa.Uuid, primary_key=True)


def reference(target: str, *, primary_key: bool = False, index: bool = False) -> Any:
    return Field(sa_type=sa.Uuid, foreign_key=target, primary_key=primary_key, index=index)


def optional_reference(target: str) -> Any:
    return Field(default=None, sa_type=sa.Uuid, foreign_key=target, nullable=True)


def uuid_of(*, primary_key: bool = False) -> Any:
    """The id of a row in another table, without a foreign key."""
    return Field(sa_type=sa.Uuid, primary_key=primary_key)


def optional_uuid() -> Any:
    return Field(default=None, sa_type=sa.Uuid, nullable=True)


def varchar(length: int) -> Any:
    return Field(sa_type=sa.String(length))


def unique_varchar(length: int) -> Any:
    return Field(sa_type=sa.String(length), unique=True)


def sealed() -> Any:
    """Only the vault opens it; app/db/sealed.py lists it."""
    return Field(sa_type=sa.LargeBinary, sa_column_kwargs={"info": {"sealed": True}})


def optional_sealed() -> Any:
    """The same, where there may be nothing."""
    return Field(default=None, sa_type=sa.LargeBinary, nullable=True, sa_column_kwargs={"info": {"sealed": True}})


def blind_index() -> Any:
    """What a sealed column is found by."""
    return Field(sa_type=sa.LargeBinary, unique=True)


def optional_varchar(length: int) -> Any:
    return Field(default=None, sa_type=sa.String(length), nullable=True)


def timestamp(*, primary_key: bool = False) -> Any:
    return Field(
        sa_type=sa.DateTime(timezone=True), primary_key=primary_key, sa_column_kwargs={"server_default": sa.func.now()}
    )


def optional_timestamp() -> Any:
    return Field(default=None, sa_type=sa.DateTime(timezone=True), nullable=True)


def jsonb() -> Any:
    return Field(default_factory=dict, sa_type=pg.JSONB, sa_column_kwargs={"server_default": sa.text("'{}'")})


def named_jsonb(name: str) -> Any:
    """For a column whose name SQLModel keeps for itself."""
    return Field(
        default_factory=dict,
        sa_type=pg.JSONB,
        sa_column_kwargs={"name": name, "server_default": sa.text("'{}'")},
    )


def required_jsonb() -> Any:
    return Field(sa_type=pg.JSONB)


def optional_jsonb() -> Any:
    return Field(default=None, sa_type=pg.JSONB(none_as_null=True), nullable=True)


def text_array() -> Any:
    return Field(
        default_factory=list,
        sa_type=pg.ARRAY(sa.Text),
        sa_column_kwargs={"server_default": sa.text("'{}'")},
    )


def integer(default: int) -> Any:
    return Field(default=default, sa_type=sa.Integer, sa_column_kwargs={"server_default": sa.text(str(default))})


def micros() -> Any:
    """An exact amount of money in micro-credits."""
    return Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": sa.text("0")})


def credits_of(micros_column: str) -> sa.Column[Any]:
    """The amount in credits, computed by PostgreSQL, for people who read the table."""
    expression = f"{micros_column}::numeric / '{MICROS_PER_CREDIT}'::numeric"
    return sa.Column(sa.Numeric(20, 6), sa.Computed(expression, persisted=True))


def current_xid() -> Any:
    """The id of the writing transaction, filled in by PostgreSQL."""
    return Field(
        default=None,
        sa_type=Xid8,
        nullable=False,
        sa_column_kwargs={"server_default": sa.text("pg_current_xact_id()")},
    )
