"""Every error is a problem document whose page exists, and repeats nothing of what was sent."""

from html.parser import HTMLParser

import httpx
import pytest

from crm_api.core.errors import PROBLEMS, Fault, Refusal
from crm_api.core.http import HttpSettings
from crm_api.core.problems import problem_document, problem_response
from tests.unit.http.conftest import BEARER, Lines, client_of

WIDGET = "/v1/widgets/01890a5d-ac96-774b-bcce-b302099a8003"


class Page(HTMLParser):
    """Reads a page as strictly as a validator: every element is closed, in its order."""

    VOID = frozenset({"meta", "link", "br"})
    OUTSIDE = frozenset({"html", "head", "body", "title", "h1"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: set[str] = set()

    @classmethod
    def of(cls, text: str) -> "Page":
        page = cls()
        page.feed(text)
        page.close()
        assert text.startswith('<!doctype html><html lang="en">')
        assert page.open == [], f"never closed: {page.open}"
        assert page.seen >= cls.OUTSIDE
        return page

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        assert "`" not in data, "a backtick without its sister"


async def test_the_list_is_sound_html(client: httpx.AsyncClient) -> None:
    assert "table" in Page.of((await client.get("/problems")).text).seen


async def test_a_page_describes_the_members_of_its_documents(client: httpx.AsyncClient) -> None:
    page = (await client.get("/problems/duplicate-name")).text
    assert "<dt><code>candidates</code></dt>" in page
    assert "<dt><code>next</code></dt>" in page
    assert "Further members" not in (await client.get("/problems/not-found")).text


@pytest.mark.parametrize("code", PROBLEMS)
async def test_the_type_of_each_code_is_a_page_that_exists(
    client: httpx.AsyncClient, code: str
) -> None:
    page = await client.get(problem_document(Refusal(code), "id")["type"])
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert f"<code>{code}</code>" in page.text
    for part in ("What happened", "What to do"):
        words = page.text.partition(f"<h2>{part}</h2><p>")[2].partition("</p>")[0]
        assert len(words.split()) >= 3, f"{code}: {part}: {words}"
    Page.of(page.text)
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "unsafe" not in page.headers["content-security-policy"]


async def test_the_list_names_every_code(client: httpx.AsyncClient) -> None:
    listed = (await client.get("/problems")).text
    assert all(f"<code>{code}</code>" in listed for code in PROBLEMS)


@pytest.mark.parametrize("slug", ["nothing", "not_found", "%3Cscript%3E", "..%2f"])
async def test_an_unknown_page_is_a_404_problem(client: httpx.AsyncClient, slug: str) -> None:
    answer = await client.get(f"/problems/{slug}")
    assert answer.status_code == 404
    assert "script" not in answer.text


async def test_members_are_those_of_the_contract(client: httpx.AsyncClient) -> None:
    answer = await client.post(
        "/v1/widgets", json={"nmae": 1}, headers=BEARER | {"X-Request-Id": "id-of-the-client"}
    )
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json() == {
        "type": "/problems/invalid",
        "title": "The content is not valid",
        "status": 422,
        "detail": "2 faults, each listed with its place.",
        "code": "invalid",
        "request_id": "id-of-the-client",
        "errors": [
            {"pointer": "/name", "code": "required", "detail": "This field is required."},
            {"pointer": "/nmae", "code": "unknown_field", "detail": "There is no such field here."},
        ],
    }


def test_extension_members_cannot_replace_the_standard_ones() -> None:
    refusal = Refusal("duplicate_name", members={"candidates": [1], "status": 200, "type": "x"})
    document = problem_document(refusal, "id", "https://crm.example")
    assert document["candidates"] == [1]
    assert document["status"] == 409
    assert document["type"] == "https://crm.example/problems/duplicate-name"


def test_faults_are_capped() -> None:
    faults = [Fault("x", "y", pointer="")] * 500
    assert len(problem_document(Refusal("invalid", "", faults), "id")["errors"]) == 100


def test_a_401_says_how_to_authenticate_and_a_503_when_to_return() -> None:
    assert problem_response(Refusal("unauthenticated"), "").headers["www-authenticate"] == "Bearer"
    invalid = problem_response(Refusal("invalid_token"), "").headers["www-authenticate"]
    assert invalid == 'Bearer error="invalid_token"'
    assert problem_response(Refusal("unavailable"), "").headers["retry-after"] == "1"
    given = Refusal("rate_limited", headers={"retry-after": "9"})
    assert problem_response(given, "").headers.getlist("retry-after") == ["9"]


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/v1/widgets", "GET, HEAD, POST"),
        ("PUT", WIDGET, "DELETE, GET, HEAD, PATCH"),
        ("POST", WIDGET, "DELETE, GET, HEAD, PATCH"),
        ("OPTIONS", "/v1/widgets", "GET, HEAD, POST"),
        ("TRACE", "/v1/auth/login", "POST"),
        ("BREW", "/v1/auth/login", "POST"),
        ("GET", "/v1/auth/login", "POST"),
    ],
)
async def test_a_405_lists_every_method_of_the_path(
    client: httpx.AsyncClient, method: str, path: str, allow: str
) -> None:
    answer = await client.request(method, path, headers=BEARER)
    assert (answer.status_code, answer.headers["allow"]) == (405, allow)
    assert answer.json()["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    "path", ["/v1/nothing", "/v1/widgets/", "/v1/widgets/7", "/v1/widgets/%00", "//", "/V1/widgets"]
)
async def test_what_cannot_exist_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers=BEARER)
    assert answer.status_code in (404, 400)
    assert answer.json()["code"] in ("not_found", "malformed_request")


@pytest.mark.parametrize(
    ("query", "parameter", "code"),
    [
        ("limit=0", "limit", "greater_than_equal"),
        ("limit=canary", "limit", "int_parsing"),
        ("limit=", "limit", "int_parsing"),
        ("limit=1&limit=2", "limit", "repeated_parameter"),
        ("lmit=1", "lmit", "unknown_parameter"),
        ("created_at[gte]=x&created_at[gte]=y", "created_at[gte]", "repeated_parameter"),
    ],
)
async def test_a_bad_parameter_is_named_without_its_value(
    client: httpx.AsyncClient, query: str, parameter: str, code: str
) -> None:
    answer = await client.get(f"/v1/widgets?{query}", headers=BEARER)
    assert answer.status_code == 422
    assert [(e["parameter"], e["code"]) for e in answer.json()["errors"]] == [(parameter, code)]
    assert "canary" not in answer.text


async def test_a_declared_list_may_be_repeated(client: httpx.AsyncClient) -> None:
    answer = await client.get("/v1/widgets?tags=a&tags=b&limit=1", headers=BEARER)
    assert answer.status_code == 200


async def test_who_may_not_call_is_told_so_before_the_content_is_judged(
    client: httpx.AsyncClient,
) -> None:
    for path in ("/v1/widgets?nope=1", "/v1/widgets?limit=x", "/v1/widgets/7"):
        assert (await client.get(path)).status_code == 401
    assert (await client.post("/v1/widgets", content=b"{")).status_code == 401


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"Content-Type": "text/plain"}, 415),
        ({"Content-Type": ""}, 415),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ({"Content-Type": "application/json; charset=latin-1"}, 415),
        ({"Content-Type": "application/json", "Content-Encoding": "gzip"}, 415),
        ({"Content-Type": "application/merge-patch+json"}, 415),
        ({"Content-Type": "application/json"}, 201),
        ({"Content-Type": 'Application/JSON; charset="UTF-8"'}, 201),
    ],
)
async def test_only_json_is_read(
    client: httpx.AsyncClient, sent: dict[str, str], status: int
) -> None:
    answer = await client.post("/v1/widgets", content=b'{"name":"x"}', headers=BEARER | sent)
    assert answer.status_code == status


async def test_a_patch_may_be_called_a_merge_patch(client: httpx.AsyncClient) -> None:
    kind = {"Content-Type": "application/merge-patch+json"}
    assert (await client.patch(WIDGET, content=b"{}", headers=BEARER | kind)).status_code == 200
    other = await client.patch(WIDGET, content=b"{}", headers=BEARER | {"Content-Type": "text/x"})
    assert other.headers["accept-patch"] == "application/merge-patch+json, application/json"


async def test_a_password_is_never_echoed(client: httpx.AsyncClient, lines: Lines) -> None:
    for body in (
        b'{"email":"a@b.example","password":["canary-pass"]}',
        b'{"email":"a@b.example","password":"canary-pass","password":"canary-pass"}',
        b'{"email":"a@b.example","password":"canary-pass\xff"}',
        b'{"password":"canary-pass","extra":"canary-pass"}',
        b'{"password":"canary-pass',
    ):
        headers = {"Content-Type": "application/json"}
        answer = await client.post("/v1/auth/login", content=body, headers=headers)
        assert answer.status_code in (400, 422)
        assert "canary-pass" not in answer.text
    assert "canary-pass" not in lines.getvalue()


async def test_a_defect_is_a_500_without_detail_and_a_log_line_without_the_text(
    client: httpx.AsyncClient, lines: Lines
) -> None:
    answer = await client.get("/broken")
    assert answer.status_code == 500
    assert answer.json()["detail"] == PROBLEMS["internal_error"].advice
    assert "canary-in-an-exception" not in answer.text
    (logged,) = lines.events("unhandled_exception")
    assert logged["exception"]["type"] == "builtins.ValueError"
    assert logged["request_id"] == answer.headers["x-request-id"]
    # The frame shows our own line of code, which here holds the text; the text itself is not added.
    assert "text" not in logged["exception"]


async def test_the_base_url_precedes_the_type_where_one_is_set() -> None:
    async with client_of(HttpSettings(base_url="https://crm.example", url_bytes=10)) as client:
        answer = await client.get("/v1/widgets")
    assert answer.json()["type"] == "https://crm.example/problems/uri-too-long"
