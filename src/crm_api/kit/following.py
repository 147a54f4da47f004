"""What follows in one slice from a change in another: said above, called below, one transaction.

A slice knows only what lies below it. Where a change down there moves a derived value up here, the
upper slice follows the lower one's resource, and the write that changes it calls the followers.
"""

from collections.abc import Awaitable, Callable
from uuid import UUID

from crm_api.kit.changes import Diff
from crm_api.kit.scope import Scope

Follower = Callable[[Scope, UUID], Awaitable[None]]
Matters = Callable[[Diff], bool]

_followers: dict[str, list[tuple[Matters, Follower]]] = {}


def follow(singular: str, matters: Matters) -> Callable[[Follower], Follower]:
    """Call the function after each change of such a resource for whose diff `matters` is true.

    It runs in the transaction of the change, under the organization's head; `matters` is asked for
    every change and must cost nothing.
    """

    def register(follower: Follower) -> Follower:
        _followers.setdefault(singular, []).append((matters, follower))
        return follower

    return register


def followers_of(singular: str, diff: Diff) -> list[Follower]:
    return [follower for matters, follower in _followers.get(singular, ()) if matters(diff)]
