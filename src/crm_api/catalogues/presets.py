"""The five presets as data: client types, what makes a profile complete, and first entries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

Level = Literal["high", "medium", "low"]
Status = Literal["active", "inactive", "prospect", "on_hold"]

PRESET_KEYS: Final = ("radio", "jobs", "bookings", "recruitment", "relationship")
CATALOGUES: Final = ("types", "industries", "tiers", "regions", "tags", "sources", "workflows")
STATUSES: Final[tuple[Status, ...]] = ("active", "inactive", "prospect", "on_hold")
STAGES: Final = ("growing", "mature", "declining", "closed")
DEFAULT_WORKFLOW: Final = "customer_relationship"

_WORKING: Final[tuple[Status, ...]] = ("active", "inactive", "on_hold")
_COURTED: Final[tuple[Status, ...]] = ("prospect", "on_hold", "inactive")


@dataclass(frozen=True, slots=True)
class ClientType:
    """A type of client. `contact_interval_days` is how often to be in touch; None: as needed."""

    key: str
    label: str
    engagement_level: Level
    contact_interval_days: int | None
    default_status: Status = "active"
    statuses: tuple[Status, ...] = _WORKING
    derived_only: bool = False
    """It follows from facts; a person sets it through an override alone."""

    def data(self, presets: Sequence[str] = ()) -> dict[str, Any]:
        """What a catalogue entry of this type holds besides key and label."""
        return {
            "engagement_level": self.engagement_level,
            "contact_interval_days": self.contact_interval_days,
            "default_status": self.default_status,
            "statuses": list(self.statuses),
            "derived_only": self.derived_only,
            "presets": list(presets),
        }


@dataclass(frozen=True, slots=True)
class Preset:
    """A kind of business: its types, the default first, and what a complete profile holds."""

    key: str
    types: tuple[ClientType, ...]
    complete: tuple[str, ...]
    """Beside a name and one way to reach the client."""
    industries: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StarterEntry:
    """An entry that an organization begins with."""

    catalogue: str
    key: str
    label: str
    position: int
    data: dict[str, Any]


def custom_type(key: str, label: str) -> ClientType:
    """A type that the organization adds by itself, before anything is said of it."""
    return ClientType(key, label, "medium", None, statuses=STATUSES)


_PROSPECT: Final = ClientType("prospect", "Prospect", "high", 14, "prospect", _COURTED)
_PARTNER: Final = ClientType("partner", "Partner", "high", 30)
_CUSTOMER: Final = ClientType("customer", "Customer", "medium", 90)
_SUPPLIER: Final = ClientType("supplier", "Supplier", "low", 180)

_SERVICES: Final = {
    "automotive": "Automotive",
    "construction": "Construction",
    "education": "Education",
    "financial_services": "Financial services",
    "health": "Health",
    "hospitality": "Hospitality",
    "manufacturing": "Manufacturing",
    "professional_services": "Professional services",
    "public_sector": "Public sector",
    "retail": "Retail",
    "technology": "Technology",
    "transport": "Transport",
    "other": "Other",
}

PRESETS: Final[Mapping[str, Preset]] = {
    preset.key: preset
    for preset in (
        Preset(
            "radio",
            (
                _PROSPECT,
                ClientType(
                    "active_advertiser",
                    "Active advertiser",
                    "high",
                    30,
                    statuses=("active", "on_hold"),
                    derived_only=True,
                ),
                ClientType("past_advertiser", "Past advertiser", "medium", 90, derived_only=True),
                _PARTNER,
                ClientType("community_organization", "Community organization", "medium", None),
            ),
            ("industry", "site:physical", "primary_contact"),
            _SERVICES
            | {
                "agriculture": "Agriculture",
                "arts_entertainment": "Arts and entertainment",
                "community": "Community and non-profit",
                "government": "Government",
                "media": "Media",
                "religious": "Religious",
                "telecommunications": "Telecommunications",
            },
        ),
        Preset(
            "jobs",
            (
                _CUSTOMER,
                ClientType("commercial", "Commercial", "high", 30),
                ClientType("residential", "Residential", "medium", 180),
                ClientType("contractor", "Contractor", "medium", 60),
                _PARTNER,
            ),
            ("site:service", "primary_contact", "industry_for_organizations"),
            _SERVICES
            | {
                "energy_utilities": "Energy and utilities",
                "facilities": "Facilities management",
                "property": "Property",
            },
        ),
        Preset(
            "bookings",
            (
                _CUSTOMER,
                ClientType("member", "Member", "high", 30),
                ClientType("corporate", "Corporate", "high", 30),
            ),
            ("email", "phone"),
            _SERVICES | {"leisure": "Leisure and travel", "wellness": "Wellness and beauty"},
        ),
        Preset(
            "recruitment",
            (_PROSPECT, ClientType("employer", "Employer", "high", 30), _SUPPLIER, _PARTNER),
            ("registration_number", "site", "primary_contact"),
            _SERVICES
            | {
                "legal": "Legal",
                "media": "Media",
                "property": "Property",
                "telecommunications": "Telecommunications",
            },
        ),
        Preset(
            "relationship",
            (_PROSPECT, _CUSTOMER, _SUPPLIER, _PARTNER),
            ("stage", "owner", "primary_contact"),
            _SERVICES,
        ),
    )
}

_TIERS: Final = {"standard": "Standard", "priority": "Priority", "premium": "Premium"}
_REGIONS: Final = {
    "north": "North",
    "east": "East",
    "south": "South",
    "west": "West",
    "central": "Central",
}
_SOURCES: Final = {
    "walk_in": "Walk-in",
    "referral": "Referral",
    "website": "Website",
    "campaign": "Campaign",
    "call": "Call",
    "event": "Event",
    "import": "Import",
    "integration": "Integration",
    "other": "Other",
}


def default_type(presets: Iterable[str]) -> str:
    """The type of a client that comes without one: the first of the first preset."""
    return PRESETS[next(iter(presets))].types[0].key


def requirements(presets: Iterable[str]) -> tuple[str, ...]:
    """What a complete profile holds beside name and reach: the sum of the presets' lists."""
    return tuple(dict.fromkeys(need for key in presets for need in PRESETS[key].complete))


def starter_types(presets: Sequence[str]) -> list[StarterEntry]:
    """The types of these presets. Of a type that several have, the first one's data hold."""
    kinds: dict[str, ClientType] = {}
    origins: dict[str, list[str]] = {}
    for key in presets:
        for kind in PRESETS[key].types:
            kinds.setdefault(kind.key, kind)
            origins.setdefault(kind.key, []).append(key)
    return [
        StarterEntry("types", kind.key, kind.label, place, kind.data(origins[kind.key]))
        for place, kind in enumerate(kinds.values())
    ]


def starter_entries(presets: Sequence[str]) -> list[StarterEntry]:
    """Every catalogue entry that an organization with these presets begins with."""
    industries = {key: label for name in presets for key, label in PRESETS[name].industries.items()}
    # "Other" closes the list, whatever a second preset appended to it.
    ordered = sorted(industries.items(), key=lambda item: (item[0] == "other", item[1]))
    return [
        *starter_types(presets),
        *_listed("industries", dict(ordered)),
        *_listed("tiers", _TIERS, {"emergency_contact_required": False}),
        *_listed("regions", _REGIONS),
        *_listed("sources", _SOURCES),
        *_listed(
            "workflows",
            {DEFAULT_WORKFLOW: "Customer relationship"},
            {"stages": list(STAGES)},
        ),
    ]


def _listed(
    catalogue: str, labels: Mapping[str, str], data: Mapping[str, Any] | None = None
) -> list[StarterEntry]:
    return [
        StarterEntry(catalogue, key, label, place, dict(data or {}))
        for place, (key, label) in enumerate(labels.items())
    ]
