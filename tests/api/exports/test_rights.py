"""Who may export what: the verb, one's own columns, and the record that each export leaves."""

from typing import Any

import pytest

from tests.api.exports.reading import Json, export, lines_of, table_of
from tests.assurance.golden import ROLES, real_fields
from tests.assurance.world import make_key, scopes_of_roles
from tests.checks import Owner, assert_chain, change_count, refused
from tests.factories import Organization

FORMATS = ("csv", "xlsx", "ndjson")


async def exporting_key(organization: Organization, role: str) -> dict[str, str]:
    """A key with the rights of a role, and the verb that the role itself lacks."""
    scopes = [*(await scopes_of_roles(organization))[role], "clients:export", "contacts:export"]
    return {"Authorization": f"Bearer {await make_key(organization, scopes)}"}


def titles_of(of: str, role: str) -> list[str]:
    titles = []
    for name, row in real_fields(of).items():
        if row.may(role, "read"):
            titles += [name, "credit_limit_currency"] if name == "credit_limit" else [name]
    return titles


@pytest.mark.parametrize("of", ["clients", "contacts"])
@pytest.mark.parametrize("role", ROLES)
async def test_verb_is_the_managers_and_the_administrators(
    radio: Organization, role: str, of: str
) -> None:
    for method in ("GET", "POST"):
        body: Json | None = {} if method == "POST" else None
        answer = await radio.call(role, method, f"/v1/{of}/export", json=body)
        if role in ("admin", "manager"):
            assert answer.status_code == 200, answer.text
            assert table_of(answer)[0] == titles_of(of, role)
        else:
            problem = refused(answer, 403, "forbidden")
            assert f"{of}:export" in problem["detail"]


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("role", ["front_desk", "presenter"])
async def test_columns_are_what_one_reads_in_each_format(
    radio: Organization, role: str, form: str
) -> None:
    await radio.create_client(
        remarks="Hidden remark",
        credit_limit={"amount": "7353211", "currency": "UGX"},
        contacts=[{"contact": {"name": "Hidden person"}, "job_title": "Hidden title"}],
    )
    headers = await exporting_key(radio, role)
    answer = await radio.api.get(f"/v1/clients/export?format={form}", headers=headers)
    assert answer.status_code == 200, answer.text
    if form == "ndjson":
        listed = await radio.api.get("/v1/clients", headers=headers)
        assert lines_of(answer) == listed.json()["data"]
        assert list(lines_of(answer)[0]) == titles_of("clients", role)
    else:
        assert table_of(answer)[0] == titles_of("clients", role)
    hidden = ["7353211"] if role == "front_desk" else ["7353211", "Hidden"]
    texts = " ".join(cell for row in table_of(answer) for cell in row) if form != "ndjson" else ""
    assert not [word for word in hidden if word in texts + answer.text]


@pytest.mark.parametrize("kind", ["GET", "POST"])
async def test_hidden_names_are_refused_before_anything_is_read(
    radio: Organization, owner: Owner, kind: str
) -> None:
    headers = await exporting_key(radio, "presenter")
    before = await change_count(owner, radio.organization_id)
    queries: list[tuple[Json, Json, str]] = [
        ({"fields": "name,credit_limit"}, {"fields": ["name", "credit_limit"]}, "credit_limit"),
        ({"sort": "registered_on"}, {"sort": "registered_on"}, "registered_on"),
        (
            {"emails[contains]": "a"},
            {"filter": {"not": {"field": "emails", "op": "contains", "value": "a"}}},
            "emails",
        ),
        (
            {"attributes.size": "44"},
            {"filter": {"field": "attributes.size", "op": "eq", "value": "44"}},
            "attributes",
        ),
    ]
    for params, body, name in queries:
        more: dict[str, Any] = {"params": params} if kind == "GET" else {"json": body}
        answer = await radio.api.request(kind, "/v1/clients/export", headers=headers, **more)
        problem = refused(answer, 403, "field_not_readable")
        assert name in problem["detail"]
    answer = await radio.api.get("/v1/contacts/export?format=vcard", headers=headers)
    assert answer.status_code == 403
    assert await change_count(owner, radio.organization_id) == before


async def test_archived_ones_do_not_exist_for_who_may_not_open_them(radio: Organization) -> None:
    made = await radio.create_client(name="Archived")
    await radio.call("admin", "POST", f"/v1/clients/{made['id']}/archive")
    headers = await exporting_key(radio, "presenter")
    answer = await radio.api.get("/v1/clients/export?lifecycle=archived", headers=headers)
    refused(answer, 403, "forbidden")
    tree = {"not": {"field": "lifecycle", "op": "eq", "value": "live"}}
    body = {"filter": tree, "format": "ndjson"}
    answer = await radio.api.post("/v1/clients/export", json=body, headers=headers)
    assert answer.content == b""


async def test_nothing_of_another_organization_is_exported(
    radio: Organization, other: Organization
) -> None:
    foreign = await other.create_client(name="Foreign client")
    await other.create_contact(name="Foreign person")
    await export(other)
    own = await radio.create_client(name="Own client")
    assert [line["id"] for line in lines_of(await export(radio, format="ndjson"))] == [own["id"]]
    assert foreign["id"] not in (await export(radio, of="contacts")).text
    records = (await radio.call("admin", "GET", "/v1/exports")).json()["data"]
    assert len(records) == 2
    (foreign_record,) = (await other.call("admin", "GET", "/v1/exports")).json()["data"]
    answer = await radio.call("admin", "GET", f"/v1/exports/{foreign_record['id']}")
    refused(answer, 404, "not_found")


async def test_right_that_was_taken_away_ends_with_the_next_export(radio: Organization) -> None:
    """On the same session, and before anything is written down."""
    await export(radio, "manager")
    role = {"role": "front_desk"}
    user = radio.user_ids["manager"]
    assert (await radio.call("admin", "PATCH", f"/v1/users/{user}", json=role)).status_code == 200
    refused(await radio.call("manager", "GET", "/v1/clients/export"), 403, "forbidden")
    assert len((await radio.call("admin", "GET", "/v1/exports")).json()["data"]) == 1


# ------------------------------------------------------------------------------- the record


async def test_each_export_is_recorded_with_who_what_and_how_many(
    radio: Organization, owner: Owner
) -> None:
    for name in ("Alpha", "Beta", "Gamma"):
        await radio.create_client(name=name)
    params = {"name[in]": "alpha,beta", "fields": "id,name", "sort": "-number", "format": "xlsx"}
    answer = await export(radio, "manager", **params)
    await radio.create_contact(name="Ada")
    await export(radio, "admin", of="contacts", format="vcard")
    listed = await radio.call("manager", "GET", "/v1/exports")
    latest, first = listed.json()["data"]
    assert answer.headers["link"] == f'</v1/exports/{first["id"]}>; rel="describedby"'
    assert first["actor"] == {
        "type": "user",
        "id": str(radio.user_ids["manager"]),
        "name": "Manager",
    }
    assert (first["records"], first["format"], first["rows"]) == ("clients", "xlsx", 2)
    assert (first["sort"], first["columns"]) == ("-number", ["id", "name"])
    assert first["filter"] == {
        "version": 1,
        "filter": {
            "and": [
                {"field": "name", "op": "in", "value": ["alpha", "beta"]},
                {"field": "lifecycle", "op": "eq", "value": "live"},
            ]
        },
    }
    assert (latest["records"], latest["format"], latest["rows"]) == ("contacts", "vcard", 1)
    one = await radio.call("admin", "GET", f"/v1/exports/{first['id']}")
    assert one.json() == first
    await assert_chain(owner, radio.organization_id)


async def test_recorded_conditions_find_the_same_records_again(radio: Organization) -> None:
    await radio.create_client(name="Alpha", credit_limit={"amount": "1000.50", "currency": "UGX"})
    await radio.create_client(name="Beta", registered_on="2026-01-31")
    created = {"created_at[gte]": "2020-01-01T00:00:00Z", "attributes.a[ne]": "b"}
    for params in (
        {"credit_limit[gte]": "1000.5", "currency": "ugx"} | created,
        {"registered_on": "2026-01-31", "owner_id[is_null]": "true"} | created,
    ):
        exported = lines_of(await export(radio, format="ndjson", **params))
        assert len(exported) == 1
        record = (await radio.call("admin", "GET", "/v1/exports?limit=1")).json()["data"][0]
        answer = await radio.call("admin", "POST", "/v1/clients/search", json=record["filter"])
        assert answer.json()["data"] == exported


async def test_records_are_listed_by_page_filter_and_order(radio: Organization) -> None:
    for form in ("csv", "ndjson", "csv"):
        await export(radio, format=form)
    seen, query = [], "limit=1"
    while query:
        page = (await radio.call("admin", "GET", f"/v1/exports?{query}")).json()
        seen += [record["format"] for record in page["data"]]
        query = page["has_more"] and f"limit=1&cursor={page['next_cursor']}"
    assert seen == ["csv", "ndjson", "csv"]
    found = await radio.call("admin", "GET", "/v1/exports?format=ndjson&sort=exported_at")
    assert [record["format"] for record in found.json()["data"]] == ["ndjson"]
    for role in ("front_desk", "presenter"):
        refused(await radio.call(role, "GET", "/v1/exports"), 403, "forbidden")
        place = f"/v1/exports/{found.json()['data'][0]['id']}"
        refused(await radio.call(role, "GET", place), 403, "forbidden")


@pytest.mark.parametrize("form", FORMATS)
async def test_refused_export_leaves_no_record(
    radio: Organization, owner: Owner, form: str
) -> None:
    before = await change_count(owner, radio.organization_id)
    params = {"format": form, "sort": "colour"}
    assert (
        await radio.call("admin", "GET", "/v1/clients/export", params=params)
    ).status_code == 422
    assert (await radio.call("presenter", "GET", "/v1/clients/export")).status_code == 403
    assert await change_count(owner, radio.organization_id) == before


NAMED: list[Json] = [
    {"fields": ["name", "credit_limit"]},
    {"fields": ["name"], "sort": "-credit_limit"},
    {
        "fields": ["name"],
        "filter": {
            "or": [
                {"not": {"field": "name", "op": "eq", "value": "Acme"}},
                {
                    "field": "credit_limit",
                    "op": "eq",
                    "value": {"amount": "7777777", "currency": "UGX"},
                },
            ]
        },
    },
    {"fields": ["name"], "filter": {"field": "emails", "op": "contains", "value": "7777777"}},
]


@pytest.mark.parametrize("body", NAMED, ids=["columns", "sort", "nested filter", "further filter"])
async def test_the_record_of_an_export_is_told_to_who_may_read_all_of_it(
    radio: Organization, body: Json
) -> None:
    """A filter holds values; and the number of rows says whom they belong to."""
    await radio.create_client()
    assert (await radio.call("admin", "POST", "/v1/clients/export", json=body)).is_success
    some = ["clients.identity:read", "clients.name:read", "clients:export", "exports.record:read"]
    key = {"Authorization": f"Bearer {await make_key(radio, some)}"}
    for path in ("/v1/exports?limit=1", None):
        whole = (await radio.call("admin", "GET", "/v1/exports?limit=1")).json()["data"][0]
        answer = await radio.api.get(path or f"/v1/exports/{whole['id']}", headers=key)
        assert answer.status_code == 200, answer.text
        seen = answer.json()["data"][0] if path else answer.json()
        assert whole["columns"] == body["fields"]
        assert whole["rows"] is not None
        hidden = dict.fromkeys(("filter", "sort", "columns", "rows"))
        assert seen == whole | hidden
        assert "7777777" not in answer.text
    mine = {"fields": ["number", "name"], "filter": {"field": "name", "op": "eq", "value": "Acme"}}
    assert (await radio.api.post("/v1/clients/export", json=mine, headers=key)).is_success
    seen = (await radio.api.get("/v1/exports?limit=1", headers=key)).json()["data"][0]
    assert (seen["columns"], seen["rows"]) == (["number", "name"], 0)
