"""A network as an SVG picture: it reads without colour, without scripts, without any other file."""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any, Final

from crm_api.relationships.layout import (
    BOX_HEIGHT,
    BOX_WIDTH,
    ROW,
    Line,
    Place,
    lines_of,
    places_of,
)

Json = Mapping[str, Any]
NAME_WIDTH: Final = 25
"""Narrow characters that fit into a box."""
MARGIN: Final = 40
LEGEND_ROW: Final = 26
STYLES: Final[Mapping[str, tuple[str, str, str, float]]] = {
    "parent": ("hierarchy: points to the parent", "#1b1b1b", "", 2.4),
    "partner": ("partner", "#0072b2", "10 4", 1.8),
    "related": ("related", "#555555", "2 4", 1.8),
    "competitor": ("competitor", "#b33d00", "12 4 2 4", 1.8),
    "referral": ("referral: points to who was referred", "#007a5a", "6 5", 1.8),
    "customer": ("trade: points to the customer", "#8a3b74", "18 5", 1.8),
}
"""Kind → words for the legend, colour, dashes, width: no two kinds share their dashes."""
ARROWS: Final = {"parent": "M0,0 L12,6 L0,12 Z", "referral": "M0,6 L6,0 L12,6 L6,12 Z"}
OPEN_ARROW: Final = "M1,1 L11,6 L1,11"
# What XML 1.0 cannot hold, however it is escaped.
_NO_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# Attributes, no style sheet: the picture is served under a policy that admits none.
_FONT: Final = (
    "font-family=\"'DejaVu Sans', 'Segoe UI', Helvetica, Arial, sans-serif\" font-size=\"13\" "
    'fill="#1b1b1b"'
)
_LABEL: Final = (
    'class="label" font-size="11" paint-order="stroke" stroke="#fff" stroke-width="4" '
    'stroke-linejoin="round"'
)
_LINE: Final = 'class="line" fill="none"'
_BOX: Final = 'fill="#fff" stroke="#555" stroke-width="1.2"'
_CENTRE: Final = 'fill="#fff3c4" stroke="#1b1b1b" stroke-width="3"'


def draw(graph: Json) -> str:
    """The picture of a `ClientGraph`."""
    lines = lines_of(graph)
    places = places_of(graph, lines)
    kinds = [kind for kind in STYLES if any(line.kind == kind for line in lines)]
    left = min(p.x for p in places.values()) - BOX_WIDTH / 2 - MARGIN
    right = max(p.x for p in places.values()) + BOX_WIDTH / 2 + MARGIN
    top = min(p.y for p in places.values()) - ROW - MARGIN
    bottom = max(p.y for p in places.values()) + ROW
    legend = bottom + MARGIN / 2
    height = legend + LEGEND_ROW * len(kinds) + MARGIN / 2 - top
    width = max(right - left, 420)
    names = {node["id"]: _name(node) for node in graph["nodes"]}
    title = f"Relationships of {names[graph['client_id']]}"
    about = f"{len(places)} clients and {len(lines)} relationships"
    size = f'width="{width:.0f}" height="{height:.0f}"'
    view = f'viewBox="{left:.0f} {top:.0f} {width:.0f} {height:.0f}"'
    parts = [
        _opening(f"{size} {view}"),
        f'<title id="t">{_text(title)}</title>',
        f'<desc id="d">{_text(about)}{", not all there are" if graph["truncated"] else ""}.</desc>',
        f"<defs>{''.join(_markers())}</defs>",
        f'<rect x="{left:.0f}" y="{top:.0f}" width="100%" height="100%" fill="#fff"/>',
        *(_line(line, places, names, n) for n, line in enumerate(lines)),
        *(_box(node, places[node["id"]], graph["client_id"]) for node in graph["nodes"]),
        *(_sample(kind, left + MARGIN, legend + n * LEGEND_ROW) for n, kind in enumerate(kinds)),
        "</svg>",
    ]
    return "\n".join(parts)


def _opening(measures: str) -> str:
    named = 'role="img" aria-labelledby="t d"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {named} {measures} {_FONT}>'


def _text(value: str) -> str:
    return escape(_NO_XML.sub("\ufffd", value))


def _name(node: Json) -> str:
    """What the caller may read of it that names it best."""
    return str(node.get("name") or node.get("number") or "Client")


def _short(name: str) -> str:
    """As much of the name as fits; wide characters count twice."""
    room, kept = NAME_WIDTH, ""
    for character in name:
        room -= 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if room < 0:
            return kept[:-1].rstrip() + "…"
        kept += character
    return kept


def _markers() -> Iterator[str]:
    for kind, (_, colour, _, _) in STYLES.items():
        shape = ARROWS.get(kind, OPEN_ARROW)
        fill = colour if kind in ARROWS else "none"
        yield (
            f'<marker id="to-{kind}" viewBox="0 0 12 12" refX="11" refY="6" markerWidth="12" '
            f'markerHeight="12" markerUnits="userSpaceOnUse" orient="auto-start-reverse">'
            f'<path d="{shape}" fill="{fill}" stroke="{colour}" stroke-width="1.6"/></marker>'
        )


def _line(line: Line, places: Mapping[str, Place], names: Mapping[str, str], n: int) -> str:
    near, far = places[line.near], places[line.far]
    path, (x, y), anchor = _branch(near, far) if line.is_branch else _crossing(near, far, n)
    _, colour, dashes, width = STYLES[line.kind]
    label = line.label.replace("_", " ") + (" (ended)" if line.ended else "")
    # The arrow stands at the end that it points to.
    end = "end" if line.towards == line.far else "start"
    marker = "" if line.towards is None else f' marker-{end}="url(#to-{line.kind})"'
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    faint = ' opacity="0.4"' if line.ended else ""
    told = f"{names[line.far]} is {label} of {names[line.near]}"
    return (
        f"<g><title>{_text(told)}</title>"
        f'<path {_LINE} d="{path}" stroke="{colour}" stroke-width="{width}"'
        f"{dashed}{marker}{faint}/>"
        f'<text {_LABEL} x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}">{_text(label)}</text>'
        "</g>"
    )


def _branch(near: Place, far: Place) -> tuple[str, tuple[float, float], str]:
    """From the side of the one box to the near side of the other; the label before the latter."""
    side = far.side
    x1, x2 = near.x + side * BOX_WIDTH / 2, far.x - side * BOX_WIDTH / 2
    bend = (x2 - x1) * 0.35
    path = f"M{x1:.0f},{near.y:.0f} C{x1 + bend:.0f},{near.y:.0f} {x1 + bend:.0f},{far.y:.0f} "
    path += f"{x1 + 2 * bend:.0f},{far.y:.0f} L{x2:.0f},{far.y:.0f}"
    return path, (x2 - side * 16, far.y - 5), "end" if side > 0 else "start"


def _crossing(near: Place, far: Place, n: int) -> tuple[str, tuple[float, float], str]:
    """Around the boxes on one side, or over the middle; each with a bow of its own."""
    bow = 40 + n % 5 * 14
    if near.side == far.side != 0:
        out = near.side * (BOX_WIDTH / 2)
        x1, x2 = near.x + out, far.x + out
        x = (max if near.side > 0 else min)(x1, x2) + near.side * bow
        path = f"M{x1:.0f},{near.y:.0f} C{x:.0f},{near.y:.0f} {x:.0f},{far.y:.0f} "
        path += f"{x2:.0f},{far.y:.0f}"
        return path, ((x1 + 6 * x + x2) / 8, (near.y + far.y) / 2 + 4), "middle"
    y1, y2 = near.y - BOX_HEIGHT / 2, far.y - BOX_HEIGHT / 2
    y = min(y1, y2) - bow
    path = f"M{near.x:.0f},{y1:.0f} C{near.x:.0f},{y:.0f} {far.x:.0f},{y:.0f} {far.x:.0f},{y2:.0f}"
    return path, ((near.x + far.x) / 2, (y1 + 6 * y + y2) / 8), "middle"


def _box(node: Json, place: Place, centre: str) -> str:
    name = _name(node)
    lifecycle = node.get("lifecycle", "live")
    state = "" if lifecycle == "live" else f" ({lifecycle})"
    is_centre = node["id"] == centre
    mark = ' class="centre" font-weight="bold"' if is_centre else ""
    dashed = ' stroke-dasharray="4 3"' if state else ""
    x, y = place.x - BOX_WIDTH / 2, place.y - BOX_HEIGHT / 2
    number = f" {node['number']}" if "number" in node else ""
    return (
        f"<g{mark}><title>{_text(name + number + state)}</title>"
        f'<rect class="box" x="{x:.0f}" y="{y:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" '
        f'rx="6" {_CENTRE if is_centre else _BOX}{dashed}/>'
        f'<text x="{place.x:.0f}" y="{place.y + 5:.0f}" text-anchor="middle">'
        f"{_text(_short(name))}</text></g>"
    )


def _sample(kind: str, x: float, y: float) -> str:
    words, colour, dashes, width = STYLES[kind]
    arrow = f' marker-end="url(#to-{kind})"' if ":" in words else ""
    dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<path {_LINE} d="M{x:.0f},{y:.0f} H{x + 70:.0f}" stroke="{colour}" '
        f'stroke-width="{width}"{dashed}{arrow}/>'
        f'<text x="{x + 84:.0f}" y="{y + 4:.0f}">{_text(words)}</text>'
    )
