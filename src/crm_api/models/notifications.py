"""Who follows which client, and how far each user has read what the change log tells of them."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import BigInteger, Index
from sqlalchemy.orm import Mapped, mapped_column

from crm_api.models.base import Base, Tenant, belongs_to


class FollowerRow(Tenant, Base):
    """A user who is told of the changes of a client, from a position of the log on."""

    __tablename__ = "followers"

    client_id: Mapped[UUID] = mapped_column(primary_key=True)
    membership_id: Mapped[UUID] = mapped_column(primary_key=True)
    since_position: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[datetime]

    __table_args__ = (
        belongs_to("client_id", "clients", name="fk_followers_client"),
        belongs_to("membership_id", "memberships", name="fk_followers_membership"),
        Index("ix_followers_membership", "organization_id", "membership_id", "client_id"),
    )


class NotificationMarkRow(Tenant, Base):
    """Up to which position of the log a user has read everything."""

    __tablename__ = "notification_marks"

    membership_id: Mapped[UUID] = mapped_column(primary_key=True)
    read_up_to: Mapped[int] = mapped_column(BigInteger)

    __table_args__ = (
        belongs_to("membership_id", "memberships", name="fk_notification_marks_membership"),
    )


class NotificationReadRow(Tenant, Base):
    """One notification beyond that position which its user has read."""

    __tablename__ = "notification_reads"

    membership_id: Mapped[UUID] = mapped_column(primary_key=True)
    position: Mapped[int] = mapped_column(BigInteger, primary_key=True)

    __table_args__ = (
        belongs_to("membership_id", "memberships", name="fk_notification_reads_membership"),
    )
