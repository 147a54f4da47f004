"""The processes of a run: started in one place, watched, and stopped whatever happens."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Any

from benchmarks.stand import HOME, ROOT

START_SECONDS = 30


class Server:
    """One server process with one worker."""

    def __init__(
        self, stack: ExitStack, kind: str, extra: Sequence[str], environment: dict[str, str]
    ) -> None:
        self.kind = kind
        self.port = _free_port()
        self.log = HOME / f"{kind}.log"
        output = stack.enter_context(self.log.open("wb"))
        command = ["benchmarks.serve", kind, str(self.port), *extra]
        self._process = _start(stack, command, environment, stdout=output)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"The server `{self.kind}` does not start:\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")[-2000:]

    def cpu_seconds(self) -> float | None:
        """What the process has computed so far; None where the system does not say."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        user, system = fields.rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    def resident_megabytes(self) -> float | None:
        try:
            status = Path(f"/proc/{self._process.pid}/status").read_text(encoding="ascii")
        except FileNotFoundError:
            return None
        line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


class Generator:
    """The load generator, kept running between the measurements."""

    def __init__(self, stack: ExitStack) -> None:
        self._process = _start(
            stack, ["benchmarks.load"], {}, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("The load generator has ended; see its words above.")
        found: dict[str, Any] = json.loads(line)
        return found


def _start(
    stack: ExitStack,
    command: Sequence[str],
    environment: dict[str, str],
    *,
    stdout: IO[bytes] | int,
    stdin: int = subprocess.DEVNULL,
) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=os.environ | environment,
        stdin=stdin,
        stdout=stdout,
        stderr=None if stdout == subprocess.PIPE else subprocess.STDOUT,
    )
    stack.callback(_stop, process)
    return process


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.stdin is not None:
        process.stdin.close()
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
