"""A document is written as `json.dumps` writes it, byte for byte."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from flowplan.documents.json_text import dumps
from tests.conftest import examples

PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text(), inner), max_leaves=20
)


@examples(30)  # each has up to twenty lists and texts in each other
@given(st.dictionaries(st.text(), VALUES))
def test_a_document_is_the_json_of_the_standard_library(body: dict[str, object]) -> None:
    assert dumps(body) == json.dumps(body, indent=2) + "\n"
