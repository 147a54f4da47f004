"""What text may be stored: bounded, trimmed, NFC, without control characters."""

import re
import unicodedata
from dataclasses import dataclass
from typing import Annotated, Final, Literal

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema

from crm_api.core.formats.faults import refuse

# Never stored: bidirectional overrides, which make one text read as another (UTS 36 §3.3), lone
# surrogates, which UTF-8 cannot carry, and U+FFFE/U+FFFF, which XML (so XLSX) cannot.
_NOWHERE: Final = r"\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff"
_LINE_BREAKS: Final = r"\u2028\u2029"
# C0 (NUL, which PostgreSQL refuses, among them), DEL and C1; Prose keeps tab and newline.
_NOT_IN_LINE: Final = re.compile(rf"[\x00-\x1f\x7f-\x9f{_LINE_BREAKS}{_NOWHERE}]")
_NOT_IN_PROSE: Final = re.compile(rf"[\x00-\x08\x0b-\x1f\x7f-\x9f{_LINE_BREAKS}{_NOWHERE}]")
# Something to see: neither a space, nor zero-width, nor one of the blank letters and patterns.
_VISIBLE: Final = re.compile(
    r"[^\s\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060-\u206f\u2800"
    r"\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb\U000e0000-\U000e0fff]"
)

# The same rules for the JSON schema. Surrogates cannot stand in a pattern that every reader takes.
_SCHEMA_BIDI: Final = r"\u202a-\u202e\u2066-\u2069"
LINE_PATTERN: Final = rf"^[^\u0000-\u001f\u007f-\u009f\u2028\u2029{_SCHEMA_BIDI}]*$"
FILLED_LINE_PATTERN: Final = (
    rf"^ *[^\s\u0000-\u001f\u007f-\u009f{_SCHEMA_BIDI}]"
    rf"[^\u0000-\u001f\u007f-\u009f\u2028\u2029{_SCHEMA_BIDI}]*$"
)
PROSE_PATTERN: Final = (
    rf"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\u2028\u2029{_SCHEMA_BIDI}]*$"
)

# UAX 15 §12 (Stream-Safe Text): more marks on one letter are no language. Normalizing longer runs
# takes time quadratic in their length.
_MARKS_IN_A_ROW: Final = 30
# One letter of NFC has at most four code points before, so longer text cannot become short enough;
# the rest is room for surrounding spaces.
_SHRINKAGE: Final = 4
_ROOM_FOR_SPACES: Final = 1024


def normalized(form: Literal["NFC", "NFKC"], value: str) -> str:
    """`value` in a Unicode normal form; ValueError where a letter carries more than 30 marks."""
    if value.isascii() or unicodedata.is_normalized(form, value):
        return value
    run = 0
    for char in value:
        run = run + 1 if unicodedata.combining(char) else 0
        if run > _MARKS_IN_A_ROW:
            raise refuse("invalid_text", "Use at most 30 combining marks on one letter.")
    return unicodedata.normalize(form, value)


def is_visible(value: str) -> bool:
    """Whether a reader would see anything."""
    return _VISIBLE.search(value) is not None


def has_control(value: str) -> bool:
    """Whether the text holds a character that no single line may hold."""
    return not (value.isascii() and value.isprintable()) and bool(_NOT_IN_LINE.search(value))


def typewritten(value: str) -> str:
    """Digits, dashes and spaces of any script as ASCII, invisible marks dropped: for numbers.

    Address books put direction marks around numbers, and keyboards of other scripts digits in them.
    The caller bounds the length before.
    """
    if value.isascii():
        return value
    plain = []
    for char in normalized("NFKC", value):
        category = unicodedata.category(char)
        if category == "Nd":
            plain.append(str(unicodedata.decimal(char)))
        elif category == "Pd" or char == "\u2212":
            plain.append("-")
        elif category == "Zs":
            plain.append(" ")
        elif category != "Cf":
            plain.append(char)
    return "".join(plain)


@dataclass(frozen=True)
class _Text:
    """Metadata for `Annotated[str, …]`. Lengths count after trimming and NFC."""

    min_length: int
    max_length: int
    several_lines: bool

    def parse(self, value: str) -> str:
        """The text as it is stored, or ValueError."""
        if len(value) > self.max_length * _SHRINKAGE + _ROOM_FOR_SPACES:
            raise self._too_long()
        if value.isascii() and value.isprintable():
            text = value.strip()
            if text and self.min_length <= len(text) <= self.max_length:
                return text
        else:
            value = self._without_control(value)
        text = normalized("NFC", value.strip())
        if len(text) > self.max_length:
            raise self._too_long()
        if len(text) < self.min_length:
            raise PydanticKnownError("string_too_short", {"min_length": self.min_length})
        if self.min_length and not is_visible(text):
            raise refuse("invalid_text", "Write at least one visible character.")
        return text

    def _without_control(self, value: str) -> str:
        if not self.several_lines:
            if _NOT_IN_LINE.search(value):
                raise refuse(
                    "invalid_text",
                    "Write one line without control characters or direction overrides.",
                )
            return value
        lines = value.replace("\r\n", "\n")
        if _NOT_IN_PROSE.search(lines):
            raise refuse("invalid_text", "Leave out control characters and direction overrides.")
        return lines

    def _too_long(self) -> PydanticKnownError:
        return PydanticKnownError("string_too_long", {"max_length": self.max_length})

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            self.parse, core_schema.str_schema(strict=True)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        line = FILLED_LINE_PATTERN if self.min_length else LINE_PATTERN
        return handler(schema) | {
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "pattern": PROSE_PATTERN if self.several_lines else line,
        }


class Line(_Text):
    """One line of text: `Annotated[str, Line(1, 200)]`."""

    def __init__(self, min_length: int, max_length: int) -> None:
        super().__init__(min_length, max_length, several_lines=False)


class Prose(_Text):
    """Text of several lines, each ended by LF alone: `Annotated[str, Prose(4000)]`."""

    def __init__(self, max_length: int, min_length: int = 0) -> None:
        super().__init__(min_length, max_length, several_lines=True)


Key = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_]*$"),
]
AttributeKey = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=64, pattern=r"^[a-z][a-z0-9_.\-]*$"),
]
