"""The routes that look back on contacts: what changed since, and a version set back."""

from fastapi import APIRouter

from crm_api.contacts.past import ContactPast
from crm_api.contacts.schemas import Contact
from crm_api.identity.deps import GuardedRoute
from crm_api.kit.schemas import RestoreVersion
from crm_api.records import RecordRoutes
from crm_api.routing import needs

router = APIRouter(prefix="/v1/contacts", tags=["contacts"], route_class=GuardedRoute)
past = RecordRoutes(router, Contact, ContactPast, "contact")
past.diff(needs("contacts.audit:read"))
past.restore_version(RestoreVersion, needs("contacts.audit:read", "contacts.*:update"))
