"""Failed sign-ins are counted per account and per address, in the database; nothing else is here.

An account is an e-mail address that somebody typed, whether it exists or not, so that both are
answered alike. Subjects are stored as digests.
"""

import asyncio
import hashlib
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from crm_api.core.db import Database
from crm_api.core.errors import Refusal
from crm_api.identity import statements as sql

FAILURES_OF_ACCOUNT = 10
# Many people sign in from the one address of an office or of a mobile network.
FAILURES_OF_ADDRESS = 100
WAITING = 100
_CLEAN_EVERY = 256
_IPV6_SITE = 64


def _digest(kind: str, subject: str) -> bytes:
    return hashlib.sha256(f"crm-api sign-in {kind}\0{subject}".encode()).digest()


def network_of(address: str | None) -> str:
    """The address, or for IPv6 the /64 that one household or machine has to itself."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, _IPV6_SITE), strict=False))
    return str(found)


@dataclass(slots=True)
class _Line:
    """The people who wait for their turn at one account."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class Turn:
    """One attempt at one account, from one address."""

    throttle: "Throttle"
    account: bytes
    address: bytes

    async def failed(self) -> None:
        await self.throttle.count(self.account, FAILURES_OF_ACCOUNT)
        await self.throttle.count(self.address, FAILURES_OF_ADDRESS)

    async def succeeded(self) -> None:
        """The address keeps its failures: who knows one password must not guess others freely."""
        await self.throttle.forget(self.account)


class Throttle:
    """Blocks an account for 30 seconds at the tenth failure, twice as long at each one more."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lines: dict[bytes, _Line] = {}
        self._counted = 0

    @asynccontextmanager
    async def turn(self, account: str, address: str | None) -> AsyncIterator[Turn]:
        """Wait for this account's turn, then refuse or let through.

        One attempt at a time in each process: counted side by side, a thousand guesses that arrive
        together would all be let through before the first of them has failed.

        Raises:
            Refusal: 429 with the seconds to wait.
        """
        subject = _digest("account", account)
        found = Turn(self, subject, _digest("address", network_of(address)))
        line = self._lines.setdefault(subject, _Line())
        if line.waiting >= WAITING:
            raise _too_many(1)
        line.waiting += 1
        try:
            async with line.lock:
                await self._refuse_blocked(found)
                yield found
        finally:
            line.waiting -= 1
            if not line.waiting:
                self._lines.pop(subject, None)

    async def _refuse_blocked(self, turn: Turn) -> None:
        values = {"account": turn.account, "address": turn.address}
        row = await self._db.fetchrow(None, sql.BLOCKED_SECONDS, values)
        if row is not None and row["seconds"] is not None:
            raise _too_many(max(1, row["seconds"]))

    async def count(self, subject: bytes, limit: int) -> None:
        await self._db.fetchrow(None, sql.COUNT_FAILURE, {"subject": subject, "limit": limit})
        self._counted += 1
        if self._counted % _CLEAN_EVERY == 0:
            await self._db.fetchrow(None, sql.FORGET_OLD_FAILURES)

    async def forget(self, subject: bytes) -> None:
        await self._db.fetchrow(None, sql.FORGET_FAILURES, {"subject": subject})


def _too_many(seconds: int) -> Refusal:
    return Refusal(
        "rate_limited",
        "Too many sign-ins failed. Wait, then try again.",
        headers={"Retry-After": str(seconds)},
    )
