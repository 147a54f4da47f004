"""Which part of a representation is asked for (RFC 9110 §14): one range, or all of it."""

import re
from typing import Final

from crm_api.core.errors import Fault, Refusal

_RANGE: Final = re.compile(r"bytes=[ \t]*([0-9]{0,18})-([0-9]{0,18})[ \t]*")


def span_of(wanted: str | None, size: int) -> tuple[int, int] | None:
    """The first byte and the one behind the last; None for all.

    What cannot be read is passed over, and so are several ranges, as the standard allows.

    Raises:
        Refusal: 416, nothing of it is there.
    """
    found = _RANGE.fullmatch(wanted or "")
    if found is None or found.groups() == ("", ""):
        return None
    first, last = found.groups()
    if not first:
        start, end = max(0, size - int(last)), size
    else:
        start, end = int(first), min(size, int(last) + 1 if last else size)
        if last and int(last) < int(first):
            return None
    if start >= size:
        detail = f"There are {size} bytes."
        fault = Fault("range_not_satisfiable", detail, header="Range")
        raise Refusal(
            "range_not_satisfiable", detail, (fault,), {"Content-Range": f"bytes */{size}"}
        )
    return start, end
