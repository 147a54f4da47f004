"""E-mail addresses: what is accepted, how it is answered, and the key by which it is unique."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Final

import email_validator

from crm_api.core.formats.faults import refuse
from crm_api.core.formats.wire import Checked

MIN_LENGTH: Final = 3
MAX_LENGTH: Final = 254  # RFC 5321 §4.5.3.1.3 with erratum 1690 of RFC 3696
_LOCAL_LENGTH: Final = 64  # RFC 5321 §4.5.3.1.1

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?"
_LAST_LABEL: Final = r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61})?)?[A-Za-z]"
_PLAIN: Final = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@((?:{_LABEL}\.)+{_LAST_LABEL})")
# Not decided here: names of special use, and labels that are or look like Punycode.
_LEFT_TO_LIBRARY: Final = re.compile(
    r"--|(?:^|\.)(?:arpa|invalid|local|localhost|onion|test)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Email:
    """`address` as it is answered, `key` as it is compared.

    The address keeps the caller's local part and takes a lower-case domain in its readable form;
    the key is lower-case throughout, with the domain in ASCII (IDNA).
    """

    address: str
    key: str


def parse_email(text: str) -> Email:
    """Read one address (RFC 5321, RFC 6531); ValueError for anything else.

    Refused: a display name, a quoted local part, an address literal, a dotless domain, domains that
    cannot receive mail. Names under `.test` (RFC 6761) pass: staging systems are full of them.
    """
    address = text.strip()
    plain = _PLAIN.fullmatch(address) if len(address) <= MAX_LENGTH else None
    if plain is not None:
        local, domain = plain.groups()
        if len(local) <= _LOCAL_LENGTH and not _LEFT_TO_LIBRARY.search(domain):
            domain = domain.lower()
            return Email(f"{local}@{domain}", f"{local.lower()}@{domain}")
    return _parse_unusual(address)


def _parse_unusual(address: str) -> Email:
    invalid = refuse(
        "invalid_email", "Write one address such as jane@example.com, without a name around it."
    )
    if not MIN_LENGTH <= len(address) <= MAX_LENGTH:
        raise invalid
    try:
        found = email_validator.validate_email(
            address,
            allow_smtputf8=True,
            allow_empty_local=False,
            allow_quoted_local=False,
            allow_domain_literal=False,
            allow_display_name=False,
            strict=True,
            check_deliverability=False,
            test_environment=True,
            globally_deliverable=True,
        )
    except (email_validator.EmailNotValidError, UnicodeError):
        raise invalid from None
    # The library lower-cases `Info@` and its like; the caller's spelling is kept instead.
    local = unicodedata.normalize("NFC", address.partition("@")[0])
    key_local = unicodedata.normalize("NFC", local.lower())
    email = Email(f"{local}@{found.domain}", f"{key_local}@{found.ascii_domain}")
    if "." not in found.ascii_domain or len(email.key) > MAX_LENGTH:
        raise invalid
    return email


def _canonical(text: str) -> str:
    return parse_email(text).address


EmailAddress = Annotated[
    str,
    Checked(
        parse=_canonical,
        min_length=MIN_LENGTH,
        max_length=MAX_LENGTH,
        # A schema's `email` would refuse internationalized addresses (RFC 6531).
        format="idn-email",
        pattern=r"^[^@\s]+@[^@\s]+$",
        examples=("jane@example.com",),
    ),
]
