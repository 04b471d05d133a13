"""Properties in `make test` are shown the same examples at each run, whatever ran before in their process."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import DRAWS

MORE = """
TEXTS = ("what a module says", "and says again", "and what it does not say")
NUMBERS = (70_001, 70_003, 1_070_007, 70.25, 1_000.125)
"""


def drawn() -> list[object]:
    found: list[object] = []

    @settings(settings.get_profile("test"))
    @given(st.text(), st.integers(), st.floats())
    def examples(text: str, number: int, other: float) -> None:
        found.append(repr((text, number, other)))

    examples()
    return found


@pytest.mark.skipif(DRAWS is not None, reason=DRAWS or "")
def test_a_module_that_is_loaded_meanwhile_changes_no_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hypothesis would draw its constants, too."""
    before = drawn()
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "loaded_meanwhile.py").write_text(MORE)
    importlib.import_module("loaded_meanwhile")
    assert drawn() == before
    assert len(before) == settings.get_profile("test").max_examples
