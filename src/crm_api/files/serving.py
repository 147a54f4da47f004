"""How the bytes of a file become a response: kept by browsers, opened by none, in ranges."""

from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from crm_api.core.logs import get_logger
from crm_api.core.objects import StoreError
from crm_api.core.ranges import span_of
from crm_api.files.storing import Content, DocumentService
from crm_api.routing import EXAMPLE_ETAG

log = get_logger("crm_api.files")

_ATTRIBUTE: Final = "!#$&+-.^_`|~"
"""RFC 5987, besides letters and digits."""
_QUOTED: Final = frozenset('"\\%')
SAFE: Final = {
    "Accept-Ranges": "bytes",
    # Opened all the same, it runs nothing and reaches nobody.
    "Content-Security-Policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
}


def _text(description: str, example: str, length: int = 200) -> dict[str, Any]:
    schema = {"type": "string", "maxLength": length, "pattern": "^[^\\u0000]*$"}
    return {"description": description, "schema": schema, "example": example}


_BYTES: Final = {
    "*/*": {
        "schema": {"type": "string", "format": "binary", "maxLength": 1_073_741_824},
        "example": "%PDF-1.7",
    }
}
_HEADERS: Final = {
    # Each letter of a name takes up to twelve.
    "Content-Disposition": _text(
        "The name of the file.", 'attachment; filename="minutes.txt"', 3000
    ),
    "ETag": {
        "description": "Of these bytes: the same for every reader.",
        "schema": {"type": "string", "maxLength": 100, "pattern": '^"[0-9a-f]+"$'},
        "example": EXAMPLE_ETAG,
    },
    "Accept-Ranges": _text("Parts may be asked for by bytes.", "bytes"),
}
_PART: Final = {"Content-Range": _text("Which bytes of how many these are.", "bytes 0-8/52118")}
BYTES: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "All bytes.", "headers": _HEADERS, "content": _BYTES},
    206: {
        "description": "The part that was asked for.",
        "headers": _HEADERS | _PART,
        "content": _BYTES,
    },
    304: {"description": "You hold these bytes already."},
    409: {"description": "The file is a link."},
    416: {"description": "There is nothing in the range that was asked for."},
}
"""The documented replies of a download."""


class RangeQuery:
    """Documents the headers that `served` reads."""

    query_parameters = (  # ready-made parameters of any place, as everywhere
        {
            "name": "Range",
            "in": "header",
            "required": False,
            "description": "Which bytes, one range (RFC 9110 §14); of several, all are answered.",
            "schema": {"type": "string", "maxLength": 200, "pattern": "^[\\x20-\\x7e]*$"},
            "example": "bytes=0-",
        },
        {
            "name": "If-Range",
            "in": "header",
            "required": False,
            "description": "The ETag of what you hold: all is answered where it is another.",
            "schema": {"type": "string", "maxLength": 200, "pattern": "^[\\x20-\\x7e]*$"},
            "example": EXAMPLE_ETAG,
        },
        {
            "name": "If-None-Match",
            "in": "header",
            "required": False,
            "description": "An ETag that you hold; 304 when it is still current.",
            "schema": {"type": "string", "maxLength": 400, "pattern": "^[\\x20-\\x7e]*$"},
            "example": EXAMPLE_ETAG,
        },
    )

    async def __call__(self) -> None:
        """Nothing to do. It is here so that FastAPI needs no thread, as for a plain class."""


async def served(request: Request, service: DocumentService, content: Content) -> Response:
    """The version as this request asks for it."""
    etag = f'"{content.sha256[:32]}"'
    headers = {"ETag": etag, **SAFE}
    held = request.headers.get("if-none-match", "")
    if {"*", etag} & {part.strip().removeprefix("W/") for part in held.split(",")}:
        return Response(status_code=304, headers=headers)
    headers["Content-Disposition"] = disposition(content.name)
    wanted = request.headers.get("range")
    # Of its head alone no part is asked for (RFC 9110 §14.2).
    if request.state.is_head or request.headers.get("if-range", etag) != etag:
        wanted = None
    span = span_of(wanted, content.size)
    start, end = span or (0, content.size)
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
    parts = None if request.state.is_head else await service.opened(content, start, end)
    return Bytes(parts, end - start, 200 if span is None else 206, headers, content.media_type)


def disposition(name: str) -> str:
    """To be kept under this name (RFC 6266); readers of ASCII alone get the rest as `_`."""
    plain = "".join(c if " " <= c <= "~" and c not in _QUOTED else "_" for c in name)
    told = f'attachment; filename="{plain}"'
    if plain == name:
        return told
    return f"{told}; filename*=UTF-8''{quote(name, safe=_ATTRIBUTE)}"


class Bytes(Response):
    """Sends the parts of a file as they come. Cut short, its length tells that it is not whole."""

    def __init__(
        self,
        parts: AsyncIterator[bytes] | None,
        length: int,
        status: int,
        headers: dict[str, str],
        media_type: str,
    ) -> None:
        super().__init__(None, status, headers | {"Content-Length": str(length)}, media_type)
        self._parts = parts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # ASGI's own
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        if self._parts is not None:
            try:
                async for part in self._parts:
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            except StoreError as error:
                log.warning("file_cut", reason=str(error))
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})
