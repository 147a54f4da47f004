"""The watch that stands around every request of the suite notices each broken invariant."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import asyncpg
import httpx
import pytest
import structlog
from fastapi import FastAPI, Request, Response

from crm_api.core.ids import new_id
from crm_api.installation import Addresses
from tests.canaries import CANARY, CANARY_PHONE, Bystander
from tests.contract import product_contract
from tests.digest import CONTROL, ON_REUSE, WATCHED, Digests
from tests.factories import PASSWORD, Organization
from tests.watch import BrokenInvariant, Watch

Answer = Callable[[Request], Awaitable[Response]]
SECRET = f"crm_{'0' * 32}_{'1' * 32}_{'ab' * 32}"
TOKEN = "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl"


class Rogue:
    """An application that answers whatever the test tells it to."""

    def __init__(self, watch: Watch) -> None:
        self.answer: Answer = _nothing
        self.watch = watch
        app = FastAPI()

        async def route(request: Request) -> Response:
            return await self.answer(request)

        app.add_api_route("/{path:path}", route, methods=["GET", "POST"])
        self.api = watch.client(app)

    def says(self, text: str, status: int = 200, headers: dict[str, str] | None = None) -> None:
        async def answer(_: Request) -> Response:
            return Response(text, status, headers, "application/json")

        self.answer = answer

    async def get(self, organization: Organization | None, path: str = "/v1/x") -> httpx.Response:
        headers = {} if organization is None else organization.as_role("admin")
        return await self.api.get(path, headers=headers)


async def _nothing(_: Request) -> Response:
    return Response("{}", 200, None, "application/json")


@pytest.fixture
async def rogue(database: Addresses, bystander: Bystander) -> AsyncIterator[Rogue]:
    digests = await Digests.connect(database.owner)
    yield Rogue(Watch(digests, bystander.id))
    await digests.close()


def breaks(name: str) -> Any:
    return pytest.raises(BrokenInvariant, match=f"^{name}:")


@pytest.mark.parametrize("word", [CANARY, CANARY.upper(), CANARY_PHONE])
async def test_canary_is_noticed_in_body_header_and_log(
    rogue: Rogue, radio: Organization, word: str
) -> None:
    rogue.says(f'{{"name":"{word}"}}')
    with breaks("I1"):
        await rogue.get(radio)
    rogue.says("{}", 200, {"Link": word})
    with breaks("I1"):
        await rogue.get(radio)

    async def logging(_: Request) -> Response:
        structlog.get_logger().warning("seen", name=word)
        return Response("{}")

    rogue.answer = logging
    with breaks("I1"):
        await rogue.get(radio)


async def test_canary_may_be_seen_by_its_own_organization(
    rogue: Rogue, bystander: Bystander
) -> None:
    rogue.says(f'{{"name":"{CANARY}"}}')
    assert (await rogue.get(bystander.organization)).status_code == 200


async def test_id_that_another_organization_saw_first_is_noticed(
    rogue: Rogue, radio: Organization, other: Organization
) -> None:
    mine = str(new_id())
    rogue.says(f'{{"id":"{mine}"}}')
    await rogue.get(radio)
    await rogue.get(radio)
    with breaks("I1"):
        await rogue.get(other)
    # Who asks for an id knows it: a refusal may repeat it.
    await rogue.get(other, f"/v1/clients/{mine}")


FULL = {"X-Request-Id": "x", "RateLimit": "x", "RateLimit-Policy": "x", "ETag": '"x"'}
PROBLEM = {
    "type": "/problems/not-found",
    "title": "x",
    "status": 404,
    "detail": "x",
    "code": "not_found",
    "request_id": "x",
    "errors": [],
}
BROKEN_WORDS: Mapping[str, tuple[str, int, Any, Mapping[str, str], str]] = {
    "status": ("/v1/me", 202, {}, FULL, "202 is not documented"),
    "path": ("/v1/nothing", 200, {}, FULL, "200 is not documented"),
    "member": ("/v1/roles/x", 200, {"colour": "red"}, FULL, "colour"),
    "type": ("/v1/roles/x", 200, {"name": 7}, FULL, "/name"),
    "format": ("/v1/roles/x", 200, {"id": "x"}, FULL, "/id"),
    "promise": ("/v1/me", 200, {}, FULL, "required"),
    "ETag": ("/v1/roles/x", 200, {}, {**FULL, "ETag": ""}, "ETag"),
    "header": ("/v1/roles/x", 200, {}, {**FULL, "Link": "x"}, "Link is not documented"),
    "missing header": ("/v1/roles/x", 200, {}, {"ETag": '"x"'}, "X-Request-Id is missing"),
    "code": ("/v1/roles/x", 404, PROBLEM | {"code": "odd"}, FULL, "odd has no page"),
    "page": ("/v1/roles/x", 404, PROBLEM | {"type": "/problems/odd"}, FULL, "not the page"),
    "further member": ("/v1/roles/x", 404, PROBLEM | {"who": "x"}, FULL, "the member who"),
}


@pytest.mark.parametrize("what", BROKEN_WORDS)
async def test_reply_that_the_document_does_not_say_is_noticed(
    rogue: Rogue, radio: Organization, what: str
) -> None:
    path, status, body, headers, words = BROKEN_WORDS[what]
    rogue.watch.contract = product_contract()
    kind = "application/json" if status < 400 else "application/problem+json"
    sent = {name: value for name, value in headers.items() if value} | {"Content-Type": kind}

    async def answer(_: Request) -> Response:
        return Response(json.dumps(body), status, sent)

    rogue.answer = answer
    with pytest.raises(BrokenInvariant, match=f"^C: .*{words}"):
        await rogue.get(radio, path)


async def test_reply_of_another_type_is_noticed(rogue: Rogue, radio: Organization) -> None:
    rogue.watch.contract = product_contract()

    async def answer(_: Request) -> Response:
        return Response("<p>", 200, {**FULL, "Content-Type": "text/html"})

    rogue.answer = answer
    with pytest.raises(BrokenInvariant, match="text/html, documented is application/json"):
        await rogue.get(radio, "/v1/roles/x")


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_server_error_is_noticed(rogue: Rogue, radio: Organization, status: int) -> None:
    rogue.says("{}", status)
    with breaks("I2"):
        await rogue.get(radio)


async def test_unhandled_exception_is_noticed(rogue: Rogue, radio: Organization) -> None:
    async def broken(_: Request) -> Response:
        raise RuntimeError("broken")

    rogue.answer = broken
    with breaks("I2"):
        await rogue.get(radio)


async def test_503_is_an_answer_while_faults_are_injected(
    rogue: Rogue, radio: Organization
) -> None:
    rogue.says("{}", 503)
    with rogue.watch.faults():
        assert (await rogue.get(radio)).status_code == 503
        rogue.says("{}", 500)
        with breaks("I2"):
            await rogue.get(radio)
    with breaks("I2"):
        await rogue.get(radio)


TRACES = {
    "a new row": "INSERT INTO roles VALUES ($1, gen_random_uuid(), 'Trace', false, '{}', 1)",
    "a changed row": "UPDATE heads SET position = position + 1 WHERE organization_id = $1",
    "the same row again": "UPDATE roles SET name = name WHERE organization_id = $1",
    "a missing row": "DELETE FROM catalogue_entries WHERE organization_id = $1 AND key = 'media'",
    "a setting": "UPDATE organizations SET name = 'x' WHERE id = $1",
    "a person": "UPDATE users SET name = 'x' WHERE id IN "
    "(SELECT user_id FROM memberships WHERE organization_id = $1)",
    "a session": "UPDATE sessions SET ended_at = now() WHERE organization_id = $1",
    "a membership": "DELETE FROM memberships_index WHERE organization_id = $1",
}


@pytest.mark.parametrize("trace", TRACES)
async def test_trace_of_a_refused_request_is_noticed(
    rogue: Rogue, radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]", trace: str
) -> None:
    async def leaving(_: Request) -> Response:
        await owner.execute(TRACES[trace], radio.organization_id)
        return Response('{"code":"not_found"}', 404, None, "application/problem+json")

    rogue.answer = leaving
    with breaks("I3"):
        await rogue.get(radio)


async def test_trace_of_a_stranger_is_noticed(
    rogue: Rogue, radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    async def leaving(_: Request) -> Response:
        await owner.execute(TRACES["a changed row"], radio.organization_id)
        return Response('{"code":"invalid_credentials"}', 401, None, "application/problem+json")

    rogue.answer = leaving
    with breaks("I3"):
        await rogue.get(None)


NOTES = (
    "UPDATE api_keys SET last_used_at = now() WHERE organization_id = $1",
    "INSERT INTO sign_in_throttles VALUES (sha256($1::uuid::text::bytea), 1, now(), NULL)",
    "DELETE FROM sign_in_throttles WHERE subject = sha256($1::uuid::text::bytea)",
)


async def test_control_records_are_the_published_ones(
    rogue: Rogue, radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    made = await radio.call(
        "admin", "POST", "/v1/api-keys", json={"name": "Used", "scopes": ["clients.name:read"]}
    )
    assert made.status_code == 201
    code = "not_found"

    async def leaving(_: Request) -> Response:
        for statement in NOTES:
            await owner.execute(statement, radio.organization_id)
        if code == "refresh_reused":
            await owner.execute(TRACES["a session"], radio.organization_id)
        return Response(f'{{"code":"{code}"}}', 401, None, "application/problem+json")

    rogue.answer = leaving
    await rogue.get(radio)
    code = "refresh_reused"
    await rogue.get(radio)
    names = {name.partition(".")[0] for name in CONTROL}
    assert names == ON_REUSE | {"sign_in_throttles", "api_keys"}
    assert "sign_in_throttles" not in {table.name for table in WATCHED}


async def test_write_of_a_request_beside_is_not_blamed_on_a_refusal(
    rogue: Rogue, radio: Organization, owner: "asyncpg.Connection[asyncpg.Record]"
) -> None:
    both = asyncio.Barrier(2)

    async def answer(request: Request) -> Response:
        await both.wait()
        if request.url.path.endswith("writes"):
            await owner.execute(TRACES["a changed row"], radio.organization_id)
            return Response("{}")
        await asyncio.sleep(0.05)
        return Response('{"code":"conflict"}', 409, None, "application/problem+json")

    rogue.answer = answer
    await asyncio.gather(rogue.get(radio, "/v1/writes"), rogue.get(radio, "/v1/refused"))


@pytest.mark.parametrize(
    "text",
    [SECRET, PASSWORD, "$argon2id$v=19$m=8", "eyJhbGciOiJIUzI1.eyJzdWIiOiIxMjM0.c2lnbmF0dXJl"],
)
async def test_secret_is_noticed_in_body_header_and_log(
    rogue: Rogue, radio: Organization, text: str
) -> None:
    rogue.says(f'{{"name":"{text}"}}')
    with breaks("I4"):
        await rogue.get(radio)
    rogue.says("{}", 200, {"X-Debug": text})
    with breaks("I4"):
        await rogue.get(radio)


async def test_address_of_somebody_in_the_log_is_noticed(rogue: Rogue, radio: Organization) -> None:
    async def logging(_: Request) -> Response:
        structlog.get_logger().info("seen", who=radio.emails["admin"])
        return Response("{}")

    rogue.answer = logging
    with breaks("I4"):
        await rogue.get(radio)


async def test_credential_that_was_sent_is_not_repeated(rogue: Rogue, radio: Organization) -> None:
    rogue.says(f'{{"you":"{radio.tokens["admin"]}"}}', 401)
    with breaks("I4"):
        await rogue.get(radio)


async def test_password_that_was_sent_is_not_repeated(rogue: Rogue) -> None:
    rogue.says('{"detail":"not: a password of nobody"}', 422)
    with breaks("I4"):
        body = {"email": "x@example.com", "password": "a password of nobody"}
        await rogue.api.post("/v1/auth/login", json=body)


async def test_secret_may_stand_in_the_one_reply_that_issues_it(
    rogue: Rogue, radio: Organization
) -> None:
    rogue.says(f'{{"key":"{SECRET}"}}', 201)
    await rogue.api.post("/v1/api-keys", headers=radio.as_role("admin"))
    with breaks("I4"):  # the second time it is no issue any more
        await rogue.api.post("/v1/api-keys", headers=radio.as_role("admin"))


async def test_line_of_the_log_is_one_json_object(rogue: Rogue, radio: Organization) -> None:
    async def printing(_: Request) -> Response:
        rogue.watch.lines.write("plain words\n")
        return Response("{}")

    rogue.answer = printing
    with pytest.raises(BrokenInvariant, match="no JSON"):
        await rogue.get(radio)


@pytest.mark.parametrize("path", ["/metrics", "/livez", "/readyz", "/openapi.json", "/docs"])
async def test_what_is_open_to_anybody_tells_of_nobody(
    api: httpx.AsyncClient, bystander: Bystander, radio: Organization, path: str
) -> None:
    await bystander.act()
    await radio.create_client(name=f"Client of {radio.slug}")
    answer = await api.get(path)
    assert answer.status_code == 200
    for word in (radio.slug, str(radio.organization_id), str(bystander.id)):
        assert word not in answer.text


async def test_bystander_is_what_it_was_after_the_tests_before(
    owner: "asyncpg.Connection[asyncpg.Record]", bystander: Bystander, watch: Watch
) -> None:
    """It only reads and rehearses: whatever wrote here came from another organization."""
    before = await watch.digests.of(bystander.id)
    for _ in range(8):
        await bystander.act()
    assert await watch.digests.of(bystander.id) == before
