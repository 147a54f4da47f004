"""The README's tour as a program: its commands, their answers, and a shell to run it in."""

import re
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

TITLE = re.compile(r"^## A five-minute tour\n(.*?)^## ", re.DOTALL | re.MULTILINE)
PART = re.compile(r"\*\*(?P<title>[^*]+)\*\*(?:(?!\*\*|```).)*```sh\n(?P<code>.*?)```", re.DOTALL)
END = "<end of command>"


@dataclass(slots=True)
class Command:
    """One line that a reader pastes, and the lines that stand below it as its answer."""

    line: str
    answer: list[str] = field(default_factory=list)


def parts_of(page: Path) -> dict[str, list[Command]]:
    """The tour's parts by their titles, in order."""
    tour = TITLE.search(page.read_text("utf-8"))
    if tour is None:
        raise ValueError("the README has no tour")
    return {m["title"].rstrip("."): list(_commands(m["code"])) for m in PART.finditer(tour[1])}


def _commands(code: str) -> Iterator[Command]:
    found: list[Command] = []
    for line in code.splitlines():
        if line.startswith("# "):
            found[-1].answer.append(line.removeprefix("# "))
        else:
            found.append(Command(line))
    return iter(found)


def matches(said: str, line: str) -> bool:
    """Whether a line of output is what the README says; `…` is anything, spaces in JSON nothing."""
    pattern = ".*".join(re.escape(piece) for piece in _tight(said).split("…"))
    return re.fullmatch(pattern, _tight(line)) is not None


def _tight(line: str) -> str:
    return re.sub(r" *([:,{}\[\]]) *", r"\1", line)


class Shell:
    """One bash for the whole tour: what one line sets, the next ones use."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],  # noqa: S607  # the reader's own bash
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )

    def run(self, line: str) -> list[str]:
        """The lines that the command prints, on either stream."""
        self._input.write(f"{line}\nprintf '\\n%s\\n' '{END}'\n")
        self._input.flush()
        printed: list[str] = []
        for text in self._output:
            if text.rstrip("\n") == END:
                return [line for line in printed if line]
            printed.append(text.rstrip("\r\n"))
        raise EOFError(f"bash ended at: {line}")

    def close(self) -> None:
        self._input.close()
        self._process.wait(timeout=10)
        self._output.close()

    @property
    def _input(self) -> IO[str]:
        if self._process.stdin is None:
            raise RuntimeError("bash was started without its input")
        return self._process.stdin

    @property
    def _output(self) -> IO[str]:
        if self._process.stdout is None:
            raise RuntimeError("bash was started without its output")
        return self._process.stdout
