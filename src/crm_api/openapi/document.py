"""Builds the document: an operation for each route, in the conventions that its readers rely on."""

from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from crm_api.openapi import components as schemas
from crm_api.openapi import parts
from crm_api.openapi.operations import Operations, Route

Json = dict[str, Any]


def build_document(app: FastAPI) -> Json:
    """The OpenAPI 3.1 document of all routes of `app` that are in its schema.

    Read from a route: its name, docstring, tags and `responses`; from its dependencies:
    `json_model` (the body), `query_parameters` (ready parameter objects, headers too) and
    `security_scopes`. Raises ValueError for what a person must decide: two operations or models
    of one name, a list as a whole body, a parameter without a description.
    """
    routes = list(_routes(app))
    document = _base(app)
    components = document.setdefault("components", {})
    bodies = {model for route in routes if (model := route.body_model) is not None}
    references, requests = schemas.request_schemas(sorted(bodies, key=lambda m: m.__qualname__))
    answers = schemas.named_plainly(components.get("schemas", {}), document)
    for stray in ("HTTPValidationError", "ValidationError"):
        answers.pop(stray, None)
    requests = schemas.named_plainly(requests, references)
    definitions = schemas.merged(answers, requests, list(references.values()))
    for schema in definitions.values():
        schemas.finish(schema)
    builder = Operations(document["paths"], definitions, references)
    for route in routes:
        builder.finish(route)
    hooks = document.get("webhooks", {})
    for context in iter_route_contexts(app.webhooks.routes):
        for method in context.methods or ():
            builder.finish_webhook(str(context.name), hooks[context.path_format][method.lower()])
    if builder.findings:
        raise ValueError("\n".join(dict.fromkeys(builder.findings)))
    used = schemas.reachable(definitions, document["paths"], hooks)
    components["schemas"] = dict(sorted((used | parts.PROBLEM_SCHEMAS).items()))
    components["headers"] = {n: parts.HEADERS[n] for n in sorted(builder.headers)}
    components["responses"] = parts.shared_replies(builder.statuses)
    components["securitySchemes"] = parts.SECURITY_SCHEMES
    document["tags"] = _tags(app, document["paths"], hooks)
    return document


def made_up_bounds(app: FastAPI) -> list[str]:
    """Places in request bodies whose bounds only the document knows; a gate wants none."""
    bodies = {model for route in _routes(app) if (model := route.body_model) is not None}
    _, definitions = schemas.request_schemas(sorted(bodies, key=lambda m: m.__qualname__))
    return [f"{name}{place}" for name, s in definitions.items() for place in schemas.unbounded(s)]


def _routes(app: FastAPI) -> Iterator[Route]:
    taken: dict[str, str] = {}
    for context in iter_route_contexts(app.routes):
        if not isinstance(context.original_route, APIRoute) or not context.include_in_schema:
            continue
        for method in sorted(context.methods or ()):
            name = str(context.name)
            place = f"{method} {context.path_format}"
            if name in taken:
                raise ValueError(f"{place} and {taken[name]} are both named {name}")
            taken[name] = place
            yield Route(str(context.path_format), method, name, context.dependant)


def _base(app: FastAPI) -> Json:
    return get_openapi(
        title=app.title,
        version=app.version,
        openapi_version="3.1.0",
        summary=app.summary,
        description=app.description or app.title,
        routes=app.routes,
        webhooks=app.webhooks.routes,
        servers=app.servers or parts.SERVERS,
        contact=app.contact or parts.CONTACT,
        license_info=app.license_info or parts.LICENSE,
        terms_of_service=app.terms_of_service,
    )


def _tags(app: FastAPI, paths: Json, hooks: Json) -> list[Json]:
    """The tags that are used, in the order of the routes, described by the app where it does."""
    described = {tag["name"]: tag for tag in app.openapi_tags or ()}
    operations = [op for path in (*paths.values(), *hooks.values()) for op in path.values()]
    used = dict.fromkeys(tag for operation in operations for tag in operation.get("tags", ()))
    return [
        described.get(tag, {"name": tag, "description": f"Everything about {tag}."}) for tag in used
    ]
