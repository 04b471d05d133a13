"""An apply whose configuration cannot be used still cancels what is past its lifetime, and nothing else."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import APPLY, Place, bid_id, made_once
from tests.operations.jobs import live, train
from tests.texts import task_text

FILES = ("train.yaml", "long.yaml")
BROKEN = "name: [\n"
AFTERWARDS = "this run only cancels what is past its lifetime"


@pytest.fixture
@made_once
def late(place: Place) -> Place:
    """Two tasks, of which one is past its lifetime."""
    place.write(train(), FILES[0])
    place.write(task_text("long", more="lifetime: {max_hours: 200}\n"), FILES[1])
    place.ok("apply", *FILES, "--auto-approve")
    place.ok("simulator", "advance", "5h")
    return place


def apply(place: Place, *arguments: str, code: int = 65) -> str:
    """Both streams of an apply, in one line."""
    found = place.run("apply", *arguments)
    assert found.code == code, found
    return " ".join((found.out + found.err).split())


@pytest.mark.parametrize("paths", [FILES, (".",), FILES[:1]], ids=["files", "directory", "its file"])
def test_with_a_broken_file_what_is_past_its_lifetime_ends(late: Place, paths: tuple[str, ...]) -> None:
    late.write(BROKEN, FILES[0])
    said = apply(late, *paths, "--auto-approve")
    assert AFTERWARDS in said
    assert ("Apply complete: 0 added" in said, "Destroy complete" in said) == (True, False)
    assert "bid.train will be destroyed: its lifetime is over # it has run 5.0 hours, of max_hours 2" in said
    assert "saves: $8.00 an hour now" in said
    assert "error: the file ends where a value is expected at train.yaml:1:7" in said
    assert live(late) == ["long"]
    assert "volume.data" in late.ok("state", "list")
    again = late.run("apply", *paths, "--auto-approve")
    assert (again.code, AFTERWARDS in again.err) == (65, False)
    late.write(train(200), FILES[0])  # it is done: the repaired file does not buy it a second time
    assert "bid.train is done and will not be placed again" in " ".join(late.run("apply", *FILES[:1]).out.split())
    assert live(late) == ["long"]


@pytest.mark.parametrize("part", [(), ("--target", "bid.train")], ids=["all", "a target"])
def test_its_cost_is_that_of_all_that_runs(late: Place, part: tuple[str, ...]) -> None:
    late.write(BROKEN, FILES[0])
    said = apply(late, *FILES, *part, "--auto-approve")
    assert "an hour now, at the second price $16.00 $8.00 -$8.00" in said
    assert "nothing else would change now" not in said  # nobody knows: the files do not read
    assert live(late) == ["long"]


def test_it_is_approved_as_any_plan_is(late: Place) -> None:
    late.write(BROKEN, FILES[0])
    said = apply(late, *FILES)
    assert "runs on, and costs money: the plan needs approval, and flowplan cannot ask here" in said
    assert "(give --auto-approve)" in said
    assert live(late) == ["long", "train"]


def test_a_file_that_is_gone_ends_it_too(late: Place) -> None:
    (late.path / FILES[0]).unlink()
    said = apply(late, FILES[0], "--auto-approve")
    assert "train.yaml" in said
    assert live(late) == ["long"]


def test_a_directory_that_is_gone_ends_it_too(place: Place) -> None:
    (place.path / "jobs").mkdir()
    place.write(train(2), "jobs/train.yaml")
    place.ok("apply", "jobs", "--auto-approve")
    place.ok("simulator", "advance", "5h")
    shutil.rmtree(place.path / "jobs")
    assert "there is no file jobs" in apply(place, "jobs", "--auto-approve")
    assert live(place) == []


def test_without_any_file_too(late: Place) -> None:
    """That is wrong usage, as ever."""
    for name in FILES:
        (late.path / name).unlink()
    assert "there is no flowplan.yaml here" in apply(late, "--auto-approve", code=64)
    assert live(late) == ["long"]


def test_what_was_applied_with_prevent_destroy_runs_on(place: Place) -> None:
    place.write(train(more="lifecycle: {prevent_destroy: true}\n"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "5h")
    place.write(BROKEN)
    assert AFTERWARDS not in apply(place, "--auto-approve")
    assert live(place) == ["train"]


@pytest.mark.parametrize(
    "arguments",
    [FILES[1:], (*FILES, "--target", "bid.long"), (*FILES, "--exclude", "bid.train")],
    ids=["another file", "another target", "excluded"],
)
def test_what_was_not_asked_for_runs_on(late: Place, arguments: tuple[str, ...]) -> None:
    for name in FILES:
        late.write(BROKEN, name)
    apply(late, *arguments, "--auto-approve")
    assert live(late) == ["long", "train"]


def test_the_command_that_status_names_works_with_a_broken_file(late: Place) -> None:
    late.write(BROKEN, FILES[0])
    assert "flowplan apply train.yaml --target bid.train" in " ".join(late.ok("status").split())
    apply(late, FILES[0], "--target", "bid.train", "--auto-approve")
    assert live(late) == ["long"]


@pytest.mark.parametrize(("hours", "left"), [(200, ["long", "train"]), (3, ["long"])])
def test_a_file_that_reads_is_followed_where_the_cloud_shows_what_is_wrong(
    late: Place, hours: int, left: list[str]
) -> None:
    """The bid may have been given more time, and another task of the file a type that nobody offers."""
    late.write(train(hours), FILES[0])
    late.write(task_text("long", region="nowhere-1"), FILES[1])
    assert "nowhere-1" in apply(late, *FILES, "--auto-approve")
    assert live(late) == left


@pytest.mark.parametrize("moved", [False, True])
def test_what_a_file_that_reads_names_no_longer_ends_as_it_was_applied(late: Place, moved: bool) -> None:
    """Unless it has another address there, and another lifetime."""
    block = "moved: [{from: task.train, to: task.later}]\n" if moved else ""
    place = "{resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}"
    late.write(f"version: 2\n{block}tasks:\n  later: {place}\n", FILES[0])
    late.write(task_text("long", region="nowhere-1"), FILES[1])
    assert "nowhere-1" in apply(late, ".", "--auto-approve")
    assert live(late) == (["long", "train"] if moved else ["long"])


def test_what_no_file_names_any_more_and_a_target_leaves_out_is_named(late: Place) -> None:
    (late.path / FILES[0]).unlink()
    said = " ".join(late.ok("apply", ".", "--target", "bid.long", "--auto-approve").split())
    assert "bid.train is past its lifetime (it has run 5.0 hours, of max_hours 2), but it is left out" in said
    assert "cancel it: flowplan apply --target bid.train" in said


def test_a_removed_block_that_keeps_a_bid_is_not_carried_out_either(late: Place) -> None:
    late.write("version: 2\nremoved: [{address: bid.long, destroy: false}]\n", "keep.yaml")
    late.write(task_text("odd", region="nowhere-1"), FILES[1])
    assert "nowhere-1" in apply(late, ".", "--auto-approve")
    assert live(late) == ["long"]
    assert "bid.long" in late.ok("state", "list")


def test_an_import_that_is_refused_keeps_nothing_paid_either(late: Place) -> None:
    """There is no plan then that could name what stops only the other."""
    late.write(task_text("theirs"), "theirs.yaml")
    late.ok("apply", "theirs.yaml", "--state", "other.json", "--auto-approve")
    theirs = late.ok("state", "show", "bid.theirs", "--state", "other.json").split("(")[1].split(")")[0]
    kind = "{fcp_instance: 8xh100, cluster_id: us-central1-b}"
    block = f"import: [{{address: bid.stolen, id: {theirs}}}]\n"
    late.write(f"version: 2\ntasks: {{stolen: {{resources_specification: {kind}}}}}\n{block}", "stolen.yaml")
    said = apply(late, "stolen.yaml", *FILES, "--auto-approve", code=3)
    assert "it belongs to stack" in said
    assert AFTERWARDS in said
    assert live(late) == ["long", "theirs"]


def test_where_nobody_can_tell_nothing_ends(late: Place) -> None:
    late.write(BROKEN, FILES[0])
    with late.simulator() as simulator:
        simulator.faults.add("GET /v2/instances/pricing/history", "status", status=403, times=None)
    assert "flowplan cannot tell now whether a lifetime is over" in apply(late, *FILES, "--auto-approve")
    assert live(late) == ["long", "train"]


def test_a_bid_that_cannot_be_cancelled_is_said_and_the_file_is_the_last_word(late: Place) -> None:
    late.write(BROKEN, FILES[0])
    bid = bid_id(late, "bid.train")
    with late.simulator() as simulator:
        simulator.faults.add(f"DELETE /v2/spot/bids/{bid}", "status", status=403, times=None)
    said = apply(late, *FILES, "--auto-approve")
    assert "runs on, and costs money:" in said
    assert said.endswith("1 error")


@pytest.mark.parametrize(
    "call",
    ["/v2/projects", "/v2/ssh-keys", "/v2/instance-types", "/v2/spot/availability", "/v2/volumes", "/v2/spot/bids"],
)
def test_a_list_that_is_only_needed_to_make_something_keeps_nothing_paid(late: Place, call: str) -> None:
    late.write(task_text("new"), "new.yaml")
    with late.simulator() as simulator:
        simulator.faults.add(f"GET {call}", "status", status=403, times=None)
    said = apply(late, *FILES, "new.yaml", "--auto-approve", code=1)
    assert f"the API does not tell all that a plan is made from: {AFTERWARDS}" in said
    assert f"error: GET {call}: permission denied" in said
    with late.simulator() as simulator:
        simulator.faults.clear()
    assert live(late) == ["long"]


def test_what_an_earlier_run_left_in_doubt_keeps_nothing_paid_either(late: Place) -> None:
    late.write(task_text("new"), "new.yaml")
    with late.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    late.run("apply", "new.yaml", "--auto-approve")
    said = apply(late, "new.yaml", *FILES, "--auto-approve", code=6)
    assert f"an operation of an earlier run is in doubt: {AFTERWARDS}" in said
    assert "everything known" not in said
    assert "cannot tell now whether bid.new was created" in said
    with late.simulator() as simulator:
        simulator.faults.clear()
    assert live(late) == ["long", "new"]
    late.ok("apply", "new.yaml", *FILES, "--auto-approve")
    assert live(late) == ["long", "new"]


def test_a_destroy_of_a_part_does_not_say_that_all_is_destroyed(late: Place) -> None:
    late.write(task_text("new"), "new.yaml")
    with late.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    late.run("apply", "new.yaml", "--auto-approve")
    result = late.run("destroy", *FILES, "--target", "bid.long", "--auto-approve")
    assert (result.code, "everything known" in result.err) == (6, False), result
    with late.simulator() as simulator:
        simulator.faults.clear()
    assert live(late) == ["new", "train"]


def test_a_wish_to_look_or_to_record_ends_nothing(late: Place) -> None:
    late.write(BROKEN, FILES[0])
    assert late.run("plan", *FILES).code == 65
    apply(late, *FILES, "--refresh-only", "--auto-approve")
    assert live(late) == ["long", "train"]


NO_RULES = {
    "not there": None,
    "no YAML": "policies: [\n",
    "a key that is unknown": "policies: {max_prise: 3, protected: [bid.long]}\n",
    "a zone that is unknown": 'policies: {hours: {time_zone: "Mars/Olympus"}}\n',
}


@pytest.mark.parametrize("command", ["apply", "destroy"])
@pytest.mark.parametrize("text", NO_RULES.values(), ids=NO_RULES)
def test_to_stop_paying_takes_no_policy(late: Place, text: str | None, command: str) -> None:
    if text is not None:
        late.write(text, "rules.yaml")
    found = late.run(command, *FILES, "--policy", "rules.yaml", "--auto-approve")
    assert (found.code, AFTERWARDS in " ".join(found.err.split())) == (65, True), found
    assert "rules.yaml" in found.err
    assert live(late) == ["long"]


def test_what_a_policy_protects_runs_on_whatever_else_is_wrong_with_it(late: Place) -> None:
    late.write("policies: {max_prise: 3, protected: [bid.train]}\n", "rules.yaml")
    said = apply(late, *FILES, "--policy", "rules.yaml", "--auto-approve")
    assert "bid.train is past its lifetime" in said
    assert "runs on, and costs money: the policy protects bid.train" in said
    assert live(late) == ["long", "train"]
