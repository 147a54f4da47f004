"""What is stored for search follows from the records, whatever was done to them and how."""

import random
from typing import Any
from uuid import UUID

import pytest
from fastapi import FastAPI

from crm_api.core.formats.names import all_near_keys, padded, search_words
from crm_api.core.formats.phones import searched_digits
from tests.factories import Organization, insert_names

WORDS = ("amber", "baobab", "café", "delta", "ember", "fig", "hôtel", "iris", "jinja", "kayak")


def texts_of(record: dict[str, Any], organization_id: UUID) -> dict[str, Any]:
    """What a record is found by, from its document."""
    words = search_words(record["name"])
    digits = [d for p in record["phones"] for d in searched_digits(p["e164"], p["national"])]
    return {
        "lifecycle": record["lifecycle"],
        "name": padded(words),
        "near": all_near_keys(words, organization_id.bytes),
        "emails": padded([email["address"].lower() for email in record["emails"]]),
        "phones": padded(digits),
    }


async def every(radio: Organization, path: str) -> list[dict[str, Any]]:
    """All records, deleted and archived ones too."""
    found: list[dict[str, Any]] = []
    for lifecycle in ("live", "archived", "deleted"):
        params = {"lifecycle": lifecycle, "limit": "200"}
        answer = await radio.call("admin", "GET", path, params=params)
        found += answer.json().get("data", [])
    return found


async def compare(owner: Any, radio: Organization) -> int:
    """The stored rows are those of the documents; how many."""
    org = radio.organization_id
    people = {one["id"]: one for one in await every(radio, "/v1/contacts")}
    clients = await every(radio, "/v1/clients")
    wanted = {key: texts_of(one, org) for key, one in people.items()}
    for one in clients:
        names = [people[link["contact_id"]] for link in one["contacts"]]
        text = "".join(padded(search_words(p["name"])) for p in names if p["lifecycle"] == "live")
        number = int(one["number"].removeprefix("C-"))
        wanted[one["id"]] = texts_of(one, org) | {"people": text, "number": number}
    stored = {}
    for table, key in (("client_search", "client_id"), ("contact_search", "contact_id")):
        rows = await owner.fetch(f"SELECT * FROM {table} WHERE organization_id = $1", org)
        for row in rows:
            values = dict(row)
            del values["organization_id"]
            stored[str(values.pop(key))] = values
    assert stored == wanted
    return len(stored)


class Acting:
    """Does one thing after another to an organization's records, as chance has it."""

    def __init__(self, radio: Organization, seed: int) -> None:
        self.radio = radio
        self.chance = random.Random(seed)
        self.count = 0

    def name(self) -> str:
        self.count += 1
        return " ".join([*self.chance.sample(WORDS, 2), str(self.count)]).title()

    def point(self) -> dict[str, Any]:
        self.count += 1
        emails = [f"Mail{self.count}@example.com"] * self.chance.randint(0, 1)
        return {"emails": emails, "phones": [f"+25677{2_000_000 + self.count}"]}

    async def do(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.radio.call("admin", method, path, json=body)
        assert answer.status_code < 500, answer.text
        return answer.json() if answer.content else None

    async def any(self, resource: str) -> dict[str, Any]:
        found = await self.do("GET", f"/v1/{resource}?limit=200")
        one: dict[str, Any] = self.chance.choice(found["data"])
        return one

    async def step(self) -> None:
        steps = [self.create, self.patch, self.person, self.rename, self.link, self.unlink,
                 self.move, self.batch]  # fmt: skip
        await self.chance.choice(steps)()

    async def create(self) -> None:
        people: list[Any] = [{"contact": {"name": self.name()} | self.point()}]
        if self.count > 6:
            people.append({"contact_id": (await self.any("contacts"))["id"]})
        body = {"name": self.name(), "contacts": people[: self.chance.randint(0, 2)]}
        await self.do("POST", "/v1/clients", body | self.point())

    async def patch(self) -> None:
        change = self.chance.choice([{"name": self.name()}, self.point(), {"remarks": self.name()}])
        await self.do("PATCH", f"/v1/clients/{(await self.any('clients'))['id']}", change)

    async def person(self) -> None:
        await self.do("POST", "/v1/contacts", {"name": self.name()} | self.point())

    async def rename(self) -> None:
        change = self.chance.choice([{"name": self.name()}, self.point()])
        await self.do("PATCH", f"/v1/contacts/{(await self.any('contacts'))['id']}", change)

    async def link(self) -> None:
        links = f"/v1/clients/{(await self.any('clients'))['id']}/contacts"
        known = {"contact_id": (await self.any("contacts"))["id"]}
        new = {"contact": {"name": self.name()} | self.point()}
        await self.do("POST", links, self.chance.choice([known, new]))

    async def unlink(self) -> None:
        client = await self.any("clients")
        for link in client["contacts"][-1:]:
            place = f"/v1/clients/{client['id']}/contacts/{link['id']}"
            if self.chance.random() < 0.5:
                await self.do("DELETE", place)
            else:
                await self.do("PATCH", place, {"to_on": "2026-01-31"})

    async def move(self) -> None:
        resource = self.chance.choice(["clients", "contacts"])
        place = f"/v1/{resource}/{(await self.any(resource))['id']}"
        if resource == "clients" and self.chance.random() < 0.5:
            await self.do("POST", f"{place}/archive")
        else:
            await self.do("DELETE", place)
        if self.chance.random() < 0.5:
            await self.do("POST", f"{place}/restore")

    async def batch(self) -> None:
        creates = [{"op": "create", "body": {"name": self.name()} | self.point()} for _ in range(2)]
        atomic = self.chance.random() < 0.5
        await self.do("POST", "/v1/clients/batch", {"atomic": atomic, "operations": creates})


@pytest.mark.parametrize("seed", range(3))
async def test_stored_rows_are_those_of_the_documents(
    owner: Any, radio: Organization, seed: int
) -> None:
    acting = Acting(radio, seed)
    for _ in range(3):
        await acting.create()
    await acting.person()
    for _ in range(40):
        await acting.step()
    assert await compare(owner, radio) > 10


async def test_address_that_is_taken_over_is_found_at_its_new_holder_alone(
    owner: Any, radio: Organization
) -> None:
    old = await radio.create_client(
        name="Old", emails=["shared@example.com"], phones=["0772123456"]
    )
    await radio.call("admin", "POST", f"/v1/clients/{old['id']}/archive")
    body = {"name": "New", "emails": ["shared@example.com"], "on_inactive": "create"}
    answer = await radio.call("admin", "POST", "/v1/clients", json=body)
    assert answer.status_code == 201
    await compare(owner, radio)


async def test_dry_run_and_refusal_store_nothing(owner: Any, radio: Organization) -> None:
    made = await radio.create_client(name="Stays", emails=["stays@example.com"])
    for path, body in (
        ("/v1/clients?dry_run=true", {"name": "Dry", "phones": ["0772123456"]}),
        ("/v1/clients", {"name": "Stays", "phones": ["0772123456"]}),
    ):
        await radio.call("admin", "POST", path, json=body)
    await radio.call("admin", "PATCH", f"/v1/clients/{made['id']}?dry_run=true", json={"name": "X"})
    assert await compare(owner, radio) == 1


async def test_imported_clients_are_found_like_others(
    app: FastAPI, owner: Any, radio: Organization
) -> None:
    await insert_names(app, radio, ["Imported One", "Imported Two"])
    assert await compare(owner, radio) == 2
