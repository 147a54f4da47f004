"""Contacts as cards of an address book: vCard 3.0 (RFC 2426), which phones and mail programs read.

A card has what the chosen fields hold; what it has no place for is left out.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

import vobject

from crm_api.kit.fields import Resource
from crm_api.kit.formats import Format

_PHONE_TYPES: Final = {"mobile": "CELL", "fixed_line": "VOICE", "pager": "PAGER", "voip": "VOICE"}
_LABELS: Final = {"work": "WORK", "office": "WORK", "home": "HOME", "mobile": "CELL"}


class _Cards:
    head = b""

    def __init__(self, _cls: type[Resource], _names: Sequence[str]) -> None:
        """Nothing to prepare: a document has just the fields that were chosen."""

    def rows(self, texts: Sequence[str]) -> bytes:
        return "".join(_card(json.loads(text)) for text in texts).encode()


def _card(person: dict[str, Any]) -> str:
    card = vobject.vCard()
    card.add("fn").value = person["name"]
    # Which word is the family's nobody told us: the whole name stands where a program looks first.
    card.add("n").value = vobject.vcard.Name(
        family=person["name"], prefix=person.get("honorific") or ""
    )
    if "id" in person:
        card.add("uid").value = f"urn:uuid:{person['id']}"
    for email in person.get("emails", ()):
        _add(card, "email", email["address"], ["INTERNET", *_types(email)])
    for phone in person.get("phones", ()):
        kind = _PHONE_TYPES.get(phone["type"], "VOICE")
        number = phone["e164"] + (f";ext={phone['extension']}" if phone["extension"] else "")
        _add(card, "tel", number, [kind, *_types(phone)])
    titles = [link for link in person.get("links", ()) if link["to_on"] is None]
    if titles and titles[0]["job_title"]:
        card.add("title").value = titles[0]["job_title"]
    if person.get("do_not_contact"):
        card.add("categories").value = ["do-not-contact"]
    text: str = card.serialize()
    return text


def _types(point: dict[str, Any]) -> list[str]:
    found = [_LABELS[point["label"]]] if point["label"] in _LABELS else []
    return [*found, "PREF"] if point["is_primary"] else found


def _add(card: Any, name: str, value: str, types: list[str]) -> None:
    line = card.add(name)
    line.value = value
    line.params["TYPE"] = list(dict.fromkeys(types))


VCARD: Final = Format("text/vcard; charset=utf-8", "vcf", _Cards, needs=("name",))
