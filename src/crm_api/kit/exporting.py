"""Exports: all that a list selects, from one moment, recorded before the first byte leaves.

The rights are those of the moment: the guard stands in the snapshot that is exported.
"""

import asyncio
import tempfile
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self
from uuid import UUID

from sqlalchemy import Text, cast, func, select

from crm_api.core.access import Rights
from crm_api.core.db import Snapshot, Statement, unavailable
from crm_api.core.ids import new_id
from crm_api.kit.changes import append, lock_head, new_entry
from crm_api.kit.filters import canonical
from crm_api.kit.formats import Encoder, Format, Sheet, require_rows
from crm_api.kit.guard import GuardKind, guard, guard_kind, guard_values, require_ok
from crm_api.kit.listing import Listing, condition_values, conditions_of, order_of
from crm_api.kit.projection import Sources, as_json
from crm_api.kit.query import ListQuery
from crm_api.kit.scope import Scope

SECONDS: Final = 600.0
"""How long one export may take, whoever reads it."""
STATEMENT_SECONDS: Final = 60.0
"""How long one of its statements may take, and its reader between two parts."""
BATCH: Final = 200
"""Rows of one part: some hundred kilobytes, and some milliseconds of Python."""
_FILE_PART: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to export, and as what."""

    listing: Listing
    binds: Mapping[str, Callable[[Any], Any]]
    query: ListQuery
    name: str
    """Of the format."""
    format: Format

    def encoder(self) -> Encoder | None:
        """Makes the file part by part; None where it is written whole."""
        make = self.format.encoder
        return None if make is None else make(self.listing.shape.resource, self.query.names)

    @property
    def shapes(self) -> tuple[Any, ...]:
        return tuple(node.shape for node in self.query.filters)


@lru_cache(maxsize=128)
def _counted(
    listing: Listing, rights: Rights, kind: GuardKind, shapes: tuple[Any, ...]
) -> Statement:
    rows = select(func.count()).select_from(listing.shape.table)
    found = rows.where(*conditions_of(listing, shapes, rights)).scalar_subquery()
    return Statement(select(guard(kind).label("ok"), found.label("rows")))


@lru_cache(maxsize=128)
def _selected(
    listing: Listing,
    rights: Rights,
    shapes: tuple[Any, ...],
    sort: str,
    descending: bool,
    names: tuple[str, ...],
) -> Statement:
    main = listing.shape.table
    _, order = order_of(listing, sort, descending=descending)
    shown = listing.shape.columns(Sources(main), rights, names)
    document = as_json(select(*shown).correlate(main)).correlate(main).scalar_subquery()
    rows = select(cast(document, Text).label("body")).select_from(main)
    return Statement(rows.where(*conditions_of(listing, shapes, rights)).order_by(*order))


class Export:
    """An export that is recorded; what it holds open is let go when it is left (`async with`)."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self.id: UUID = new_id()
        self.rows = 0
        self.until = asyncio.get_running_loop().time() + SECONDS
        """When it is cut, on the loop's clock."""
        self._held = AsyncExitStack()
        self._file: Path | None = None
        self._batches: AsyncGenerator[list[Any]]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._held.__aexit__(kind, error, trace)

    async def parts(self) -> AsyncGenerator[bytes]:
        """The file, part by part.

        Raises:
            Refusal: the database went away meanwhile.
        """
        encoder = self.wanted.encoder()
        if self._file is not None:
            file = await asyncio.to_thread(self._file.open, "rb")
            with file:
                while part := await asyncio.to_thread(file.read, _FILE_PART):
                    yield part
        elif encoder is not None:
            if encoder.head:
                yield encoder.head
            async with aclosing(self._batches) as batches:
                async for rows in batches:
                    yield await asyncio.to_thread(encoder.rows, [row["body"] for row in rows])

    async def begin(self, scope: Scope) -> None:
        """Look at the rights, count, make what must be whole, record it; once, before `parts`."""
        async with asyncio.timeout_at(self.until), AsyncExitStack() as stack:
            async with AsyncExitStack() as reading:
                await self._read(scope, reading, stack)
                if self._file is None:
                    stack.push_async_exit(reading.pop_all())
            await self._record(scope)
            self._held = stack.pop_all()

    async def _read(self, scope: Scope, reading: AsyncExitStack, stack: AsyncExitStack) -> None:
        """Open the snapshot; a file that must be whole is written, and needs it no longer."""
        actor, wanted = scope.actor, self.wanted
        opened = scope.db.snapshot(actor.organization_id, STATEMENT_SECONDS)
        snapshot = await reading.enter_async_context(opened)
        values = guard_values(actor) | condition_values(wanted.query.filters, wanted.binds)
        row = await snapshot.fetchrow(
            _counted(wanted.listing, actor.rights, guard_kind(actor), wanted.shapes), values
        )
        require_ok(row)
        scope.verified = True
        self.rows = row["rows"]
        self._batches = self._select(snapshot, actor.rights, values)
        if wanted.format.encoder is None:
            require_rows(self.rows)
            directory = stack.enter_context(_directory())
            self._file = await self._write_file(Path(directory))

    def _select(
        self, snapshot: Snapshot, rights: Rights, values: Mapping[str, Any]
    ) -> AsyncGenerator[list[Any]]:
        wanted, query = self.wanted, self.wanted.query
        order = (query.sort, query.descending)
        statement = _selected(wanted.listing, rights, wanted.shapes, *order, query.names)
        return snapshot.batches(statement, values, BATCH)

    async def _write_file(self, directory: Path) -> Path:
        cls, names = self.wanted.listing.shape.resource, self.wanted.query.names
        sheet = Sheet(directory / f"export.{self.wanted.format.suffix}", cls, names)
        try:
            async with aclosing(self._batches) as batches:
                async for rows in batches:
                    await asyncio.to_thread(sheet.add, [row["body"] for row in rows])
            await asyncio.to_thread(sheet.close)
        finally:
            sheet.abandon()
        return sheet.path

    async def _record(self, scope: Scope) -> None:
        """One entry of the change log: who took what, how much of it, when."""
        query, cls = self.wanted.query, self.wanted.listing.shape.resource
        facts = {
            "records": cls.resource,
            "format": self.wanted.name,
            "filter": canonical(cls, query.filters),
            "sort": f"{'-' if query.descending else ''}{query.sort}",
            "columns": list(query.names),
            "rows": self.rows,
        }
        entry = new_entry(
            scope.actor,
            scope.context,
            resource="export",
            resource_id=self.id,
            version=1,
            action=f"{cls.singular}.exported",
            diff={name: (None, fact) for name, fact in facts.items()},
        )
        async with scope.db.transaction(scope.actor.organization_id):
            await lock_head(scope.db, scope.actor)
            await append(scope.db, scope.actor, [entry])


def _directory() -> "tempfile.TemporaryDirectory[str]":
    """Readable by nobody else; a thread may still write to it when its request has ended."""
    return tempfile.TemporaryDirectory(prefix="crm-export-", ignore_cleanup_errors=True)


async def begin_export(scope: Scope, wanted: Wanted) -> Export:
    """An export that is recorded and may be read; whoever has it leaves it.

    Raises:
        StaleActor: what we knew of the principal no longer holds.
        Refusal: 422 where the file cannot hold it, 503 where others are at it or it takes too long.
    """
    export = Export(wanted)
    try:
        await export.begin(scope)
    except TimeoutError:
        raise unavailable("This export takes too long; choose fewer records or fields.") from None
    return export
