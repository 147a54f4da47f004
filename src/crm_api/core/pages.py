"""The pages that the `type` of a problem document points to: one per code, and a list of them."""

import base64
import hashlib
from functools import lru_cache
from html import escape
from typing import Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from crm_api.core.errors import PROBLEMS, Refusal
from crm_api.core.problems import PAGES, slug_of

_STYLE: Final = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem;"
    "color:#1b1b1b;background:#fff}code{background:#f0f0f0;padding:.1em .3em;border-radius:3px}"
    "td,th{text-align:left;padding:.3rem 1rem .3rem 0;vertical-align:top}a{color:#0b5394}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = {
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "public, max-age=3600",
}
_CODES: Final = {slug_of(code): code for code in PROBLEMS}

router = APIRouter(include_in_schema=False)


@router.get(PAGES)
async def list_problem_pages() -> Response:
    return HTMLResponse(_list_page(), headers=_HEADERS)


@router.get(PAGES + "/{slug}")
async def get_problem_page(slug: str) -> Response:
    if slug not in _CODES:
        raise Refusal("not_found", "There is no problem of this name; `/problems` lists all.")
    return HTMLResponse(_page(slug), headers=_HEADERS)


@lru_cache
def _list_page() -> str:
    rows = "".join(
        f'<tr><td>{problem.status}</td><td><a href="{PAGES}/{slug_of(code)}"><code>{code}</code>'
        f"</a></td><td>{escape(problem.title)}</td></tr>"
        for code, problem in sorted(PROBLEMS.items(), key=lambda item: (item[1].status, item[0]))
    )
    head = "<tr><th>Status</th><th>Code</th><th>Meaning</th></tr>"
    return _document("Problems", f"<h1>Problems</h1><table>{head}{rows}</table>")


@lru_cache
def _page(slug: str) -> str:
    code = _CODES[slug]
    problem = PROBLEMS[code]
    return _document(
        problem.title,
        f"<h1>{escape(problem.title)}</h1><p>Status {problem.status}, code <code>{code}</code></p>"
        f"<h2>What to do</h2><p>{_prose(problem.advice)}</p>"
        f'<p><a href="{PAGES}">All problems</a></p>',
    )


def _prose(text: str) -> str:
    """Backticks as code; every second piece is one."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(pieces))


def _document(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>{body}</body></html>\n"
    )
