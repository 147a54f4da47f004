"""Web addresses that are stored and shown, never fetched: http and https with a public host."""

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import quote

import idna

from crm_api.core.formats.faults import refuse
from crm_api.core.formats.text import has_control
from crm_api.core.formats.wire import Checked

MAX_LENGTH: Final = 2048
_HOST_LENGTH: Final = 253  # RFC 1035 §2.3.4
_LARGEST_PORT: Final = 65_535

# RFC 3986 appendix B, for the two schemes. A backslash is refused: browsers read it as a slash.
_PARTS: Final = re.compile(r"(https?)://([^/?#\s\\]+)([/?#][^\s\\]*)?", re.IGNORECASE)
_AUTHORITY: Final = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:@\[\]]+)(?::([0-9]{1,5}))?")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_\-]{0,61}[a-z0-9_])?"
_HOST: Final = re.compile(rf"(?:{_LABEL}\.)+{_LABEL}")
# Browsers read a last label of digits or 0x… as part of an IPv4 address (WHATWG URL §3.5).
_NUMERIC_END: Final = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)$")
_KEPT: Final = "%:/?#[]@!$&'()*+,;=-._~"


def parse_url(text: str) -> str:
    """The address with a lower-case scheme and ASCII (IDNA) host, the rest percent-encoded.

    ValueError for other schemes, credentials, a missing or dotless host, over 2,048 characters.
    """
    address = text.strip()
    if len(address) > MAX_LENGTH or has_control(address):
        raise refuse("invalid_url", "Write an address of at most 2,048 visible characters.")
    parts = _PARTS.fullmatch(address)
    if parts is None:
        raise refuse("invalid_url", "Start with https:// or http://, then a host, and no spaces.")
    scheme, authority, rest = parts.groups(default="")
    if "@" in authority:
        raise refuse("invalid_url", "Leave out user name and password.")
    place = _AUTHORITY.fullmatch(authority)
    if place is None:
        raise refuse("invalid_url", "Write a host name such as www.example.com.")
    host, port = place.groups()
    if port is not None and not 0 < int(port) <= _LARGEST_PORT:
        raise refuse("invalid_url", "Use a port between 1 and 65535.")
    address = f"{scheme.lower()}://{_host(host)}{f':{int(port)}' if port else ''}{_encoded(rest)}"
    if len(address) > MAX_LENGTH:
        raise refuse("invalid_url", "Write an address of at most 2,048 encoded characters.")
    return address


def _host(host: str) -> str:
    """A host name in ASCII, or a literal IP address in its usual form."""
    try:
        if host.startswith("["):
            return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
        name = host.lower()
        if not name.isascii():
            name = idna.encode(name[:_HOST_LENGTH], uts46=True).decode("ascii")
        if _NUMERIC_END.search(name):
            return str(ipaddress.IPv4Address(name))
    except ValueError:  # idna's and ipaddress's own errors are ValueErrors
        raise refuse("invalid_url", "Write a host name such as www.example.com.") from None
    if len(host) > _HOST_LENGTH or len(name) > _HOST_LENGTH or not _HOST.fullmatch(name):
        raise refuse("invalid_url", "Write a host name with a dot, such as www.example.com.")
    return name


def _encoded(rest: str) -> str:
    """Path, query and fragment as RFC 3986 writes them; what is encoded already stays."""
    return rest if re.fullmatch(r"[A-Za-z0-9%:/?#@!$&'()*+,;=\-._~]*", rest) else quote(rest, _KEPT)


WebUrl = Annotated[
    str,
    Checked(
        parse=parse_url,
        min_length=10,
        max_length=MAX_LENGTH,
        format="uri",
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]?://[^\s\\]+$",
        examples=("https://www.example.com/about",),
    ),
]


def parse_secure_url(text: str) -> str:
    """As `parse_url`; ValueError for http as well."""
    address = parse_url(text)
    if not address.startswith("https://"):
        raise refuse("invalid_url", "Start with https://.")
    return address


SecureUrl = Annotated[
    str,
    Checked(
        parse=parse_secure_url,
        min_length=11,
        max_length=MAX_LENGTH,
        format="uri",
        pattern=r"^[Hh][Tt][Tt][Pp][Ss]://[^\s\\]+$",
        examples=("https://docs.example.com/offer",),
    ),
]
