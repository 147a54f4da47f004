"""The pages that the `type` of a problem document points to: one per code, and a list of them."""

import base64
import hashlib
from functools import lru_cache
from html import escape
from typing import Final

from fastapi import APIRouter
from starlette.responses import HTMLResponse, Response

from crm_api.core.errors import PROBLEMS, Problem, Refusal
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
# What a status of ours means for whoever sent the request.
_HAPPENED: Final = {
    400: "The request could not be read, so nothing of it was looked at or done.",
    401: "It is not known who asks, or what proves it no longer holds. Nothing was done.",
    403: "It is known who asks, but the role or the scopes do not allow this. Nothing was done.",
    404: "Nothing was found at this place, or it is not there for you. Nothing was done.",
    405: "The path exists, but not with this method. Nothing was done.",
    409: "The request is sound, but what is there now stands against it. Nothing was changed.",
    410: "What was asked for was there, and is no longer kept.",
    412: "The request was decided on an older state of the record. Nothing was changed.",
    413: "The body is larger than what is read here. Nothing was done.",
    414: "The URL is longer than what is read here. Nothing was done.",
    415: "The body is not of a type that is read here. Nothing was done.",
    416: "The part that was asked for begins behind the end. Nothing was sent.",
    422: "The request was read and its content refused, every fault at once. Nothing was changed.",
    429: "More requests came than the quota allows. This one was not looked at.",
    431: "The headers are larger than what is read here. Nothing was done.",
    500: "The fault is ours. Whether anything was done is not certain.",
    503: "The service is busy, starting or without its database. If it is not certain that nothing "
    "was done, the same `Idempotency-Key` makes the retry safe.",
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
        f"<h2>What happened</h2><p>{_prose(problem.title)}. {_prose(_HAPPENED[problem.status])}</p>"
        f"<h2>What to do</h2><p>{_prose(problem.advice)}</p>{_members(problem)}"
        f'<p><a href="{PAGES}">All problems</a></p>',
    )


def _members(problem: Problem) -> str:
    """What the document of this code may carry besides the standard members."""
    if not problem.members:
        return ""
    rows = "".join(
        f"<dt><code>{escape(name)}</code></dt><dd>{_prose(meaning)}</dd>"
        for name, meaning in problem.members.items()
    )
    return f"<h2>Further members</h2><dl>{rows}</dl>"


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
