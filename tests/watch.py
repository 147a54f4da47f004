"""The invariants that hold after every request of the suite, in one wrapper around its transport.

I1 no word and no id of another organization in a reply, header or log line. I2 no 5xx, but for 503
where a test says that it injects a fault. I3 after a 4xx the database is what it was, but for the
control records that `tests.digest` publishes. I4 no secret in a reply or log line, but for the one
reply that issues it. C every reply is what the document says (`tests.contract`).
"""

import base64
import binascii
import gzip
import json
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import StringIO
from typing import Any
from uuid import UUID

import httpx
import structlog
from fastapi import FastAPI

from crm_api.core import logs
from tests.canaries import CANARY, CANARY_PHONE
from tests.contract import Contract
from tests.database import PASSWORD as DATABASE_PASSWORD
from tests.digest import ON_REUSE, Digest, Digests, changed
from tests.factories import PASSWORD
from tests.figures import DONE

UUIDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
SECRETS = re.compile(
    r"\b(?:crm|crt|cin|cal)_[0-9a-f]{32}_[0-9a-f]{32}_[0-9a-f]{64}"
    r"|\beyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{10,}"
    r"|\$argon2id\$"
)
ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.\w")
"""An e-mail address: no line of the log says who somebody is."""

SECRET_OF_ORGANIZATION = re.compile(r"(?:crm|crt|cin|cal)_([0-9a-f]{32})_")
ISSUING = frozenset(
    {
        ("POST", "/v1/auth/login"),
        ("POST", "/v1/auth/refresh"),
        ("POST", "/v1/auth/password"),
        ("POST", "/v1/users"),
        ("POST", "/v1/api-keys"),
        ("POST", "/v1/calendar-feeds"),
    }
)
"""The routes whose successful reply issues a secret, once."""

CONSTANT_SECRETS = (PASSWORD, DATABASE_PASSWORD)
SHORTEST_SECRET = 12
"""A shorter password would be found by chance in any reply."""


class BrokenInvariant(AssertionError):
    """An invariant of the whole product does not hold; the test that runs only found it."""


class Lines(StringIO):
    """What was logged since it was last looked at. pytest sees the lines too."""

    def write(self, text: str) -> int:
        sys.stdout.write(text)
        return super().write(text)

    def take(self) -> str:
        text = self.getvalue()
        self.seek(0)
        self.truncate()
        return text

    def listen(self) -> None:
        """Be where the lines go, also after another test sent them elsewhere."""
        if logs._lines.stream is not self or not structlog.is_configured():
            logs.configure_logging("INFO", self, exception_texts=True)


@dataclass(slots=True, eq=False)
class Sent:
    """A request as the checks need it."""

    request: httpx.Request
    body: bytes
    organization_id: UUID | None
    secrets: list[str]
    digest: Digest | None = None
    moment: int = 0
    alone: bool = True
    """Whether no other request that may write the same rows ran beside it."""

    @property
    def place(self) -> tuple[str, str]:
        return self.request.method, self.request.url.path

    @property
    def name(self) -> str:
        return " ".join(self.place)

    @property
    def text(self) -> str:
        head = " ".join(f"{k}: {v}" for k, v in self.request.headers.items())
        return f"{self.request.url} {head} {self.body.decode(errors='replace')}"


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply as the checks need it: its text without any coding."""

    status: int
    headers: str
    text: str
    is_replayed: bool
    code: str
    fields: Mapping[str, str]
    """The headers by name."""

    @property
    def all(self) -> str:
        return f"{self.headers}\n{self.text}"


class Watch:
    """Looks at every request and reply of one application."""

    def __init__(
        self,
        digests: Digests,
        bystander_id: UUID | None = None,
        contract: Contract | None = None,
    ) -> None:
        self.digests = digests
        self.contract = contract
        """What the application promises; None for one that promises nothing."""
        self.lines = Lines()
        self.bystander_id = bystander_id
        """The organization whose canaries nobody else may see."""
        self.requests = 0
        self._owners: dict[str, UUID] = {}
        self._issued: set[str] = set()
        self._running: list[Sent] = []
        self._faults = 0

    @contextmanager
    def faults(self) -> Iterator[None]:
        """While a test injects faults, 503 is an answer and what was lost is not compared."""
        self._faults += 1
        try:
            yield
        finally:
            self._faults -= 1

    def client(self, app: FastAPI, address: str = "127.0.0.1") -> httpx.AsyncClient:
        """A client of the application whose every request is watched."""
        inner = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 4711))
        return httpx.AsyncClient(transport=Watched(inner, self), base_url="http://testserver")

    # ------------------------------------------------------------------------- before and after

    def begin(self, request: httpx.Request, body: bytes) -> Sent:
        self.requests += 1
        DONE["requests watched"] += 1
        self.lines.listen()
        organization_id = organization_of(request, body)
        sent = Sent(request, body, organization_id, secrets_in(request, body))
        for other in self._running:
            if None in (other.organization_id, organization_id) or _same(other, sent):
                other.alone = sent.alone = False
        self._running.append(sent)
        return sent

    async def before(self, sent: Sent) -> None:
        if sent.organization_id is None:
            sent.moment = await self.digests.moment()
        else:
            sent.digest = await self.digests.of(sent.organization_id)
        self.lines.take()

    async def after(self, sent: Sent, answered: Answered) -> None:
        logged = self.lines.take()
        self._no_server_error(sent, answered, logged)
        self._no_canary(sent, answered, logged)
        self._no_foreign_id(sent, answered)
        self._no_secret(sent, answered, logged)
        self._lines_are_json(sent, logged)
        self._keeps_its_word(sent, answered)
        if 400 <= answered.status < 500:
            await self._nothing_changed(sent, answered)

    def left(self, sent: Sent) -> None:
        """The request is over, however it ended."""
        self._running.remove(sent)

    # ------------------------------------------------------------------------------- invariants

    def _no_server_error(self, sent: Sent, answered: Answered, logged: str) -> None:
        if answered.status < 500 or (answered.status == 503 and self._faults):
            return
        DONE["5xx without an injected fault"] += 1
        raise BrokenInvariant(
            f"I2: {sent.name} answered {answered.status}: {answered.text[:500]}\n{logged}"
        )

    def _no_canary(self, sent: Sent, answered: Answered, logged: str) -> None:
        if sent.organization_id is not None and sent.organization_id == self.bystander_id:
            return
        for word in (CANARY, CANARY_PHONE):
            if word in sent.text:
                continue  # the caller knew it before
            for where, text in (("reply", answered.all), ("log", logged)):
                if word in text.lower():
                    DONE["canaries seen"] += 1
                    raise BrokenInvariant(
                        f"I1: a canary of another organization in the {where} of "
                        f"{sent.name}: {text[:2000]}"
                    )

    def _no_foreign_id(self, sent: Sent, answered: Answered) -> None:
        """Every id belongs to the organization that saw it first; nobody else sees it."""
        if sent.organization_id is None or not sent.request.url.path.startswith("/v1/"):
            return
        known = ""
        for found in UUIDS.findall(answered.all):
            owner = self._owners.setdefault(found, sent.organization_id)
            if owner == sent.organization_id:
                continue
            known = known or sent.text
            if found not in known:
                raise BrokenInvariant(
                    f"I1: {sent.name} of {sent.organization_id} answered the id {found} "
                    f"of {owner}: {answered.text[:2000]}"
                )

    def _no_secret(self, sent: Sent, answered: Answered, logged: str) -> None:
        # The document shows the tests' password as its example.
        constant = CONSTANT_SECRETS if sent.request.url.path.startswith("/v1/") else ()
        for where, text in (("reply", answered.all), ("log", logged)):
            for secret in (*sent.secrets, *constant):
                if secret in text:
                    raise BrokenInvariant(
                        f"I4: {sent.name} repeats a secret that was sent in {where}"
                    )
        if SECRETS.search(logged) or ADDRESS.search(logged):
            raise BrokenInvariant(f"I4: {sent.name} logs a secret or somebody's address")
        issues = sent.place in ISSUING and 200 <= answered.status < 300 and not answered.is_replayed
        for secret in SECRETS.findall(answered.all):
            if not issues or secret in self._issued or secret in answered.headers:
                raise BrokenInvariant(f"I4: {sent.name} answers a secret that it does not issue")
            self._issued.add(secret)

    def _lines_are_json(self, sent: Sent, logged: str) -> None:
        for line in logged.splitlines():
            try:
                json.loads(line)
            except ValueError:
                raise BrokenInvariant(f"{sent.name}: a log line is no JSON: {line[:500]}") from None

    def _keeps_its_word(self, sent: Sent, answered: Answered) -> None:
        method = sent.request.method
        # As it was sent: an encoded slash does not part anything.
        path = sent.request.url.raw_path.decode("ascii").partition("?")[0]
        if self.contract is None or not path.startswith("/v1/") or method == "OPTIONS":
            return
        if sent.organization_id is not None and sent.organization_id == self.bystander_id:
            return  # its canaries stand where no request could have put them
        told = (answered.status, answered.fields, answered.text)
        if faults := self.contract.faults(method, path, *told):
            raise BrokenInvariant(
                f"C: {sent.name} answered {answered.status}, which the document does not say: "
                f"{'; '.join(faults[:10])}\n{answered.text[:1000]}"
            )

    async def _nothing_changed(self, sent: Sent, answered: Answered) -> None:
        if sent.organization_id is None:
            moved = await self.digests.written_since(sent.moment)
        else:
            assert sent.digest is not None
            now = await self.digests.of(sent.organization_id)
            moved = changed(sent.digest, now)
        if not sent.alone or self._faults:
            return  # another request may have written meanwhile
        if answered.code == "refresh_reused":
            moved = [name for name in moved if name not in ON_REUSE]
        DONE["4xx compared with the database"] += 1
        if moved:
            DONE["4xx that changed the database"] += 1
            raise BrokenInvariant(
                f"I3: {sent.name} answered {answered.status} {answered.code} and changed "
                f"{', '.join(moved)}: {answered.text[:500]}"
            )


class Watched(httpx.AsyncBaseTransport):
    """The transport of every client of the suite."""

    def __init__(self, inner: httpx.AsyncBaseTransport, watch: Watch) -> None:
        self._inner = inner
        self._watch = watch

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        sent = self._watch.begin(request, await request.aread())
        try:
            await self._watch.before(sent)
            response = await self._inner.handle_async_request(request)
            assert isinstance(response.stream, httpx.AsyncByteStream)
            raw = b"".join([part async for part in response.stream])
            await self._watch.after(sent, answered_of(response, raw))
        finally:
            self._watch.left(sent)
        return httpx.Response(
            response.status_code,
            headers=response.headers,
            stream=httpx.ByteStream(raw),
            extensions=response.extensions,
        )

    async def aclose(self) -> None:
        await self._inner.aclose()


def _same(one: Sent, other: Sent) -> bool:
    return one.organization_id == other.organization_id


def answered_of(response: httpx.Response, raw: bytes) -> Answered:
    plain = gzip.decompress(raw) if response.headers.get("content-encoding") == "gzip" else raw
    text = plain.decode(errors="replace")
    code = ""
    if response.status_code >= 400 and response.headers.get("content-type", "").endswith("json"):
        code = str(json.loads(text).get("code", "")) if text else ""
    return Answered(
        response.status_code,
        "\n".join(f"{name}: {value}" for name, value in response.headers.items()),
        text,
        "idempotency-replayed" in response.headers,
        code,
        response.headers,
    )


def organization_of(request: httpx.Request, body: bytes) -> UUID | None:
    """Whose request it is: the organization stands in clear in each token, key and secret."""
    credential = request.headers.get("authorization", "").partition(" ")[2]
    parts = credential.split(".")
    if len(parts) == 3:
        try:
            claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
            return UUID(claims["org"])
        except (binascii.Error, ValueError, KeyError, TypeError, AttributeError):
            return None
    beside = f"{request.url.path} {body.decode(errors='replace')}"
    found = SECRET_OF_ORGANIZATION.search(credential or beside)
    return UUID(hex=found[1]) if found else None


def secrets_in(request: httpx.Request, body: bytes) -> list[str]:
    """What the caller proves itself with, here or by this very request."""
    credential = request.headers.get("authorization", "").partition(" ")[2]
    found = [credential, *SECRETS.findall(request.url.path)]
    if b"password" in body or b"token" in body:
        found += _values(_json(body))
    return [text for text in found if len(text) >= SHORTEST_SECRET]


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _values(sent: Any) -> list[str]:
    if not isinstance(sent, dict):
        return []
    named = (value for name, value in sent.items() if "password" in name or "token" in name)
    return [value for value in named if isinstance(value, str)]
