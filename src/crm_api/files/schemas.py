"""The file on the wire: a stored document or a link; its kind decides who reads it."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from crm_api.clients.schemas import Client
from crm_api.core.formats.file_names import FileName
from crm_api.core.formats.web import SecureUrl
from crm_api.kit.fields import DataClass, Op, Resource, RowGroups, Rule, Write
from crm_api.kit.schemas import Author
from crm_api.notes.schemas import GROUP_OF, Kind

BY_KIND = "by_kind"
NEVER = Write.NEVER
MediaType = Annotated[str, Field(max_length=127, examples=["application/pdf"])]
Size = Annotated[int, Field(ge=0, le=2**53, examples=[52_118])]
Digest = Annotated[
    str,
    Field(
        min_length=64,
        max_length=64,
        pattern="^[0-9a-f]{64}$",
        examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"],
    ),
]


class File(Resource):
    """A document that is kept, or a link to one; its kind decides who reads and who changes it."""

    resource: ClassVar = "files"
    singular: ClassVar = "file"
    # As a note: one of the group of the client that its kind speaks of.
    guarded_by: ClassVar = "clients"
    row_groups: ClassVar = RowGroups("kind", GROUP_OF)
    grants: ClassVar = {
        group: Client.grants[group]
        for group in (*dict.fromkeys(GROUP_OF.values()), "audit", "audit_ip")
    }
    default_sort: ClassVar = "-created_at"
    # Not of a document, which has no address.
    patch_example: ClassVar = {"kind": "service", "name": "Offer for the evening show.pdf"}

    id: Annotated[UUID, Rule(BY_KIND, NEVER), Field(description="Its id, for ever.")]
    lifecycle: Annotated[
        Literal["live", "deleted"],
        Rule(BY_KIND, NEVER, filter=Op.EQ),
        Field(description="Whether it is in use; what is deleted goes for good after a time."),
    ]
    client_id: Annotated[
        UUID | None,
        Rule(BY_KIND, NEVER, filter=Op.EQ | Op.NULL, refers_to="clients"),
        Field(
            description="The client that it belongs to, also where it hangs on a communication "
            "with this client; of a contact there is none."
        ),
    ] = None
    contact_id: Annotated[
        UUID | None,
        Rule(BY_KIND, NEVER, filter=Op.EQ | Op.NULL, refers_to="contacts"),
        Field(description="The contact on which it hangs."),
    ] = None
    communication_id: Annotated[
        UUID | None,
        Rule(BY_KIND, NEVER, filter=Op.EQ | Op.NULL, refers_to="communications"),
        Field(description="The communication on which it hangs."),
    ] = None
    kind: Annotated[
        Kind,
        Rule(BY_KIND, filter=Op.EQ, defaulted=True),
        Field(
            description="What it is about; `general` unless said. Who may read and change it "
            "follows: `general` as `remarks`, `service` and `special_requirement` as `service`, "
            "`preference` as `preferences`, `escalation` as `assessment` of the client.",
            examples=["service"],
        ),
    ]
    name: Annotated[
        FileName,
        Rule(BY_KIND, data_class=DataClass.PERSONAL),
        Field(description="What it is called: a label, nothing is found by it in the store."),
    ]
    form: Annotated[
        Literal["document", "link"],
        Rule(BY_KIND, NEVER, filter=Op.EQ),
        Field(description="Whether its content is kept here, or elsewhere."),
    ]
    url: Annotated[
        SecureUrl | None,
        Rule(BY_KIND, accepts=SecureUrl, data_class=DataClass.PERSONAL),
        Field(description="Of a link: where it leads. It is never fetched; null for documents."),
    ]
    media_type: Annotated[
        MediaType | None,
        Rule(BY_KIND, NEVER, filter=Op.EQ),
        Field(description="What its latest version is, by its bytes; null for links."),
    ] = None
    size_bytes: Annotated[
        Size | None, Rule(BY_KIND, NEVER), Field(description="Of its latest version.")
    ] = None
    sha256: Annotated[
        Digest | None,
        Rule(BY_KIND, NEVER),
        Field(description="The SHA-256 of its latest version, in hex."),
    ] = None
    latest_version: Annotated[
        int,
        Rule(BY_KIND, NEVER),
        Field(ge=0, le=2**31 - 1, description="How many versions were sent; 0 for links."),
    ]
    created_by: Annotated[Author, Rule(BY_KIND, NEVER), Field(description="Who added it.")]
    created_at: Annotated[
        datetime,
        Rule(BY_KIND, NEVER, filter=Op.RANGE, sort=True),
        Field(description="When it was added."),
    ]
    updated_at: Annotated[
        datetime, Rule(BY_KIND, NEVER), Field(description="When it was last changed.")
    ]


class FileVersion(BaseModel):
    """One content of a file."""

    number: Annotated[int, Field(ge=1, le=2**31 - 1, description="From 1 on.", examples=[1])]
    name: Annotated[str, Field(max_length=200, description="What the file was called.")]
    media_type: Annotated[MediaType, Field(description="What it is, by its bytes.")]
    size_bytes: Annotated[Size, Field(description="How long it is.")]
    sha256: Annotated[Digest, Field(description="Its SHA-256, in hex.")]
    created_by: Annotated[Author, Field(description="Who sent it.")]
    created_at: Annotated[datetime, Field(description="When it was sent.")]


class FileVersionPage(BaseModel):
    """One page of versions, the latest first."""

    data: Annotated[list[FileVersion], Field(max_length=200)]
    next_cursor: Annotated[str | None, Field(max_length=1024)]
    has_more: bool
