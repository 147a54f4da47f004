"""The record of exports, as one actor may look at it."""

from uuid import UUID

from crm_api.exports.repository import EXPORT_LISTING, EXPORT_SHAPE
from crm_api.identity.editing import Editor, Items
from crm_api.kit.replies import PageReply, Reply
from crm_api.kit.scope import Scope


class ExportRecords:
    """The exports of one organization; kept by the change log, changed by nobody."""

    def __init__(self, scope: Scope) -> None:
        self._edit = Editor(scope, EXPORT_SHAPE, "export")

    async def list(self, items: Items) -> PageReply:
        return await self._edit.list(EXPORT_LISTING, items)

    async def get(self, export_id: UUID, items: Items) -> Reply:
        return await self._edit.get(export_id, items)
