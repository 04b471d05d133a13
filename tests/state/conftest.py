"""Fixtures of the tests of states."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sealed import Open, local, objects


@pytest.fixture(params=[local, objects], ids=["local", "objects"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens one encrypted state, for each kind of place."""
    made: Open = request.param(tmp_path)
    return made
