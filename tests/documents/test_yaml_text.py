"""Values are written as YAML that reads as the same values, in time that grows with their length."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from flowplan.documents.yaml_text import mapping


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.sampled_from("\n\x7f\x85"), max_size=20))
def test_a_text_reads_as_it_was(text: str) -> None:
    assert YAML(typ="safe").load("\n".join(mapping({"key": text})) + "\n") == {"key": text}


@pytest.mark.timeout(10)
@pytest.mark.parametrize("text", ["a" * 5000, "a" * 5000 + "\u2028", "ü" * 5000, "a\n" * 5000 + "\u2028"])
def test_a_long_text_takes_no_time(text: str) -> None:
    (line,) = mapping({"key": text})
    assert line.startswith("key: ")
