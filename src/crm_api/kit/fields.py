"""The declaration of a resource: each field once, with its group; each group once, with its roles.

Masks, create and patch bodies, filters, sorts, projections, history redaction, the OpenAPI
`x-access` and the printed matrix all derive from what is declared here. Deny by default: a field
without a rule does not import, and a group that no role is granted is invisible.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, Flag, auto
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, TypeAdapter
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from crm_api.core.access import ROLES, Rights


class Write(Flag):
    """When a field may be set, by those who may set it at all."""

    NEVER = 0
    ON_CREATE = auto()
    LATER = auto()
    ALWAYS = ON_CREATE | LATER


class Op(Flag):
    """What a list may ask of a field."""

    NONE = 0
    EQ = auto()
    RANGE = auto()
    TEXT = auto()
    NULL = auto()


class DataClass(Enum):
    """How sensitive a value is; privacy tools work from this."""

    PUBLIC = "public"
    PERSONAL = "personal"
    FINANCIAL = "financial"
    SECRET = "secret"  # noqa: S105  # the name of a class of data


@dataclass(frozen=True, slots=True)
class Rule:
    """What the product knows of one field besides its type."""

    group: str
    write: Write = Write.ALWAYS
    filter: Op = Op.NONE
    sort: bool = False
    accepts: Any = None
    """The type that is taken in, where it differs from the one that is answered."""
    merges: bool = False
    """A PATCH merges into the present object (RFC 7396) instead of replacing it."""
    needs: tuple[tuple[str, str], ...] = ()
    """Further (resource, group) that the reader must read: the value speaks of those too."""
    moves_with_all: bool = False
    """Each change of any field moves it: only who reads every field reads it."""
    decides: bool = True
    """Whether an `If-Match` fails when it moved; not for what follows from other records."""
    defaulted: bool = False
    """The system sets it when a create does not: always there, never required, never null."""
    catalogue: str | None = None
    """The catalogue whose keys it holds."""
    refers_to: str | None = None
    """The resource whose id it holds."""
    data_class: DataClass = DataClass.PUBLIC


@dataclass(frozen=True, slots=True)
class Field:
    """One declared field: its name, rule, and type."""

    name: str
    rule: Rule
    info: FieldInfo

    @property
    def nullable(self) -> bool:
        return not self.info.is_required() and self.info.default is None

    @property
    def required(self) -> bool:
        """Whether a create must carry it."""
        return self.info.is_required() and not self.rule.defaulted

    @property
    def default(self) -> Any:
        """The value that null and absence stand for, where there is one."""
        return self.info.get_default(call_default_factory=True)

    @property
    def accepted_type(self) -> Any:
        """The type that is taken in, with the bounds that were declared beside it."""
        if self.rule.accepts is not None:
            return self.rule.accepts
        bounds = [part for part in self.info.metadata if not isinstance(part, Rule)]
        return Annotated[self.info.annotation, *bounds] if bounds else self.info.annotation


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Rows of one table that stand in different groups: a field of the row tells in which."""

    field: str
    groups: Mapping[str, str]
    """Each of its values → the group that the whole row then is of."""

    @property
    def name(self) -> str:
        """What stands for the group in the rules of the fields."""
        return f"by_{self.field}"


@dataclass(frozen=True, slots=True)
class Mask:
    """Which fields of a resource a set of rights reads, creates, updates; in declared order.

    Where rows stand in different groups: of the rows of at least one of them.
    """

    read: tuple[str, ...]
    create: frozenset[str]
    update: frozenset[str]


class Resource(BaseModel):
    """A resource on the wire. Order here = JSON order = CSV order = matrix order."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False)

    resource: ClassVar[str] = ""
    """Its name in scopes and paths, plural."""
    singular: ClassVar[str] = ""
    """Its name in the change log."""
    guarded_by: ClassVar[str] = ""
    """The resource whose groups and scopes guard this one; its own where nothing is said."""
    grants: ClassVar[Mapping[str, str]] = {}
    """Group → what admin, manager, front_desk, presenter may: of `r`, `c`, `u`, `own`, or `-`."""
    verbs: ClassVar[Mapping[str, str]] = {}
    """Resource verb → initials (A M F P) of the roles that hold it."""
    guarded_parts: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Field → part of its value → the group that this part takes besides the field's own."""
    row_groups: ClassVar[RowGroups | None] = None
    """Where each row as a whole is of one group: its fields' rules say `by_<field>` then."""
    author: ClassVar[str] = ""
    """The field that says who made a row: whoever holds `read_own` alone finds no other rows."""
    searched: ClassVar[Mapping[str, tuple[tuple[str, str], ...]]] = {}
    """Column of the search row → every (resource, group) that who is to find by it must read."""
    expanded: ClassVar[Mapping[str, Any]] = {}
    """`?expand=` key that is no field → the type of what stands there when it is asked for."""
    create_example: ClassVar[Mapping[str, Any] | None] = None
    """A body that succeeds, where the examples of the fields together would not."""
    patch_example: ClassVar[Mapping[str, Any] | None] = None
    """As `create_example`."""
    fields: ClassVar[Mapping[str, Field]] = {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if not cls.resource:
            return
        cls.guarded_by = cls.guarded_by or cls.resource
        cls.fields = {name: _declared(cls, name, info) for name, info in cls.model_fields.items()}
        _refuse_unreachable(cls)
        _refuse_mixed_rows(cls)
        RESOURCES[cls.resource] = cls

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """Which groups and roles read and write each property; which is there depends on them."""
        found = handler.resolve_ref_schema(handler(schema))
        if cls.resource:
            # A key that the caller may not read is absent, so that none can be promised.
            found.pop("required", None)
            found["x-access"] = {name: access_of(cls, name) for name in cls.fields}
            for name, kind in cls.expanded.items():
                found["properties"][name] = handler(TypeAdapter(kind).core_schema)
        return found


RESOURCES: dict[str, type[Resource]] = {}
"""Every declared resource by name: what the matrix, the roles and the document walk over."""


def _declared(cls: type[Resource], name: str, info: FieldInfo) -> Field:
    rules = [item for item in info.metadata if isinstance(item, Rule)]
    if len(rules) != 1:
        raise TypeError(f"{cls.__name__}.{name} needs exactly one Rule")
    if rules[0].group not in (*cls.grants, cls.row_groups and cls.row_groups.name):
        raise TypeError(f"{cls.__name__}.{name}: no grants for group {rules[0].group!r}")
    return Field(name, rules[0], info)


def _refuse_unreachable(cls: type[Resource]) -> None:
    """A required field that a creating role cannot set would make its every create fail."""
    roles = {name: Rights((frozenset(scopes),)) for name, scopes in _grant_scopes(cls).items()}
    for role, rights in roles.items():
        mask = mask_of(cls, rights)
        if not mask.create:
            continue
        for field in cls.fields.values():
            required = field.required and field.rule.write & Write.ON_CREATE
            if required and field.name not in mask.create:
                raise TypeError(f"{cls.__name__}.{field.name} is required, {role} cannot set it")


def _refuse_mixed_rows(cls: type[Resource]) -> None:
    """Where rows are shown or not one group decides on the whole row: a mask is not of each row."""
    whole = bool(cls.author or cls.row_groups)
    if whole and len({field.rule.group for field in cls.fields.values()}) != 1:
        raise TypeError(f"{cls.__name__}: rows that are shown or not have fields of one group")


ACTIONS = {"r": "read", "c": "create", "u": "update"}


def granted_actions(cell: str) -> list[str]:
    """The actions that one cell of a grants row stands for."""
    if cell == "own":
        return ["read_own"]
    return [ACTIONS[letter] for letter in cell if letter in ACTIONS]


def _grant_scopes(cls: type[Resource]) -> dict[str, list[str]]:
    scopes: dict[str, list[str]] = {role: [] for role in ROLES}
    for group, row in cls.grants.items():
        cells = row.split()
        if len(cells) != len(ROLES):
            raise TypeError(f"{cls.__name__}.{group}: one cell for each of {', '.join(ROLES)}")
        for role, cell in zip(ROLES, cells, strict=True):
            subject = f"{cls.guarded_by}.{group}"
            scopes[role] += [f"{subject}:{action}" for action in granted_actions(cell)]
    for verb, initials in cls.verbs.items():
        for role in ROLES:
            if role[0].upper() in initials:
                scopes[role].append(f"{cls.guarded_by}:{verb}")
    return scopes


def builtin_scopes(role: str) -> frozenset[str]:
    """The scopes of a built-in role: the sum of what every resource grants it."""
    return frozenset(
        scope for cls in RESOURCES.values() for scope in _grant_scopes(cls).get(role, ())
    )


def all_scopes() -> frozenset[str]:
    """Every scope that means something here; a role or key may hold no other, wildcards apart."""
    found = {
        f"{cls.guarded_by}.{group}:{action}"
        for cls in RESOURCES.values()
        for group in cls.grants
        for action in ("read", "create", "update", "read_own")
    }
    found |= {f"{cls.guarded_by}:{verb}" for cls in RESOURCES.values() for verb in cls.verbs}
    return frozenset(found)


def access_of(cls: type[Resource], name: str) -> dict[str, Any]:
    """What the document says of one field: its group, and the built-in roles by action."""
    rule = cls.fields[name].rule
    cells = dict(zip(ROLES, cells_of(cls, rule.group), strict=True))

    def roles(letter: str) -> list[str]:
        return [role for role, cell in cells.items() if letter in cell and cell != "own"]

    own = [role for role, cell in cells.items() if cell == "own"]
    return {
        "group": f"{cls.guarded_by}.{rule.group}",
        "read": roles("r"),
        "create": roles("c") if rule.write & Write.ON_CREATE else [],
        "update": roles("u") if rule.write & Write.LATER else [],
        **({"read_own": own} if cls.author and own else {}),
        **({"groups": _named_groups(cls)} if cls.row_groups else {}),
    }


def _named_groups(cls: type[Resource]) -> dict[str, str]:
    groups = cls.row_groups.groups if cls.row_groups else {}
    return {value: f"{cls.guarded_by}.{group}" for value, group in groups.items()}


def groups_behind(cls: type[Resource], group: str) -> tuple[str, ...]:
    """The groups that the group of a rule stands for: more than one where rows differ."""
    if cls.row_groups is None or group != cls.row_groups.name:
        return (group,)
    return tuple(dict.fromkeys(cls.row_groups.groups.values()))


def cells_of(cls: type[Resource], group: str) -> list[str]:
    """What the built-in roles may; where rows differ, what each may of some of them."""
    rows = [cls.grants[behind].split() for behind in groups_behind(cls, group)]
    if len(rows) == 1:
        return rows[0]
    return [
        "".join(a for a in ACTIONS if any(a in c for c in of)) or "-"
        for of in zip(*rows, strict=True)
    ]


def open_values(cls: type[Resource], rights: Rights, action: str = "read") -> tuple[str, ...]:
    """Which values of the field that decides on the group of a row lie within these rights."""
    groups = cls.row_groups.groups if cls.row_groups else {}
    return tuple(v for v, group in groups.items() if rights.can(cls.guarded_by, action, group))


def reads_own_alone(cls: type[Resource], rights: Rights) -> bool:
    """Whether of these records only those exist that the reader made."""
    if not cls.author:
        return False
    group = cls.fields[cls.author].rule.group
    return not rights.can(cls.guarded_by, "read", group)


def reads_group(cls: type[Resource], rights: Rights, group: str) -> bool:
    """Whether the fields of a group are read at all: of every row, or of one's own rows."""
    if cls.author:
        return rights.reads_own(cls.guarded_by, group)
    return any(rights.can(cls.guarded_by, "read", behind) for behind in groups_behind(cls, group))


def mask_of(cls: type[Resource], rights: Rights) -> Mask:
    """The field mask of these rights, worked out once for each set of rights."""
    known: Mask | None = rights.memo.get(cls)
    if known is not None:
        return known

    def may(field: Field, action: str) -> bool:
        if action == "read":
            return reads_group(cls, rights, field.rule.group)
        behind = groups_behind(cls, field.rule.group)
        return any(rights.can(cls.guarded_by, action, group) for group in behind)

    def reads(field: Field) -> bool:
        if field.rule.moves_with_all and not all(may(other, "read") for other in told):
            return False
        return may(field, "read") and all(
            rights.can(resource, "read", group) for resource, group in field.rule.needs
        )

    told = [field for field in cls.fields.values() if not field.rule.moves_with_all]

    found = Mask(
        read=tuple(f.name for f in cls.fields.values() if reads(f)),
        create=frozenset(
            f.name
            for f in cls.fields.values()
            if f.rule.write & Write.ON_CREATE and may(f, "create")
        ),
        update=frozenset(
            f.name for f in cls.fields.values() if f.rule.write & Write.LATER and may(f, "update")
        ),
    )
    rights.memo[cls] = found
    return found


def hidden_parts(cls: type[Resource], rights: Rights, name: str) -> frozenset[str]:
    """The parts of a field's value that take a group which these rights do not read."""
    parts = cls.guarded_parts.get(name, {})
    return frozenset(
        p for p, group in parts.items() if not rights.can(cls.guarded_by, "read", group)
    )


def seen_value(cls: type[Resource], rights: Rights, name: str, value: Any) -> Any:
    """A readable field's value without the parts that take a group of their own."""
    hidden = hidden_parts(cls, rights, name)
    if not hidden or not isinstance(value, dict):
        return value
    return {part: inner for part, inner in value.items() if part not in hidden}
