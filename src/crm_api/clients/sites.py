"""Sites: how a sent list of addresses becomes the list that shall be."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from crm_api.clients.parts import SiteEntry
from crm_api.contacts.reach import Settled
from crm_api.core.errors import Fault
from crm_api.core.formats.addresses import check_address
from crm_api.core.formats.names import name_key
from crm_api.core.ids import new_id_text

LINES = ("country_area", "city", "postal_code", "street_address")
STORED = ("kind", "label", "country_code", *LINES, "notes", "service_area")


def settle_sites(
    sent: Sequence[SiteEntry] | None, current: Sequence[Mapping[str, Any]], pointer: str
) -> Settled:
    """Match by id, then by the address itself; missing entries are removed."""
    found = Settled([], [], [])
    for n, entry in enumerate(sent or ()):
        place = f"{pointer}/{n}"
        item = {name: getattr(entry, name) for name in STORED}
        item["country_code"] = item["country_code"] and item["country_code"].upper()
        item["address_quality"] = _checked(found, item, place)
        match = _match(found, entry, item, current, place)
        if entry.address_quality not in (None, item["address_quality"]):
            found.faults.append(
                Fault(
                    "read_only_field",
                    "This follows from the address.",
                    pointer=f"{place}/address_quality",
                )
            )
        found.items.append({"id": match or new_id_text(), **item, "is_primary": entry.is_primary})
    _one_primary(found, pointer)
    return found


def _checked(found: Settled, item: dict[str, Any], place: str) -> str:
    """The quality of the address; what does not fit its country is a fault."""
    if item["country_code"] is None:
        return "incomplete"
    check = check_address(item["country_code"], *(item[line] for line in LINES))
    found.faults += [Fault(f.code, f.detail, pointer=f"{place}/{f.field}") for f in check.faults]
    if check.postal_code is not None:
        item["postal_code"] = check.postal_code
    return check.quality


def _match(
    found: Settled,
    entry: SiteEntry,
    item: Mapping[str, Any],
    current: Sequence[Mapping[str, Any]],
    place: str,
) -> str | None:
    taken = {i["id"] for i in found.items}
    if entry.id is not None:
        wanted = str(entry.id)
        if wanted not in {i["id"] for i in current}:
            found.faults.append(
                Fault("unknown_item", "There is no entry with this id here.", pointer=f"{place}/id")
            )
        elif wanted in taken:
            found.faults.append(
                Fault("repeated_item", "The same entry stands twice in this list.", pointer=place)
            )
        return wanted
    if not current:
        return None
    key = _key(item)
    return next((i["id"] for i in current if _key(i) == key and i["id"] not in taken), None)


def _key(item: Mapping[str, Any]) -> str:
    return "\0".join(str(item[name] or "").casefold() for name in ("kind", "country_code", *LINES))


def _one_primary(found: Settled, pointer: str) -> None:
    marked = [item for item in found.items if item["is_primary"]]
    if len(marked) > 1:
        found.faults.append(
            Fault("two_primaries", "Mark at most one entry as primary.", pointer=pointer)
        )
    for n, item in enumerate(found.items):
        item["is_primary"] = item is marked[0] if marked else n == 0


def city_key(city: str | None) -> str | None:
    """The city as filters compare it."""
    if not city:
        return None
    try:
        return name_key(city)[:200]
    except ValueError:
        return None


def site_rows(found: Settled, client_id: UUID) -> list[dict[str, Any]]:
    return [
        {**item, "client_id": str(client_id), "position": n, "city_key": city_key(item["city"])}
        for n, item in enumerate(found.items)
    ]
