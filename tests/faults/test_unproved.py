"""An answer to a deletion proves nothing: what was answered at about the same time is looked for by one list."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable, Iterable
from typing import Any

import attrs
import pytest
from attrs import define, field

import flowplan
from flowplan.apply.unproved import EVERY, Unproved
from flowplan.apply.workers import Result, Workers
from flowplan.apply.works import Answer, Work
from flowplan.backends.local_journal import LocalJournal
from flowplan.clock import Clock
from flowplan.cloud.fcp import Fcp
from flowplan.errors import CloudError, StateError
from flowplan.planning.actions import Delete
from flowplan.planning.steps import Step
from flowplan.state.records import Intent, Record
from tests.api.stacks import TASK, stack_in
from tests.apply.around import Memory
from tests.builders import DATA, TRAIN, intent_of, volume
from tests.conftest import Place, many
from tests.processes import LONGEST

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


def with_a_volume(name: str) -> dict[str, Any]:
    disk = {"volume_name": name, "size": 1, "mount_point": "/mnt/data", "disk_interface": "Block"}
    return {**TASK, "name": name, "persistent_storage": {"create": disk}}


@define
class Sent:
    """What is handed to workers."""

    results: list[Result] = field(factory=list)

    def prove(self, results: list[Result], look: Callable[[], frozenset[str]]) -> None:
        self.results += results


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


def test_what_is_only_answered_is_not_kept_as_done_when_the_journal_fails(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The intent of the third deletion is refused, while the first is answered and not yet looked for. The second is
    answered after that."""
    stack = stack_in(place.path, *(with_a_volume(name) for name in "abc"))
    stack.apply(stack.plan())
    append, delete, calls = LocalJournal.append, Fcp.delete_volume, itertools.count(1)
    both, full, begun = threading.Event(), threading.Event(), list[Intent]()

    def takes_no_third(journal: LocalJournal, records: Iterable[Record]) -> None:
        records = tuple(records)
        begun.extend(one for one in records if isinstance(one, Intent) and one.address.kind == "volume")
        if len(begun) > 2:
            full.set()
            raise StateError("the disk is full")
        append(journal, records)
        if len(begun) == 2:
            both.set()

    def second_is_late(cloud: Fcp, id: str, **how: Any) -> None:
        event = both if next(calls) == 1 else full
        delete(cloud, id, **how)
        assert event.wait(LONGEST)

    monkeypatch.setattr(LocalJournal, "append", takes_no_third)
    monkeypatch.setattr(Fcp, "delete_volume", second_is_late)
    with pytest.raises(flowplan.SaveFailed, match="the disk is full") as caught:
        stack.destroy(allow_volume_destroy="*", parallelism=2)
    outcome = caught.value.outcome
    assert [step.address.kind for step in outcome.failed] == ["volume"] * 2 and len(outcome.not_started) == 1
    assert all("not seen" in str(why) for why in outcome.failed.values())
    assert {str(one) for one in stack.state().bindings} == {"volume.a", "volume.b", "volume.c"}


def test_each_that_nobody_looks_for_any_more_has_an_error_of_its_own() -> None:
    """One that threads share grows with each that raises it, and says what the others were about."""
    workers = Workers(1, Clock(), Memory(), announced=print, stopping=bool)
    workers.close()
    works = [attrs.evolve(WORK, step=Step("down", address)) for address in (DATA, TRAIN)]
    workers.prove([Result(work, unproved=True) for work in works], frozenset)
    first, second = workers.drain(0.0)
    assert "this process is ending" in str(first.error) and str(first.error) == str(second.error)
    assert first.error is not second.error
