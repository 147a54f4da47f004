"""The store of bytes under generated keys: a folder of this machine, or a bucket. It knows no file.

Keys are made by the callers of this port and never told to anybody; what is stored is not changed.
"""

import asyncio
import os
import secrets
import tempfile
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import Final

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, S3Store

from crm_api.core.private_files import passable_directory

PART_BYTES: Final = 1 << 18
AT_ONCE: Final = 2
"""Parts of 5 MiB that an upload holds in memory."""
RETRY_TIME: Final = timedelta(seconds=20)


class StoreError(Exception):
    """The store does not do what it was asked; the text is for operators, it may name keys."""


class MissingObject(StoreError):
    """There are no bytes under this key."""


class ObjectStore:
    """What any store does; the subclasses say what is particular to theirs."""

    @cached_property
    def _store(self) -> LocalStore | S3Store:
        raise NotImplementedError

    async def put(self, key: str, source: Path) -> None:
        """Store the bytes of a file, a part at a time; they are safe when it returns.

        Raises:
            StoreError: nothing can be read under the key.
        """
        try:
            await obstore.put_async(self._store, key, source, max_concurrency=AT_ONCE)
        except (BaseError, OSError) as error:
            raise StoreError(str(error)) from error

    async def read(self, key: str, start: int, end: int) -> AsyncIterator[bytes]:
        """The bytes from `start` up to but without `end`, in parts; opened before it returns.

        Raises:
            MissingObject: also where there are fewer bytes.
            StoreError: the store does not answer; in the middle as well.
        """
        if start == end:
            return _nothing()
        try:
            found = await obstore.get_async(self._store, key, options={"range": (start, end)})
        except FileNotFoundError as error:
            raise MissingObject(key) from error
        except (BaseError, OSError) as error:
            raise StoreError(str(error)) from error
        if found.range != (start, end):
            raise MissingObject(key)
        return _parts(found)

    async def remove(self, key: str) -> None:
        """Remove what is there; nothing there is well, too."""
        try:
            with suppress(FileNotFoundError):
                await obstore.delete_async(self._store, key)
        except (BaseError, OSError) as error:
            raise StoreError(str(error)) from error

    async def sizes(self, prefix: str) -> dict[str, int]:
        """Key → bytes of everything below a prefix."""
        found: dict[str, int] = {}
        try:
            async for page in obstore.list(self._store, prefix, chunk_size=1000):
                found.update((one["path"], one["size"]) for one in page)
        except (BaseError, OSError) as error:
            raise StoreError(str(error)) from error
        return found

    async def probe(self) -> None:
        """Keep something, read it, remove it.

        Raises:
            StoreError: one of them cannot be done.
        """
        key = f"probe/{secrets.token_hex(8)}"
        with tempfile.TemporaryDirectory(prefix="crm-probe-") as directory:
            source = Path(directory) / "probe"
            await asyncio.to_thread(source.write_bytes, b"probe")
            await self.put(key, source)
        async for _ in await self.read(key, 0, len(b"probe")):
            pass
        await self.remove(key)


async def _parts(found: "obstore.GetResult") -> AsyncIterator[bytes]:
    try:
        async for part in found.stream(min_chunk_size=PART_BYTES):
            yield bytes(part)
    except (BaseError, OSError) as error:
        raise StoreError(str(error)) from error


async def _nothing() -> AsyncIterator[bytes]:
    empty: tuple[bytes, ...] = ()
    for part in empty:
        yield part


class Folder(ObjectStore):
    """A folder of this machine, made when it is first used: its every reader must see the same."""

    def __init__(self, home: Path) -> None:
        self.home = home

    @cached_property
    def _store(self) -> LocalStore:
        passable_directory(self.home)
        return LocalStore(self.home)

    async def put(self, key: str, source: Path) -> None:
        await super().put(key, source)
        await asyncio.to_thread(_sync, self.home, key)

    async def remove(self, key: str) -> None:
        """Also what a killed writer left: it is written beside the key, then renamed."""
        await super().remove(key)
        await asyncio.to_thread(self._remove_halves, key)

    def _remove_halves(self, key: str) -> None:
        path = self.home / key
        for half in path.parent.glob(f"{path.name}#*"):
            half.unlink(missing_ok=True)


def _sync(home: Path, key: str) -> None:
    """On disk with their names: a commit that tells of bytes must not outlive them."""
    path = home / key
    for place in (path, *path.parents):
        descriptor = os.open(place, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if place == home:
            break


class Bucket(ObjectStore):
    """A bucket of S3, or of what speaks its protocol.

    What is not given is looked for where AWS's own tools look: `AWS_*`, the role of the machine.
    """

    def __init__(
        self,
        bucket: str,
        *,
        endpoint: str | None = None,
        region: str | None = None,
        access_key_id: str | None = None,
        secret_access_key: str | None = None,
    ) -> None:
        given = {
            "endpoint": endpoint,
            "region": region,
            "access_key_id": access_key_id,
            "secret_access_key": secret_access_key,
        }
        config = {name: value for name, value in given.items() if value is not None}
        plain = endpoint is not None and endpoint.startswith("http://")
        options = {"allow_http": plain, "connect_timeout": "5s", "timeout": "60s"}
        # A request waits for it: three tries within its own time.
        retries = {"max_retries": 2, "retry_timeout": RETRY_TIME}
        self._made = S3Store(bucket, config=config, client_options=options, retry_config=retries)  # type: ignore[arg-type]  # dictionaries, put together by name

    @cached_property
    def _store(self) -> S3Store:
        return self._made
