"""What a program does to what the state says: it takes in, gives another address, releases, and cancels what is in no
state; as safely as the command line does."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import flowplan
from flowplan.backends.local import LocalStore
from flowplan.backends.lock import Lock
from flowplan.backends.processes import this_process
from flowplan.cloud.http.transport import Transport
from tests.api.stacks import TASK, stack_in, task
from tests.api.stopping import Calls, asked, calls, ended
from tests.conftest import Place, left_in_doubt, live_ids, lose_addresses
from tests.processes import LONGEST
from tests.typed.operator import Operator

__all__ = ["asked", "calls"]  # fixtures
STATE = "flowplan.state.json"
WITH_PORTS = {**TASK, "ports": [8080]}
MENDS: dict[str, Callable[[flowplan.Stack, str], object]] = {
    "move": lambda stack, id: stack.move("bid.train", "bid.other"),
    "release": lambda stack, id: stack.release("bid.train"),
    "import_": lambda stack, id: stack.import_("bid.other", id),
    "recover": lambda stack, id: stack.recover(cancel=id, settle_window=0.2),
}


def applied(place: Place, **more: Any) -> flowplan.Stack:
    stack = stack_in(place.path, WITH_PORTS, **more)
    stack.apply(stack.plan())
    return stack


def bid_of(stack: flowplan.Stack) -> str:
    return next(one.id for address, one in stack.state().bindings.items() if address.kind == "bid")


def held(stack: flowplan.Stack) -> list[str]:
    return sorted(map(str, stack.state().bindings))


def orphaned(place: Place) -> tuple[flowplan.Stack, str]:
    """A stack, and a bid of it that its state does not have, as if that were an older copy."""
    stack = stack_in(place.path, WITH_PORTS, task("again"))
    stack.apply(stack.plan())
    lose_addresses(place, "bid.again")
    (one,) = stack.orphans().ours
    return stack, one.id


# ---- what is done


def test_a_bid_is_called_otherwise_and_stays_as_it_is(place: Place) -> None:
    stack, ledger = applied(place), place.ledger()
    moved = stack.move(flowplan.Address("bid", "train"), "task.other")
    assert {str(old): str(new) for old, new in moved.items()} == {
        "bid.train": "bid.other",
        "ports.train": "ports.other",
    }
    assert held(stack) == ["bid.other", "ports.other"]
    named = stack_in(place.path, {**WITH_PORTS, "name": "other"}).plan()
    assert [(str(one.address), one.action) for one in named.plan.changes if one.action != "no-op"] == []
    with pytest.raises(flowplan.ConfigError, match=r"it is in the state as bid\.other"):
        stack.plan()
    assert place.ledger() == ledger


def test_what_is_released_is_taken_back(place: Place) -> None:
    heard: list[str] = []
    stack = applied(place, note=heard.append)
    ledger, before = place.ledger(), stack.state().bindings
    left = stack.release("bid.train")
    assert (str(left.address), left.id) == ("bid.train", before[left.address].id)
    assert held(stack) == [] and [one.id for one in stack.orphans().released] == [left.id]
    assert stack.import_(left.address, left.id) == left.address
    assert held(stack) == ["bid.train"]
    stack.apply(stack.plan(), settle_window=0.2)
    assert stack.state().bindings.keys() == before.keys()
    assert live_ids(place) == [left.id] and place.ledger() == ledger


def test_what_another_stack_released_is_taken_in_by_its_lineage(place: Place) -> None:
    first = applied(place)
    left, lineage = first.release("bid.train"), first.state().lineage
    second = stack_in(place.path, WITH_PORTS, state="other.json")
    with pytest.raises(flowplan.GuardRefused) as caught:
        second.import_("bid.train", left.id)
    assert caught.value.reason == "not_ours" and not second.state().bindings
    second.import_("bid.train", left.id, lineage=lineage)
    assert bid_of(second) == left.id


def test_orphans_are_cancelled_and_told(place: Place) -> None:
    heard: list[str] = []
    _, orphan = orphaned(place)
    stack = stack_in(place.path, WITH_PORTS, note=heard.append)
    kept = bid_of(stack)
    assert stack.recover(cancel=[one.id for one in stack.orphans().ours], settle_window=0.2) is True
    assert heard == [f"{orphan} (bid.again) is cancelled"]
    assert live_ids(place) == [kept] and stack.orphans().ours == ()
    assert stack.recover(cancel=(), settle_window=0.2) is False


# ---- what is refused


def test_an_address_that_is_not_there_names_a_near_one(place: Place) -> None:
    stack = applied(place)
    before = (place.path / STATE).read_bytes()
    for call in (lambda: stack.move("bid.trian", "bid.x"), lambda: stack.release("bid.trian")):
        with pytest.raises(flowplan.FlowplanError, match=r"bid\.trian is not in the state") as caught:
            call()
        assert (caught.value.hint or "").startswith("did you mean bid.train?")
    for new, said in (("bid.train", "already in the state"), ("volume.x", "cannot become"), ("bid.a b", "no file can")):
        with pytest.raises(flowplan.UsageProblem, match=said):
            stack.move("bid.train", new)
    for id, said in (("bid_no", "there is no bid with the id bid_no"), (bid_of(stack), "already in the state")):
        with pytest.raises(flowplan.FlowplanError, match=said):
            stack.import_("bid.other", id)
    assert (place.path / STATE).read_bytes() == before


def test_a_bid_that_a_task_names_is_not_cancelled(place: Place) -> None:
    stack, orphan = orphaned(place)
    live = live_ids(place)
    with pytest.raises(flowplan.GuardRefused, match="nothing was changed") as caught:
        stack.recover(cancel=[orphan, bid_of(stack)], settle_window=0.2)
    assert caught.value.reason == "not_ours" and live_ids(place) == live


@pytest.mark.parametrize("act", MENDS)
def test_who_has_the_lock_is_not_disturbed(act: str, place: Place) -> None:
    stack = applied(place)
    before, id = (place.path / STATE).read_bytes(), bid_of(stack)
    lock = Lock(place.path / "flowplan.lock")
    lock.acquire(this_process("somebody", {}, "now"))
    try:
        with pytest.raises(flowplan.Locked):
            MENDS[act](stack, id)
    finally:
        lock.release()
    assert (place.path / STATE).read_bytes() == before


def test_what_is_in_doubt_is_settled_first(place: Place) -> None:
    left_in_doubt(place)
    stack = stack_in(place.path)
    with pytest.raises(flowplan.FlowplanError, match="an interrupted run may have created") as caught:
        stack.import_("bid.train", live_ids(place)[0])
    assert caught.value.hint == "run `flowplan recover` first"
    assert stack.recover(settle_window=0.2) is True
    assert [bid_of(stack)] == live_ids(place)


def test_what_an_earlier_run_left_in_doubt_is_pending_in_what_a_destroy_came_to(place: Place) -> None:
    left_in_doubt(place)
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, times=None)
    with pytest.raises(flowplan.OutcomeUnknown, match=r"whether bid\.task-000 was created") as caught:
        stack_in(place.path).destroy(keep_volumes=True, settle_window=0.2)
    outcome = caught.value.outcome
    assert outcome is not None and [str(step.address) for step in outcome.done] == ["volume.vol-000"]
    assert [str(one.address) for one in outcome.pending] == ["bid.task-000"] and outcome.unknown == {}


# ---- what fails half-way


@pytest.mark.parametrize("act", MENDS)
def test_a_state_that_takes_nothing_stays_as_it_was(act: str, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    stack, orphan = orphaned(place)
    if act == "import_":
        orphan = stack.release("bid.train").id
    before = (place.path / STATE).read_bytes()

    def full(*given: Any, **named: Any) -> Any:
        raise flowplan.StateError("the disk is full", hint="make room")

    with monkeypatch.context() as patched:
        patched.setattr(LocalStore, "_save", full)
        with pytest.raises(flowplan.StateError, match="the disk is full"):
            MENDS[act](stack, orphan)
    assert (place.path / STATE).read_bytes() == before
    if act == "recover":  # it is over, and the journal has that
        assert stack.recover(settle_window=0.2) in (True, False) and stack.orphans().ours == ()
    else:
        MENDS[act](stack, orphan)


def test_a_bid_that_cannot_be_cancelled_is_named(place: Place) -> None:
    stack, orphan = orphaned(place)
    with place.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "status", status=403, times=None)
    with pytest.raises(flowplan.CloudError):
        stack.recover(cancel=orphan, settle_window=0.2)
    with place.simulator() as simulator:
        simulator.faults.clear()
    assert orphan in live_ids(place)
    assert stack.recover(cancel=orphan, settle_window=0.2) and orphan not in live_ids(place)


def test_what_cannot_be_looked_at_is_not_taken_in(place: Place) -> None:
    stack = applied(place)
    id = stack.release("bid.train").id
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, times=None)
    with pytest.raises(flowplan.CloudError):
        stack.import_("bid.train", id)
    assert held(stack) == []


# ---- what is stopped


@pytest.mark.parametrize("act", MENDS)
def test_what_is_asked_to_stop_before_it_begins_records_nothing(act: str, place: Place) -> None:
    stack, stop = applied(place), threading.Event()
    before, id = (place.path / STATE).read_bytes(), bid_of(stack)
    stop.set()
    acts: dict[str, Callable[[], object]] = {
        "move": lambda: stack.move("bid.train", "bid.other", stop=stop),
        "release": lambda: stack.release("bid.train", stop=stop),
        "import_": lambda: stack.import_("bid.other", id, stop=stop),
        "recover": lambda: stack.recover(cancel=id, stop=stop),
    }
    assert str(ended(acts[act])) == "stopped; nothing was under way"
    assert (place.path / STATE).read_bytes() == before


def test_an_import_is_stopped_before_any_of_its_calls(place: Place, calls: Calls, asked: threading.Event) -> None:
    stack = applied(place)
    id = stack.release("bid.train").id
    for nth in itertools.count(1):
        calls.count, calls.nth = 0, nth
        calls.stop.clear()
        asked.clear()
        if not stops(lambda: stack.import_("bid.train", id, stop=calls.stop)):
            break
        assert calls.count == nth and held(stack) == []
    assert nth > 2 and held(stack) == ["bid.train"]


def test_a_cancellation_that_is_stopped_says_what_may_run_on(
    place: Place, asked: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[str] = []
    stack = stack_in(place.path, *map(task, "abc"), note=heard.append)
    stack.apply(stack.plan())
    lose_addresses(place, "bid.a", "bid.b", "bid.c")
    orphans, stop, exchange = [one.id for one in stack.orphans().ours], threading.Event(), Transport._exchange

    def stopping(transport: Transport, wire: Any, request: Any, *given: Any) -> Any:
        if request.method == "DELETE" and not stop.is_set():
            stop.set()
            assert asked.wait(LONGEST)
        return exchange(transport, wire, request, *given)

    with monkeypatch.context() as patched:
        patched.setattr(Transport, "_exchange", stopping)
        error = ended(lambda: stack.recover(cancel=orphans, settle_window=0.2, stop=stop))
    untold = [id for id in orphans if f"{id} (bid." not in str(heard)]
    assert untold and str(error) == f"stopped; what was done is saved; {', '.join(untold)} may run on"
    left = [one.id for one in stack.orphans().ours]
    assert set(left) <= set(untold)
    assert stack.recover(cancel=left, settle_window=0.2) is bool(left) and live_ids(place) == []


def stops(act: Callable[[], object]) -> bool:
    try:
        act()
    except flowplan.Interrupted as error:
        assert str(error) == "stopped; nothing was changed"
        return True
    return False


def test_threads_move_one_after_the_other(tmp_path: Path) -> None:
    names = "abcdef"
    stack = stack_in(tmp_path, *map(task, names), lock_timeout="60s")
    stack.apply(stack.plan())
    threads = [threading.Thread(target=stack.move, args=(f"bid.{one}", f"bid.{one}2")) for one in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert held(stack) == [f"bid.{one}2" for one in names]


def test_a_typed_operator_runs(place: Place) -> None:
    outputs = {"bid": "${task.train.id}", "login": "${task.train.ssh}"}
    tasks = {"train": {key: value for key, value in TASK.items() if key != "name"}}
    place.write(json.dumps({"version": 2, "name": "s", "tasks": tasks, "outputs": outputs}))
    operator = Operator(place.path, threading.Event())
    id = operator.up()["bid"]
    assert not operator.ready()
    place.ok("simulator", "advance", "1h")
    assert operator.ready()
    train = flowplan.Address.parse("bid.train")
    assert operator.disown(train) == id and operator.adopt("task.train", id) == train
    assert [str(one) for one in operator.rename(train, "bid.other")] == ["bid.other"]
    assert operator.rename(flowplan.Address("bid", "other"), "bid.train") == [train]
    config, plan, cost = operator.said()
    assert [str(one) for one in config.tasks] == ["bid.train"]
    assert plan["applyable"] is False and Decimal(cost["paid"]["at_least"]) > 0
    assert operator.down() == [] and len(operator.audit()) == 6 and operator.heard == []
