"""The routes that look back on clients: what changed since, and a version set back."""

from fastapi import APIRouter

from crm_api.clients.past import ClientPast, RestoreClientVersion
from crm_api.clients.schemas import Client
from crm_api.identity.deps import GuardedRoute
from crm_api.records import RecordRoutes
from crm_api.routing import needs

router = APIRouter(prefix="/v1/clients", tags=["clients"], route_class=GuardedRoute)
past = RecordRoutes(router, Client, ClientPast, "client")
past.diff(needs("clients.audit:read"))
past.restore_version(RestoreClientVersion, needs("clients.audit:read", "clients.*:update"))
