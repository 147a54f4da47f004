"""Is it there already? Asked before saving, for one client or many; nothing is written.

What a create would refuse is told as the create would tell it. What is merely alike is told of
records that the caller may open, and by groups that the caller reads.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from crm_api.clients.conflicts import calls_of, candidate_of, next_calls
from crm_api.clients.drafting import Draft, identity_of
from crm_api.clients.lookups import SAME_KEYS, SIMILAR
from crm_api.clients.parts import Kind, ShortText
from crm_api.clients.repository import open_lifecycles
from crm_api.clients.schemas import Client
from crm_api.contacts.reach import EmailsIn, PhonesIn, settle_emails, settle_phones
from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.formats.names import name_key, strip_legal_suffix
from crm_api.core.formats.places import CountryCode
from crm_api.core.formats.registration import check_registration_number
from crm_api.core.formats.text import Line
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.kit.fields import mask_of
from crm_api.kit.refs import ExternalRef
from crm_api.kit.scope import Scope
from crm_api.kit.search import SUGGESTED, BadTerm, read_terms

MAX_CHECKED = 100
LEAST_SCORE = 0.6
Reason = Literal[
    "same_name",
    "same_email",
    "same_phone",
    "same_registration_number",
    "same_reference",
    "similar_name",
]
GROUPS: Mapping[str, str] = {
    "same_name": "name",
    "same_email": "reach",
    "same_phone": "reach",
    "same_registration_number": "registration",
    "same_reference": "card",
    "similar_name": "name",
}
"""Reason → the group that it speaks of."""
CODES: Mapping[str, str] = {
    "same_name": "duplicate_name",
    "same_email": "email_in_use",
    "same_registration_number": "registration_number_in_use",
    "same_reference": "reference_in_use",
}
"""Reason → the refusal of a create that meets it."""
SCORES: Mapping[str, float] = {"same_phone": 0.8}


class CheckedClient(BaseModel):
    """What is known of a client that may be created: what tells clients apart."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[ShortText | None, Field(description="Its name.", examples=["Jinja Bakery"])] = (
        None
    )
    kind: Annotated[Kind, Field(description="An organization or a person.")] = "organization"
    emails: Annotated[EmailsIn, Field(description="E-mail addresses.")] = []
    phones: Annotated[PhonesIn, Field(description="Phone numbers.")] = []
    registration_country: Annotated[
        CountryCode | None, Field(description="Where it is registered.")
    ] = None
    registration_number: Annotated[
        Annotated[str, Line(1, 50)] | None, Field(description="Its number in the register.")
    ] = None
    external_refs: Annotated[
        list[ExternalRef], Field(max_length=20, description="Its ids in other systems.")
    ] = []


class DuplicateCheck(BaseModel):
    """The clients to look for."""

    model_config = ConfigDict(extra="forbid", strict=True)

    candidates: Annotated[
        list[CheckedClient],
        Field(
            min_length=1,
            max_length=MAX_CHECKED,
            description="Each is looked for by itself.",
            examples=[[{"name": "Jinja Bakery Ltd", "phones": ["0772 123456"]}]],
        ),
    ]


class FoundClient(BaseModel):
    """A client that may be the same; `not_visible` has no id. What you may not read is absent."""

    visibility: Annotated[
        Literal["live", "archived", "deleted", "merged", "erased", "not_visible"],
        Field(description="Its lifecycle, or that you may not open it."),
    ]
    id: Annotated[str | None, Field(max_length=36, description="Its id.")] = None
    number: Annotated[str | None, Field(max_length=24, description="Its number.")] = None
    name: Annotated[str | None, Field(max_length=200, description="Its name.")] = None
    score: Annotated[float, Field(ge=0, le=1, description="1 where a create would be refused.")]
    reasons: Annotated[list[Reason], Field(max_length=6, description="What is the same or alike.")]


class NextCall(BaseModel):
    """A call that may follow."""

    action: Annotated[
        Literal["open", "link", "reactivate", "create_anyway", "create"],
        Field(description="What it does."),
    ]
    method: Annotated[Literal["GET", "POST"], Field(description="The method.")]
    path: Annotated[str, Field(max_length=100, description="The path.")]


class CheckedResult(BaseModel):
    """What is there of one of them, the likeliest first."""

    candidates: Annotated[list[FoundClient], Field(max_length=1000)]
    next: Annotated[list[NextCall], Field(max_length=10)]


class DuplicateResult(BaseModel):
    """One result for each, in order."""

    results: Annotated[list[CheckedResult], Field(max_length=MAX_CHECKED)]


@dataclass(slots=True)
class _Keys:
    """What one of them is found by: reason → its exact keys."""

    is_individual: bool
    name: str | None
    exact: dict[str, list[str]] = field(default_factory=dict)
    sources: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


@dataclass(slots=True)
class _Found:
    row: Mapping[str, Any]
    score: float
    reasons: list[str]


async def check_duplicates(scope: Scope, incoming: Incoming[DuplicateCheck]) -> dict[str, Any]:
    """Who may be the same as each of these.

    Raises:
        Refusal: 403 for who neither reads nor creates clients; 422, all faults at once.
    """
    mask = mask_of(Client, scope.actor.rights)
    if not (mask.read or mask.create):
        detail = f"Your role {scope.actor.role!r} may neither read nor create clients."
        raise Refusal("forbidden", detail, (Fault("forbidden", detail),))
    if incoming.value is None:
        raise refuse_all(incoming.faults)
    asked = [_keys_of(scope, n, one) for n, one in enumerate(incoming.value.candidates)]
    faults = [fault for keys in asked for fault in keys.faults]
    if faults:
        raise refuse_all(faults)
    await scope.verify()
    holders = await _holders(scope, asked)
    return {"results": [await _result(scope, keys, holders) for keys in asked]}


def _keys_of(scope: Scope, n: int, one: CheckedClient) -> _Keys:
    place = f"/candidates/{n}"
    country = scope.actor.organization.default_country
    emails = settle_emails(one.emails, [], f"{place}/emails")
    phones = settle_phones(one.phones, [], f"{place}/phones", country)
    keys = _Keys(one.kind == "individual", one.name, faults=[*emails.faults, *phones.faults])
    keys.exact = {
        "same_email": emails.keys,
        "same_phone": [item["e164"] for item in phones.items],
        "same_reference": [f"{ref.source}:{ref.id}" for ref in one.external_refs],
    }
    keys.sources = [ref.source for ref in one.external_refs]
    if one.name is not None:
        facts = {"kind": one.kind, "name": one.name, "emails": emails.items, "phones": phones.items}
        try:
            keys.exact["same_name"] = [identity_of(Draft(new_id(), {}, facts)).hex()]
        except ValueError:
            detail = "Write a name of letters or digits."
            keys.faults.append(Fault("invalid_name", detail, pointer=f"{place}/name"))
    if one.registration_country and one.registration_number:
        try:
            number = check_registration_number(one.registration_country, one.registration_number)
        except ValueError:
            detail = "Check its form."
            pointer = f"{place}/registration_number"
            keys.faults.append(Fault("invalid_registration_number", detail, pointer=pointer))
        else:
            keys.exact["same_registration_number"] = [f"{one.registration_country}:{number}"]
    return keys


async def _holders(
    scope: Scope, asked: Sequence[_Keys]
) -> Mapping[tuple[str, str], list[Mapping[str, Any]]]:
    """(reason, key) → the clients that hold it, for all that is asked, in one statement."""

    def every(reason: str) -> list[str]:
        return [key for keys in asked for key in keys.exact.get(reason, ())]

    org = scope.actor.organization_id
    values = {
        "org": org,
        "digests": [bytes.fromhex(digest) for digest in every("same_name")],
        "email_keys": every("same_email"),
        "registration_keys": every("same_registration_number"),
        "ref_keys": every("same_reference"),
        "ref_sources": [source for keys in asked for source in keys.sources],
        "phones": every("same_phone"),
    }
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in await scope.db.fetch(org, SAME_KEYS, values):
        found.setdefault((row["reason"], row["key"]), []).append(row)
    return found


async def _result(
    scope: Scope, keys: _Keys, holders: Mapping[tuple[str, str], list[Mapping[str, Any]]]
) -> dict[str, Any]:
    found: dict[Any, _Found] = {}
    for reason, row, score in [*_same(scope, keys, holders), *await _similar(scope, keys)]:
        known = found.setdefault(row["id"], _Found(row, score, []))
        known.score = max(known.score, score)
        if reason not in known.reasons and (reason != "similar_name" or not known.reasons):
            known.reasons.append(reason)
    best = sorted(found.values(), key=lambda one: (-one.score, str(one.row["id"])))
    shown = [
        candidate_of(scope, one.row, one.reasons[0])
        | {"score": round(one.score, 2), "reasons": one.reasons}
        for one in best
    ]
    return {"candidates": shown, "next": calls_of(shown, _actions(scope, shown))}


def _may_tell(scope: Scope, keys: _Keys, reason: str) -> bool:
    """Who reads the group, or would be told by the create that it may send."""
    needed = [GROUPS[reason]]
    if reason == "same_name" and keys.is_individual:
        needed.append("reach")  # its address and number are part of what must be unique
    can = scope.actor.rights.can
    return all(
        can("clients", "read", group) or (reason in CODES and can("clients", "create", group))
        for group in needed
    )


def _same(
    scope: Scope, keys: _Keys, holders: Mapping[tuple[str, str], list[Mapping[str, Any]]]
) -> Iterator[tuple[str, Mapping[str, Any], float]]:
    """What holds the same key; of records that are not visible only what a create reveals."""
    visible = open_lifecycles(scope.actor.rights)
    creates = bool(mask_of(Client, scope.actor.rights).create)
    for reason, exact in keys.exact.items():
        if not _may_tell(scope, keys, reason):
            continue
        for row in (row for key in exact for row in holders.get((reason, key), ())):
            if row["lifecycle"] in visible or (reason in CODES and creates):
                yield reason, row, SCORES.get(reason, 1.0)


async def _similar(scope: Scope, keys: _Keys) -> list[tuple[str, Mapping[str, Any], float]]:
    """Names that are alike, without their legal forms, of records that the caller may open."""
    if keys.name is None or not scope.actor.rights.can("clients", "read", "name"):
        return []
    asked = strip_legal_suffix(name_key(keys.name))
    org = scope.actor.organization_id
    try:
        terms = read_terms(asked, {"name"}, org)
    except BadTerm:
        return []
    values = terms.values(open_lifecycles(scope.actor.rights), SUGGESTED) | {"org": org}
    scored = [
        (
            row,
            0.95 * SequenceMatcher(None, asked, strip_legal_suffix(name_key(row["name"]))).ratio(),
        )
        for row in await scope.db.fetch(org, SIMILAR, values)
    ]
    return [("similar_name", row, score) for row, score in scored if score >= LEAST_SCORE]


def _actions(scope: Scope, shown: Sequence[Mapping[str, Any]]) -> list[str]:
    """What may be done now; creating anyway, where each refusal that waits may be overridden."""
    refusals = {CODES[reason] for one in shown for reason in one["reasons"] if reason in CODES}
    if "email_in_use" in refusals and _all_inactive(shown):
        refusals = refusals - {"email_in_use"} | {"email_in_use_inactive"}
    offered = [next_calls(scope, code, shown) for code in sorted(refusals)]
    actions = offered[0] if offered else next_calls(scope, "", shown)
    if not mask_of(Client, scope.actor.rights).create:
        return [one for one in actions if one != "create_anyway"]
    if not offered:
        return [*actions, "create"]
    return [one for one in actions if one != "create_anyway" or all(one in o for o in offered)]


def _all_inactive(shown: Sequence[Mapping[str, Any]]) -> bool:
    holders = [one["visibility"] for one in shown if "same_email" in one["reasons"]]
    return "live" not in holders
