"""Makes a segment and a distribution list of each demo organization, as a person would."""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel

from crm_api.core.jsonbody import Incoming, validate_body
from crm_api.kit.schemas import Create
from crm_api.kit.scope import Scope
from crm_api.lists.members import MembersOfList
from crm_api.lists.schemas import DistributionList, ListMember, Segment
from crm_api.lists.segments import SegmentService
from crm_api.lists.service import ListService

MEMBERS: Final = 12
"""How many clients are on the list."""
SEGMENT: Final[Mapping[str, Any]] = {
    "name": "Newsletter readers",
    "description": "Who asked for the newsletter and is still with us.",
    "filter": {
        "version": 1,
        "filter": {
            "and": [
                {"field": "tags", "op": "eq", "value": "newsletter"},
                {"not": {"field": "status", "op": "eq", "value": "inactive"}},
            ]
        },
    },
}
LIST: Final = {"name": "Season's offers", "description": "Offers, four times a year."}


async def list_clients(scope: Scope, clients: Sequence[UUID]) -> None:
    """The segment, and a list of the first of these clients."""
    await SegmentService(scope).create(_read(Create[Segment], SEGMENT), None)
    made = await ListService(scope).create(_read(Create[DistributionList], LIST), None)
    members = MembersOfList(scope, UUID(json.loads(made.body)["id"]))
    for client_id in clients[:MEMBERS]:
        await members.add(_read(Create[ListMember], {"client_id": str(client_id)}), None)


def _read(model: type[BaseModel], body: Mapping[str, Any]) -> Incoming[Any]:
    return validate_body(model, json.dumps(body).encode())
