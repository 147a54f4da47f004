"""How an export becomes a response: its query, its documentation, and its body to the end."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, Final

from fastapi import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from crm_api.core.db import unavailable
from crm_api.core.errors import Refusal
from crm_api.core.logs import get_logger
from crm_api.kit.exporting import SECONDS, Export
from crm_api.kit.fields import Resource
from crm_api.kit.formats import Format
from crm_api.queries import Items, ListQuery, items_of

log = get_logger("crm_api.exports")

_PAGING: Final = frozenset({"q", "limit", "cursor", "expand", "count"})
_EXAMPLES: Final = {
    "csv": "\ufeffid,name\r\n01890a5d-ac96-774b-bcce-b302099a8057,Kampala Coffee Ltd\r\n",
    "ndjson": '{"id":"01890a5d-ac96-774b-bcce-b302099a8057","name":"Kampala Coffee Ltd"}\n',
    "vcard": "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada Nakato\r\nN:Ada Nakato;;;;\r\nEND:VCARD\r\n",
    "xlsx": "UEsDBBQAAAAIAA==",
}


class ExportQuery(ListQuery):
    """The query of an export: that of the list without its pages, and the format."""

    def __init__(self, cls: type[Resource], formats: Mapping[str, Format]) -> None:
        super().__init__(cls)
        names = list(formats)
        form = {
            "name": "format",
            "in": "query",
            "required": False,
            "description": "The kind of file. XLSX begins only when all of it is written.",
            "schema": {"type": "string", "enum": names, "default": names[0]},
            "example": names[0],
        }
        named = self.query_parameters
        self.query_parameters = [form, *(p for p in named if p["name"] not in _PAGING)]

    async def __call__(self, request: Request) -> Items:
        allow_time(request)
        return items_of(request)


def allow_time(request: Request) -> None:
    """An export may take longer than other requests before its answer begins."""
    request.state.may_take = SECONDS


async def long_request(request: Request) -> None:
    """As a dependency of a route whose query is not an `ExportQuery`."""
    allow_time(request)


def _header(description: str, example: str) -> dict[str, Any]:
    schema = {"type": "string", "maxLength": 200, "pattern": "^[^\\u0000]*$"}
    return {"description": description, "schema": schema, "example": example}


NAME_OF_FILE: Final = {
    "Content-Disposition": _header("The name of the file.", 'attachment; filename="clients.csv"')
}
"""The documented header of a reply that a browser keeps as a file."""


def files(formats: Mapping[str, Format], things: str) -> dict[int | str, dict[str, Any]]:
    """The documented success of an export."""
    content: dict[str, Any] = {}
    for name, form in formats.items():
        text = {"type": "string", "maxLength": 1_000_000_000}
        binary = {**text, "format": "binary"} if name == "xlsx" else text
        media = form.media_type.partition(";")[0]
        content[media] = {"schema": binary, "example": _EXAMPLES[name]}
    headers = {
        **NAME_OF_FILE,
        "Link": _header(
            "The record of this export.",
            '</v1/exports/01890a5d-ac96-774b-bcce-b302099a8057>; rel="describedby"',
        ),
    }
    told = f"All {things} that were asked for, as far as you may read them."
    return {200: {"description": told, "content": content, "headers": headers}}


class Download(StreamingResponse):
    """Sends an export and lets go of what it holds, also when its reader leaves or is too slow.

    Where it breaks off after it began, the last part is never sent, so that nobody takes a part
    for the whole.
    """

    def __init__(self, export: Export) -> None:
        form, cls = export.wanted.format, export.wanted.listing.shape.resource
        name = f"{cls.resource}-{datetime.now(UTC):%Y-%m-%d}.{form.suffix}"
        headers = {
            "Content-Disposition": f'attachment; filename="{name}"',
            "Link": f'</v1/exports/{export.id}>; rel="describedby"',
        }
        super().__init__((), headers=headers, media_type=form.media_type)
        self._export = export
        self._began = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._export:
                await super().__call__(scope, receive, send)
        except (Refusal, TimeoutError) as error:
            if not self._began:
                raise unavailable("The export could not begin.") from error
            log.warning("export_cut", export_id=str(self._export.id), reason=type(error).__name__)

    async def stream_response(self, send: Send) -> None:
        export = self._export
        async with asyncio.timeout_at(export.until), aclosing(export.parts()) as parts:
            first = await anext(parts, b"")
            head = {"status": self.status_code, "headers": self.raw_headers}
            self._began = True
            await send({"type": "http.response.start", **head})
            await send({"type": "http.response.body", "body": first, "more_body": True})
            async for part in parts:
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
