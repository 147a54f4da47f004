"""One operation: its name, parameters, body, replies and security, from a route and its parts."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fastapi.dependencies.models import Dependant
from pydantic import BaseModel

from crm_api.core.deps import dependants_of, media_types_of, query_parameters_of
from crm_api.openapi import components as schemas
from crm_api.openapi import parts
from crm_api.openapi.examples import example_of

Json = dict[str, Any]

_DESCRIPTIONS: Final = {
    "200": "Success.",
    "201": "Created.",
    "202": "Accepted; `Location` tells where to follow it.",
    "204": "Done; there is no content.",
    "207": "Done; each item has its own result.",
    "304": "Not modified since the ETag that was sent.",
}
_ORDER: Final = (
    *("tags", "summary", "description", "operationId", "deprecated"),
    *("security", "x-required-scopes", "parameters", "requestBody", "responses"),
)
_FASTAPI_DESCRIPTION: Final = "Successful Response"
# FastAPI describes streams by `itemSchema`, which is a word of OpenAPI 3.2.
_STREAM_SCHEMA: Final = {"type": "string", "maxLength": 10_000_000, "pattern": "^[^\\u0000]*$"}


@dataclass(frozen=True, slots=True)
class Route:
    """What a route and its dependencies say about the operation."""

    path: str
    method: str
    name: str
    dependant: Dependant

    @property
    def body_model(self) -> type[BaseModel] | None:
        found = (getattr(each.call, "json_model", None) for each in dependants_of(self.dependant))
        return next((model for model in found if model is not None), None)

    @property
    def scopes(self) -> list[str] | None:
        """The scopes that the caller must hold; None where anybody may call.

        A dependency demands a caller by an attribute `security_scopes`, which may be empty, or by
        `Security(dependency, scopes=[…])` on the route.
        """
        found = [
            scopes
            for each in dependants_of(self.dependant)
            for scopes in (
                getattr(each.call, "security_scopes", None),
                each.own_oauth_scopes or None,
            )
            if scopes is not None
        ]
        return list(dict.fromkeys(scope for scopes in found for scope in scopes)) if found else None


class Operations:
    """Finishes the operations of one document, and remembers which shared parts they use."""

    def __init__(
        self, paths: Json, definitions: Json, bodies: Mapping[type[BaseModel], Json]
    ) -> None:
        self._paths = paths
        self._definitions = definitions
        self._bodies = bodies
        self.statuses: set[int] = set()
        self.headers: set[str] = set()
        self.findings: list[str] = []

    def finish(self, route: Route) -> None:
        operation = self._paths[route.path][route.method.lower()]
        operation["operationId"] = route.name
        if operation["summary"] == route.name.replace("_", " ").title():  # FastAPI's guess
            operation["summary"] = route.name.replace("_", " ").capitalize()
        operation.setdefault("description", f"{operation['summary']}.")
        if not operation.get("tags"):
            self.findings.append(f"{route.name} has no tag: give its router one")
        self._secure(route, operation)
        self._add_parameters(route, operation)
        self._add_body(route, operation)
        self._finish_replies(route, operation)
        for key in _ORDER:
            if key in operation:
                operation[key] = operation.pop(key)

    def finish_webhook(self, name: str, operation: Json) -> None:
        """What this service sends: its reader only says that it has arrived."""
        operation["operationId"] = name
        operation["summary"] = name.replace("_", " ").capitalize()
        operation.setdefault("description", f"{operation['summary']}.")
        operation["security"] = [{}]
        for parameter in operation.get("parameters", ()):
            self._finish_parameter(name, parameter)
        self._finish_declared_body(name, operation["requestBody"])
        operation["responses"] = {"2XX": {"description": "Received; any other status is retried."}}

    def _secure(self, route: Route, operation: Json) -> None:
        """Scopes stand beside `security`: there they are allowed to OAuth schemes only."""
        scopes = route.scopes
        if scopes is None:
            # Said aloud: this operation is for anybody.
            operation["security"] = [{"bearer": []}] if operation.get("security") else [{}]
            return
        operation["security"] = [{"bearer": []}]
        if scopes:
            operation["x-required-scopes"] = scopes
            needed = ", ".join(f"`{scope}`" for scope in scopes)
            operation["description"] += f"\n\nNeeds {needed}."

    # --- what is sent

    def _example(self, schema: Json, place: str) -> object:
        try:
            return example_of(schema, self._definitions, place)
        except ValueError as error:
            self.findings.append(str(error))
            return None

    def _add_parameters(self, route: Route, operation: Json) -> None:
        known = {(p["in"], p["name"]): p for p in operation.get("parameters", ())}
        for parameter in query_parameters_of(route.dependant):
            known[parameter["in"], parameter["name"]] = dict(parameter)
        for parameter in known.values():
            self._finish_parameter(route.name, parameter)
        if known:
            operation["parameters"] = list(known.values())

    def _finish_parameter(self, operation: str, parameter: Json) -> None:
        if parameter["in"] == "header":
            parameter["name"] = "-".join(p.capitalize() for p in parameter["name"].split("-"))
        name = parameter["name"]
        place = f"the parameter {name} of {operation}"
        if not parameter.get("description"):
            if parameter["in"] != "path" or not name.endswith("_id"):
                self.findings.append(f"{place} has no description")
            thing = name.removesuffix("_id").replace("_", " ")
            parameter["description"] = f"The id of the {thing}."
        schema = parameter["schema"] = schemas.without_null(parameter.get("schema", {}))
        schemas.finish(schema)
        if "example" not in parameter and "examples" not in parameter:
            parameter["example"] = self._example(schema, place)

    def _add_body(self, route: Route, operation: Json) -> None:
        model = route.body_model
        if model is None:
            if "requestBody" in operation:
                self._finish_declared_body(route.name, operation["requestBody"])
            return
        reference = self._bodies[model]
        schema = self._definitions[reference["$ref"].removeprefix(schemas.REF)]
        self._refuse_list(route, reference)
        content = {"schema": reference, "example": self._example(reference, "")}
        operation["requestBody"] = {
            "description": schema.get("description", f"{operation['summary']}: the body."),
            "required": True,
            "content": {name: dict(content) for name in media_types_of(route.method)},
        }

    def _finish_declared_body(self, name: str, body: Json) -> None:
        """A body that is no JSON, such as an upload: declared on the route itself."""
        body.setdefault("description", f"The body of {name}.")
        for content in body["content"].values():
            schemas.finish(content.setdefault("schema", {"type": "string", "format": "binary"}))
            if "example" not in content and "examples" not in content:
                content["example"] = self._example(content["schema"], name)

    # --- what is answered

    def _finish_replies(self, route: Route, operation: Json) -> None:
        declared: Json = operation["responses"]
        replies: Json = {}
        self._add_implied(operation, declared)
        for status in sorted(declared):
            if status[:1] in "23":
                replies[status] = self._finish_reply(route, operation, status, declared[status])
        errors = {int(status) for status in declared if status[:1] in "45" and status.isdigit()}
        for error in sorted(errors | self._errors_of(route, operation)):
            own = declared.get(str(error), {}).get("description", "")
            standard = own in ("", "Validation Error") or own in parts.STANDARD_PHRASES
            reply = parts.problem_ref(error) if standard else parts.problem_reply(error, own)
            self.statuses |= {error} if "$ref" in reply else set()
            self.headers |= parts.headers_of(error)
            replies[str(error)] = reply
        operation["responses"] = replies

    def _add_implied(self, operation: Json, declared: Json) -> None:
        """The successes that a parameter brings along: a dry run creates nothing, so is no 201."""
        names = _parameter_names(operation)
        if "dry_run" in names and "201" in declared:
            words = {"description": "With `dry_run`: what would be; nothing was stored."}
            declared.setdefault("200", copy.deepcopy(declared["201"]) | words)
        if "If-None-Match" in names:
            declared.setdefault("304", {})

    def _errors_of(self, route: Route, operation: Json) -> set[int]:
        """What may happen to any operation of this shape, whoever wrote its route."""
        errors = {400, 401, 414, 422, 429, 431, 500, 503}
        names = _parameter_names(operation)
        if "{" in route.path:
            errors.add(404)
        if route.scopes is not None:
            errors.add(403)
        if "requestBody" in operation:
            errors |= {413, 415}
        if route.method != "GET":
            errors.add(409)
        if "If-Match" in names:
            errors.add(412)
        return errors

    def _finish_reply(self, route: Route, operation: Json, status: str, reply: Json) -> Json:
        content: Json = reply.get("content", {})
        if content.get("application/json", {}).get("schema") == {}:
            content.pop("application/json")  # FastAPI's guess where no model is declared
        for media in content.values():
            if "itemSchema" in media:
                media.pop("itemSchema")
                media["schema"] = dict(_STREAM_SCHEMA)
            self._finish_media(route, status, media)
        given = reply.get("description", "")
        if not given or given == _FASTAPI_DESCRIPTION or given in parts.STANDARD_PHRASES:
            given = _DESCRIPTIONS.get(status, "Success.")
        names = self._reply_headers(route, operation, status, content)
        self.headers |= names - set(reply.get("headers", {}))
        headers = parts.header_refs(*(n for n in parts.HEADERS if n in names))
        result: Json = {"description": given, "headers": headers | reply.get("headers", {})}
        if content and status not in ("204", "304"):
            result["content"] = content
        return result | {key: value for key, value in reply.items() if key not in result}

    def _finish_media(self, route: Route, status: str, media: Json) -> None:
        schema = media.setdefault("schema", dict(_STREAM_SCHEMA))
        self._refuse_list(route, schema)
        schemas.finish(schema)
        if "example" not in media and "examples" not in media:
            place = f"the {status} of {route.name}"
            media["example"] = self._example(schema, place)

    def _refuse_list(self, route: Route, schema: Json) -> None:
        target = self._definitions.get(schema.get("$ref", "").removeprefix(schemas.REF), schema)
        if target.get("type") == "array":
            self.findings.append(f"{route.name} has a list as a whole body: make it an object")

    def _reply_headers(self, route: Route, operation: Json, status: str, content: Json) -> set[str]:
        names: set[str] = set(parts.COMMON_HEADERS)
        is_page = self._is_page(content)
        is_rehearsal = status == "200" and "201" in operation["responses"]
        if status in ("201", "304") or is_rehearsal or self._is_record(route, operation, content):
            names.add("ETag")
        if status in ("201", "202"):
            names.add("Location")
        if is_page and route.method == "GET":
            names.add("Link")
        if "Idempotency-Key" in _parameter_names(operation):
            names.add("Idempotency-Replayed")
        if operation.get("deprecated"):
            names |= {"Deprecation", "Sunset"}
        return names

    def _is_record(self, route: Route, operation: Json, content: Json) -> bool:
        """Whether one record is answered as the caller sees it: its path, parameters or fields."""
        if "application/json" not in content or self._is_page(content):
            return False
        parts_of = self._properties(content).values()
        return (
            route.path.endswith("}")
            or bool(_parameter_names(operation) & {"If-Match", "If-None-Match"})
            or any("x-access" in part for part in parts_of)
        )

    def _is_page(self, content: Json) -> bool:
        return "next_cursor" in self._properties(content)

    def _properties(self, content: Json) -> Json:
        reference = content.get("application/json", {}).get("schema", {}).get("$ref", "")
        schema = self._definitions.get(reference.removeprefix(schemas.REF), {})
        properties: Json = schema.get("properties", {})
        return properties


def _parameter_names(operation: Json) -> set[str]:
    return {parameter["name"] for parameter in operation.get("parameters", ())}
