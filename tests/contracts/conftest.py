"""The places that every test of the contract is run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.contracts.begun import run
from tests.contracts.odd import Odd
from tests.contracts.places import PLACES, Place, PostgresPlace


@pytest.fixture(params=PLACES)
def kind(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@contextmanager
def _made(kind: str, directory: Path) -> Iterator[Place]:
    made = PLACES[kind](directory)
    yield made
    if isinstance(made, PostgresPlace):
        made.close()


@pytest.fixture
def site(kind: str, tmp_path: Path) -> Iterator[Place]:
    with _made(kind, tmp_path / "one") as made:
        yield made


@pytest.fixture
def foreign(kind: str, tmp_path: Path) -> Iterator[Place]:
    """The state of another stack, after a run."""
    with _made(kind, tmp_path / "two") as made:
        run(made)
        yield made


@pytest.fixture
def odd() -> Iterator[Odd]:
    server = Odd()
    yield server
    server.close()
