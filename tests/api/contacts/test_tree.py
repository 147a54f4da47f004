"""The line of reporting that a person stands in: up to the top, and down again."""

from tests.checks import refused
from tests.factories import Organization


async def line(organization: Organization, *names: str) -> list[str]:
    """The ids of persons of whom each reports to the one before."""
    found: list[str] = []
    for name in names:
        above = {"reports_to_id": found[-1]} if found else {}
        found.append((await organization.create_contact(name=name, **above))["id"])
    return found


async def told(organization: Organization, role: str, contact: str, query: str = "") -> list[str]:
    answer = await organization.call(role, "GET", f"/v1/contacts/{contact}/tree{query}")
    assert answer.status_code == 200, answer.text
    return [node["name"] for node in answer.json()["nodes"]]


async def test_tree_is_the_same_from_wherever_it_is_asked(radio: Organization) -> None:
    persons = await line(radio, "Director", "Head", "Clerk")
    await radio.create_contact(name="Deputy", reports_to_id=persons[0])
    for person in persons:
        answer = await radio.call("front_desk", "GET", f"/v1/contacts/{person}/tree")
        tree = answer.json()
        assert tree["contact_id"] == person
        assert [(node["name"], node["depth"]) for node in tree["nodes"]] == [
            ("Director", 0),
            ("Head", 1),
            ("Clerk", 2),
            ("Deputy", 1),
        ]
        assert tree["nodes"][2]["parent_id"] == persons[1]
        assert not tree["truncated"]


async def test_tree_is_bounded_by_its_depth(radio: Organization) -> None:
    persons = await line(radio, *(f"Level {n}" for n in range(6)))
    path = f"/v1/contacts/{persons[3]}/tree?depth=1"
    tree = (await radio.call("admin", "GET", path)).json()
    assert [node["name"] for node in tree["nodes"]] == ["Level 2", "Level 3", "Level 4"]
    assert tree["truncated"]


async def test_deleted_person_is_told_to_who_may_open_it(radio: Organization) -> None:
    top, middle, low = await line(radio, "Top", "Gone", "Low")
    assert (await radio.call("admin", "DELETE", f"/v1/contacts/{middle}")).status_code == 204
    assert await told(radio, "admin", low) == ["Top", "Gone", "Low"]
    assert await told(radio, "manager", low) == ["Low"]
    assert await told(radio, "manager", top) == ["Top"]
    refused(await radio.call("manager", "GET", f"/v1/contacts/{middle}/tree"), 404, "not_found")


async def test_presenter_reads_no_tree(radio: Organization) -> None:
    (person,) = await line(radio, "Person")
    answer = await radio.call("presenter", "GET", f"/v1/contacts/{person}/tree")
    refused(answer, 403, "forbidden")
