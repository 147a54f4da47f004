"""Files (M5): kept, listed, changed, deleted; each kind in its group of the client's fields."""

import hashlib
import secrets

import pytest

from crm_api.core.formats.file_names import plain_file_name
from tests.api.files.conftest import KINDS, PNG, Shelf
from tests.checks import Owner, assert_chain, change_count, codes, refused
from tests.factories import Organization


async def test_document_is_answered_as_it_is_read(shelf: Shelf, owner: Owner) -> None:
    """M5: by its bytes, and one entry of the log tells of it."""
    before = await change_count(owner, shelf.organization.organization_id)
    answer = await shelf.send(PNG, "offer.png", role="front_desk", kind="preference")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert answer.headers["location"] == f"/v1/files/{made['id']}"
    read = await shelf.get(f"/v1/files/{made['id']}", "manager")
    assert read.json() == made
    expected = {
        "client_id": shelf.client["id"],
        "contact_id": None,
        "communication_id": None,
        "kind": "preference",
        "name": "offer.png",
        "form": "document",
        "url": None,
        "media_type": "image/png",
        "size_bytes": len(PNG),
        "sha256": hashlib.sha256(PNG).hexdigest(),
        "latest_version": 1,
    }
    assert expected.items() <= made.items()
    assert await change_count(owner, shelf.organization.organization_id) == before + 1
    await assert_chain(owner, shelf.organization.organization_id)
    assert [path.read_bytes() for path in shelf.kept] == [PNG]
    assert "offer" not in str(shelf.kept[0]), "the store knows no name"


async def test_link_is_kept_and_never_fetched(shelf: Shelf) -> None:
    """M5: nobody listens there, and nobody asks."""
    answer = await shelf.link(name="The offer", url="https://127.0.0.1:9/offer", kind="service")
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["form"], made["url"]) == ("link", "https://127.0.0.1:9/offer")
    assert (made["media_type"], made["size_bytes"], made["sha256"]) == (None, None, None)
    place = f"/v1/files/{made['id']}"
    refused(await shelf.get(f"{place}/content"), 409, "file_is_link")
    refused(await shelf.send(path=f"{place}/versions"), 409, "file_is_link")
    assert (await shelf.get(f"{place}/versions")).json()["data"] == []
    changed = await shelf.organization.call(
        "admin", "PATCH", place, json={"url": "https://docs.example.com/later"}
    )
    assert changed.json()["url"] == "https://docs.example.com/later"
    assert shelf.kept == []


async def test_link_leads_to_https_alone(shelf: Shelf) -> None:
    """M5."""
    for url in ("http://docs.example.com/x", "javascript:alert(1)", "ftp://example.com", ""):
        assert set(codes(refused(await shelf.link(url=url), 422, "invalid"))) == {"/url"}, url


SENT = {
    "../../etc/passwd": "passwd",
    "C:\\Users\\ada\\offer.pdf": "offer.pdf",
    "offer\u202efdp.exe": "offerfdp.exe",
    "of\u200ffer\u061c.txt": "offer.txt",
    "..": "file",
    "Übersicht für Ada.txt": "Übersicht für Ada.txt",
    "n" * 300 + ".txt": ("n" * 300 + ".txt")[-200:],
}


async def test_name_of_the_sender_is_a_label(shelf: Shelf) -> None:
    """M5: no path, no control character, no mark that turns it around."""
    for sent, kept in SENT.items():
        assert (await shelf.document(name=sent))["name"] == kept
    home = str(shelf.organization.organization_id)
    assert {path.parent.parent.name for path in shelf.kept} == {home}
    assert plain_file_name("a\tb\x7f\0.txt", "file") == "ab.txt"


async def test_name_that_is_said_is_refused_where_it_is_none(shelf: Shelf) -> None:
    """M5."""
    made = await shelf.document()
    place = f"/v1/files/{made['id']}"
    for name in ("a/b", "a\\b", "x\u202ey", "x\u200ey", "..", "a\nb", ""):
        for answer in (
            await shelf.organization.call("admin", "PATCH", place, json={"name": name}),
            await shelf.link(name=name),
        ):
            assert set(codes(refused(answer, 422, "invalid"))) == {"/name"}, name


GROUPS = {
    "general": "remarks",
    "service": "service",
    "preference": "preferences",
    "special_requirement": "service",
    "escalation": "assessment",
}


async def test_kind_is_open_to_who_reads_its_group(shelf: Shelf) -> None:
    """M5: of another kind nothing is there: not the file, its versions, its bytes, its count."""
    made = {kind: await shelf.document(kind.encode(), kind=kind) for kind in KINDS}
    for group in dict.fromkeys(GROUPS.values()):
        rights = ("clients.identity:read", f"clients.{group}:read", "clients.audit:read")
        ask = await shelf.caller(*rights)
        visible = {kind for kind in KINDS if GROUPS[kind] == group}
        for path in (f"{shelf.place}/files", "/v1/files"):
            page = (await ask("GET", path, params={"count": "exact"})).json()
            assert {file["kind"] for file in page["data"]} == visible
            assert page["total"] == len(visible)
        for kind, file in made.items():
            place = f"/v1/files/{file['id']}"
            for path in ("", "/content", "/versions", "/versions/1/content", "/history"):
                answer = await ask("GET", f"{place}{path}")
                assert answer.status_code == (200 if kind in visible else 404), f"{kind} {path}"
            if kind not in visible:
                refused(await ask("PATCH", place, json={"name": "x"}), 404, "not_found")
                sent = {"file": ("x.txt", b"x")}
                refused(await ask("POST", f"{place}/versions", files=sent), 404, "not_found")


async def test_refusal_names_the_group_of_the_kind_and_the_right(shelf: Shelf) -> None:
    """M5: front desk reads service and assessment, and writes neither; nothing is stored."""
    for kind, group in (("service", "service"), ("escalation", "assessment")):
        made = await shelf.document(kind=kind)
        kept = shelf.kept
        for answer in (
            await shelf.send(role="front_desk", kind=kind),
            await shelf.link("front_desk", kind=kind),
        ):
            problem = refused(answer, 403, "forbidden")
            assert codes(problem) == {"/kind": "forbidden"}
            assert f"clients.{group}:create" in problem["detail"]
        place = f"/v1/files/{made['id']}"
        for answer in (
            await shelf.organization.call("front_desk", "PATCH", place, json={"name": "x"}),
            await shelf.organization.call("front_desk", "DELETE", place),
            await shelf.send(role="front_desk", path=f"{place}/versions"),
        ):
            assert f"clients.{group}:update" in refused(answer, 403, "forbidden")["detail"]
        assert (await shelf.get(f"{place}/content", "front_desk")).status_code == 200
        assert shelf.kept == kept


async def test_file_of_a_contact_needs_the_contact_to_be_read(shelf: Shelf) -> None:
    """M5: and it belongs to no client, so that it tells nobody whom the person serves."""
    call = shelf.organization.call
    person = await shelf.organization.create_contact()
    base = f"/v1/contacts/{person['id']}"
    apart = await shelf.document(path=f"{base}/files")
    assert (apart["client_id"], apart["contact_id"]) == (None, person["id"])
    link = {"contact_id": person["id"]}
    assert (await call("admin", "POST", f"{shelf.place}/contacts", json=link)).status_code == 201
    made = await shelf.document(path=f"{base}/files")
    assert (made["client_id"], made["contact_id"]) == (None, person["id"])
    listed = (await shelf.get(f"{base}/files")).json()["data"]
    assert [file["id"] for file in listed] == [made["id"], apart["id"]]
    assert (await shelf.get(f"{shelf.place}/files")).json()["data"] == []
    rights = ("clients.identity:read", "clients.remarks:*")
    blind = await shelf.caller(*rights)
    seeing = await shelf.caller(*rights, "contacts.person:read")
    for file in (made, apart):
        refused(await blind("GET", f"/v1/files/{file['id']}/content"), 404, "not_found")
        assert (await seeing("GET", f"/v1/files/{file['id']}/content")).status_code == 200
    assert (await blind("GET", "/v1/files", params={"count": "exact"})).json()["total"] == 0
    refused(await blind("GET", f"{base}/files"), 403, "forbidden")
    sent = {"file": ("x.txt", b"x")}
    refused(await blind("POST", f"{base}/files", files=sent), 403, "forbidden")
    linked = (await shelf.get(shelf.place)).json()["contacts"][0]["id"]
    unlinked = await call("admin", "DELETE", f"{shelf.place}/contacts/{linked}")
    assert unlinked.status_code == 204
    assert (await call("admin", "DELETE", base)).status_code == 204
    refused(await shelf.get(f"/v1/files/{made['id']}", "manager"), 404, "not_found")
    refused(await shelf.send(path=f"{base}/files"), 409, "not_live")


async def test_file_of_a_communication_needs_it_to_be_read(shelf: Shelf) -> None:
    """M5: and it is not there when the communication is not."""
    call = shelf.organization.call
    path = f"{shelf.place}/communications"
    logged = (await call("manager", "POST", path, json={"kind": "call"})).json()
    base = f"/v1/communications/{logged['id']}"
    made = await shelf.document(path=f"{base}/files", role="manager")
    assert made["client_id"] == shelf.client["id"]
    assert made["communication_id"] == logged["id"]
    rights = ("clients.identity:read", "clients.remarks:*")
    blind = await shelf.caller(*rights)
    seeing = await shelf.caller(*rights, "communications.communication:read")
    place = f"/v1/files/{made['id']}"
    for path in (place, f"{place}/content", f"{place}/versions"):
        refused(await blind("GET", path), 404, "not_found")
        assert (await seeing("GET", path)).status_code == 200
    refused(await blind("GET", f"{base}/files"), 403, "forbidden")
    assert (await blind("GET", f"{shelf.place}/files")).json()["data"] == []
    assert (await call("manager", "DELETE", base)).status_code == 204
    refused(await seeing("GET", place), 404, "not_found")
    refused(await call("manager", "PATCH", place, json={"name": "x"}), 409, "not_live")


async def test_files_of_a_client_that_is_not_there_are_not_there(
    shelf: Shelf, other: Organization
) -> None:
    """G6, M5: a deleted client's files, and those of another organization."""
    call = shelf.organization.call
    made = await shelf.document()
    place, listed = f"/v1/files/{made['id']}", f"{shelf.place}/files"
    for path in (place, f"{place}/content", f"{place}/versions", f"{place}/history", listed):
        refused(await other.call("admin", "GET", path), 404, "not_found")
    sent = {"file": ("x.txt", b"x")}
    for path in (listed, f"{place}/versions"):
        refused(await other.call("admin", "POST", path, files=sent), 404, "not_found")
    assert (await call("admin", "POST", f"{shelf.place}/archive")).status_code == 200
    for answer in (
        await shelf.send(role="manager"),
        await shelf.link("manager"),
        await shelf.send(path=f"{place}/versions"),
        await call("manager", "PATCH", place, json={"name": "x"}),
        await call("manager", "DELETE", place),
    ):
        refused(answer, 409, "not_live")
    assert (await shelf.get(f"{place}/content", "manager")).status_code == 200
    assert (await call("admin", "DELETE", shelf.place)).status_code == 204
    for path in (place, f"{place}/content", listed):
        refused(await shelf.get(path, "manager"), 404, "not_found")
    assert (await shelf.get(place)).status_code == 200
    assert len(shelf.kept) == 1, "what was refused left no bytes"


async def test_presenter_sees_no_files(shelf: Shelf) -> None:
    """M5."""
    made = await shelf.document()
    for path in ("/v1/files", f"{shelf.place}/files"):
        refused(await shelf.get(path, "presenter"), 403, "forbidden")
    place = f"/v1/files/{made['id']}"
    for path in (place, f"{place}/content", f"{place}/versions/1/content", f"{place}/versions"):
        refused(await shelf.get(path, "presenter"), 404, "not_found")
    refused(await shelf.send(role="presenter"), 403, "forbidden")


async def test_faults_are_told_at_once_and_write_nothing(shelf: Shelf, owner: Owner) -> None:
    """M5, G6."""
    before = await change_count(owner, shelf.organization.organization_id)
    answer = await shelf.send(kind="gossip", name_="x", role="manager")
    assert codes(refused(answer, 422, "invalid")) == {"": "unknown_field", "/kind": "not_one_of"}
    path = f"{shelf.place}/files"
    answer = await shelf.organization.call(
        "manager", "POST", path, files={"kind": (None, "general")}
    )
    assert codes(refused(answer, 422, "invalid")) == {"/file": "required"}
    answer = await shelf.link("manager", kind="gossip", name="a/b", url="x", colour=1)
    found = codes(refused(answer, 422, "invalid"))
    assert set(found) == {"/kind", "/name", "/url", "/colour"}
    refused(
        await shelf.organization.call("manager", "POST", path, json={}),
        415,
        "unsupported_media_type",
    )
    assert await change_count(owner, shelf.organization.organization_id) == before
    assert shelf.kept == []


async def test_deleted_file_comes_back_with_its_versions(shelf: Shelf) -> None:
    """M5: for an administrator, until it goes for good."""
    call = shelf.organization.call
    made = await shelf.document(b"first")
    place = f"/v1/files/{made['id']}"
    await shelf.document(b"second", path=f"{place}/versions")
    held = (await shelf.get(place, "manager")).headers["etag"]
    stale = {"If-Match": '"0123456789abcdef0123456789abcdef"'}
    refused(await call("manager", "DELETE", place, headers=stale), 412, "version_conflict")
    dry = await call("manager", "DELETE", f"{place}?dry_run=true")
    assert dry.status_code == 204
    gone = await call("manager", "DELETE", place, headers={"If-Match": held})
    assert gone.status_code == 204
    for path in (place, f"{place}/content"):
        refused(await shelf.get(path, "manager"), 404, "not_found")
    refused(await call("manager", "POST", f"{place}/restore"), 404, "not_found")
    refused(await call("admin", "PATCH", place, json={"name": "x"}), 409, "not_live")
    listed = (await shelf.get("/v1/files?lifecycle=deleted")).json()["data"]
    assert [file["id"] for file in listed] == [made["id"]]
    key = {"Idempotency-Key": secrets.token_hex(8)}
    back = await call("admin", "POST", f"{place}/restore", headers=key)
    assert (back.status_code, back.json()["lifecycle"]) == (200, "live")
    again = await call("admin", "POST", f"{place}/restore", headers=key)
    assert again.headers["idempotency-replayed"] == "true"
    assert (await shelf.get(f"{place}/content", "manager")).content == b"second"
    assert (await shelf.get(f"{place}/versions/1/content", "manager")).content == b"first"


async def test_retry_keeps_one_document(shelf: Shelf) -> None:
    """M5: the same bytes under the same name; and a dry run keeps none."""
    key = {"Idempotency-Key": secrets.token_hex(8)}
    first = await shelf.send(b"once", headers=key)
    second = await shelf.send(b"once", headers=key)
    assert second.json() == first.json()
    assert second.headers["idempotency-replayed"] == "true"
    refused(await shelf.send(b"twice", headers=key), 422, "idempotency_mismatch")
    dry = await shelf.send(b"never", path=f"{shelf.place}/files?dry_run=true")
    assert (dry.status_code, dry.json()["size_bytes"]) == (200, 5)
    place = f"/v1/files/{first.json()['id']}"
    version = {"Idempotency-Key": secrets.token_hex(8)}
    answers = [await shelf.send(b"2", path=f"{place}/versions", headers=version) for _ in "ab"]
    assert [answer.json()["latest_version"] for answer in answers] == [2, 2]
    assert [path.read_bytes() for path in shelf.kept] in ([b"once", b"2"], [b"2", b"once"])
    assert len((await shelf.get(f"{shelf.place}/files")).json()["data"]) == 1


async def test_m5_another_kind_opens_what_a_file_is_and_not_what_it_was(shelf: Shelf) -> None:
    """M5: a former version is told to who reads the kind under which it was kept."""
    made = await shelf.document(b"Insolvent.", name="opinion.txt", kind="escalation")
    place = f"/v1/files/{made['id']}"
    sent = await shelf.send(b"All is well.", name="summary.txt", path=f"{place}/versions")
    assert sent.status_code == 201
    moved = await shelf.organization.call("admin", "PATCH", place, json={"kind": "general"})
    assert moved.status_code == 200
    general = await shelf.caller("clients.identity:read", "clients.remarks:read")
    both = await shelf.caller(
        "clients.identity:read", "clients.remarks:read", "clients.assessment:read"
    )
    for ask, numbers in ((general, [2]), (both, [2, 1])):
        told = (await ask("GET", f"{place}/versions")).json()["data"]
        assert [version["number"] for version in told] == numbers
        assert (await ask("GET", f"{place}/content")).text == "All is well."
        former = await ask("GET", f"{place}/versions/1/content")
        assert former.status_code == (200 if 1 in numbers else 404)


@pytest.mark.parametrize("charset", ["punycode", "undefined", "unicode_escape", "utf-7", "x"])
async def test_names_are_read_as_utf_8_alone(shelf: Shelf, charset: str) -> None:
    """M5: no codec of the caller's choice reads a name."""
    part = b'Content-Disposition: form-data; name="file"; filename="a.txt"'
    body = b"\r\n".join((b"--XX", part, b"", b"x", b"--XX--", b""))
    headers = {"Content-Type": f"multipart/form-data; boundary=XX; charset={charset}"}
    for path in (f"{shelf.place}/files", "/v1/imports"):
        answer = await shelf.organization.call("admin", "POST", path, content=body, headers=headers)
        refused(answer, 415, "unsupported_media_type")
