"""The documentation page: Swagger UI from an installed package, under a strict policy, offline."""

import gzip
import hashlib
from collections.abc import Callable, Mapping
from functools import cache
from html import escape
from importlib.resources import files
from json import dumps
from typing import Any, Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from crm_api.core.compression import accepts_gzip
from crm_api.core.errors import Refusal

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_ASSETS: Final = {
    "swagger-ui.css": ("fastapi_offline", "static", "text/css; charset=utf-8"),
    "swagger-ui-bundle.js": ("fastapi_offline", "static", "text/javascript; charset=utf-8"),
    "favicon.png": ("fastapi_offline", "static", "image/png"),
    "docs.js": ("crm_api.core", "assets", "text/javascript; charset=utf-8"),
}


class _Fixed:
    """Bytes that do not change while the process lives, compressed once and well."""

    def __init__(self, body: bytes, content_type: str) -> None:
        self._plain = body
        self._packed = gzip.compress(body, 6, mtime=0)
        self._headers = {
            "ETag": f'"{hashlib.sha256(body).hexdigest()[:32]}"',
            "Cache-Control": "public, max-age=300",
            "Content-Type": content_type,
            "Vary": "Accept-Encoding",
        }

    def answer(self, request: Request, extra: Mapping[str, str] | None = None) -> Response:
        headers = {**self._headers, **(extra or {})}
        if request.headers.get("if-none-match") == headers["ETag"]:
            return Response(status_code=304, headers=headers)
        if accepts_gzip(request.headers.get("accept-encoding", "").encode("latin-1")):
            return Response(self._packed, headers=headers | {"Content-Encoding": "gzip"})
        return Response(self._plain, headers=headers)


def docs_router(title: str, document: Callable[[], Mapping[str, Any]]) -> APIRouter:
    """`/openapi.json` with the document, and `/docs`, which shows it and lets a person try it.

    `document` is called once, at the first request.
    """
    router = APIRouter(include_in_schema=False)
    page = _Fixed(_page(title).encode(), "text/html; charset=utf-8")

    @cache
    def rendered() -> _Fixed:
        text = dumps(document(), ensure_ascii=False, separators=(",", ":"))
        return _Fixed(text.encode(), "application/json")

    @router.get("/openapi.json")
    async def get_openapi_document(request: Request) -> Response:
        return rendered().answer(request)

    @router.get("/docs")
    async def get_docs_page(request: Request) -> Response:
        return page.answer(request, {"Content-Security-Policy": _POLICY})

    @router.get("/docs/{name}")
    async def get_docs_asset(request: Request, name: str) -> Response:
        if name not in _ASSETS:
            raise Refusal("not_found", "There is no such file.")
        return _asset(name).answer(request)

    return router


@cache
def _asset(name: str) -> _Fixed:
    package, folder, content_type = _ASSETS[name]
    return _Fixed((files(package) / folder / name).read_bytes(), content_type)


def _page(title: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title>"
        '<link rel="icon" href="docs/favicon.png">'
        '<link rel="stylesheet" href="docs/swagger-ui.css">'
        '</head><body><div id="docs"></div><noscript>This page needs JavaScript; '
        '<a href="openapi.json">the document</a> does not.</noscript>'
        '<script src="docs/swagger-ui-bundle.js"></script><script src="docs/docs.js"></script>'
        "</body></html>\n"
    )
