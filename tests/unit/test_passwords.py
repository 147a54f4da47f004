"""Passwords: good ones work in any spelling, easy ones are refused, guessing tells nothing."""

import asyncio
import statistics
import threading
import time
import unicodedata
from collections.abc import Iterator

import pytest
import structlog

from crm_api.core import passwords
from crm_api.core.errors import Refusal
from crm_api.core.passwords import PasswordHasher, PasswordPolicy

GOOD = "quiet otters juggle lanterns"
POLICY = PasswordPolicy()
ABOUT = ("jane.doe@example.org", "Jane Doe", "Sunny Hill Radio")


@pytest.fixture
def hasher() -> Iterator[PasswordHasher]:
    with PasswordHasher(memory_kib=8, passes=1) as cheap:
        yield cheap


def codes(password: str, *about: str) -> list[str]:
    return [fault.code for fault in POLICY.faults(password, about=about)]


# --------------------------------------------------------------------------- the policy


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "correct zebra battery staple",
        "x7Kq!x7Kq!pL0z#9",
        "wvtkzhqbnrjxmcd",
        "830571946273850",
        "ὀρθὴ ἵππος μπαταρία",
        "正しい馬の電池はとてもおいしいですね",
        "мой кот любит огурцы",
        "🦊🐙🦉🐝🦋🐢🐬🦜🐌🦔🐊🦩🐳🦚🦭",
        "tabs\tand\nlines are fine",
        "a" * 3 + "zj4kq9wmx2vb7",
        "zj4kq9wmx2vb7 " * 70,
    ],
)
def test_long_unusual_passwords_are_accepted_in_any_script(password: str) -> None:
    assert codes(password, *ABOUT) == []


@pytest.mark.parametrize(
    "password",
    [
        "passwordpassword",
        "PasswordPassword",
        "P4$$w0rdP4$$w0rd",
        "password123456789",
        "Password2024!Password2024!",
        "Welcome2024!Welcome2024!",
        "mypasswordis12345",
        "my password is secret",
        "iloveyouforever1",
        "letmeinletmeinletmein",
        "correcthorsebatterystaple",
        "Summer2024Winter2025",
        "adminadminadmin123",
        "123456789012345",
        "1234567890123456",
        "012345678987654321",
        "qwertyuiopasdfgh",
        "qwertyuiop123456",
        "1qaz2wsx3edc4rfv",
        "qazwsxedcrfvtgb",
        "1q2w3e4r5t6y7u8i",
        "abcdefghijklmnop",
        "zyxwvutsrqponmlk",
        "aaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaaaaaaaaaab",
        "               ",
        " - - _ . - _ - - ",
        "000000000000000",
        "abababababababab",
        "x1y2x1y2x1y2x1y2",
        "x7Kq!x7Kq!x7Kq!x7",
        "!@#$%^&*()!@#$%^",
        "aaaaabbbbbccccc",
        "\N{FULLWIDTH LATIN SMALL LETTER A}" * 15,
        "🦊" * 15,
    ],
)
def test_passwords_that_guessing_lists_hold_are_refused(password: str) -> None:
    assert codes(password) == ["password_common"]


@pytest.mark.parametrize(
    "password",
    [
        "jane.doe@example.org",
        "JANE.DOE@EXAMPLE.ORG!!",
        "jane.doe quiet otters",
        "quiet j4n3d03 otters",
        "sunny hill radio 7 otters",
        "SunnyHillRadio-otters",
        "sunny_hill_radio_otters",
        "crm-api quiet otters",
        "otters on the CRMAPI",
    ],
)
def test_names_of_the_person_the_organization_or_the_product_are_refused(password: str) -> None:
    assert codes(password, *ABOUT) == ["password_personal"]


def test_single_words_of_a_name_are_cheap_but_not_forbidden() -> None:
    assert codes("Hill Radio Sunny Hill", *ABOUT) == ["password_common"]
    assert codes("otters on a sunny morning", *ABOUT) == []


def test_short_names_do_not_forbid_every_word_that_holds_them() -> None:
    assert codes("savannah zebras gallop", "anna@example.org", "Ann") == []


def test_length_is_counted_in_characters_as_they_are_stored() -> None:
    fourteen, fifteen = "é7kqx!zb2wmé9v", "é7kqx!zb2wmé9vp"
    assert codes(unicodedata.normalize("NFD", fourteen)) == ["password_too_short"]
    assert codes(unicodedata.normalize("NFD", fifteen)) == []
    assert codes("") == ["password_too_short"]


def test_the_least_length_can_be_set_for_second_factors_and_not_lower() -> None:
    assert PasswordPolicy(8).faults("zj4kq9wm") == ()
    assert [fault.code for fault in PasswordPolicy(8).faults("zj4kq9w")] == ["password_too_short"]
    for length in (7, 0, -1, 65):
        with pytest.raises(ValueError, match="8 to 64"):
            PasswordPolicy(length)


@pytest.mark.parametrize(
    "password", ["zj4kq9wm" * 129, "é" * 513, "x" * 10_000_000, "e\u0301" * 5000, "\ud800" * 20]
)
def test_what_is_no_text_of_a_kibibyte_is_refused(password: str) -> None:
    assert codes(password) == ["password_too_long"]


def test_a_fault_never_quotes_the_password() -> None:
    for password in ("passwordpassword", "zq9x", "jane.doe@example.org", "x" * 2000):
        (fault,) = POLICY.faults(password, about=ABOUT, pointer="/new_password")
        assert fault.pointer == "/new_password"
        assert password not in str(fault.as_json())


def test_the_longest_password_is_judged_in_milliseconds() -> None:
    worst = ["a" * 1024, "ab" * 512, "passwor" * 146, "qwertyuio" * 113, "iloveyouso" * 102]
    started = time.process_time()
    for password in worst:
        POLICY.faults(password, about=ABOUT)
    assert time.process_time() - started < 0.25


# --------------------------------------------------------------------------- hashing


async def test_a_password_verifies_and_every_other_does_not(hasher: PasswordHasher) -> None:
    stored = await hasher.hash(GOOD)
    assert await hasher.verify(stored, GOOD)
    for other in ("", GOOD[:-1], GOOD + " ", GOOD.upper(), GOOD + "\x00", "\ud800", "x" * 10**6):
        assert not await hasher.verify(stored, other)


async def test_two_hashes_of_one_password_differ(hasher: PasswordHasher) -> None:
    assert await hasher.hash(GOOD) != await hasher.hash(GOOD)


@pytest.mark.parametrize("length", [72, 73, 500, 1024])
async def test_the_last_byte_of_a_long_password_counts(hasher: PasswordHasher, length: int) -> None:
    stored = await hasher.hash("a" * (length - 1) + "b")
    assert await hasher.verify(stored, "a" * (length - 1) + "b")
    assert not await hasher.verify(stored, "a" * (length - 1) + "c")


async def test_a_nul_does_not_end_a_password(hasher: PasswordHasher) -> None:
    stored = await hasher.hash("before\x00after and more")
    assert await hasher.verify(stored, "before\x00after and more")
    assert not await hasher.verify(stored, "before\x00")
    assert not await hasher.verify(stored, "before")


async def test_an_accent_may_be_typed_in_either_form(hasher: PasswordHasher) -> None:
    stored = await hasher.hash(unicodedata.normalize("NFD", "mañana será otro día"))
    assert await hasher.verify(stored, unicodedata.normalize("NFC", "mañana será otro día"))


@pytest.mark.parametrize("password", ["x" * 1025, "\ud800", "é" * 513])
async def test_what_cannot_be_a_password_is_not_hashed(
    hasher: PasswordHasher, password: str
) -> None:
    with pytest.raises(Refusal) as caught:
        await hasher.hash(password)
    assert caught.value.status == 422


UNREADABLE = [
    "",
    "x",
    "$",
    "$argon2id$",
    "$argon2id$v=19$m=8,t=1,p=1$$",
    "$argon2id$v=19$m=1,t=1,p=1$aaaa$bbbb",
    "$argon2id$v=19$m=99999999999999999999,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
    "$argon2xx$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA",
    "$2b$12$C6UzMDM.H6dfI/f/IKcEeO5Ci7FJ6WEe0b3uCq2u1W1m8bVlVd6eK",
    "plain text password",
    "$argon2id$\ud800",
    "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$\x00",
]


@pytest.mark.parametrize("stored", UNREADABLE)
async def test_a_hash_that_cannot_be_read_is_a_wrong_password_and_a_warning(
    hasher: PasswordHasher, stored: str
) -> None:
    with structlog.testing.capture_logs() as logs:
        assert not await hasher.verify(stored, GOOD)
        assert hasher.needs_rehash(stored)
    assert logs
    assert {line["event"] for line in logs} == {"password_hash_unreadable"}
    assert "plain text" not in str(logs)
    assert "argon2id$" not in str(logs)


async def test_nobody_has_a_password(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    with structlog.testing.capture_logs() as logs:
        for password in ("", GOOD, "\x00" * 32):
            assert not await hasher.verify(None, password)
    assert logs == []
    monkeypatch.setattr(hasher, "_holds", lambda _stored, _secret: True)
    assert not await hasher.verify(None, GOOD)


@pytest.mark.parametrize("older", ["$argon2i$v=19$", "$argon2d$v=19$", "$argon2id$v=16$"])
async def test_a_hash_of_an_older_kind_asks_for_a_new_one(
    hasher: PasswordHasher, older: str
) -> None:
    stored = await hasher.hash(GOOD)
    assert hasher.needs_rehash(stored.replace("$argon2id$v=19$", older))


async def test_a_hash_of_another_cost_works_and_asks_for_a_new_one() -> None:
    with (
        PasswordHasher(memory_kib=8, passes=1) as old,
        PasswordHasher(memory_kib=16, passes=1) as more_memory,
        PasswordHasher(memory_kib=8, passes=2) as more_passes,
        PasswordHasher(memory_kib=16, passes=1, lanes=2) as more_lanes,
    ):
        stored = await old.hash(GOOD)
        assert not old.needs_rehash(stored)
        for newer in (more_memory, more_passes, more_lanes):
            assert await newer.verify(stored, GOOD)
            assert newer.needs_rehash(stored)
        assert more_memory.needs_rehash(await more_lanes.hash(GOOD))


async def test_the_default_cost_is_the_one_that_was_decided() -> None:
    with PasswordHasher() as real:
        stored = await real.hash(GOOD)
        assert stored.startswith("$argon2id$v=19$m=65536,t=2,p=1$")
        assert await real.verify(stored, GOOD)


async def test_an_unknown_person_and_a_broken_hash_cost_the_time_of_a_wrong_password() -> None:
    with PasswordHasher(memory_kib=8192, passes=2) as costly:
        stored = await costly.hash(GOOD)
        taken: dict[str | None, list[float]] = {stored: [], None: [], "$argon2id$broken": []}
        for _ in range(15):
            for candidate, times in taken.items():
                # The time on the processor, of all threads: neighbours do not count.
                started = time.process_time()
                assert not await costly.verify(candidate, "the wrong password")
                times.append(time.process_time() - started)
    known, *others = (statistics.median(times) for times in taken.values())
    for other in others:
        assert 0.75 < other / known < 1.33


# --------------------------------------------------------------------------- start-up


def test_the_self_test_passes_and_tells_the_cost(hasher: PasswordHasher) -> None:
    assert 0 < hasher.self_test() < 1


@pytest.mark.parametrize("answer", [True, False, None])
def test_the_self_test_stops_the_start_when_the_library_lies(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch, answer: bool | None
) -> None:
    monkeypatch.setattr(hasher, "_holds", lambda _stored, _secret: answer)
    with pytest.raises(RuntimeError, match="does not work"):
        hasher.self_test()


def test_the_self_test_notices_a_cost_that_is_not_applied(
    hasher: PasswordHasher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hasher, "_format", "$argon2id$v=19$m=65536,t=2,p=1$")
    with pytest.raises(RuntimeError, match="cost"):
        hasher.self_test()


@pytest.mark.parametrize(("running", "waiting"), [(0, 1), (1, -1)])
def test_a_queue_that_cannot_work_stops_the_start(running: int, waiting: int) -> None:
    with pytest.raises(ValueError, match="queue"):
        PasswordHasher(memory_kib=8, passes=1, running=running, waiting=waiting)


# --------------------------------------------------------------------------- the queue


@pytest.fixture
def held() -> Iterator[tuple[PasswordHasher, threading.Event]]:
    """One thread, which is busy until the event is set, and room for two."""
    free = threading.Event()
    with PasswordHasher(memory_kib=8, passes=1, running=1, waiting=1) as narrow:
        narrow._threads.submit(free.wait, 10)
        yield narrow, free
        free.set()


async def test_past_the_queue_the_answer_is_503_at_once_and_then_it_works_again(
    held: tuple[PasswordHasher, threading.Event],
) -> None:
    narrow, free = held
    waiting = [asyncio.create_task(narrow.verify(None, GOOD)) for _ in range(2)]
    await asyncio.sleep(0)
    for _ in range(20):
        with pytest.raises(Refusal) as caught:
            await narrow.verify(None, GOOD)
        assert caught.value.status == 503
        assert caught.value.headers == {"Retry-After": "2"}
    with pytest.raises(Refusal):
        await narrow.hash(GOOD)
    free.set()
    assert await asyncio.gather(*waiting) == [False, False]
    assert await narrow.verify(await narrow.hash(GOOD), GOOD)


async def test_callers_that_hang_up_give_their_place_back(
    held: tuple[PasswordHasher, threading.Event],
) -> None:
    narrow, free = held
    for _ in range(10):
        waiting = [asyncio.create_task(narrow.verify(None, GOOD)) for _ in range(2)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        ends = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(end) for end in ends] == [asyncio.CancelledError] * 2
    free.set()
    assert not await narrow.verify(None, GOOD)


async def test_a_hash_that_runs_keeps_its_place_when_the_caller_hangs_up() -> None:
    started, free = threading.Event(), threading.Event()
    with PasswordHasher(memory_kib=8, passes=1, running=1, waiting=0) as narrow:

        def slow() -> bool:
            started.set()
            return free.wait(10)

        task = asyncio.create_task(narrow._in_thread(slow))
        await asyncio.to_thread(started.wait, 10)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with pytest.raises(Refusal):
            await narrow.verify(None, GOOD)
        free.set()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            try:
                assert not await narrow.verify(None, GOOD)
                break
            except Refusal:
                await asyncio.sleep(0.005)
        else:
            pytest.fail("the place never came back")


async def test_no_more_hashes_run_at_once_than_allowed() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1

    with PasswordHasher(memory_kib=8, passes=1, running=2, waiting=20) as hasher:
        await asyncio.gather(*(hasher._in_thread(work) for _ in range(10)))
    assert most == 2


async def test_other_requests_go_on_while_a_password_is_hashed() -> None:
    with PasswordHasher(memory_kib=32_768, passes=3) as costly:
        task = asyncio.create_task(costly.hash(GOOD))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
    assert turns >= 5


async def test_after_closing_the_answer_is_503(hasher: PasswordHasher) -> None:
    hasher.close()
    with pytest.raises(Refusal) as caught:
        await hasher.verify(None, GOOD)
    assert caught.value.status == 503


async def test_the_error_of_the_work_reaches_the_caller_and_frees_the_place() -> None:
    with PasswordHasher(memory_kib=8, passes=1, running=1, waiting=0) as narrow:

        def broken() -> None:
            raise MemoryError

        for _ in range(3):
            with pytest.raises(MemoryError):
                await narrow._in_thread(broken)


def test_every_common_word_is_reachable_by_the_search() -> None:
    for word in passwords._COMMON.split():
        repeated = (word + " ") * 8
        assert codes(repeated), word
