"""What tests have in common changes nothing that they see."""

from __future__ import annotations

import pytest

from flowplan.pricing.history import Stream
from tests import known
from tests.conftest import TASK, Place

LINES = ("plan --verbose --horizon 36h", "plan --horizon 2h", "plan --format markdown", "cost", "market h100")


def test_forecasts_that_tests_share_are_those_of_a_process_of_its_own(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(TASK)
    place.ok("apply", "--auto-approve")
    place.edit("17.92", "16.50")
    with monkeypatch.context() as patch:
        patch.setattr(Stream, "of", classmethod(known.make))
        expected = [place.ok(*line.split()) for line in LINES]
    monkeypatch.setattr(known, "_ANSWERS", {})
    assert [place.ok(*line.split()) for line in LINES] == expected
    assert any(len(answers) > 3 for answers in known._ANSWERS.values())
    assert [place.ok(*line.split()) for line in LINES] == expected
