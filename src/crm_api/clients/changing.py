"""How a change of a client is decided, without I/O: what one patch and an import share."""

from collections.abc import Mapping, Sequence
from typing import Any

from crm_api.catalogues.service import Catalogues
from crm_api.clients.drafting import Draft, apply, derive, identity_of
from crm_api.clients.rules import check_stage, check_tier, check_type_and_status
from crm_api.core.access import OrganizationContext
from crm_api.kit.service import Present


def draft_change(
    present: Present,
    values: Mapping[str, Any],
    organization: OrganizationContext,
    known: Catalogues,
    *,
    stood: Mapping[str, Sequence[Any]] | None = None,
) -> Draft:
    """The draft of accepted values over the client as it stands; faults are in it.

    Args:
        stood: field → items that come back under the ids that they had.
    """
    draft = Draft(present.id, present.document, stood=stood or {})
    apply(draft, values, organization, known)
    check_type_and_status(draft, values, known)
    check_stage(draft, values)
    check_tier(draft, values, known, present.document["contacts"])
    return draft


def derive_change(draft: Draft, present: Present, organization: OrganizationContext) -> None:
    """The derived values of a stored client after a draft."""
    reach = present.found["contact_reach"] == "true"
    primary = present.row["primary_link_id"]
    derive(draft, organization, contact_reach=reach, primary=primary)


def moved_identity(draft: Draft, present: Present) -> dict[str, Any]:
    """The columns of what must be unique, where the draft changes it."""
    digest = identity_of(draft).hex()
    if digest == str(present.row["identity_digest"]).removeprefix("\\x"):
        return {}
    return {"identity_digest": digest, "identity_slot": ""}
