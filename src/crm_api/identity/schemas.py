"""Users, roles and API keys on the wire, and the bodies and replies of sign-in."""

from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, create_model

from crm_api.core.formats.dates import Instant
from crm_api.core.formats.emails import EmailAddress
from crm_api.core.formats.text import Line
from crm_api.kit.fields import DataClass, Op, Resource, Rule, Write

NEVER, ON_CREATE, PERSONAL = Write.NEVER, Write.ON_CREATE, DataClass.PERSONAL
MAX_SCOPES = 500

RoleName = Annotated[str, Line(1, 60)]
Slug = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=63)]
Scope = Annotated[
    str, Field(pattern=r"^(\*|[a-z_]+)(\.(\*|[a-z_]+))?:(\*|[a-z_]+)$|^\*$", max_length=120)
]
Scopes = Annotated[list[Scope], Field(max_length=MAX_SCOPES)]
# A wrong password is refused for being wrong, whatever its length; the policy is for new ones.
SentPassword = Annotated[str, Field(min_length=1, max_length=4096)]
NewPassword = Annotated[
    str,
    Field(
        min_length=1,
        max_length=4096,
        description="15 characters or more, not easy to guess; any characters.",
        examples=["seven quiet herons cross the marsh"],
    ),
]
SecretText = Annotated[str, Field(min_length=1, max_length=512)]

_IN = ConfigDict(extra="forbid", strict=True)


class User(Resource):
    """A person of the organization, by membership: the id is what `owner_id` refers to."""

    resource: ClassVar = "users"
    singular: ClassVar = "user"
    grants: ClassVar = {"directory": "rcu r r r", "account": "rc - - -"}
    verbs: ClassVar = {"manage": "A"}
    default_sort: ClassVar = "name"

    id: Annotated[
        UUID, Rule("directory", NEVER), Field(description="Its id within the organization.")
    ]
    name: Annotated[
        str,
        Line(1, 200),
        Rule("directory", filter=Op.EQ | Op.TEXT, sort=True, data_class=PERSONAL),
        Field(description="The person's name.", examples=["Grace Nakato"]),
    ]
    role: Annotated[
        RoleName,
        Rule("directory", filter=Op.EQ),
        Field(description="The name of a role.", examples=["front_desk"]),
    ]
    active: Annotated[
        bool,
        Rule("directory", NEVER, filter=Op.EQ),
        Field(description="Whether the person may sign in.", examples=[True]),
    ]
    email: Annotated[
        EmailAddress,
        Rule("account", ON_CREATE, filter=Op.EQ, data_class=PERSONAL),
        Field(description="What the person signs in with.", examples=["grace@example.com"]),
    ]
    state: Annotated[
        Literal["invited", "active", "disabled"],
        Rule("account", NEVER, filter=Op.EQ),
        Field(description="Invited, active, or disabled.", examples=["active"]),
    ]
    created_at: Annotated[
        datetime,
        Rule("account", NEVER, sort=True),
        Field(description="When the person joined or was invited."),
    ]
    last_signed_in_at: Annotated[
        datetime | None,
        Rule("account", NEVER),
        Field(description="When the person last gave the password here."),
    ] = None


class Role(Resource):
    """A named set of scopes. A change acts on the next request of everyone who has the role."""

    resource: ClassVar = "roles"
    singular: ClassVar = "role"
    grants: ClassVar = {"definition": "rcu r r r"}
    verbs: ClassVar = {"manage": "A"}
    default_sort: ClassVar = "name"
    patch_example: ClassVar = {"scopes": ["clients.*:read", "contacts.*:read"]}

    id: Annotated[UUID, Rule("definition", NEVER), Field(description="Its id.")]
    name: Annotated[
        RoleName,
        Rule("definition", filter=Op.EQ, sort=True),
        Field(description="Its name, unique in the organization.", examples=["Auditor"]),
    ]
    scopes: Annotated[
        Scopes,
        Rule("definition"),
        Field(
            description="What it may do: `<resource>.<group>:<action>` or `<resource>:<verb>`, "
            "`*` for any one part.",
            examples=[["clients.*:read", "clients.audit:read"]],
        ),
    ]
    builtin: Annotated[
        bool,
        Rule("definition", NEVER, filter=Op.EQ),
        Field(description="Whether it comes with the product and cannot be changed."),
    ]


class ApiKey(Resource):
    """An integration's credential: its scopes within the live rights of who made it."""

    resource: ClassVar = "api_keys"
    singular: ClassVar = "api_key"
    grants: ClassVar = {"keys": "rc - - -"}
    verbs: ClassVar = {"manage": "A"}
    default_sort: ClassVar = "name"

    id: Annotated[UUID, Rule("keys", NEVER), Field(description="Its id; no secret.")]
    name: Annotated[
        str,
        Line(1, 100),
        Rule("keys", sort=True),
        Field(description="What it is for.", examples=["Accounting sync"]),
    ]
    scopes: Annotated[
        Scopes,
        Rule("keys"),
        Field(
            description="What it may do, at most what its creator may.",
            examples=[["clients.name:read", "clients.finance:read"]],
        ),
    ]
    created_by: Annotated[
        UUID,
        Rule("keys", NEVER, refers_to="users"),
        Field(description="The user whose live rights bound it."),
    ]
    created_at: Annotated[
        datetime, Rule("keys", NEVER, sort=True), Field(description="When it was made.")
    ]
    expires_at: Annotated[
        Instant | None,
        Rule("keys", ON_CREATE),
        Field(description="From when on it is refused; absent: never."),
    ] = None
    last_used_at: Annotated[
        datetime | None,
        Rule("keys", NEVER),
        Field(description="When it was last used, to the minute."),
    ] = None


class LoginBody(BaseModel):
    """What a person signs in with."""

    model_config = _IN

    email: Annotated[
        str,
        Field(
            min_length=1,
            max_length=320,
            description="The person's e-mail address.",
            examples=["grace@example.com"],
        ),
    ]
    password: Annotated[
        SentPassword,
        Field(description="The password.", examples=["seven quiet herons cross the marsh"]),
    ]
    organization: Annotated[
        Slug | None,
        Field(description="Its slug, for a person of several organizations.", examples=["radio"]),
    ] = None


class RefreshBody(BaseModel):
    """A refresh token, which is used up by this."""

    model_config = _IN

    refresh_token: Annotated[
        SecretText, Field(description="The newest refresh token.", examples=["crt_…"])
    ]


class PasswordBody(BaseModel):
    """A change of one's own password."""

    model_config = _IN

    current_password: Annotated[
        SentPassword,
        Field(description="The present one.", examples=["seven quiet herons cross the marsh"]),
    ]
    new_password: Annotated[NewPassword, Field(examples=["eleven patient otters build a raft"])]


class AcceptInvitationBody(BaseModel):
    """An invitation's token, and what a person who is new here chooses."""

    model_config = _IN

    token: Annotated[SecretText, Field(description="The one-time token.", examples=["cin_…"])]
    name: Annotated[
        Annotated[str, Line(1, 200)] | None,
        Field(description="A new person's name; else the invitation's.", examples=["Grace Nakato"]),
    ] = None
    password: Annotated[
        NewPassword | None,
        Field(
            description="A new person's password; a known person keeps the present one.",
            examples=["seven quiet herons cross the marsh"],
        ),
    ] = None


class TokenPair(BaseModel):
    """An access token for the next minutes, and the one-time token that renews it."""

    access_token: Annotated[
        str, Field(description="Send it as `Authorization: Bearer …`.", max_length=2048)
    ]
    refresh_token: Annotated[
        str, Field(description="Good for one refresh; keep it secret.", max_length=512)
    ]
    token_type: Annotated[Literal["bearer"], Field(description="How the token is sent.")]
    expires_in: Annotated[
        int, Field(ge=1, le=900, description="Seconds that the access token lives.", examples=[900])
    ]
    organization: Annotated[
        Slug, Field(description="The slug of the organization.", examples=["radio"])
    ]


class Acceptance(BaseModel):
    """Where the person now belongs; sign in next."""

    organization: Annotated[
        Slug, Field(description="The slug of the organization.", examples=["radio"])
    ]
    user_id: Annotated[UUID, Field(description="The person's id in the organization.")]
    email: Annotated[
        str,
        Field(description="What to sign in with.", examples=["grace@example.com"], max_length=320),
    ]


class OrganizationBrief(BaseModel):
    """What a front end needs to know of the organization."""

    id: Annotated[UUID, Field(description="Its id.")]
    slug: Annotated[Slug, Field(description="Its short name.", examples=["radio"])]
    name: Annotated[str, Field(description="Its name.", examples=["Busoga Radio"], max_length=200)]
    presets: Annotated[
        list[Annotated[str, Field(max_length=32)]],
        Field(max_length=5, description="The presets that are on.", examples=[["radio"]]),
    ]
    time_zone: Annotated[
        str, Field(description="It decides dates.", examples=["Africa/Kampala"], max_length=64)
    ]
    default_country: Annotated[
        str | None,
        Field(description="Of phone numbers without a prefix.", examples=["UG"], max_length=2),
    ] = None
    currency: Annotated[str, Field(description="Of new amounts.", examples=["UGX"], max_length=3)]


class Me(BaseModel):
    """Who is asking."""

    id: Annotated[UUID, Field(description="The user's id here, or the API key's.")]
    kind: Annotated[Literal["user", "api_key"], Field(description="A person or an integration.")]
    name: Annotated[str, Field(description="Its name.", examples=["Grace Nakato"], max_length=200)]
    email: Annotated[
        str | None,
        Field(description="Of a person.", examples=["grace@example.com"], max_length=320),
    ] = None
    role: Annotated[
        str,
        Field(description="The role that counts now.", examples=["front_desk"], max_length=60),
    ]
    organization: Annotated[OrganizationBrief, Field(description="Where.")]


class FieldPermission(BaseModel):
    """What the caller may do with one field."""

    group: Annotated[str, Field(description="Its group.", examples=["name"], max_length=64)]
    read: Annotated[bool, Field(description="It is answered.")]
    create: Annotated[bool, Field(description="It may be set on create.")]
    update: Annotated[bool, Field(description="It may be changed later.")]


class ResourcePermission(BaseModel):
    """What the caller may do with one resource."""

    fields: Annotated[
        dict[str, FieldPermission], Field(max_length=200, description="Each field that exists.")
    ]
    groups: Annotated[
        dict[str, list[Literal["read", "create", "update", "read_own"]]],
        Field(max_length=100, description="What is granted on each group."),
    ]
    row_groups: Annotated[
        dict[str, dict[str, str]],
        Field(
            max_length=1,
            description="Where each record as a whole is of one group: the field that tells of "
            "which, and the group of each of its values.",
            examples=[{"kind": {"general": "remarks", "escalation": "assessment"}}],
        ),
    ]
    verbs: Annotated[
        dict[str, bool],
        Field(max_length=100, description="Each action, and whether it is allowed."),
    ]


class Permissions(BaseModel):
    """The effective matrix of the caller: grey out what is false, without trying."""

    role: Annotated[str, Field(description="The live role.", examples=["manager"], max_length=60)]
    scopes: Annotated[
        list[Scope],
        Field(
            max_length=5000,
            description="Every scope that is held, spelled out.",
            examples=[["clients.name:read"]],
        ),
    ]
    resources: Annotated[
        dict[str, ResourcePermission], Field(max_length=200, description="Resource by resource.")
    ]


def extended(
    cls: type[Resource], name: str, about: str, **extra: tuple[Any, str]
) -> type[BaseModel]:
    """A reply that carries more than the resource, for the document: what is shown only once."""
    members: dict[str, Any] = {n: (f.annotation, f) for n, f in cls.model_fields.items()}
    for key, (kind, description) in extra.items():
        members[key] = (kind, Field(default=None, description=description))
    return create_model(
        name, __doc__=about, __config__=ConfigDict(json_schema_extra=_promise_nothing), **members
    )


def _promise_nothing(schema: dict[str, Any]) -> None:
    """As of the resource itself: a key that is not asked for, or not readable, is absent."""
    schema.pop("required", None)


def page_of(item: type[BaseModel], name: str, about: str) -> type[BaseModel]:
    """A list's page, for the document, where the items are more than the resource."""
    members: dict[str, Any] = {
        "data": (
            Annotated[list[item], Field(max_length=200, description="The items.")],  # type: ignore[valid-type]  # a model made at run time
            ...,
        ),
        "next_cursor": (
            Annotated[str | None, Field(max_length=1024, description="Where the next begins.")],
            ...,
        ),
        "has_more": (Annotated[bool, Field(description="Whether there is a next page.")], ...),
        "total": (
            Annotated[int | None, Field(ge=0, le=2**53, description="With `count`.")],
            None,
        ),
    }
    return create_model(name, __doc__=about, **members)


InvitedUser = extended(
    User,
    "InvitedUser",
    "The user, and the token that is shown this once.",
    invitation_token=(
        Annotated[str, Field(max_length=512, examples=["cin_…"])],
        "Hand it to the person, who accepts with it; absent when a reply is repeated.",
    ),
    invitation_expires_at=(datetime, "Until when it is good."),
)
NewApiKey = extended(
    ApiKey,
    "NewApiKey",
    "The key, and its secret that is shown this once.",
    key=(
        Annotated[str, Field(max_length=512, examples=["crm_…"])],
        "Send it as `Authorization: Bearer …`; absent when a reply is repeated.",
    ),
)
