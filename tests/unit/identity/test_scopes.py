"""Scopes: wildcards stand for what exists, and the short form opens exactly the same."""

import pytest

import crm_api.main  # noqa: F401  # declares every resource
from crm_api.core.access import ROLES, Rights, rights_of
from crm_api.core.ids import new_id
from crm_api.identity.principals import member_actor, shared_rights
from crm_api.identity.scopes import (
    compact,
    effective,
    exceeding,
    held_by_role,
    is_known,
    meaningful,
)


def role(name: str) -> Rights:
    return rights_of(held_by_role(name))


@pytest.mark.parametrize("name", ROLES)
def test_short_form_opens_the_same(name: str) -> None:
    whole, short = role(name), rights_of(compact(role(name)))
    for scope in meaningful():
        held = whole.allows(scope) or (
            scope.endswith(":read_own") and whole.allows(scope.removesuffix("_own"))
        )
        assert short.allows(scope) == held, scope


@pytest.mark.parametrize("name", ROLES)
def test_short_form_is_short(name: str) -> None:
    """It stands in each token, and with that in a header of each request; a resource adds some."""
    assert len(" ".join(compact(role(name)))) < 1_200


def test_all_is_one_star() -> None:
    assert compact(role("admin")) == ("*",)
    assert compact(rights_of(["*"])) == ("*",)


def test_nothing_is_nothing() -> None:
    assert compact(rights_of([])) == ()
    assert compact(rights_of(["clients.name:read"], ["clients.reach:read"])) == ()


def test_two_layers_are_their_overlap() -> None:
    both = rights_of(["clients.*:read"], ["clients.name:*", "users:manage"])
    assert effective(both) == ["clients.name:read"]
    assert compact(both) == ("clients.name:read",)


@pytest.mark.parametrize(
    "scope", ["*", "*.*:*", "*:*", "clients.*:read", "clients:*", "*.name:read"]
)
def test_administrators_may_give_every_wildcard(scope: str) -> None:
    assert is_known(scope)
    assert exceeding(role("admin"), [scope]) == []


@pytest.mark.parametrize("scope", ["*", "*.*:read", "clients:*", "clients.*:*", "users:manage"])
def test_managers_may_not_give_what_reaches_beyond(scope: str) -> None:
    assert exceeding(role("manager"), [scope]) == [scope]


def test_who_reads_all_may_give_reading_of_the_own() -> None:
    assert exceeding(role("manager"), ["clients.audit:read_own"]) == []
    assert exceeding(role("front_desk"), ["clients.audit:read"]) == ["clients.audit:read"]


@pytest.mark.parametrize("scope", ["x.*:read", "clients:fly", "clients.x:*", "*:fly", "", "a b"])
def test_what_stands_for_nothing_is_unknown(scope: str) -> None:
    assert not is_known(scope)


def test_equal_layers_share_one_object() -> None:
    assert shared_rights(["a:b"], ["c:d"]) is shared_rights({"a:b"}, ("c:d",))


def test_somebody_who_joins_may_do_nothing_yet() -> None:
    rights = member_actor(new_id(), new_id(), "X").rights
    assert not rights.can("clients", "read", "name")
    assert not rights.allows("users:manage")
