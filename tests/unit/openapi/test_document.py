"""The document has no defect of the framework's making, and refuses those a person makes."""

import json
from collections.abc import Iterator
from functools import cache
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from fastapi import APIRouter, Depends, FastAPI, Query, Security
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pydantic import BaseModel, ConfigDict, Field, RootModel

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.openapi.document import build_document, made_up_bounds
from tests.unit.http.toy import toy_app

Json = dict[str, Any]


@cache
def _text() -> str:
    return json.dumps(build_document(toy_app()))


def document() -> Json:
    loaded: Json = json.loads(_text())
    return loaded


def operations() -> Iterator[tuple[str, Json]]:
    for path, methods in document()["paths"].items():
        for method, operation in methods.items():
            yield f"{method} {path}", operation


def resolved(value: Json) -> Json:
    while "$ref" in value:
        found: Any = document()
        for part in value["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        value = found
    return value


def schemas(value: Any) -> Iterator[Json]:
    """Every schema, found by its `type`; examples have none in this application."""
    if isinstance(value, dict):
        if isinstance(value.get("type"), str) and value["type"] in (
            *("string", "integer", "array", "object", "number", "boolean"),
        ):
            yield value
        for part in value.values():
            yield from schemas(part)
    elif isinstance(value, list):
        for part in value:
            yield from schemas(part)


def test_it_is_valid() -> None:
    validate(document())


def test_it_is_the_same_each_time() -> None:
    assert json.dumps(build_document(toy_app())) == _text()


def test_its_head_is_complete() -> None:
    head = document()
    assert head["info"].keys() >= {"title", "version", "description", "contact", "license"}
    assert head["servers"]
    assert [tag["name"] for tag in head["tags"]] == ["widgets", "sign-in", "webhooks"]


def test_operations_are_named_as_their_handlers() -> None:
    names = {place: operation["operationId"] for place, operation in operations()}
    assert names["get /v1/widgets"] == "list_widgets"
    assert names["patch /v1/widgets/{widget_id}"] == "patch_widget"
    summaries = {operation["operationId"]: operation["summary"] for _, operation in operations()}
    assert summaries["list_widgets"] == "List widgets"


def test_errors_are_problems_and_nothing_else() -> None:
    for place, operation in operations():
        for status, reply in operation["responses"].items():
            if status[0] in "45":
                content = resolved(reply)["content"]
                assert list(content) == ["application/problem+json"], f"{place} {status}"
                schema = content["application/problem+json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/Problem"}
    assert "ValidationError" not in _text()


def test_each_shape_of_operation_has_its_errors() -> None:
    found = {op["operationId"]: op["responses"].keys() for _, op in operations()}
    everywhere = {"400", "401", "414", "422", "429", "431", "500", "503"}
    assert found["list_widgets"] == everywhere | {"200", "403"}
    assert found["get_widget"] == everywhere | {"200", "304", "403", "404"}
    assert found["create_widget"] == everywhere | {"201", "403", "409", "413", "415"}
    assert found["patch_widget"] == everywhere | {
        *("200", "403", "404", "409", "412", "413", "415"),
    }
    assert found["delete_widget"] == everywhere | {"204", "403", "404", "409", "412"}
    assert found["login"] == everywhere | {"200", "409", "413", "415"}


def test_a_routes_own_words_about_an_error_are_kept() -> None:
    (operation,) = [op for _, op in operations() if op["operationId"] == "patch_widget"]
    assert operation["responses"]["409"]["description"] == "The name is taken."
    assert list(operation["responses"]["409"]["content"]) == ["application/problem+json"]


def test_no_empty_schema_stands_beside_a_real_one() -> None:
    for place, operation in operations():
        for status, reply in operation["responses"].items():
            for media in resolved(reply).get("content", {}).values():
                assert media["schema"], f"{place} {status}"
    (export,) = [op for _, op in operations() if op["operationId"] == "export_widgets"]
    assert list(export["responses"]["200"]["content"]) == ["text/csv"]
    (delete,) = [op for _, op in operations() if op["operationId"] == "delete_widget"]
    assert "content" not in delete["responses"]["204"]


def test_everything_is_bounded() -> None:
    for schema in schemas(document()):
        if schema["type"] == "string" and not schema.keys() & {"enum", "const"}:
            assert "maxLength" in schema
            assert schema.keys() & {"format", "pattern"}
        if schema["type"] == "integer":
            assert schema.keys() >= {"minimum", "maximum", "format"}
        if schema["type"] == "array":
            assert "maxItems" in schema
        if schema.get("additionalProperties") is True:
            assert "maxProperties" in schema


def test_bodies_and_parameters_have_a_description_and_a_valid_example() -> None:
    definitions = {"components": document()["components"]}
    for place, operation in operations():
        examples = [(p["schema"], p["example"]) for p in operation.get("parameters", ())]
        for parameter in operation.get("parameters", ()):
            assert parameter["description"], place
            assert "null" not in json.dumps(parameter["schema"]), "a parameter is left out"
        if "requestBody" in operation:
            assert operation["requestBody"]["description"]
            assert operation["requestBody"]["required"]
            media = operation["requestBody"]["content"].values()
            examples += [(each["schema"], each["example"]) for each in media]
        for reply in operation["responses"].values():
            for each in resolved(reply).get("content", {}).values():
                examples.append((each["schema"], each["example"]))
        for schema, example in examples:
            Draft202012Validator({**definitions, **schema}).validate(example)


def test_a_merge_is_documented_under_both_its_names() -> None:
    bodies = {op["operationId"]: op.get("requestBody", {}) for _, op in operations()}
    both = ["application/merge-patch+json", "application/json"]
    assert list(bodies["patch_widget"]["content"]) == both
    assert list(bodies["create_widget"]["content"]) == ["application/json"]


def test_ready_made_parameters_are_there_and_headers_are_spelt_as_always() -> None:
    parameters = {
        op["operationId"]: [p["name"] for p in op.get("parameters", ())] for _, op in operations()
    }
    assert parameters["list_widgets"] == ["limit", "tags", "created_at[gte]"]
    assert parameters["create_widget"] == ["Idempotency-Key"]
    assert parameters["patch_widget"] == ["widget_id", "If-Match"]


def test_replies_name_the_headers_they_carry() -> None:
    headers = {
        op["operationId"]: {
            s: set(resolved(r).get("headers", ())) for s, r in op["responses"].items()
        }
        for _, op in operations()
    }
    always = {"X-Request-Id", "RateLimit", "RateLimit-Policy"}
    for replies in headers.values():
        assert all(found >= always for found in replies.values())
    assert headers["list_widgets"]["200"] == always | {"Link"}
    assert headers["get_widget"]["200"] == always | {"ETag"}
    assert headers["create_widget"]["201"] == always | {"ETag", "Location", "Idempotency-Replayed"}
    assert headers["delete_widget"]["204"] == always
    assert headers["login"]["200"] == always
    assert headers["list_widgets"]["429"] == always | {"Retry-After"}
    assert headers["list_widgets"]["401"] == always | {"WWW-Authenticate"}


def test_each_operation_says_who_may_call_it() -> None:
    security = {op["operationId"]: op["security"] for _, op in operations()}
    scopes = {op["operationId"]: op.get("x-required-scopes") for _, op in operations()}
    assert security["create_widget"] == [{"bearer": []}]
    assert scopes["create_widget"] == ["widget:write"]
    assert security["login"] == [{}]
    assert scopes["login"] is None
    assert document()["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


def test_rights_stand_at_their_property() -> None:
    properties = document()["components"]["schemas"]["Widget"]["properties"]
    assert properties["name"]["x-access"] == {"read": ["name"], "write": ["name"]}
    assert properties["id"]["x-access"] == {"read": ["*"]}
    assert "x-access" not in document()["components"]["schemas"]["Widget"]


def test_nothing_unused_is_left_and_no_name_is_derived() -> None:
    components = document()["components"]
    for kind in ("schemas", "responses", "headers"):
        for name in components[kind]:
            assert f"#/components/{kind}/{name}" in _text(), f"{kind}/{name} is not used"
            assert name.replace("-", "").isalnum()
            assert not name.endswith(("-Input", "-Output"))
    assert '"title": "' not in json.dumps(components["schemas"]["Widget"])


def test_a_webhook_is_described() -> None:
    hook = document()["webhooks"]["widget.created"]["post"]
    assert hook["operationId"] == "widget_created"
    assert hook["requestBody"]["content"]["application/json"]["example"]["name"]
    assert list(hook["responses"]) == ["2XX"]


# --- what a person must decide


class Inner(BaseModel):
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)
    kind: Literal["a", "b"] = "a"


class Outer(BaseModel):
    inner: Inner
    note: str = ""


class Generic(RootModel[list[int]]):
    pass


def _app(*routes: APIRouter) -> FastAPI:
    app = FastAPI()
    for router in routes:
        app.include_router(router)
    return app


def test_what_differs_between_sending_and_receiving_has_two_names() -> None:
    router = APIRouter(tags=["x"])

    @router.post("/things", status_code=201, responses={201: {"model": Outer}})
    async def create_thing(body: Annotated[Incoming[Outer], Depends(JsonBody(Outer))]) -> None: ...

    built = build_document(_app(router))
    found = built["components"]["schemas"]
    assert {"Inner", "InnerRequest", "Outer", "OuterRequest"} <= found.keys()
    assert found["Inner"]["required"] == ["kind"]
    assert "required" not in found["InnerRequest"]
    inner = found["OuterRequest"]["properties"]["inner"]
    assert inner == {"$ref": "#/components/schemas/InnerRequest"}
    validate(built)
    assert made_up_bounds(_app(router)) == ["Outer/note: a string without maxLength"]


def test_the_frameworks_own_way_to_name_scopes_is_read_too() -> None:
    async def caller() -> None: ...

    router = APIRouter(tags=["x"])

    @router.get("/things", dependencies=[Security(caller, scopes=["thing:read"])])
    async def list_things() -> None: ...

    operation = build_document(_app(router))["paths"]["/things"]["get"]
    assert operation["security"] == [{"bearer": []}]
    assert operation["x-required-scopes"] == ["thing:read"]


def test_a_property_may_name_the_model_that_it_expands_to() -> None:
    class Link(BaseModel):
        inner: Annotated[dict[str, Any] | None, Field(json_schema_extra={"x-ref": "Inner"})] = None

    router = APIRouter(tags=["x"])

    @router.get("/inner", responses={200: {"model": Inner}})
    async def get_inner() -> None: ...

    @router.get("/link", responses={200: {"model": Link}})
    async def get_link() -> None: ...

    found = build_document(_app(router))["components"]["schemas"]
    reference = {"$ref": "#/components/schemas/Inner"}
    assert found["Link"]["properties"]["inner"] == {"anyOf": [reference, {"type": "null"}]}


def test_all_that_a_person_must_decide_is_said_at_once() -> None:
    router = APIRouter()

    @router.get("/things", responses={200: {"model": list[Inner]}})
    async def list_things(flavour: Annotated[str | None, Query()] = None) -> None: ...

    with pytest.raises(ValueError, match=r"tag(?s:.)*description(?s:.)*list as a whole body"):
        build_document(_app(router))


def test_two_operations_of_one_name_are_refused() -> None:
    one, other = APIRouter(prefix="/a", tags=["x"]), APIRouter(prefix="/b", tags=["x"])
    for router in (one, other):

        @router.get("/things")
        async def list_things() -> None: ...

    with pytest.raises(ValueError, match="both named list_things"):
        build_document(_app(one, other))


def test_a_list_as_a_whole_body_is_refused() -> None:
    router = APIRouter(tags=["x"])

    @router.get("/things", responses={200: {"model": list[Inner]}})
    async def list_things() -> None: ...

    with pytest.raises(ValueError, match="list as a whole body"):
        build_document(_app(router))


def test_a_list_as_a_whole_request_is_refused() -> None:
    router = APIRouter(tags=["x"])

    @router.post("/things")
    async def post_things(body: Annotated[Any, Depends(JsonBody(Generic))]) -> None: ...

    with pytest.raises(ValueError, match="list as a whole body"):
        build_document(_app(router))


def test_a_parameter_without_a_description_is_refused() -> None:
    router = APIRouter(tags=["x"])

    @router.get("/things")
    async def list_things(flavour: Annotated[str | None, Query()] = None) -> None: ...

    with pytest.raises(ValueError, match="flavour of list_things has no description"):
        build_document(_app(router))


def test_an_operation_without_a_tag_is_refused() -> None:
    router = APIRouter()

    @router.get("/things/{thing_id}")
    async def get_thing(thing_id: UUID) -> None: ...

    with pytest.raises(ValueError, match="get_thing has no tag"):
        build_document(_app(router))


def test_a_pattern_without_an_example_is_refused() -> None:
    class Code(BaseModel):
        code: Annotated[str, Field(pattern="^[A-Z]{3}-[0-9]+$")]

    router = APIRouter(tags=["x"])

    @router.post("/codes")
    async def post_code(body: Annotated[Incoming[Code], Depends(JsonBody(Code))]) -> None: ...

    with pytest.raises(ValueError, match=r"Code\.code has a pattern"):
        build_document(_app(router))
