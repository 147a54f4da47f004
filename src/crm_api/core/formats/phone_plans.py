"""Numbering plans: the data of `phonenumbers`, compiled once per country, to classify and format.

The library answers the same, but chooses, compiles and copies its patterns anew for each number;
the tests hold every country's answers here against the library's.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final, Literal

from phonenumbers import (
    COUNTRY_CODE_TO_REGION_CODE,
    SUPPORTED_REGIONS,
    NumberFormat,
    PhoneMetadata,
    PhoneNumberDesc,
)

PhoneType = Literal[
    "fixed_line",
    "mobile",
    "fixed_line_or_mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
    "unknown",
]

# The order of the library, in which the first match wins; fixed and mobile lines come after these.
_SPECIAL_TYPES: Final[tuple[PhoneType, ...]] = (
    "premium_rate",
    "toll_free",
    "shared_cost",
    "voip",
    "personal_number",
    "pager",
    "uan",
    "voicemail",
)
_WORLD: Final = "001"  # the library's region of numbers that belong to no country
_LONGEST_CALLING_CODE: Final = 3
_FIRST_GROUP: Final = re.compile(r"(\\\d)")
_GROUP: Final = re.compile(r"\\(\d)")
_NOTHING: Final = re.compile(r"(?!)")


@dataclass(frozen=True, slots=True)
class _Shape:
    lengths: frozenset[int]
    pattern: re.Pattern[str]

    def fits(self, number: str) -> bool:
        if self.lengths and len(number) not in self.lengths:
            return False
        return self.pattern.fullmatch(number) is not None


@dataclass(frozen=True, slots=True)
class _Format:
    leading: re.Pattern[str] | None
    pattern: re.Pattern[str]
    template: str  # for `str.format`: `re` would read a template of its own anew for each number

    def write(self, number: str) -> str | None:
        if self.leading is not None and not self.leading.match(number):
            return None
        found = self.pattern.fullmatch(number)
        return self.template.format(*found.groups("")) if found else None


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """One country's numbers. A number here is the national significant number, digits only."""

    region: str
    calling_code: int
    general: _Shape
    special: tuple[tuple[PhoneType, _Shape], ...]
    fixed: _Shape
    mobile: _Shape
    fixed_is_mobile: bool
    leading: re.Pattern[str] | None
    national_formats: tuple[_Format, ...]
    international_formats: tuple[_Format, ...]
    trunk_prefix: str | None
    trunk: re.Pattern[str]
    international_prefix: re.Pattern[str]

    def type_of(self, number: str) -> PhoneType:
        """What the line is; `unknown` when the range is not (or not yet) assigned."""
        if not self.general.fits(number):
            return "unknown"
        for name, shape in self.special:
            if shape.fits(number):
                return name
        if self.fixed.fits(number):
            both = self.fixed_is_mobile or self.mobile.fits(number)
            return "fixed_line_or_mobile" if both else "fixed_line"
        if not self.fixed_is_mobile and self.mobile.fits(number):
            return "mobile"
        return "unknown"

    def claims(self, number: str) -> bool:
        """Whether the number is this country's, among those that share the calling code."""
        if self.leading is not None:
            return self.leading.match(number) is not None
        return self.type_of(number) != "unknown"

    def national(self, number: str) -> str:
        return _written(self.national_formats, number)

    def international(self, number: str) -> str:
        return f"+{self.calling_code} {_written(self.international_formats, number)}"


def plan_of(region: str) -> Plan | None:
    """The plan of an ISO 3166-1 country; None for other codes and for countries without phones."""
    # Asked before the cache is, which would otherwise keep whatever strangers send.
    return _plan_of(region) if region in SUPPORTED_REGIONS else None


@cache
def _plan_of(region: str) -> Plan | None:
    metadata = PhoneMetadata.metadata_for_region(region, None)
    return None if metadata is None else _compiled(metadata)


@cache
def plans_sharing(calling_code: int) -> tuple[Plan, ...]:
    """The plans behind a calling code, the one with the formats first; () for no such code."""
    found: Iterator[Plan | None] = (
        _world_plan(calling_code) if region == _WORLD else plan_of(region)
        for region in COUNTRY_CODE_TO_REGION_CODE.get(calling_code, ())
    )
    return tuple(plan for plan in found if plan is not None)


def split_calling_code(digits: str) -> tuple[int, str] | None:
    """Calling code and national number; no code is the beginning of another (E.164 §6)."""
    for size in range(1, _LONGEST_CALLING_CODE + 1):
        code = int(digits[:size])
        if code in COUNTRY_CODE_TO_REGION_CODE:
            return code, digits[size:]
    return None


def _world_plan(calling_code: int) -> Plan | None:
    metadata = PhoneMetadata.metadata_for_nongeo_region(calling_code, None)
    return None if metadata is None else _compiled(metadata)


def _compiled(metadata: PhoneMetadata) -> Plan:
    formats = metadata.number_format
    prefix = metadata.national_prefix_for_parsing
    is_literal = prefix == metadata.national_prefix and not metadata.national_prefix_transform_rule
    return Plan(
        region=metadata.id,
        calling_code=metadata.country_code or 0,
        general=_shape(metadata.general_desc),
        special=tuple((name, _shape(getattr(metadata, name))) for name in _SPECIAL_TYPES),
        fixed=_shape(metadata.fixed_line),
        mobile=_shape(metadata.mobile),
        fixed_is_mobile=metadata.same_mobile_and_fixed_line_pattern,
        leading=_pattern(metadata.leading_digits),
        national_formats=tuple(_formats(formats, with_trunk_prefix=True)),
        international_formats=tuple(
            _formats(metadata.intl_number_format or formats, with_trunk_prefix=False)
        ),
        trunk_prefix=prefix if is_literal else None,
        trunk=_pattern(prefix) or _NOTHING,
        international_prefix=_pattern(metadata.international_prefix) or _NOTHING,
    )


def _pattern(source: str | None) -> re.Pattern[str] | None:
    return re.compile(source) if source else None


def _shape(desc: PhoneNumberDesc | None) -> _Shape:
    if desc is None or not desc.national_number_pattern:
        return _Shape(frozenset(), _NOTHING)
    return _Shape(frozenset(desc.possible_length), re.compile(desc.national_number_pattern))


def _formats(source: Iterable[NumberFormat], *, with_trunk_prefix: bool) -> Iterator[_Format]:
    for each in source:
        if each.pattern is None or each.format is None:
            continue
        template = each.format
        rule = each.national_prefix_formatting_rule
        if with_trunk_prefix and rule:
            template = _FIRST_GROUP.sub(rule, template, count=1)
        # The last of the leading patterns is the most detailed one.
        leading = each.leading_digits_pattern[-1] if each.leading_digits_pattern else None
        places = _GROUP.sub(lambda group: f"{{{int(group[1]) - 1}}}", template)
        yield _Format(_pattern(leading), re.compile(each.pattern), places)


def _written(formats: Iterable[_Format], number: str) -> str:
    for each in formats:
        text = each.write(number)
        if text is not None:
            return text
    return number
