"""In which form a network is answered, and the forms: JSON, SVG, Mermaid, Graphviz DOT."""

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from crm_api.relationships.notation import dot, mermaid
from crm_api.relationships.svg import draw

Format = Literal["json", "svg", "mermaid", "dot"]
MEDIA_TYPES: Final[Mapping[Format, str]] = {
    "json": "application/json",
    "svg": "image/svg+xml",
    "mermaid": "text/vnd.mermaid",
    "dot": "text/vnd.graphviz",
}
_DRAWN: Final[Mapping[Format, Callable[[Mapping[str, Any]], str]]] = {
    "svg": draw,
    "mermaid": mermaid,
    "dot": dot,
}


def chosen_format(accept: str) -> Format:
    """The form that an `Accept` header (RFC 9110 §12.5.1) prefers; JSON where it asks for none."""
    offered: dict[str, Format] = {media: name for name, media in MEDIA_TYPES.items()}
    offered["image/*"] = "svg"
    best: Format = "json"
    most = 0.0
    for part in accept.split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        weight = _weight(parameters)
        if media in offered and weight > most:
            best, most = offered[media], weight
    return best


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter.removeprefix("q="))
            except ValueError:
                return 0.0
    return 1.0


def pictured(graph: str, wanted: Format) -> str:
    """The network in the form; `graph` is its JSON."""
    draw_it = _DRAWN.get(wanted)
    return graph if draw_it is None else draw_it(json.loads(graph))
