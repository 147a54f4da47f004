"""What every table shares: naming of constraints, column types, tenancy."""

from datetime import datetime
from typing import Annotated, Any, cast
from uuid import UUID

from sqlalchemy import DateTime, ForeignKeyConstraint, MetaData, Table, Text, Uuid
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Instant = Annotated[datetime, mapped_column(DateTime(timezone=True))]
Json = Annotated[Any, mapped_column(JSONB)]


class Base(DeclarativeBase):
    """The base of every table class."""

    metadata = metadata
    type_annotation_map = {str: Text(), UUID: Uuid(), datetime: DateTime(timezone=True)}  # noqa: RUF012  # SQLAlchemy's own attribute


class Tenant:
    """A table of one organization's rows: the organization stands first in its primary key.

    Row-level security is switched on for each of these by the migrations; a test walks them.
    """

    organization_id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-2)


class TenantRow(Tenant):
    """A tenant row with an id of its own."""

    id: Mapped[UUID] = mapped_column(primary_key=True, sort_order=-1)


def belongs_to(column: str, target: str, *, name: str, later: bool = False) -> ForeignKeyConstraint:
    """A reference inside the organization: composite, so that it cannot cross to another.

    `later`: the two tables refer to each other, so this key is added when both are there.
    """
    return ForeignKeyConstraint(
        ["organization_id", column],
        [f"{target}.organization_id", f"{target}.id"],
        name=name,
        use_alter=later,
    )


def table_of(row: type[Base]) -> Table:
    """The table of a class, as what it is: the mapper's own type is any FROM clause."""
    return cast("Table", row.__table__)
