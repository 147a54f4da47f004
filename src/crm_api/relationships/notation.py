"""A network in the notations of drawing tools, Mermaid and Graphviz DOT; names are data there."""

from collections.abc import Mapping
from typing import Any

from crm_api.relationships.layout import Line, lines_of

Json = Mapping[str, Any]


def _name(node: Json) -> str:
    return str(node.get("name") or node.get("number") or "Client")


def _label(line: Line) -> str:
    return line.label.replace("_", " ") + (" (ended)" if line.ended else "")


def mermaid(graph: Json) -> str:
    """A Mermaid flow chart; nothing in a name is taken for a sign of the notation."""
    short = {node["id"]: f"c{n}" for n, node in enumerate(graph["nodes"])}
    rows = ["flowchart LR"]
    rows += [f'  {short[n["id"]]}["{_entities(_name(n))}"]' for n in graph["nodes"]]
    for line in lines_of(graph):
        ends = short[line.near], short[line.far]
        arrow = "---" if line.towards is None else "-->"
        if line.towards == line.near:
            # Mermaid's arrows point forward; the label still tells what the farther one is.
            ends = ends[1], ends[0]
        rows.append(f'  {ends[0]} {arrow}|"{_entities(_label(line))}"| {ends[1]}')
    rows.append(f"  style {short[graph['client_id']]} stroke-width:4px")
    return "\n".join(rows) + "\n"


def _entities(value: str) -> str:
    """Letters and digits as they are; everything else by its number."""
    return "".join(c if c.isalnum() or c in " .,-" else f"#{ord(c)};" for c in value)


_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": " "})
_DOT_STYLES = {
    "parent": "style=solid penwidth=2",
    "partner": "style=dashed",
    "related": "style=dotted",
    "competitor": 'style="dashed,bold"',
    "referral": "style=dashed arrowhead=diamond arrowtail=diamond",
    "customer": "style=solid arrowhead=vee arrowtail=vee",
}


def dot(graph: Json) -> str:
    """A Graphviz graph."""
    short = {node["id"]: f"c{n}" for n, node in enumerate(graph["nodes"])}
    rows = ["digraph relationships {", "  rankdir=LR;", "  node [shape=box];"]
    for node in graph["nodes"]:
        bold = " penwidth=3" if node["id"] == graph["client_id"] else ""
        rows.append(f'  {short[node["id"]]} [label="{_name(node).translate(_ESCAPED)}"{bold}];')
    for line in lines_of(graph):
        way = {None: "none", line.far: "forward", line.near: "back"}[line.towards]
        rows.append(
            f"  {short[line.near]} -> {short[line.far]} "
            f'[label="{_label(line)}" dir={way} {_DOT_STYLES[line.kind]}];'
        )
    return "\n".join([*rows, "}"]) + "\n"
