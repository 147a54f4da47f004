"""Every table, one file each subject. Tables may know each other; nothing else lives here."""

from crm_api.models.base import Base, metadata, table_of
from crm_api.models.catalogues import CatalogueEntryRow
from crm_api.models.changes import ChangeRow, HeadRow, IdempotencyRow
from crm_api.models.clients import (
    ClientAttributeRow,
    ClientContactRow,
    ClientEmailRow,
    ClientPhoneRow,
    ClientRefRow,
    ClientRow,
    ClientSiteRow,
    ClientTagRow,
)
from crm_api.models.contacts import ContactEmailRow, ContactPhoneRow, ContactRow
from crm_api.models.identity import (
    ApiKeyRow,
    InvitationRow,
    MembershipIndexRow,
    MembershipRow,
    OrganizationRow,
    RefreshTokenRow,
    RoleRow,
    SecurityEventRow,
    SessionRow,
    SignInThrottleRow,
    UserRow,
)
from crm_api.models.relationships import RelationshipRow

__all__ = [
    "ApiKeyRow",
    "Base",
    "CatalogueEntryRow",
    "ChangeRow",
    "ClientAttributeRow",
    "ClientContactRow",
    "ClientEmailRow",
    "ClientPhoneRow",
    "ClientRefRow",
    "ClientRow",
    "ClientSiteRow",
    "ClientTagRow",
    "ContactEmailRow",
    "ContactPhoneRow",
    "ContactRow",
    "HeadRow",
    "IdempotencyRow",
    "InvitationRow",
    "MembershipIndexRow",
    "MembershipRow",
    "OrganizationRow",
    "RefreshTokenRow",
    "RelationshipRow",
    "RoleRow",
    "SecurityEventRow",
    "SessionRow",
    "SignInThrottleRow",
    "UserRow",
    "metadata",
    "table_of",
]
