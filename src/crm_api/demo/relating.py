"""Relates some demo clients to each other: a group of companies, and the trade around it."""

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

from crm_api.core.jsonbody import validate_body
from crm_api.kit.schemas import Create
from crm_api.kit.scope import Scope
from crm_api.relationships.schemas import Relationship
from crm_api.relationships.service import RelationshipService

RELATIONS: Final[tuple[tuple[int, int, str, str | None], ...]] = (
    (0, 1, "subsidiary", "Bought from its founders"),
    (0, 2, "subsidiary", None),
    (1, 3, "branch", "The shop in the north"),
    (1, 4, "branch", None),
    (2, 5, "department", None),
    (0, 6, "vendor", "Prints everything"),
    (2, 7, "customer", None),
    (0, 8, "partner", "Joint stand at the trade fair"),
    (8, 9, "competitor", None),
    (3, 10, "referral_source", "Recommended it at the fair"),
    (7, 11, "related", "Same owners"),
    (9, 12, "vendor", None),
)
"""Firm, other firm, what the other is to the firm, note."""


async def relate(scope: Scope, firms: Sequence[UUID], today: date) -> None:
    """Relate the first of these firms, as a person would; no date lies after `today`."""
    service = RelationshipService(scope)
    for n, (firm, other, kind, note) in enumerate(RELATIONS):
        if max(firm, other) >= len(firms):
            continue
        since = str(today - timedelta(days=90 * (n + 1)))
        body: dict[str, Any] = {"kind": kind, "other_id": str(firms[other]), "from_on": since}
        if note is not None:
            body["note"] = note
        sent = validate_body(Create[Relationship], json.dumps(body).encode())
        await service.create(firms[firm], sent, None)
