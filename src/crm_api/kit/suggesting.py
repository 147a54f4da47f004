"""Suggestions while somebody types: a few hits, each with what was hit, in one small statement."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import ColumnElement, FromClause, Integer, bindparam, case, func, literal, select
from sqlalchemy.dialects.postgresql import aggregate_order_by, distinct_on

from crm_api.core.access import Rights
from crm_api.core.db import Statement
from crm_api.kit.fields import mask_of
from crm_api.kit.guard import ORG, GuardKind, guard, guard_values, require_ok
from crm_api.kit.projection import Shape, Sources, as_json
from crm_api.kit.query import ListReader
from crm_api.kit.reading import open_rows
from crm_api.kit.scope import Scope
from crm_api.kit.search import SUGGESTED, SearchTerms, hits, searchable

DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS = 10, 20


def _not_required(schema: dict[str, Any]) -> None:
    schema.pop("required", None)


class Suggestion(BaseModel):
    """A record that holds what was typed; a key that the caller may not read is absent."""

    model_config = ConfigDict(json_schema_extra=_not_required)

    id: Annotated[UUID, Field(description="The record.")]
    name: Annotated[str, Field(max_length=200, description="Its name.", examples=["Jinja Bakery"])]
    lifecycle: Annotated[Literal["live"], Field(description="Only live records are suggested.")]
    matched: Annotated[
        Literal["name", "number", "email", "phone", "contact"],
        Field(description="What holds it; `name` also where it is misspelt."),
    ]
    snippet: Annotated[str | None, Field(max_length=254, description="The text that was hit.")]


S = TypeVar("S", bound=Suggestion)


class Suggestions(BaseModel, Generic[S]):
    """The best hits, the best first."""

    data: Annotated[list[S], Field(max_length=MAX_SUGGESTIONS)]


@dataclass(frozen=True, eq=False)
class Suggesting:
    """How records of one kind are suggested."""

    shape: Shape
    search: str
    names: tuple[str, ...]
    """The fields that a suggestion shows, as far as they are read."""
    snippets: Mapping[str, tuple[str, Callable[[FromClause], ColumnElement[str]]]]
    """What was hit → the column of the search row, and the text that was hit there."""


def asked_for(reader: ListReader, items: Sequence[tuple[str, str]]) -> tuple[SearchTerms, int]:
    """The term and the limit of a request for suggestions.

    Raises:
        Refusal: 403 for who can find by nothing; 422 for faults, all at once.
    """
    single = reader.singles(items, ("q", "limit", "explain"))
    terms = reader.terms(single.get("q"))
    limit = reader.limit(single.get("limit"), DEFAULT_SUGGESTIONS, MAX_SUGGESTIONS)
    reader.raise_any()
    return terms, limit


@lru_cache(maxsize=256)
def _suggest(suggesting: Suggesting, rights: Rights, kind: GuardKind, *, ranked: bool) -> Statement:
    shape, main = suggesting.shape, suggesting.shape.table
    found = hits(suggesting.search)
    rank = found.c.rank.collate("C").label("rank")
    each = (
        select(found.c.id, found.c.matched, rank)
        .ext(distinct_on(found.c.id))
        .order_by(found.c.id, rank)
        .subquery("each")
    )
    limit = bindparam("limit", type_=Integer())
    best = select(each).order_by(each.c.rank, each.c.id).limit(limit).subquery("best")
    names = [name for name in mask_of(shape.resource, rights).read if name in suggesting.names]
    columns = searchable(shape.resource, rights)
    texts = [
        (best.c.matched == literal(what), text(main))
        for what, (column, text) in suggesting.snippets.items()
        if column in columns
    ]
    inner = select(
        *shape.columns(Sources(main), rights, names),
        best.c.matched.label("matched"),
        case(*texts).label("snippet"),
        *([best.c.rank.label("rank")] if ranked else []),
    ).correlate(main, best)
    document = as_json(inner).correlate(main, best).scalar_subquery()
    in_order = aggregate_order_by(literal(","), best.c.rank, best.c.id)
    rows = main.join(best, best.c.id == main.c.id)
    data = select(func.string_agg(document, in_order)).select_from(rows)
    data = data.where(
        main.c.organization_id == ORG, main.c.lifecycle == "live", *open_rows(shape, rights)
    )
    return Statement(select(guard(kind).label("ok"), data.scalar_subquery().label("data")))


async def suggest(scope: Scope, suggesting: Suggesting, terms: SearchTerms, limit: int) -> str:
    """The body: the best live records, as far as the caller reads them."""
    return f'{{"data":{await suggested(scope, suggesting, terms, limit)}}}'


async def suggested(
    scope: Scope, suggesting: Suggesting, terms: SearchTerms, limit: int, *, ranked: bool = False
) -> str:
    """The same as a JSON list; with the rank of each, for who sets other hits beside them."""
    actor = scope.actor
    statement = _suggest(suggesting, actor.rights, actor.kind, ranked=ranked)
    values = guard_values(actor) | terms.values(("live",), SUGGESTED) | {"limit": limit}
    row = await scope.db.fetchrow(actor.organization_id, statement, values)
    require_ok(row)
    scope.verified = True
    return f"[{row['data'] or ''}]"
