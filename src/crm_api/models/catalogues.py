"""Catalogues: the organization's own types, industries, tiers, regions, tags and the like."""

from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Json, Tenant


class CatalogueEntryRow(Tenant, Base):
    """One entry; its key is what stands on the wire."""

    __tablename__ = "catalogue_entries"

    catalogue: Mapped[str] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    label: Mapped[str]
    position: Mapped[int]
    data: Mapped[Json]
    """What the product needs of it: for types engagement level, contact interval, origin."""
    version: Mapped[int] = mapped_column(default=1)
