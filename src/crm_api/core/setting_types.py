"""Types of settings: what each accepts, said in words that show no value."""

import ipaddress
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import SplitResult, parse_qs, urlsplit

from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import NoDecode

KEY_BYTES = 32  # RFC 7518 §3.2: as long as the hash, or longer
PASSWORD_CHARACTERS = 15
_SCHEMES = ("postgresql", "postgresql+asyncpg", "postgres")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _split(text: str) -> SplitResult:
    """Every part of the URL is readable; ValueError without the URL in its text if not."""
    try:
        parts = urlsplit(text)
        if "," not in parts.netloc:  # PostgreSQL takes several hosts
            _ = parts.port
    except ValueError:
        raise ValueError("has a host or port that cannot be read") from None
    return parts


def _postgres_url(secret: SecretStr) -> SecretStr:
    scheme, _, rest = secret.get_secret_value().strip().partition("://")
    if scheme not in _SCHEMES or not rest:
        raise ValueError("is not a URL that begins with postgresql://")
    encoded = "; in a password write @ as %40, : as %3A, / as %2F, # as %23, ? as %3F, % as %25"
    try:
        parts = _split(f"postgresql://{rest}")
    except ValueError as error:
        raise ValueError(f"{error}{encoded}") from None
    query = parse_qs(parts.query)
    if parts.fragment or "@" in parts.path + parts.query or parts.netloc.count("@") > 1:
        raise ValueError(f"has a reserved character in its user or password{encoded}")
    if not parts.hostname and "host" not in query:
        raise ValueError("names no host")
    if not parts.path.strip("/") and not query.keys() & {"database", "dbname"}:
        raise ValueError("names no database after the host")
    return SecretStr(f"postgresql://{rest}")


def checked_key(text: str) -> str:
    if len(text.encode()) < KEY_BYTES:
        raise ValueError(f"has fewer than {KEY_BYTES} bytes")
    if text.startswith(("-----BEGIN", "ssh-")):
        raise ValueError("is a certificate or key pair, not random bytes")
    return text


def _signing_key(secret: SecretStr) -> SecretStr:
    return SecretStr(checked_key(secret.get_secret_value().strip()))


def _password(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < PASSWORD_CHARACTERS:
        raise ValueError(f"has fewer than {PASSWORD_CHARACTERS} characters")
    return secret


def _host(text: str) -> str:
    text = text.strip().removeprefix("[").removesuffix("]")
    if not text or any(sign in text for sign in "/ @[]") or (":" in text and not _is_address(text)):
        raise ValueError("is not an address or host name; the port has its own variable")
    return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _web_url(text: str) -> str:
    parts = _split(text.strip().rstrip("/"))
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("is not a URL that begins with https:// or http://")
    if parts.query or parts.fragment or parts.username is not None:
        raise ValueError("has more than scheme, host, port and path")
    return parts.geturl()


def _origin(text: str) -> str:
    if text == "*":
        raise ValueError("cannot be `*`: name each origin")
    parts = urlsplit(_web_url(text))
    if parts.path:
        raise ValueError("has an origin with a path: an origin is scheme, host and port")
    return parts.geturl().lower()


def _network(text: object) -> Network:
    try:
        return ipaddress.ip_network(str(text), strict=False)
    except ValueError:
        raise ValueError("has an item that is no IP address or network; `*` is none") from None


def _directory(path: Path) -> Path:
    path = path.expanduser().absolute()
    if path.exists() and not path.is_dir():
        raise ValueError("is not a directory")
    return path


def _upper(value: object) -> object:
    return value.strip().upper() if isinstance(value, str) else value


def _split_commas(value: object) -> object:
    if isinstance(value, str):
        return tuple(item.strip() for item in value.split(",") if item.strip())
    return value


PostgresUrl = Annotated[SecretStr, AfterValidator(_postgres_url)]
SigningKey = Annotated[SecretStr, AfterValidator(_signing_key)]
Password = Annotated[SecretStr, AfterValidator(_password)]
Host = Annotated[str, AfterValidator(_host)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
Origins = Annotated[
    tuple[Annotated[str, AfterValidator(_origin)], ...], NoDecode, BeforeValidator(_split_commas)
]
Networks = Annotated[
    tuple[Annotated[Network, BeforeValidator(_network)], ...],
    NoDecode,
    BeforeValidator(_split_commas),
]
DirectoryPath = Annotated[Path, AfterValidator(_directory)]
LogLevel = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(_upper)]
