"""The application: middleware, handlers, routers. It imports everything, nothing imports it."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from crm_api.calendars.router import public as calendar
from crm_api.calendars.router import router as calendar_feeds
from crm_api.catalogues.router import router as catalogues
from crm_api.clients.overrides_router import router as client_overrides
from crm_api.clients.past_router import router as client_past
from crm_api.clients.refs_router import router as client_refs
from crm_api.clients.router import of_contacts as clients_of_contacts
from crm_api.clients.router import router as clients
from crm_api.clients.stages_router import router as client_stages
from crm_api.communications.router import of_clients as communications_of_clients
from crm_api.communications.router import of_contacts as communications_of_contacts
from crm_api.communications.router import router as communications
from crm_api.contacts.past_router import router as contact_past
from crm_api.contacts.router import router as contacts
from crm_api.core.config import Settings, load_settings
from crm_api.core.db import Database, translate
from crm_api.core.docs_page import docs_router
from crm_api.core.errors import Refusal
from crm_api.core.http import HttpSettings, HttpStack
from crm_api.core.logs import configure_logging, get_logger
from crm_api.core.pages import router as problem_pages
from crm_api.core.passwords import PasswordHasher, PasswordPolicy
from crm_api.core.probes import probes_router
from crm_api.core.problems import install_problem_handlers
from crm_api.core.sealing import Sealer
from crm_api.core.tokens import TokenSigner
from crm_api.exports.router import router as exports
from crm_api.files.router import UPLOAD_PATHS
from crm_api.files.router import of_places as files_of_places
from crm_api.files.router import router as files
from crm_api.files.storing import storage_of
from crm_api.identity.router import router as identity
from crm_api.identity.wiring import build_identity
from crm_api.imports.router import router as imports
from crm_api.installation import (
    REVISION,
    UnreachableError,
    addresses,
    embedded_home,
    head_revision,
    keep_embedded,
    refuse_unsafe_role,
)
from crm_api.lists.router import members as list_members
from crm_api.lists.router import of_clients as lists_of_clients
from crm_api.lists.router import router as lists
from crm_api.lists.segments_router import router as segments
from crm_api.meta.router import router as meta
from crm_api.notes.router import of_clients as notes_of_clients
from crm_api.notes.router import router as notes
from crm_api.notifications.router import of_clients as followers_of_clients
from crm_api.notifications.router import router as notifications
from crm_api.openapi.document import build_document
from crm_api.operations.router import router as operations
from crm_api.organizations.router import router as organization
from crm_api.relationships.router import of_clients as relationships_of_clients
from crm_api.relationships.router import router as relationships
from crm_api.search.router import router as search
from crm_api.tasks.router import router as tasks
from crm_api.tasks.router import schedule as follow_ups
from crm_api.timeline.router import router as timelines

DESCRIPTION = """\
Headless client management: one record for each client, and a field matrix that holds everywhere.

Who may see and change which field is decided by the caller's role: `GET /v1/me/permissions`.
"""
ISSUER, AUDIENCE = "crm-api", "crm-api"
PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 0.5
FRAME_BYTES = 64 << 10

log = get_logger(__name__)


def create_app(settings: Settings, application_url: str | None = None) -> FastAPI:
    """The application.

    Args:
        application_url: the database as the application's role; else it follows from the settings.
    """
    keys = settings.signing_keys()
    signer = TokenSigner(keys, ISSUER, AUDIENCE, settings.access_token_seconds)
    app = FastAPI(
        title="crm-api",
        version="1.0.0",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=_lifespan,
        redirect_slashes=False,
        # It asks OpenTelemetry on each request whether anybody listens; `core.metrics` measures.
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    app.state.settings = settings
    app.state.application_url = application_url
    app.state.sealer = Sealer(keys[0])
    app.state.signer = signer
    install_problem_handlers(app, settings.public_url or "")
    # The busiest first: each route that does not match costs some microseconds. Not included but
    # taken over: FastAPI would look for the route of an included router twice (15 µs).
    records = (clients, contacts, contact_past, clients_of_contacts, operations)
    logged = (
        communications,
        communications_of_clients,
        communications_of_contacts,
        tasks,
        follow_ups,
    )
    related = (relationships_of_clients, relationships)
    listed = (lists, list_members, lists_of_clients, segments)
    more = (client_refs, client_overrides, client_past, calendar_feeds, calendar)
    noted = (
        notes_of_clients,
        notes,
        files_of_places,
        files,
        client_stages,
        followers_of_clients,
        notifications,
    )
    told = (timelines, search)
    parts = (
        *records,
        *related,
        *logged,
        *told,
        *noted,
        *listed,
        *more,
        identity,
        catalogues,
        imports,
    )
    rest = (exports, organization, meta)
    for router in (*parts, *rest, problem_pages):
        app.router.routes.extend(router.routes)
    app.include_router(probes_router(lambda: _ready(app)))
    app.include_router(docs_router("crm-api", lambda: build_document(app)))
    app.add_middleware(HttpStack, settings=_http_settings(settings))
    return app


def _http_settings(settings: Settings) -> HttpSettings:
    return HttpSettings(
        body_bytes=settings.max_body_bytes,
        # What frames the file and its fields is none of the file.
        body_bytes_by_path=(
            ("/v1/imports", settings.max_upload_bytes + FRAME_BYTES),
            *((path, settings.max_file_bytes + FRAME_BYTES) for path in UPLOAD_PATHS),
        ),
        handler_seconds=float(settings.request_timeout_seconds),
        cors_origins=tuple(settings.cors_origins),
        base_url=settings.public_url or "",
    )


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    settings: Settings = app.state.settings
    url = app.state.application_url
    keeper = None
    if url is None:
        url = (await asyncio.to_thread(addresses, settings)).application
        if settings.database_url is None:
            keeper = asyncio.create_task(keep_embedded(embedded_home(settings)))
    db = await _reached(url, settings)
    app.state.db = db
    app.state.storage = storage_of(settings)
    app.state.revision = head_revision()
    # Tests bring a hasher of their own: the real cost is a tenth of a second for each password.
    hasher = getattr(app.state, "hasher", None) or PasswordHasher()
    await asyncio.to_thread(hasher.self_test)
    parts = build_identity(
        db, app.state.signer, hasher, PasswordPolicy(), settings.refresh_token_days
    )
    app.state.identity = parts
    app.state.resolver = parts.resolver
    try:
        yield
    finally:
        if keeper is not None:
            keeper.cancel()
        await parts.resolver.close()
        hasher.close()
        await db.close()


async def _reached(url: str, settings: Settings) -> Database:
    """The database, as soon as it answers.

    A worker that takes the place of a killed one may start while the database restarts. uvicorn
    takes a failure here for a broken application, and stops all the others.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            await refuse_unsafe_role(url)
            return await Database.connect(
                url,
                size=settings.pool_size,
                list_size=settings.list_pool_size,
                statement_timeout_ms=settings.statement_timeout_ms,
                lock_timeout_ms=settings.lock_timeout_ms,
            )
        except Exception as error:
            passing = isinstance(error, UnreachableError) or isinstance(translate(error), Refusal)
            if not passing or time.monotonic() > deadline:
                raise
            log.warning("database_not_reached_yet", error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)


async def _ready(app: FastAPI) -> Mapping[str, bool]:
    row = await app.state.db.fetchrow(None, REVISION)
    return {
        "database": True,
        "schema": row is not None and row["version_num"] == app.state.revision,
    }


def app_from_environment() -> FastAPI:
    """What a server process runs."""
    settings = load_settings()
    configure_logging(settings.log_level)
    return create_app(settings)
