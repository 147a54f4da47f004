"""Makes the bodies of demo clients, as a person would send them; the same each time."""

import random
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import product
from typing import Any, Final
from uuid import UUID

from crm_api.demo.words import Scene

CLIENTS: Final = 240
DAYS: Final = 1200
"""How long ago the first of them was registered."""
THOUSANDS: Final = {"UGX": 1000}
"""What a thousand of other currencies is about."""
STAGES: Final = ("growing", "mature", "mature", "declining", "closed")
SOURCES: Final = ("walk_in", "referral", "website", "campaign", "call", "event")
FUNCTIONS: Final = (
    "decision_maker",
    "administrative",
    "technical_liaison",
    "billing_representative",
)
TITLES: Final = ("Managing director", "Office manager", "Head of marketing", "Accountant", "Owner")
TAGS: Final = ("vip", "newsletter", "seasonal", "referral_partner", "slow_payer")
REMARKS: Final = (
    "Prefers to be called in the morning.",
    "Ask for the invoice number before calling.",
    "Met at the trade fair.",
    "Wants a quote for next season.",
)
_GB_COMPANY: Final = 9_000_000


def bodies(scene: Scene, owners: list[UUID], today: date) -> Iterator[dict[str, Any]]:
    """Create bodies for one scene, the same for the same day.

    `owners` are users who look after clients; no date lies after `today`.
    """
    chance = random.Random(scene.slug)  # noqa: S311  # reproducible data, not a secret
    firms = [f"{opening} {trade}" for opening, (trade, _) in product(scene.openings, scene.trades)]
    industries = dict(scene.trades)
    persons = [f"{a} {b}" for a, b in product(scene.first_names, scene.last_names)]
    chance.shuffle(firms)
    chance.shuffle(persons)
    for n in range(CLIENTS):
        registered = today - timedelta(days=n * 37 % DAYS)
        if chance.randrange(100) < scene.individuals or not firms:
            body = _person(chance, scene, persons.pop(), n, owners)
        else:
            name = firms.pop()
            industry = industries[next(t for t in industries if name.endswith(t))]
            body = _firm(chance, scene, name, industry, persons, n, owners)
        yield body | {"registered_on": str(registered)} | _reviewed(n, registered, today)


def _reviewed(n: int, registered: date, today: date) -> dict[str, Any]:
    """Two of three were looked at since, some of them long ago."""
    if n % 3 == 2 or registered == today:
        return {}
    return {"last_reviewed_on": str(max(registered, today - timedelta(days=n % 200)))}


def _common(chance: random.Random, scene: Scene, n: int, owners: list[UUID]) -> dict[str, Any]:
    body: dict[str, Any] = {
        "phones": [{"e164": _phone(chance, scene.phone), "label": "mobile"}],
        "sites": [_site(chance, scene)],
        "source": chance.choice(SOURCES),
        "external_refs": [{"source": "legacy", "id": f"{scene.slug}-{n + 1:04d}"}],
    }
    if n % 3 == 0:
        body["tags"] = sorted(chance.sample(TAGS, 1 + n % 2))
    if n % 4 == 0:
        body["remarks"] = chance.choice(REMARKS)
    if n % 2 == 0:
        body["owner_id"] = str(chance.choice(owners))
    return body


def _firm(
    chance: random.Random,
    scene: Scene,
    name: str,
    industry: str,
    persons: list[str],
    n: int,
    owners: list[UUID],
) -> dict[str, Any]:
    domain = f"{name.lower().replace(' ', '-')}.example"
    body = _common(chance, scene, n, owners) | {
        "name": name,
        "kind": "organization",
        "type": chance.choice(scene.types),
        "industry": industry,
        "business_size": chance.choice(("small", "small", "medium", "large")),
        "emails": [{"address": f"hello@{domain}", "label": "office"}],
        "website": f"https://{domain}/",
        "contacts": [
            _contact(chance, persons.pop(), domain, first=k == 0) for k in range(1 + n % 2)
        ],
    }
    body["phones"][0]["label"] = "office"
    if n % 3 == 0:
        amount = (1 + n % 9) * THOUSANDS.get(scene.currency, 1) * 1000
        body["credit_limit"] = {"amount": str(amount), "currency": scene.currency}
        body["payment_terms_days"] = 30
    if scene.slug == "recruitment":
        body |= {"registration_country": "GB", "registration_number": f"{_GB_COMPANY + n * 37:08d}"}
    if scene.slug == "relationship" and n % 6:
        body["stage"] = chance.choice(STAGES)
    return body


def _person(
    chance: random.Random, scene: Scene, name: str, n: int, owners: list[UUID]
) -> dict[str, Any]:
    mailbox = name.lower().replace(" ", ".")
    return _common(chance, scene, n, owners) | {
        "name": name,
        "kind": "individual",
        "emails": [{"address": f"{mailbox}@mail.example", "label": "home"}],
        "preferences": {"channels": [chance.choice(("email", "sms", "phone"))], "language": "en"},
    }


def _contact(chance: random.Random, name: str, domain: str, *, first: bool) -> dict[str, Any]:
    mailbox = name.lower().replace(" ", ".")
    return {
        "contact": {"name": name, "emails": [{"address": f"{mailbox}@{domain}", "label": "work"}]},
        "roles": ["primary"] if first else ["billing"],
        "function": chance.choice(FUNCTIONS),
        "job_title": chance.choice(TITLES),
    }


def _site(chance: random.Random, scene: Scene) -> dict[str, Any]:
    city, postal_code = chance.choice(scene.cities)
    return {
        "kind": "service" if scene.slug == "jobs" else "physical",
        "country_code": scene.country,
        "city": city,
        "postal_code": postal_code,
        "street_address": f"{chance.randrange(1, 180)} {chance.choice(scene.streets)}",
        **({"country_area": _AREAS[city]} if city in _AREAS else {}),
    }


_AREAS: Final = {
    "Boulder": "CO", "Denver": "CO", "Golden": "CO", "Longmont": "CO",
    "New York": "NY", "Brooklyn": "NY", "Hoboken": "NJ", "Stamford": "CT",
}  # fmt: skip


def _phone(chance: random.Random, pattern: str) -> str:
    return "".join(str(chance.randrange(10)) if c == "#" else c for c in pattern)


SUBJECTS: Final = (
    "What they need next season", "An offer", "The last invoice", "Opening hours", "A complaint",
    "Getting to know each other", "Renewal of the agreement",
)  # fmt: skip
OUTCOMES: Final = ("connected", "connected", "connected", "voicemail", "no_answer")
KINDS: Final = ("call", "call", "email", "meeting", "visit", "sms")
HOURS: Final = (7, 8, 9, 11, 13, 14)


def logged(scene: Scene, clients: list[tuple[UUID, date]], today: date) -> Iterator[dict[str, Any]]:
    """Create bodies of communications, the same for the same day; some clients have none yet.

    `clients` are ids with the days of registration.
    """
    chance = random.Random(f"{scene.slug}/calls")  # noqa: S311  # as above
    for n, (client_id, registered) in enumerate(clients):
        for k in range(n % 4):
            day = today - timedelta(days=1 + (n * 11 + k * 37) % 150)
            if day < registered:
                continue
            yield _call(chance, client_id, day, n + k) | _agreed(n + k, today)
        if n % 40 == 0:
            soon = today + timedelta(days=1 + n % 9)
            yield _call(chance, client_id, soon, n) | {"kind": "meeting"}


def _call(chance: random.Random, client_id: UUID, day: date, n: int) -> dict[str, Any]:
    kind = KINDS[n % len(KINDS)]
    body: dict[str, Any] = {
        "client_id": str(client_id),
        "kind": kind,
        "direction": chance.choice(("in", "out")),
        "occurred_at": f"{day}T{chance.choice(HOURS):02d}:{chance.randrange(60):02d}:00Z",
        "subject": chance.choice(SUBJECTS),
    }
    if kind == "call":
        body |= {"outcome": chance.choice(OUTCOMES), "duration_minutes": chance.randrange(1, 40)}
    return body


def _agreed(n: int, today: date) -> dict[str, Any]:
    """One in nine has something to be done, one in seven a follow-up; some of it is late."""
    found: dict[str, Any] = {}
    due = today + timedelta(days=n % 20 - 6)
    if n % 9 == 0:
        found["action_items"] = [{"title": "Send the offer", "due_on": str(due)}]
    if n % 7 == 0:
        found["follow_up_on"] = str(due)
    return found
