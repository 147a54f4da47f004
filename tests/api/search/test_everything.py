"""Global search: one term over all kinds, ranked, and nothing that the reader may not see."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from tests.api.search.conftest import Found, ids, marked, whole
from tests.checks import Owner, codes, refused
from tests.factories import Organization

KINDS = ["client", "contact", "communication", "note", "file"]


async def test_each_kind_is_found_and_says_what_it_is(found: Found) -> None:
    person = await found.organization.create_contact(name="Ada Kingfisher")
    call = await found.call(subject="The kingfisher\u2019s nest", body="Two <b>eggs</b>")
    note = await found.note("Saw a KINGFISHER again")
    file = await found.file("Plan of the kingfisher.pdf")
    hits = await found.search("kingfisher")
    assert [(hit["kind"], hit["id"]) for hit in hits] == [
        ("client", found.client["id"]),
        ("contact", person["id"]),
        ("file", file["id"]),
        ("note", note["id"]),
        ("communication", call["id"]),
    ]
    lodge, _, plan, said, nest = hits
    assert lodge == {
        "kind": "client",
        "id": found.client["id"],
        "title": "Kingfisher Lodge",
        "matched": "name",
        "snippet": [{"text": "Kingfisher", "hit": True}, {"text": " Lodge", "hit": False}],
        "client_id": None,
        "at": None,
        "href": found.place,
    }
    assert plan == {
        "kind": "file",
        "id": file["id"],
        "title": "Plan of the kingfisher.pdf",
        "matched": "name",
        "snippet": [
            {"text": "Plan of the ", "hit": False},
            {"text": "kingfisher.pdf", "hit": True},
        ],
        "client_id": found.client["id"],
        "at": file["created_at"],
        "href": f"/v1/files/{file['id']}",
    }
    assert marked(said) == ["KINGFISHER"]
    assert nest["title"] == "The kingfisher\u2019s nest"
    assert marked(nest) == ["kingfisher\u2019s"]
    assert whole(nest) == "The kingfisher\u2019s nest \u00b7 Two <b>eggs</b>"
    assert (nest["client_id"], nest["at"]) == (found.client["id"], call["occurred_at"])
    for hit in hits:
        record = await found.organization.call("manager", "GET", hit["href"])
        assert record.json()["id"] == hit["id"]


async def test_all_words_must_stand_in_one_text_in_any_order(found: Found) -> None:
    both = await found.call(subject="Morning show", body="They wish the Kampala offer")
    await found.call(subject="Morning show", body="Nothing else")
    assert ids(await found.search("offer morning")) == [both["id"]]
    assert ids(await found.search("kampala off mor")) == [both["id"]], "words may be begun"
    assert await found.search("offer evening") == []


async def test_texts_are_folded_as_names_are(found: Found) -> None:
    made = await found.note("Caf\u00e9 \u0394\u03b5\u03bb\u03c6\u03bf\u03af, l\u2019\u00c9t\u00e9")
    for term in ("cafe", "CAFÉ", "δελφοι", "l'ete"):
        assert ids(await found.search(term, kinds="note")) == [made["id"]], term


async def test_search_row_goes_with_its_record(found: Found) -> None:
    """Changed words are found, and the old ones no more; deleted and restored alike."""
    call = await found.call(subject="Plover", body="Gannet")
    path = f"/v1/communications/{call['id']}"
    await found.organization.call("manager", "PATCH", path, json={"body": "Heron"})
    assert ids(await found.search("plover heron")) == [call["id"]]
    assert await found.search("gannet") == []
    await found.organization.call("manager", "PATCH", path, json={"body": None})
    assert await found.search("heron") == []
    await found.organization.call("manager", "DELETE", path)
    assert await found.search("plover") == []
    await found.organization.call("manager", "POST", f"{path}/restore")
    assert ids(await found.search("plover")) == [call["id"]]
    note = await found.note("Pelican")
    await found.organization.call(
        "manager", "PATCH", f"/v1/notes/{note['id']}", json={"text": "Ibis"}
    )
    assert ids(await found.search("ibis")) == [note["id"]]
    await found.organization.call("manager", "DELETE", f"/v1/notes/{note['id']}")
    assert await found.search("ibis") == []


async def test_C13_pair_is_an_exact_attribute_match(found: Found) -> None:  # noqa: N802  # the rule's name
    await found.organization.call(
        "manager",
        "PATCH",
        found.place,
        json={"attributes": {"bird": "grey heron"}, "stage": "mature", "stage_reason": "Old"},
    )
    await found.note("No pair: stage mature, grey heron")
    (hit,) = await found.search("stage=mature")
    assert (hit["id"], hit["matched"], marked(hit)) == (
        found.client["id"],
        "attribute",
        ["stage=mature"],
    )
    assert ids(await found.search('bird="grey heron"')) == [found.client["id"]]
    for term in ("bird=grey", "stage=mat", "stage=growing", "stage=unknown", "size=large"):
        assert await found.search(term) == [], term
    assert await found.search("stage=mature", kinds="note") == []


async def test_C13_pairs_of_hidden_groups_are_not_found(found: Found) -> None:  # noqa: N802  # the rule's name
    body = {"attributes": {"bird": "heron"}, "stage": "mature", "stage_reason": "Old"}
    await found.organization.call("manager", "PATCH", found.place, json=body)
    for term in ("bird=heron", "stage=mature"):
        assert ids(await found.search(term, "front_desk")) == [found.client["id"]]
        assert await found.search(term, "presenter") == [], "attributes are remarks"
    ask = await found.key("clients.identity:read", "clients.remarks:read")
    assert (await ask("stage=mature")).json() == {"data": []}
    assert len((await ask("bird=heron")).json()["data"]) == 1


async def test_presenter_finds_clients_by_name_alone(found: Found) -> None:
    await found.organization.create_contact(name="Ada Kingfisher")
    await found.call(subject="Kingfisher")
    await found.note("Kingfisher")
    await found.file("Kingfisher")
    before = await found.search("kingfisher", "presenter")
    assert [hit["kind"] for hit in before] == ["client"]
    for kind in KINDS[1:]:
        answer = await found.organization.call(
            "presenter", "GET", "/v1/search", params={"q": "kingfisher", "kinds": kind}
        )
        problem = refused(answer, 403, "forbidden")
        assert codes(problem) == {"kinds": "forbidden"}


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("general", "remarks"),
        ("service", "service"),
        ("preference", "preferences"),
        ("special_requirement", "service"),
        ("escalation", "assessment"),
    ],
)
async def test_note_and_file_are_found_by_who_reads_the_group_of_their_kind(
    found: Found, kind: str, group: str
) -> None:
    note, file = await found.note("Osprey", kind), await found.file("Osprey.pdf", kind)
    others = {"remarks", "service", "preferences", "assessment"} - {group}
    seen = await (await found.key(f"clients.{group}:read"))("osprey")
    assert ids(seen.json()["data"]) == [file["id"], note["id"]]
    unseen = await (await found.key(*(f"clients.{one}:read" for one in others)))("osprey")
    assert unseen.json() == {"data": []}


async def test_hidden_hits_take_no_place_of_visible_ones(found: Found) -> None:
    """However many there are: bounds count what the reader may see."""
    seen = await found.note("Osprey seen", "service")
    for _ in range(8):
        await found.note("Osprey hidden", "escalation")
    answer = await (await found.key("clients.service:read"))("osprey", limit="2")
    assert ids(answer.json()["data"]) == [seen["id"]]


async def test_nothing_of_a_client_that_may_not_be_opened(found: Found) -> None:
    call = await found.call(subject="Osprey")
    note = await found.note("Osprey")
    assert sorted(ids(await found.search("osprey"))) == sorted([call["id"], note["id"]])
    await found.organization.call("admin", "DELETE", found.place)
    assert await found.search("osprey") == []
    assert len(await found.search("osprey", "admin")) == 2
    call = {"kind": "call", "subject": "Osprey", "participants": [{"name": "Ada"}]}
    alone = await found.post("/v1/communications", call)
    assert ids(await found.search("osprey")) == [alone["id"]]


async def test_other_organizations_are_not_looked_at(
    found: Found, establish: Callable[..., Awaitable[Organization]]
) -> None:
    other = await establish("radio")
    theirs = Found(other, await other.create_client(name="Kingfisher Hotel"))
    await theirs.call(subject="Osprey")
    assert await found.search("osprey") == []
    assert len(await theirs.search("osprey")) == 1


async def test_faults_are_told_at_once(found: Found) -> None:
    answer = await found.organization.call(
        "manager", "GET", "/v1/search", params={"kinds": "rumour", "limit": "51", "sort": "name"}
    )
    problem = refused(answer, 422, "invalid")
    assert codes(problem) == {
        "sort": "unknown_parameter",
        "kinds": "invalid_choice",
        "limit": "out_of_range",
        "q": "required",
    }
    for term, code in (("  ", "too_short"), ("\u2014", "too_short"), ("a" * 201, "too_long")):
        answer = await found.organization.call("manager", "GET", "/v1/search", params={"q": term})
        assert codes(refused(answer, 422, "invalid")) == {"q": code}


async def test_who_finds_nothing_at_all_is_refused(found: Found) -> None:
    ask = await found.key("users.directory:read")
    refused(await ask("kingfisher"), 403, "forbidden")


@pytest.mark.parametrize(
    "term",
    ["'", "\\", "a'b\\c", "!kingfisher", "& | !", "king:*", "<->x", "%a%", "*?x"],
)
async def test_signs_of_queries_are_letters_like_any_other(found: Found, term: str) -> None:
    note = await found.note(f"Before {term} after")
    answer = await found.organization.call("manager", "GET", "/v1/search", params={"q": term})
    assert answer.status_code in (200, 422), answer.text
    assert note["id"] in ids(await found.search("before after"))


async def test_older_ones_are_found_by_the_index(found: Found, owner: Owner) -> None:
    """Beyond the latest, where a word is rare: as PostgreSQL looks, not as it guesses."""
    old = await found.call(subject="Hoopoe")
    for _ in range(3):
        await found.call(subject="Sparrow")
    function = (
        "SELECT id FROM search_communications($1, $1, ARRAY[]::text[], ARRAY['live'], 2, 200, 20)"
    )
    org = found.organization.organization_id
    salted = await owner.fetchval(
        "SELECT min(lexeme) FROM communication_search, unnest(subject) WHERE organization_id = $1 "
        "AND lexeme LIKE '%hoopoe'",
        org,
    )
    await owner.execute(f"SET app.organization_id = '{org}'")
    rows = await owner.fetch(function, f"'{salted}'")
    await owner.execute("RESET app.organization_id")
    assert {row["id"] for row in rows} == {UUID(old["id"])}
