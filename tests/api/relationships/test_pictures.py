"""The network as a picture and in the notations of drawing tools: readable, and safe (§6)."""

import re
from xml.etree import ElementTree as Xml

import pytest

from tests.api.relationships.conftest import Network

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>&amp; \"quoted\" 'single' #35; ]] --> | {{x}}"


async def picture(network: Network, client: str, form: str = "svg", query: str = "") -> str:
    path = f"/v1/clients/{client}/graph?format={form}{query}"
    answer = await network.ask("manager", "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_picture_names_every_client_and_labels_every_line(network: Network) -> None:
    """Kinds are told apart by label, dashes and arrow, not by colour alone."""
    kinds = ["branch", "partner", "related", "competitor", "referral", "vendor", "customer"]
    centre, *others = await network.clients("Middle", *(f"Of {kind}" for kind in kinds))
    for other, kind in zip(others, kinds, strict=True):
        await network.relate(centre, other, kind)
    root = Xml.fromstring(await picture(network, centre))  # noqa: S314  # our own picture
    assert root.get("role") == "img"
    title, about = root.find(f"{SVG}title"), root.find(f"{SVG}desc")
    assert title is not None
    assert about is not None
    assert title.text == "Relationships of Middle"
    assert about.text == "8 clients and 7 relationships."
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"Middle", *(f"Of {kind}" for kind in kinds), *kinds} <= set(texts)
    lines = [g for g in root.iter(f"{SVG}g") if g.find(f"{SVG}path") is not None]
    styles: dict[str, tuple[str, str]] = {}
    for line in lines:
        path, label = line.find(f"{SVG}path"), line.find(f"{SVG}text")
        assert path is not None
        assert label is not None
        styles[str(label.text)] = (path.get("stroke-dasharray", ""), path.get("stroke", ""))
    assert styles.pop("customer") == styles["vendor"]
    assert len({dashes for dashes, _ in styles.values()}) == len(styles)
    centres = [g for g in root.iter(f"{SVG}g") if "centre" in (g.get("class") or "")]
    assert len(centres) == 1


async def test_arrow_points_to_the_parent_from_either_side(network: Network) -> None:
    parent, child = await network.clients("Upper", "Lower")
    await network.relate(parent, child, "branch")
    from_above, from_below = await picture(network, parent), await picture(network, child)
    assert 'marker-start="url(#to-parent)"' in from_above
    assert ">branch</text>" in from_above
    assert re.search(r'class="line"[^>]*marker-end="url\(#to-parent\)"', from_below)
    assert ">parent</text>" in from_below
    assert f"{'Upper'} is parent of Lower" in from_below


@pytest.mark.parametrize("form", ["svg", "mermaid", "dot"])
async def test_names_are_text_in_every_form(network: Network, form: str) -> None:
    one, other = await network.clients("Middle", HOSTILE[:190])
    await network.relate(one, other, "partner", note="<note>")
    text = await picture(network, one, form)
    assert "note" not in text.replace("-note", "")
    if form == "svg":
        names = [title.text for title in Xml.fromstring(text).iter(f"{SVG}title")]  # noqa: S314  # ours
        assert any(str(name).startswith(HOSTILE) for name in names)
        # No scripts, no styles or pictures from elsewhere.
        assert not re.search(
            r"<script|<style|<foreignObject|style=|href=|url\((?!#)|@import|\son\w+=", text
        )
    if form == "mermaid":
        (line,) = [line for line in text.splitlines() if line.strip().startswith("c1[")]
        assert re.fullmatch(r'  c1\["[^"<>|{}\[\]\\]*"\]', line)
    if form == "dot":
        (line,) = [line for line in text.splitlines() if line.strip().startswith("c1 [")]
        assert re.fullmatch(r'  c1 \[label="(?:[^"\\]|\\.)*"\];', line)


async def test_sixty_clients_do_not_cover_each_other(network: Network) -> None:
    centre, *others = await network.clients("Middle", *(f"Client {n}" for n in range(59)))
    for n, other in enumerate(others):
        hub = centre if n < 20 else others[n % 20]
        await network.relate(hub, other, ("partner", "vendor", "related")[n % 3])
    root = Xml.fromstring(await picture(network, centre, query="&depth=2"))  # noqa: S314  # ours
    boxes = [
        tuple(float(rect.get(name, "0")) for name in ("x", "y", "width", "height"))
        for rect in root.iter(f"{SVG}rect")
        if rect.get("class") == "box"
    ]
    assert len(boxes) == 60
    for n, (x, y, width, height) in enumerate(boxes):
        for ox, oy, _, _ in boxes[:n]:
            assert abs(x - ox) >= width or abs(y - oy) >= height
    left, top, wide, high = (float(part) for part in root.get("viewBox", "").split())
    assert all(left <= x and x + w <= left + wide for x, _, w, _ in boxes)
    assert all(top <= y and y + h <= top + high for _, y, _, h in boxes)


async def test_long_and_wide_names_are_shortened(network: Network) -> None:
    names = ("W" * 150, "東京コーヒー輸入販売株式会社東京コーヒー輸入販売株式会社", "Short")
    one, *others = await network.clients(*names)
    for other in others:
        await network.relate(one, other, "partner")
    root = Xml.fromstring(await picture(network, one))  # noqa: S314  # our own picture
    shown = [text.text or "" for text in root.iter(f"{SVG}text") if not text.get("class")]
    assert "Short" in shown
    assert sum(text.endswith("…") for text in shown) == 2
    assert all(len(text) <= 40 for text in shown)


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("image/svg+xml", "image/svg+xml"),
        ("image/avif,image/*;q=0.8,*/*;q=0.5", "image/svg+xml"),
        ("text/vnd.mermaid", "text/vnd.mermaid"),
        ("text/vnd.graphviz, application/json;q=0.9", "text/vnd.graphviz"),
        ("application/json, image/svg+xml;q=0.9", "application/json"),
        ("image/svg+xml;q=0", "application/json"),
        ("image/svg+xml;q=nan, text/html", "application/json"),
        ("nonsense;;;,,=", "application/json"),
    ],
)
async def test_form_follows_the_accept_header(network: Network, accept: str, media: str) -> None:
    (one,) = await network.clients("One")
    headers = {"Accept": accept}
    answer = await network.ask("manager", "GET", f"/v1/clients/{one}/graph", headers=headers)
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media
    assert "accept" in answer.headers["vary"].lower()
    path = f"/v1/clients/{one}/graph?format=dot"
    answer = await network.ask("manager", "GET", path, headers=headers)
    assert answer.headers["content-type"].startswith("text/vnd.graphviz")
