"""Every table, one file each subject. Tables may know each other; nothing else lives here."""

from crm_api.models.base import Base, metadata, table_of
from crm_api.models.calendars import CalendarFeedRow
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
from crm_api.models.communications import CommunicationRow, ParticipantRow, WorkflowTreeRow
from crm_api.models.contacts import ContactEmailRow, ContactPhoneRow, ContactRefRow, ContactRow
from crm_api.models.files import FileRow, FileUsageRow, FileVersionRow, LooseObjectRow
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
from crm_api.models.lists import DistributionListRow, ListMemberRow, SegmentRow
from crm_api.models.notes import NoteRow
from crm_api.models.notifications import FollowerRow, NotificationMarkRow, NotificationReadRow
from crm_api.models.operations import OperationRow
from crm_api.models.relationships import RelationshipRow
from crm_api.models.search import (
    ClientSearchRow,
    CommunicationSearchRow,
    ContactSearchRow,
    FileSearchRow,
    NoteSearchRow,
)
from crm_api.models.tasks import TaskRow

__all__ = [
    "ApiKeyRow",
    "Base",
    "CalendarFeedRow",
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
    "CommunicationRow",
    "CommunicationSearchRow",
    "ContactEmailRow",
    "ContactPhoneRow",
    "ContactRefRow",
    "ContactRow",
    "ContactSearchRow",
    "DistributionListRow",
    "FileRow",
    "FileSearchRow",
    "FileUsageRow",
    "FileVersionRow",
    "FollowerRow",
    "HeadRow",
    "IdempotencyRow",
    "ImportPartRow",
    "ImportRecordRow",
    "ImportRow",
    "InvitationRow",
    "ListMemberRow",
    "LooseObjectRow",
    "MembershipIndexRow",
    "MembershipRow",
    "NoteRow",
    "NoteSearchRow",
    "NotificationMarkRow",
    "NotificationReadRow",
    "OperationRow",
    "OrganizationRow",
    "ParticipantRow",
    "RefreshTokenRow",
    "RelationshipRow",
    "RoleRow",
    "SecurityEventRow",
    "SegmentRow",
    "SessionRow",
    "SignInThrottleRow",
    "TaskRow",
    "UserRow",
    "WorkflowTreeRow",
    "metadata",
    "table_of",
]
