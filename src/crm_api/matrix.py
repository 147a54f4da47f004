"""The field matrix as people review it: role by resource by field, from the declarations."""

from collections.abc import Iterator, Sequence

from crm_api.core.access import ROLES
from crm_api.kit.fields import RESOURCES, Resource, Write, cells_of, granted_actions

_LETTERS = {"read": "r", "create": "c", "update": "u", "read_own": "o"}
HEADER = """\
The field matrix: who reads (r), sets on create (c), changes later (u) which field; o: own rows.
Generated from the declarations by `crm-api matrix`. A change here is a change of rights: review it.
"""


def render() -> str:
    """The whole matrix, resources by name, fields in their declared order."""
    sections = [_section(RESOURCES[name]) for name in sorted(RESOURCES)]
    return HEADER + "\n" + "\n".join(sections)


def _section(cls: type[Resource]) -> str:
    of = "" if cls.guarded_by == cls.resource else f" (groups of {cls.guarded_by})"
    lines = [f"[{cls.resource}]{of}", _row("field", "group", ROLES)]
    lines += [_row(name, group, cells) for name, group, cells in _fields(cls)]
    held = [(g, row.split()) for g, row in cls.grants.items() if not _has_fields(cls, g)]
    lines += [
        _row("(no field yet)", group, [_cell(c, Write.ALWAYS) for c in cells])
        for group, cells in held
    ]
    for verb, initials in sorted(cls.verbs.items()):
        cells = ["x" if role[0].upper() in initials else "-" for role in ROLES]
        lines.append(_row(f"verb {verb}", "", cells))
    return "\n".join(lines) + "\n"


def _fields(cls: type[Resource]) -> Iterator[tuple[str, str, list[str]]]:
    for field in cls.fields.values():
        cells = cells_of(cls, field.rule.group)
        yield field.name, field.rule.group, [_cell(cell, field.rule.write) for cell in cells]
    if cls.row_groups is not None:
        for value, group in cls.row_groups.groups.items():
            cells = [_cell(cell, Write.ALWAYS) for cell in cells_of(cls, group)]
            yield f"{cls.row_groups.field} {value}", group, cells


def _cell(cell: str, write: Write) -> str:
    """What is left of a group's grant for a field that cannot be written at all times."""
    letters = [_LETTERS[action] for action in granted_actions(cell)]
    if not write & Write.ON_CREATE:
        letters = [letter for letter in letters if letter != "c"]
    if not write & Write.LATER:
        letters = [letter for letter in letters if letter != "u"]
    return "".join(letters) or "-"


def _has_fields(cls: type[Resource], group: str) -> bool:
    return group in {shown for _, shown, _ in _fields(cls)}


def _row(name: str, group: str, cells: Sequence[str]) -> str:
    columns = "".join(f"{cell:<12}" for cell in cells)
    return f"{name:<30}{group:<16}{columns}".rstrip()
