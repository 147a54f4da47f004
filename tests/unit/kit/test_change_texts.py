"""The texts that digests run over are the same by whichever way they are made."""

import json
from typing import Any
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from crm_api.core.ids import new_id, new_id_text
from crm_api.kit.changes import _change_text, canonical

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.text(), JSON, JSON)
def test_the_short_way_to_a_changes_text_is_the_canonical_one(
    name: str, before: Any, after: Any
) -> None:
    assert _change_text(name, before, after).encode(errors="surrogatepass") == json.dumps(
        [name, before, after], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    ).encode(errors="surrogatepass")


@given(JSON)
def test_canonical_text_survives_being_read_back(value: Any) -> None:
    text = canonical(value)
    assert canonical(json.loads(text)) == text


def test_ids_are_written_alike_by_both_ways() -> None:
    texts = [new_id_text() for _ in range(1000)]
    assert texts == sorted(set(texts))
    assert {UUID(text).version for text in texts} == {new_id().version} == {7}
    assert all(str(UUID(text)) == text for text in texts)
