"""Phone numbers: read as people write them, answered in E.164 and in their country's own form."""

import re
from dataclasses import dataclass
from typing import Final

import phonenumbers

from crm_api.core.formats.faults import refuse
from crm_api.core.formats.phone_plans import (
    PhoneType,
    Plan,
    plan_of,
    plans_sharing,
    split_calling_code,
)
from crm_api.core.formats.text import typewritten

_TEXT_LENGTH: Final = 64
_DIGITS: Final = 15  # E.164 §6: calling code and national number together

_PLAIN_E164: Final = re.compile(r"\+([1-9][0-9]{6,14})")
# Without parentheses: what stands in them may be a trunk prefix, as in `+44 (0)20`.
_SPACED_E164: Final = re.compile(r"\+[1-9][0-9 ./\-]{5,28}[0-9]")
_PLAIN_NATIONAL: Final = re.compile(r"\(?[0-9][0-9 ()./\-]{4,24}")
_PUNCTUATION: Final = str.maketrans("", "", " ()./-")
# No letters: the library reads `+25677212345O` as a number that ends in 6.
_WRITTEN: Final = re.compile(
    r"(?:tel:)?(\+?[0-9(][0-9 ()./\-]*[0-9])"
    r"(?: *(?:;ext=|,|#|x|ext[.:]?|extn[.:]?|extension:?) *([0-9]{1,7}))?",
    re.IGNORECASE,
)
# Ascension and Tristan da Cunha dial on their own, but ISO 3166-1 has them under Saint Helena.
_ISO_COUNTRY: Final = {"AC": "SH", "TA": "SH"}


@dataclass(frozen=True, slots=True)
class Phone:
    """A number as it is answered. `country` is None for numbers of the whole world (+800).

    `extension` is what the text said behind the number ("x12"), never part of the other forms.
    """

    e164: str
    national: str
    international: str
    country: str | None
    type: PhoneType
    extension: str | None = None


def parse_phone(
    value: str, country: str | None = None, default_country: str | None = None
) -> Phone:
    """Read a number in E.164, in international form with spaces, or in national form.

    `country` (ISO 3166-1) is what the caller said of this number, and a number of another calling
    code is refused; `default_country` only helps to read a national form. Accepted is a number that
    the country's numbering plan can hold. One in a range that is not known to be assigned has type
    `unknown`: ranges are opened faster than libraries are upgraded. ValueError for the rest.
    """
    home = _home(country, default_country)
    found = _read_plain(value, home)
    extension = None
    if found is None:
        found, extension = _read_written(value, home)
    calling_code, number = found
    if country is not None and home is not None and home.calling_code != calling_code:
        raise refuse("invalid_phone", "The number's calling code is not the country's: mend one.")
    return _described(calling_code, number, home, extension)


def _home(country: str | None, default_country: str | None) -> Plan | None:
    """The plan that reads a national form. A country that was named has to have one."""
    if country is None:
        return None if default_country is None else plan_of(default_country)
    plan = plan_of(country)
    if plan is None:
        raise refuse("unknown_country", "Use a two-letter ISO 3166-1 country that has phones.")
    return plan


def _read_plain(value: str, home: Plan | None) -> tuple[int, str] | None:
    """Calling code and number of the plainest texts; None leaves the text to the library."""
    e164 = _PLAIN_E164.fullmatch(value)
    if e164 is None and _SPACED_E164.fullmatch(value):
        e164 = _PLAIN_E164.fullmatch(value.translate(_PUNCTUATION))
    if e164 is not None:
        found = split_calling_code(e164[1])
        if found is None or plans_sharing(found[0])[0].trunk.match(found[1]):
            return None
        return found
    if home is None or not _PLAIN_NATIONAL.fullmatch(value):
        return None
    digits = value.translate(_PUNCTUATION)
    if digits.startswith(str(home.calling_code)) or home.international_prefix.match(digits):
        return None
    if home.trunk.match(digits):
        if home.trunk_prefix is None:
            return None
        digits = digits[len(home.trunk_prefix) :]
    return (home.calling_code, digits) if home.general.fits(digits) else None


def _read_written(value: str, home: Plan | None) -> tuple[tuple[int, str], str | None]:
    """Calling code and number, and the extension, of anything else that people write."""
    text = value.strip()
    if len(text) > _TEXT_LENGTH:
        raise refuse("invalid_phone", "Write one phone number.")
    if not text.isascii():
        text = typewritten(text)
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise refuse("invalid_phone", "Write one phone number in digits, such as +256772123456.")
    digits, extension = written.groups()
    if home is None and not digits.startswith("+"):
        raise refuse(
            "invalid_phone", "Start with + and the calling code, or name the number's country."
        )
    try:
        number = phonenumbers.parse(digits, home.region if home is not None else None)
    except phonenumbers.NumberParseException:
        raise refuse(
            "invalid_phone", "Write the number with its calling code, such as +256772123456."
        ) from None
    national = phonenumbers.national_significant_number(number)
    return (number.country_code or 0, national), extension


def _described(calling_code: int, number: str, home: Plan | None, extension: str | None) -> Phone:
    plans = plans_sharing(calling_code)
    digits = f"{calling_code}{number}"
    owner = _owner(plans, number)
    kind = owner.type_of(number) if owner is not None else "unknown"
    if owner is None or kind == "unknown":
        owner = home if home in plans else owner or plans[0]
        if not owner.general.fits(number):
            raise refuse(
                "invalid_phone", "The number is too short, too long or not of its country."
            )
    if len(digits) > _DIGITS:
        raise refuse("invalid_phone", "A number has at most 15 digits with its calling code.")
    region = owner.region
    return Phone(
        e164=f"+{digits}",
        national=plans[0].national(number),
        international=plans[0].international(number),
        country=None if region == "001" else _ISO_COUNTRY.get(region, region),
        type=kind,
        extension=extension,
    )


def _owner(plans: tuple[Plan, ...], number: str) -> Plan | None:
    """The country whose number it is, as the library decides among those that share the code."""
    if len(plans) == 1:
        return plans[0]
    return next((plan for plan in plans if plan.claims(number)), None)


def searched_digits(e164: str, national: str) -> list[str]:
    """The digits by which a number is found: international, and national where that differs.

    The national ones as they are dialled, with the zero that most countries put before them.
    """
    whole = e164.removeprefix("+")
    local = "".join(char for char in national if char.isdecimal())
    return [whole] if whole.endswith(local) else [whole, local]
