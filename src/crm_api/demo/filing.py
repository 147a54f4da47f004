"""Keeps two files with a demo client: a document and a link."""

import hashlib
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from uuid import UUID

from crm_api.core.jsonbody import validate_body
from crm_api.core.uploads import Upload
from crm_api.files.lookups import PLACES
from crm_api.files.schemas import File
from crm_api.files.storing import DocumentService, Storage
from crm_api.kit.schemas import Create
from crm_api.kit.scope import Scope

_CLIENT: Final = PLACES[0]
_MINUTES: Final = b"""Minutes of the first meeting

Present: the two sisters, and one of us.
1. They want to start in spring.
2. The offer is to name a price for each month.
3. We call again when the offer is there.
"""
_LINK: Final = {
    "kind": "service",
    "name": "How their gate is opened",
    "url": "https://docs.example.com/gate",
}


async def file(scope: Scope, storage: Storage, clients: Sequence[UUID]) -> None:
    """Keep them with the first of these clients, as a person would."""
    service = DocumentService(scope, storage)
    with tempfile.TemporaryDirectory(prefix="crm-demo-") as directory:
        path = Path(directory) / "minutes.txt"
        path.write_bytes(_MINUTES)  # some bytes
        digest = hashlib.sha256(_MINUTES).digest()
        upload = Upload(path, path.name, {}, b"", (), digest, len(_MINUTES), "text/plain")
        await service.add(_CLIENT, clients[0], upload, None)
    sent = validate_body(Create[File], json.dumps(_LINK).encode())
    await service.link(_CLIENT, clients[0], sent, None)
