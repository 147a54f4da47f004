"""Instants and local dates on the wire, and the little calendar reckoning that rules need."""

import re
from calendar import monthrange
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Annotated, Final
from zoneinfo import ZoneInfo

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from crm_api.core.formats.faults import refuse
from crm_api.core.formats.places import parse_time_zone

FIRST_DAY: Final = date(1900, 1, 1)
LAST_DAY: Final = date(9999, 12, 31)

_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# RFC 3339 §5.6. Pydantic's own reader also takes bare numbers, a space for the T, and no offset.
_INSTANT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?"
    r"(Z|[+-][0-9]{2}:[0-9]{2})",
    re.IGNORECASE,
)
_DATE_LENGTH: Final = 10
_INSTANT_LENGTH: Final = 35


def parse_date(text: str) -> date:
    """A day as `YYYY-MM-DD` between 1900-01-01 and 9999-12-31; ValueError for the rest."""
    if len(text) != _DATE_LENGTH or not _DATE.fullmatch(text):
        raise refuse("invalid_date", "Write a date as YYYY-MM-DD.")
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise refuse("invalid_date", "Write a date that exists, as YYYY-MM-DD.") from None
    return _bounded_date(day)


def parse_instant(text: str) -> datetime:
    """An RFC 3339 timestamp with its offset, as UTC; digits beyond microseconds are cut.

    Between 1900-01-01T00:00:00Z and the end of 9999. ValueError for the rest, leap seconds too.
    """
    if len(text) > _INSTANT_LENGTH or not _INSTANT.fullmatch(text):
        raise refuse(
            "invalid_instant",
            "Write an RFC 3339 time with its offset, such as 2026-01-31T09:30:00Z.",
        )
    try:
        moment = datetime.fromisoformat(text.upper())
    except ValueError:
        raise refuse("invalid_instant", "Write a time that exists, below 24:00:00.") from None
    return _bounded_instant(moment)


def format_instant(moment: datetime) -> str:
    """An aware time as UTC with `Z` and six fraction digits, always 27 characters."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def add_months(day: date, months: int) -> date:
    """The same day `months` later, or the month's last where it has no such day.

    31 January and one month make 28 or 29 February. ValueError outside 1900 to 9999.
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not FIRST_DAY.year <= year <= LAST_DAY.year:
        raise refuse("invalid_date", "Stay between the years 1900 and 9999.")
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def local_today(time_zone: str, now: datetime | None = None) -> date:
    """The date in an IANA time zone, now or at the aware time that is given."""
    moment = datetime.now(UTC) if now is None else now
    return moment.astimezone(ZoneInfo(parse_time_zone(time_zone))).date()


def _bounded_date(day: date) -> date:
    if day < FIRST_DAY:
        raise refuse("invalid_date", "Use a date from 1900-01-01 on.")
    return day


def _bounded_instant(moment: datetime) -> datetime:
    try:
        moment = moment.astimezone(UTC)
    except OverflowError:  # 9999-12-31T23:59:59-01:00 would be in the year 10000
        raise refuse("invalid_instant", "Use a time before the year 10000.") from None
    if moment.year < FIRST_DAY.year:
        raise refuse("invalid_instant", "Use a time from the year 1900 on.")
    return moment


def _validate_date(value: object) -> date:
    if isinstance(value, str):
        return parse_date(value)
    if isinstance(value, date) and not isinstance(value, datetime):
        return _bounded_date(value)
    raise refuse("invalid_date", "Write a date as a string, YYYY-MM-DD.")


def _validate_instant(value: object) -> datetime:
    if isinstance(value, str):
        return parse_instant(value)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return _bounded_instant(value)
    raise refuse("invalid_instant", "Write an RFC 3339 time with its offset as a string.")


def _write_date(day: date) -> str:
    return day.isoformat()


@dataclass(frozen=True, slots=True)
class _TimeFormat:
    validate: Callable[[object], object]
    write: Callable[..., str]  # takes what `validate` answers
    format: str
    max_length: int
    example: str

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                self.write, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )

    def __get_pydantic_json_schema__(
        self, _schema: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {
            "type": "string",
            "format": self.format,
            "maxLength": self.max_length,
            "examples": [self.example],
        }


Instant = Annotated[
    datetime,
    _TimeFormat(
        _validate_instant, format_instant, "date-time", _INSTANT_LENGTH, "2026-01-31T09:30:00Z"
    ),
]
LocalDate = Annotated[
    date, _TimeFormat(_validate_date, _write_date, "date", _DATE_LENGTH, "2026-01-31")
]
