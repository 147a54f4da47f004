"""Writers that never stop: each write is retried, as an integration would, until it is decided.

What they send follows from the document: every create that takes an `Idempotency-Key`, and patches
with `If-Match` of what they created; and requests that must be refused.
"""

import asyncio
import itertools
import json
import random
import secrets
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from crm_api.core.ids import new_id
from tests.assurance.faults.ledger import Ledger, Outcome, Write
from tests.assurance.requests import body_of
from tests.assurance.values import Known

Json = dict[str, Any]
ANSWER_SECONDS = 40.0
"""Longer than the application's own limit: what it takes longer for is a deviation of its own."""

DECIDE_SECONDS = 90.0
MARKED: Mapping[str, str] = {"/v1/clients": "remarks", "/v1/contacts": "honorific"}
"""Records that are patched: the collection, and a text field that tells which write came last."""


def creates(spec: Json, known: Known) -> list[tuple[str, str]]:
    """Operation and path of each create that can be repeated with a key, batches included.

    What answers 200 makes nothing, and so no entry of the log: the verdict could not find it.
    """
    found = []
    for path, methods in spec["paths"].items():
        operation = methods.get("post")
        if operation is None or "{" in path:
            continue
        takes_key = any(p["name"] == "Idempotency-Key" for p in operation.get("parameters", ()))
        makes = operation["responses"].keys() & {"201", "207"}
        if takes_key and makes and body_of(operation["operationId"], known) is not None:
            found.append((operation["operationId"], path))
    assert {"create_client", "create_contact", "batch_clients"} <= {name for name, _ in found}
    return found


@dataclass(slots=True)
class Record:
    """A record that one writer has to itself."""

    path: str
    etag: str
    field: str


@dataclass
class Traffic:
    """Writers on a number of servers, in turn."""

    urls: list[str]
    key: str
    low_key: str
    """Of a caller whose writes of finances are refused."""
    spec: Json
    known: Known
    ledger: Ledger
    deviations: list[str] = field(default_factory=list)
    acknowledged: int = 0
    last_acknowledged: float = 0.0
    every_answer_counts: bool = False
    """Only a refused connection may stand for an answer; each request has its own connection."""
    _turns: Iterator[str] = field(init=False)

    def __post_init__(self) -> None:
        self._turns = itertools.cycle(self.urls)

    @asynccontextmanager
    async def flowing(self, writers: int = 6) -> AsyncIterator[None]:
        """They write until the block ends; what is undecided by then is decided before that."""
        over = asyncio.Event()
        tasks = [asyncio.create_task(self._writer(over)) for _ in range(writers)]
        try:
            yield
        finally:
            over.set()
            await asyncio.gather(*tasks)

    async def _writer(self, over: asyncio.Event) -> None:
        choose = random.Random(secrets.token_hex(4))
        operations = creates(self.spec, self.known)
        records: list[Record] = []
        limits = httpx.Limits(max_keepalive_connections=0 if self.every_answer_counts else None)
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS, limits=limits) as http:
            while not over.is_set():
                turn = choose.random()
                if turn < 0.1:
                    await self._refused(http, choose, records)
                elif turn < 0.55 and records:
                    await self._patch(http, choose.choice(records))
                elif turn < 0.85:
                    name, path = choose.choice(
                        [("create_client", "/v1/clients"), ("create_contact", "/v1/contacts")]
                    )
                    await self._create(http, name, path, records)
                else:
                    await self._create(http, *choose.choice(operations), records)

    async def _create(
        self, http: httpx.AsyncClient, operation: str, path: str, records: list[Record]
    ) -> None:
        write = Write(str(new_id()), operation, path=path, key=secrets.token_hex(12))
        self.ledger.intend(write)
        headers = {"Idempotency-Key": write.key}
        answer = await self._decide(
            http, write, "POST", path, body_of(operation, self.known), headers, self.key
        )
        if answer is not None and path in MARKED and answer.status_code == 201:
            place = f"{path}/{answer.json()['id']}"
            records.append(Record(place, answer.headers["etag"], MARKED[path]))
            del records[:-20]

    async def _patch(self, http: httpx.AsyncClient, record: Record) -> None:
        """With `If-Match`. After an unknown, 412 with our own value is an acknowledgement."""
        mark = secrets.token_hex(6)
        resource_id = record.path.rpartition("/")[2]
        write = Write(str(new_id()), "PATCH", record.path, resource_id, mark)
        self.ledger.intend(write)
        body, headers = {record.field: mark}, {"If-Match": record.etag}
        answer = await self._decide(http, write, "PATCH", record.path, body, headers, self.key)
        if answer is None:
            return
        record.etag = answer.headers.get("etag", record.etag)
        if answer.status_code == 412:
            if answer.json().get("current", {}).get(record.field) == mark:
                self._acknowledge(write, 412)
            elif len(write.attempts) == 1:
                self.deviations.append(f"{record.path}: a stale ETag nobody else moved")

    async def _refused(
        self, http: httpx.AsyncClient, choose: random.Random, records: Sequence[Record]
    ) -> None:
        """A definite refusal: nothing of it may ever be found."""
        mark = secrets.token_hex(6)
        clients = [one for one in records if one.field == "remarks"]
        cases: list[tuple[str, str, Json, Json, str]] = [
            ("POST", "/v1/clients", {"name": mark, "emails": ["no address"]}, {}, self.key),
            ("POST", "/v1/clients", {"name": mark}, {}, self.key),
            (
                "POST",
                "/v1/clients",
                {"name": mark, "phones": ["+256772123456"], "credit_limit": None},
                {},
                self.low_key,
            ),
        ]
        if clients:
            stale = {"If-Match": '"stale"'}
            cases.append(("PATCH", clients[0].path, {"remarks": mark}, stale, self.key))
        method, path, body, headers, key = choose.choice(cases)
        write = Write(str(new_id()), f"refused {method}", path, mark=mark, meant_to_fail=True)
        if method == "POST":
            write.key = secrets.token_hex(12)
            headers = {"Idempotency-Key": write.key}
        self.ledger.intend(write)
        answer = await self._decide(http, write, method, path, body, headers, key)
        if answer is not None and not 400 <= answer.status_code < 500:
            self.deviations.append(f"{method} {path} was to be refused: {answer.status_code}")

    async def _decide(  # the parts of a request
        self,
        http: httpx.AsyncClient,
        write: Write,
        method: str,
        path: str,
        body: Json | None,
        headers: Json,
        key: str,
    ) -> httpx.Response | None:
        """Send until the answer is definite; None: it never was."""
        content = json.dumps(body).encode()
        began = time.monotonic()
        while time.monotonic() - began < DECIDE_SECONDS:
            request_id = secrets.token_hex(16)
            write.attempts.append(request_id)
            self.ledger.sent(write, request_id)
            sent = headers | {
                "Authorization": f"Bearer {key}",
                "Content-Type": "application/json",
                "X-Request-Id": request_id,
            }
            url = next(self._turns) + path
            try:
                answer = await http.request(method, url, content=content, headers=sent)
            except httpx.HTTPError as error:
                self._look_at(error, f"{method} {path}")
                self.ledger.answered(write, "unknown", 0)
                await asyncio.sleep(0.1)
                continue
            outcome = self._outcome(method, path, answer)
            if outcome == "acknowledged":
                self._acknowledge(write, answer.status_code, _id_of(answer))
                return answer
            self.ledger.answered(write, outcome, answer.status_code)
            if outcome == "refused":
                return answer
            await asyncio.sleep(min(float(answer.headers.get("retry-after", "1")), 0.5))
        self.deviations.append(f"{method} {path} stayed undecided for {DECIDE_SECONDS:.0f} s")
        return None

    def _look_at(self, error: httpx.HTTPError, request: str) -> None:
        """A connection that ends is what a fault does; silence is not."""
        if isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout):
            self.deviations.append(f"{request}: no answer in {ANSWER_SECONDS:.0f} s")
        elif self.every_answer_counts and not isinstance(error, httpx.ConnectError):
            self.deviations.append(f"{request}: {type(error).__name__} {error}")

    def _acknowledge(self, write: Write, status: int, resource_id: str = "") -> None:
        self.ledger.answered(write, "acknowledged", status, resource_id)
        self.acknowledged += 1
        self.last_acknowledged = time.monotonic()

    def _outcome(self, method: str, path: str, answer: httpx.Response) -> Outcome:
        """What is known after an answer. 503 says "not now": whether it took effect is open."""
        status = answer.status_code
        if status == 207 and any(_is_undecided(one) for one in answer.json()["results"]):
            return "unknown"
        if status < 400:
            return "acknowledged"
        waits = "retry-after" in answer.headers
        if status == 503 or (status == 409 and waits):
            if not waits:
                self.deviations.append(f"{method} {path}: {status} without Retry-After")
            return "unknown"
        if _is_undecided({"status": status, "problem": answer.json()}):
            return "unknown"
        if status >= 500:
            self.deviations.append(f"{method} {path}: {status}: {answer.text[:300]}")
            return "broken"
        return "refused"


def _is_undecided(result: Json) -> bool:
    """Of one item or answer: others were quicker, or it could not be done just now."""
    code = result.get("problem", {}).get("code")
    return code in ("conflict", "unavailable", "idempotency_in_progress")


def _id_of(answer: httpx.Response) -> str:
    found = answer.json() if answer.content else {}
    return str(found.get("id", "")) if isinstance(found, dict) else ""
