"""The schema keeps organizations apart and stays distributable; declarations and models agree."""

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlalchemy.schema import SchemaItem

from crm_api.calendars.repository import FEED_SHAPE
from crm_api.catalogues.repository import ENTRY_SHAPE
from crm_api.clients.repository import CLIENT_SHAPE
from crm_api.communications.repository import COMMUNICATION_SHAPE
from crm_api.contacts.repository import CONTACT_SHAPE
from crm_api.exports.repository import EXPORT_SHAPE
from crm_api.files.repository import FILE_SHAPE
from crm_api.identity.repository import KEY_SHAPE, ROLE_SHAPE, USER_SHAPE
from crm_api.imports.repository import IMPORT_SHAPE
from crm_api.installation import APPEND_ONLY
from crm_api.kit.fields import RESOURCES
from crm_api.kit.projection import Shape
from crm_api.lists.repository import (
    CLIENT_LIST_LISTING,
    LIST_SHAPE,
    MEMBER_SHAPE,
    SEGMENT_SHAPE,
)
from crm_api.models import metadata
from crm_api.notes.repository import NOTE_SHAPE
from crm_api.operations.repository import OPERATION_SHAPE
from crm_api.organizations.repository import ORGANIZATION_SHAPE
from crm_api.relationships.repository import RELATIONSHIP_SHAPE
from crm_api.tasks.repository import FOLLOW_UP_SHAPE, TASK_SHAPE
from tests.assurance.schema_rules import GLOBAL, ORGANIZATION, faults_of

SHAPES = (
    CLIENT_SHAPE,
    CONTACT_SHAPE,
    RELATIONSHIP_SHAPE,
    COMMUNICATION_SHAPE,
    TASK_SHAPE,
    FOLLOW_UP_SHAPE,
    FEED_SHAPE,
    NOTE_SHAPE,
    FILE_SHAPE,
    SEGMENT_SHAPE,
    LIST_SHAPE,
    MEMBER_SHAPE,
    CLIENT_LIST_LISTING.shape,
    USER_SHAPE,
    ROLE_SHAPE,
    KEY_SHAPE,
    ORGANIZATION_SHAPE,
    ENTRY_SHAPE,
    EXPORT_SHAPE,
    OPERATION_SHAPE,
    IMPORT_SHAPE,
)
TENANT_TABLES = sorted(t.name for t in metadata.sorted_tables if t.name not in GLOBAL)


def test_no_table_breaks_the_rules_of_tenancy() -> None:
    assert faults_of(metadata) == []


def test_every_global_table_is_one_that_is_listed() -> None:
    without = {t.name for t in metadata.sorted_tables if ORGANIZATION not in t.columns}
    assert without | {"memberships_index"} == set(GLOBAL)


def _parent(metadata: MetaData) -> None:
    Table(
        "parents",
        metadata,
        Column(ORGANIZATION, Uuid),
        Column("id", Uuid),
        PrimaryKeyConstraint(ORGANIZATION, "id", name="pk_parents"),
    )


def _child(metadata: MetaData, *more: SchemaItem, first: str = ORGANIZATION) -> None:
    _parent(metadata)
    names = (first, *(n for n in (ORGANIZATION, "id") if n != first))
    Table(
        "children",
        metadata,
        Column(ORGANIZATION, Uuid),
        Column("id", Uuid),
        Column("parent_id", Uuid),
        Column("word", Text),
        PrimaryKeyConstraint(*names, name="pk_children"),
        *more,
    )


def _to_parent(*columns: str, **options: Any) -> ForeignKeyConstraint:
    targets = [f"parents.{'id' if name == 'parent_id' else name}" for name in columns]
    return ForeignKeyConstraint(columns, targets, name="fk_children_parent", **options)


def _orphan(metadata: MetaData) -> None:
    Table("notes", metadata, Column("id", Uuid, primary_key=True))


def _global_reference(metadata: MetaData) -> None:
    _parent(metadata)
    key = ForeignKey("parents.id", name="fk_users_parent")
    Table("users", metadata, Column("id", Uuid, key, primary_key=True))


BREACHES: dict[str, Callable[[MetaData], None]] = {
    "primary key begins with another column": lambda m: _child(m, first="id"),
    "unique across organizations": lambda m: _child(m, UniqueConstraint("word", name="uq_word")),
    "organization is not first in the unique key": lambda m: _child(
        m, UniqueConstraint("word", ORGANIZATION, name="uq_word")
    ),
    "unique index across organizations": lambda m: _child(m, Index("uq_w", "word", unique=True)),
    "foreign key without the organization": lambda m: _child(
        m, ForeignKeyConstraint(["parent_id"], ["parents.id"], name="fk_children_parent")
    ),
    "foreign key with the organization last": lambda m: _child(
        m, _to_parent("parent_id", ORGANIZATION)
    ),
    "SET NULL": lambda m: _child(m, _to_parent(ORGANIZATION, "parent_id", ondelete="SET NULL")),
    "ON UPDATE CASCADE": lambda m: _child(
        m, _to_parent(ORGANIZATION, "parent_id", onupdate="CASCADE")
    ),
    "deferrable": lambda m: _child(m, _to_parent(ORGANIZATION, "parent_id", deferrable=True)),
    "a name too long for a shard": lambda m: _child(
        m, UniqueConstraint(ORGANIZATION, "word", name="uq_" + "x" * 50)
    ),
    "no organization at all": _orphan,
    "a global table that refers to a tenant's": _global_reference,
}


@pytest.mark.parametrize("breach", BREACHES)
def test_walk_finds_every_breach(breach: str) -> None:
    metadata = MetaData()
    BREACHES[breach](metadata)
    assert faults_of(metadata), breach


def test_walk_leaves_a_sound_table_alone() -> None:
    sound = MetaData(naming_convention={"pk": "pk_%(table_name)s"})
    unique = UniqueConstraint(ORGANIZATION, "word", name="uq_children_word")
    _child(sound, unique, _to_parent(ORGANIZATION, "parent_id", ondelete="CASCADE"))
    assert faults_of(sound) == []


# ------------------------------------------------------------------------- the database as it is


@pytest.mark.parametrize("table", TENANT_TABLES)
async def test_row_security_is_enabled_forced_and_by_the_setting(
    owner: "asyncpg.Connection[asyncpg.Record]", table: str
) -> None:
    switched = await owner.fetchrow(
        "SELECT relrowsecurity, relforcerowsecurity FROM pg_class WHERE oid = $1::text::regclass",
        table,
    )
    assert switched is not None
    assert switched["relrowsecurity"], "not enabled"
    assert switched["relforcerowsecurity"], "not forced"
    policies = await owner.fetch(
        "SELECT cmd, permissive, roles::text[] AS roles, qual, with_check FROM pg_policies "
        "WHERE tablename = $1 AND roles = '{public}'",
        table,
    )
    (policy,) = policies
    assert (policy["cmd"], policy["permissive"]) == ("ALL", "PERMISSIVE")
    wanted = "organization_id = (NULLIF(current_setting('app.organization_id'::text, true), ''::text))::uuid"  # noqa: E501  # as PostgreSQL writes it
    assert policy["qual"].strip("()").replace("(", "") == wanted.strip("()").replace("(", "")
    assert policy["with_check"] in (None, policy["qual"]), "what may be written is what is seen"


async def test_database_holds_the_tables_of_the_models_and_no_other(
    owner: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    rows = await owner.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {row[0] for row in rows} == {*metadata.tables, "alembic_version"}
    views = await owner.fetchval("SELECT count(*) FROM pg_views WHERE schemaname = 'public'")
    triggers = await owner.fetchval("SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal")
    assert (views, triggers) == (0, 0), "a view or trigger would go past the policies"


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.resource.resource)
def test_every_declared_field_has_a_column_or_an_expression(shape: Shape) -> None:
    fields, columns = shape.resource.fields, shape.table.columns
    missing = [name for name in fields if name not in shape.expressions and name not in columns]
    assert not missing
    assert not shape.expressions.keys() - fields.keys(), "an expression of no field"


def test_every_declared_resource_is_read_through_a_shape() -> None:
    assert {shape.resource for shape in SHAPES} == set(RESOURCES.values())


def test_append_only_tables_exist() -> None:
    assert metadata.tables.keys() >= APPEND_ONLY
