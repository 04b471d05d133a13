"""Who looks without the lock takes nothing for somebody else's that another run makes, changes or ends meanwhile."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from flowplan.cli.terminal import Terminal
from flowplan.operations.looking import moment
from flowplan.operations.opening import loading
from flowplan.operations.opening.session import Session
from tests.cli.terminals import at_terminal
from tests.conftest import APPLY, DESTROY, Place, live_ids, lose_addresses, many
from tests.faults.colleagues import STACK
from tests.loaded import client
from tests.processes import LONGEST


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[int], object]], itertools.count[int]]:
    """Between the state and the cloud of each look something is done, which hears how many looks there were. Returns
    what counts them."""

    def doing(what: Callable[[int], object]) -> itertools.count[int]:
        looks, real = itertools.count(), Session.enter_and_list

        def enter(session: Session, *given: Any) -> Any:
            what(next(looks))
            return real(session, *given)

        monkeypatch.setattr(Session, "enter_and_list", enter)
        return looks

    return doing


def elsewhere(place: Place, *arguments: str) -> None:
    """Another process."""
    done = subprocess.run((*client(), *arguments), cwd=place.path, capture_output=True, text=True, timeout=LONGEST)
    assert done.returncode == 0, done


def test_what_is_made_meanwhile_is_in_the_plan_as_this_stacks(place: Place, meanwhile: Any) -> None:
    """A volume carries no marker: nothing but the state tells whose it is."""
    place.write(STACK)
    place.ok(*APPLY, "--target", "bid.b")
    meanwhile(lambda look: look or elsewhere(place, *APPLY))
    result = place.run("plan", "--detailed-exitcode")
    assert result.code == 0, result
    assert "No changes." in result.out


def test_what_is_made_in_the_first_run_meanwhile_is_so_too(place: Place, meanwhile: Any) -> None:
    place.write(STACK)
    meanwhile(lambda look: look or elsewhere(place, *APPLY))
    result = place.run("plan", "--detailed-exitcode")
    assert result.code == 0, result


def test_what_is_changed_meanwhile_is_no_drift(place: Place, meanwhile: Any) -> None:
    place.write(STACK)
    place.ok(*APPLY)
    place.edit("17.92", "20.00")
    meanwhile(lambda look: look or elsewhere(place, *APPLY))
    assert "outside of flowplan" not in place.ok("plan")


def test_what_is_destroyed_meanwhile_was_not_ended_outside(place: Place, meanwhile: Any) -> None:
    place.write(STACK)
    place.ok(*APPLY)
    meanwhile(lambda look: look or elsewhere(place, *DESTROY))
    shown = place.ok("plan")
    assert "outside of flowplan" not in shown
    assert "3 to add" in shown


def test_what_is_placed_meanwhile_is_no_orphan_to_be_cancelled(place: Place, meanwhile: Any) -> None:
    place.write(STACK)
    place.ok(*APPLY, "--target", "bid.b")
    meanwhile(lambda look: look or elsewhere(place, *APPLY))
    assert place.ok("orphans") == "Nothing is orphaned.\n"


@pytest.mark.parametrize("command", [("plan", "--detailed-exitcode"), ("orphans",)], ids=lambda one: one[0])
def test_a_run_that_records_one_result_after_the_other_holds_nobody_up(
    place: Place, meanwhile: Any, command: tuple[str, ...]
) -> None:
    """It is not waited for: what was found last is in the state that is read last."""
    tasks = 2 * moment.LOOKS
    place.write(many(tasks))
    place.ok(*APPLY, "--target", "task.task-000")
    looks = meanwhile(lambda look: elsewhere(place, *APPLY, "--target", f"task.task-{look + 1:03}"))
    result = place.run(*command)
    assert next(looks) == moment.LOOKS + 1
    assert "already exists" not in result.err, result
    assert "--cancel" not in result.out, result
    assert result.code == (2 if command[0] == "plan" else 0)


@pytest.mark.parametrize("made", ["volume.vol", "task.task"])
def test_what_is_made_after_the_last_look_is_no_reason_to_refuse_a_plan(
    place: Place, monkeypatch: pytest.MonkeyPatch, made: str
) -> None:
    """The state has it then, and the list does not: a volume alone is not there yet, and one whose bid is there is."""
    place.write(many(2 * moment.LOOKS))
    place.ok(*APPLY, "--target", "task.task-000")
    loads, real = itertools.count(), loading.load_of_any_api

    def load(session: Session, *given: Any, **named: Any) -> Any:
        if number := next(loads):  # the first is before any look
            elsewhere(place, *APPLY, "--target", f"{made}-{number:03}")
        return real(session, *given, **named)

    monkeypatch.setattr(loading, "load_of_any_api", load)
    result = place.run("plan", "--detailed-exitcode")
    assert next(loads) == moment.LOOKS + 1
    assert result.code == 2, result
    last = f"vol-{moment.LOOKS:03} will be created"
    assert (last in result.out) == (made == "volume.vol"), result
    assert f"vol-{moment.LOOKS - 1:03} will be created" not in result.out


def test_a_plan_to_destroy_beside_the_first_apply_knows_whose_its_bids_are(place: Place, meanwhile: Any) -> None:
    """There was no state before it looked: that is no reason to take this stack's bids for another's."""
    place.write(STACK)
    meanwhile(lambda look: look or elsewhere(place, *APPLY))
    result = place.run("plan", "--destroy", "--allow-volume-destroy", "*")
    assert result.code == 0, result
    assert "0 to add, 0 to change, 3 to destroy" in result.out


@pytest.mark.parametrize("command", ["plan", "apply", "destroy"])
def test_nothing_is_made_or_left_by_a_plan_that_lacks_what_was_made_after_its_last_look(
    place: Place, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """It is another plan by the time that it is carried out: saved, or answered with yes."""
    place.write(many(2 * moment.LOOKS))
    place.ok(*APPLY, "--target", "task.task-000")
    loads, real, asks = itertools.count(), loading.load_of_any_api, Terminal.__init__
    monkeypatch.setattr(Terminal, "ask", lambda *_: "yes")
    monkeypatch.setattr(Terminal, "__init__", lambda *given, **named: asks(*given, **{**named, "interactive": True}))

    def load(session: Session, *given: Any, **named: Any) -> Any:
        if 0 < (number := next(loads)) <= moment.LOOKS:
            elsewhere(place, *APPLY, "--target", f"volume.vol-{number:03}")
        return real(session, *given, **named)

    monkeypatch.setattr(loading, "load_of_any_api", load)
    options = {"plan": ("--out", "p"), "apply": (), "destroy": ("--allow-volume-destroy", "*")}[command]
    result = place.run(command, *options)
    made = len(place.ledger())
    if command == "plan":
        assert result.code == 0, result
        result = place.run("apply", "p")
    assert result.code == 3, result
    assert f"volume.vol-{moment.LOOKS:03}" in result.err
    assert len(place.ledger()) == made


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_an_apply_that_asks_shows_what_is_so(
    place: Place, meanwhile: Any, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    place.write(STACK)
    place.ok(*APPLY, "--target", "bid.b")
    place.edit("  b: {}", "  b: {}\n  c: {}")
    real = Terminal.__init__
    monkeypatch.setattr(Terminal, "ask", lambda *_: answer)
    monkeypatch.setattr(Terminal, "__init__", lambda *given, **named: real(*given, **{**named, "interactive": True}))
    meanwhile(lambda look: look or elsewhere(place, *APPLY, "--target", "volume.data", "--target", "bid.a"))
    result = place.run("apply")
    assert "1 to add, 0 to change, 0 to destroy" in result.out, result
    assert (result.code, len(live_ids(place))) == ((0, 3) if answer == "yes" else (1, 2)), result


def test_what_the_state_has_lost_is_recorded_before_the_question(place: Place) -> None:
    """It is said to be kept: so it is, whatever the answer."""
    place.write(STACK)
    place.ok(*APPLY)
    lose_addresses(place, "bid.a")
    for command in (("apply", "--refresh-only"), ("apply", "--replace", "bid.b")):
        code, shown = at_terminal(place, "no\n", *command)
        assert "bid.a" in place.ok("state", "list").split(), (code, shown)
        assert shown.count("it is kept") == (1 if "--refresh-only" in command else 0)
