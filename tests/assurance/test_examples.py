"""Every example of a request in the document is real: sent as it stands, it succeeds.

What no document can hold is put in its place: ids of other records, and secrets that are shown once
(written with `…`). Whether the answer is the documented one is looked at by `tests.watch`.
"""

import json
import secrets
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pytest
from fastapi import FastAPI

from crm_api.identity.provision import add_user
from tests.assurance.deviations import Deviations
from tests.assurance.requests import filled, own_ids
from tests.assurance.test_matrix_rows import operations
from tests.assurance.world import World
from tests.factories import PASSWORD, Organization, make_organization

Json = dict[str, Any]
PLACEHOLDER = "…"
AMOUNT = "[0-9]{1,4}"
"""In the pattern of an amount of money alone; such a filter needs a currency."""
BOUND = {
    "cursor": "it is sealed for one caller and one list",
    "If-Match": "it is the ETag of the record as it is now",
    "to": "it is the id of a client of this organization",
}
"""Parameters whose value follows from an earlier answer, and why."""
REFERENCES = {"other_id": "clients", "client_id": "clients", "segment_id": "segments"}
"""Properties that a body cannot do without → the resource whose id they hold."""


@pytest.fixture(scope="module")
async def radio_of_the_document(app: FastAPI, api: httpx.AsyncClient) -> Organization:
    """The organization and the person whom the examples speak of."""
    made = await make_organization(app, api, "radio", ("radio",))
    await add_user(
        app.state.db,
        app.state.hasher,
        made.organization_id,
        email="grace@example.com",
        name="Grace Nakato",
        role="front_desk",
        password=PASSWORD,
    )
    return made


def bodies_of(operation: Json) -> Iterator[tuple[str, Any]]:
    """Media type and example of each body."""
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        if "example" in content:
            yield media, content["example"]
        for example in content.get("examples", {}).values():
            yield media, example["value"]


def encoded(media: str, example: Any) -> dict[str, Any]:
    """The example as httpx sends it."""
    if media.endswith("json"):
        return {"content": json.dumps(example), "headers": {"Content-Type": media}}
    if media == "multipart/form-data":
        named = {name: (_file_name(name), _text(value)) for name, value in example.items()}
        return {"files": named}
    return {"content": _text(example), "headers": {"Content-Type": media}}


def _file_name(part: str) -> str | None:
    """What is sent as a file has a name; other parts are fields."""
    return "list.csv" if part == "file" else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


async def fresh_secret(radio: Organization, name: str) -> str:
    """A secret of the kind that the property of this name carries."""
    if name == "refresh_token":
        body = {"email": radio.emails["manager"], "password": PASSWORD}
        answer = await radio.api.post("/v1/auth/login", json=body)
        return str(answer.json()["refresh_token"])
    body = {"name": "Ida", "email": f"{secrets.token_hex(4)}@example.com", "role": "presenter"}
    answer = await radio.call("admin", "POST", "/v1/users", json=body)
    return str(answer.json()["invitation_token"])


async def made_real(radio: Organization, world: World, example: Any) -> Any:
    if not isinstance(example, dict):
        return example
    real = dict(example)
    for name, value in example.items():
        if isinstance(value, list):
            real[name] = [await made_real(radio, world, item) for item in value]
        elif name in REFERENCES:
            real[name] = (await world.make(REFERENCES[name]))["id"]
        elif isinstance(value, str) and PLACEHOLDER in value:
            real[name] = await fresh_secret(radio, name)
    return real


def headers_for(operation: Json, world: World, radio: Organization) -> dict[str, str]:
    """Of a caller with the rights; whose password is changed is needed for nothing else."""
    if not any(operation["security"]):
        return {}
    if operation["operationId"] == "change_password":
        return radio.as_role("front_desk")
    return world.headers("admin", "jwt")


async def test_every_example_of_a_body_succeeds(
    spec: Json, world: World, radio_of_the_document: Organization
) -> None:
    radio, found, sent = radio_of_the_document, Deviations(), 0
    for path, method, operation in operations(spec):
        name = operation["operationId"]
        for media, example in bodies_of(operation):
            with found.cell(f"{name} as {media}: {json.dumps(example)[:300]}"):
                place = filled(path, await own_ids(world, name, path))
                more = encoded(media, await made_real(radio, world, example))
                headers = headers_for(operation, world, radio) | more.pop("headers", {})
                answer = await radio.api.request(method, place, headers=headers, **more)
                assert answer.is_success, f"{answer.status_code}: {answer.text[:500]}"
                sent += 1
    found.none()
    with_body = [o for _, _, o in operations(spec) if "requestBody" in o]
    assert sent >= len(with_body) > 0


def as_query(parameter: Json, operation: Json) -> Mapping[str, Any]:
    """The parameter's example, and what it does not go without."""
    name, value = parameter["name"], parameter["example"]
    named = {p["name"]: p for p in operation["parameters"]}
    ranged = named.get(f"{name.partition('[')[0]}[gte]", {}).get("schema", {})
    is_money = "currency" in named and AMOUNT in ranged.get("pattern", "")
    money = {"currency": named["currency"]["example"]} if is_money else {}
    wanted = {
        n: p["example"]
        for n, p in named.items()
        if p["in"] == "query" and p["required"] and n not in BOUND
    }
    return wanted | money | {name: str(value).lower() if isinstance(value, bool) else value}


async def test_every_example_of_a_parameter_succeeds(
    spec: Json, world: World, radio_of_the_document: Organization
) -> None:
    found, sent = Deviations(), 0
    for path, _, operation in operations(spec):
        name, method = operation["operationId"], "GET"
        if spec["paths"][path].get("get", {}).get("operationId") != name:
            continue  # the parameters of a write are those of its kind: dry run, keys
        place, _, needed = filled(path, await own_ids(world, name, path)).partition("?")
        for parameter in operation.get("parameters", ()):
            where = parameter["in"]
            if where == "path" or parameter["name"] in BOUND:
                continue
            with found.cell(f"{name}: {parameter['name']}={parameter['example']}"):
                query = dict(parse_qsl(needed))
                if where == "query":
                    query |= as_query(parameter, operation)
                more = {} if where == "query" else {parameter["name"]: str(parameter["example"])}
                headers = world.headers("admin", "jwt") | more
                answer = await world.organization.api.request(
                    method, place, params=query, headers=headers
                )
                expected = 206 if parameter["name"] == "Range" else 200
                assert answer.status_code == expected, answer.text[:500]
                sent += 1
    found.none()
    assert sent > 0
