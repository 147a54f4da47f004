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
from crm_api.models.contacts import ContactEmailRow, ContactPhoneRow, ContactRefRow, ContactRow
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
from crm_api.models.imports import ImportPartRow, ImportRecordRow, ImportRow
from crm_api.models.notes import NoteRow
from crm_api.models.notifications import FollowerRow, NotificationMarkRow, NotificationReadRow
from crm_api.models.operations import OperationRow
from crm_api.models.search import ClientSearchRow, ContactSearchRow

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
    "ClientSearchRow",
    "ClientSiteRow",
    "ClientTagRow",
    "ContactEmailRow",
    "ContactPhoneRow",
    "ContactRefRow",
    "ContactRow",
    "ContactSearchRow",
    "FollowerRow",
    "HeadRow",
    "IdempotencyRow",
    "ImportPartRow",
    "ImportRecordRow",
    "ImportRow",
    "InvitationRow",
    "MembershipIndexRow",
    "MembershipRow",
    "NoteRow",
    "NotificationMarkRow",
    "NotificationReadRow",
    "OperationRow",
    "OrganizationRow",
    "RefreshTokenRow",
    "RoleRow",
    "SecurityEventRow",
    "SessionRow",
    "SignInThrottleRow",
    "UserRow",
    "metadata",
    "table_of",
]
