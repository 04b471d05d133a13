"""An answer to a deletion proves nothing: what was answered at about the same time is looked for by one list."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from attrs import define, field

from flowplan.apply.durable import Durable
from flowplan.apply.unproved import EVERY, Unproved
from flowplan.apply.workers import Result
from flowplan.apply.works import Answer, Work
from flowplan.clock import Clock
from flowplan.cloud.fcp import Fcp
from flowplan.errors import CloudError, StateError
from flowplan.planning.actions import Delete
from flowplan.planning.steps import Step
from flowplan.state.journal import Done
from tests.apply.around import Memory
from tests.builders import DATA, intent_of, volume
from tests.conftest import Place, many

MANY = 6
DESTROY = ("destroy", "--auto-approve", "--allow-volume-destroy", "*")


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[frozenset[str]]:
    """What each look shows; none comes before all deletions are answered."""
    real, found = Fcp.deleted_volumes, list[frozenset[str]]()

    def look(cloud: Fcp) -> frozenset[str]:
        found.append(real(cloud))
        return found[-1]

    monkeypatch.setattr(Fcp, "deleted_volumes", look)
    monkeypatch.setattr("flowplan.apply.unproved.EVERY", 3600.0)
    return found


@pytest.fixture
def applied(place: Place) -> Place:
    place.write(many(MANY))
    place.ok("apply", "--auto-approve")
    return place


def held(place: Place) -> list[str]:
    """The addresses of the volumes in the state."""
    resources = json.loads((place.path / "flowplan.state.json").read_text())["resources"]
    return [one["address"] for one in resources if one["address"].startswith("volume.")]


def test_one_look_shows_all_that_were_deleted(applied: Place, looks: list[frozenset[str]]) -> None:
    applied.ok(*DESTROY, "--parallelism", "1")
    assert len(looks) == 1
    assert held(applied) == []


def test_a_look_that_fails_leaves_them_in_the_state(applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: Fcp) -> frozenset[str]:
        raise CloudError("no list")

    with monkeypatch.context() as patched:
        patched.setattr(Fcp, "deleted_volumes", fails)
        done = applied.run(*DESTROY)
    assert (done.code, done.err.count("no list") >= MANY, len(held(applied))) == (1, True, MANY)
    applied.ok(*DESTROY)
    assert held(applied) == []


@define
class Sent:
    """What is handed to workers."""

    results: list[Result] = field(factory=list)

    def prove(self, results: list[Result], look: Callable[[], frozenset[str]]) -> None:
        self.results += results

    def drain(self, seconds: float) -> list[Result]:
        return self.results


WORK = Work(
    Step("down", DATA),
    Delete(DATA, before=volume(), id="vol_1"),
    intent_of("delete", DATA, volume()),
    lambda _: Answer(None),
    list,
)
ANSWERED = Result(WORK, unproved=True)


def test_they_are_looked_for_at_once_where_no_other_is_deleted_and_else_in_time() -> None:
    now, others, sent = [100.0], [1], Sent()
    clock = Clock(monotonic=lambda: now[0])
    unproved = Unproved(clock, sent, frozenset, lambda: others[0])  # type: ignore[arg-type]
    assert unproved.due_in() is None
    unproved.add(ANSWERED)
    now[0] += EVERY / 2
    unproved.add(ANSWERED)
    unproved.prove(at_once=False)
    assert (unproved.due_in(), sent.results) == (EVERY / 2, [])
    now[0] += EVERY / 2
    unproved.prove(at_once=False)
    assert (unproved.due_in(), len(sent.results)) == (None, 2)
    unproved.add(ANSWERED)
    others[0] = 0
    unproved.prove(at_once=False)
    assert len(sent.results) == 3
    others[0] = 1
    unproved.add(ANSWERED)
    unproved.prove(at_once=True)  # the run is stopped
    assert len(sent.results) == 4


def test_what_is_only_answered_is_not_kept_as_done_when_the_journal_fails() -> None:
    memory = Memory()
    kept = [Done("i-1", DATA, None)]
    durable = Durable(memory, Sent([ANSWERED]), lambda *_: kept)  # type: ignore[arg-type]
    durable.rescue(StateError("the disk is full"), (), ())
    assert memory.records == []
    proved = Durable(memory, Sent([Result(WORK)]), lambda *_: kept)  # type: ignore[arg-type]
    proved.rescue(StateError("the disk is full"), (), ())
    assert memory.records == kept
