"""Cells of the matrix are looked at one by one, and all that deviate are told together."""

from collections.abc import Iterator
from contextlib import contextmanager

from tests.figures import DONE

MOST = 20


class Deviations:
    def __init__(self) -> None:
        self.cells = 0
        self._found: list[str] = []

    @contextmanager
    def cell(self, name: str) -> Iterator[None]:
        self.cells += 1
        DONE["cells"] += 1
        try:
            yield
        except (AssertionError, KeyError, IndexError) as error:
            self._found.append(f"{name}: {type(error).__name__}: {str(error)[:600]}")

    def none(self) -> None:
        shown = "\n".join(self._found[:MOST])
        assert not self._found, f"{len(self._found)} of {self.cells} cells deviate:\n{shown}"
        assert self.cells, "no cell was looked at"
