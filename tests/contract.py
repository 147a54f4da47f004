"""Whether a reply is what the document says: status, media type, body, headers. No expectations.

Stricter than the document is to its readers: a property that no schema names is a fault here, since
who generates a client from the document will never see it. Problems alone may carry more, which
their pages describe.
"""

import copy
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import jsonschema_rs

from crm_api.core.config import Settings
from crm_api.core.cors import EXPOSED
from crm_api.core.errors import PROBLEMS
from crm_api.main import create_app
from crm_api.openapi.document import build_document

Json = dict[str, Any]
DOCUMENT = "urn:document"
PROBLEM = "application/problem+json"
STANDARD = frozenset({"type", "title", "status", "detail", "code", "request_id", "errors"})
OPEN_SCHEMAS = frozenset({"Problem"})
"""Components that may carry members which no schema names."""


@cache
def product_document() -> Json:
    """The document as the application serves it; it depends on no setting."""
    return build_document(create_app(Settings(secret_key="0" * 64)))  # type: ignore[arg-type]  # pydantic makes it a secret


@cache
def product_contract() -> "Contract":
    return Contract(product_document())


def words_first(path: str) -> list[bool]:
    """`/clients/by-ref/{source}/{id}` before `/clients/{id}/contacts/{link}`, as it is routed."""
    return ["{" in part for part in path.split("/")]


JSON_MEDIA = frozenset({"application/json", PROBLEM})
"""Bodies that are one JSON value; `application/x-ndjson` is one for each line."""


class Contract:
    """One document, its validators compiled once and kept."""

    def __init__(self, document: Json) -> None:
        self._document = closed(document)
        self._registry = jsonschema_rs.Registry([(DOCUMENT, self._document)])
        self._paths = [
            (re.compile(re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(path))), path)
            for path in sorted(document["paths"], key=words_first)
        ]
        self._validators: dict[str, Any] = {}
        self._replies: dict[tuple[str, str, int], Json | None] = {}

    def faults(
        self, method: str, path: str, status: int, headers: Mapping[str, str], body: str
    ) -> list[str]:
        """What the document does not say of this reply, empty when it keeps the contract."""
        known = (method, self.template_of(path) or "", status)
        if known not in self._replies:
            self._replies[known] = self._reply(*known)
        reply = self._replies[known]
        if reply is None:
            return [f"{status} is not documented"]
        return [
            *self._header_faults(reply, headers),
            *self._body_faults(reply, headers, "" if method == "HEAD" else body),
        ]

    def template_of(self, path: str) -> str | None:
        """The documented path that this one is an instance of, words before holes."""
        found = (template for pattern, template in self._paths if pattern.fullmatch(path))
        return next(found, None)

    def at(self, pointer: str) -> Json:
        """A part of the document by its JSON pointer, such as `#/components/schemas/Client`."""
        found: Any = self._document
        for part in pointer.removeprefix("#/").split("/"):
            found = found[part.replace("~1", "/").replace("~0", "~")]
        return self.at(found["$ref"]) if "$ref" in found else dict(found)

    def schema_faults(self, schema: Json, value: Any) -> list[str]:
        """Where a value is not what a schema of the document says."""
        key = json.dumps(schema, sort_keys=True)
        validator = self._validators.get(key)
        if validator is None:
            validator = self._validators[key] = jsonschema_rs.Draft202012Validator(
                _absolute(schema), registry=self._registry, validate_formats=True
            )
        if validator.is_valid(value):
            return []
        return [
            f"/{'/'.join(map(str, error.instance_path))}: {error.message[:300]}"
            for error in validator.iter_errors(value)
        ]

    # --- parts

    def _reply(self, method: str, template: str, status: int) -> Json | None:
        operations = self._document["paths"].get(template, {})
        operation = operations.get("get" if method == "HEAD" else method.lower())
        if operation is None:
            # No operation has it; what remains is the refusal of any path or method.
            schema = {"$ref": "#/components/schemas/Problem"}
            is_refusal = 400 <= status < 500
            return {"content": {PROBLEM: {"schema": schema}}} if is_refusal else None
        found = operation["responses"].get(str(status))
        if found is None:
            return None
        return self.at(found["$ref"]) if "$ref" in found else dict(found)

    def _body_faults(self, reply: Json, headers: Mapping[str, str], body: str) -> Iterator[str]:
        content: Json = reply.get("content", {})
        media = headers.get("content-type", "").partition(";")[0]
        if not content:
            if body:
                yield f"a body of {media} where none is documented"
            return
        if media not in content and "*/*" not in content:
            yield f"{media or 'no media type'}, documented is {', '.join(content)}"
        elif body and media in JSON_MEDIA:
            value = json.loads(body)
            yield from self.schema_faults(content[media]["schema"], value)
            if media == PROBLEM:
                yield from _untold_members(value)

    def _header_faults(self, reply: Json, headers: Mapping[str, str]) -> Iterator[str]:
        documented: Json = reply.get("headers", {})
        for name, header in documented.items():
            about = self.at(header["$ref"]) if "$ref" in header else header
            sent = headers.get(name)
            if sent is None:
                # Of refusals a 412 has it, but for that of a batch.
                if about.get("required") or (name == "ETag" and not _is_refusal(reply)):
                    yield f"the header {name} is missing"
                continue
            for fault in self.schema_faults(about["schema"], _read(about["schema"], sent)):
                yield f"the header {name}{fault}"
        if documented:
            yield from (
                f"the header {name} is not documented"
                for name in EXPOSED
                if name in headers and name not in documented
            )


def _untold_members(problem: Json) -> Iterator[str]:
    """What a problem carries that its page does not describe; and the page is that of its code."""
    code = str(problem.get("code"))
    if code not in PROBLEMS:
        yield f"the code {code} has no page"
        return
    if not problem["type"].endswith(f"/problems/{code.replace('_', '-')}"):
        yield f"the type {problem['type']} is not the page of {code}"
    for name in problem.keys() - STANDARD - PROBLEMS[code].members.keys():
        yield f"the page of {code} does not describe the member {name}"


def _is_refusal(reply: Json) -> bool:
    return PROBLEM in reply.get("content", {})


def _read(schema: Json, text: str) -> Any:
    """A header's value as its schema sees it (style `simple`)."""
    kind = schema.get("type")
    if kind == "integer":
        return int(text) if re.fullmatch(r"-?[0-9]+", text) else text
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    return text


def closed(document: Json) -> Json:
    """A copy in which no object takes a property that its schema does not name."""
    result = copy.deepcopy(document)
    for name, schema in result["components"]["schemas"].items():
        if name not in OPEN_SCHEMAS:
            _close(schema)
    for path in result["paths"].values():
        for operation in path.values():
            for reply in operation["responses"].values():
                for media in reply.get("content", {}).values():
                    _close(media.get("schema", {}))
    return result


def _close(schema: Any) -> None:
    if isinstance(schema, list):
        for part in schema:
            _close(part)
    elif isinstance(schema, dict):
        if isinstance(schema.get("properties"), dict):
            schema.setdefault("unevaluatedProperties", False)
        for key, part in schema.items():
            if key not in ("examples", "example", "default", "enum", "const"):
                _close(part)


def _absolute(schema: Any) -> Any:
    """The schema with references into the document that the registry holds."""
    if isinstance(schema, list):
        return [_absolute(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: f"{DOCUMENT}{part}" if key == "$ref" else _absolute(part)
        for key, part in schema.items()
    }
