"""The presets are what the domain says: types, cadences, and what a complete profile needs."""

import pytest

from crm_api.catalogues.presets import (
    CATALOGUES,
    PRESET_KEYS,
    PRESETS,
    STATUSES,
    default_type,
    requirements,
    starter_entries,
)


def test_there_are_five() -> None:
    assert tuple(PRESETS) == PRESET_KEYS


@pytest.mark.parametrize(
    ("preset", "types"),
    [
        (
            "radio",
            "prospect active_advertiser past_advertiser partner community_organization",
        ),
        ("jobs", "customer commercial residential contractor partner"),
        ("bookings", "customer member corporate"),
        ("recruitment", "prospect employer supplier partner"),
        ("relationship", "prospect customer supplier partner"),
    ],
)
def test_types_stand_in_order_the_default_first(preset: str, types: str) -> None:
    assert [kind.key for kind in PRESETS[preset].types] == types.split()
    assert default_type([preset]) == types.split(maxsplit=1)[0]


def test_radio_keeps_in_touch_as_its_table_says() -> None:
    cadence = {
        kind.key: (kind.engagement_level, kind.contact_interval_days)
        for kind in PRESETS["radio"].types
    }
    assert cadence == {
        "prospect": ("high", 14),
        "active_advertiser": ("high", 30),
        "past_advertiser": ("medium", 90),
        "partner": ("high", 30),
        "community_organization": ("medium", None),
    }


def test_radio_allows_these_pairs_of_type_and_status() -> None:
    pairs = {kind.key: set(kind.statuses) for kind in PRESETS["radio"].types}
    assert pairs == {
        "prospect": {"prospect", "on_hold", "inactive"},
        "active_advertiser": {"active", "on_hold"},
        "past_advertiser": {"active", "inactive", "on_hold"},
        "partner": {"active", "inactive", "on_hold"},
        "community_organization": {"active", "inactive", "on_hold"},
    }


@pytest.mark.parametrize("preset", PRESET_KEYS)
def test_status_of_a_new_client_goes_with_its_type(preset: str) -> None:
    for kind in PRESETS[preset].types:
        assert kind.default_status in kind.statuses
        assert kind.default_status == ("prospect" if kind.key == "prospect" else "active")
        assert set(kind.statuses) <= set(STATUSES)


def test_only_what_follows_from_facts_is_derived() -> None:
    derived = {
        kind.key for preset in PRESETS.values() for kind in preset.types if kind.derived_only
    }
    assert derived == {"active_advertiser", "past_advertiser"}


def test_several_presets_sum_up() -> None:
    both = ("jobs", "radio")
    assert default_type(both) == "customer"
    assert requirements(both) == (
        "site:service",
        "primary_contact",
        "industry_for_organizations",
        "industry",
        "site:physical",
    )
    types = [entry for entry in starter_entries(both) if entry.catalogue == "types"]
    keys = [entry.key for entry in types]
    assert len(keys) == len(set(keys))
    assert {"customer", "prospect", "partner"} <= set(keys)
    partner = next(entry for entry in types if entry.key == "partner")
    assert partner.data["presets"] == ["jobs", "radio"]


@pytest.mark.parametrize("preset", PRESET_KEYS)
def test_every_entry_has_a_place_of_its_own(preset: str) -> None:
    entries = starter_entries([preset])
    assert len({(entry.catalogue, entry.key) for entry in entries}) == len(entries)
    assert len({(entry.catalogue, entry.position) for entry in entries}) == len(entries)
    assert {entry.catalogue for entry in entries} == set(CATALOGUES) - {"tags"}
    industries = [entry.key for entry in entries if entry.catalogue == "industries"]
    assert industries[-1] == "other"
