"""Runs the assurance and prints what it did, as one table; any deviation is an exit code of 1.

`make assurance` takes minutes; `make assurance PROFILE=long` hours. Every figure is counted by the
tests themselves (`tests/figures.py`) and read from the report of their run; none is typed here.
"""

import os
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ADDED, HIGHEST = "figure added: ", "figure highest: "
BESIDE_EACH_OTHER = ("tests/assurance", "--ignore=tests/assurance/faults", "-n", "auto")
ALONE = ("tests/assurance/faults", "tests/cli/test_backup.py")
"""They stop the clock until all is healthy again: nothing else may take the machine meanwhile."""

NONE_AT_ALL = (
    "canaries seen",
    "5xx without an injected fault",
    "4xx that changed the database",
    "failures of schemathesis",
    "writes lost, doubled or half done",
)
"""Figures that must be zero. They are printed even where nobody counted."""

SOME = (
    "cells of the matrix",
    "operations x ids x callers",
    "hostile strings x places",
    "hostile bodies, numbers, paths, headers and tokens",
    "requests watched",
    "4xx compared with the database",
    "volleys at two processes",
    "cases of schemathesis",
    "faults injected",
    "writes acknowledged under faults",
)
"""Figures without which a part was not run."""


def main() -> None:
    profile = sys.argv[1] if sys.argv[1:] else "short"
    if profile not in ("short", "long"):
        sys.exit("PROFILE is short or long.")
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        reports = [Path(folder) / name for name in ("beside.xml", "alone.xml")]
        codes = [
            run_tests(profile, report, options)
            for report, options in zip(reports, (BESIDE_EACH_OTHER, ALONE), strict=True)
        ]
        figures, tests = read_figures(reports)
    if profile == "long":
        codes.append(subprocess.run([sys.executable, "tools/mutants.py"], check=False).returncode)
    print_table(figures, tests, time.monotonic() - began)
    missing = [name for name in SOME if not figures.get(name)]
    wrong = [name for name in NONE_AT_ALL if figures.get(name)]
    if missing or wrong or any(codes):
        told = [*(f"not run: {name}" for name in missing), *(f"not zero: {name}" for name in wrong)]
        sys.exit("\n".join(["The assurance does not hold.", *told]))


def run_tests(profile: str, report: Path, options: Iterable[str]) -> int:
    # The older form of the report is the one that has properties for each test.
    command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *options]
    environment = os.environ | {"CRM_ASSURANCE": profile}
    done = subprocess.run(
        [*command, "-o", "junit_family=xunit1"], cwd=ROOT, env=environment, check=False
    )
    return done.returncode


def read_figures(reports: Iterable[Path]) -> tuple[Mapping[str, float], Counter[str]]:
    """Figure → its sum or top over all tests; and how many tests ended how."""
    figures: dict[str, float] = {}
    tests: Counter[str] = Counter()
    for report in reports:
        for case in ET.parse(report).iter("testcase"):  # noqa: S314 our own file of a minute ago
            ends = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
            tests[ends[0] if ends else "passed"] += 1
            for given in case.iter("property"):
                name, value = given.get("name", ""), float(given.get("value", "0"))
                if name.startswith(ADDED):
                    name = name.removeprefix(ADDED)
                    figures[name] = figures.get(name, 0) + value
                elif name.startswith(HIGHEST):
                    name = name.removeprefix(HIGHEST)
                    figures[name] = max(value, figures.get(name, value))
    return figures, tests


def print_table(figures: Mapping[str, float], tests: Counter[str], seconds: float) -> None:
    told = dict.fromkeys((*SOME, *NONE_AT_ALL), 0.0) | dict(figures)
    rows = [
        (name, f"{value:,.1f}" if value % 1 else f"{value:,.0f}") for name, value in told.items()
    ]
    rows += [(f"tests {end}", f"{count:,}") for end, count in sorted(tests.items())]
    rows.append(("seconds", f"{seconds:,.0f}"))
    width = max(len(name) for name, _ in rows)
    print("\n".join(f"{name:<{width}}  {value:>10}" for name, value in rows))


if __name__ == "__main__":
    main()
