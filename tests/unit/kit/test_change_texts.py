"""The texts that digests run over are the same by whichever way they are made."""

import hashlib
import json
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from crm_api.core.ids import new_id, new_id_text
from crm_api.kit.changes import _change_text, canonical, entry_digest

TEXT = st.text(st.characters(codec="utf-8"))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(TEXT, JSON, JSON)
def test_the_short_way_to_a_changes_text_is_the_canonical_one(
    name: str, before: Any, after: Any
) -> None:
    assert (
        _change_text(name, before, after).encode()
        == json.dumps(
            [name, before, after], sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    )


@given(JSON)
def test_canonical_text_survives_being_read_back(value: Any) -> None:
    text = canonical(value)
    assert canonical(json.loads(text)) == text


@given(st.lists(TEXT, min_size=6, max_size=6), st.lists(TEXT, max_size=5), st.binary())
def test_an_entrys_digest_runs_over_the_canonical_array(
    texts: list[str], fields: list[str], digests: bytes
) -> None:
    names = ("id", "actor_type", "actor_id", "request_id", "resource", "resource_id")
    facts = dict(zip(names, texts, strict=True))
    entry = SimpleNamespace(**facts, version=7, action='a"b', fields=fields, digests=digests)
    array = [*texts, 7, 'a"b', fields, digests.hex()]
    assert entry_digest(entry) == hashlib.sha256(canonical(array)).digest()


def test_ids_are_written_alike_by_both_ways() -> None:
    texts = [new_id_text() for _ in range(1000)]
    assert texts == sorted(set(texts))
    assert {UUID(text).version for text in texts} == {new_id().version} == {7}
    assert all(str(UUID(text)) == text for text in texts)
