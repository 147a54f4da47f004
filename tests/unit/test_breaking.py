"""The comparison with the released document finds each kind of break, and no addition."""

import copy
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.architecture.sources import ROOT
from tests.contract import product_document

Json = dict[str, Any]
SPEC = importlib.util.spec_from_file_location("breaking", ROOT / "tools" / "breaking.py")
assert SPEC is not None
assert SPEC.loader is not None
breaking = importlib.util.module_from_spec(SPEC)
sys.modules["breaking"] = breaking
SPEC.loader.exec_module(breaking)


def found(change: Callable[[Json], object]) -> list[str]:
    new = copy.deepcopy(product_document())
    change(new)
    return list(breaking.breaks(product_document(), new))


def schema(document: Json, name: str) -> Json:
    part: Json = document["components"]["schemas"][name]
    return part


def member(document: Json, name: str, key: str) -> Json:
    part: Json = schema(document, name)["properties"][key]
    first: Json = part.get("anyOf", [part])[0]
    return first


BREAKS: dict[str, tuple[Callable[[Json], object], str]] = {
    "an operation": (lambda d: d["paths"]["/v1/me"].pop("get"), "GET /v1/me is gone."),
    "a path": (lambda d: d["paths"].pop("/v1/me"), "GET /v1/me is gone."),
    "the name of an operation": (
        lambda d: d["paths"]["/v1/me"]["get"].update(operationId="who_am_i"),
        "GET /v1/me: the operation get_me is now who_am_i.",
    ),
    "a member of a reply": (
        lambda d: schema(d, "Client")["properties"].pop("website"),
        "the reply Client: the member website is gone.",
    ),
    "a member of a request": (
        lambda d: schema(d, "PatchClient")["properties"].pop("website"),
        "the request PatchClient: the member website is gone.",
    ),
    "a value of a reply": (
        lambda d: member(d, "Client", "business_size")["enum"].remove("small"),
        "the reply Client.business_size: the value small is gone.",
    ),
    "a value of a request": (
        lambda d: member(d, "CreateClient", "business_size")["enum"].remove("small"),
        "the request CreateClient.business_size: the value small is gone.",
    ),
    "a member that must be sent": (
        lambda d: schema(d, "CreateClient")["required"].append("website"),
        "the request CreateClient: the member website is now required.",
    ),
    "a promise of a reply": (
        lambda d: schema(d, "Me")["required"].remove("role"),
        "the reply Me: the member role may now be absent.",
    ),
    "a type of a reply": (
        lambda d: member(d, "Client", "payment_terms_days").update(type="string"),
        "the reply Client.payment_terms_days may now be string (int32).",
    ),
    "a type of a request": (
        lambda d: schema(d, "LoginBody")["properties"]["email"].update(type="integer"),
        "the request LoginBody.email: the type string is now integer.",
    ),
    "a bound of a request": (
        lambda d: schema(d, "CreateClient")["properties"]["name"].update(maxLength=100),
        "the request CreateClient.name: maxLength is now 100, it was 200.",
    ),
    "null of a request": (
        lambda d: schema(d, "PatchClient")["properties"]["website"]["anyOf"].pop(),
        "the request PatchClient.website no longer takes null.",
    ),
    "a parameter": (
        lambda d: d["paths"]["/v1/clients"]["get"]["parameters"].pop(0),
        "GET /v1/clients: the query parameter q is gone.",
    ),
    "a parameter that must be sent": (
        lambda d: d["paths"]["/v1/clients"]["get"]["parameters"][0].update(required=True),
        "GET /v1/clients: the query parameter q is now required.",
    ),
    "a header of a reply": (
        lambda d: d["paths"]["/v1/me"]["get"]["responses"]["200"]["headers"].pop("ETag"),
        "GET /v1/me: the 200 no longer has the header ETag.",
    ),
    "a success": (
        lambda d: d["paths"]["/v1/clients"]["post"]["responses"].pop("201"),
        "POST /v1/clients: the 201 is gone.",
    ),
    "a media type": (
        lambda d: d["paths"]["/v1/clients/{client_id}"]["patch"]["requestBody"]["content"].pop(
            "application/json"
        ),
        "PATCH /v1/clients/{client_id} no longer takes application/json.",
    ),
    "an open door": (
        lambda d: d["paths"]["/v1/auth/login"]["post"].update(security=[{"bearer": []}]),
        "POST /v1/auth/login now needs a credential.",
    ),
}


@pytest.mark.parametrize("what", BREAKS)
def test_what_is_taken_away_is_told(what: str) -> None:
    change, sentence = BREAKS[what]
    assert sentence in found(change)


ADDITIONS: dict[str, Callable[[Json], object]] = {
    "nothing": lambda d: None,
    "an operation": lambda d: d["paths"].update({"/v1/new": d["paths"]["/v1/me"]}),
    "a member of a reply": lambda d: schema(d, "Client")["properties"].update(
        colour={"type": "string"}
    ),
    "a member of a request": lambda d: schema(d, "CreateClient")["properties"].update(
        colour={"type": "string"}
    ),
    "a value": lambda d: member(d, "Client", "business_size")["enum"].append("huge"),
    "a wider bound": lambda d: schema(d, "CreateClient")["properties"]["name"].update(
        maxLength=300
    ),
    "a parameter": lambda d: d["paths"]["/v1/me"]["get"]["parameters"].append(
        {"in": "query", "name": "colour", "schema": {"type": "string"}}
    ),
    "a promise": lambda d: schema(d, "Client").update(required=["id"]),
    "other words": lambda d: schema(d, "Client").update(description="Somebody whom we serve."),
}


@pytest.mark.parametrize("what", ADDITIONS)
def test_what_is_added_is_no_break(what: str) -> None:
    assert found(ADDITIONS[what]) == []


def test_newest_release_is_that_of_the_highest_version(tmp_path: Path) -> None:
    assert breaking.last_release(tmp_path) is None
    for name in ("0.2.0.json", "0.10.0.json", "0.9.1.json", "draft.json"):
        (tmp_path / name).write_text("{}", encoding="utf-8")
    assert breaking.last_release(tmp_path) == tmp_path / "0.10.0.json"
