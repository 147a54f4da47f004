"""Bodies that derive from a declaration: what a create, a patch and a page look like."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import MISSING, BaseModel, ConfigDict, Field, create_model

from crm_api.core.formats.dates import Instant
from crm_api.kit.fields import Resource, Write, access_of
from crm_api.kit.refs import MAX_VERSION

R = TypeVar("R", bound=Resource)

_STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Page(BaseModel, Generic[R]):
    """One page of a list."""

    data: Annotated[list[R], Field(max_length=200)]
    next_cursor: Annotated[str | None, Field(max_length=1024)]
    has_more: bool
    total: Annotated[int | None, Field(ge=0, le=2**53)] = None


class Author(BaseModel):
    """Who changed something."""

    type: Annotated[
        Literal["user", "api_key", "system"], Field(description="What kind of principal.")
    ]
    id: Annotated[UUID, Field(description="Its id.")]
    name: Annotated[str, Field(max_length=200, description="Its name.")]


class FieldChange(BaseModel):
    """One field, before and after."""

    field: Annotated[str, Field(max_length=64, description="The field.")]
    before: Annotated[Any, Field(description="Its value before, as the wire shows it.")] = None
    after: Annotated[Any, Field(description="Its value after.")] = None


class HistoryEntry(BaseModel):
    """One change of a record, as far as you may see it."""

    id: Annotated[UUID, Field(description="The id of the entry.")]
    at: Annotated[datetime, Field(description="When it was committed.")]
    actor: Annotated[Author, Field(description="Who did it.")]
    action: Annotated[str, Field(max_length=64, description="What was done.")]
    request_id: Annotated[str, Field(max_length=128, description="The request that did it.")]
    changes: Annotated[list[FieldChange], Field(max_length=200, description="What changed.")]
    address: Annotated[str | None, Field(max_length=64, description="From where.")] = None
    user_agent: Annotated[str | None, Field(max_length=200, description="With what.")] = None


class HistoryPage(BaseModel):
    """One page of history, newest first."""

    data: Annotated[list[HistoryEntry], Field(max_length=200)]
    next_cursor: Annotated[str | None, Field(max_length=1024)]
    has_more: bool


class VersionDiff(BaseModel):
    """What differs between two versions of a record, as far as you may see it."""

    model_config = ConfigDict(populate_by_name=True)

    from_: Annotated[
        str, Field(alias="from", max_length=40, description="The earlier one: entry or time.")
    ]
    to: Annotated[str, Field(max_length=40, description="The later one: entry or time.")]
    changes: Annotated[list[FieldChange], Field(max_length=200, description="Net differences.")]


class RestoreVersion(BaseModel):
    """Which version to set back to, and which of its fields."""

    model_config = _STRICT

    entry_id: Annotated[
        UUID | None,
        Field(description="The entry of the history after which it was so."),
    ] = None
    as_of: Annotated[
        Instant | None,
        Field(description="Or the time at which it was so.", examples=["2030-01-31T00:00:00Z"]),
    ] = None
    fields: Annotated[
        list[Annotated[str, Field(max_length=64)]] | None,
        Field(
            min_length=1,
            max_length=100,
            description="The fields to set back; absent: all that you read and that edits set.",
        ),
    ] = None


ABSENT: Any = MISSING
"""As a default: pydantic's sentinel has a type of its own, which `Field` does not name."""

_derived: dict[tuple[str, type[Resource]], type[BaseModel]] = {}


def _derive(prefix: str, cls: type[Resource], when: Write) -> type[BaseModel]:
    known = _derived.get((prefix, cls))
    if known is not None:
        return known
    members: dict[str, Any] = {}
    access: dict[str, Any] = {}
    for field in cls.fields.values():
        if not field.rule.write & when:
            continue
        access[field.name] = access_of(cls, field.name)
        kind = field.accepted_type
        about, examples = field.info.description, field.info.examples
        if when is Write.ON_CREATE and field.required:
            members[field.name] = (kind, Field(description=about, examples=examples))
        else:
            # Absent keeps; null clears a field that has something to fall back to.
            clears = not field.info.is_required()
            accepted = kind | None | MISSING if clears else kind | MISSING
            members[field.name] = (
                accepted,
                Field(default=ABSENT, description=about, examples=examples),
            )
    for name, (kind, about) in _options(prefix, cls).items():
        members[name] = (kind | MISSING, Field(default=ABSENT, description=about))
    extra: dict[str, Any] = {"x-access": access}
    if (example := _example(prefix, cls)) is not None:
        extra["examples"] = [example]
    model = create_model(
        f"{prefix}{cls.__name__}",
        __config__=_STRICT | ConfigDict(json_schema_extra=extra),
        __doc__=_ABOUT[prefix].format(cls.singular.replace("_", " ")),
        **members,
    )
    _derived[(prefix, cls)] = model
    return model


def _example(prefix: str, cls: type[Resource]) -> Mapping[str, Any] | None:
    """A body that succeeds; that of a delivery is a patch with the version at the source."""
    if prefix == "Create":
        return cls.create_example
    is_delivery = prefix == "Upsert" and cls.patch_example is not None
    return {**(cls.patch_example or {}), "version": 3} if is_delivery else cls.patch_example


def _options(prefix: str, cls: type[Resource]) -> dict[str, tuple[Any, str]]:
    """What a body takes besides fields."""
    created, patched = (getattr(cls, f"{kind}_options", {}) for kind in ("create", "patch"))
    if prefix == "Upsert":
        return {**created, **patched, "version": (_VERSION, "The version at the source.")}
    found: dict[str, tuple[Any, str]] = created if prefix == "Create" else patched
    return found


_VERSION = Annotated[int, Field(ge=0, le=MAX_VERSION)]
_ABOUT = {
    "Create": "What a new {} may carry; your role decides which of it.",
    "Patch": "What may change of a {} (RFC 7396); your role decides which of it.",
    "Upsert": "What another system knows of a {}; your role decides which of it.",
}


if TYPE_CHECKING:

    class Create(BaseModel, Generic[R]):
        """The body of a create."""

    class Patch(BaseModel, Generic[R]):
        """The body of a patch."""

    class Upsert(BaseModel, Generic[R]):
        """The body of a delivery from another system."""

else:

    class Create:
        """The body of a create, derived from the declaration at run time."""

        def __class_getitem__(cls, resource: type[Resource]) -> type[BaseModel]:
            return _derive("Create", resource, Write.ON_CREATE)

    class Patch:
        """The body of a patch (RFC 7396), derived from the declaration at run time."""

        def __class_getitem__(cls, resource: type[Resource]) -> type[BaseModel]:
            return _derive("Patch", resource, Write.LATER)

    class Upsert:
        """The body of a delivery: what creates and patches take, nothing required; a version."""

        def __class_getitem__(cls, resource: type[Resource]) -> type[BaseModel]:
            return _derive("Upsert", resource, Write.ALWAYS)
