"""What tests of the watch begin with."""

from __future__ import annotations

import pytest

from tests.conftest import APPLY, Place, made_once
from tests.operations.watching import stack, task


@pytest.fixture
@made_once
def running(place: Place) -> Place:
    """A stack of one task that runs."""
    place.write(stack(train=task()))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "10m")
    return place
