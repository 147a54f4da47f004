"""Global search: what is looked for where, in which order it is refused, what comes first."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from crm_api.clients.listing import CLIENT_SUGGESTING
from crm_api.clients.pairs import pair_of
from crm_api.clients.schemas import Client
from crm_api.clients.service import ClientService
from crm_api.contacts.repository import CONTACT_SUGGESTING
from crm_api.core.errors import Fault, Refusal
from crm_api.kit.fields import mask_of
from crm_api.kit.query import ListReader
from crm_api.kit.replies import as_text
from crm_api.kit.scope import Scope
from crm_api.kit.search import BadTerm, SearchTerms, read_terms, searchable
from crm_api.kit.service import Items
from crm_api.kit.suggesting import Suggesting, suggested
from crm_api.search.repository import TEXT_KINDS, found_texts
from crm_api.search.schemas import DEFAULT_HITS, MAX_HITS
from crm_api.search.snippets import snippet_of

Json = dict[str, Any]
PARAMETERS: Final = ("q", "kinds", "limit", "explain")
NAMED: Final[Mapping[str, Suggesting]] = {
    "client": CLIENT_SUGGESTING,
    "contact": CONTACT_SUGGESTING,
}
"""Kinds that are found by names, numbers and addresses."""
KINDS: Final = (*NAMED, *(one.kind for one in TEXT_KINDS))
PATHS: Final = {
    **{kind: one.shape.resource.resource for kind, one in NAMED.items()},
    **{one.kind: one.shape.resource.resource for one in TEXT_KINDS},
}
BEHIND_NAMES: Final = "2999~"
"""The rank of texts: behind all names that hold the term, before those that are only near."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A search that the caller may make."""

    text: str
    kinds: tuple[str, ...]
    limit: int
    terms: Mapping[str, SearchTerms]


class SearchService:
    """What one actor finds in its organization."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    async def search(self, items: Items) -> str:
        """The best hits; a term that is a pair `key=value` is looked for among attributes alone.

        Raises:
            Refusal: 403 for kinds that the caller finds nothing of; 422.
        """
        asked = self._asked(items)
        pair = pair_of(asked.text)
        if pair is not None:
            return as_text({"data": await self._by_attribute(asked, *pair)})
        hits: list[tuple[str, int, Json]] = []
        for kind, terms in asked.terms.items():
            body = await suggested(self.scope, NAMED[kind], terms, asked.limit, ranked=True)
            hits += self._named(kind, json.loads(body), asked.text)
        texts = tuple(kind for kind in asked.kinds if kind not in NAMED)
        found = await found_texts(self.scope, asked.text, texts, asked.limit)
        hits += _texts([row for body in found.values() for row in json.loads(body)], asked.text)
        if not self.scope.verified:
            await self.scope.verify()
        hits.sort(key=lambda hit: hit[:2])
        return as_text({"data": [hit for *_, hit in hits[: asked.limit]]})

    # ------------------------------------------------------------ the request

    def _asked(self, items: Items) -> _Asked:
        reader = ListReader(Client, self.scope, {}, PARAMETERS)
        single = reader.singles([(k, v) for k, v in items if k != "kinds"], PARAMETERS)
        named = [kind for key, text in items if key == "kinds" for kind in text.split(",")]
        if set(named) - set(KINDS):
            detail = f"`kinds` takes: {', '.join(KINDS)}."
            reader.found.fault("kinds", "invalid_choice", detail)
        kinds = self._kinds([kind for kind in KINDS if kind in named])
        limit = reader.limit(single.get("limit"), DEFAULT_HITS, MAX_HITS)
        text = single.get("q")
        terms: dict[str, SearchTerms] = {}
        if text is None:
            reader.found.fault("q", "required", "Send what is to be found.")
        else:
            try:
                terms = self._terms(text, kinds)
            except BadTerm as error:
                reader.found.fault("q", error.code, str(error))
        reader.raise_any()
        return _Asked(text or "", kinds, limit, terms)

    def _terms(self, text: str, kinds: Iterable[str]) -> dict[str, SearchTerms]:
        """The patterns for each kind; checked also where no kind takes patterns.

        Raises:
            BadTerm: it cannot be searched.
        """
        org = self.scope.actor.organization_id
        named = [kind for kind in kinds if kind in NAMED]
        if not named:
            read_terms(text, frozenset(), org)
        return {kind: read_terms(text, self._columns(kind), org) for kind in named}

    def _columns(self, kind: str) -> frozenset[str]:
        return searchable(NAMED[kind].shape.resource, self.scope.actor.rights)

    def _kinds(self, named: Sequence[str]) -> tuple[str, ...]:
        """The kinds to look for.

        Raises:
            Refusal: 403 for one that was named and of which nothing is found; or for all.
        """
        rights = self.scope.actor.rights
        # What has no id for the caller cannot be opened: it is no hit.
        open_ones = {
            kind
            for kind, one in NAMED.items()
            if self._columns(kind) and "id" in mask_of(one.shape.resource, rights).read
        }
        open_ones |= {one.kind for one in TEXT_KINDS if one.is_found(rights)}
        hidden = [kind for kind in named if kind not in open_ones]
        if hidden or not open_ones:
            raise self._hiding(hidden or KINDS)
        return tuple(kind for kind in KINDS if kind in (named or open_ones))

    def _hiding(self, hidden: Sequence[str]) -> Refusal:
        needs = {kind: _needs(kind) for kind in hidden}
        faults = [
            Fault(
                "forbidden",
                f"`{kind}` needs {' or '.join(f'`{one}`' for one in scopes)}.",
                parameter="kinds",
            )
            for kind, scopes in needs.items()
        ]
        why = [{"scope": one, "role": self.scope.actor.role} for of in needs.values() for one in of]
        return Refusal(
            "forbidden",
            f"{self.scope.actor.in_words} may not search: {', '.join(hidden)}.",
            faults,
            members={"explanation": why} if self.scope.explain else {},
        )

    # --------------------------------------------------------------- the hits

    async def _by_attribute(self, asked: _Asked, key: str, value: str) -> list[Json]:
        """The clients that have exactly this attribute, by name, as their list answers it."""
        reader = ListReader(Client, self.scope, {})
        place = f"attributes.{key}"
        name, path = reader.keyed_field(place, "attributes", key)
        offered = "client" in asked.kinds and reader.offers(place, name, path, "eq")
        known = offered and reader.valued(place, name, path, "eq", [value]) is not None
        if not known or reader.found.hidden:
            await self.scope.verify()
            return []
        told = [n for n in ("id", "name") if n in mask_of(Client, self.scope.actor.rights).read]
        query = [(place, value), ("limit", str(asked.limit)), ("fields", ",".join(told))]
        page = await ClientService(self.scope).list(query)
        pair = f"{key}={value}"
        return [
            _hit("client", row, row.get("name"), "attribute", [{"text": pair, "hit": True}])
            for row in json.loads(page.body)["data"]
        ]

    def _named(self, kind: str, rows: Iterable[Json], asked: str) -> list[tuple[str, int, Json]]:
        found = []
        for n, row in enumerate(rows):
            text, matched = row["snippet"] or "", row["matched"]
            snippet = snippet_of(text, asked, is_exact=matched != "name")
            hit = _hit(kind, row, row.get("name"), matched, snippet)
            found.append((row["rank"], n, hit))
        return found


def _texts(rows: Iterable[Json], asked: str) -> list[tuple[str, int, Json]]:
    """Newest first, whatever their kind: times of UTC compare as they are written."""
    newest = sorted(rows, key=lambda row: str(row["at"]), reverse=True)
    return [
        (
            BEHIND_NAMES,
            n,
            _hit(row["kind"], row, row["title"], row["matched"], snippet_of(row["text"], asked)),
        )
        for n, row in enumerate(newest)
    ]


def _hit(kind: str, row: Json, title: str | None, matched: str, snippet: list[Json]) -> Json:
    return {
        "kind": kind,
        "id": row["id"],
        "title": title,
        "matched": matched,
        "snippet": snippet,
        "client_id": row.get("client_id"),
        "at": row.get("at"),
        "href": f"/v1/{PATHS[kind]}/{row['id']}",
    }


def _needs(kind: str) -> tuple[str, ...]:
    """Any of these scopes is enough to find some records of the kind."""
    if kind not in NAMED:
        return next(one.needs for one in TEXT_KINDS if one.kind == kind)
    cls = NAMED[kind].shape.resource
    return (f"{cls.guarded_by}.{cls.fields['id'].rule.group}:read",)
