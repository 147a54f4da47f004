"""The bytes of files (M5): taken away whole and in parts, as what they are, opened by nobody."""

import hashlib

from tests.api.files.conftest import PNG, Shelf
from tests.checks import codes, refused

NOWHERE = '"0123456789abcdef0123456789abcdef"'


async def test_content_is_kept_and_not_opened(shelf: Shelf) -> None:
    """M5: attachment, nosniff, sandbox; whatever its sender says that it is."""
    cases = (
        (PNG, "text/html", "image/png"),
        (b"%PDF-1.7\n%\xe2\xe3", "image/svg+xml", "application/pdf"),
        (b"<html><script>alert(1)</script>", "image/png", "text/plain"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image/svg+xml", "text/plain"),
        (b"MZ\x90\x00\x03" + bytes(60), "application/pdf", "application/x-msdownload"),
        (b"name,phone\nAda,1\n", "text/csv", "text/csv"),
        (b"\x00\x01\x02", "text/plain", "application/octet-stream"),
        (b"", "application/pdf", "text/plain"),
    )
    for content, declared, told in cases:
        made = await shelf.document(content, media=declared, name="Öffne mich.html")
        assert made["media_type"] == told, declared
        answer = await shelf.get(f"/v1/files/{made['id']}/content", "front_desk")
        assert (answer.status_code, answer.content) == (200, content)
        head = answer.headers
        assert head["content-type"].partition(";")[0] == told
        assert head["content-disposition"] == (
            "attachment; filename=\"_ffne mich.html\"; filename*=UTF-8''%C3%96ffne%20mich.html"
        )
        assert head["x-content-type-options"] == "nosniff"
        assert head["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert head["content-length"] == str(len(content))
        assert head["etag"] == f'"{hashlib.sha256(content).hexdigest()[:32]}"'


async def test_part_is_answered_by_its_range(shelf: Shelf) -> None:
    """M5, RFC 9110 §14."""
    content = b"0123456789" * 300
    made = await shelf.document(content)
    place = f"/v1/files/{made['id']}/content"
    etag = (await shelf.get(place)).headers["etag"]
    parts = {
        "bytes=0-0": (0, 1),
        "bytes=10-19": (10, 20),
        "bytes=2990-": (2990, 3000),
        "bytes=-5": (2995, 3000),
        "bytes=-9999": (0, 3000),
        "bytes=2999-99999": (2999, 3000),
    }
    for wanted, (start, end) in parts.items():
        answer = await shelf.get(place, Range=wanted, If_Range=etag, Accept_Encoding="gzip")
        assert (answer.status_code, answer.content) == (206, content[start:end]), wanted
        assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/3000"
        assert answer.headers["content-length"] == str(end - start)
        assert "content-encoding" not in answer.headers
    for wanted in ("bytes=3000-", "bytes=-0", "bytes=9999-10000"):
        answer = await shelf.get(place, Range=wanted)
        assert codes(refused(answer, 416, "range_not_satisfiable")) == {
            "Range": "range_not_satisfiable"
        }
        assert answer.headers["content-range"] == "bytes */3000"
    for wanted in ("bytes=5-1", "bytes=-", "lines=0-1", "bytes=0-1,5-6", "bytes=a-b", "0-1"):
        answer = await shelf.get(place, Range=wanted)
        assert (answer.status_code, answer.content) == (200, content), wanted
    stale = await shelf.get(place, Range="bytes=0-1", If_Range=NOWHERE)
    assert (stale.status_code, stale.content) == (200, content)


async def test_what_is_held_is_not_sent_again(shelf: Shelf) -> None:
    """M5: and of its head alone nothing is read."""
    made = await shelf.document(PNG, name="a.png")
    place = f"/v1/files/{made['id']}/content"
    whole = await shelf.get(place)
    held = await shelf.get(place, If_None_Match=whole.headers["etag"], Range="bytes=9999-")
    assert (held.status_code, held.content) == (304, b"")
    for path in shelf.kept:
        path.unlink()
    head = await shelf.organization.call("admin", "HEAD", place, headers={"Range": "bytes=0-1"})
    assert (head.status_code, head.content) == (200, b"")
    for name in ("content-length", "etag", "accept-ranges", "content-disposition", "content-type"):
        assert head.headers[name] == whole.headers[name]


async def test_versions_are_kept_and_each_is_read(shelf: Shelf) -> None:
    """M5: a rename tells what the latest is called, not what was sent."""
    call = shelf.organization.call
    made = await shelf.document(b"first", name="draft.txt")
    place = f"/v1/files/{made['id']}"
    held = (await shelf.get(place)).headers["etag"]
    for n, name in ((2, "second.txt"), (3, "third.txt")):
        answer = await shelf.send(
            str(n).encode(), name, path=f"{place}/versions", role="front_desk",
            headers={"If-Match": held},
        )  # fmt: skip
        assert answer.status_code == 201, answer.text
        assert (answer.json()["latest_version"], answer.json()["name"]) == (n, "draft.txt")
        held = answer.headers["etag"]
    stale = await shelf.send(b"4", path=f"{place}/versions", headers={"If-Match": NOWHERE})
    refused(stale, 412, "version_conflict")
    dry = await shelf.send(b"4", path=f"{place}/versions?dry_run=true")
    assert dry.json()["latest_version"] == 4
    await call("admin", "PATCH", place, json={"name": "final.txt"})
    first = (await shelf.get(f"{place}/versions?limit=2")).json()
    rest = (await shelf.get(f"{place}/versions?limit=2&cursor={first['next_cursor']}")).json()
    told = [(one["number"], one["name"]) for one in (*first["data"], *rest["data"])]
    assert told == [(3, "third.txt"), (2, "second.txt"), (1, "draft.txt")]
    assert (first["has_more"], rest["has_more"]) == (True, False)
    assert first["data"][0]["created_by"]["name"] == "Front Desk"
    assert first["data"][0]["sha256"] == hashlib.sha256(b"3").hexdigest()
    refused(await shelf.get(f"{place}/versions?cursor=AbC123"), 400, "invalid_cursor")
    for number, content in ((1, b"first"), (2, b"2"), (3, b"3")):
        answer = await shelf.get(f"{place}/versions/{number}/content")
        assert answer.content == content
    latest = await shelf.get(f"{place}/content")
    assert latest.content == b"3"
    assert latest.headers["content-disposition"] == 'attachment; filename="final.txt"'
    for wrong in ("4", "0", "-1", "1_0", "one", "9" * 30):
        refused(await shelf.get(f"{place}/versions/{wrong}/content"), 404, "not_found")
    assert len(shelf.kept) == 3


def raw(filename: bytes, name: bytes | None = None) -> bytes:
    """A multipart body as no library writes it."""
    head = (
        b'--x\r\nContent-Disposition: form-data; name="file"; filename="' + filename + b'"\r\n\r\n'
    )
    field = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n'
    return (
        head + b"bytes\r\n" + (field + name + b"\r\n" if name is not None else b"") + b"--x--\r\n"
    )


HOSTILE = (
    b"\x00",
    b"a\x00b.txt",
    b"\xff\xfe.txt",
    b"\xed\xa0\x80.txt",
    "e\u0301".encode() * 40 + b".txt",
    b"a" + "\u0301".encode() * 40,
    "\u200b\u2066\u00a0".encode(),
    b"x" * 7000,
    b"%00/..%2f",
    b"a\tb",
    "\U000e0041.txt".encode(),
    b"{{tax_id}}'; DROP TABLE files; --",
)


async def test_hostile_names_are_labels_or_refused(shelf: Shelf) -> None:
    """M5: nothing of them reaches a header, a path, or an error."""
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    path = f"{shelf.place}/files"
    bodies = [raw(sent) for sent in HOSTILE] + [raw(b"a.txt", sent) for sent in HOSTILE]
    kept = 0
    for body in bodies:
        answer = await shelf.organization.call("admin", "POST", path, content=body, headers=form)
        assert answer.status_code in (201, 400, 422), body[:80]
        if answer.status_code != 201:
            continue
        kept += 1
        name = answer.json()["name"]
        assert 1 <= len(name) <= 200
        assert not set(name) & set("/\\\0\t\u202e\u2066\u200e")
        taken = await shelf.get(f"/v1/files/{answer.json()['id']}/content")
        assert (taken.status_code, taken.content) == (200, b"bytes")
    assert len(shelf.kept) == kept
    assert kept >= len(HOSTILE) / 2
