"""The places that every test of the contract is run on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contracts.begun import run
from tests.contracts.places import PLACES, Place


@pytest.fixture(params=PLACES)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture
def site(kind: str, tmp_path: Path) -> Place:
    return PLACES[kind](tmp_path / "one")


@pytest.fixture
def foreign(kind: str, tmp_path: Path) -> Place:
    """The state of another stack, after a run."""
    made = PLACES[kind](tmp_path / "two")
    run(made)
    return made
