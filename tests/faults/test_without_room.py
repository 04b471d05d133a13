"""No room for the state, nor for its journal: what only stops goes on, and nothing that has to be recorded."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from flowplan.backends.local import LocalStore
from tests.conftest import APPLY, DESTROY, ROOT, Place, bid_id, live_ids, many
from tests.faults.full_disk import WAYS_IN, full
from tests.faults.scenarios import GONE, MOVED, STATE, stack
from tests.texts import task_text

BARE = stack("a").partition("tasks:")[0]  # no task, and the volume


@pytest.mark.parametrize("text", [stack("b", blocks=MOVED), BARE + GONE], ids=["moved", "removed"])
def test_what_only_the_files_say_is_not_done_unrecorded(place: Place, text: str) -> None:
    """The next plan would end what was to stay."""
    place.write(stack("a"))
    place.ok(*APPLY)
    ids, state, ledger = live_ids(place), (place.path / STATE).read_bytes(), place.ledger()
    place.write(text)
    with full():
        refused = place.run(*APPLY)
    assert refused.code == 5, refused
    assert not [said for said in ("bid.a: forgotten", "recorded nowhere") if said in refused.out + refused.err]
    assert ((place.path / STATE).read_bytes(), place.ledger()) == (state, ledger)
    place.ok(*APPLY)
    assert live_ids(place) == ids


def test_what_has_ended_by_itself_keeps_nothing_from_being_stopped(place: Place) -> None:
    """That it is gone, the next look shows again."""
    place.write(many(2))
    place.ok(*APPLY)
    place.call("DELETE", f"/v2/spot/bids/{live_ids(place)[0]}")
    place.write(BARE.replace("name: s\n", "name: work\n"))  # as the files were called by their directory
    with full():
        stopped = place.run(*APPLY, "--allow-volume-destroy", "*", "--target", "bid.*")
    assert stopped.code == 0, stopped
    assert "recorded nowhere" in " ".join(stopped.err.split())
    assert live_ids(place) == []


def test_what_recover_settles_is_not_called_stopped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(many(1))
    with monkeypatch.context() as patch:  # as of a run that was killed before it saved
        patch.setattr(LocalStore, "save", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert place.run(*APPLY).code == 130
    with full(journal=True):
        failed = place.run("recover", "--settle-window", "0")
    assert (failed.code, "what was stopped" in failed.err) == (5, False), failed
    place.ok("recover", "--settle-window", "0")
    assert "bid.task-000" in place.ok("state", "list")
    assert len(live_ids(place)) == 1


SECOND = """\
  c:
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 17.92}
"""


@pytest.mark.parametrize("text", [stack("b", blocks=MOVED), BARE + GONE], ids=["moved", "removed"])
def test_what_stops_goes_on_beside_what_only_the_files_say(place: Place, text: str) -> None:
    place.write(stack("a", more=SECOND))
    place.ok(*APPLY)
    kept, state = bid_id(place, "bid.a"), (place.path / STATE).read_bytes()
    place.write(text)
    with full():
        partly = place.run(*APPLY)
    assert partly.code == 5, partly
    assert "what stops was carried out; nothing else was begun" in partly.err
    assert "Apply incomplete: 0 added, 0 changed, 1 destroyed" in partly.out
    assert (live_ids(place), (place.path / STATE).read_bytes()) == ([kept], state)
    place.ok(*APPLY)
    assert live_ids(place) == [kept]
    assert "bid.c" not in place.ok("state", "list")


def test_what_is_past_its_lifetime_ends_beside_what_could_not_be_placed(place: Place) -> None:
    late = task_text("late", more="lifetime: {max_hours: 2}\n")
    place.write(late + task_text("removed"))
    place.ok(*APPLY)
    removed = bid_id(place, "bid.removed")
    place.ok("simulator", "advance", "5h")
    place.write(late + task_text("new"))
    with full():
        partly = place.run(*APPLY)
    assert partly.code == 5, partly
    assert "of this plan only what stops is carried out" in " ".join(partly.err.split())
    assert live_ids(place) == [removed]  # "new" may be what comes in its place
    place.ok(*APPLY)
    assert removed not in live_ids(place) and len(live_ids(place)) == 1


def test_what_of_a_whole_plan_runs_on_is_told_where_a_part_of_it_fails(place: Place) -> None:
    late = task_text("late", more="lifetime: {max_hours: 2}\n")
    place.write(late + task_text("removed"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "5h")
    place.write(late + task_text("new"))
    with place.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "status", status=403)
    with full():
        partly = place.run(*APPLY)
    assert partly.code == 1, partly
    assert "not cancelled: bid.late, bid.removed, which may run on" in " ".join(partly.err.split())


def test_where_nothing_of_a_plan_is_begun_what_it_would_end_is_told(place: Place) -> None:
    place.write(many(2))
    place.ok(*APPLY)
    place.write(many(1) + task_text("new"))
    with full():
        refused = " ".join(place.run(*APPLY, "--allow-volume-destroy", "*").err.split())
        assert "nothing was changed: what runs goes on, and costs money" in refused
        assert "`flowplan destroy --target bid.task-001`, with the same PATHs, needs no room" in refused
        place.ok(*DESTROY, "--target", "bid.task-001")
    assert live_ids(place) == [bid_id(place, "bid.task-000")]


def test_what_an_earlier_run_left_in_doubt_keeps_nothing_from_being_destroyed(place: Place) -> None:
    place.write(many(2))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert place.run(*APPLY, "--settle-window", "0", "--on-unknown", "stop").code == 6
    with place.simulator() as simulator:
        simulator.faults.clear()
    assert live_ids(place)
    with full():
        stopped = place.run(*DESTROY)
    assert stopped.code == 0, stopped
    assert live_ids(place) == []
    place.ok(*DESTROY)
    assert place.ok("state", "list") == ""


def test_a_duplicate_is_cancelled_without_room(place: Place) -> None:
    place.write(many(1))
    place.ok(*APPLY)
    one = bid_id(place, "bid.task-000")
    place.ok("state", "rm", "bid.task-000")
    place.ok("import", "bid.task-000", one)  # no file names it
    with full():
        cancelled = place.run("recover", "--cancel", one)
    assert cancelled.code == 0, cancelled
    assert live_ids(place) == []


def test_a_second_destroy_without_room_has_nothing_to_complain_of(place: Place) -> None:
    place.write(many(1))
    place.ok(*APPLY)
    with full(journal=True):
        place.ok(*DESTROY)
        again = place.run(*DESTROY)
    assert again.code == 0, again
    assert "No changes" in again.out


def test_what_was_reserved_for_the_journal_is_given_back(place: Place) -> None:
    """Also where the state cannot be saved, which may need just that room."""
    place.write(many(1))
    place.ok(*APPLY)
    with full(journal=True):
        place.ok(*DESTROY)
    assert (place.path / "flowplan.state.journal").stat().st_size < 4096


@pytest.mark.parametrize("name", [STATE, f"{STATE}.backup", "flowplan.state.journal"])
def test_a_file_that_is_mounted_by_itself_is_met_before_the_first_call(place: Place, name: str) -> None:
    """As a container has it that is given the files, and not their directory: it can be written, and not replaced."""

    def mounted(within: tuple[str, ...], *command: str, at: str = name) -> subprocess.CompletedProcess[str]:
        bound = ("sh", "-c", 'mount --bind "$0" "$1" && shift && exec "$@"', name, at, *command)
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [*within, *bound], cwd=place.path, env=environ, capture_output=True, text=True, check=False
        )

    place.write(many(2))
    place.ok(*APPLY)
    tried = {within: mounted(within, "true") for within in WAYS_IN}
    ways = [within for within, done in tried.items() if done.returncode == 0]
    if not ways:
        pytest.skip(f"no file can be mounted here: {'; '.join(done.stderr.strip() for done in tried.values())}")
    flowplan = (sys.executable, "-m", "flowplan")
    (place.path / "elsewhere").touch()
    place.edit("17.92", "18.92")
    fine = mounted(ways[0], *flowplan, *APPLY, at="elsewhere")  # it is mounted there, and can be replaced here
    assert fine.returncode == 0, fine
    ledger = place.ledger()
    place.edit("18.92", "19.92")
    refused = mounted(ways[0], *flowplan, *APPLY)
    assert (refused.returncode, place.ledger()) == (5, ledger), refused
    said = " ".join(refused.stderr.split())
    assert f"error: {name} could not be replaced: Device or resource busy" in said
    assert "something is mounted at this file itself: mount its directory instead" in said
    stopped = mounted(ways[0], *flowplan, *DESTROY)
    assert stopped.returncode == 0, stopped
    assert live_ids(place) == []
    assert place.ok("state", "list") == ""
    assert "No changes" in place.ok(*DESTROY)


@pytest.mark.parametrize("length", [248, 240, 234])  # of 255
def test_a_state_whose_name_is_too_long_to_be_saved_is_met_before_the_first_call(place: Place, length: int) -> None:
    """Its journal has room for a name, and what replaces it, or its backup, has not."""
    place.write(many(1))
    name = "s" * (length - len(".json")) + ".json"
    refused = place.run(*APPLY, "--state", name)
    said = " ".join(refused.err.split())
    assert (refused.code, place.ledger()) == (5, [])
    assert "could not be made durable: File name too long" in said
    assert "hint: give it a shorter name" in said
    place.ok(*APPLY, "--state", "s" * 200 + ".json")
