"""A calendar as text (RFC 5545): lines of at most 75 octets, values in which nothing is markup."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

MEDIA_TYPE: Final = "text/calendar; charset=utf-8"
_LINE_OCTETS: Final = 75
_ESCAPES: Final = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
DEFAULT_MINUTES: Final = 30
"""Of a meeting whose length nobody has said."""

Row = Mapping[str, Any]


def calendar(tasks: Iterable[Row], meetings: Iterable[Row]) -> str:
    """Tasks as whole days, since few programs show what the format calls a to-do."""
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//crm-api//calendar//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
    ]
    for task in tasks:
        lines += _task(task)
    for meeting in meetings:
        lines += _meeting(meeting)
    lines.append("END:VCALENDAR")
    return "".join(f"{part}\r\n" for line in lines for part in _folded(line))


def _task(row: Row) -> Iterator[str]:
    yield from _begun(row["id"], row["created_at"], row["title"], row["client"])
    yield f"DTSTART;VALUE=DATE:{row['due_on']:%Y%m%d}"
    yield "TRANSP:TRANSPARENT"
    if row["note"]:
        yield f"DESCRIPTION:{row['note'].translate(_ESCAPES)}"
    if row["remind_at"]:
        yield "BEGIN:VALARM"
        yield "ACTION:DISPLAY"
        yield f"DESCRIPTION:{row['title'].translate(_ESCAPES)}"
        yield f"TRIGGER;VALUE=DATE-TIME:{_utc(row['remind_at'])}"
        yield "END:VALARM"
    yield "END:VEVENT"


def _meeting(row: Row) -> Iterator[str]:
    title = row["subject"] or row["kind"].capitalize()
    yield from _begun(row["id"], row["recorded_at"], title, row["client"])
    length = timedelta(minutes=row["duration_minutes"] or DEFAULT_MINUTES)
    yield f"DTSTART:{_utc(row['occurred_at'])}"
    yield f"DTEND:{_utc(row['occurred_at'] + length)}"
    yield "END:VEVENT"


def _begun(uid: Any, stamp: datetime, title: str, client: str | None) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{uid}"
    yield f"DTSTAMP:{_utc(stamp)}"
    shown = title if client is None else f"{title} ({client})"
    yield f"SUMMARY:{shown.translate(_ESCAPES)}"


def _utc(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _folded(line: str) -> Iterator[str]:
    """The line in parts; each after the first begins with a space, and no character is cut."""
    part, octets = "", 0
    for char in line:
        size = len(char.encode())
        if octets + size > _LINE_OCTETS:
            yield part
            part, octets = " ", 1
        part += char
        octets += size
    yield part
