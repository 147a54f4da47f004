"""Who holds what the rows of an import want: asked for many rows at once."""

from sqlalchemy import ARRAY, BigInteger, LargeBinary, Text, bindparam, func, select

from crm_api.core.db import Statement
from crm_api.kit.guard import ORG
from crm_api.kit.projection import words
from crm_api.models import ClientEmailRow, ClientRefRow, ClientRow, ContactEmailRow, ContactRow

_KEYS = bindparam("keys", type_=ARRAY(Text()))
_CLIENT = (ClientRow.id, ClientRow.number, ClientRow.lifecycle)
_UNIQUE = ClientRow.lifecycle.not_in(words("merged", "erased"))

NAMES = Statement(
    select(ClientRow.identity_digest.label("key"), *_CLIENT).where(
        ClientRow.organization_id == ORG,
        ClientRow.identity_digest == func.any(bindparam("digests", type_=ARRAY(LargeBinary()))),
        _UNIQUE,
    )
)
NUMBERS = Statement(
    select(ClientRow.number.label("key"), *_CLIENT).where(
        ClientRow.organization_id == ORG,
        ClientRow.number == func.any(bindparam("numbers", type_=ARRAY(BigInteger()))),
    )
)
EMAILS = Statement(
    select(ClientEmailRow.key, *_CLIENT).where(
        ClientEmailRow.organization_id == ORG,
        ClientEmailRow.key == func.any(_KEYS),
        ClientRow.organization_id == ORG,
        ClientRow.id == ClientEmailRow.client_id,
    )
)
REFERENCES = Statement(
    select(ClientRefRow.external_id.label("key"), *_CLIENT).where(
        ClientRefRow.organization_id == ORG,
        ClientRefRow.source == bindparam("source", type_=Text()),
        ClientRefRow.external_id == func.any(_KEYS),
        ClientRow.organization_id == ORG,
        ClientRow.id == ClientRefRow.client_id,
    )
)
REGISTRATIONS = Statement(
    select(ClientRow.registration_key.label("key"), *_CLIENT).where(
        ClientRow.organization_id == ORG,
        ClientRow.registration_key == func.any(_KEYS),
        _UNIQUE,
    )
)
CONTACT_EMAILS = Statement(
    select(ContactEmailRow.key, ContactRow.lifecycle).where(
        ContactEmailRow.organization_id == ORG,
        ContactEmailRow.key == func.any(_KEYS),
        ContactRow.organization_id == ORG,
        ContactRow.id == ContactEmailRow.contact_id,
    )
)
