"""Records by the ids that other systems know them by: made, changed and read by reference.

Deliveries may come twice and in any order: the version that a reference holds decides what is new.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

from pydantic import BaseModel, ValidationError
from sqlalchemy import Table

from crm_api.core.errors import Fault, Refusal
from crm_api.core.faults import faults_of
from crm_api.core.jsonbody import Incoming, validate_body
from crm_api.kit.deciding import require_some
from crm_api.kit.editing import Edit, EditingService
from crm_api.kit.fields import mask_of
from crm_api.kit.idempotency import Claim
from crm_api.kit.refs import MAX_VERSION, ExternalRef, holder_of
from crm_api.kit.replies import Reply, one, with_members
from crm_api.kit.schemas import Create, Patch
from crm_api.kit.service import Present

REFS = "external_refs"
_REPLACED = "\ufffd"
TRIES = 3

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Named:
    """A reference as a path, or an operation of a batch, names it."""

    source: str
    id: str

    def read(self) -> tuple[ExternalRef | None, tuple[Fault, ...]]:
        """The reference in its normal form, or what is wrong with it."""
        if _REPLACED in self.source + self.id:
            # What was no UTF-8 in the path reads so, whatever it was: two ids would be one.
            detail = "The id holds bytes that are no UTF-8, or the sign that stands for such."
            return None, (Fault("invalid_text", detail, parameter="external_id"),)
        sent = {"source": self.source, "id": self.id}
        try:
            return ExternalRef.model_validate(sent), ()
        except ValidationError as error:
            found = faults_of(error.errors(include_url=False, include_input=False), sent)
        places = {"/source": "source", "/id": "external_id"}
        return None, tuple(
            Fault(f.code, f.detail, parameter=places.get(f.pointer or "", "external_id"))
            for f in found
        )


class UpsertingService(EditingService):
    """Records that other systems deliver, each under its id there."""

    refs: ClassVar[Table]
    """The child table of their references."""

    async def make(
        self, incoming: Incoming[Any], claim: Claim | None, if_match: str | None = None
    ) -> Reply:
        """A new record. With `if_match` the caller thought that there is one: 412."""
        raise NotImplementedError

    async def get_by_ref(self, named: Named, items: Sequence[tuple[str, str]]) -> Reply:
        """The record that another system knows by this id.

        Raises:
            Refusal: 403 for who reads no references, whether there is such a record or not; 404.
        """
        self.require_read()
        self._require_refs_readable()
        ref, _ = named.read()
        row_id = None if ref is None else await self._holder(ref)
        if row_id is None:
            raise self.not_found()
        return await self.get(row_id, items)

    async def upsert(
        self, named: Named, incoming: Incoming[Any], if_match: str | None = None
    ) -> Reply:
        """Make the record of this reference, or merge the sent fields into it.

        The reply also says whether it was `applied`: a version that is not newer than the one that
        the reference holds changes nothing.

        Raises:
            Refusal: 403 verb, then fields; 412; 409 not live; 422; 409 in use.
        """
        mask = mask_of(self.resource, self.actor.rights)
        if not (mask.create or mask.update):
            require_some(self.scope, self.resource, "update")
        self._require_refs_readable()
        ref, faults = named.read()
        for _ in range(TRIES):
            holder = None if ref is None else await self._holder(ref)
            if ref is not None and holder is not None:
                run = partial(self._merge, holder, ref, incoming, if_match)
                return await self.edited(incoming.raw, run)
            try:
                return await self._make(ref, faults, incoming, if_match)
            except Refusal as refusal:
                # Another delivery of the same record came first, and this one is a change of it.
                if refusal.status != 409 or ref is None or await self._holder(ref) is None:
                    raise
        raise Refusal("conflict", "Other writes came first each time; retry.")

    async def _holder(self, ref: ExternalRef) -> UUID | None:
        table = self.shape.table
        return await holder_of(self.scope, self.refs, self.parent, table, ref, self.lifecycles())

    def _require_refs_readable(self) -> None:
        """Whoever may not read references learns nothing by asking for one."""
        if REFS in mask_of(self.resource, self.actor.rights).read:
            return
        detail = f"Your role may not read: {REFS}."
        raise Refusal(
            "field_not_readable",
            detail,
            (Fault("field_not_readable", detail, parameter="external_id"),),
        )

    # ------------------------------------------------------------------- made

    async def _make(
        self,
        ref: ExternalRef | None,
        faults: Sequence[Fault],
        incoming: Incoming[Any],
        if_match: str | None,
    ) -> Reply:
        body = _read(Create[self.resource], _with_ref(incoming, ref))  # type: ignore[name-defined]  # made at run time
        faults = (*faults, *_own_faults(incoming))
        if faults:
            body = Incoming(body.raw, None, (*body.faults, *faults))
        return _told(await self.make(body, None, if_match), applied=True)

    # ----------------------------------------------------------------- merged

    async def _merge(
        self, row_id: UUID, ref: ExternalRef, incoming: Incoming[Any], if_match: str | None
    ) -> Reply:
        version = _version(incoming)
        present = await self.load(row_id, with_seen=not (if_match is None and version is None))
        require_some(self.scope, self.resource, "update")
        if "version" in incoming.raw:
            self._require_version_right()
        body = {name: value for name, value in incoming.raw.items() if name != "version"}
        for option in self._of_creates_alone():
            body.pop(option, None)
        sifted = self.allowed(present, _read(Patch[self.resource], body), if_match)  # type: ignore[name-defined]  # as above
        if version is not None and version <= _held(present, ref)["version"]:
            return _told(one(present.seen), applied=False)
        sifted.faults += _own_faults(incoming)
        besides = {} if version is None else {REFS: _moved(present, ref, version)}
        return _told(await self.decide(present, sifted, Edit(besides=besides)), applied=True)

    def _of_creates_alone(self) -> set[str]:
        options = (getattr(self.resource, f"{kind}_options", {}) for kind in ("create", "patch"))
        created, patched = (set(found) for found in options)
        return created - patched

    def _require_version_right(self) -> None:
        """Who may not set a reference may not move its version: later deliveries depend on it."""
        if REFS in mask_of(self.resource, self.actor.rights).create:
            return
        detail = f"Your role may not set {REFS}, so it cannot move the version of one."
        fault = Fault("field_not_writable", detail, pointer="/version")
        raise Refusal("field_not_writable", detail, (fault,))


def _told(reply: Reply, *, applied: bool) -> Reply:
    return replace(reply, body=with_members(reply.body, applied=applied))


def _read(model: type[BaseModel], body: Mapping[str, Any]) -> Incoming[Any]:
    return validate_body(model, json.dumps(body).encode())


def _version(incoming: Incoming[Any]) -> int | None:
    """The version of the delivery; None where none, or no sensible one, was sent."""
    sent = incoming.raw.get("version")
    # Not `isinstance`: a flag is an integer too.
    return sent if type(sent) is int and 0 <= sent <= MAX_VERSION else None


def _own_faults(incoming: Incoming[Any]) -> tuple[Fault, ...]:
    """The faults that no field has: of the version, or of a body that is no object."""
    return tuple(f for f in incoming.faults if f.pointer in (None, "", "/version"))


def _with_ref(incoming: Incoming[Any], ref: ExternalRef | None) -> Json:
    """The body of a create: the reference of the path stands first among those that were sent."""
    body = {name: value for name, value in incoming.raw.items() if name != "version"}
    sent = body.get(REFS, [])
    if not isinstance(sent, list):
        return body
    named = [] if ref is None else [ref.model_dump() | {"version": _version(incoming) or 0}]
    return body | {REFS: named + [one for one in sent if not _is_same(one, ref)]}


def _is_same(sent: Any, ref: ExternalRef | None) -> bool:
    if ref is None or not isinstance(sent, dict):
        return False
    return (sent.get("source"), sent.get("id")) == (ref.source, ref.id)


def _held(present: Present, ref: ExternalRef) -> Json:
    """The reference as the record holds it."""
    found: Json = next(one for one in present.document[REFS] if _is_same(one, ref))
    return found


def _moved(present: Present, ref: ExternalRef, version: int) -> list[ExternalRef]:
    """The references of the record, this one with its new version."""
    return [
        ExternalRef(**(one | {"version": version} if _is_same(one, ref) else one))
        for one in present.document[REFS]
    ]
