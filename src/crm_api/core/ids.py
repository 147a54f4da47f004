"""Identifiers: time-ordered UUIDv7 for every row."""

from uuid import UUID

import uuid_utils
from uuid_utils.compat import uuid7

NIL = UUID(int=0)


def new_id() -> UUID:
    return uuid7()


def new_id_text() -> str:
    """A new id where it is only ever written: without the detour over Python's own class."""
    return str(uuid_utils.uuid7())


def id_or_nil(text: object) -> UUID:
    """A malformed id is the id of no record, so that it meets the same 404 as a random one."""
    if isinstance(text, UUID):
        return text
    try:
        return UUID(str(text)) if len(str(text)) == 36 else NIL
    except ValueError:
        return NIL
