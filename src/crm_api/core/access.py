"""Who may do what: scopes, rights, roles, and the actor of a request. It knows no resource.

A scope is `<resource>.<group>:<action>` or `<resource>:<verb>`; `*` stands for any one part.
Roles and API keys are both named sets of scopes, so one mechanism serves them all.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal
from uuid import UUID

ROLES = ("admin", "manager", "front_desk", "presenter")
"""The built-in roles, in the order of every matrix row."""

SCOPE = re.compile(r"^(\*|[a-z_]+)(\.(\*|[a-z_]+))?:(\*|[a-z_]+)$|^\*$")


@dataclass(frozen=True, slots=True)
class Rights:
    """What a principal may do: every one of `layers` must allow it.

    A user has one layer, its role. An API key has two: its own scopes and its creator's live role.
    """

    layers: tuple[frozenset[str], ...]
    memo: dict[Any, Any] = field(default_factory=dict, compare=False, hash=False, repr=False)
    """Answers worked out once per set of rights, such as field masks."""

    def can(self, resource: str, action: str, group: str | None = None) -> bool:
        question = (resource, action, group)
        answer: bool | None = self.memo.get(question)
        if answer is None:
            answer = all(_grants(layer, resource, action, group) for layer in self.layers)
            self.memo[question] = answer
        return answer

    def reads_own(self, resource: str, group: str) -> bool:
        """Whether at least the own rows may be read; who reads all rows reads those too."""
        return all(
            any(_grants(layer, resource, action, group) for action in ("read", "read_own"))
            for layer in self.layers
        )

    def allows(self, scope: str) -> bool:
        """Whether a whole scope, wildcards included, lies inside these rights."""
        return all(any(_covers(held, scope) for held in layer) for layer in self.layers)


def _grants(layer: frozenset[str], resource: str, action: str, group: str | None) -> bool:
    if "*" in layer:
        return True
    subjects = (
        [resource, "*"]
        if group is None
        else [f"{r}.{g}" for r in (resource, "*") for g in (group, "*")]
    )
    return any(f"{subject}:{act}" in layer for subject in subjects for act in (action, "*"))


def _split(scope: str) -> tuple[str, str | None, str]:
    subject, _, action = scope.partition(":")
    resource, dot, group = subject.partition(".")
    return resource, group if dot else None, action


def _covers(held: str, asked: str) -> bool:
    if held in ("*", asked):
        return True
    if asked == "*":
        return False
    (hr, hg, ha), (ar, ag, aa) = _split(held), _split(asked)
    return hr in ("*", ar) and ha in ("*", aa) and (hg == ag or (hg == "*" and ag is not None))


def rights_of(*layers: Iterable[str]) -> Rights:
    return Rights(tuple(frozenset(layer) for layer in layers))


@dataclass(frozen=True, slots=True)
class OrganizationContext:
    """What a request needs to know of its organization; cached until `version` moves."""

    id: UUID
    slug: str
    presets: tuple[str, ...]
    time_zone: str
    default_country: str | None
    currency: str
    version: int


@dataclass(frozen=True, slots=True)
class Actor:
    """The principal of a request, as it was when last seen in the database.

    The guard of each statement compares `stamps` with the live rows, so a change of role acts on
    the next request. `kind` tells which guard applies; `system` (imports, jobs) has none.
    """

    kind: Literal["user", "api_key", "system"]
    id: UUID
    name: str
    organization: OrganizationContext
    role: str
    rights: Rights
    stamps: "Stamps"
    user_id: UUID | None = None
    signed_in: bool = True
    """Whether a user acts within a session; what it started goes on without one."""

    @property
    def organization_id(self) -> UUID:
        return self.organization.id

    @property
    def in_words(self) -> str:
        """What is refused, as the beginning of a sentence; a key may less than who made it."""
        return "This API key" if self.kind == "api_key" else f"Your role {self.role!r}"

    def with_organization(self, organization: OrganizationContext) -> "Actor":
        return replace(self, organization=organization)


@dataclass(frozen=True, slots=True)
class Stamps:
    """The counters that tell whether what we know of a principal still holds."""

    credential_id: UUID
    """The session of a user, or the API key itself."""
    membership_epoch: int
    credential_epoch: int
    role_version: int
    organization_version: int


@dataclass(frozen=True, slots=True)
class RequestContext:
    """What the change log keeps of the request besides its actor."""

    request_id: str
    address: str | None = None
    user_agent: str | None = None


class StaleActor(Exception):
    """What we knew of the principal no longer holds: resolve it anew and decide again."""


def unknown_scopes(scopes: Sequence[str]) -> list[str]:
    """The scopes that are not well formed."""
    return [scope for scope in scopes if not SCOPE.match(scope)]
