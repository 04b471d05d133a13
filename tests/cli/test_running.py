"""An apply that is interrupted, killed, refused in one part, or asked about: in a process of its own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.running import read_until, start
from tests.cli.terminals import at_terminal, started
from tests.conftest import FLOWPLAN, TASK, Place, live_ids, many
from tests.processes import LONGEST, Process, until

TASKS = 40


def created(place: Place) -> Counter[str]:
    """How often each name was created, by the simulator's own book."""
    rows = json.loads(place.call("GET", "/v2/projects").body)
    project = rows[0]["fid"]
    names: list[str] = []
    cursor = ""
    while True:
        page = json.loads(place.call("GET", f"/v2/spot/bids?limit=100{cursor}").body)
        names += [bid["name"] for bid in page["data"]]
        if not page["next_cursor"]:
            break
        cursor = f"&next_cursor={page['next_cursor']}"
    names += [
        row["name"] for row in json.loads(place.call("GET", f"/v2/volumes?project={project}&include_deleted=true").body)
    ]
    return Counter(names)


def converge(place: Place) -> None:
    """The next apply finishes, and then there is nothing left to do; nothing was made twice."""
    place.ok("apply", "--auto-approve")
    assert place.run("plan", "--detailed-exitcode").code == 0
    counts = created(place)
    assert len(counts) == 2 * TASKS
    assert set(counts.values()) == {1}


@contextmanager
def slow(place: Place) -> Iterator[None]:
    """From the third create on each takes a second, so that no run is done before it is stopped, however busy the
    machine is."""
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/*", "slow", nth=3, times=None, seconds=1)
    yield
    with place.simulator() as simulator:
        simulator.faults.clear()


@pytest.mark.parametrize("at", ["click", "flowplan.cli.answer", "flowplan.cli.writer"])
def test_ctrl_c_while_the_command_line_is_loaded_ends_it_without_a_traceback(at: str) -> None:
    """It is typed wrongly and taken back: nothing has begun, and a traceback would be all that is read."""
    pressed = (
        "import signal, sys\n"
        "from flowplan.__main__ import main\n"
        "class Pressed:\n"
        "    def find_spec(self, name, *rest):\n"
        f"        if name == {at!r}:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "sys.meta_path.insert(0, Pressed())\n"
        "sys.argv = ['flowplan', 'plan']\n"
        "sys.exit(main())"
    )
    with Process([sys.executable, "-c", pressed], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert (process.communicate(timeout=LONGEST), process.returncode) == (("", ""), 130)


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else "",
)
def test_a_signal_stops_cleanly(place: Place, number: signal.Signals, code: int) -> None:
    place.write(many(TASKS))
    with slow(place):
        process = start(place, "apply", "--auto-approve", "--parallelism", "1", words=FLOWPLAN)
        read_until(process, lambda line: "created" in line)
        process.send_signal(number)
        out, err = process.communicate(timeout=LONGEST)
    assert process.returncode == code, (out, err)
    assert "stopping" in err
    assert "not started" in out
    assert "what was done is saved\n  hint: run the same command again: it continues from here\n" in err
    state = json.loads((place.path / "flowplan.state.json").read_text())
    assert 0 < len(state["resources"]) < 3 * TASKS
    assert (place.path / "flowplan.lock").read_bytes() == b""
    converge(place)


_GO_ON = (
    "hint: plan again and apply the new plan: it continues from here; a saved plan is begun only once: `flowplan plan "
    "--out FILE` makes a new one"
)


def test_a_saved_plan_that_is_stopped_says_how_to_go_on(place: Place) -> None:
    """By the same command it does not: a saved plan is begun once."""
    place.write(many(TASKS))
    place.ok("plan", "--out", "p")
    with slow(place):
        process = start(place, "apply", "p", "--parallelism", "1")
        read_until(process, lambda line: "created" in line)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=LONGEST)
    assert (process.returncode, _GO_ON in " ".join(err.split())) == (143, True), err
    place.ok("plan", "--out", "p")
    place.ok("apply", "p")
    converge(place)


WAITS = """\
version: 2
defaults: {resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}}
tasks:
  first: {}
  second: {depends_on: [{task: first, until: terminated}]}
"""


def waiting(place: Place) -> subprocess.Popen[str]:
    """An apply that has the lock until the bid `first` ends."""
    place.write(WAITS)
    process = start(place, "apply", "--auto-approve", "--timeout", "1h")
    read_until(process, lambda line: "bid.second waits for bid.first" in line)
    return process


def end_first(place: Place) -> None:
    place.call("DELETE", f"/v2/spot/bids/{live_ids(place)[0]}")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_run_that_waits_for_a_task_can_be_stopped_and_gone_on_with(
    place: Place, number: signal.Signals, code: int
) -> None:
    process = waiting(place)
    process.send_signal(number)
    out, err = process.communicate(timeout=LONGEST)
    assert process.returncode == code, (out, err)
    assert set(created(place).values()) == {1}
    process = waiting(place)
    end_first(place)
    process.communicate(timeout=LONGEST)
    assert process.returncode == 0
    assert list(created(place).values()) == [1, 1]
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_killed_at_moments_all_over_the_run(place: Place) -> None:
    """SIGKILL, again and again. From the n-th on a create takes long, so that no run is done before it is killed."""
    place.write(many(TASKS))
    kills = (1, 5, 10, 16, 23)
    for creates in kills:
        with place.simulator() as simulator:
            simulator.faults.clear()
            simulator.faults.add("POST /v2/*", "slow", nth=creates, times=None, seconds=25)
        process = start(place, "apply", "--auto-approve", "--parallelism", "4")
        for _ in range(creates):
            read_until(process, lambda line: "creating" in line)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    with place.simulator() as simulator:
        simulator.faults.clear()
    converge(place)
    print(f"{len(kills)} kills, {len(kills)} recovered, 0 duplicates")


def test_a_run_that_died_is_told_of(place: Place) -> None:
    place.write(many(TASKS))
    with slow(place):
        process = start(place, "apply", "--auto-approve", "--parallelism", "2")
        read_until(process, lambda line: "created" in line)
        process.kill()
        process.communicate()
    assert "changing things" not in place.run("plan").err  # it is dead, and its lock is left to who changes things
    assert "died; taking over its lock" in place.run("apply", "--auto-approve").err
    converge(place)


def test_two_at_once_one_works_and_the_other_is_told(place: Place) -> None:
    first = waiting(place)
    second = place.run("apply", "--auto-approve")
    end_first(place)
    first.communicate(timeout=LONGEST)
    assert (first.returncode, second.code) == (0, 4)
    assert list(created(place).values()) == [1, 1]


def test_the_other_waits_when_asked_to(place: Place) -> None:
    first = waiting(place)
    second = start(place, "apply", "--auto-approve", "--lock-timeout", "10m")
    read_until(second, lambda line: "waiting up to 600 s for the lock" in line)
    end_first(place)
    first.communicate(timeout=LONGEST)
    out, _ = second.communicate(timeout=LONGEST)
    assert (first.returncode, second.returncode) == (0, 0)
    assert "No changes." in out
    assert list(created(place).values()) == [1, 1]


def test_one_part_fails_the_rest_is_done(place: Place) -> None:
    """A bid that the API refuses and its ports are missing, all else is there."""
    place.write(many(3))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", nth=3, status=400, body='{"detail": "no"}')
    result = place.run("apply", "--auto-approve", "--parallelism", "1")
    assert result.code == 1
    assert "error: bid.task-002" in result.err
    assert "flowplan.yaml:" in result.err
    assert "not started: ports.task-002" in result.err
    assert "Apply incomplete: 7 added, 0 changed, 0 destroyed; 1 failed, 0 unknown, 1 not started." in " ".join(
        result.out.split()
    )
    assert "volume.vol-002" in place.ok("state", "list")
    assert "Apply complete: 2 added" in place.ok("apply", "--auto-approve")
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_a_closed_pipe_does_not_stop_an_apply(place: Place) -> None:
    place.write(many(TASKS))
    process = start(place, "apply", "--auto-approve")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    process.stderr.close()
    assert process.wait(LONGEST) == 0
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_plan_into_head_is_no_error(place: Place) -> None:
    place.write(many(TASKS))
    done = subprocess.run(
        ["bash", "-c", 'set -o pipefail; "$@" plan | head -1', "-", *FLOWPLAN],
        cwd=place.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


# ---- somebody at a terminal ---------------------------------------------------------------------------------


def test_yes_applies(place: Place) -> None:
    place.write(TASK)
    code, shown = at_terminal(place, "yes\n", "apply")
    assert code == 0, shown
    assert "Only 'yes' is accepted:" in shown
    assert "Apply complete: 3 added" in shown
    assert "\x1b[32m" in shown


@pytest.mark.parametrize(
    "answer", ["no\n", "y\n", "YES\n", "\n", "\x04"], ids=["no", "y", "YES", "enter", "end of input"]
)
def test_anything_else_changes_nothing(place: Place, answer: str) -> None:
    place.write(TASK)
    code, shown = at_terminal(place, answer, "apply")
    assert code == 1, shown
    assert "not approved; nothing was changed" in shown
    assert place.ledger() == []


@pytest.mark.parametrize("time", range(8))
def test_ctrl_c_at_the_prompt(place: Place, time: int) -> None:
    """Several times, because it may come just before the answer is read."""
    place.write(TASK)
    code, shown = at_terminal(place, "\x03", "apply")
    assert code == 130, shown
    assert "^C\r\n\x1b[31;1merror:\x1b[0m interrupted; nothing was changed\r\n" in shown  # on a line of its own
    assert "Traceback" not in shown
    assert place.ledger() == []


def test_destroy_wants_the_name_of_the_volume(place: Place) -> None:
    place.write(TASK)
    place.ok("apply", "--auto-approve")
    ledger = place.ledger()
    code, shown = at_terminal(place, "yes\n", "destroy")
    assert code == 1, shown
    assert "Type the volume's name" in shown
    assert place.ledger() == ledger
    code, shown = at_terminal(place, "my-new-volume\nyes\n", "destroy")
    assert code == 0, shown
    assert "Destroy complete" in shown


@pytest.mark.parametrize("command", ["apply", "destroy"])
def test_what_is_typed_before_the_plan_is_shown_approves_nothing(place: Place, command: str) -> None:
    """Impatience, or lines that were pasted: nobody has seen what that "yes" is for."""
    place.write(TASK)
    if command == "destroy":
        place.ok("apply", "--auto-approve")
    ledger = place.ledger()
    run, typed = started(place, command), False
    run.type("my-new-volume\nyes\n" if command == "destroy" else "yes\n")
    for _ in run.reads():
        if not typed and run.raw.rstrip("\x1b[0m ").endswith(":"):
            run.type("no\n")
            typed = True
    assert run.end() == 1, run.raw
    assert typed
    assert "nothing was changed" in run.raw
    assert place.ledger() == ledger


def test_ci_never_prompts(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(TASK)
    monkeypatch.setenv("CI", "true")
    code, shown = at_terminal(place, "yes\n", "apply")
    assert code == 1
    assert "--auto-approve" in shown


def hears(pid: int, number: int) -> bool:
    """Whether the process has a handler for that signal."""
    (caught,) = re.findall(r"^SigCgt:\s*(\S+)", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    return bool(int(caught, 16) >> (number - 1) & 1)


def test_the_question_is_asked_again_after_the_run_was_stopped(place: Place) -> None:
    """Ctrl-Z and `fg`: what a shell wrote stands below the question by then."""
    place.write(many(1))
    run, asks = started(place, "apply"), "Apply this plan? Only 'yes' is accepted:"
    stopped = answered = False
    for _ in run.reads():
        if run.raw.count(asks) == 1 and not stopped:
            until(lambda: hears(run.pid, signal.SIGCONT))
            os.kill(run.pid, signal.SIGSTOP)
            os.kill(run.pid, signal.SIGCONT)
            stopped = True
        if run.raw.count(asks) == 2 and not answered:
            run.type("yes\n")
            answered = True
    assert (run.end(), answered) == (0, True), run.raw
    assert "Apply complete: 3 added" in run.raw
