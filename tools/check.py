"""Runs every static check side by side: silent on what passes, the tool's own words on what fails.

`python tools/check.py [NAME …]` runs those checks alone whose names begin with one of the words.
"""

import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
SPEC = "openapi/openapi.json"
NODE_FLOOR = 20
CLIENTS = ROOT / "build" / "clients"
GENERATOR = ROOT / ".venv-generator"


NODE_LOCK = threading.Lock()


@dataclass(frozen=True, slots=True)
class Check:
    name: str
    run: Callable[[], str]
    """Returns what is wrong, empty when nothing is."""
    needs_node: bool = False


def main() -> None:
    words = tuple(sys.argv[1:])
    chosen = [check for check in CHECKS if not words or check.name.startswith(words)]
    if not chosen:
        sys.exit(f"No check of this name; there are: {', '.join(c.name for c in CHECKS)}.")
    started = time.monotonic()
    # Before the pool: two of the checks would fetch it at once.
    no_node = node_itself() if any(check.needs_node for check in chosen) else ""
    with concurrent.futures.ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found = pool.map(lambda check: outcome(check, no_node), chosen)
        findings = dict(zip(chosen, found, strict=True))
    failed = {check.name: text for check, text in findings.items() if text}
    for name, text in failed.items():
        print(f"\n── {name} ──\n{text}")
    seconds = time.monotonic() - started
    if failed:
        sys.exit(f"\n{len(failed)} of {len(chosen)} checks failed: {', '.join(failed)}.")
    print(f"{len(chosen)} checks passed in {seconds:.0f} s.")


def outcome(check: Check, no_node: str) -> str:
    return no_node if check.needs_node and no_node else check.run()


def environment() -> dict[str, str]:
    """The tools of the environment before those of the machine, and plain text from all."""
    path = f"{BIN}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    return os.environ | {"NO_COLOR": "1", "PATH": path, "DEBIAN_FRONTEND": "noninteractive"}


def command(*arguments: str) -> str:
    """What the command prints when it fails; empty when it succeeds."""
    try:
        done = subprocess.run(
            arguments,
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    except FileNotFoundError as error:
        return f"{error.filename} is not there; `make check` installs it."
    if done.returncode == 0:
        return ""
    return done.stdout.strip() or f"{' '.join(arguments)}: exit code {done.returncode}"


def tool(name: str, *arguments: str, needs_node: bool = False) -> Check:
    return Check(name, lambda: command(*arguments), needs_node)


def migrations() -> str:
    """The SQL of every migration, as an operator would run it, under squawk's rules."""
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "migrations.sql"
        with script.open("w", encoding="utf-8") as output:
            rendered = subprocess.run(
                [str(BIN / "alembic"), "upgrade", "head", "--sql"],
                cwd=ROOT,
                stdout=output,
                stderr=subprocess.PIPE,
                text=True,
                check=False,
            )
        if rendered.returncode:
            return rendered.stderr.strip() or "alembic upgrade head --sql failed."
        return command("squawk", "--reporter", "gcc", str(script))


def node_itself() -> str:
    """Node.js of the system when it is new enough, else the locked one of the environment."""
    if node_version() >= NODE_FLOOR:
        return ""
    lock = "requirements-node.lock"
    problem = command(
        *(sys.executable, "-m", "pip", "install", "-qq", "--require-hashes"),
        *("--only-binary=:all:", "--requirement", lock),
    )
    if problem:
        return f"needs Node.js {NODE_FLOOR} or newer with npm, and pip cannot fetch it:\n{problem}"
    return "" if node_version() >= NODE_FLOOR else f"{lock} brought no usable Node.js."


def node_version() -> int:
    """Its major version; 0 when it, or npm, is missing."""
    search = environment()["PATH"]
    node = shutil.which("node", path=search)
    if node is None or shutil.which("npx", path=search) is None:
        return 0
    asked = [node, "--print", "process.versions.node.split('.')[0]"]
    answer = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return int(answer) if answer.isdecimal() else 0


def openapi_linters() -> str:
    """Spectral and redocly after each other: both need the locked Node packages first."""
    problem = node_packages()
    if problem:
        return problem
    spectral = command("npx", "--no-install", "spectral", "lint", "--fail-severity=hint", SPEC)
    redocly = command("npx", "--no-install", "redocly", "lint", SPEC)
    return "\n\n".join(text for text in (spectral, redocly) if text)


def node_packages() -> str:
    """What is wrong with them; several checks may ask at once."""
    with NODE_LOCK:
        return _node_packages()


def _node_packages() -> str:
    try:
        lock = (ROOT / "package-lock.json").read_bytes()
    except FileNotFoundError:
        return "package-lock.json is missing: it locks the linters and generators."
    stamp = ROOT / "node_modules" / ".crm-api"
    digest = hashlib.sha256(lock).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return ""
    # No install scripts: nothing that a package brings along runs on this machine unasked.
    problem = command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
    if not problem:
        stamp.write_text(digest, encoding="utf-8")
    return problem


def typescript_clients() -> str:
    """Three generators, and for each a small program that must compile under `tsc --strict`."""
    if problem := node_packages():
        return problem
    shutil.rmtree(CLIENTS, ignore_errors=True)
    output = str(CLIENTS.relative_to(ROOT))
    runs = (
        ("openapi-typescript", SPEC, "--output", f"{output}/openapi-typescript/schema.d.ts"),
        ("openapi-ts", "--input", f"./{SPEC}", "--output", f"{output}/hey-api", "--no-log-file"),
        ("orval", "--input", SPEC, "--output", f"{output}/orval/client.ts", "--client", "fetch"),
        ("tsc", "--project", "tests/consumers"),
    )
    problems = (command("npx", "--no-install", *run) for run in runs)
    return next((problem for problem in problems if problem), "")


def python_client() -> str:
    """The generator in an environment of its own, and the test that calls what it makes."""
    lock = ROOT / "requirements-generator.lock"
    stamp = GENERATOR / "crm-api"
    digest = hashlib.sha256(lock.read_bytes()).hexdigest()
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != digest:
        problem = command(sys.executable, "-m", "venv", "--clear", str(GENERATOR)) or command(
            *(str(GENERATOR / "bin" / "python"), "-m", "pip", "install", "-qq"),
            *("--require-hashes", "--only-binary=:all:", "--requirement", str(lock)),
        )
        if problem:
            return problem
        stamp.write_text(digest, encoding="utf-8")
    return command("pytest", "-q", "--no-header", "tests/assurance/test_python_client.py")


def browser() -> str:
    """The pages and a foreign front end in Chromium. Without one nothing is proved, so CI fails."""
    if problem := node_packages():
        return problem
    if not chromium():
        missing = "Chromium is not there and cannot be installed: apt-get install chromium."
        if os.environ.get("CI") == "true":
            return missing
        print(f"── browser: NOT RUN ── {missing}")
        return ""
    return command("pytest", "-q", "--no-header", "tests/assurance/test_browser.py")


def chromium() -> bool:
    """Whether there is one, if need be after installing Debian's."""
    can_install = shutil.which("apt-get") is not None and os.geteuid() == 0
    if shutil.which("chromium") is None and can_install:
        for words in (("update",), ("install", "--yes", "--no-install-recommends", "chromium")):
            if problem := command("apt-get", "-qq", *words):
                print(f"── browser ── apt-get {words[0]}: {problem}")
    return shutil.which("chromium") is not None


# The long ones first: the short ones fill the gaps.
CHECKS = (
    Check("clients-typescript (openapi-typescript, hey-api, orval)", typescript_clients, True),
    Check("client-python (openapi-python-client)", python_client),
    Check("browser (chromium)", browser, needs_node=True),
    tool("mypy", "mypy"),
    tool("pyright", "pyright", needs_node=True),
    Check("openapi-lint (spectral, redocly)", openapi_linters, needs_node=True),
    tool("openapi-current", "crm-api", "openapi", "--check"),
    tool("matrix-current", "crm-api", "matrix", "--check"),
    Check("migrations (squawk)", migrations),
    tool("openapi-breaking", sys.executable, "tools/breaking.py"),
    tool("openapi-valid", "openapi-spec-validator", SPEC),
    tool("imports (import-linter)", "lint-imports", "--no-cache", "--no-logo"),
    tool("dependencies (deptry)", "deptry", "--no-ansi", "src"),
    tool("bandit", "bandit", "--quiet", "--configfile", "pyproject.toml", "-r", "src", "tools"),
    tool("format (ruff)", "ruff", "format", "--check", "--diff"),
    tool("lint (ruff)", "ruff", "check"),
    tool("hadolint", "hadolint", "Dockerfile"),
    tool("installed (pip check)", sys.executable, "-m", "pip", "check"),
)


if __name__ == "__main__":
    main()
