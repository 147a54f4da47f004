"""How a checked string is declared to pydantic: its parser and what the JSON schema says of it."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """Metadata for `Annotated[str, …]`: `parse` reads the text and answers its canonical form.

    The schema's bounds and pattern describe the canonical form; a parser may read a little more,
    such as surrounding spaces. Only JSON strings are read, whatever the model's strictness.
    """

    parse: Callable[[str], str]
    max_length: int
    min_length: int = 1
    pattern: str | None = None
    format: str | None = None
    description: str | None = None
    examples: tuple[str, ...] = ()
    listed_in: str | None = None
    """Which list of `GET /v1/meta` holds all its values."""

    def __get_pydantic_core_schema__(
        self, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(
            self.parse, core_schema.str_schema(strict=True)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        members: JsonSchemaValue = {
            "format": self.format,
            "pattern": self.pattern,
            "minLength": self.min_length,
            "maxLength": self.max_length,
            "description": self.description,
            "examples": list(self.examples) or None,
            "x-listed-in": self.listed_in,
        }
        return handler(schema) | {k: v for k, v in members.items() if v is not None}
