"""The routes of calendar feeds: the table of contents of this slice."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Request, Response

from crm_api.calendars.ical import MEDIA_TYPE
from crm_api.calendars.schemas import CalendarFeed, NewCalendarFeed
from crm_api.calendars.service import CalendarFeedService, read_feed
from crm_api.core.deps import declared_query
from crm_api.identity.deps import CurrentScope, GuardedRoute, strict_query
from crm_api.kit.schemas import Page
from crm_api.routing import (
    DryRun,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    Items,
    ListQuery,
    OneQuery,
    PathId,
    answers,
    as_list,
    as_one,
    claim,
    needs,
    tried,
)

router = APIRouter(prefix="/v1/calendar-feeds", tags=["calendars"], route_class=GuardedRoute)
public = APIRouter(prefix="/v1/calendar", tags=["calendars"])
Idempotent = Depends(IdempotencyKey())
Declared = Depends(strict_query)
_READ = needs("calendar_feeds.feed:read")
_CALENDAR: Final[dict[int | str, dict[str, Any]]] = {
    200: {
        "description": "The calendar.",
        "content": {
            "text/calendar": {
                "schema": {"type": "string", "maxLength": 10_000_000},
                "example": "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nEND:VCALENDAR\r\n",
            }
        },
    }
}


@router.get(
    "",
    responses=answers(200, Page[CalendarFeed], "One page of feeds."),
    openapi_extra=_READ,
)
async def list_calendar_feeds(
    scope: CurrentScope,
    request: Request,
    items: Annotated[Items, Depends(ListQuery(CalendarFeed))],
) -> Response:
    """List your calendar feeds, or everybody's if your role may; never their addresses."""
    return as_list(await CalendarFeedService(scope).list(items), request)


@router.post(
    "",
    status_code=201,
    dependencies=[Idempotent, Declared],
    responses=answers(201, NewCalendarFeed, "The feed; its address is shown this once."),
    openapi_extra=needs("calendar_feeds:subscribe"),
)
async def create_calendar_feed(scope: CurrentScope, request: Request) -> Response:
    """Make an address at which calendar programs read your open tasks and planned meetings."""
    key = await claim(scope, request)
    return as_one(await CalendarFeedService(scope).create(key))


@router.get(
    "/{feed_id}",
    responses=answers(200, CalendarFeed, "The feed."),
    openapi_extra=_READ,
)
async def get_calendar_feed(
    scope: CurrentScope,
    feed_id: PathId,
    items: Annotated[Items, Depends(OneQuery(example="id,created_at"))],
    if_none_match: IfNoneMatch = None,
) -> Response:
    """Read one feed, without its address."""
    return as_one(await CalendarFeedService(scope).get(feed_id, items), if_none_match)


@router.delete(
    "/{feed_id}",
    status_code=204,
    dependencies=[Declared],
    responses=answers(204, None, "Revoked."),
    openapi_extra=needs("calendar_feeds:subscribe", "calendar_feeds:manage"),
)
async def revoke_calendar_feed(
    scope: CurrentScope, feed_id: PathId, if_match: IfMatch = None, dry_run: DryRun = False
) -> Response:
    """Revoke a feed: its address is that of nothing from now on."""
    write = CalendarFeedService(scope).revoke(feed_id, if_match)
    await tried(scope, write, dry_run=dry_run)
    return Response(status_code=204)


@public.get("/{calendar_key}.ics", dependencies=[Depends(declared_query)], responses=_CALENDAR)
async def read_calendar(
    request: Request,
    calendar_key: Annotated[
        str,
        Path(
            description="The key of the feed: the address that was told when it was made.",
            max_length=200,
            examples=["cal_…"],
        ),
    ],
) -> Response:
    """Read a calendar by its secret address, with no other credential (RFC 5545)."""
    body = await read_feed(request.app.state.db, calendar_key)
    headers = {"Cache-Control": "private, max-age=300", "Referrer-Policy": "no-referrer"}
    return Response(body, 200, headers, MEDIA_TYPE)
