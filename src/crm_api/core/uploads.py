"""A file that somebody sent, as the layers below the routers know it; nothing of HTTP."""

from dataclasses import dataclass
from pathlib import Path

from crm_api.core.errors import Fault


@dataclass(frozen=True, slots=True)
class Upload:
    """A body that was read. `file` is None exactly when there are faults."""

    file: Path | None
    name: str
    """The file's own, as its sender calls it: never a path."""
    fields: dict[str, str]
    content: bytes
    """What tells the same request from another: boundaries differ from one to the next."""
    faults: tuple[Fault, ...]
    digest: bytes = b""
    """SHA-256 of the file."""
    size: int = 0
    media_type: str = ""
    """What its sender says that it is."""
