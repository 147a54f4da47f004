"""Demo records: the same each time, and such as the API takes."""

from datetime import date
from uuid import UUID

import pytest

from crm_api.catalogues.presets import PRESET_KEYS, PRESETS
from crm_api.core.formats.names import name_key
from crm_api.core.formats.phones import parse_phone
from crm_api.demo.generator import bodies
from crm_api.demo.words import SCENES, Scene

TODAY = date(2026, 2, 28)
OWNERS = [UUID(int=1), UUID(int=2)]
each_scene = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.slug)


def test_there_is_one_organization_for_each_preset() -> None:
    assert tuple(scene.slug for scene in SCENES) == PRESET_KEYS


@each_scene
def test_records_are_the_same_each_time(scene: Scene) -> None:
    assert list(bodies(scene, OWNERS, TODAY)) == list(bodies(scene, OWNERS, TODAY))


@each_scene
def test_nothing_happened_in_the_future(scene: Scene) -> None:
    for body in bodies(scene, OWNERS, TODAY):
        registered, reviewed = body["registered_on"], body.get("last_reviewed_on")
        assert registered <= str(TODAY)
        assert reviewed is None or registered <= reviewed <= str(TODAY)


@each_scene
def test_names_and_addresses_stand_once(scene: Scene) -> None:
    made = list(bodies(scene, OWNERS, TODAY))
    assert len({name_key(body["name"]) for body in made}) == len(made) >= 200
    addresses = [email["address"] for body in made for email in body["emails"]]
    persons = [link["contact"] for body in made for link in body.get("contacts", ())]
    addresses += [email["address"] for person in persons for email in person["emails"]]
    assert len(set(addresses)) == len(addresses)


@each_scene
def test_phones_are_numbers_of_the_country(scene: Scene) -> None:
    for body in bodies(scene, OWNERS, TODAY):
        for phone in body["phones"]:
            assert parse_phone(phone["e164"]).country == scene.country


@each_scene
def test_mail_goes_to_nobody(scene: Scene) -> None:
    """Domains under `.example` belong to no one (RFC 2606)."""
    for body in bodies(scene, OWNERS, TODAY):
        assert all(email["address"].endswith(".example") for email in body["emails"])


@each_scene
def test_types_and_industries_are_those_of_the_preset(scene: Scene) -> None:
    preset = PRESETS[scene.slug]
    types = {kind.key for kind in preset.types if not kind.derived_only}
    for body in bodies(scene, OWNERS, TODAY):
        assert body.get("type", preset.types[0].key) in types
        assert body.get("industry") in {None, *preset.industries}


@each_scene
def test_variety_is_enough_to_look_at(scene: Scene) -> None:
    made = list(bodies(scene, OWNERS, TODAY))
    for field in ("tags", "remarks", "owner_id", "contacts", "credit_limit"):
        share = sum(field in body for body in made) / len(made)
        assert share > 0.02, field
    assert {site["kind"] for body in made for site in body["sites"]} == {
        "service" if scene.slug == "jobs" else "physical"
    }
