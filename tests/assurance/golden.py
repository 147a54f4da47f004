"""Reads `tests/golden/matrix.txt`, where all expectations of the matrix come from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROLES: tuple[str, ...] = ("admin", "manager", "front_desk", "presenter")
MATRIX = Path(__file__).resolve().parents[1] / "golden" / "matrix.txt"
RESOURCES = (
    "clients",
    "contacts",
    "relationships",
    "communications",
    "tasks",
    "follow_ups",
    "calendar_feeds",
    "notes",
    "files",
    "segments",
    "lists",
    "list_members",
    "client_lists",
    "users",
    "roles",
    "api_keys",
    "organization",
    "catalogues",
    "exports",
    "operations",
    "imports",
)
GUARDED_BY: Mapping[str, str] = {
    "relationships": "clients",
    "notes": "clients",
    "files": "clients",
    "segments": "lists",
    "list_members": "lists",
    "client_lists": "lists",
}
"""Resources whose groups are those of another."""


@dataclass(frozen=True, slots=True)
class Row:
    """One field, or one filter that is no field (`=` in the rights: they are its group's)."""

    resource: str
    name: str
    group: str
    rights: Mapping[str, str]
    filters: bool
    sorts: bool
    is_field: bool

    def may(self, role: str, action: str) -> bool:
        """Whether a role may `read`, `create` or `update` the field."""
        return action[0] in self.rights[role]

    def owns(self, role: str) -> bool:
        """Whether a role reads the field in the rows that it made, and in no others."""
        return self.rights[role] == "own"

    def reads(self, role: str) -> bool:
        """Whether a role reads the field at all: of every row, or of its own ones."""
        return self.may(role, "read") or self.owns(role)

    def ever(self, action: str) -> bool:
        """Whether any role may: what nobody may write is read-only."""
        return any(self.may(role, action) for role in ROLES)


def _lines() -> Iterator[tuple[str, list[str]]]:
    section = ""
    for line in MATRIX.read_text(encoding="utf-8").splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        if words[0].startswith("["):
            section = words[0].strip("[]")
        else:
            yield section, words


@cache
def fields(resource: str) -> Mapping[str, Row]:
    """Name → row, in the order of the file, filters that are no fields included."""
    found: dict[str, Row] = {}
    read: dict[str, dict[str, str]] = {}
    for section, words in _lines():
        if section != resource:
            continue
        name, group, *cells, offered = words
        assert len(cells) == len(ROLES), f"{resource}.{name}: a cell for each role"
        assert name not in found, f"{resource}.{name} stands twice"
        is_field = "=" not in cells
        rights = dict(zip(ROLES, cells, strict=True)) if is_field else read[group]
        read.setdefault(group, {role: "r" if "r" in c else "-" for role, c in rights.items()})
        found[name] = Row(resource, name, group, rights, "f" in offered, "s" in offered, is_field)
    assert found, f"no rows of {resource}"
    return found


def real_fields(resource: str) -> dict[str, Row]:
    return {name: row for name, row in fields(resource).items() if row.is_field}


@cache
def table(section: str) -> Mapping[str, Mapping[str, str]]:
    """A section whose rows are a name and one cell for each role, group columns left out."""
    found = {
        words[0]: dict(zip(ROLES, words[-len(ROLES) :], strict=True))
        for name, words in _lines()
        if name == section
    }
    assert found, f"no section {section}"
    return found


@cache
def public() -> frozenset[str]:
    """The operations that need no credential."""
    return frozenset(words[0] for section, words in _lines() if section == "public")


def allowed(operation: str, role: str) -> bool:
    return table("routes")[operation][role] == "+"


def refused_with(operation: str, role: str) -> int:
    """The status that a role gets where it is not allowed."""
    return {"-": 403, ".": 404}[table("routes")[operation][role]]


def denial(operation: str, role: str) -> tuple[int, str]:
    """Status and code of the refusal that a role gets where it is not allowed."""
    status = refused_with(operation, role)
    return status, {403: "forbidden", 404: "not_found"}[status]


def owns_alone(resource: str, role: str) -> bool:
    """Whether for this role nothing exists but what it made."""
    return any(row.owns(role) for row in real_fields(resource).values())


def groups(resource: str) -> list[str]:
    return list(dict.fromkeys(row.group for row in fields(resource).values()))
