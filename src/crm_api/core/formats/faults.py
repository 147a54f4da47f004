"""The codes that a format answers when it refuses a value, and the one way to refuse."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal, LiteralString

from pydantic_core import PydanticCustomError

FaultCode = Literal[
    "invalid_text",
    "invalid_name",
    "invalid_email",
    "invalid_phone",
    "invalid_url",
    "invalid_country_area",
    "invalid_postal_code",
    "invalid_tax_number",
    "invalid_registration_number",
    "invalid_amount",
    "invalid_date",
    "invalid_instant",
    "unknown_country",
    "unknown_currency",
    "unknown_language",
    "unknown_time_zone",
]

# What each code means, for the API document.
FAULTS: Final[Mapping[FaultCode, str]] = MappingProxyType(
    {
        "invalid_text": "The text is blank or holds characters that are not stored.",
        "invalid_name": "The name cannot be compared with others.",
        "invalid_email": "This is no e-mail address.",
        "invalid_phone": "This is no phone number of the country.",
        "invalid_url": "This is no http or https address.",
        "invalid_country_area": "The country has no such state, province or region.",
        "invalid_postal_code": "The postal code does not fit the country or its area.",
        "invalid_tax_number": "The tax number does not fit the country.",
        "invalid_registration_number": "The registration number does not fit the country.",
        "invalid_amount": "The amount is no decimal number of the currency.",
        "invalid_date": "The date does not exist or is out of range.",
        "invalid_instant": "The time is no RFC 3339 timestamp or is out of range.",
        "unknown_country": "ISO 3166-1 has no such country.",
        "unknown_currency": "ISO 4217 has no such currency.",
        "unknown_language": "This is no BCP 47 language tag.",
        "unknown_time_zone": "The IANA database has no such time zone.",
    }
)


def refuse(code: FaultCode, advice: LiteralString) -> PydanticCustomError:
    """The error to raise: a ValueError for callers, a coded fault inside a pydantic model.

    `advice` is literal, so the type checkers prove that it never repeats what the caller sent.
    """
    return PydanticCustomError(code, advice)
