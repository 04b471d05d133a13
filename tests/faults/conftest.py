"""The runner of this folder's tests: one for each worker of pytest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.runner import Runner


@pytest.fixture(scope="session")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runner]:
    with Runner(tmp_path_factory.mktemp("runner")) as started:
        yield started
