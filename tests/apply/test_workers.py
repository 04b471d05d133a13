"""What a worker asks of who records."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flowplan.apply import workers
from flowplan.apply.workers import Announcement, Workers
from flowplan.clock import Clock
from flowplan.errors import CloudError
from tests.apply.around import Memory


def never(asked: Announcement) -> None:
    """The state is slow to write."""


def withheld(asked: Announcement) -> None:
    """The run is stopped."""
    asked.answered.set()


@pytest.mark.parametrize(
    ("records", "said"), [(never, "not sent: the record of it was old, .* for 0.002 s"), (withheld, "stopped before")]
)
def test_a_call_that_is_not_sent_says_whether_the_state_is_slow_or_the_run_is_stopped(
    records: Callable[[Announcement], None], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Announcement("intent_1")
    records(asked)
    monkeypatch.setattr(workers, "GRACE", 0.001)
    monkeypatch.setattr(workers, "Announcement", lambda intent: asked)
    calls = Workers(1, Clock(), Memory(), announced=records, stopping=bool)
    with pytest.raises(CloudError, match=said):
        calls.ask("intent_1")
    calls.close()
