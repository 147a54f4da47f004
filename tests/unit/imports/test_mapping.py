"""Which column becomes which field."""

from collections.abc import Sequence

import pytest
from sqlalchemy import Date, Integer, Text

from crm_api.catalogues.presets import starter_entries
from crm_api.catalogues.service import Catalogues
from crm_api.clients.drafting import PLAIN
from crm_api.clients.repository import CLIENTS
from crm_api.clients.schemas import Client
from crm_api.imports.mapping import (
    Column,
    MappingError,
    override,
    read_pairs,
    require_name,
    suggest,
)
from crm_api.imports.targets import (
    TARGETS,
    WHOLE,
    choice_of,
    country_of,
    key_of,
    target_of,
    title_key,
)
from crm_api.kit.fields import Write


def _known() -> Catalogues:
    found: dict[str, dict[str, dict[str, object]]] = {}
    for entry in starter_entries(("radio",)):
        found.setdefault(entry.catalogue, {})[entry.key] = entry.data
    return Catalogues(
        version=1,
        default_type="prospect",
        **{
            n: found[n] for n in ("types", "industries", "tiers", "regions", "sources", "workflows")
        },
    )


KNOWN = _known()


def names(found: Sequence[Column]) -> list[str | None]:
    return [None if c.target is None else c.target.name for c in found]


def mapped(header: Sequence[str], *rows: Sequence[str]) -> dict[str, str | None]:
    return chosen(suggest(header, rows, KNOWN))


def test_names_of_columns_suggest_their_fields() -> None:
    header = ["id", "name", "addr", "city", "phone", "type"]
    row = ["534", "arnie mortons", "435 s. la cienega blv.", "los angeles", "310/246-1501", "x"]
    assert mapped(header, row) == {
        "id": "external_ref",
        "name": "name",
        "addr": "street_address",
        "city": "city",
        "phone": "phone",
        "type": "industry",
    }


@pytest.mark.parametrize("title", ["addr", "Address", "STREET", "street_address", "Street-Address"])
def test_an_address_is_the_street_address(title: str) -> None:
    assert mapped([title]) == {title: "street_address"}


def test_type_is_the_type_when_its_values_are_types() -> None:
    assert mapped(["type"], ["Prospect"], ["partner"], ["Community organization"]) == {
        "type": "type"
    }
    assert mapped(["type"], ["prospect"], ["bakery"], ["garage"]) == {"type": "industry"}


@pytest.mark.parametrize(
    ("title", "values", "expected"),
    [
        ("status", ["Active", "On hold"], "status"),
        ("status", ["paid", "unpaid"], None),
        ("region", ["North", "east"], "region"),
        ("region", ["Busoga", "Acholi"], None),
        ("size", ["small", "Large"], "business_size"),
        ("source", ["Walk-in", "referral"], "source"),
    ],
)
def test_closed_words_are_taken_where_the_values_are_of_them(
    title: str, values: list[str], expected: str | None
) -> None:
    assert mapped([title], *[[value] for value in values]) == {title: expected}


def test_values_tell_what_a_name_does_not() -> None:
    row = ["ada@example.com", "+256 772 123456", "17", "blue"]
    assert mapped(["x", "y", "z", "colour"], row) == {
        "x": "email",
        "y": "phone",
        "z": None,
        "colour": None,
    }


def test_several_columns_may_hold_numbers_but_one_the_name() -> None:
    assert mapped(["name", "company", "phone", "mobile"]) == {
        "name": "name",
        "company": None,
        "phone": "phone",
        "mobile": "phone",
    }


def test_addresses_of_a_person_without_a_name_are_the_clients() -> None:
    assert mapped(["name", "contact_email", "job_title"]) == {
        "name": "name",
        "contact_email": "email",
        "job_title": None,
    }
    assert mapped(["name", "contact_person", "contact_email", "job_title"]) == {
        "name": "name",
        "contact_person": "contact_name",
        "contact_email": "contact_email",
        "job_title": "contact_job_title",
    }


# ------------------------------------------------------------------- by a person


def columns(*titles: str) -> list[Column]:
    return suggest(titles, [], KNOWN)


def chosen(found: Sequence[Column]) -> dict[str, str | None]:
    return dict(zip((c.title for c in found), names(found), strict=True))


def test_a_person_decides_over_what_is_suggested() -> None:
    pairs = read_pairs(["Firma=name,type=tags", "name=", "phone=attributes.fax"])
    assert chosen(override(columns("name", "Firma", "type", "phone"), pairs)) == {
        "name": None,
        "Firma": "name",
        "type": "tags",
        "phone": "attributes.fax",
    }


def test_a_suggestion_gives_way_to_a_decision() -> None:
    assert chosen(override(columns("name", "Firma"), read_pairs(["Firma=name"]))) == {
        "name": None,
        "Firma": "name",
    }


def test_columns_of_one_name_are_told_apart_by_their_place() -> None:
    found = override(columns("x", "x"), {"#2": "name"})
    assert names(found) == [None, "name"]
    with pytest.raises(MappingError, match="#1, #2"):
        override(columns("x", "x"), {"x": "name"})


@pytest.mark.parametrize(
    ("pairs", "reason"),
    [
        ({"nowhere": "name"}, "There is no column 'nowhere'"),
        ({"name": "nothing"}, "There is no field 'nothing'"),
        ({"city": "name", "name": "name"}, "Both 'name' and 'city'"),
        ({"name": "lifecycle"}, "There is no field 'lifecycle'"),
        ({"name": "created_at"}, "There is no field 'created_at'"),
    ],
)
def test_a_decision_that_cannot_be_is_refused_in_words(pairs: dict[str, str], reason: str) -> None:
    with pytest.raises(MappingError, match=reason):
        override(columns("name", "city"), pairs)


def test_a_pair_without_a_field_is_refused() -> None:
    with pytest.raises(MappingError, match="column=field"):
        read_pairs(["name"])


def test_a_list_without_names_is_refused_before_anything_is_read() -> None:
    with pytest.raises(MappingError, match="--mapping 'firma=name'"):
        require_name(columns("firma", "phone"))


def test_every_target_is_found_by_its_own_name() -> None:
    assert all(target_of(name) is target for name, target in TARGETS.items())
    named = {name: target for name, target in TARGETS.items() if name not in WHOLE}
    assert all(title_key(name) in target.titles for name, target in named.items())


# ------------------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("American (new)", "american_new"),
        ("café", "cafe"),
        ("Health & Care", "health_care"),
        ("24-hour", "x_24_hour"),
        ("x" * 100, "x" * 64),
    ],
)
def test_a_key_is_made_of_what_people_write(text: str, key: str) -> None:
    assert key_of(text) == key


def test_a_word_of_another_script_has_always_the_same_key() -> None:
    assert key_of("餐厅") == key_of("餐厅") != key_of("银行")
    assert key_of("餐厅").isascii()


def test_words_and_countries_are_read_as_people_write_them() -> None:
    assert choice_of(" On-Hold ") == "on_hold"
    assert [country_of(text) for text in ("ug", "Uganda", "Germany", "Atlantis")] == [
        "UG",
        "UG",
        "DE",
        "Atlantis",
    ]


def test_every_field_of_one_cell_can_be_imported() -> None:
    """A field that is declared later, too, without a line of its own."""
    one_cell = Text | Integer | Date
    names = [name for name in PLAIN if isinstance(CLIENTS.c[name].type, one_cell)]
    settable = [name for name in names if Client.fields[name].rule.write & Write.ON_CREATE]
    assert settable
    assert not [name for name in settable if target_of(name) is None]
