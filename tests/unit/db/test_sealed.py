import sqlalchemy as sa
from sqlmodel import SQLModel

import app.models  # noqa: F401  registers the tables
from app.db.sealed import SEALED


def test_every_place_is_a_column_with_a_key_of_its_own() -> None:
    for place in SEALED:
        columns = SQLModel.metadata.tables[place.table].c
        assert isinstance(columns[place.column].type, sa.LargeBinary), place
        assert isinstance(columns[place.key].type, sa.Uuid), place
        assert columns[place.key].primary_key or columns[place.key].unique, place


def test_every_index_is_a_column_and_no_place_is_listed_twice() -> None:
    for place in SEALED:
        if place.index is not None:
            assert isinstance(SQLModel.metadata.tables[place.table].c[place.index].type, sa.LargeBinary), place
    assert len({place.place for place in SEALED}) == len(SEALED)


def test_every_column_that_is_made_to_be_sealed_is_listed() -> None:
    marked = {
        f"{table.name}.{column.name}"
        for table in SQLModel.metadata.tables.values()
        for column in table.c
        if column.info.get("sealed")
    }

    assert marked == {place.place for place in SEALED}
