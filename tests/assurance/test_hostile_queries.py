"""Hostile queries and cursors: refused by the parameter's name, never repeated, never 5xx."""

import base64
import secrets
from typing import Any

import httpx
import pytest

from tests.assurance.deviations import Deviations
from tests.assurance.hostile import ECHO, no_echo, refused_without_echo
from tests.assurance.requests import body_of, filled, own_ids
from tests.assurance.test_matrix_rows import LISTS, filters_of, operations
from tests.assurance.world import World, base_of, minimal
from tests.checks import refused

Json = dict[str, Any]
UNPROCESSABLE = frozenset({422})
LIMITS = (
    *("10_0", "+10", "1e1", "0x10", "0b1", "10.0", "0", "-1", "201", "9" * 400, "ten", "", " 10"),
    *("10 ", "1,0", "１０", "١٠", "²", "True", "null", "1;2", f"1{ECHO}"),
)  # fmt: skip
FILTER_VALUES = (
    *("", " ", "%", "_", "*", "\\", "'", '"', "%25", "--", "---", "!!!", "null", "true", "7", "-0"),
    *("'; DROP TABLE clients; --", "a' OR '1'='1", "$1", ":name", "%s", "{0}", "${x}", "\r\n"),
    *("2^63", "9223372036854775807", "9223372036854775808", "-9223372036854775809", "1e999999"),
    *("1_000", "0x10", "1e5", "+5", "٣", "NaN", "Infinity", "-Infinity", "1.123456789", "9" * 800),
    *("2026-02-30", "0000-01-01", "99999-01-01", "2026-W01-1", "20260131", "xxxxxxxxxx", "\ud83e"),
    *("2026-01-31T00:00:00", "9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "\u202e"),
    *("01890a5d-ac96-774b-bcce-b302099a805g", "{01890a5d-ac96-774b-bcce-b302099a}", "🦆", "\x7f"),
    *(ECHO, ECHO * 60, f"{ECHO}xxxxxxxxxx"[:10], f"2026-01-{ECHO}"[:10], "a" + "\u0301" * 300),
)  # fmt: skip


MANY_OPERATORS = ("", "%", "\\", "$1", "9223372036854775808", "2026-02-30", "🦆", ECHO)
"""These are tried with each operator of each filter, the others with one."""


async def ask(world: World, path: str, query: str = "", **more: Any) -> httpx.Response:
    target = f"{path}?{query}" if query else path
    return await world.ask("admin", "jwt", "GET", target, **more)


@pytest.mark.parametrize("limit", LIMITS)
async def test_limit_is_a_plain_number_in_bounds(world: World, limit: str) -> None:
    client = await world.place("clients")
    for path in (*(base_of(resource) for resource in LISTS), f"{client}/history"):
        answer = await world.ask("admin", "jwt", "GET", path, params={"limit": limit})
        refused_without_echo(answer, statuses=UNPROCESSABLE)
        assert [fault["parameter"] for fault in answer.json()["errors"]] == ["limit"]


@pytest.mark.parametrize("value", FILTER_VALUES, ids=lambda value: ascii(value)[:40])
async def test_no_value_of_any_filter_breaks_anything(spec: Json, world: World, value: str) -> None:
    """Answered where it is a value of the filter, else refused by the filter's name."""
    found = Deviations()
    every_operator = value in MANY_OPERATORS
    sent = value.encode("utf-8", "surrogatepass")
    text = "".join(f"%{byte:02X}" for byte in sent)
    for resource in LISTS:
        known = {"attributes": "attributes.size"} if resource == "clients" else {}
        for key in filters_of(spec, resource):
            known.setdefault(key if every_operator else key.partition("[")[0], key)
        for key in known.values():
            with found.cell(f"{resource}?{key}"):
                answer = await ask(world, base_of(resource), f"{key}={text}&currency=UGX")
                if answer.status_code == 200:
                    continue
                refused_without_echo(answer, statuses=UNPROCESSABLE)
                places = {fault["parameter"] for fault in answer.json()["errors"]}
                # Only lists with a money filter take a currency.
                assert places <= {key, "currency"}, places
    found.none()


@pytest.mark.parametrize(
    "key",
    [
        *("name[", "name]", "name[]", "name[bogus]", "name[eq][ne]", "[gte]", "name[gte]"),
        *("name[EQ]", "name.x", "attributes", "attributes.", "attributes.a[gte]", "name[eq]x"),
        *("number", "credit_limit[contains]", "id", "remarks", "password_hash", "organization_id"),
        *("name_key", "clients.name", "1", "", "%2e", "name%00", "name'", "__class__", "$where"),
        *(f"{ECHO}%3Cscript%3E", ECHO * 100, f"name[{ECHO}]", f"attributes.{'x' * 500}"),
    ],
)  # fmt: skip
async def test_keys_that_are_no_filter_are_refused(world: World, key: str) -> None:
    answer = await ask(world, "/v1/clients", f"{key}=x")
    assert answer.status_code in (400, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert ECHO * 20 not in answer.text, "a name that nobody could have meant is not repeated"


async def test_unknown_parameters_are_refused_by_every_operation(spec: Json, world: World) -> None:
    found = Deviations()
    for path, method, operation in operations(spec):
        name = operation["operationId"]
        place = filled(path, await own_ids(world, name, path))
        body = body_of(name, world.known)
        for query, shown in (("colour=green", "colour"), (f"{'k' * 300}=1", None)):
            with found.cell(f"{name}?{query[:20]}"):
                target = f"{place}{'&' if '?' in place else '?'}{query}"
                answer = await world.ask("admin", "jwt", method, target, json=body)
                refused_without_echo(answer, statuses=UNPROCESSABLE)
                (fault,) = answer.json()["errors"]
                assert fault["code"] == "unknown_parameter"
                assert shown is None or fault["parameter"] == shown
                assert "k" * 300 not in answer.text
    found.none()


async def test_closed_parameters_take_their_values_alone(spec: Json, world: World) -> None:
    """On every operation, whether it comes to use the value or not."""
    found = Deviations()
    for path, method, operation in operations(spec):
        name = operation["operationId"]
        closed = [
            p["name"]
            for p in operation.get("parameters", ())
            if p["in"] == "query" and "enum" in p["schema"]
        ]
        for parameter in closed:
            with found.cell(f"{name}?{parameter}"):
                place = filled(path, await own_ids(world, name, path))
                body = body_of(name, world.known)
                target = f"{place}{'&' if '?' in place else '?'}{parameter}={ECHO}"
                answer = await world.ask("admin", "jwt", method, target, json=body)
                refused_without_echo(answer, statuses=UNPROCESSABLE)
                assert [fault["parameter"] for fault in answer.json()["errors"]] == [parameter]
    found.none()


@pytest.mark.parametrize(
    "query",
    [
        *("limit=1&limit=2", "sort=name&sort=name", "fields=id&fields=id", "cursor=a&cursor=b"),
        *("expand=owner&expand=owner", "count=exact&count=exact", "currency=UGX&currency=UGX"),
        *("explain=permission&explain=permission", "name[contains]=a&name[contains]=b"),
        *("created_at[gte]=2026-01-01T00:00:00Z&created_at[gte]=2026-01-01T00:00:00Z",),
    ],
)  # fmt: skip
async def test_repeated_scalars_are_refused(world: World, query: str) -> None:
    answer = await ask(world, "/v1/clients", query)
    refused_without_echo(answer, statuses=UNPROCESSABLE)
    faults = answer.json()["errors"]
    assert query.partition("=")[0] in {fault["parameter"] for fault in faults}
    assert "repeated_parameter" in {fault["code"] for fault in faults}


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("sort=", "sort"),
        ("sort=--name", "sort"),
        ("sort=name,number", "sort"),
        ("sort=remarks", "sort"),
        (f"sort={ECHO}", "sort"),
        ("fields=", "fields"),
        ("fields=id,", "fields"),
        ("fields=colour", "fields"),
        ("fields=ID", "fields"),
        (f"fields={ECHO * 10}", "fields"),
        ("expand=", "expand"),
        ("expand=colour", "expand"),
        ("expand=contacts,", "expand"),
        (f"expand={ECHO}", "expand"),
        ("count=all", "count"),
        ("count=", "count"),
        ("explain=everything", "explain"),
        ("credit_limit=5", "currency"),
        ("credit_limit[gte]=5&currency=U", "currency"),
        ("credit_limit[gte]=5&currency=12%C3%A9", "currency"),
        ("currency=nonsense", "currency"),
        ("lifecycle=gone", "lifecycle"),
        ("status=active&status=gone", "status"),
        ("status[in]=active,gone", "status[in]"),
    ],
)
async def test_faulty_parameters_are_named(world: World, query: str, parameter: str) -> None:
    answer = await ask(world, "/v1/clients", query)
    refused_without_echo(answer, statuses=UNPROCESSABLE)
    assert {fault["parameter"] for fault in answer.json()["errors"]} == {parameter}


async def test_all_faulty_parameters_are_named_at_once(world: World) -> None:
    query = "limit=0&sort=x&fields=y&expand=z&count=a&status=b&colour=c&created_at[gte]=d&name[e]=f"
    answer = await ask(world, "/v1/clients", query)
    refused_without_echo(answer, statuses=UNPROCESSABLE)
    named = {fault["parameter"] for fault in answer.json()["errors"]}
    expected = {"limit", "sort", "fields", "expand", "count", "status", "colour"}
    assert named == expected | {"created_at[gte]", "name[e]"}


async def test_currency_is_no_parameter_of_a_list_without_amounts(world: World) -> None:
    for path in ("/v1/contacts", "/v1/users", "/v1/roles", "/v1/api-keys"):
        answer = await ask(world, path, "currency=UGX")
        refused_without_echo(answer, statuses=UNPROCESSABLE)
        assert [fault["parameter"] for fault in answer.json()["errors"]] == ["currency"]


@pytest.mark.parametrize("value", ["maybe", "", "2", "TRUE ", "yes please", ECHO, "null"])
async def test_dry_run_is_true_or_false(world: World, value: str) -> None:
    """A rehearsal that were misread would be a write."""
    for path in ("/v1/clients", "/v1/contacts"):
        body = minimal(path.rpartition("/")[2])
        target = f"{path}?dry_run={value}"
        answer = await world.ask("admin", "jwt", "POST", target, json=body)
        refused_without_echo(answer, statuses=UNPROCESSABLE)
        assert [fault["parameter"] for fault in answer.json()["errors"]] == ["dry_run"]


def forged(cursor: str) -> list[str]:
    raw = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    flipped = []
    for place in (0, 5, 12, len(raw) // 2, len(raw) - 1):
        changed = bytearray(raw)
        changed[place] ^= 1
        flipped.append(base64.urlsafe_b64encode(bytes(changed)).rstrip(b"=").decode())
    plain = base64.urlsafe_b64encode(b'["name","01890a5d-ac96-774b-bcce-b302099a8057",0]').decode()
    return [
        *flipped,
        *(cursor[:-1], cursor[:10], cursor + "A", cursor + cursor, cursor.swapcase(), plain),
        *(base64.urlsafe_b64encode(secrets.token_bytes(n)).decode() for n in (1, 12, 13, 28, 200)),
        *("", "null", "0", ECHO, "a" * 1025, "a" * 5000, "\u00e9", "%F0%9F%A6%86", "../../x", "=="),
    ]


async def test_forged_cursors_are_400_on_every_list(world: World) -> None:
    found = Deviations()
    # Of a client's lists none is made by itself: they are members of lists, told from its side.
    for resource in sorted(LISTS.keys() - {"client_lists"}):
        for _ in range(2):
            await world.make(resource)
        path = base_of(resource)
        cursor = (await ask(world, path, "limit=1")).json()["next_cursor"]
        assert (await ask(world, path, f"limit=1&cursor={cursor}")).status_code == 200
        for text in forged(cursor):
            with found.cell(f"{resource}: {text[:40]}"):
                answer = await ask(world, path, f"limit=1&cursor={text}")
                refused(answer, 400, "invalid_cursor")
                no_echo(answer)
    found.none()


async def test_forged_cursors_of_a_history_are_400(world: World) -> None:
    place = await world.place("clients")
    await world.admin("PATCH", place, json={"remarks": "Second"})
    path = f"{place}/history"
    cursor = (await ask(world, path, "limit=1")).json()["next_cursor"]
    listed = (await ask(world, "/v1/clients", "limit=1")).json()["next_cursor"]
    another = f"{await world.place('clients')}/history"
    refused(await ask(world, another, f"cursor={cursor}"), 400, "invalid_cursor")
    for text in (*forged(cursor), listed):
        refused(await ask(world, path, f"cursor={text}"), 400, "invalid_cursor")
