"""Writes notes on some demo clients: one of each kind, some pinned, one with a pair."""

import json
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from crm_api.core.jsonbody import validate_body
from crm_api.kit.schemas import Create
from crm_api.kit.scope import Scope
from crm_api.notes.schemas import Note
from crm_api.notes.service import NoteService

NOTES: Final[tuple[tuple[int, str, bool, str], ...]] = (
    (0, "general", True, "Founded by two sisters; the elder one decides."),
    (0, "preference", False, "Prefers a call before ten in the morning."),
    (0, "service", False, "Always ask for the reference of the last visit."),
    (1, "special_requirement", True, "Visitors sign in at the gate and wear a vest."),
    (1, "escalation", False, "Was promised an answer from the manager by Friday."),
    (2, "general", False, "Changed the supplier last year; fiscal_year_end=june"),
    (2, "preference", True, "Invoices by e-mail alone."),
    (3, "general", False, "Met at the trade fair, asked for the brochure."),
)
"""Client, kind, whether it is pinned, text."""


async def note(scope: Scope, clients: Sequence[UUID]) -> None:
    """Write them on the first of these clients, as a person would."""
    service = NoteService(scope)
    for client, kind, pinned, text in NOTES:
        if client < len(clients):
            body = {"kind": kind, "pinned": pinned, "text": text}
            sent = validate_body(Create[Note], json.dumps(body).encode())
            await service.create(clients[client], sent, None)
