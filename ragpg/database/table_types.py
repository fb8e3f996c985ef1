"""The columns that many tables have, as types of the models."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, ClassVar

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    REAL,
    BigInteger,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, TIMESTAMP
from sqlalchemy.orm import DeclarativeBase, mapped_column

_TIME = TIMESTAMP(timezone=True)
Key = Annotated[int, mapped_column(BigInteger, Identity(always=True), primary_key=True)]
KeyPart = Annotated[int, mapped_column(BigInteger, primary_key=True, autoincrement=False)]
OfCollection = Annotated[
    int, mapped_column(BigInteger, ForeignKey("collections.id", ondelete="CASCADE"))
]
OfIndex = Annotated[
    int,
    mapped_column(
        BigInteger,
        ForeignKey("search_indexes.id", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
]
Int = Annotated[int, mapped_column(Integer)]
Real = Annotated[float, mapped_column(REAL)]
Price = Annotated[Decimal, mapped_column(Numeric)]
Count = Annotated[int, mapped_column(Integer, server_default=text("0"))]
Empty = Annotated[str, mapped_column(Text, server_default="")]
Now = Annotated[datetime, mapped_column(_TIME, server_default=func.now())]
Ints = Annotated[list[int], mapped_column(ARRAY(Integer), server_default=text("'{}'"))]
Texts = Annotated[list[str], mapped_column(ARRAY(Text), server_default=text("'{}'"))]
Halfvec = Annotated[Any, mapped_column(HALFVEC, nullable=False)]


class Base(DeclarativeBase):
    """The models' common base; all tables are in the schema ragpg."""

    metadata = MetaData(schema="ragpg")
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        int: BigInteger,
        str: Text,
        bytes: LargeBinary,
        datetime: _TIME,
        dict[str, Any]: JSONB,
    }


def of_tenant(parent: str, *columns: str) -> ForeignKeyConstraint:
    """Returns the foreign key to a parent of the same tenant: one column is its id."""
    keys = columns if len(columns) > 1 else ("id",)
    return ForeignKeyConstraint(
        [*columns, "tenant"],
        [f"{parent}.{key}" for key in (*keys, "tenant")],
        onupdate="CASCADE",
        ondelete="CASCADE",
    )
