"""What every file of the repository keeps to, whatever it is about."""

import ast
import io
import re
import tokenize
from pathlib import Path

import pytest

from tests.architecture.sources import ROOT, all_code, files, parse, short

MAX_LINES = 450
"""The habit is 400; from here on two ideas live in one room."""

REGISTRY_HOSTS = tuple(
    "".join(halves)  # in halves: this file is read as well
    for halves in (
        ("pypi", ".org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("yarn", "pkg.com"),
        ("deb.", "debian.org"),
        ("archive.", "ubuntu.com"),
        ("proxy.", "golang.org"),
        ("static.", "crates.io"),
    )
)
"""Where packages come from is a matter of the machine, never of the repository."""

KIND = r"(?:type:\s*ignore|pyright:\s*ignore|noqa|nosec)"
CODES = r"(?:\[[\w, -]+\]|:?\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*)"
SILENCER = re.compile(rf"#\s*{KIND}")
EXPLAINED = re.compile(rf"#\s*{KIND}{CODES}\s+(?:[#-]\s*)?(?!{KIND})\w+")


@pytest.mark.parametrize("path", all_code(), ids=short)
def test_module_says_what_lives_in_it(path: Path) -> None:
    assert ast.get_docstring(parse(path)), "the first line says what lives here, what must not"


@pytest.mark.parametrize("path", all_code(), ids=short)
def test_file_is_short_enough_to_be_read(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= MAX_LINES, "two ideas live in one room: give one its own"


@pytest.mark.parametrize("path", all_code(), ids=short)
def test_every_silenced_check_is_explained_on_its_line(path: Path) -> None:
    unexplained = []
    for token in tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline):
        if token.type != tokenize.COMMENT or not SILENCER.search(token.string):
            continue
        # Of two silencers on one line the last gives the reason of both.
        if not EXPLAINED.search(token.string):
            unexplained.append(f"{path}:{token.start[0]}: {token.string}")
    assert not unexplained, "\n".join(unexplained)


def test_no_file_names_the_host_of_a_registry() -> None:
    found = []
    for path in files(ROOT):
        content = path.read_bytes()
        found += [f"{short(path)}: {host}" for host in REGISTRY_HOSTS if host.encode() in content]
    assert not found, "\n".join(found)
