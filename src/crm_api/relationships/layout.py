"""Where the clients of a network stand in a picture: the one asked for in the middle.

The others hang on those through whom they are reached, half to the left and half to the right, each
in a row of its own, so that no name covers another however many there are. No SVG here.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BOX_WIDTH, BOX_HEIGHT = 220, 34
COLUMN, ROW = BOX_WIDTH + 170, 48
"""From box to box: the gap between columns holds the labels of the lines."""
Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """The middle of a client's box; `side` is -1 left, 1 right, 0 in the middle."""

    x: float
    y: float
    side: int


@dataclass(frozen=True, slots=True)
class Line:
    """A relationship as it is drawn: from the nearer to the farther client."""

    near: str
    far: str
    label: str
    """What the farther one is to the nearer one."""
    towards: str | None
    """The client that the arrow points to; None where the kind is the same from both sides."""
    kind: str
    """The kind that tells the style: of two labels the one of whom the arrow points to."""
    ended: bool
    is_branch: bool
    """Whether the farther client hangs on it; the others cross the picture."""


STYLE_OF: Mapping[str, str] = {
    **dict.fromkeys(("parent", "subsidiary", "branch", "department"), "parent"),
    **dict.fromkeys(("referral_source", "referral"), "referral"),
    **dict.fromkeys(("vendor", "customer"), "customer"),
}
"""Label → the kind whose style both sides share; it is what the arrow points to."""


def lines_of(graph: Json) -> list[Line]:
    """Every relationship once; each client but the first hangs on the first that reaches it."""
    depth = {node["id"]: node["depth"] for node in graph["nodes"]}
    held: set[str] = {graph["client_id"]}
    found = []
    for edge in sorted(graph["edges"], key=lambda e: (_far(depth, e), e["id"])):
        near, far = edge["client_id"], edge["other_id"]
        label, inverse = edge["kind"], edge["inverse_kind"]
        if depth[near] > depth[far]:
            near, far, label, inverse = far, near, inverse, label
        is_branch = far not in held and depth[far] == depth[near] + 1
        held |= {far} if is_branch else set()
        style = STYLE_OF.get(label, label)
        towards = {label: far, inverse: near}.get(style) if label != inverse else None
        found.append(Line(near, far, label, towards, style, not edge["current"], is_branch))
    return found


def _far(depth: Mapping[str, int], edge: Json) -> int:
    return max(depth[edge["client_id"]], depth[edge["other_id"]])


def places_of(graph: Json, lines: Sequence[Line]) -> dict[str, Place]:
    """Where each client stands; the client asked for at 0, 0."""
    below: dict[str, list[str]] = defaultdict(list)
    for line in lines:
        if line.is_branch:
            below[line.near].append(line.far)
    centre = graph["client_id"]
    leaves: dict[str, int] = {}
    for node in sorted(graph["nodes"], key=lambda n: -n["depth"]):
        leaves[node["id"]] = sum(leaves[b] for b in below[node["id"]]) or 1
    places = {centre: Place(0, 0, 0)}
    for side, hanging in _sides(below[centre], leaves):
        top = -ROW * sum(leaves[one] for one in hanging) / 2
        for one in hanging:
            places |= dict(_placed(one, 1, top, side, below, leaves))
            top += ROW * leaves[one]
    return places


def _sides(hanging: Sequence[str], leaves: Mapping[str, int]) -> list[tuple[int, list[str]]]:
    """Half of the rows to the right, the rest to the left, in their order."""
    right: list[str] = []
    rest = list(hanging)
    half = sum(leaves[one] for one in hanging) / 2
    while rest and sum(leaves[one] for one in right) < half:
        right.append(rest.pop(0))
    return [(1, right), (-1, rest)]


def _placed(
    one: str,
    depth: int,
    top: float,
    side: int,
    below: Mapping[str, list[str]],
    leaves: Mapping[str, int],
) -> Iterator[tuple[str, Place]]:
    """The client in the middle of its rows, and those that hang on it; four levels at most."""
    yield one, Place(side * depth * COLUMN, top + ROW * leaves[one] / 2, side)
    for hanging in below.get(one, ()):
        yield from _placed(hanging, depth + 1, top, side, below, leaves)
        top += ROW * leaves[hanging]
