"""The one reader of multipart bodies: one file, a few short fields, nothing kept in memory.

How large the body may be is decided before (`core.exchange`), by the path.
"""

import asyncio
import hashlib
import json
import shutil
import tempfile
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, Final

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser

from crm_api.core.access import StaleActor
from crm_api.core.errors import Fault, Refusal
from crm_api.core.formats.file_names import plain_file_name
from crm_api.core.uploads import Upload

MULTIPART: Final = "multipart/form-data"
FILE: Final = "file"
MAX_FIELDS: Final = 20
MAX_FIELD_BYTES: Final = 1 << 14


@asynccontextmanager
async def uploaded(
    request: Request,
    fields: Collection[str],
    *,
    otherwise: str = "list",
    most_bytes: int | None = None,
) -> AsyncIterator[Upload]:
    """The file and the fields of a multipart body; the file is removed afterwards.

    Content faults are left in `Upload.faults`, as in any body.

    Args:
        fields: the names that the body takes besides `file`.
        otherwise: what a file without a name is called.
        most_bytes: of the file; unless said, the whole body alone is bounded.

    Raises:
        Refusal: 415 for another content type, 400 for what is no multipart body, 413.
    """
    kind, options = parse_options_header(request.headers.get("content-type"))
    charset = options.get(b"charset", b"utf-8").lower()
    coding = request.headers.get("content-encoding", "identity").lower()
    # In another charset the names of fields and files would be read by any codec that Python has.
    if kind.lower() != MULTIPART.encode() or charset != b"utf-8" or coding != "identity":
        raise Refusal("unsupported_media_type", f"Send {MULTIPART} in UTF-8, not compressed.")
    form: FormData | None = getattr(request.state, "form", None)
    if form is None:
        form = request.state.form = await _parsed(request)
    try:
        with tempfile.TemporaryDirectory(prefix="crm-upload-") as directory:
            yield _bounded(
                await _read(form, fields, Path(directory) / "file", otherwise), most_bytes
            )
    except StaleActor:
        # The route decides again, and a body is received only once.
        raise
    except BaseException:
        await form.close()
        raise
    else:
        await form.close()


def _bounded(upload: Upload, most_bytes: int | None) -> Upload:
    if most_bytes is not None and upload.size > most_bytes:
        raise Refusal("body_too_large", f"A file has at most {most_bytes} bytes here.")
    return upload


async def _parsed(request: Request) -> FormData:
    parser = MultiPartParser(
        request.headers,
        request.stream(),
        max_files=1,
        max_fields=MAX_FIELDS,
        max_part_size=MAX_FIELD_BYTES,
    )
    try:
        return await parser.parse()
    except (MultiPartException, FormParserError):
        detail = f"The body is no multipart body of one file and at most {MAX_FIELDS} fields."
        raise Refusal("malformed_request", detail) from None


async def _read(form: FormData, fields: Collection[str], path: Path, otherwise: str) -> Upload:
    found: dict[str, str] = {}
    faults: list[Fault] = []
    file: UploadFile | None = None
    for name, value in form.multi_items():
        if name == FILE and isinstance(value, UploadFile) and file is None:
            file = value
        elif name not in fields or not isinstance(value, str):
            faults.append(Fault("unknown_field", "There is no such field.", pointer=""))
        elif name in found:
            faults.append(Fault("repeated_field", "Send this once.", pointer=f"/{name}"))
        else:
            found[name] = value
    if file is None:
        faults.append(Fault("required", "Send a file, with its name.", pointer=f"/{FILE}"))
    if file is None or faults:
        return Upload(None, "", found, b"", tuple(faults))
    digest, size = await asyncio.to_thread(_copy, file.file, path)
    name = plain_file_name(file.filename, otherwise)
    declared = (file.content_type or "").partition(";")[0].strip().lower()
    content = json.dumps([digest.hex(), name, declared, found], sort_keys=True).encode()
    return Upload(path, name, found, content, (), digest, size, declared)


def _copy(source: IO[Any], path: Path) -> tuple[bytes, int]:
    """Where another process finds it; answers its SHA-256 and its length."""
    source.seek(0)
    with path.open("wb") as target:
        shutil.copyfileobj(source, target)
    with path.open("rb") as written:
        digest = hashlib.file_digest(written, "sha256").digest()
        return digest, written.tell()
