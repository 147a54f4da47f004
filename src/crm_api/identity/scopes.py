"""What scopes mean: which exist, which reach too far, and the short form that a token carries."""

from collections.abc import Iterable
from functools import lru_cache

from crm_api.core.access import ROLES, SCOPE, Rights, rights_of
from crm_api.kit.fields import RESOURCES, all_scopes, builtin_scopes


def held_by_role(name: str) -> frozenset[str]:
    """The scopes of a built-in role."""
    return _held_by_role(name, len(RESOURCES))


# The declarations grow while the package is imported, never afterwards; the number of them is part
# of the key so that nothing that was asked too early stays.
@lru_cache(maxsize=64)
def _held_by_role(name: str, _declared: int) -> frozenset[str]:
    return builtin_scopes(name)


@lru_cache(maxsize=8)
def _meaningful(_declared: int) -> frozenset[str]:
    return frozenset(scope for role in ROLES for scope in builtin_scopes(role))


def meaningful() -> frozenset[str]:
    """Every scope that opens something; others exist, such as updating what nobody may."""
    return _meaningful(len(RESOURCES))


@lru_cache(maxsize=4096)
def covered(pattern: str, _declared: int) -> frozenset[str]:
    """The scopes, wildcards resolved, that a scope stands for and that open something."""
    held = rights_of([pattern])
    return frozenset(scope for scope in meaningful() if held.allows(scope))


def is_known(scope: str) -> bool:
    """Whether a scope, or one that a wildcard stands for, exists."""
    if not SCOPE.match(scope):
        return False
    if "*" not in scope:
        return scope in all_scopes()
    return any(rights_of([scope]).allows(each) for each in all_scopes())


def exceeding(rights: Rights, scopes: Iterable[str]) -> list[str]:
    """The scopes that reach beyond these rights: nobody grants what he does not hold."""
    return [scope for scope in scopes if not _within(rights, scope)]


def _within(rights: Rights, scope: str) -> bool:
    if rights.allows(scope) or _holds(rights, scope):
        return True
    meant = covered(scope, len(RESOURCES))
    return "*" in scope and bool(meant) and all(_holds(rights, each) for each in meant)


def _holds(rights: Rights, scope: str) -> bool:
    """Whether a scope without wildcards is granted; who reads all reads the own rows too."""
    if rights.allows(scope):
        return True
    subject, _, action = scope.partition(":")
    return action == "read_own" and rights.allows(f"{subject}:read")


def effective(rights: Rights) -> list[str]:
    """Every scope that is held, spelled out."""
    return sorted(scope for scope in all_scopes() if rights.allows(scope))


def compact(rights: Rights) -> tuple[str, ...]:
    """The shortest list found that opens exactly what the rights open: what a token carries."""
    known: tuple[str, ...] | None = rights.memo.get("compact")
    if known is None:
        known = rights.memo["compact"] = _compact(rights)
    return known


def _compact(rights: Rights) -> tuple[str, ...]:
    held = frozenset(scope for scope in meaningful() if _holds(rights, scope))
    if not held:
        return ()
    found: list[str] = []
    missing = set(held)
    candidates = _exact_patterns(held)
    while missing:
        best = max(candidates, key=lambda pattern: (len(missing & _meant(pattern)), pattern))
        found.append(best)
        missing -= _meant(best)
    return tuple(sorted(found))


def _meant(pattern: str) -> frozenset[str]:
    return covered(pattern, len(RESOURCES))


def _exact_patterns(held: frozenset[str]) -> list[str]:
    """Every scope and wildcard that stands for nothing outside of `held`."""
    patterns = {"*", *held}
    for scope in held:
        subject, _, action = scope.partition(":")
        resource, dot, group = subject.partition(".")
        if dot:
            patterns |= {
                f"{r}.{g}:{a}" for r in (resource, "*") for g in (group, "*") for a in (action, "*")
            }
        else:
            patterns |= {f"{r}:{a}" for r in (resource, "*") for a in (action, "*")}
    return sorted(pattern for pattern in patterns if _meant(pattern) <= held)
