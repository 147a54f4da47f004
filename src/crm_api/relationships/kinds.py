"""The kinds of relationships: what one client is to another, and the other to the one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args
from uuid import UUID

Kind = Literal[
    "parent",
    "subsidiary",
    "branch",
    "department",
    "related",
    "partner",
    "competitor",
    "referral_source",
    "referral",
    "vendor",
    "customer",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
BELOW: tuple[Kind, ...] = ("subsidiary", "branch", "department")
"""What stands below in a hierarchy is to its parent; where nothing is said, the first."""
INVERSES: Mapping[Kind, tuple[Kind, ...]] = {
    "parent": BELOW,
    **dict.fromkeys(BELOW, ("parent",)),
    **{kind: (kind,) for kind in ("related", "partner", "competitor")},
    "referral_source": ("referral",),
    "referral": ("referral_source",),
    "vendor": ("customer",),
    "customer": ("vendor",),
}
"""What may be the inverse of a kind; the first is meant where nothing is said."""


@dataclass(frozen=True, slots=True)
class Ends:
    """Two clients and how they are related, put so that the same fact is always the same."""

    child_id: UUID | None
    parent_id: UUID | None
    pair_key: str


def ends_of(client_id: UUID, other_id: UUID, kind: Kind) -> Ends:
    """`kind` is what the other is to the client. All kinds of a hierarchy are one fact."""
    if kind == "parent":
        return Ends(client_id, other_id, f"parent:{client_id}:{other_id}")
    if kind in BELOW:
        return ends_of(other_id, client_id, "parent")
    inverse = INVERSES[kind][0]
    # The side whose label comes first in the alphabet; of two equal ones the smaller id.
    first, second = sorted([(kind, str(client_id)), (inverse, str(other_id))])
    return Ends(None, None, f"{first[0]}:{first[1]}:{second[1]}")
