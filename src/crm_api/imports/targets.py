"""What a column of a list may become, and by which names people call it."""

import hashlib
import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import pycountry
from sqlalchemy import Date, DateTime, Integer, Text

from crm_api.clients.drafting import PLAIN
from crm_api.clients.repository import CLIENTS
from crm_api.clients.schemas import Client
from crm_api.core.formats.places import countries
from crm_api.kit.fields import Write
from crm_api.kit.filters import choices

How = Literal[
    "text", "choice", "catalogue", "number", "money", "currency", "words", "keys", "several",
    "site", "contact", "reference", "attribute", "match", "cells",
]  # fmt: skip
"""How a cell becomes part of a create body."""

MAX_KEY: Final = 64
_KEY: Final = re.compile(f"[a-z][a-z0-9_]{{0,{MAX_KEY - 1}}}")
NUMBER: Final = re.compile(r"C-([0-9]{6,18})")
"""A client's number as it is answered."""
ATTRIBUTE: Final = "attributes."


@dataclass(frozen=True, slots=True)
class Target:
    """A name that `--mapping` takes. `field` is where the cell goes in the body."""

    name: str
    field: str
    how: How
    titles: frozenset[str] = frozenset()
    """Column names that suggest it, in the form of `title_key`."""

    @property
    def root(self) -> str:
        """The client's field that it becomes, or becomes a part of."""
        parts = {"site": "sites", "contact": "contacts", "attribute": "attributes"}
        return parts.get(self.how, self.field)

    @property
    def is_read_only(self) -> bool:
        """A field that the system sets; an export holds it, and its column may stay."""
        return self.how == "cells" and Client.fields[self.field].rule.write is Write.NEVER


def _target(name: str, how: How, titles: str = "", field: str | None = None) -> Target:
    known = {name.replace("_", " "), *(each.strip() for each in titles.split(",") if each.strip())}
    return Target(name, field or name, how, frozenset(known))


_NAMED: Final = (
    _target(
        "name", "text",
        "client, client name, company, company name, business, business name, organisation, "
        "organization, organisation name, organization name, account name, customer, "
        "customer name, registered name, full name",
    ),
    _target(
        "external_ref", "reference",
        "id, ref, reference, external id, client id, customer id, account id, record id, uuid, key",
        "external_refs",
    ),
    _target("number", "match", "client number, customer number, client no, customer no"),
    _target("kind", "choice"),
    _target("type", "catalogue", "client type, customer type, category"),
    _target("status", "choice", "client status"),
    _target("status_reason", "text"),
    _target("industry", "catalogue", "sector, industry sector, business type, line of business"),
    _target("stage", "choice", "relationship stage"),
    _target("stage_reason", "text"),
    _target("business_size", "choice", "size, company size"),
    _target("service_tier", "catalogue", "tier, service level"),
    _target("region", "catalogue"),
    _target("potential", "choice"),
    _target("registered_on", "text", "registration date, registered, client since, since, created"),
    _target("last_reviewed_on", "text", "last review, last reviewed"),
    _target("products_services", "text", "products, services, products and services"),
    _target("website", "text", "web, web site, url, homepage, home page"),
    _target("source", "catalogue", "lead source"),
    _target("source_detail", "text"),
    _target("target_audience", "text", "audience"),
    _target("time_zone", "text", "timezone"),
    _target("languages", "words", "language"),
    _target(
        "email", "several",
        "e mail, mail, emails, e mails, email address, e mail address, email 1, email 2, "
        "primary email",
        "emails",
    ),
    _target(
        "phone", "several",
        "phones, telephone, tel, phone number, phone no, telephone number, mobile, mobile phone, "
        "mobile number, cell, cell phone, cellphone, phone 1, phone 2, contact number, "
        "office phone, work phone",
        "phones",
    ),
    _target(
        "street_address", "site",
        "addr, address, street, address 1, address line 1, street and number, physical address",
    ),
    _target("city", "site", "town, place, city town"),
    _target("postal_code", "site", "zip, zip code, zipcode, postcode, post code, plz"),
    _target("country_area", "site", "state, province, county, district, state province"),
    _target("country_code", "site", "country"),
    _target("contact_name", "contact", "contact, contact person, primary contact", "name"),
    _target("contact_email", "contact", "contact e mail", "emails"),
    _target("contact_phone", "contact", "contact phone number, contact mobile", "phones"),
    _target("contact_job_title", "contact", "job title, contact title, position", "job_title"),
    _target("registration_country", "text"),
    _target("registration_number", "text", "company number, reg no, registration no"),
    _target("remarks", "text", "remark, notes, note, comment, comments"),
    _target("tags", "keys", "tag, labels"),
    _target("credit_limit", "money"),
    _target("credit_limit_currency", "currency", field="credit_limit"),
    _target("payment_terms_days", "number", "payment terms, terms days"),
)  # fmt: skip


def _declared(named: Collection[str]) -> tuple[Target, ...]:
    """The fields of one cell that are named nowhere above: each by its own name."""
    names = [n for n in PLAIN if n not in named and Client.fields[n].rule.write & Write.ON_CREATE]
    hows: dict[str, How | None] = {name: _how(name) for name in names}
    return tuple(_target(name, how) for name, how in hows.items() if how is not None)


def _how(name: str) -> How | None:
    """How a cell becomes this field; None where its type takes more than a cell says."""
    match CLIENTS.c[name].type:
        case Text():
            return "choice" if choices(Client, name) else "text"
        case Date() | DateTime():
            return "text"
        case Integer():
            return "number"
    return None


_ALL: Final = (*_NAMED, *_declared([target.name for target in _NAMED]))
WHOLE: Final = {
    name: Target(name, name, "cells")
    for name in Client.fields
    if name not in {target.name for target in _ALL}
}
"""Fields in the form of an export, which no title suggests by itself."""
TARGETS: Final = {target.name: target for target in _ALL} | WHOLE
REPEATABLE: Final = frozenset({"several", "keys", "words", "reference"})
"""Several columns may become one of these."""


def target_of(name: str) -> Target | None:
    """The target of a name as `--mapping` takes it."""
    if name.startswith(ATTRIBUTE) and len(name) > len(ATTRIBUTE):
        return Target(name, name.removeprefix(ATTRIBUTE), "attribute")
    return TARGETS.get(name)


def title_key(title: str) -> str:
    """A column's name as it is compared: `E-Mail_Address` is `e mail address`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", title)
    return " ".join(re.findall(r"\w+", spaced.replace("_", " ").casefold()))


def titled(title: str) -> Target | None:
    """The target that a column's name suggests by itself."""
    key = title_key(title)
    return next((target for target in _ALL if key in target.titles), None)


@lru_cache(maxsize=4096)
def key_of(text: str) -> str:
    """A catalogue key made of what people write: `American (new)` is `american_new`."""
    if _KEY.fullmatch(text):
        return text
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    key = re.sub(r"[^a-z0-9]+", "_", plain).strip("_")
    if not key:
        # Of a script without a plain form there is no readable key, but always the same one.
        key = "x_" + hashlib.sha256(text.casefold().encode("utf-8", "replace")).hexdigest()[:8]
    return (key if key[0].isalpha() else f"x_{key}")[:MAX_KEY].rstrip("_")


def choice_of(text: str) -> str:
    """A closed vocabulary's value as people write it: `On hold` is `on_hold`."""
    return re.sub(r"[\s\-]+", "_", text.strip().casefold())


@lru_cache(maxsize=1024)
def country_of(text: str) -> str:
    """The code of a country that is written as code or name; else the text as it is."""
    code = text.strip().upper()
    if code in countries():
        return code
    try:
        found = pycountry.countries.lookup(text.strip())
    except LookupError:
        return text.strip()
    return str(found.alpha_2)
