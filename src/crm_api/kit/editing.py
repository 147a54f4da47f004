"""How a present record is edited: by a patch, by the reference of another system, by a restore.

One decision for all of them: the rights to the fields, the version, the state; then the content.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from crm_api.core.jsonbody import Incoming
from crm_api.kit.deciding import Sifted, require_current, require_fields, sift
from crm_api.kit.fields import Write as When
from crm_api.kit.idempotency import Claim
from crm_api.kit.replies import Reply
from crm_api.kit.service import Present, RecordService

Items = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Edit:
    """What an edit is, besides the fields that were sent."""

    action: str = "updated"
    claim: Claim | None = None
    besides: Mapping[str, Any] = field(default_factory=dict)
    """Accepted values that no caller may send: they follow from the way of the edit."""
    stood: Mapping[str, Items] = field(default_factory=dict)
    """Field → items that stood in the record once and may come back under their ids."""


class EditingService(RecordService):
    """Records whose every edit is decided alike."""

    def require_options(self, sifted: Sifted) -> None:
        """403 for an option that is a right of its own."""

    def holds(self, raw: Mapping[str, Any]) -> bool:  # noqa: ARG002  # for who overrides it
        """Whether an edit of these fields is decided under the head's lock: it looks at others."""
        return False

    async def decide(self, present: Present, sifted: Sifted, edit: Edit) -> Reply:
        """Check the content, and write what really changes."""
        raise NotImplementedError

    def allowed(self, present: Present, incoming: Incoming[Any], if_match: str | None) -> Sifted:
        """What was sent, once the caller may send it to the record as it stands.

        Raises:
            Refusal: 403 for fields and options; 412; 409 not live.
        """
        sifted = sift(
            self.scope,
            self.resource,
            incoming,
            When.LATER,
            current=present.document,
            options=tuple(getattr(self.resource, "patch_options", ())),
        )
        require_fields(self.scope, self.resource, sifted, "update")
        self.require_options(sifted)
        require_current(if_match, present.seen, incoming.raw)
        self.require_live(present)
        return sifted

    async def edited(
        self, raw: Mapping[str, Any], attempt: Callable[[], Awaitable[Reply]]
    ) -> Reply:
        """Run an edit until it meets a record that stood still."""
        if not self.holds(raw):
            return await self.settled(attempt)
        async with self.locked():
            return await attempt()
