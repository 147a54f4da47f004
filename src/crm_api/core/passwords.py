"""Judges, hashes and verifies passwords; knows no table, no route and no throttle.

The rules are those of NIST SP 800-63B-4 §3.1.1.2: length, a block-list, no composition rules.
"""

import asyncio
import re
import secrets
import threading
import time
import unicodedata
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self, TypeVar

import structlog
from passlib.context import CryptContext

from crm_api.core.errors import Fault, Refusal, refuse_all

_T = TypeVar("_T")
_log = structlog.stdlib.get_logger(__name__)

MIN_CHARACTERS: Final = 15
MIN_CHARACTERS_WITH_SECOND_FACTOR: Final = 8
MAX_BYTES: Final = 1024
# NFC makes a text at most this much shorter, so a longer one is refused before it is normalised.
MAX_UNNORMALISED: Final = 4 * MAX_BYTES
PRODUCT_NAME: Final = "crm-api"
RETRY_AFTER_SECONDS: Final = 2

# 97 ms on one core of the machine this was measured on; three passes took 135 ms. More than
# twice the work of OWASP's minimum (46 MiB, one pass), within a sign-in that feels instant.
MEMORY_KIB: Final = 64 * 1024
PASSES: Final = 2
LANES: Final = 1

# A password made of this many different cheap pieces, or fewer, is in every guessing list.
MAX_CHEAP_PIECES: Final = 4
MIN_NAME_INSIDE: Final = 5
MIN_NAME_PIECE: Final = 3
MIN_SEQUENCE: Final = 3
MIN_UNIT: Final = 8

_ROWS: Final = (
    "01234567890",
    "qwertyuiop",
    "asdfghjkl;'",
    "zxcvbnm,./",
    "azertyuiop",
    "qwertzuiop",
    "abcdefghijklmnopqrstuvwxyz",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik,9ol.0p;/",
    "qazwsxedcrfvtgbyhnujmikolp",
    "q1w2e3r4t5y6u7i8o9p0",
    "1q2w3e4r5t6y7u8i9o0p",
    "!@#$%^&*()_+",
    "147258369",
    "159357",
)
_SEQUENCES: Final = "\n".join((*_ROWS, *(row[::-1] for row in _ROWS)))
_YEAR: Final = re.compile(r"(?:19|20)\d\d")
_NOT_ALPHANUMERIC: Final = re.compile(r"[\W_]+")
_SEPARATORS: Final = " \t\r\n-_."
# One for one, so that a place in the folded text is the same place in the original.
_LOOKALIKES: Final = str.maketrans("013457@$!|+", "oieastasiit")

# The words that guessing lists build long passwords of, and long ones that stand in them whole.
_COMMON: Final = """
password passw0rd pass passwort passphrase passcode senha contrasena motdepasse parola wachtwoord
qwerty azerty letmein login logon signin access account admin administrator root user guest test
testing tester demo sample example default change changeme changeit temp temporary secret private
secure security welcome hello hi hey goodbye please thanks thankyou trustno1 master god jesus christ
love iloveyou loveyou lover sweet sweetheart honey baby babygirl babyboy angel princess prince queen
king boss dragon monkey tiger lion eagle wolf bear dog cat kitty puppy horse shadow ninja samurai
pirate wizard magic magical superman batman spiderman starwars pokemon naruto matrix football soccer
baseball basketball hockey golf cricket tennis liverpool arsenal chelsea barcelona madrid juventus
manchester united cowboys yankees steelers lakers ferrari porsche mustang corvette harley mercedes
summer winter spring autumn fall january february march april may june july august september october
november december monday tuesday wednesday thursday friday saturday sunday today tomorrow yesterday
morning night day week month year time one two three four five six seven eight nine ten zero first
second third last michael jordan daniel david robert thomas andrew joshua matthew anthony william
james john charlie jennifer jessica ashley amanda michelle nicole hannah maria anna mary sarah alex
sunshine sunflower flower rainbow butterfly chocolate cookie coffee banana apple orange cherry
strawberry peanut pepper ginger purple blue green red black white silver golden gold diamond crystal
computer internet google facebook instagram twitter yahoo hotmail gmail outlook microsoft windows
android iphone samsung linux oracle cisco server system network database office company
business customer client manager employee work team sales support service money dollar bank cash
pass1234 abc123 freedom forever together family mother father mommy daddy brother sister friend
friends home house school college university student teacher america england london paris berlin
africa uganda kampala kenya nairobi nigeria india china canada brasil mexico australia world earth
heaven star stars moon sun sky fire water ice storm thunder lucky happy crazy sexy cool hot hard
easy super mega ultra power strong best great good bad big little new old real true live life death
kill killer hacker hack whatever nothing nobody something anything everything always never again
fuck fuckyou fucker fuckoff shit bitch asshole
i you he she we they me my mine your yours our the a an and or is am are was be this that it its for
from with without of to in on at by not no yes do can will let get got go come here there
correcthorsebatterystaple thequickbrownfox jumpsover thelazydog maytheforcebewithyou tobeornottobe
thatisthequestion loremipsum dolorsitamet openthedoor opensesame abracadabra supercalifragilistic
expialidocious antidisestablishmentarianism onceuponatime livelaughlove carpediem hakunamatata
winteriscoming ilovemyfamily praisethelord jesusislord jesuschrist godisgood inthebeginning
iamthebest iloveyousomuch neveragain nevergiveup onetwothree abcdefg nopassword mypassword
"""
_WORDS: Final = frozenset(word.translate(_LOOKALIKES) for word in _COMMON.split())
_LONGEST_WORD: Final = max(map(len, _WORDS))


class PasswordPolicy:
    """What a new password must be. Not for signing in: old passwords keep working."""

    def __init__(self, min_characters: int = MIN_CHARACTERS) -> None:
        if not MIN_CHARACTERS_WITH_SECOND_FACTOR <= min_characters <= 64:
            raise ValueError("the shortest password is of 8 to 64 characters")
        self._min_characters = min_characters

    def faults(
        self, password: str, *, about: Iterable[str] = (), pointer: str = "/password"
    ) -> tuple[Fault, ...]:
        """What is wrong with a new password, the first fault only; never quotes it.

        `about` are texts that a guesser tries first: the person's e-mail and name, the
        organization's name. The product's own name is always among them.
        """
        names = (PRODUCT_NAME, *about)
        text = _normalised(password)
        if text is None:
            code, detail = "password_too_long", f"At most {MAX_BYTES} bytes of Unicode text."
        elif len(text) < self._min_characters:
            code, detail = "password_too_short", f"At least {self._min_characters} characters."
        elif _holds_name(text, names):
            code, detail = "password_personal", "Leave out e-mail addresses and names."
        elif _is_common(text, names):
            code, detail = "password_common", "Too easy to guess: use several unusual words."
        else:
            return ()
        return (Fault(code, detail, pointer=pointer),)


class PasswordHasher:
    """Argon2id (RFC 9106) in a few threads; the only place that knows the library.

    `running` hashes are computed at once, `waiting` more may queue; past that the request is
    refused with 503 at once. Memory is bounded by `running` times `memory_kib`.
    """

    def __init__(
        self,
        *,
        memory_kib: int = MEMORY_KIB,
        passes: int = PASSES,
        lanes: int = LANES,
        running: int = 2,
        waiting: int = 30,
    ) -> None:
        if running < 1 or waiting < 0:
            raise ValueError("at least one hash runs, and the queue is not negative")
        self._context = CryptContext(
            schemes=["argon2"],
            argon2__type="ID",
            argon2__memory_cost=memory_kib,
            argon2__time_cost=passes,
            argon2__parallelism=lanes,
            argon2__salt_size=16,
            argon2__digest_size=32,
        )
        self._format = f"$argon2id$v=19$m={memory_kib},t={passes},p={lanes}$"
        self._threads = ThreadPoolExecutor(running, thread_name_prefix="password")
        self._places = threading.BoundedSemaphore(running + waiting)
        # Verified against when there is no hash, so that an unknown person costs as much time.
        self._decoy = self._context.hash(secrets.token_bytes(32))

    async def hash(self, password: str) -> str:
        """The text to store, about 100 characters. The policy was asked before."""
        secret = _secret(password)
        if secret is None:
            fault = Fault("password_too_long", f"At most {MAX_BYTES} bytes of Unicode text.")
            raise refuse_all([fault])
        return await self._in_thread(lambda: self._context.hash(secret))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether the password is right. None (nobody of that name) costs the same time.

        A stored hash that cannot be read is a wrong password to the caller, after the same time,
        and a warning in the log. A text that no password can be is refused without any work,
        which tells nothing: that depends on the text alone.
        """
        secret = _secret(password)
        if secret is None:
            return False
        return await self._in_thread(lambda: self._verify(stored, secret))

    def needs_rehash(self, stored: str) -> bool:
        """Whether a hash was made at another cost: store a new one after the next sign-in."""
        try:
            return self._context.needs_update(stored)
        except Exception as error:  # noqa: BLE001 - see _holds
            _log_unreadable(error)
            return True

    def self_test(self) -> float:
        """Prove the library at start-up, or raise RuntimeError; the seconds that one hash took.

        Each line is a defect that was shipped somewhere: the tail of long passwords ignored,
        the form of an accent deciding, cheaper parameters than configured. Blocks: call it
        before the first request.
        """
        long = "self-test " * 10 + "caf\N{LATIN SMALL LETTER E WITH ACUTE}"
        started = time.perf_counter()
        stored = self._context.hash(_secret(long) or b"")
        took = time.perf_counter() - started
        proofs = {
            "the hash is not argon2id at the cost that was set": stored.startswith(self._format),
            "a fresh hash is called outdated": not self.needs_rehash(stored),
            "a right password is refused": self._verify(
                stored, _secret(unicodedata.normalize("NFD", long)) or b""
            ),
            "a wrong password is accepted": not self._verify(stored, long[:-1].encode()),
        }
        for failure, held in proofs.items():
            if not held:
                raise RuntimeError(f"password hashing does not work: {failure}")
        return took

    def close(self) -> None:
        """Let running hashes end and drop those that wait."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def _in_thread(self, work: Callable[[], _T]) -> _T:
        if not self._places.acquire(blocking=False):
            raise _unavailable()
        try:
            future = self._threads.submit(work)
        except RuntimeError:  # closed: the process is going down
            self._places.release()
            raise _unavailable() from None
        # By the work's own end, not by the request's: a caller that hangs up leaves a hash
        # running, and its memory stays in use until then.
        future.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(future)

    def _verify(self, stored: str | None, secret: bytes) -> bool:
        held = self._holds(self._decoy if stored is None else stored, secret)
        if held is None:
            self._holds(self._decoy, secret)
        return held is True and stored is not None

    def _holds(self, stored: str, secret: bytes) -> bool | None:
        """None when the library fails, whatever it raises: it documents no closed list."""
        try:
            return self._context.verify(secret, stored)
        except Exception as error:  # noqa: BLE001 - see the docstring
            _log_unreadable(error)
            return None


def _unavailable() -> Refusal:
    return Refusal(
        "unavailable",
        "Too many people are signing in at once.",
        headers={"Retry-After": str(RETRY_AFTER_SECONDS)},
    )


def _log_unreadable(error: Exception) -> None:
    """The type alone: the library quotes the hash in its messages."""
    _log.warning("password_hash_unreadable", error=type(error).__name__)


def _normalised(password: str) -> str | None:
    """The password in NFC, or None when it is too long or no Unicode text (a lone surrogate)."""
    if len(password) > MAX_UNNORMALISED:
        return None
    text = unicodedata.normalize("NFC", password)
    try:
        return text if len(text.encode()) <= MAX_BYTES else None
    except UnicodeEncodeError:
        return None


def _secret(password: str) -> bytes | None:
    text = _normalised(password)
    return None if text is None else text.encode()


def _folded(text: str) -> str:
    """For comparing words: `P4$$word` and `password` are the same; separators do not count."""
    lookalikes = text.casefold().translate(_LOOKALIKES)
    return _NOT_ALPHANUMERIC.sub("", lookalikes)


def _holds_name(password: str, names: Iterable[str]) -> bool:
    """Whether a whole name, address, or the part before the @ stands in the password."""
    text = _folded(password)
    wholes = (_folded(part) for name in names for part in (name, name.partition("@")[0]))
    return any(len(whole) >= MIN_NAME_INSIDE and whole in text for whole in wholes)


def _is_common(password: str, names: Iterable[str]) -> bool:
    """Whether few guesses make it: a short unit repeated, or a handful of cheap pieces.

    Pieces are common words (with look-alike digits), words of the names, years, runs of one
    character, runs along the alphabet or the keyboard; anything else is one piece a character,
    and what merely separates is none.
    """
    plain = password.casefold()
    units = range(1, min(MIN_UNIT, len(plain) // 2 + 1))
    if any(plain[unit:] == plain[:-unit] for unit in units):
        return True
    parts = {_folded(part) for name in names for part in _NOT_ALPHANUMERIC.split(name)}
    words = _WORDS | {part for part in parts if len(part) >= MIN_NAME_PIECE}
    lookalikes = plain.translate(_LOOKALIKES)
    pieces: set[str] = set()
    at = 0
    while at < len(plain) and len(pieces) <= MAX_CHEAP_PIECES:
        length = _piece_length(plain, lookalikes, at, words)
        piece = lookalikes[at : at + length]
        if piece.strip(_SEPARATORS):
            pieces.add(piece)
        at += length
    return len(pieces) <= MAX_CHEAP_PIECES


def _piece_length(plain: str, lookalikes: str, at: int, words: frozenset[str]) -> int:
    """How far the longest cheap piece reaches that begins here; 1 when there is none."""
    run = 1
    while plain[at + run : at + run + 1] == plain[at]:
        run += 1
    sequence = MIN_SEQUENCE
    while at + sequence <= len(plain) and plain[at : at + sequence] in _SEQUENCES:
        sequence += 1
    year = _YEAR.match(plain, at)
    longest = max(run, sequence - 1 if sequence > MIN_SEQUENCE else 1, 4 if year else 1)
    for length in range(min(_LONGEST_WORD, len(plain) - at), longest, -1):
        if lookalikes[at : at + length] in words:
            return length
    return longest
