"""Whatever a command fails with is in the JSON that was asked for: a document, or the end of the events."""

from __future__ import annotations

import errno
import json
import os
import signal
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import click
import pytest
from jsonschema import Draft202012Validator

from flowplan.backends.lock import Lock
from flowplan.backends.processes import this_process
from flowplan.cli import COMMANDS
from flowplan.cli.forms import Form
from flowplan.documents.schema import schema_of
from tests.cli.running import read_until, start
from tests.conftest import DESTROY, Place, made_once, many
from tests.processes import LONGEST
from tests.texts import task_text

FAILURE, PLAN, EVENT = (Draft202012Validator(schema_of(name)) for name in ("failure", "plan", "event"))
OWN = {"plan": PLAN, "show": PLAN, "validate": Draft202012Validator(schema_of("validate"))}
BROKEN = "name: 1\nnmae: b\n"


def with_json(words: tuple[str, ...], command: click.Command) -> Iterator[tuple[str, ...]]:
    """What one types for each command that has a JSON format, and what asks for it."""
    for word, below in command.commands.items() if isinstance(command, click.Group) else ():
        yield from with_json((*words, word), below)
    for one in command.params:
        if isinstance(one, Form) and isinstance(one.type, click.Choice) and "json" in one.type.choices:
            yield (*words, "--format", "json")
        if "--json" in one.opts and isinstance(one, click.Option) and one.is_flag:
            yield (*words, "--json")


JSON = [
    words
    for name, (module, attribute, _) in COMMANDS.items()
    for words in with_json((name,), getattr(import_module(f"flowplan.cli.{module}"), attribute))
]


def failure(out: str, command: str) -> tuple[int, list[dict[str, Any]]]:
    """The exit code and the diagnostics that `out` has, which fits its schema."""
    if command in ("apply", "destroy", "watch"):
        lines = [json.loads(line) for line in out.splitlines()]
        for line in lines:
            EVENT.validate(line)
        assert [line["type"] for line in lines].count("summary") == 1
        assert [line["type"] for line in lines[-2:]] == ["diagnostic", "summary"]
        return lines[-1]["exit_code"], [line for line in lines if line["type"] == "diagnostic"]
    body = json.loads(out)
    OWN.get(command, FAILURE).validate(body)
    assert body["errored"] is True
    return body["exit_code"], body["diagnostics"]


@pytest.mark.parametrize("words", JSON, ids=" ".join)
def test_wrong_usage_is_in_it(place: Place, words: tuple[str, ...]) -> None:
    """Also where the command line cannot be read, and whatever stands before what asks for JSON."""
    for line in ((*words, "--nonsense"), ("--nonsense", *words)):
        done = place.run(*line)
        code, (said,) = failure(done.out, words[0])
        assert (done.code, code) == (64, 64)
        assert "No such option '--nonsense'" in said["summary"]
        assert "No such option '--nonsense'" in done.err


def test_an_option_that_is_misused_does_not_hide_the_format(place: Place) -> None:
    for line in (
        ("plan", "--destroy=x", "--format", "json"),
        ("plan", "--format=json", "--horizon"),
        ("plan", "--horizon", "soon", "--format", "json"),
        ("--chdir", "nowhere", "plan", "--format", "json"),
        ("apply", "--json", "--timeout", "soon"),
    ):
        done = place.run(*line)
        code, _ = failure(done.out, next(word for word in line if word in COMMANDS))
        assert (done.code, code) == (64, 64), line


def test_short_options_in_one_word_are_wrong_usage_too(place: Place) -> None:
    """What is misused is then no word that could be left out."""
    done = place.run("convert", "-vo")
    assert (done.code, "Option '-o' requires an argument" in done.err) == (64, True)


@pytest.mark.parametrize(
    "words", [("--parallelism", "f" * 50), ("--target",), ("--budget-basis", "worstt"), ("--no-such-option-" * 6,)]
)
def test_wrong_usage_keeps_to_the_width_and_says_where_help_is(place: Place, words: tuple[str, ...]) -> None:
    done = place.run("apply", *words)
    assert done.code == 64
    assert max(len(line) for line in done.err.splitlines() if " " in line.strip()) <= 80
    assert done.err.endswith("  hint: flowplan apply --help lists the options and arguments\n")


@pytest.mark.parametrize("words", [("pln",), ("state", "sow")])
def test_a_command_that_does_not_exist_sends_to_the_list_of_commands(place: Place, words: tuple[str, ...]) -> None:
    done = place.run(*words)
    above = " ".join(("flowplan", *words[:-1]))
    assert (done.code, done.err.endswith(f"  hint: {above} --help lists the options and commands\n")) == (64, True)


def test_a_size_that_is_too_small_cuts_nothing_of_the_failure(place: Place) -> None:
    done = place.run("plan", "--format", "markdown", "--max-bytes", "3")
    assert (done.code, "_Cut at" in done.out, "a whole number of 4000 or more" in done.out) == (64, False, True)


def test_a_value_that_looks_like_the_format_is_none(place: Place) -> None:
    """`--out --format` names a file; and what comes behind `--` is a PATH."""
    assert place.run("plan", "--out", "--format", "json").out == ""
    assert place.run("plan", "--", "--format", "json").out == ""
    assert place.run("graph", "--format", "dot", "--nonsense").out == ""


@pytest.mark.parametrize("command", ["plan", "graph", "market", "convert", "validate", "apply"])
def test_problems_of_the_configuration_are_in_it(place: Place, command: str) -> None:
    place.write(BROKEN)
    words = {"market": ("nix", "--format", "json"), "convert": ("flowplan.yaml", "--format", "json")}
    asking = ("--json", "--auto-approve") if command == "apply" else ("--format", "json")
    done = place.run(command, *words.get(command, asking))
    assert done.code == 65
    if command in ("convert", "validate"):  # whose documents say it in their own way, too
        body = json.loads(done.out)
        Draft202012Validator(schema_of(command)).validate(body)
        assert (body["valid"], body["errored"], body["exit_code"]) == (False, True, 65)
        return
    code, said = failure(done.out, command)
    assert code == 65
    assert all(one["summary"] in " ".join(done.err.split()) for one in said)


@pytest.fixture
@made_once
def applied_once(place: Place) -> Place:
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    return place


READING = ("status", "cost", "orphans", "output", "show", "plan", "state list", "state show bid.train", "state pull")
DAMAGED = [f"{one} --format json" for one in (*READING, "state history", "state rm bid.train")]


@pytest.mark.parametrize("line", [*DAMAGED, "apply --json --auto-approve", "destroy --json --auto-approve"])
def test_a_state_that_cannot_be_read_is_in_it(applied_once: Place, line: str) -> None:
    (applied_once.path / "flowplan.state.json").write_text("{")
    done = applied_once.run(*line.split())
    if line.startswith("state history"):  # which lists what there is to go back to
        assert done.code == 0
        return
    code, said = failure(done.out, line.split()[0])
    assert (done.code, code) == (5, 5)
    assert said[-1]["summary"] in " ".join(done.err.split())


@pytest.mark.parametrize("line", ["state rm bid.train --format json", "apply --json", "destroy --json --auto-approve"])
def test_a_lock_that_somebody_else_holds_is_in_it(applied_once: Place, line: str) -> None:
    lock = Lock(applied_once.path / "flowplan.lock")
    lock.acquire(this_process("flowplan apply", {}, "2026-01-02T03:04:05Z"))
    done = applied_once.run(*line.split())
    lock.release()
    code, (said,) = failure(done.out, line.split()[0])
    assert (done.code, code) == (4, 4)
    assert said.get("code", "locked") == "locked"


def test_what_a_guard_refuses_is_in_it(applied_once: Place) -> None:
    """Of a plan, in the plan itself; an apply, and what takes a file for a saved plan that is none, end with it."""
    applied_once.edit("17.92", "20.00")
    done = applied_once.run("plan", "--format", "json", "--max-hourly-cost", "1")
    body = json.loads(done.out)
    PLAN.validate(body)
    assert (done.code, body["errored"], body["exit_code"]) == (3, True, 3)
    assert "max_hourly_cost" in {one["detail"] for one in body["diagnostics"] if one["severity"] == "error"}
    assert "exit_code" not in json.loads(applied_once.ok("plan", "--format", "json"))  # which nothing refuses
    applied_once.write('{"format_version": "1.0"}', "p")
    for line in ("apply --json --auto-approve --max-hourly-cost 1", "apply --json p", "show p --format json"):
        done = applied_once.run(*line.split())
        code, said = failure(done.out, line.split()[0])
        assert (done.code, code) == (3, 3)
        assert said[-1]["summary"] in " ".join(done.err.split())


def test_a_cloud_that_cannot_be_reached_is_in_it(applied_once: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_KEY", "fkey_x")
    away = ("--state", "other.json", "--api-url", "http://127.0.0.1:9")
    for line in ("market --format json", "apply --json --auto-approve", "plan --format json"):
        done = applied_once.run(*away, *line.split())
        code, said = failure(done.out, line.split()[0])
        assert (done.code, code) == (1, 1)
        assert said[-1]["summary"] in " ".join(done.err.split())


def test_steps_that_fail_and_creates_in_doubt_are_in_it(place: Place) -> None:
    """The counts of the summary are those of the run."""
    place.write(task_text("train") + "ports: [8080]\n")
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", status=400, body='{"detail": "no"}')
    done = place.run("apply", "--auto-approve", "--json")
    code, said = failure(done.out, "apply")
    summary = json.loads(done.out.splitlines()[-1])
    assert (done.code, code, summary["failed"], summary["not_started"]) == (1, 1, 1, ["ports.train"])
    assert [one["summary"] for one in said][-1] == "1 step failed; what was done is saved"


def test_an_outcome_that_is_unknown_is_in_it(place: Place) -> None:
    place.write(task_text("train"))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    done = place.run("apply", "--auto-approve", "--json")
    code, said = failure(done.out, "apply")
    assert (done.code, code, json.loads(done.out.splitlines()[-1])["unknown"]) == (6, 6, ["bid.train"])
    assert said[-1]["summary"] in " ".join(done.err.split())


def test_nobody_approves_and_it_is_in_it(place: Place) -> None:
    place.write(task_text("train"))
    done = place.run("apply", "--json")
    code, said = failure(done.out, "apply")
    assert (done.code, code) == (1, 1)
    assert "needs approval" in said[-1]["summary"]


def test_a_signal_is_in_it(applied_once: Place) -> None:
    lock = Lock(applied_once.path / "flowplan.lock")
    lock.acquire(this_process("flowplan apply", {}, "2026-01-02T03:04:05Z"))
    process = start(applied_once, "state", "rm", "bid.train", "--lock-timeout", "10m", "--format", "json")
    read_until(process, lambda line: "lock" in line)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=LONGEST)
    lock.release()
    code, (said,) = failure(out, "state")
    assert (process.returncode, code, said["code"]) == (130, 130, "interrupted")


def test_a_bug_is_in_it_without_its_text(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise RuntimeError("fkey_secret")

    monkeypatch.setattr("flowplan.operations.lock.look", broken)
    done = place.run("lock", "show", "--format", "json")
    code, (said,) = failure(done.out, "lock")
    assert (done.code, code, said["code"]) == (1, 1, "internal")
    assert said["summary"] == "internal error: RuntimeError"


def test_a_plan_that_cannot_be_saved_is_one_document(place: Place) -> None:
    """Not the plan, and behind it that it failed."""
    place.write(task_text("train"))
    done = place.run("plan", "--out", "nowhere/p", "--format", "json")
    code, (said,) = failure(done.out, "plan")
    assert (done.code, code) == (64, 64)
    assert "nowhere/p" in said["summary"]


def test_a_plan_for_which_there_is_no_room_is_one_document(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found only once it is written."""

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    place.write(task_text("train"))
    monkeypatch.setattr(os, "replace", full)
    done = place.run("plan", "--out", "p", "--format", "json")
    code, (said,) = failure(done.out, "plan")
    assert (done.code, code) == (1, 1)
    assert "p could not be" in said["summary"] and "No space left on device" in said["summary"]


def test_a_program_that_asks_for_nothing_gets_nothing(place: Place) -> None:
    for line in (("plan",), ("state", "pull"), ("fmt",), ("status", "--format", "text", "--nonsense")):
        assert place.run(*line, "--nonsense").out == ""


def test_a_destroy_that_fails_ends_with_which_bids_run_on_and_at_what_cost(place: Place) -> None:
    """In hundreds of lines of an outage, what costs money on is the last thing that is said; a volume is none of it."""
    place.write(many(7))
    place.ok("apply", "--auto-approve")
    with place.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "status", status=500, times=None)
    failed = place.run(*DESTROY)
    left = "bid.task-000, bid.task-001, bid.task-002, bid.task-003, bid.task-004 and 2 more, which may run on: at most"
    said = f"steps failed; what was done is saved not cancelled: {left} $125.44 an hour"
    assert failed.code == 1 and said in " ".join(failed.err.split())
    with place.simulator() as simulator:
        simulator.faults.clear()
    place.ok(*DESTROY)
