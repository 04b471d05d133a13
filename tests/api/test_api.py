"""The Python API: what a program does without a terminal, told from what the command line does on the same stack."""

from __future__ import annotations

import contextlib
import inspect
import io
import json
import pickle
import re
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import flowplan
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.planning.steps import Step
from tests.api.stacks import EXAMPLE, TASK, addresses, stack_in, untyped
from tests.conftest import ROOT, START, Place, live_ids
from tests.typed.sweep import place as sweep


@pytest.fixture
def stack(tmp_path: Path) -> flowplan.Stack:
    (tmp_path / "flowplan.yaml").write_text(EXAMPLE.read_text())
    return stack_in(tmp_path)


def test_plan_apply_status_cost_destroy(stack: flowplan.Stack) -> None:
    proposal = stack.plan()
    assert not proposal.plan.empty
    done = stack.apply(proposal)
    assert [address.partition(".")[0] for address in addresses(done)] == ["volume", "bid", "ports"]
    assert set(addresses(done)) == {str(change.address) for change in proposal.plan.changes}
    assert stack.plan().plan.empty
    assert [(row.status, row.market is not None) for row in stack.status().bids] == [("Allocated", True)]
    assert stack.cost(horizon="30d")["estimate"] is not None
    assert {str(address) for address in stack.state().bindings} == set(addresses(done))
    gone = stack.destroy(keep_volumes=True)
    assert [step.way for step in gone.done] == ["down"] * 3
    assert not stack.state().bindings
    assert stack.plan(destroy=True).plan.empty


def test_what_a_program_does_with_a_state_is_in_no_later_one(stack: flowplan.Stack) -> None:
    stack.apply(stack.plan())
    given = stack.state()
    untyped(given.outputs)["mine"] = {"value": 1, "template": "1"}
    untyped(given.ended)[next(one.id for one in given.bindings.values())] = 9e9
    assert (stack.state().outputs, stack.state().ended) == ({}, {})


def test_the_graph_of_the_files_is_the_one_that_a_plan_is_ordered_by(stack: flowplan.Stack) -> None:
    plan = stack.plan().plan
    needs = stack.validate().needs()
    assert {change.address: change.needs for change in plan.changes} == needs
    assert sum(map(len, needs.values())) == 2
    for user, needed in needs.items():
        assert {Step("up", one) for one in needed if isinstance(one, Address)} <= {*plan.order[Step("up", user)]}


def test_a_kept_volume_is_live_and_managed_no_longer(place: Place) -> None:
    place.write(EXAMPLE.read_text())
    stack = stack_in(place.path)
    stack.apply(stack.plan())
    proposal = stack.plan(destroy=True, keep_volumes=True)
    kept = next(one for one in proposal.document["resource_changes"] if one["type"] == "volume")
    assert (kept["change"]["actions"], kept["action_reason"]) == (["forget"], "forget_because_kept")
    stack.apply(proposal)
    assert not [one for one in place.ledger() if one.method == "DELETE" and "volumes" in one.path]
    assert live_ids(place) == []


def test_a_volume_with_data_is_not_lost_by_a_plain_destroy(stack: flowplan.Stack) -> None:
    stack.apply(stack.plan())
    before = stack.state()
    with pytest.raises(flowplan.GuardRefused) as caught:
        stack.destroy()
    assert caught.value.reason == "volume_data"
    assert stack.state() == before
    assert len(stack.destroy(allow_volume_destroy=["my-new-volume"]).done) == 3


def test_a_proposal_is_carried_out_once(stack: flowplan.Stack) -> None:
    proposal = stack.plan()
    stack.apply(proposal)
    with pytest.raises(flowplan.StalePlan, match="was applied already"):
        stack.apply(proposal)


def test_a_proposal_that_is_out_of_date_is_refused(stack: flowplan.Stack) -> None:
    proposal = stack.plan()
    file = stack.directory / "flowplan.yaml"
    file.write_text(file.read_text().replace("17.92", "18.00", 1))
    with pytest.raises(flowplan.StalePlan, match="configuration has changed"):
        stack.apply(proposal)
    assert not stack.state().bindings


def test_a_refused_proposal_is_refused_by_apply_too(tmp_path: Path) -> None:
    stack = stack_in(tmp_path, TASK)
    proposal = stack.plan(max_hourly_cost="1.00")
    assert proposal.document["errored"] and proposal.refused
    assert not stack.plan().refused
    with pytest.raises(flowplan.GuardRefused):
        stack.apply(proposal)
    assert not stack.state().bindings


def test_the_same_stack_from_a_file_a_dict_and_keywords(tmp_path: Path) -> None:
    file = tmp_path / "task.yaml"
    file.write_text(json.dumps(TASK))
    plans = [
        stack_in(tmp_path, "task.yaml", state="a.json").plan(),
        stack_in(tmp_path, TASK, state="b.json").plan(),
        stack_in(tmp_path, state="c.json", **TASK).plan(),
    ]
    entries = [[{**one, "source": None} for one in plan.document["resource_changes"]] for plan in plans]
    assert entries[0] == entries[1] == entries[2]


def test_a_dict_that_is_no_task(tmp_path: Path) -> None:
    with pytest.raises(flowplan.UsageProblem, match="needs a name"):
        stack_in(tmp_path, {"ports": [80]})
    with pytest.raises(flowplan.UsageProblem, match="cannot be written as YAML"):
        stack_in(tmp_path, {**TASK, "ports": object()})
    with pytest.raises(flowplan.ConfigError) as caught:
        stack_in(tmp_path, {**TASK, "prots": [80]}).plan()
    problem = caught.value.problems[0]
    assert problem.position is not None
    assert (problem.position.file, "ports" in (problem.hint or "")) == ("<task train>", True)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda stack: stack.plan(horizon=-1), "horizon"),
        (lambda stack: stack.plan(horizon=float("nan")), "horizon"),
        (lambda stack: stack.plan(what_if="8d"), "what_if: '8d' is not between 1h and 7d"),
        (lambda stack: stack.plan(horizon="1s"), "horizon: '1s' is not between 1m and 3660d"),
        (lambda stack: stack.cost(horizon=untyped(None)), "horizon: None is not between 1m and 3660d"),
        (lambda stack: stack.plan(replace=untyped([1])), "replace must be text or an Address, not int"),
        (
            lambda stack: stack.apply(stack.plan(), parallelism=untyped("8")),
            "parallelism: '8' is not between 1 and 256",
        ),
        (lambda stack: stack.apply(stack.plan(), parallelism=untyped(2.5)), "parallelism: 2.5 is not a whole number"),
        (lambda stack: stack.plan(what_if="1h", destroy=True), "what_if cannot be combined with destroy"),
        (lambda stack: stack.plan(keep_volumes=True), "keep_volumes needs destroy"),
        (lambda stack: stack.plan(max_hourly_cost="1.00", budget_basis="p95"), "budget_basis: 'p95'"),
        (lambda stack: stack.plan(replace=["trian"]), "'trian' is not an address"),
        (lambda stack: stack.apply(stack.plan(), wait="runing"), "wait: 'runing' is not one of placed"),
        (lambda stack: stack.apply(stack.plan(), parallelism=0), "parallelism: 0 is not between 1 and 256"),
        (lambda stack: stack.apply(stack.plan(), settle_window=-1), "settle_window: -1 is not between 0 and 3600"),
        (lambda stack: stack.apply(stack.plan(), timeout=float("inf")), "timeout: inf is not between"),
        (lambda stack: stack.apply(stack.plan(), on_unknown="again"), "on_unknown: 'again'"),
        (lambda stack: stack.recover(settle_window=7200), "settle_window"),
        (lambda stack: stack.recover(stop=untyped(True)), "stop: True cannot be asked whether to stop"),
        (lambda stack: stack.apply(stack.plan(), stop=untyped(lambda: False)), "cannot be asked whether to stop"),
        (lambda stack: stack.watch(stop=untyped(threading.Event)), "cannot be asked whether to stop"),
        (lambda stack: stack.apply(untyped(stack.plan().plan)), "carries out what plan returns, not Plan"),
        (lambda stack: stack_in(stack.directory, lock_timeout=-1), "lock_timeout: -1"),
    ],
)
def test_an_argument_out_of_its_range_is_refused(call: Any, said: str, tmp_path: Path) -> None:
    stack = stack_in(tmp_path, TASK)
    with pytest.raises(flowplan.UsageProblem) as caught:
        call(stack)
    assert said in str(caught.value)
    assert not stack.state().bindings


def test_one_name_may_stand_alone(tmp_path: Path) -> None:
    """Its letters are no names: '*' among them would give all data away."""
    (tmp_path / "flowplan.yaml").write_text(EXAMPLE.read_text())
    stack = stack_in(tmp_path)
    stack.apply(stack.plan())
    with pytest.raises(flowplan.GuardRefused):
        stack.destroy(allow_volume_destroy="my-*")
    [change] = [
        one for one in stack.plan(replace="bid.flow-sdk-batch-task-example").plan.changes if one.address.kind == "bid"
    ]
    assert change.action == "replace"
    assert len(stack.destroy(allow_volume_destroy="my-new-volume").done) == 3


def test_policies_of_a_file_hold_a_plan_and_its_apply(tmp_path: Path) -> None:
    rules = tmp_path / "policy.yaml"
    rules.write_text("policies: {allowed_regions: [nowhere-*]}\n")
    stack = flowplan.load(directory=tmp_path, api_url="sim:", environ={}, **TASK)
    for given in ("policy.yaml", rules, [rules]):
        proposal = stack.plan(policies=given)
        assert [one.code for one in proposal.diagnostics if one.severity == "error"] == ["policy"]
        with pytest.raises(flowplan.GuardRefused, match="nowhere"):
            stack.apply(proposal)
    with pytest.raises(flowplan.ConfigError, match="policy file no"):
        stack.destroy(policies="no.yaml")
    proposal = stack.plan(policies=rules.name)
    rules.write_text("policies: {allowed_regions: ['*']}\n")
    with pytest.raises(flowplan.FlowplanError):
        stack.apply(proposal)
    stack.apply(stack.plan(policies=rules.name))


def test_a_number_is_hours_ahead_and_seconds_of_waiting(tmp_path: Path) -> None:
    stack = stack_in(tmp_path, TASK, lock_timeout=10)
    assert stack._opening.settings.lock_timeout == 10.0
    assert stack.plan(horizon=48).costs.hours == stack.plan(horizon="2d").costs.hours == 48.0


def test_a_traceback_names_the_problems(tmp_path: Path) -> None:
    with pytest.raises(flowplan.ConfigError) as caught:
        stack_in(tmp_path, {**TASK, "prots": [80], "a": 1, "b": 2, "c": 3, "d": 4}).plan()
    lines = {"prots": 8, "a": 11, "b": 12, "c": 13, "d": 14}
    said = [f"<task train>:{line}:3: unknown key '{key}'" for key, line in lines.items()]
    assert str(caught.value).split("; ") == [*said[:3], "and 2 more"]
    assert caught.value.__notes__ == said[3:]
    assert caught.value.hint == "<task train>:8:3: did you mean 'ports'?"


@pytest.mark.parametrize(
    "raises",
    [
        lambda stack: stack.plan(horizon="soon"),
        lambda stack: stack.apply(untyped(1)),
        lambda stack: stack.apply(stack.plan(max_hourly_cost="1.00")),
        lambda stack: stack.apply(stack.plan(), wait="running", timeout=0),
        lambda stack: stack_in(stack.directory, {**TASK, "prots": [80]}).plan(),
        lambda stack: stack.apply(stack.plan(refresh=False)),
    ],
)
def test_an_error_reaches_another_process_as_it_is(raises: Any, tmp_path: Path) -> None:
    """As the workers of a pool send it."""
    with pytest.raises(flowplan.FlowplanError) as caught:
        raises(stack_in(tmp_path, TASK))
    error = caught.value
    copied = pickle.loads(pickle.dumps(error))
    assert (type(copied), str(copied), copied.hint, copied.code) == (type(error), str(error), error.hint, error.code)
    assert vars(copied).keys() == vars(error).keys()


@pytest.mark.parametrize(
    ("given", "said", "hint"),
    [
        ({"directry": "T3"}, "'directry'", "did you mean directory=?"),
        ({**TASK, "api_ulr": "sim:"}, "'api_ulr'", "did you mean api_url=?"),
        ({**TASK, "dir": "T3"}, "'dir'", "did you mean directory=?"),
        ({"env": {}}, "'env'", "did you mean environ=?"),
        ({"verbose": True}, "'verbose'", "settings are directory, api_url, project, ssh_key, state, "),
    ],
)
def test_a_setting_that_is_misspelt(given: dict[str, Any], said: str, hint: str) -> None:
    with pytest.raises(flowplan.UsageProblem, match=said) as caught:
        flowplan.load("flowplan.yaml", **given)
    assert (caught.value.hint or "").startswith(hint)


def test_a_key_of_a_task_is_no_setting_however_like_one(tmp_path: Path) -> None:
    assert stack_in(tmp_path, **TASK, ssh_key_name="my-ssh-key", **{"x-note": 1}).plan().plan.changes
    with pytest.raises(flowplan.ConfigError, match="unknown key 'prots'"):
        stack_in(tmp_path, **TASK, prots=[80]).plan()
    with pytest.raises(flowplan.UsageProblem, match="needs a name"):
        stack_in(tmp_path, ports=[80])


@pytest.mark.parametrize(
    ("key", "value", "hint"),
    [("env", {"A": "b"}, "export them in startup_script; "), ("ssh_keys", ["laptop"], "write ssh_key_name: ")],
)
def test_a_key_of_other_tools_is_explained_as_in_a_dict(key: str, value: Any, hint: str, tmp_path: Path) -> None:
    """Though it is like a setting of load, too."""
    for stack in (stack_in(tmp_path, {**TASK, key: value}), stack_in(tmp_path, **TASK, **{key: value})):
        with pytest.raises(flowplan.ConfigError) as caught:
            stack.validate()
        assert [(problem.hint or "").startswith(hint) for problem in caught.value.problems] == [True]


def test_what_is_no_proposal_is_refused(tmp_path: Path) -> None:
    stack = stack_in(tmp_path, TASK)
    for given in (1, None, stack.plan().plan):
        with pytest.raises(flowplan.UsageProblem, match="apply carries out what plan returns, not") as caught:
            stack.apply(untyped(given))
        assert caught.value.hint == "stack.apply(stack.plan())"


def test_money_is_what_was_given(tmp_path: Path) -> None:
    stack = stack_in(tmp_path, {**TASK, "task_management": {"utility_threshold_price": Decimal("17.92")}})
    bids = [change.after for change in stack.plan().plan.changes if isinstance(change.after, Bid)]
    assert [bid.limit_price for bid in bids] == [Decimal("17.92")]


def test_nothing_is_printed_and_no_signal_is_taken(
    stack: flowplan.Stack, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    monkeypatch.setattr(signal, "signal", None)  # a call would fail
    stack.apply(stack.plan())
    stack.cost()
    stack.destroy(keep_volumes=True)
    assert capfd.readouterr() == ("", "")
    assert {number: signal.getsignal(number) for number in before} == before


def test_notes_are_heard_by_the_program(tmp_path: Path) -> None:
    heard: list[str] = []
    (tmp_path / "flowplan.yaml").write_text(EXAMPLE.read_text())
    stack = stack_in(tmp_path, note=heard.append)
    stack.apply(stack.plan())
    (tmp_path / ".flowplan" / "forecasts.db").write_bytes(b"nothing")
    stack.cost()
    assert any("forecasts" in note for note in heard)


def test_two_stacks_at_once_in_threads(tmp_path: Path) -> None:
    done: dict[str, list[str]] = {}

    def work(name: str) -> None:
        directory = tmp_path / name
        directory.mkdir()
        stack = stack_in(directory, {**TASK, "name": name})
        done[name] = addresses(stack.apply(stack.plan()))

    threads = [threading.Thread(target=work, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == {"one": ["bid.one"], "two": ["bid.two"]}


def test_a_typed_program_runs(tmp_path: Path) -> None:
    assert sorted(addresses(sweep(tmp_path, ["a", "b"]))) == ["bid.a", "bid.b"]


def test_ctrl_c_leaves_a_state_from_which_it_goes_on(tmp_path: Path) -> None:
    """Sent once, as soon as the first create has begun, while three are to come: a second one would leave the run
    alone. The main thread is not preempted: by the time it waits again, it has asked the run to stop."""
    program = tmp_path / "program.py"
    program.write_text(
        f"""
import os, signal, sys, threading
import flowplan

heard = threading.Event()

def hear(*_):
    sys.setswitchinterval(3600)
    heard.set()
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, hear)

class Reporter(flowplan.Silent):
    def started(self, step, change):
        if not heard.is_set():
            os.kill(os.getpid(), signal.SIGINT)
            heard.wait()

task = {TASK!r}
tasks = [{{**task, "name": name}} for name in "abcd"]
stack = flowplan.load(*tasks, directory={str(tmp_path)!r}, api_url="sim:", environ={START!r})
try:
    stack.apply(stack.plan(), parallelism=1, reporter=Reporter())
except KeyboardInterrupt:
    sys.setswitchinterval(0.005)
    print(len(stack.state().bindings), stack.recover())
    stack.apply(stack.plan())
    print(len(stack.state().bindings), stack.plan().plan.empty)
"""
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=False, cwd=tmp_path)
    first, last = done.stdout.splitlines()
    assert (done.stderr, last) == ("", "4 True")
    assert int(first.split()[0]) == 1


def test_importing_it_costs_next_to_nothing() -> None:
    code = "import sys; import flowplan; print(sorted(name for name in sys.modules if name.startswith('flowplan')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['flowplan']"


def test_what_it_offers_is_listed_and_nothing_else() -> None:
    assert dir(flowplan) == flowplan.__all__
    assert all(getattr(flowplan, name) is not None for name in flowplan.__all__)
    with pytest.raises(AttributeError, match="no attribute 'aply'"):
        _ = flowplan.aply  # type: ignore[attr-defined]


def test_what_a_call_returns_can_be_named_in_an_annotation() -> None:
    calls = [getattr(kind, name) for kind in (flowplan.Stack, flowplan.Proposal) for name in public(kind)]
    said = {str(inspect.signature(getattr(call, "fget", call)).return_annotation) for call in calls}
    named = {name for one in said for name in re.findall(r"\b[A-Z]\w+", one)}
    assert named >= {"Outcome", "Binding"}
    assert named - {"Generator", "Path"} <= set(flowplan.__all__)


def test_so_can_what_it_holds_several_of() -> None:
    looks = (flowplan.Auctions, flowplan.Checkup, flowplan.History, flowplan.Offers, flowplan.Orphans, flowplan.Status)
    said = [one for kind in (*looks, flowplan.Outcome) for one in inspect.get_annotations(kind).values()]
    named = {name for one in said for name in re.findall(r"^(?:Sequence|tuple)\[(\w+)", one)}
    assert named >= {"BidRow", "Check", "Intent", "MarkedBid", "Offer", "TaskOffers", "Version"}
    assert named <= set(flowplan.__all__)


def test_and_what_a_reporter_hears() -> None:
    heard = [inspect.signature(getattr(flowplan.Silent, name)).parameters.values() for name in public(flowplan.Silent)]
    named = {name for given in heard for one in given for name in re.findall(r"\b[A-Z]\w+", str(one.annotation))}
    assert named >= {"Awaited", "Change", "FlowplanError", "Outcome", "Plan", "Step"}
    assert named - {"Any", "Mapping", "None", "Sequence"} <= set(flowplan.__all__)


def test_the_docs_name_all_that_a_reporter_hears() -> None:
    told = re.findall(r"`(\w+)\(([\w, ]*)\)`", (ROOT / "docs" / "api.md").read_text())
    for name in public(flowplan.Silent):
        _, *given = inspect.signature(getattr(flowplan.Silent, name)).parameters
        assert (name, ", ".join(given)) in told


def public(kind: type) -> list[str]:
    return [name for name in dir(kind) if not name.startswith("_") and name != "approved"]


def test_a_proposal_in_a_notebook_and_in_a_log(tmp_path: Path) -> None:
    proposal = stack_in(tmp_path, TASK).plan()
    shown = proposal._repr_html_()
    assert "<td>bid.train</td>" in shown
    assert "Plan: 1 to add" in shown
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        print(proposal)
    assert "+ bid.train will be created" in out.getvalue()


def test_a_directory_that_does_not_exist_is_no_empty_state(tmp_path: Path) -> None:
    gone = stack_in(tmp_path / "gone", TASK)
    looks = (gone.state, gone.status, gone.outputs, gone.cost, gone.orphans, gone.history)
    mended = (
        lambda: gone.move("bid.a", "bid.b"),
        lambda: gone.release("bid.a"),
        lambda: gone.import_("bid.a", "bid_1"),
    )
    for ask in (*looks, *mended, gone.recover, gone.plan, gone.destroy):
        with pytest.raises(flowplan.UsageProblem, match=f"there is no directory {tmp_path / 'gone'}") as raised:
            ask()
        assert raised.value.hint == "create it, or name the one that has the state"
    assert len(gone.validate().tasks) == 1  # reads no state
    nothing = stack_in(gone.directory)
    calls = (nothing.validate, nothing.plan, nothing.offers, nothing.market, nothing.destroy, nothing.watch().__next__)
    for ask in calls:
        with pytest.raises(flowplan.UsageProblem, match=f"there is no directory {tmp_path / 'gone'}"):
            ask()
    named = stack_in(gone.directory, "a.yaml")
    for ask in (named.validate, named.plan, named.offers, named.destroy, named.watch().__next__):
        with pytest.raises(flowplan.UsageProblem, match=f"there is no directory {tmp_path / 'gone'}"):
            ask()
    assert list(tmp_path.iterdir()) == []
    for state in ("gone/x.json", "file/x.json"):
        (tmp_path / "file").write_text("")
        with pytest.raises(flowplan.UsageProblem, match=f"--state {tmp_path / state}: there is no directory"):
            stack_in(tmp_path, TASK, state=state).state()


def test_a_proposal_that_was_refused_says_what_to_do(stack: flowplan.Stack) -> None:
    stack.apply(stack.plan())
    with pytest.raises(flowplan.GuardRefused, match=r"changed: deleting volume\.my-new-volume destroys") as raised:
        stack.destroy()
    assert raised.value.hint is not None
    assert "--allow-volume-destroy my-new-volume" in raised.value.hint
