"""Hooks: what sets them off, what they read, and that nothing they do changes what flowplan did."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import flowplan
from flowplan.backends.local import LocalStore
from flowplan.backends.local_journal import LocalJournal
from tests.conftest import APPLY, START, Place, bid_id
from tests.documents.schemas import fits
from tests.processes import runs

STACK = """\
version: 2
name: demo
project_name: my-foundry-project
hooks: {hooks}
tasks:
  train:
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 20}
    startup_script: echo hi
"""
DESTROY = ("destroy", "--auto-approve")
KEEP = "cat > $0.json"  # what it reads goes into a file of the event's name
EVERY = {event: ["sh", "-c", KEEP, event] for event in ("planned", "applied", "preempted", "drifted")}


@pytest.fixture
def hooked(place: Place) -> Place:
    hook(place, EVERY)
    return place


def hook(place: Place, hooks: Any) -> None:
    place.write(STACK.replace("{hooks}", json.dumps(hooks)))


def events(place: Place) -> set[str]:
    """What hooks have read since, by their events; forgotten then."""
    found = {path.stem for path in place.path.glob("*.json") if path.stem in EVERY}
    for name in found:
        body(place, name)
        (place.path / f"{name}.json").unlink()
    return found


def body(place: Place, event: str) -> Any:
    found = json.loads((place.path / f"{event}.json").read_text())
    fits("hook", found)
    assert found["event"] == event and found["stack"]["name"] == "demo"
    return found


# ---- what sets them off ---------------------------------------------------------------------------------------------


def test_a_plan_sets_off_planned_with_the_whole_plan(hooked: Place) -> None:
    shown = json.loads(hooked.ok("plan", "--format", "json"))
    found = body(hooked, "planned")
    assert found["plan"] == shown
    assert [(one["address"], one["actions"]) for one in found["resources"]] == [("bid.train", ["create"])]
    assert events(hooked) == {"planned"}


def test_a_plan_that_people_read_tells_its_hooks_the_digest_of_the_configuration(hooked: Place) -> None:
    hooked.ok("plan")
    assert len(body(hooked, "planned")["plan"]["stack"]["config_sha256"]) == 64


def test_an_apply_and_a_destroy_set_off_applied_with_what_became_of_it(hooked: Place) -> None:
    hooked.ok(*APPLY)
    found = body(hooked, "applied")
    [one] = found["resources"]
    assert (one["address"], one["actions"], one["result"], one["id"]) == (
        "bid.train",
        ["create"],
        "done",
        bid_id(hooked, "bid.train"),
    )
    assert found["summary"]["added"] == 1 and "plan" not in found
    assert events(hooked) == {"applied"}
    hooked.ok(*APPLY)
    assert events(hooked) == set()  # nothing was done
    hooked.ok(*DESTROY)
    assert body(hooked, "applied")["resources"][0]["actions"] == ["delete"]


def test_a_run_that_fails_sets_it_off_with_the_error(hooked: Place) -> None:
    hooked.ok("plan")
    with hooked.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", status=400)
    assert hooked.run(*APPLY).code == 1
    [one] = body(hooked, "applied")["resources"]
    assert one["result"] == "failed" and one["error"]


def test_what_changed_outside_sets_off_drifted(hooked: Place) -> None:
    hooked.ok(*APPLY)
    hooked.call("PATCH", f"/v2/spot/bids/{bid_id(hooked, 'bid.train')}", b'{"limit_price": "$9.00"}')
    events(hooked)
    hooked.ok("plan")
    assert [one["address"] for one in body(hooked, "drifted")["resources"]] == ["bid.train"]
    assert events(hooked) == {"planned", "drifted"}
    hooked.ok(*APPLY)
    assert events(hooked) == {"applied", "drifted"}


def test_nothing_else_sets_one_off(hooked: Place) -> None:
    hooked.ok("validate")
    hooked.ok("fmt", "--check")
    for command in (("plan", "--no-hooks"), (*APPLY, "--no-hooks"), ("status",), ("cost",), (*DESTROY, "--no-hooks")):
        hooked.ok(*command)
        assert events(hooked) == set(), command
    stack = flowplan.load("flowplan.yaml", directory=hooked.path, api_url="sim:", environ=START)
    stack.apply(stack.plan())
    assert events(hooked) == set()  # a library runs no command of a file that nobody asked it to


def test_a_program_has_them_run_where_it_asks(hooked: Place) -> None:
    stack = flowplan.load("flowplan.yaml", directory=hooked.path, api_url="sim:", environ=dict(os.environ))
    proposal = stack.plan(hooks=True)
    assert body(hooked, "planned")["plan"] == proposal.document
    assert events(hooked) == {"planned"}
    stack.apply(proposal, hooks=True)
    assert body(hooked, "applied")["summary"]["added"] == 1
    assert events(hooked) == {"applied"}
    stack.destroy(hooks=True)
    assert events(hooked) == {"applied"}


def test_a_hook_that_is_such_a_program_sets_off_no_other(place: Place) -> None:
    program = "import flowplan, pathlib; flowplan.load('flowplan.yaml', api_url='sim:').plan(hooks=True)"
    place.write(STACK.replace("{hooks}", json.dumps({"planned": [sys.executable, "-c", program]})))
    said: list[str] = []
    load = partial(flowplan.load, "flowplan.yaml", directory=place.path, api_url="sim:", note=said.append)
    load(environ=dict(os.environ)).plan(hooks=True)
    assert said == []  # it ended, and well
    load(environ={**os.environ, "FLOWPLAN_NO_HOOKS": "1"}).plan(hooks=True)
    assert said == []


def test_a_program_hears_what_they_write_and_how_they_fail_without_its_secrets(place: Place) -> None:
    hook(place, {"planned": ["sh", "-c", "cat > planned.json; echo fkey_us-central1-b; exit 3"]})
    said: list[str] = []
    environ = {**os.environ, "FLOWPLAN_API_KEY": "fkey_us-central1-b", "MITHRIL_API_KEY": "us-central1-b"}
    flowplan.load(directory=place.path, api_url="sim:", note=said.append, environ=environ).plan(hooks=True)
    assert said[0] == "hook planned: ********"
    assert said[1].endswith("failed with exit code 3; what flowplan did stands")
    assert "us-central1-b" not in (place.path / "planned.json").read_text()


def test_ctrl_c_kills_the_one_that_a_program_runs(place: Place) -> None:
    hook(place, {"planned": ["sh", "-c", "echo $$ > pid.txt; kill -2 $PPID; sleep 600"]})
    program = "import flowplan; flowplan.load('flowplan.yaml', api_url='sim:').plan(hooks=True)"
    command = [sys.executable, "-c", program]
    ended = subprocess.run(command, cwd=place.path, capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in ended.stderr
    assert not runs(int((place.path / "pid.txt").read_text()))


def test_the_environment_can_switch_them_off(hooked: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_NO_HOOKS", "1")
    hooked.ok("plan")
    hooked.ok(*APPLY)
    assert events(hooked) == set()


# ---- never part of the transaction ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["sh", "-c", "exit 3"], "failed with exit code 3; what flowplan did stands"),
        (["nosuch"], "cannot be started: No such file or directory; what flowplan did stands"),
        ({"command": ["sleep", "600"], "timeout": 1}, "was killed after 1 second; what flowplan did stands"),
    ],
)
def test_one_that_fails_is_a_warning(place: Place, command: Any, says: str) -> None:
    hook(place, {"planned": command, "applied": command})
    for arguments in (("plan",), APPLY):
        result = place.run(*arguments)
        assert result.code == 0
        said = " ".join(result.err.split())
        assert "warning: the hook" in said and says in said and "flowplan.yaml:4:" in said
    assert len(place.ledger()) == 1


def test_it_runs_once_the_state_is_saved_and_the_lock_released(place: Place) -> None:
    script = f"{sys.executable} -m flowplan lock show >> lock.txt; cp flowplan.state.json seen.json"
    hook(place, {"applied": ["sh", "-c", script]})
    place.ok(*APPLY)
    assert (place.path / "lock.txt").read_text() == place.ok("lock", "show")
    assert "Nobody holds" in place.ok("lock", "show")
    assert (place.path / "seen.json").read_bytes() == (place.path / "flowplan.state.json").read_bytes()


@pytest.mark.parametrize(
    ("arguments", "outcome", "number"),
    [
        (("plan",), "nothing was changed", signal.SIGINT),
        (APPLY, "what was done is saved", signal.SIGINT),
        (APPLY, "what was done is saved", signal.SIGTERM),
    ],
)
def test_a_signal_ends_the_one_that_runs(
    place: Place, arguments: tuple[str, ...], outcome: str, number: signal.Signals
) -> None:
    script = f"echo $$ > pid.txt; kill -{number.value} $PPID; sleep 600"
    hook(place, {"planned": ["sh", "-c", script], "applied": ["sh", "-c", script]})
    command = [sys.executable, "-m", "flowplan", *arguments]
    ended = subprocess.run(command, cwd=place.path, capture_output=True, text=True, check=False)
    assert ended.returncode == 128 + number and outcome in ended.stderr
    assert not runs(int((place.path / "pid.txt").read_text()))
    assert len(place.ledger()) == (arguments == APPLY)


@pytest.mark.parametrize(("owner", "name", "taken"), [(LocalStore, "_save", 0), (LocalJournal, "append", 1)])
def test_it_is_told_of_what_was_done_where_that_could_not_be_saved(
    place: Place, owner: type, name: str, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a bid that costs money somebody hears also where the disk is full; and Ctrl-C in the hook hides no exit 5."""
    hook(place, {"applied": ["sh", "-c", f"{KEEP}; kill -INT $PPID; sleep 600", "applied"]})
    calls, real = itertools.count(), getattr(owner, name)

    def full(*given: Any, **named: Any) -> Any:
        if next(calls) < taken:  # the intent is kept, the result is not
            return real(*given, **named)
        raise flowplan.StateError("the disk is full")

    monkeypatch.setattr(owner, name, full)
    result = place.run(*APPLY)
    assert (result.code, "error: the disk is full" in result.err) == (5, True), result
    assert [(one["address"], one["result"]) for one in body(place, "applied")["resources"]] == [("bid.train", "done")]


def test_one_that_runs_flowplan_sets_off_no_other(place: Place) -> None:
    script = f"echo once >> count.txt; {sys.executable} -m flowplan plan > plan.txt"
    hook(place, {"planned": ["sh", "-c", script]})
    place.ok("plan")
    assert (place.path / "count.txt").read_text() == "once\n"
    assert "1 to add" in (place.path / "plan.txt").read_text()


# ---- what it writes and reads ---------------------------------------------------------------------------------------


def test_what_it_writes_cannot_pass_for_ours(place: Place) -> None:
    forged = "Apply complete: 9 added\\n::error::no\\nerror: no\\033[2J\\r" + "x" * 90 + " ::set-output name=a::b"
    hook(place, {"planned": ["printf", forged], "applied": ["printf", forged]})
    for arguments in (("plan", "--format", "json"), (*APPLY, "--json")):
        result = place.run(*arguments)
        assert result.code == 0 and "9 added" not in result.out
        ours = [line for line in result.err.splitlines() if "added" in line or "error" in line]
        assert ours and all(line.startswith("note: hook ") for line in ours), result.err
        assert "\x1b[2J" not in result.err
        assert not [line for line in result.err.splitlines() if line.strip().startswith("::")]


def test_much_of_what_it_writes_is_cut(place: Place) -> None:
    hook(place, {"planned": ["seq", "50"]})
    said = place.run("plan").err
    assert said.count("note: hook planned: ") == 21 and "30 more lines are not shown" in said
    hook(place, {"planned": ["seq", "21"]})
    assert "1 more line is not shown" in place.run("plan").err
    hook(place, {"planned": ["seq", "100000"]})  # of so many nobody keeps count: it named those that were kept
    said = place.run("plan").err
    assert "the rest of the 588,895 bytes that it wrote is not shown" in said and "more lines" not in said


@pytest.mark.parametrize("name", ["KILL", "TERM"])
def test_one_that_a_signal_kills_is_told_by_its_name(place: Place, name: str) -> None:
    hook(place, {"planned": ["sh", "-c", f"kill -{name} $$"]})
    said = " ".join(place.run("plan").err.split())
    assert f"was killed by SIG{name}; what flowplan did stands" in said and "exit code" not in said


def test_secrets_are_neither_in_what_it_reads_nor_in_its_environment(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWPLAN_API_KEY", "fkey_us-central1-b")
    monkeypatch.setenv("MITHRIL_API_KEY", "us-central1-b")  # which a plan would show
    monkeypatch.setenv("FOUNDRY_PASSWORD", "a-password-of-ours")
    monkeypatch.setenv("FLOWPLAN_PLAN_KEY", "0123456789abcdef")
    monkeypatch.setenv("FLOWPLAN_HTTP_PASSWORD", "for-the-state")
    monkeypatch.setenv("FLOWPLAN_TO_HTTP_PASSWORD", "my-foundry-project")  # which a plan would show, too
    monkeypatch.setenv("FLOWPLAN_TO_AWS_SECRET_ACCESS_KEY", "for-the-next-place")
    monkeypatch.setenv("FLOWPLAN_STATE", "postgres://kim:in-the-url@db/infra/train")
    monkeypatch.setenv("FLOWPLAN_VAR_token", "of-a-variable")
    monkeypatch.setenv("OTHER", "is theirs")
    hook(place, {"planned": ["sh", "-c", "cat > planned.json; env > env.txt"]})
    place.ok("--state", "here.json", "plan")
    text = (place.path / "planned.json").read_text()
    assert "us-central1-b" not in text and "my-foundry-project" not in text and "********" in text
    fits("hook", json.loads(text))
    inherited = (place.path / "env.txt").read_text()
    for secret in ("us-central1-b", "a-password", "0123456789abcdef", "of-a-variable", "for-the-state", "in-the-url"):
        assert secret not in inherited
    assert "FLOWPLAN_TO_" not in inherited
    assert f"FLOWPLAN_STATE={(place.path / 'here.json').resolve()}" in inherited
    assert "OTHER=is theirs" in inherited and "FLOWPLAN_NO_HOOKS=1" in inherited


def test_the_file_of_an_unreadable_stack_sets_nothing_off(hooked: Place) -> None:
    hooked.ok(*APPLY)
    events(hooked)
    path: Path = hooked.path / "flowplan.yaml"
    path.write_text(path.read_text() + "tasks: [\n")
    hooked.ok(*DESTROY)
    assert events(hooked) == set()
