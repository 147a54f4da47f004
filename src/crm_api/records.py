"""The routes that records of every kind have, each in the words and with the rights of its slice.

A slice says which of them it has, in the order in which they shall stand; what is its own stands
beside them as an ordinary route.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import BaseModel

from crm_api.core.deps import JsonBody
from crm_api.core.jsonbody import Incoming
from crm_api.identity.deps import CurrentScope, strict_query
from crm_api.kit.fields import Resource
from crm_api.kit.idempotency import Claim
from crm_api.kit.replies import Reply
from crm_api.kit.schemas import Create, HistoryPage, Page, Patch, VersionDiff
from crm_api.kit.scope import Scope
from crm_api.queries import ERASED, DiffQuery, HistoryQuery, Items, ListQuery, OneQuery
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    PathId,
    answers,
    as_json,
    as_list,
    as_one,
    claim,
    tried,
)

Service = Callable[[Scope], Any]
"""A class of services, such as `TaskService`."""
Rights = dict[str, list[str]]
"""What `needs` makes."""
Answers = dict[int | str, dict[str, Any]]
Act = Callable[[Any, UUID, str | None, Claim | None], Awaitable[Reply]]
"""(service, id, `If-Match`, claim) → the reply to a verb."""


@dataclass(frozen=True, slots=True)
class RecordRoutes:
    """The routes of one kind of record; each takes what the document says of it, and the rights."""

    router: APIRouter
    resource: type[Resource]
    service: Service
    noun: str
    """In paths and names: `task` makes `/{task_id}`, `get_task`, `list_tasks`."""

    def list(self, says: str, rights: Rights, query: ListQuery | None = None) -> None:
        service, asked = self.service, query or ListQuery(self.resource)

        async def answer(
            scope: CurrentScope, request: Request, items: Annotated[Items, Depends(asked)]
        ) -> Response:
            return as_list(await service(scope).list(items), request)

        plural = f"{self.noun}s"
        page = answers(200, Page[self.resource], f"One page of {plural}.")  # type: ignore[name-defined]  # made at run time
        self._add("GET", f"list_{plural}", answer, says, rights, page)

    def create(self, says: str, rights: Rights) -> None:
        service, read = self.service, JsonBody(Create[self.resource])  # type: ignore[name-defined]  # made at run time

        async def answer(
            scope: CurrentScope,
            request: Request,
            body: Annotated[Incoming[Any], Depends(read)],
            dry_run: DryRun = False,
        ) -> Response:
            key = await claim(scope, request)
            return as_one(await service(scope).create(body, key, dry_run=dry_run))

        name, made = self.noun, self._answers(201, "The new {}.")
        self._add("POST", f"create_{name}", answer, says, rights, made, idempotent=True)

    def get(
        self,
        says: str,
        rights: Rights,
        query: OneQuery | None = None,
        *,
        service: Service | None = None,
        more: Answers | None = None,
    ) -> None:
        """One of them.

        Args:
            service: another one that reads it.
            more: what it answers besides.
        """
        found, asked, place = service or self.service, query or OneQuery(), self._place

        async def answer(
            scope: CurrentScope,
            record_id: Annotated[PathId, place],
            items: Annotated[Items, Depends(asked)],
            if_none_match: IfNoneMatch = None,
        ) -> Response:
            return as_one(await found(scope).get(record_id, items), if_none_match)

        told = self._answers(200, "The {}.") | (more or {})
        self._add(f"GET {self._one}", f"get_{self.noun}", answer, says, rights, told)

    def patch(self, says: str, rights: Rights) -> None:
        service, place = self.service, self._place
        read = JsonBody(Patch[self.resource])  # type: ignore[name-defined]  # made at run time

        async def answer(
            scope: CurrentScope,
            record_id: Annotated[PathId, place],
            body: Annotated[Incoming[Any], Depends(read)],
            if_match: IfMatch = None,
            dry_run: DryRun = False,
        ) -> Response:
            write = service(scope).patch(record_id, body, if_match)
            return as_one(await tried(scope, write, dry_run=dry_run))

        told = self._answers(200, "The {} after the change.")
        self._add(f"PATCH {self._one}", f"patch_{self.noun}", answer, says, rights, told)

    def delete(self, says: str, rights: Rights) -> None:
        service, place = self.service, self._place

        async def answer(
            scope: CurrentScope,
            record_id: Annotated[PathId, place],
            if_match: IfMatch = None,
            dry_run: DryRun = False,
        ) -> Response:
            await tried(scope, service(scope).delete(record_id, if_match), dry_run=dry_run)
            return Response(status_code=204)

        name, gone = f"delete_{self.noun}", answers(204, None, "Deleted.")
        self._add(f"DELETE {self._one}", name, answer, says, rights, gone)

    def act(self, verb: str, says: str, rights: Rights, act: Act) -> None:
        """`POST /{id}/{verb}`, such as restore."""
        service, place = self.service, self._place

        async def answer(
            scope: CurrentScope,
            request: Request,
            record_id: Annotated[PathId, place],
            if_match: IfMatch = None,
            dry_run: DryRun = False,
        ) -> Response:
            key = await claim(scope, request, 200, dry_run=dry_run)
            write = act(service(scope), record_id, if_match, key)
            return as_one(await tried(scope, write, dry_run=dry_run))

        name, path = f"{verb}_{self.noun}", f"{self._one}/{verb}"
        told = self._answers(200, "The {}.")
        self._add(f"POST {path}", name, answer, says, rights, told, idempotent=True)

    def restore(self, says: str, rights: Rights) -> None:
        self.act("restore", says, rights, lambda service, *asked: service.restore(*asked))

    def history(
        self,
        rights: Rights,
        says: str = "Who changed what and when, as far as your role may see it.",
    ) -> None:
        service, place = self.service, self._place

        async def answer(
            scope: CurrentScope,
            record_id: Annotated[PathId, place],
            items: Annotated[Items, Depends(HistoryQuery())],
        ) -> Response:
            return as_json(await service(scope).history(record_id, items))

        name, path = f"get_{self.noun}_history", f"{self._one}/history"
        told = answers(200, HistoryPage, "Changes, newest first.")
        self._add(f"GET {path}", name, answer, says, rights, told)

    # ------------------------------------------------------------------- looking back

    def diff(self, rights: Rights) -> None:
        past, place = self.service, self._place

        async def answer(
            scope: CurrentScope,
            record_id: Annotated[PathId, place],
            items: Annotated[Items, Depends(DiffQuery())],
        ) -> Response:
            return as_json(await past(scope).diff(record_id, items))

        name, path = f"diff_{self.noun}", f"{self._one}/diff"
        told = {**answers(200, VersionDiff, "The net differences."), **ERASED}
        says = "What differs between two versions: from its making until now, unless said."
        self._add(f"GET {path}", name, answer, says, rights, told)

    def restore_version(self, asked: type[BaseModel], rights: Rights) -> None:
        past, place, read = self.service, self._place, JsonBody(asked)

        async def answer(
            scope: CurrentScope,
            request: Request,
            record_id: Annotated[PathId, place],
            body: Annotated[Incoming[Any], Depends(read)],
            if_match: IfMatch = None,
            dry_run: DryRun = False,
        ) -> Response:
            key = await claim(scope, request, 200, dry_run=dry_run)
            write = past(scope).restore_version(record_id, body, if_match, key)
            return as_one(await tried(scope, write, dry_run=dry_run))

        name, path = f"restore_{self.noun}_version", f"{self._one}/restore-version"
        told = self._answers(200, "The {}.") | ERASED
        says = "Set fields back to what they were after an entry of the history, or at a time."
        self._add(f"POST {path}", name, answer, says, rights, told, idempotent=True)

    # -------------------------------------------------------------------------- parts

    @property
    def _one(self) -> str:
        return f"/{{{self.noun}_id}}"

    @property
    def _place(self) -> Any:
        return Path(alias=self._one.strip("/{}"))

    def _answers(self, status: int, said: str) -> Answers:
        return answers(status, self.resource, said.format(self.noun))

    def _add(
        self,
        at: str,
        name: str,
        answer: Callable[..., Awaitable[Response]],
        says: str,
        rights: Rights,
        told: Answers,
        *,
        idempotent: bool = False,
    ) -> None:
        """Args: at: the method, and the path after the router's own."""
        method, _, path = at.partition(" ")
        # A query that is read is judged by its reader.
        before = [] if method == "GET" else [Depends(strict_query)]
        self.router.add_api_route(
            path,
            answer,
            methods=[method],
            status_code=int(next(iter(told))),  # what it answers besides stands behind it
            name=name,
            description=says,
            dependencies=[Depends(IdempotencyKey()), *before] if idempotent else before,
            responses=told,
            openapi_extra=rights,
        )
