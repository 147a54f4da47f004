"""The golden matrix and the application know the same fields, filters and operations."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.assurance.golden import (
    GUARDED_BY,
    RESOURCES,
    ROLES,
    fields,
    groups,
    public,
    real_fields,
    table,
)

Json = dict[str, Any]
SCHEMAS = {
    "clients": "Client",
    "contacts": "Contact",
    "relationships": "Relationship",
    "communications": "Communication",
    "tasks": "Task",
    "follow_ups": "FollowUp",
    "calendar_feeds": "CalendarFeed",
    "notes": "Note",
    "files": "File",
    "segments": "Segment",
    "lists": "DistributionList",
    "list_members": "ListMember",
    "client_lists": "ClientList",
    "users": "User",
    "roles": "Role",
    "api_keys": "ApiKey",
    "organization": "Organization",
    "catalogues": "CatalogueEntry",
    "exports": "ExportRecord",
    "operations": "Operation",
    "imports": "Import",
}
LISTS = {
    "clients": "/v1/clients",
    "contacts": "/v1/contacts",
    "relationships": "/v1/clients/{client_id}/relationships",
    "communications": "/v1/communications",
    "tasks": "/v1/tasks",
    "follow_ups": "/v1/follow-ups",
    "calendar_feeds": "/v1/calendar-feeds",
    "notes": "/v1/notes",
    "files": "/v1/files",
    "segments": "/v1/segments",
    "lists": "/v1/distribution-lists",
    "list_members": "/v1/distribution-lists/{list_id}/members",
    "client_lists": "/v1/clients/{client_id}/distribution-lists",
    "users": "/v1/users",
    "roles": "/v1/roles",
    "api_keys": "/v1/api-keys",
    "catalogues": "/v1/catalogues/{catalogue}",
    "exports": "/v1/exports",
    "operations": "/v1/operations",
    "imports": "/v1/imports",
}
BODIES = {
    "clients": ("CreateClient", "PatchClient"),
    "contacts": ("CreateContact", "PatchContact"),
    "relationships": ("CreateRelationship", "PatchRelationship"),
    "communications": ("CreateCommunication", "PatchCommunication"),
    "tasks": ("CreateTask", "PatchTask"),
    "follow_ups": (None, None),
    "calendar_feeds": (None, None),
    "notes": ("CreateNote", "PatchNote"),
    "files": ("CreateFile", "PatchFile"),
    "segments": ("CreateSegment", "PatchSegment"),
    "lists": ("CreateDistributionList", "PatchDistributionList"),
    "list_members": ("CreateListMember", None),
    "client_lists": (None, None),
    "users": ("CreateUser", "PatchUser"),
    "roles": ("CreateRole", "PatchRole"),
    "api_keys": ("CreateApiKey", None),
    "organization": (None, "PatchOrganization"),
    "catalogues": ("CreateCatalogueEntry", "PatchCatalogueEntry"),
    "exports": (None, None),
    "operations": (None, None),
    "imports": (None, None),
}
UPSERTS = {"clients": "UpsertClient", "contacts": "UpsertContact"}
OPTIONS = frozenset({"allow_duplicate", "on_inactive"})
"""What bodies take besides fields: each is a right of its own."""

NO_FILTERS = frozenset(
    {
        *("limit", "cursor", "sort", "fields", "expand", "count", "explain", "currency", "usage"),
        *("q", "queue"),
    }
)
KEYED = frozenset({"attributes"})
"""Filters whose names nobody knows beforehand (`attributes.{key}`) stand in no document."""


def operations(spec: Json) -> Iterator[tuple[str, str, Json]]:
    for path, methods in spec["paths"].items():
        if path.startswith("/v1/"):
            for method, operation in methods.items():
                yield path, method.upper(), operation


def list_parameters(spec: Json, resource: str) -> dict[str, Json]:
    found = spec["paths"][LISTS[resource]]["get"]["parameters"]
    return {p["name"]: p for p in found if p["in"] == "query"}


def filters_of(spec: Json, resource: str) -> dict[str, Json]:
    """Query key with its operator → parameter, of every filter that a list offers."""
    found = list_parameters(spec, resource)
    return {name: p for name, p in found.items() if name not in NO_FILTERS}


def sorts_of(spec: Json, resource: str) -> list[str]:
    found: list[str] = list_parameters(spec, resource)["sort"]["schema"]["enum"]
    return found


@pytest.mark.parametrize("resource", RESOURCES)
def test_every_field_has_a_row_and_every_row_a_field(spec: Json, resource: str) -> None:
    schema = spec["components"]["schemas"][SCHEMAS[resource]]
    expanded = (name.partition(".") for name in table("expand"))
    beside = [key for of, _, key in expanded if of == resource and key not in fields(resource)]
    assert list(schema["properties"]) == [*real_fields(resource), *beside]


def test_every_resource_of_the_document_stands_in_the_matrix(spec: Json) -> None:
    guarded = {
        name
        for name, schema in spec["components"]["schemas"].items()
        if any("x-access" in part for part in schema.get("properties", {}).values())
    }
    known = {*SCHEMAS.values(), *(name for pair in BODIES.values() for name in pair if name)}
    assert guarded == known | set(UPSERTS.values())


def test_replies_that_say_more_than_the_resource_are_these(spec: Json) -> None:
    """A secret that is shown once, or a count that was asked for; all else is in the matrix."""
    schemas = spec["components"]["schemas"]
    for name, resource, more in (
        ("InvitedUser", "users", {"invitation_token", "invitation_expires_at"}),
        ("NewApiKey", "api_keys", {"key"}),
        ("NewCalendarFeed", "calendar_feeds", {"url"}),
        ("CountedEntry", "catalogues", {"usage_count"}),
        ("UpsertedClient", "clients", {"applied"}),
        ("UpsertedContact", "contacts", {"applied"}),
    ):
        assert set(schemas[name]["properties"]) == set(real_fields(resource)) | more


@pytest.mark.parametrize("resource", RESOURCES)
def test_document_says_of_each_field_what_the_matrix_says(spec: Json, resource: str) -> None:
    schema = spec["components"]["schemas"][SCHEMAS[resource]]
    for name, row in real_fields(resource).items():
        access = schema["properties"][name]["x-access"]
        assert access["group"] == f"{GUARDED_BY.get(resource, resource)}.{row.group}", name
        for action in ("read", "create", "update"):
            expected = [role for role in ROLES if row.may(role, action)]
            assert access.get(action, []) == expected, f"{name}: {action}"
        assert access.get("read_own", []) == [role for role in ROLES if row.owns(role)], name


@pytest.mark.parametrize("resource", RESOURCES)
def test_bodies_take_the_fields_that_somebody_may_write(spec: Json, resource: str) -> None:
    for action, body in zip(("create", "update"), BODIES[resource], strict=True):
        writable = {name for name, row in real_fields(resource).items() if row.ever(action)}
        taken = set() if body is None else set(spec["components"]["schemas"][body]["properties"])
        assert taken - OPTIONS == writable, action


@pytest.mark.parametrize("resource", UPSERTS)
def test_deliveries_take_what_somebody_may_ever_write(spec: Json, resource: str) -> None:
    rows = real_fields(resource).items()
    writable = {name for name, row in rows if row.ever("create") or row.ever("update")}
    taken = set(spec["components"]["schemas"][UPSERTS[resource]]["properties"])
    assert taken - OPTIONS == writable | {"version"}


@pytest.mark.parametrize("resource", LISTS)
def test_every_filter_and_sort_has_a_row(spec: Json, resource: str) -> None:
    offered = {key.partition("[")[0] for key in filters_of(spec, resource)}
    assert offered | (KEYED & fields(resource).keys()) == {
        name for name, row in fields(resource).items() if row.filters
    }
    assert {key.removeprefix("-") for key in sorts_of(spec, resource)} == {
        name for name, row in fields(resource).items() if row.sorts
    }


def test_every_operation_has_a_row_and_every_row_an_operation(spec: Json) -> None:
    offered = [operation["operationId"] for _, _, operation in operations(spec)]
    assert sorted(offered) == sorted([*table("routes"), *public()])


def test_operations_without_a_credential_are_those_that_lead_in(spec: Json) -> None:
    open_ones = {
        operation["operationId"]
        for _, _, operation in operations(spec)
        if not any(operation["security"])
    }
    assert open_ones == public()


def test_expansions_and_parts_speak_of_fields_that_exist(spec: Json) -> None:
    for section in ("expand", "parts"):
        for name in table(section):
            resource, field, *_ = name.split(".")
            known = real_fields(resource)
            assert field in known or f"{field}_id" in known, name
    kept = {"clients", "contacts", "relationships", "communications", "tasks", "notes", "files"}
    assert kept | {"lists", "segments"} == set(table("history"))
    assert "reach" in groups("clients")
