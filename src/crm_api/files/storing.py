"""Documents: their bytes go into the store before anything tells of them, and come back from it.

Bytes are first written down as loose (`LooseObjectRow`), then stored, and owned by the transaction
that adds their version. Wherever that breaks off, the sweep (`files.sweeping`) finds what is left.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid4

import structlog
from pydantic import SecretStr

from crm_api.core.config import Settings
from crm_api.core.db import Database, Statement, unavailable
from crm_api.core.errors import Refusal, refuse_all
from crm_api.core.ids import new_id
from crm_api.core.jsonbody import Incoming
from crm_api.core.media import media_type_of
from crm_api.core.objects import Bucket, Folder, MissingObject, ObjectStore, StoreError
from crm_api.core.uploads import Upload
from crm_api.files import repository as sql
from crm_api.files.lookups import Place
from crm_api.files.service import Draft, FileService, added
from crm_api.kit.deciding import require_current
from crm_api.kit.idempotency import Claim, once
from crm_api.kit.reading import get_one
from crm_api.kit.replies import Reply
from crm_api.kit.scope import Scope
from crm_api.kit.service import Present

log = structlog.get_logger()
REPLAYED: Final = "Idempotency-Replayed"
AWAY: Final = "Files cannot be reached right now."


@dataclass(frozen=True, slots=True)
class Storage:
    """Where an organization's bytes are kept, and how many."""

    objects: ObjectStore
    max_bytes: int
    """Of one file."""
    quota_bytes: int
    """Of one organization."""


def storage_of(settings: Settings) -> Storage:
    """What the settings say: a bucket where one is named, else a folder of this machine."""
    return Storage(store_of(settings), settings.max_file_bytes, settings.file_quota_bytes)


def store_of(settings: Settings) -> ObjectStore:
    if settings.s3_bucket is None:
        return Folder(settings.files_home)

    def opened(secret: SecretStr | None) -> str | None:
        return None if secret is None else secret.get_secret_value()

    return Bucket(
        settings.s3_bucket,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key_id=opened(settings.s3_access_key_id),
        secret_access_key=opened(settings.s3_secret_access_key),
    )


@dataclass(frozen=True, slots=True)
class Content:
    """One version as it can be read."""

    name: str
    media_type: str
    size: int
    sha256: str
    key: str


def object_key(organization_id: UUID, object_id: UUID) -> str:
    """Organization first; the rest is random, and no folder holds more than it should."""
    name = object_id.hex
    return f"{organization_id}/{name[:2]}/{name}"


class DocumentService(FileService):
    """Files whose bytes are here."""

    def __init__(self, scope: Scope, storage: Storage) -> None:
        super().__init__(scope)
        self.storage = storage
        self.org = self.actor.organization_id

    # ------------------------------------------------------------------ added

    async def add(
        self,
        place: Place,
        place_id: UUID,
        upload: Upload,
        claim: Claim | None,
        *,
        dry_run: bool = False,
    ) -> Reply:
        """Keep a document.

        Raises:
            Refusal: 404 for the place; 403 verb, then fields, then the kind's group; 409 not
                live, no room; 422 all faults at once.
        """
        called = {} if upload.file is None else {"name": upload.name}
        incoming: Incoming[Any] = Incoming(called | upload.fields, None, upload.faults)

        async def decide() -> Draft | Reply:
            return await self.drafted(place, place_id, incoming, claim)

        async def write(draft: Draft, object_id: UUID, content: Mapping[str, Any]) -> Reply:
            row_id = new_id()
            kind, name = draft.values["kind"], draft.values["name"]
            version = self._version(row_id, 1, kind, name, object_id, content)
            known = {"form": "document", "latest_version": 1, **content}
            return await self.insert(draft, row_id, known, claim, [version])

        return await self._stored(upload, claim, decide, write, dry_run=dry_run)

    async def add_version(
        self,
        row_id: UUID,
        upload: Upload,
        if_match: str | None,
        claim: Claim | None,
        *,
        dry_run: bool = False,
    ) -> Reply:
        """Keep what a document has become; what it was stays.

        Raises:
            Refusal: 404; 403 verb, then the kind's group; 412; 409 not live, a link, no room; 422.
        """

        async def decide() -> Present | Reply:
            present = await self.writable(row_id, if_match)
            stored = await self.finished(claim)
            if stored is not None:
                return self.replayed(stored)
            require_current(if_match, present.seen, ())
            self.require_live(present)
            _require_document(present.document["form"])
            if upload.faults:
                raise refuse_all(upload.faults)
            return present

        async def write(present: Present, object_id: UUID, content: Mapping[str, Any]) -> Reply:
            before, number = present.document, present.document["latest_version"] + 1
            version = self._version(row_id, number, before["kind"], upload.name, object_id, content)
            row = {"latest_version": number, **content}
            diff = {n: (before[n], value) for n, value in row.items() if before[n] != value}
            versions = {sql.VERSIONS: [version]}
            reply = await self.update(
                present, row, diff, "version_added", added=versions, claim=claim
            )
            return added(reply, f"{self.path}/{row_id}")

        return await self._stored(upload, claim, decide, write, dry_run=dry_run)

    def _version(
        self,
        file_id: UUID,
        number: int,
        kind: str,
        name: str,
        object_id: UUID,
        content: Mapping[str, Any],
    ) -> Mapping[str, Any]:
        return {
            "file_id": str(file_id),
            "number": number,
            "object_id": str(object_id),
            "kind": kind,
            "name": name,
            **content,
            **self.author(),
        }

    async def _stored(
        self,
        upload: Upload,
        claim: Claim | None,
        decide: Callable[[], Awaitable[Any]],
        write: Callable[[Any, UUID, Mapping[str, Any]], Awaitable[Reply]],
        *,
        dry_run: bool,
    ) -> Reply:
        """Decide, store the bytes, decide again under the lock, and own them."""
        decided = await decide()
        if isinstance(decided, Reply):
            return decided
        path = _there(upload)
        content = {
            "media_type": await asyncio.to_thread(media_type_of, path, upload.media_type),
            "size_bytes": upload.size,
            "sha256": upload.digest.hex(),
        }
        if dry_run:
            async with self.scope.db.rehearsal(self.org), self.locked():
                await self._take_room(upload.size)
                reply = await write(await decide(), uuid4(), content)
            return Reply(reply.body, reply.etag)
        if not (await self._row(sql.ROOM, size=upload.size))["is_there"]:
            raise self._no_room()

        async def commit(object_id: UUID) -> Reply:
            async with self.locked():
                decided = await decide()
                if isinstance(decided, Reply):
                    return decided
                await self._take_room(upload.size)
                if await self._row(sql.OWN_OBJECT, id=object_id) is None:
                    raise unavailable("The upload took too long.")
                return await write(decided, object_id, content)

        return await self._owned(
            path, lambda key: once(self.scope, claim, partial(commit, key), self.replayed)
        )

    async def _owned(self, path: Path, commit: Callable[[UUID], Awaitable[Reply]]) -> Reply:
        """Store bytes under a fresh key; they go again where they are not owned in the end."""
        object_id, owned = uuid4(), False
        await self._row(sql.BEGIN_OBJECT, id=object_id)
        try:
            await self._put(object_key(self.org, object_id), path)
            reply = await commit(object_id)
            owned = REPLAYED not in reply.headers
            return reply
        finally:
            if not owned:
                await remove_loose(self.scope.db, self.org, object_id, self.storage.objects)

    async def _put(self, key: str, path: Path) -> None:
        try:
            await self.storage.objects.put(key, path)
        except StoreError as error:
            log.error("file_not_stored", reason=str(error))  # noqa: TRY400  # a text for operators
            raise unavailable(AWAY) from None

    async def _take_room(self, size: int) -> None:
        if await self._row(sql.TAKE_ROOM, size=size) is None:
            raise self._no_room()

    def _no_room(self) -> Refusal:
        quota = self.storage.quota_bytes
        return Refusal("file_quota_exceeded", f"All files together may come to {quota} bytes.")

    async def _row(self, statement: Statement, **values: Any) -> Any:
        values |= {"org": self.org, "quota": self.storage.quota_bytes}
        return await self.scope.db.fetchrow(self.org, statement, values)

    # -------------------------------------------------------------------- read

    async def content(self, row_id: UUID, number: int | None) -> Content:
        """A version of a document, the latest unless said.

        Raises:
            Refusal: 404 for the file and for the version; 403 who reads no kind; 409 a link.
        """
        names = ("name", "form", "latest_version")
        found = await get_one(self.scope, self.shape, row_id, self.lifecycles(), names)
        if found is None:
            raise self.not_found()
        self.require_read()
        told = json.loads(found[0])
        _require_document(told["form"])
        wanted = told["latest_version"] if number is None else number
        row = await self._row(sql.VERSION, id=row_id, number=wanted, kinds=self.kinds())
        if row is None:
            raise Refusal("not_found", "There is no such version.")
        key = object_key(self.org, row["object_id"])
        name = told["name"] if number is None else row["name"]
        return Content(name, row["media_type"], row["size_bytes"], row["sha256"], key)

    async def opened(self, content: Content, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes of a version, in parts.

        Raises:
            Refusal: 503, the store does not give them.
        """
        try:
            return await self.storage.objects.read(content.key, start, end)
        except StoreError as error:
            lost = isinstance(error, MissingObject)
            event = "file_bytes_missing" if lost else "file_store_away"
            log.error(event, key=content.key, reason=str(error))  # noqa: TRY400  # as above
            raise unavailable(AWAY) from None


async def remove_loose(
    db: Database, organization_id: UUID, object_id: UUID, objects: ObjectStore
) -> bool:
    """Remove bytes that nobody owns, and forget them; whether that was so.

    The row is locked meanwhile, so that no version comes to own what is being removed.
    """
    values = {"org": organization_id, "id": object_id, "ids": [object_id]}
    async with db.transaction(organization_id):
        if await db.fetchrow(organization_id, sql.LOCK_OBJECT, values) is None:
            return False
        try:
            await objects.remove(object_key(organization_id, object_id))
        except StoreError as error:
            log.warning("file_bytes_left", reason=str(error))
            return False
        await db.fetchrow(organization_id, sql.REMOVE_LOOSE, values)
    return True


def _there(upload: Upload) -> Path:
    if upload.file is None:
        raise refuse_all(upload.faults)
    return upload.file


def _require_document(form: str) -> None:
    if form != "document":
        raise Refusal("file_is_link", "Its content is not kept here.")
