"""Scalars beside GraphQL's own."""

from typing import NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

# IEEE doubles, and so JavaScript's numbers, are exact up to here.
MAX_SAFE = 2**53 - 1

BigInt = NewType("BigInt", int)


def _serialize(value: int) -> int | str:
    return value if -MAX_SAFE <= value <= MAX_SAFE else str(value)


SCALARS: dict[object, ScalarDefinition] = {
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A 64-bit integer, as a JSON number when it is safe and as a string otherwise.",
        serialize=_serialize,
        parse_value=int,
    )
}
