"""Instants and dates: one strict spelling, bounded, and month ends that clamp."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from crm_api.core.formats.dates import (
    FIRST_DAY,
    LAST_DAY,
    Instant,
    LocalDate,
    add_months,
    format_instant,
    local_today,
    parse_date,
    parse_instant,
)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31T09:30:00Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31t09:30:00z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T12:30:00+03:00", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
        ("2026-01-31T09:30:00.5-00:00", datetime(2026, 1, 31, 9, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31T09:30:00.123456789Z", datetime(2026, 1, 31, 9, 30, 0, 123_456, tzinfo=UTC)),
        ("1900-01-01T00:00:00Z", datetime(1900, 1, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_timestamp_with_its_offset_is_read_as_utc(text: str, moment: datetime) -> None:
    assert parse_instant(text) == moment
    assert parse_instant(text).tzinfo is UTC


@pytest.mark.parametrize(
    "text",
    ["", "2026-01-31", "2026-01-31T09:30:00", "2026-01-31 09:30:00Z", "2026-01-31T09:30Z",
     "2026-02-30T09:30:00Z", "2026-01-31T24:00:00Z", "2026-01-31T23:59:60Z", "1769851800",
     "2026-01-31T09:30:00+0300", "2026-01-31T09:30:00+24:00", "2026-01-31T09:30:00Z ",
     "2026-01-31T09:30:00.Z", "1899-12-31T23:59:59Z", "1900-01-01T00:00:00+01:00",
     "9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z", "2026-W05-1T09:30:00Z",
     "\u0662026-01-31T09:30:00Z", "9" * 1_000_000, "2026-01-31T09:30:00Z\n"],
)  # fmt: skip
def test_any_other_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"time"):
        parse_instant(text)


@pytest.mark.parametrize(
    "text",
    ["", "2026-1-31", "20260131", "2026-02-30", "31.01.2026", "1899-12-31", "10000-01-01",
     "2026-01-31T00:00:00", "2026-W05-1", "0000-00-00", "\u0662026-01-31", "2026-01-31\n"],
)  # fmt: skip
def test_any_other_date_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="date"):
        parse_date(text)


class Visit(BaseModel):
    at: Instant
    on: LocalDate


def test_a_model_reads_and_writes_both_and_refuses_numbers() -> None:
    visit = Visit.model_validate({"at": "2026-01-31T12:30:00+03:00", "on": "2026-01-31"})
    assert visit.model_dump(mode="json") == {
        "at": "2026-01-31T09:30:00.000000Z",
        "on": "2026-01-31",
    }
    assert Visit.model_validate(visit.model_dump()) == visit
    assert Visit.model_validate_json(visit.model_dump_json()) == visit
    for at, on in ((1769851800, "2026-01-31"), ("2026-01-31T09:30:00Z", 20260131)):
        with pytest.raises(ValidationError):
            Visit.model_validate({"at": at, "on": on})
    with pytest.raises(ValidationError) as caught:
        Visit(at=datetime(2026, 1, 31, 9, 30), on=datetime(2026, 1, 31, tzinfo=UTC))  # noqa: DTZ001  # a naive time is the case
    assert [fault["type"] for fault in caught.value.errors()] == ["invalid_instant", "invalid_date"]


def test_the_schema_says_date_time_and_date() -> None:
    for adapter, name in (
        (TypeAdapter[datetime](Instant), "date-time"),
        (TypeAdapter[date](LocalDate), "date"),
    ):
        for mode in ("validation", "serialization"):
            schema = adapter.json_schema(mode=mode)
            assert (schema["type"], schema["format"]) == ("string", name)
            assert schema["maxLength"]


@pytest.mark.parametrize(
    ("day", "months", "later"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2028, 1, 31), 1, date(2028, 2, 29)),
        (date(2026, 11, 30), 3, date(2027, 2, 28)),
        (date(2026, 12, 31), 12, date(2027, 12, 31)),
        (date(2026, 3, 31), -1, date(2026, 2, 28)),
        (date(2026, 1, 15), -1, date(2025, 12, 15)),
        (date(2026, 5, 5), 0, date(2026, 5, 5)),
    ],
)
def test_months_clamp_to_the_end_of_the_month(day: date, months: int, later: date) -> None:
    assert add_months(day, months) == later


@given(st.dates(FIRST_DAY, LAST_DAY), st.integers(-200_000, 200_000) | st.just(2**63))
def test_months_never_leave_the_calendar(day: date, months: int) -> None:
    try:
        later = add_months(day, months)
    except ValueError:
        return
    assert FIRST_DAY <= later <= LAST_DAY
    assert (later.year - day.year) * 12 + later.month - day.month == months
    assert later.day <= day.day


def test_today_is_the_date_in_the_zone() -> None:
    evening = datetime(2026, 1, 31, 22, 30, tzinfo=UTC)
    assert local_today("Africa/Kampala", evening) == date(2026, 2, 1)
    assert local_today("Europe/London", evening) == date(2026, 1, 31)
    assert abs(local_today("UTC") - datetime.now(UTC).date()) <= timedelta(days=1)
    with pytest.raises(ValueError, match="IANA"):
        local_today("../../etc/localtime")


def test_a_time_is_written_with_six_fraction_digits_in_utc() -> None:
    moment = datetime(2026, 1, 31, 12, 30, tzinfo=timezone(timedelta(hours=3)))
    assert format_instant(moment) == "2026-01-31T09:30:00.000000Z"
