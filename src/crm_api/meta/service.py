"""Puts together what forms need: the declarations by the caller's rights, and lists of codes."""

import asyncio
from functools import cache
from typing import Any

from crm_api.catalogues.presets import CATALOGUES, PRESETS
from crm_api.core.access import Rights
from crm_api.core.config import Settings
from crm_api.core.formats import places
from crm_api.core.formats.address_rules import form_of
from crm_api.core.formats.money import minor_digits
from crm_api.core.httpsettings import HttpSettings
from crm_api.core.jsonbody import MAX_DEPTH
from crm_api.core.passwords import MIN_CHARACTERS
from crm_api.kit.batch import MAX_OPERATIONS
from crm_api.kit.fields import RESOURCES
from crm_api.kit.forms import forms_of
from crm_api.kit.idempotency import KEPT_HOURS, MAX_KEY
from crm_api.kit.query import COUNT_CAP, CURSOR_SECONDS, DEFAULT_LIMIT, MAX_LIMIT, MAX_VALUES
from crm_api.kit.replies import Reply, as_text, one
from crm_api.kit.scope import Scope

Json = dict[str, Any]


async def read_meta(scope: Scope, settings: Settings) -> Reply:
    """The same for everyone with the same rights, in whatever organization."""
    await scope.verify()
    # The countries' rules are read from 250 files; elsewhere, as a quarter of a second is long.
    lists = await asyncio.to_thread(_lists)
    limits = as_text(limits_of(settings))
    forms = _forms(scope.actor.rights)
    return one(f'{{{forms},"limits":{limits},{lists}}}')


def _forms(rights: Rights) -> str:
    """The members that follow from the caller's rights, worked out once for each set of them."""
    known: str | None = rights.memo.get("meta")
    if known is None:
        forms = {name: forms_of(cls, rights) for name, cls in RESOURCES.items()}
        resources = {name: {"fields": fields} for name, fields in forms.items() if fields}
        reads_entries = rights.can("catalogues", "read", "entries")
        links = [{"name": name, "href": f"/v1/catalogues/{name}"} for name in CATALOGUES]
        known = rights.memo["meta"] = _members(
            resources=resources, catalogues=links if reads_entries else []
        )
    return known


def limits_of(settings: Settings) -> Json:
    http = HttpSettings()
    return {
        "body_bytes": settings.max_body_bytes,
        "file_bytes": settings.max_file_bytes,
        "body_depth": MAX_DEPTH,
        "page_default": DEFAULT_LIMIT,
        "page_max": MAX_LIMIT,
        "count_capped": COUNT_CAP,
        "cursor_seconds": CURSOR_SECONDS,
        "filter_values": MAX_VALUES,
        "batch_operations": MAX_OPERATIONS,
        "idempotency_key_length": MAX_KEY,
        "idempotency_key_hours": KEPT_HOURS,
        "request_seconds": settings.request_timeout_seconds,
        "requests_per_minute": http.rate_requests * 60 // http.rate_seconds,
        "access_token_seconds": settings.access_token_seconds,
        "password_length": MIN_CHARACTERS,
    }


@cache
def _lists() -> str:
    """The members that are the same for everybody."""
    return _members(
        locales=["en"],
        presets=[_preset(key) for key in PRESETS],
        countries=[_country(code, name) for code, name in places.country_names().items()],
        currencies=[
            {"code": code, "name": name, "digits": minor_digits(code)}
            for code, name in places.currency_names().items()
        ],
        languages=[{"code": code, "name": name} for code, name in places.language_names().items()],
        time_zones=sorted(places.time_zones()),
    )


def _preset(key: str) -> Json:
    preset = PRESETS[key]
    return {
        "key": key,
        "types": [
            {"key": kind.key, "label": kind.label, "derived_only": kind.derived_only}
            for kind in preset.types
        ],
        "complete": list(preset.complete),
    }


def _country(code: str, name: str) -> Json:
    form = form_of(code)
    postal = {"pattern": form.postal_pattern, "example": form.postal_example}
    return {
        "code": code,
        "name": name,
        "has_rules": form.has_rules,
        "lines": list(form.lines),
        "required_lines": [line for line in form.lines if line in form.required],
        "postal_code": postal if form.postal_pattern is not None else None,
    }


def _members(**members: Any) -> str:
    """Members of a JSON object without its braces, to be put beside others."""
    return as_text(members)[1:-1]
