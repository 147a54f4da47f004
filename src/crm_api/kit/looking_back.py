"""Looking back: a record as it was, what changed between two versions, a version set back.

The past is masked by the rights of today. Whoever reads the whole history may look back; a record
that was hidden from the caller by its lifecycle then was not there for it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID

from crm_api.core.errors import Fault, Refusal, refuse_all
from crm_api.core.formats.dates import format_instant, parse_instant
from crm_api.core.jsonbody import Incoming, validate_body
from crm_api.kit.deciding import Sifted, require_current, require_some
from crm_api.kit.editing import Edit, EditingService
from crm_api.kit.fields import Write as When
from crm_api.kit.fields import mask_of
from crm_api.kit.history import visible_fields
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.plain import empty_values
from crm_api.kit.query import ListReader
from crm_api.kit.replies import Reply, as_text, one
from crm_api.kit.schemas import Patch, RestoreVersion
from crm_api.kit.service import Items, Present
from crm_api.kit.values import parse_value
from crm_api.kit.versions import (
    END_OF_TIME,
    Asked,
    Version,
    completed,
    find_version,
    undone,
)

AS_OF, FROM, TO = "as_of", "from", "to"

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Past:
    """A version of a record, whole."""

    document: Json
    unknown: frozenset[str]
    """Fields whose values an erasure took."""

    def require_known(self, names: Sequence[str]) -> None:
        """410 rather than a wrong value."""
        lost = [name for name in names if name in self.unknown]
        if lost:
            detail = f"The values of that time were erased: {', '.join(lost)}."
            raise Refusal("version_erased", detail)


class PastService(EditingService):
    """Records that can be read as they were, compared, and set back."""

    marks: ClassVar[tuple[str, ...]] = ()
    """Fields whose newest entry up to a version `rebuild` needs."""

    async def rebuild(self, present: Present, version: Version) -> tuple[Json, set[str]]:
        """The whole document of a version, derived values included, and the fields nobody knows."""
        values, unknown = undone(present.document, version.later)
        return completed(values, empty_values(self.resource)), unknown

    def settable(self, document: Mapping[str, Any], name: str) -> Any:
        """A field's value as a patch would send it."""
        return document[name]

    def stood(self, name: str, then: Any, now: Any) -> Any:  # noqa: ARG002  # for who overrides it
        """The items of a list that come back: what is known of them today counts."""
        return then

    def require_past(self) -> None:
        """Every value of the past stands in the history: who reads all of that reads this."""
        self.require_group("audit", "read")

    async def past(self, present: Present, asked: Asked) -> Past:
        """The version of a record.

        Raises:
            Refusal: 404 where the record was not there, not there for the caller, or where the
                caller sees no such entry in the history.
        """
        version = await find_version(
            self.scope,
            self.resource.singular,
            present.id,
            asked,
            marks=self.marks,
            visible=visible_fields(self.resource, self.scope),
        )
        if version is not None:
            document, unknown = await self.rebuild(present, version)
            if document["lifecycle"] in self.lifecycles():
                return Past(document, frozenset(unknown))
        if asked.entry_id is not None:
            raise Refusal("not_found", "There is no such entry in the history.")
        raise Refusal("not_found", f"There was no such {self.resource.singular} at that time.")

    # ------------------------------------------------------------------ as of

    async def get(self, row_id: UUID, items: Items) -> Reply:
        """One record; with `as_of` as it was at that instant."""
        if not any(key == AS_OF for key, _ in items):
            return await super().get(row_id, items)
        reader = ListReader(self.resource, self.scope, self.expansions)
        rest = [(key, value) for key, value in items if key != AS_OF]
        instant = _instant(reader, _sent(reader, items, AS_OF))
        single = reader.singles(rest, ("fields", "expand", "explain"))
        names = reader.names(single.get("fields"))
        if "expand" in single:
            detail = "Records are expanded as they are today; leave it out with `as_of`."
            reader.found.fault("expand", "not_with_as_of", detail)
        present = await self.load(row_id)
        self.require_past()
        self.require_read()
        reader.raise_any()
        if instant >= datetime.now(UTC):
            return await super().get(row_id, rest)
        past = await self.past(present, Asked(instant=instant))
        past.require_known(names)
        seen = self.masked(past.document)
        told = {name: value for name, value in seen.items() if name not in past.unknown}
        return one(as_text({name: seen[name] for name in names}), full=as_text(told))

    # ------------------------------------------------------------------- diff

    async def diff(self, row_id: UUID, items: Items) -> str:
        """The net differences between two versions: from its making until now, unless said."""
        reader = ListReader(self.resource, self.scope, {})
        rest = [(key, value) for key, value in items if key not in (FROM, TO)]
        reader.singles(rest, ("explain",))
        start, end = (_asked(reader, name, _sent(reader, items, name)) for name in (FROM, TO))
        present = await self.load(row_id)
        self.require_past()
        self.require_read()
        reader.raise_any()
        start = start or Asked(instant=parse_instant(present.document["created_at"]))
        before = await self._whole(present, start)
        after = await self._whole(present, end or Asked(instant=END_OF_TIME))
        names = self._told_apart()
        for past in (before, after):
            past.require_known(names)
        old, new = self.masked(before.document), self.masked(after.document)
        changes = [
            {"field": name, "before": old[name], "after": new[name]}
            for name in names
            if old[name] != new[name]
        ]
        end = end or Asked(instant=datetime.now(UTC))
        return as_text({FROM: _named(start), TO: _named(end), "changes": changes})

    async def _whole(self, present: Present, asked: Asked) -> Past:
        if asked.instant is not None and asked.instant >= datetime.now(UTC):
            return Past(present.document, frozenset())
        return await self.past(present, asked)

    def _told_apart(self) -> tuple[str, ...]:
        """The fields that a difference is told of: a stamp moves with each change, and is none."""
        fields = self.resource.fields
        reads = mask_of(self.resource, self.actor.rights).read
        return tuple(name for name in reads if not fields[name].rule.moves_with_all)

    # ---------------------------------------------------------------- restore

    async def restore_version(
        self,
        row_id: UUID,
        incoming: Incoming[Any],
        if_match: str | None,
        claim: Claim | None,
    ) -> Reply:
        """Set fields back to what they were: a patch with the values of then.

        Raises:
            Refusal: 404; 403 verb; 404 for the version; 403 fields; 412; 409; 422; 409 in use.
        """

        async def run() -> Reply:
            # What is restored is known only later, and some of it looks at other records.
            async with self.locked():
                return await self._restore(row_id, incoming, if_match, claim)

        return await once(self.scope, claim, run, self.replayed)

    async def _restore(
        self,
        row_id: UUID,
        incoming: Incoming[Any],
        if_match: str | None,
        claim: Claim | None,
    ) -> Reply:
        present = await self.load(row_id, with_seen=True)
        require_some(self.scope, self.resource, "update")
        self.require_past()
        stored = await self.finished(claim)
        if stored is not None:
            return self.replayed(stored)
        body = incoming.value
        faults = [*incoming.faults, *_choice(body)]
        if body is None or faults:
            require_current(if_match, present.seen, ())
            self.require_live(present)
            raise refuse_all(faults)
        past = await self.past(present, Asked(body.entry_id, body.as_of))
        found = Sifted()
        names = self._restorable(body.fields, found)
        past.require_known(names)
        raw = self.back(present, past.document, names, body)
        patch = validate_body(Patch[self.resource], as_text(raw).encode())  # type: ignore[name-defined]  # made at run time
        sifted = self.allowed(present, patch, if_match)
        sifted.faults += found.faults
        now, then = present.document, past.document
        stood = {n: self.stood(n, then[n], now[n]) for n in raw if isinstance(then.get(n), list)}
        return await self.decide(present, sifted, Edit("version_restored", claim, stood=stood))

    def _restorable(self, sent: Sequence[str] | None, found: Sifted) -> list[str]:
        """The fields that are meant: those that were named, else all that the caller reads."""
        fields = self.resource.fields
        reads = mask_of(self.resource, self.actor.rights).read
        if sent is None:
            return [name for name in reads if fields[name].rule.write & When.LATER]
        hidden = []
        for n, name in enumerate(sent):
            if name not in fields:
                found.fault("unknown_field", "There is no such field.", f"/fields/{n}")
            elif name not in reads:
                hidden.append((n, name))
            elif not fields[name].rule.write & When.LATER:
                detail = "This is not set by an edit, so it is not set back."
                found.fault("read_only_field", detail, f"/fields/{n}")
        if hidden:
            names = ", ".join(name for _, name in hidden)
            detail = f"{self.actor.in_words} may not read this field."
            faults = [
                Fault("field_not_readable", detail, pointer=f"/fields/{n}") for n, _ in hidden
            ]
            raise Refusal(
                "field_not_readable", f"{self.actor.in_words} may not read: {names}.", faults
            )
        named = set(sent)
        return [n for n in reads if n in named and fields[n].rule.write & When.LATER]

    def back(
        self,
        present: Present,
        then: Mapping[str, Any],
        names: Sequence[str],
        body: RestoreVersion,  # noqa: ARG002  # for who overrides it
    ) -> Json:
        """The body of the patch that leads from the present to the version."""
        found: Json = {}
        for name in names:
            old, new = self.settable(then, name), self.settable(present.document, name)
            if old != new:
                merges = self.resource.fields[name].rule.merges
                found[name] = patch_between(new, old) if merges else old
        return found


def patch_between(present: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    """The merge patch (RFC 7396) that makes one object of another."""
    found: Json = dict.fromkeys(key for key in present if key not in wanted)
    for key, value in wanted.items():
        now = present.get(key)
        if isinstance(value, dict) and isinstance(now, dict) and value != now:
            found[key] = patch_between(now, value)
        elif key not in present or now != value:
            found[key] = value
    return found


def _choice(body: RestoreVersion | None) -> list[Fault]:
    if body is None or (body.entry_id is None) != (body.as_of is None):
        return []
    return [Fault("required", "Send either `entry_id` or `as_of`.", pointer="")]


def _sent(reader: ListReader, items: Items, key: str) -> str | None:
    values = [value for name, value in items if name == key]
    if len(values) > 1:
        reader.found.fault(key, "repeated_parameter", "Send this parameter once.")
    return values[0] if values else None


def _instant(reader: ListReader, text: str | None) -> datetime:
    try:
        found: datetime = parse_value("instant", text or "")
    except ValueError:
        reader.found.fault(AS_OF, "invalid_value", "Send a time such as 2026-01-31T00:00:00Z.")
        return datetime.now(UTC)
    return found


def _asked(reader: ListReader, name: str, text: str | None) -> Asked | None:
    """The version that a parameter names."""
    if text is None:
        return None
    try:
        return Asked(entry_id=parse_value("uuid", text))
    except ValueError:
        pass
    try:
        return Asked(instant=parse_value("instant", text))
    except ValueError:
        detail = "Send the id of a history entry, or a time such as 2026-01-31T00:00:00Z."
        reader.found.fault(name, "invalid_value", detail)
        return None


def _named(asked: Asked) -> str:
    """A version in the form in which it may be asked for again."""
    if asked.instant is None:
        return str(asked.entry_id)
    return format_instant(asked.instant)
