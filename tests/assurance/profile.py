"""How much the assurance does: seconds in `make test`, minutes in CI, by hand what it takes."""

import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal, cast

from tests.assurance.golden import ROLES

Name = Literal["test", "short", "long"]


@dataclass(frozen=True, slots=True)
class Profile:
    """What each part does. Zero: it is left out."""

    fault_seconds: float
    """Traffic around each fault."""
    acknowledged: int
    """So many acknowledged writes in all, at least."""
    race_rounds: int
    kills: int
    """Of a worker, in the middle of one operation."""
    schemathesis_cases: int
    """For all roles together, at least."""
    hostile_share: int
    """Of the hostile strings, each n-th goes into each input."""
    value_share: int
    """Of the hostile values, each n-th goes into each field: into the next one, the ones beside."""
    keys_of: Collection[str]
    """The roles whose rights are asked for with an API key too; with a session, each is."""


PROFILES: Mapping[Name, Profile] = {
    "test": Profile(0, 100, 20, 4, 0, 48, 4, ("front_desk", "presenter")),
    "short": Profile(4, 1_000, 20, 10, 2_000, 6, 1, ROLES),
    "long": Profile(20, 20_000, 200, 10, 50_000, 1, 1, ROLES),
}
NAME = cast("Name", os.environ.get("CRM_ASSURANCE", "test"))
PROFILE = PROFILES[NAME]
