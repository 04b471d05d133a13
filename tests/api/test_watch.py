"""`Stack.watch`: rounds as a program iterates over them."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

import flowplan
from flowplan.operations.opening.interaction import Event
from tests.conftest import START, Place, bid_id
from tests.operations.watching import end, posts, stack, task
from tests.processes import LONGEST


@pytest.fixture
def kept(place: Place) -> flowplan.Stack:
    """A stack of one task that runs, whose policy places it again."""
    hooks = "hooks: {preempted: [sh, -c, 'cat > heard.json']}\n"
    place.write(stack("{on_preempted: rebid}", train=task()).replace("tasks:\n", f"{hooks}tasks:\n"))
    found = flowplan.load("flowplan.yaml", directory=place.path, api_url="sim:", environ=START)
    found.apply(found.plan())
    place.ok("simulator", "advance", "10m")
    return found


def test_each_round_is_asked_for_and_the_watch_is_over_with_the_iterator(place: Place, kept: flowplan.Stack) -> None:
    made = kept.watch("1s")
    assert [one.kind for one in next(made).findings] == ["runs"]
    with pytest.raises(flowplan.Locked, match="is watched already"):
        next(kept.watch(once=True))
    old, before = end(place), posts(place)
    told = next(made)
    assert [(one.kind, one.act) for one in told.began] == [("ended", "place")] and told.error is None
    assert [str(one) for one in told.acted] == ["bid.train"]
    assert posts(place) == before + 1 and bid_id(place, "bid.train") != old
    assert not (place.path / "heard.json").exists()
    made.close()
    assert [told.pause for told in kept.watch(once=True)] == [None]


def test_its_hooks_run_where_the_program_asks_for_them(place: Place, kept: flowplan.Stack) -> None:
    end(place)
    assert len(list(kept.watch(once=True, hooks=True))) == 1
    assert '"event": "preempted"' in (place.path / "heard.json").read_text()


def test_what_a_round_fails_with_is_its_error(place: Place, kept: flowplan.Stack) -> None:
    place.write("tasks: [")
    [told] = kept.watch(once=True)
    assert isinstance(told.error, flowplan.ConfigError) and told.differs


@pytest.mark.parametrize(
    "wrong",
    [{"every": "0s"}, {"every": "soon"}, {"parallelism": 0}, {"max_hourly_cost": "much"}, {"settle_window": -1}],
)
def test_an_argument_that_is_wrong_is_refused_at_once(kept: flowplan.Stack, wrong: dict[str, object]) -> None:
    with pytest.raises(flowplan.UsageProblem):
        kept.watch(**wrong)  # type: ignore[arg-type]
    elsewhere = flowplan.load("x.yaml", directory=Path(), api_url="https://api.example.com", environ={})
    with pytest.raises(flowplan.UsageProblem, match="every is at least 30s"):
        elsewhere.watch("29s")


def test_ctrl_c_ends_a_pause_and_frees_the_watch(
    place: Place, kept: flowplan.Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause goes on in another thread: this one asks it to stop, and waits for it."""
    made = kept.watch("1h")
    next(made)
    pauses = threading.Event()
    pause = Event.pause
    monkeypatch.setattr(Event, "pause", lambda self, seconds: (pauses.set(), pause(self, seconds))[1])

    def interrupts() -> None:
        pauses.wait(LONGEST)
        signal.raise_signal(signal.SIGINT)

    other = threading.Thread(target=interrupts)
    other.start()
    with pytest.raises(KeyboardInterrupt):
        next(made)
    other.join()
    assert len(list(kept.watch(once=True))) == 1
