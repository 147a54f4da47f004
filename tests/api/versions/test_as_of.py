"""A record as it was: each representation that was read, read again later by its time."""

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from tests.checks import Owner, codes, refused
from tests.factories import Organization

Json = dict[str, Any]
READERS = ("admin", "manager")
"""The roles that read the whole history."""


def now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass(slots=True)
class Seen:
    """What a role read at a time."""

    role: str
    path: str
    at: str
    document: Json


@dataclass(slots=True)
class Story:
    """Random writes to a client and its persons, and what was read after each."""

    radio: Organization
    random: random.Random
    client: str = ""
    contacts: list[str] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    """When overrides expire."""
    ref: str = ""
    version: int = 1

    async def ok(self, role: str, method: str, path: str, **more: Any) -> Any:
        answer = await self.radio.call(role, method, path, **more)
        assert answer.status_code < 300, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    async def admin(self, method: str, path: str, body: Any = None) -> Any:
        return await self.ok("admin", method, path, json=body)

    async def look(self) -> None:
        """Every reader reads the client and its persons; the time lies before the reads."""
        for path in (self.client, *self.contacts):
            for role in READERS:
                at = now()
                answer = await self.radio.call(role, "GET", path)
                # What expired meanwhile may have been seen or not.
                steady = not any(at <= moment <= now() for moment in self.ends)
                if answer.status_code == 200 and steady:
                    self.seen.append(Seen(role, path, at, answer.json()))

    async def begin(self) -> None:
        mark = secrets.token_hex(4)
        made = await self.admin(
            "POST",
            "/v1/clients",
            {
                "name": f"Client {mark}",
                "emails": [f"{mark}@example.com", f"{mark}.two@example.com"],
                "phones": ["+256772123456"],
                "sites": [{"country_code": "UG", "city": "Kampala"}],
                "contacts": [{"contact": {"name": f"Ada {mark}"}}],
                "external_refs": [{"source": "erp", "id": mark, "version": 1}],
                "tags": ["first"],
                "credit_limit": {"amount": "99.95", "currency": "EUR"},
            },
        )
        self.client = f"/v1/clients/{made['id']}"
        self.contacts = [f"/v1/contacts/{made['contacts'][0]['contact_id']}"]
        self.ref = mark

    # ------------------------------------------------------------------ steps

    async def patch(self) -> None:
        text = secrets.token_hex(4)
        choices: list[Json] = [
            {"remarks": text},
            {"remarks": None, "stage": self.random.choice(["growing", "mature", None])},
            {"name": f"Name {text}"},
            {"tags": self.random.sample(["first", "second", "third"], 2)},
            {"attributes": {"size": text, "colour": None}},
            {"attributes": {"colour": text}},
            {"emails": [f"{text}@example.com"]},
            {"phones": []},
            {"phones": [{"country": "UG", "national": "0772 654321"}]},
            {"credit_limit": {"amount": "1000", "currency": "UGX"}},
            {"credit_limit": None},
            {"industry": self.random.choice(["hospitality", "media"])},
            {"last_reviewed_on": f"2026-0{self.random.randint(1, 9)}-28"},
            {"preferences": {"channels": ["email"], "contact_times": text}},
            {"service": {"sla": text}},
            {"sites": [{"country_code": "UG", "kind": "billing", "city": text}]},
            {"type": "partner", "status": "active", "status_reason": text},
            {"status": "inactive", "status_reason": text},
            {"status": "active", "status_reason": text},
            {"owner_id": str(self.radio.user_ids["manager"])},
        ]
        # Some are refused as things stand: then nothing changes, which is a step as well.
        await self.radio.call(
            self.random.choice(["admin", "manager"]),
            "PATCH",
            self.client,
            json=self.random.choice(choices),
        )

    async def override(self) -> None:
        body = {"value": "active_advertiser", "reason": secrets.token_hex(4)}
        if self.random.random() < 0.7:
            until = datetime.now(UTC) + timedelta(milliseconds=150)
            body["expires_at"] = until.isoformat()
            self.ends.append(until.isoformat())
        await self.radio.call("manager", "PUT", f"{self.client}/overrides/type", json=body)

    async def lift(self) -> None:
        await self.radio.call("admin", "DELETE", f"{self.client}/overrides/type")

    async def wait(self) -> None:
        """Long enough for an override to expire."""
        await asyncio.sleep(0.2)

    async def verify(self) -> None:
        document = await self.admin("GET", self.client)
        for email in document["emails"][:1]:
            state = self.random.choice(["verified", "bounced", "unknown"])
            path = f"{self.client}/emails/{email['id']}/verify"
            await self.radio.call("admin", "POST", path, json={"reachability": state})

    async def link(self) -> None:
        sent = {"contact": {"name": f"Bo {secrets.token_hex(4)}", "emails": []}}
        if self.random.random() < 0.5:
            sent["roles"] = ["primary"]  # type: ignore[assignment]  # a list of roles
        answer = await self.radio.call("admin", "POST", f"{self.client}/contacts", json=sent)
        if answer.status_code == 201:
            self.contacts.append(f"/v1/contacts/{answer.json()['contact_id']}")

    async def relink(self) -> None:
        links = (await self.admin("GET", self.client))["contacts"]
        if links:
            path = f"{self.client}/contacts/{self.random.choice(links)['id']}"
            body = self.random.choice([{"roles": ["primary"]}, {"job_title": "Buyer"}])
            await self.radio.call("admin", "PATCH", path, json=body)

    async def unlink(self) -> None:
        links = (await self.admin("GET", self.client))["contacts"]
        if links:
            path = f"{self.client}/contacts/{self.random.choice(links)['id']}"
            await self.radio.call("admin", "DELETE", path)

    async def change_person(self) -> None:
        text = secrets.token_hex(4)
        body = self.random.choice(
            [{"honorific": text}, {"emails": [f"{text}@example.org"]}, {"emails": []},
             {"languages": ["en"]}, {"do_not_contact": True}]
        )  # fmt: skip
        await self.admin("PATCH", self.random.choice(self.contacts), body)

    async def move(self) -> None:
        """Archived, or deleted and back; what is not live is not read by everybody."""
        verb = self.random.choice(["archive", "restore", "delete"])
        if verb == "delete":
            await self.radio.call("admin", "DELETE", self.client)
        else:
            await self.radio.call("admin", "POST", f"{self.client}/{verb}")

    async def lose_email(self) -> None:
        """An archived client's address goes to a new one."""
        document = await self.admin("GET", self.client)
        if document["lifecycle"] == "archived" and document["emails"]:
            body = {
                "name": f"Heir {secrets.token_hex(4)}",
                "emails": [document["emails"][0]["address"]],
                "on_inactive": "create",
            }
            await self.radio.call("admin", "POST", "/v1/clients", json=body)

    async def deliver(self) -> None:
        self.version += 1
        body = {"version": self.version, "source_detail": secrets.token_hex(4)}
        await self.radio.call("admin", "PUT", f"/v1/clients/by-ref/erp/{self.ref}", json=body)

    async def set_back(self) -> None:
        history = await self.admin("GET", f"{self.client}/history?limit=200")
        entry = self.random.choice(history["data"])
        body = {"entry_id": entry["id"], "status_reason": "As it was"}
        await self.radio.call("admin", "POST", f"{self.client}/restore-version", json=body)

    async def relevel(self) -> None:
        level = self.random.choice(["high", "medium", "low"])
        kind = self.random.choice(["prospect", "partner"])
        body = {"engagement_level": level}
        await self.admin("PATCH", f"/v1/catalogues/types/{kind}", body)

    @property
    def steps(self) -> list[Callable[[], Awaitable[None]]]:
        often = [self.patch] * 8
        return [
            *often, self.override, self.override, self.lift, self.wait, self.verify, self.link,
            self.relink, self.unlink, self.change_person, self.change_person, self.move,
            self.lose_email, self.deliver, self.set_back, self.relevel,
        ]  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
async def test_each_version_is_read_as_it_was(radio: Organization, seed: int) -> None:
    """Whatever was read at a time is what `as_of` answers for it, by the rights of today."""
    story = Story(radio, random.Random(seed))
    await story.begin()
    await story.look()
    for _ in range(35):
        await story.random.choice(story.steps)()
        await story.look()
    # Whoever may open it today reads its past.
    await radio.call("admin", "POST", f"{story.client}/restore")
    assert len(story.seen) > 100
    for seen in story.seen:
        answer = await radio.call(seen.role, "GET", seen.path, params={"as_of": seen.at})
        assert answer.status_code == 200, f"{seen}: {answer.text}"
        found = answer.json()
        different = {n: (seen.document.get(n), found.get(n)) for n in seen.document.keys() | found}
        different = {n: pair for n, pair in different.items() if pair[0] != pair[1]}
        assert not different, f"{seen.role} {seen.path} at {seen.at}: {different}"
        assert list(found) == list(seen.document)


async def at(radio: Organization, role: str, path: str, moment: str, **more: str) -> httpx.Response:
    return await radio.call(role, "GET", path, params={"as_of": moment} | more)


async def test_before_its_making_there_was_no_record(
    radio: Organization, other: Organization
) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    refused(await at(radio, "admin", path, "2020-01-01T00:00:00Z"), 404, "not_found")
    refused(await at(other, "admin", path, now()), 404, "not_found")
    assert (await at(radio, "admin", path, made["created_at"])).json() == made


async def test_the_future_is_the_present(radio: Organization) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    present = await radio.call("admin", "GET", path)
    for moment in ("2099-01-01T00:00:00Z", "9999-12-31T23:59:59Z"):
        answer = await at(radio, "admin", path, moment)
        assert (answer.text, answer.headers["etag"]) == (present.text, present.headers["etag"])


async def test_past_belongs_to_who_reads_the_whole_history(radio: Organization) -> None:
    """And the record must be there for the reader today: 404 comes first."""
    made, person = await radio.create_client(), await radio.create_contact()
    for path in (f"/v1/clients/{made['id']}", f"/v1/contacts/{person['id']}"):
        for moment in (now(), "2099-01-01T00:00:00Z", "2020-01-01T00:00:00Z", "nonsense"):
            refused(await at(radio, "front_desk", path, moment), 403, "forbidden")
            refused(await at(radio, "presenter", path, moment), 403, "forbidden")
        await radio.call("admin", "DELETE", path)
        refused(await at(radio, "manager", path, made["created_at"]), 404, "not_found")
        assert (await at(radio, "admin", path, person["created_at"])).status_code == 200


async def test_time_in_which_it_was_deleted_is_for_who_reads_deleted_ones(
    radio: Organization,
) -> None:
    made = await radio.create_client()
    path = f"/v1/clients/{made['id']}"
    await radio.call("admin", "DELETE", path)
    gone = now()
    await radio.call("admin", "POST", f"{path}/restore")
    refused(await at(radio, "manager", path, gone), 404, "not_found")
    assert (await at(radio, "admin", path, gone)).json()["lifecycle"] == "deleted"
    assert (await at(radio, "manager", path, made["created_at"])).json()["lifecycle"] == "live"


async def test_fields_shape_the_answer_and_never_its_etag(radio: Organization) -> None:
    made = await radio.create_client(remarks="first")
    path, moment = f"/v1/clients/{made['id']}", now()
    await radio.call("admin", "PATCH", path, json={"remarks": "second"})
    whole = await at(radio, "admin", path, moment)
    part = await at(radio, "admin", path, moment, fields="remarks,id")
    assert part.json() == {"id": made["id"], "remarks": "first"}
    assert part.headers["etag"] == whole.headers["etag"]
    present = await radio.call("admin", "GET", path)
    assert present.headers["etag"] != whole.headers["etag"]
    held = {"If-None-Match": whole.headers["etag"]}
    query = {"as_of": moment}
    answer = await radio.call("admin", "GET", path, params=query, headers=held)
    assert answer.status_code == 304


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"as_of": "yesterday"}, "as_of"),
        ({"as_of": ""}, "as_of"),
        ({"as_of": "2026-01-31"}, "as_of"),
        ({"as_of": "2026-01-31T00:00:00Z", "expand": "contacts"}, "expand"),
        ({"as_of": "2026-01-31T00:00:00Z", "odd": "1"}, "odd"),
        ({"as_of": ["2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z"]}, "as_of"),
    ],
)
async def test_what_names_no_time_is_a_fault(
    radio: Organization, query: Any, parameter: str
) -> None:
    made = await radio.create_client()
    answer = await radio.call("admin", "GET", f"/v1/clients/{made['id']}", params=query)
    assert parameter in codes(refused(answer, 422, "invalid"))


async def test_lists_and_references_know_no_past(radio: Organization) -> None:
    for path in ("/v1/clients", "/v1/contacts", "/v1/clients/by-ref/billing/A"):
        answer = await at(radio, "admin", path, now())
        assert answer.status_code in (404, 422)


async def test_hidden_fields_are_masked_by_the_rights_of_today(radio: Organization) -> None:
    made = await radio.create_client(remarks="first", payment_terms_days=1297)
    path = f"/v1/clients/{made['id']}"
    body = {"value": "partner", "reason": "a secret reason"}
    await radio.call("admin", "PUT", f"{path}/overrides/type", json=body)
    first = now()
    await radio.call("admin", "PATCH", path, json={"payment_terms_days": 1298})
    second = now()
    await radio.call("admin", "PATCH", path, json={"remarks": "second"})
    scopes = ["clients.remarks:read", "clients.classification:read", "clients.audit:read"]
    key = await radio.call("admin", "POST", "/v1/api-keys", json={"name": "k", "scopes": scopes})
    headers = {"Authorization": f"Bearer {key.json()['key']}"}
    answers = [
        await radio.api.get(path, params={"as_of": moment}, headers=headers)
        for moment in (first, second)
    ]
    for answer in answers:
        assert set(answer.json()) == {
            "type", "type_status", "status", "status_reason", "industry", "stage",
            "stage_reason", "tags", "remarks", "attributes", "workflow_attributes",
        }  # fmt: skip
        assert "override" not in answer.json()["type_status"]
        assert "secret" not in answer.text
        assert "129" not in answer.text.replace(answer.json()["type_status"]["since"], "")
    # A change of hidden fields alone shows nowhere.
    assert answers[0].headers["etag"] == answers[1].headers["etag"]
    query = {"as_of": first, "fields": "payment_terms_days"}
    refused(await radio.api.get(path, params=query, headers=headers), 403, "field_not_readable")


async def test_engagement_level_is_the_one_that_the_type_had(radio: Organization) -> None:
    """It follows from a catalogue: from its history, also where the entry is gone."""
    kind: Any = {"key": "sponsor", "label": "Sponsor", "engagement_level": "high"}
    types = "/v1/catalogues/types"
    assert (await radio.call("admin", "POST", types, json=kind)).status_code == 201
    made = await radio.create_client(type="sponsor")
    path, first = f"/v1/clients/{made['id']}", now()
    for level in ("low", None):
        body = {"engagement_level": level, "label": f"Now {level}"}
        assert (
            await radio.call("admin", "PATCH", f"{types}/sponsor", json=body)
        ).status_code == 200
    second = now()
    body = {"engagement_level": "medium"}
    assert (await radio.call("admin", "PATCH", f"{types}/sponsor", json=body)).status_code == 200
    third = now()
    moved = {"type": "partner", "status": "active", "status_reason": "x"}
    assert (await radio.call("admin", "PATCH", path, json=moved)).status_code == 200
    assert (await radio.call("admin", "DELETE", f"{types}/sponsor")).status_code == 204
    for moment, level in ((first, "high"), (second, None), (third, "medium")):
        found = (await at(radio, "admin", path, moment)).json()
        assert (found["type"], found["engagement_level"]) == ("sponsor", level)


async def erase(owner: Owner, record: str, field: str) -> None:
    """What an erasure does to the entries that tell of a field."""
    await owner.execute(
        "UPDATE changes SET changes = NULL, salts = NULL WHERE resource_id = $1 "
        "AND fields @> ARRAY[$2]",
        UUID(record),
        field,
    )


async def test_erased_values_are_gone_rather_than_wrong(radio: Organization, owner: Owner) -> None:
    made = await radio.create_client(remarks="first")
    path, moment = f"/v1/clients/{made['id']}", now()
    await radio.call("admin", "PATCH", path, json={"remarks": "second"})
    middle = now()
    await radio.call("admin", "PATCH", path, json={"website": "https://example.com/"})
    await erase(owner, made["id"], "remarks")
    problem = refused(await at(radio, "admin", path, moment), 410, "version_erased")
    assert "remarks" in problem["detail"]
    assert (await at(radio, "admin", path, moment, fields="id,name")).json()["name"] == made["name"]
    # What came later is still known, and so is what was not erased.
    assert (await at(radio, "admin", path, middle)).json()["remarks"] == "second"
    assert (await at(radio, "admin", path, moment, fields="website")).json() == {"website": None}
    refused(await radio.call("admin", "GET", f"{path}/diff"), 410, "version_erased")
    body = {"as_of": moment}
    restored = await radio.call("admin", "POST", f"{path}/restore-version", json=body)
    refused(restored, 410, "version_erased")
    body = {"as_of": moment, "fields": ["website"]}  # type: ignore[dict-item]  # a list of names
    restored = await radio.call("admin", "POST", f"{path}/restore-version", json=body)
    assert restored.json()["website"] is None
    # Who does not read the field is told nothing of its erasure.
    scopes = ["clients.name:read", "clients.audit:read"]
    key = await radio.call("admin", "POST", "/v1/api-keys", json={"name": "k", "scopes": scopes})
    headers = {"Authorization": f"Bearer {key.json()['key']}"}
    answer = await radio.api.get(path, params={"as_of": moment}, headers=headers)
    assert answer.json() == {"kind": "organization", "name": made["name"]}


async def test_erased_override_takes_the_type_of_its_time(
    radio: Organization, owner: Owner
) -> None:
    made = await radio.create_client(contacts=[{"contact": {"name": "Ada"}}])
    path = f"/v1/clients/{made['id']}"
    body = {"value": "partner", "reason": "Signed"}
    await radio.call("admin", "PUT", f"{path}/overrides/type", json=body)
    moment = now()
    await radio.call("admin", "DELETE", f"{path}/overrides/type")
    await erase(owner, made["id"], "type_override")
    refused(await at(radio, "admin", path, moment), 410, "version_erased")
    assert (await at(radio, "admin", path, moment, fields="name")).status_code == 200


async def test_links_of_the_past_need_clients_that_the_reader_may_open(
    radio: Organization,
) -> None:
    made = await radio.create_client(contacts=[{"contact": {"name": "Ada"}}])
    link = made["contacts"][0]
    path, moment = f"/v1/contacts/{link['contact_id']}", now()
    assert (await at(radio, "manager", path, moment)).json()["links"][0]["id"] == link["id"]
    await radio.call("admin", "DELETE", f"/v1/clients/{made['id']}/contacts/{link['id']}")
    assert (await radio.call("manager", "GET", path)).json()["links"] == []
    assert (await at(radio, "manager", path, moment)).json()["links"][0]["id"] == link["id"]
    await radio.call("admin", "DELETE", f"/v1/clients/{made['id']}")
    assert (await at(radio, "manager", path, moment)).json()["links"] == []
    assert (await at(radio, "admin", path, moment)).json()["links"][0]["id"] == link["id"]
