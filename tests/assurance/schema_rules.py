"""The rules that keep the schema of one organization apart and distributable, over the metadata."""

from collections.abc import Iterator

from sqlalchemy import ForeignKeyConstraint, MetaData, Table, UniqueConstraint
from sqlalchemy.dialects.postgresql import ExcludeConstraint

ORGANIZATION = "organization_id"
GLOBAL = {
    "organizations": "the tenants themselves",
    "users": "people, whose e-mail is unique everywhere",
    "memberships_index": "what sign-in must know before an organization is set",
    "sign_in_throttles": "failures are counted before anybody is known",
}
"""Tables that belong to no organization, and why. Each becomes a reference table."""

MAX_NAME = 50
"""A shard's suffix must fit into the 63 characters of a name."""

ALLOWED_ACTIONS = (None, "NO ACTION", "CASCADE")


def faults_of(metadata: MetaData) -> list[str]:
    """Every breach of the rules, with its table."""
    found = []
    for table in metadata.sorted_tables:
        rules = _global_faults if table.name in GLOBAL else _tenant_faults
        found += [f"{table.name}: {fault}" for fault in (*rules(table), *_name_faults(table))]
    return found


def _tenant_faults(table: Table) -> Iterator[str]:
    if ORGANIZATION not in table.columns:
        yield f"no {ORGANIZATION}, and not listed as global"
        return
    if table.columns[ORGANIZATION].nullable:
        yield f"{ORGANIZATION} may be null"
    if _first(table.primary_key.columns.keys()) != ORGANIZATION:
        yield "the primary key does not begin with the organization"
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint | ExcludeConstraint):
            columns = list(constraint.columns.keys())
            if _first(columns) != ORGANIZATION:
                yield f"{constraint.name} does not begin with the organization"
        if isinstance(constraint, ForeignKeyConstraint):
            yield from _key_faults(constraint)
    for index in table.indexes:
        if index.unique and _first(index.columns.keys()) != ORGANIZATION:
            yield f"the unique index {index.name} does not begin with the organization"
    for column in table.columns:
        if column.unique:
            yield f"{column.name} is unique across organizations"


def _key_faults(key: ForeignKeyConstraint) -> Iterator[str]:
    target = key.elements[0].column.table.name
    if target not in GLOBAL:
        pairs = [(element.parent.name, element.column.name) for element in key.elements]
        if pairs[0] != (ORGANIZATION, ORGANIZATION):
            yield f"{key.name} does not begin with the organization on both sides"
    if key.ondelete not in ALLOWED_ACTIONS:
        yield f"{key.name}: ON DELETE {key.ondelete}"
    if key.onupdate not in (None, "NO ACTION"):
        yield f"{key.name}: ON UPDATE {key.onupdate}"
    if key.deferrable or key.initially:
        yield f"{key.name} is deferrable"


def _global_faults(table: Table) -> Iterator[str]:
    for key in table.foreign_key_constraints:
        target = key.elements[0].column.table.name
        if target not in GLOBAL:
            yield f"{key.name} refers from a global table to {target}, a tenant's"


def _name_faults(table: Table) -> Iterator[str]:
    names = [table.name, *(c.name for c in table.constraints), *(i.name for i in table.indexes)]
    for name in names:
        if name is None:
            yield "a constraint without a name"
        elif len(str(name)) > MAX_NAME:
            yield f"{name} is longer than {MAX_NAME} characters"


def _first(names: list[str]) -> str | None:
    return names[0] if names else None
