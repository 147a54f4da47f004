"""How an organization is set up, read and changed."""

from sqlalchemy import (
    ARRAY,
    Boolean,
    LargeBinary,
    Text,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)

from crm_api.core.db import Statement
from crm_api.identity.repository import view
from crm_api.kit.guard import ORG
from crm_api.kit.projection import Shape
from crm_api.models import HeadRow, OrganizationRow
from crm_api.organizations.schemas import Organization

ORGANIZATION_SHAPE = Shape(
    Organization,
    view(
        "settings",
        select(
            OrganizationRow.id.label("organization_id"),
            OrganizationRow.id,
            literal("live", Text()).label("lifecycle"),
            OrganizationRow.slug,
            OrganizationRow.name,
            OrganizationRow.presets,
            OrganizationRow.time_zone,
            OrganizationRow.default_country,
            OrganizationRow.currency,
            OrganizationRow.created_at,
        ).where(OrganizationRow.id == ORG),
    ),
)

_SETTINGS = {
    "name": bindparam("name", type_=Text()),
    "presets": bindparam("presets", type_=ARRAY(Text())),
    "time_zone": bindparam("time_zone", type_=Text()),
    "default_country": bindparam("default_country", type_=Text()),
    "currency": bindparam("currency", type_=Text()),
}
CHANGE_ORGANIZATION = Statement(
    update(OrganizationRow)
    .where(OrganizationRow.id == ORG)
    .values(**_SETTINGS, version=OrganizationRow.version + 1)
    .returning(OrganizationRow.version)
)
ADD_ORGANIZATION = Statement(
    insert(OrganizationRow).values(
        **_SETTINGS,
        id=ORG,
        slug=bindparam("slug", type_=Text()),
        version=1,
        is_demo=bindparam("is_demo", type_=Boolean()),
        created_at=func.now(),
    )
)
# The chain of the change log begins with nothing.
ADD_HEAD = Statement(
    insert(HeadRow).values(
        organization_id=ORG,
        position=0,
        last_at=func.now(),
        last_hash=literal(b"", LargeBinary()),
        client_number=0,
    )
)
FIND_ORGANIZATION = Statement(
    select(OrganizationRow.id).where(OrganizationRow.slug == bindparam("slug", type_=Text()))
)
LIST_ORGANIZATIONS = Statement(
    select(OrganizationRow.id, OrganizationRow.slug, OrganizationRow.is_demo).order_by(
        OrganizationRow.slug
    )
)
FIND_CONTEXT = Statement(
    select(
        OrganizationRow.id,
        OrganizationRow.slug,
        OrganizationRow.presets,
        OrganizationRow.time_zone,
        OrganizationRow.default_country,
        OrganizationRow.currency,
        OrganizationRow.version,
    ).where(OrganizationRow.slug == bindparam("slug", type_=Text()))
)
