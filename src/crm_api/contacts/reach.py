"""E-mail addresses and phone numbers: their shapes, and how a sent list becomes what shall be."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from crm_api.core.errors import Fault
from crm_api.core.formats.emails import parse_email
from crm_api.core.formats.phones import parse_phone
from crm_api.core.formats.text import Line
from crm_api.core.ids import new_id_text

MAX_POINTS = 20
Label = Literal["work", "mobile", "home", "office", "billing", "other"]
Reachability = Literal["unknown", "verified", "bounced", "invalid"]

_IN = ConfigDict(extra="forbid", strict=True)


class Email(BaseModel):
    """One e-mail address."""

    cell_key: ClassVar = "address"

    id: Annotated[UUID, Field(description="Its id; send it back to keep the entry when editing.")]
    address: Annotated[str, Field(max_length=254, examples=["ada@example.com"])]
    label: Annotated[Label | None, Field(description="What it is for.")] = None
    is_primary: Annotated[bool, Field(description="Exactly one address of a record is primary.")]
    reachability: Annotated[Reachability, Field(description="What is known of its working.")]
    verified_at: Annotated[
        str | None, Field(json_schema_extra={"format": "date-time"}, max_length=32)
    ] = None


class EmailEntry(BaseModel):
    """One e-mail address as it is sent; what was answered may be sent back."""

    model_config = _IN

    address: Annotated[
        str, Line(1, 254), Field(description="The address.", examples=["ada@example.com"])
    ]
    id: Annotated[UUID | None, Field(description="The entry that this one replaces.")] = None
    label: Annotated[Label | None, Field(description="What it is for.")] = None
    is_primary: Annotated[bool | None, Field(description="At most one; else the first is.")] = None
    reachability: Annotated[Reachability | None, Field(description="Only what was answered.")] = (
        None
    )
    verified_at: Annotated[
        str | None, Field(description="Only what was answered.", max_length=40)
    ] = None


class Phone(BaseModel):
    """One phone number, formatted for people."""

    cell_key: ClassVar = "e164"

    id: Annotated[UUID, Field(description="Its id; send it back to keep the entry when editing.")]
    e164: Annotated[str, Field(max_length=20, examples=["+256772123456"])]
    national: Annotated[str, Field(max_length=40, examples=["0772 123456"])]
    international: Annotated[str, Field(max_length=40, examples=["+256 772 123456"])]
    country: Annotated[str | None, Field(max_length=2, examples=["UG"])] = None
    type: Annotated[str, Field(max_length=32, examples=["mobile"])]
    label: Annotated[Label | None, Field(description="What it is for.")] = None
    extension: Annotated[str | None, Field(max_length=20)] = None
    is_primary: Annotated[bool, Field(description="Exactly one number of a record is primary.")]
    reachability: Annotated[Reachability, Field(description="What is known of its working.")]
    verified_at: Annotated[
        str | None, Field(json_schema_extra={"format": "date-time"}, max_length=32)
    ] = None


class PhoneEntry(BaseModel):
    """One phone number as it is sent: `e164`, or `country` and `national`."""

    model_config = _IN

    e164: Annotated[
        Annotated[str, Line(1, 64)] | None,
        Field(description="The number in E.164; it wins.", examples=["+256772123456"]),
    ] = None
    national: Annotated[
        Annotated[str, Line(1, 64)] | None,
        Field(description="The number as its country writes it."),
    ] = None
    country: Annotated[
        Annotated[str, Line(2, 2)] | None, Field(description="ISO 3166-1 alpha-2, with `national`.")
    ] = None
    international: Annotated[
        Annotated[str, Line(1, 64)] | None, Field(description="Only what was answered.")
    ] = None
    type: Annotated[
        Annotated[str, Line(1, 32)] | None, Field(description="Only what was answered.")
    ] = None
    id: Annotated[UUID | None, Field(description="The entry that this one replaces.")] = None
    label: Annotated[Label | None, Field(description="What it is for.")] = None
    extension: Annotated[
        Annotated[str, Line(1, 20)] | None, Field(description="The extension, digits.")
    ] = None
    is_primary: Annotated[bool | None, Field(description="At most one; else the first is.")] = None
    reachability: Annotated[Reachability | None, Field(description="Only what was answered.")] = (
        None
    )
    verified_at: Annotated[
        str | None, Field(description="Only what was answered.", max_length=40)
    ] = None


EmailsIn = Annotated[list[Annotated[str, Line(1, 254)] | EmailEntry], Field(max_length=MAX_POINTS)]
PhonesIn = Annotated[list[Annotated[str, Line(1, 64)] | PhoneEntry], Field(max_length=MAX_POINTS)]

Item = dict[str, Any]


@dataclass(slots=True)
class Settled:
    """The list that shall be, as the wire shows it; `keys` is what must be unique of each item."""

    items: list[Item]
    keys: list[str]
    faults: list[Fault]


def settle_emails(sent: Sequence[Any] | None, current: Sequence[Item], pointer: str) -> Settled:
    """Match by id, then by normalized address; matched entries keep their id and reachability."""
    found = Settled([], [], [])
    for n, entry in enumerate(sent or ()):
        place = f"{pointer}/{n}"
        given = (
            {"address": entry} if isinstance(entry, str) else entry.model_dump(exclude_unset=True)
        )
        try:
            parsed = parse_email(given["address"])
        except ValueError as error:
            found.faults.append(
                Fault(
                    "invalid_email",
                    _text(error),
                    pointer=place if isinstance(entry, str) else f"{place}/address",
                )
            )
            continue
        core = {"address": parsed.address}
        _settle(found, given, core, parsed.key, _email_key, current, place)
    _one_primary(found, pointer)
    return found


def settle_phones(
    sent: Sequence[Any] | None, current: Sequence[Item], pointer: str, default_country: str | None
) -> Settled:
    """Match by id, then by number; computed parts may be echoed and must then be equal."""
    found = Settled([], [], [])
    for n, entry in enumerate(sent or ()):
        place = f"{pointer}/{n}"
        given = {"e164": entry} if isinstance(entry, str) else entry.model_dump(exclude_unset=True)
        number = given.get("e164") or given.get("national") or given.get("international")
        if number is None:
            found.faults.append(
                Fault("required", "Send `e164`, or `country` and `national`.", pointer=place)
            )
            continue
        try:
            parsed = parse_phone(
                number, given.get("country"), default_country if isinstance(entry, str) else None
            )
        except ValueError as error:
            found.faults.append(Fault("invalid_phone", _text(error), pointer=place))
            continue
        core = {
            "e164": parsed.e164,
            "national": parsed.national,
            "international": parsed.international,
            "country": parsed.country,
            "type": parsed.type,
            "extension": given.get("extension") or parsed.extension,
        }
        if given.get("e164"):
            computed = ("national", "international", "country", "type")
            found.faults += [
                Fault(
                    "read_only_field",
                    "This part follows from the number; leave it out.",
                    pointer=f"{place}/{part}",
                )
                for part in computed
                if given.get(part) is not None and given[part] != core[part]
            ]
        _settle(found, given, core, _phone_key(core), _phone_key, current, place)
    _one_primary(found, pointer)
    return found


def _text(error: ValueError) -> str:
    message = getattr(error, "message_template", None) or "Check its form."
    return str(message)


def _email_key(item: Item) -> str:
    return parse_email(item["address"]).key


def _phone_key(item: Item) -> str:
    return f"{item['e164']};{item.get('extension') or ''}"


def _settle(
    found: Settled,
    given: Item,
    core: Item,
    key: str,
    key_of: Any,
    current: Sequence[Item],
    place: str,
) -> None:
    taken = {item["id"] for item in found.items}
    wanted = str(given["id"]) if given.get("id") else None
    match = next((i for i in current if i["id"] == wanted), None) if wanted else None
    if wanted and match is None:
        found.faults.append(
            Fault("unknown_item", "There is no entry with this id here.", pointer=f"{place}/id")
        )
        return
    if match is None:
        match = next((i for i in current if key_of(i) == key and i["id"] not in taken), None)
    if key in found.keys or (match and match["id"] in taken):
        found.faults.append(
            Fault("repeated_item", "The same entry stands twice in this list.", pointer=place)
        )
        return
    same = match is not None and key_of(match) == key
    item = {
        "id": match["id"] if match else new_id_text(),
        **core,
        "label": given["label"] if "label" in given else (match or {}).get("label"),
        "is_primary": given.get("is_primary"),
        "reachability": match["reachability"] if match and same else "unknown",
        "verified_at": match["verified_at"] if match and same else None,
    }
    for part in ("reachability", "verified_at"):
        if given.get(part) is not None and given[part] != item[part]:
            detail = "This is set by verification, not by an edit."
            found.faults.append(Fault("read_only_field", detail, pointer=f"{place}/{part}"))
    found.items.append(item)
    found.keys.append(key)


def _one_primary(found: Settled, pointer: str) -> None:
    marked = [item for item in found.items if item["is_primary"]]
    if len(marked) > 1:
        found.faults.append(
            Fault("two_primaries", "Mark at most one entry as primary.", pointer=pointer)
        )
    for n, item in enumerate(found.items):
        item["is_primary"] = item is marked[0] if marked else n == 0


def without_emails(items: Sequence[Item], keys: Collection[str]) -> Settled:
    """What is left of stored addresses when some leave; one of them stays primary."""
    left = [dict(item) for item in items if _email_key(item) not in keys]
    found = Settled(left, [_email_key(item) for item in left], [])
    _one_primary(found, "")
    return found


def stored_email_rows(items: list[Item], parent: str, parent_id: UUID) -> list[Item]:
    """The table rows of addresses that stand in a record already."""
    return email_rows(Settled(items, [_email_key(i) for i in items], []), parent, parent_id)


def stored_phone_rows(items: list[Item], parent: str, parent_id: UUID) -> list[Item]:
    """The table rows of numbers that stand in a record already."""
    return phone_rows(Settled(items, [], []), parent, parent_id)


def email_rows(found: Settled, parent: str, parent_id: UUID) -> list[Item]:
    """The table rows of settled addresses."""
    return [
        {**item, parent: str(parent_id), "position": n, "key": key}
        for n, (item, key) in enumerate(zip(found.items, found.keys, strict=True))
    ]


def phone_rows(found: Settled, parent: str, parent_id: UUID) -> list[Item]:
    """The table rows of settled numbers."""
    return [{**item, parent: str(parent_id), "position": n} for n, item in enumerate(found.items)]
