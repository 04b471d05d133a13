"""`lifecycle` as somebody meets it who applies a stack: on the simulator, from end to end."""

from __future__ import annotations

import json

import pytest

from tests.conftest import APPLY, Place, made_once
from tests.operations.lifecycles import TRIGGERED, refusing_to_end

IGNORING = "lifecycle: {ignore_changes: [utility_threshold_price, startup_script]}"
STACK = """\
version: 2
name: llm
variables:
  safe: {type: bool, default: true}
volumes:
  data: {size: 10, disk_interface: File, region_id: us-central1-b, lifecycle: {prevent_destroy: "${var.safe}"}}
tasks:
  train:
    for_each: [a, b]
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 17.92}
    persistent_storage: {attach: {volume: data, mount_point: /mnt/data}}
    lifecycle: {ignore_changes: [utility_threshold_price, startup_script]}
    startup_script: echo one
"""
EVERY_VOLUME = ("--allow-volume-destroy", "*")


@pytest.fixture
@made_once
def stack(place: Place) -> Place:
    place.write(STACK)
    place.ok(*APPLY)
    return place


def test_nothing_is_destroyed_that_has_prevent_destroy(stack: Place) -> None:
    sent = len(stack.ledger())
    refused = stack.run("destroy", "--auto-approve", *EVERY_VOLUME)
    assert (refused.code, len(stack.ledger())) == (3, sent)
    assert "volume.data will be destroyed" in refused.out
    assert "volume.data has prevent_destroy, and deleting it destroys the data on" in refused.err
    assert "flowplan.yaml:6:" in refused.err
    stack.write(STACK.replace("size: 10", "size: 20"))
    assert stack.run(*APPLY, *EVERY_VOLUME).code == 3
    assert len(stack.ledger()) == sent


def test_a_variable_lifts_it(stack: Place) -> None:
    assert stack.run("plan", "--destroy", *EVERY_VOLUME, "--var", "safe=true").code == 3
    out = stack.ok("destroy", "--auto-approve", *EVERY_VOLUME, "--var", "safe=false")
    assert "3 destroyed" in out


def test_without_the_value_of_its_variable_no_volume_goes_and_the_bids_can(stack: Place) -> None:
    """Who is to stop paying is not held up; data are not lost because a variable was forgotten."""
    stack.write(STACK.replace(", default: true", ""))
    refused = stack.run("destroy", "--auto-approve", *EVERY_VOLUME)
    assert refused.code == 3
    said = " ".join(refused.err.split())
    assert "was applied with prevent_destroy (flowplan.yaml:6:" in said
    assert "and the file given here cannot be read; deleting it destroys the data on" in said
    assert "2 destroyed, 1 forgotten" in stack.ok("destroy", "--auto-approve", "--keep-volumes")


def refused_destroy(place: Place, *arguments: str) -> str:
    """What a destroy says that is refused, and that sends nothing."""
    sent = len(place.ledger())
    found = place.run("destroy", "--auto-approve", *EVERY_VOLUME, *arguments)
    assert (found.code, len(place.ledger())) == (3, sent)
    return " ".join(found.err.split())


def test_a_file_that_was_moved_lifts_no_protection(stack: Place) -> None:
    (stack.path / "flowplan.yaml").rename(stack.path / "infra.yaml")
    said = refused_destroy(stack)
    assert "volume.data was applied with prevent_destroy (flowplan.yaml:6:" in said
    assert "no file given here names it; deleting it destroys the data on volume" in said
    assert "prevent_destroy: false in a file that names it, or `removed: [{address: volume.data}]`" in said
    assert "2 destroyed, 1 forgotten" in stack.ok("destroy", "--auto-approve", "--keep-volumes")


def test_a_file_that_lifts_it_is_enough_to_read(stack: Place) -> None:
    (stack.path / "flowplan.yaml").rename(stack.path / "infra.yaml")
    (stack.path / "infra.yaml").write_text(STACK.replace("default: true", "default: false"))
    assert "3 destroyed" in stack.ok("destroy", "infra.yaml", "--auto-approve", *EVERY_VOLUME)


def test_what_is_taken_out_of_the_file_stays_until_a_removed_block_gives_it_up(stack: Place) -> None:
    without = "".join(one for one in STACK.splitlines(keepends=True) if "volumes:" not in one and "data" not in one)
    stack.write(without)
    refused = stack.run(*APPLY, *EVERY_VOLUME)
    assert refused.code == 3
    assert "volume.data was applied with prevent_destroy (flowplan.yaml:6:" in refused.err
    stack.write(f"{without}removed: [{{address: volume.data}}]\n")
    stack.ok(*APPLY, *EVERY_VOLUME)
    assert "volume.data" not in stack.ok("state", "list")


def test_an_apply_that_lifts_it_lifts_it_in_the_state(stack: Place) -> None:
    stack.write(STACK.replace("default: true", "default: false"))
    stack.ok(*APPLY)
    (stack.path / "flowplan.yaml").unlink()
    assert "3 destroyed" in stack.ok("destroy", "--auto-approve", *EVERY_VOLUME)


def test_a_state_of_before_takes_it_in_with_the_next_apply(stack: Place) -> None:
    """A plan that changes nothing stays empty."""
    stack.write(STACK.replace("default: true", "default: false"))
    stack.ok(*APPLY)
    assert "protected" not in (stack.path / "flowplan.state.json").read_text()
    stack.write(STACK)
    assert stack.run("plan", "--detailed-exitcode").code == 0
    stack.ok(*APPLY)
    (stack.path / "flowplan.yaml").unlink()
    refused_destroy(stack)


def test_it_goes_with_its_resource_to_another_address(stack: Place) -> None:
    stack.ok("state", "mv", "volume.data", "volume.kept")
    assert "prevent_destroy" in stack.ok("state", "show", "volume.kept")
    (stack.path / "flowplan.yaml").unlink()
    assert "volume.kept was applied with prevent_destroy" in refused_destroy(stack)


def test_what_is_released_is_nobodys_to_protect(stack: Place) -> None:
    stack.ok("state", "rm", "volume.data")
    (stack.path / "flowplan.yaml").unlink()
    assert "2 destroyed" in stack.ok("destroy", "--auto-approve", *EVERY_VOLUME)


def test_a_version_from_before_it_was_protected_lifts_nothing(place: Place) -> None:
    place.write(STACK.replace("default: true", "default: false"))
    place.ok(*APPLY)
    place.write(STACK)
    place.ok(*APPLY)
    place.ok("state", "restore", "1")
    (place.path / "flowplan.yaml").unlink()
    refused_destroy(place)


def test_what_is_ignored_is_not_done(stack: Place) -> None:
    stack.write(STACK.replace("17.92", "19.00").replace("echo one", "echo two"))
    assert stack.run("plan", "--detailed-exitcode").code == 0


def test_a_dropped_key_is_named(stack: Place) -> None:
    stack.write(STACK.replace("[a, b]", "[a]"))
    assert 'the for_each of task.train no longer has the key "b"' in stack.ok("plan")
    body = json.loads(stack.ok("plan", "--format", "json"))
    reasons = {one["address"]: one["action_reason"] for one in body["resource_changes"]}
    assert reasons['bid.train["b"]'] == "delete_because_each_key"
    assert body["summary"]["delete"] == 1


def calls(place: Place, since: int) -> list[str]:
    """What was done to bids: which were cancelled, and the names of those that were placed."""
    return [one.method for one in place.ledger()[since:] if one.path.startswith("/v2/spot/bids")]


def replaced(place: Place, *arguments: str, first: bool) -> list[str]:
    """The calls by which three bids are replaced."""
    text = STACK.replace("[a, b]", "[a, b, c]").replace(
        IGNORING, f"lifecycle: {{create_before_destroy: {str(first).lower()}}}"
    )
    place.write(text)
    place.ok(*APPLY)
    since = len(place.ledger())
    place.write(text.replace("echo one", "echo two"))
    place.ok(*APPLY, *arguments)
    assert place.run("plan", "--detailed-exitcode").code == 0
    return calls(place, since)


def test_bids_are_replaced_one_by_one(place: Place) -> None:
    assert replaced(place, "--parallelism", "1", first=False) == ["DELETE", "POST"] * 3


def test_a_successor_is_placed_first_and_keeps_its_name(place: Place) -> None:
    assert replaced(place, "--parallelism", "1", first=True) == ["POST", "DELETE"] * 3
    resources = json.loads((place.path / "flowplan.state.json").read_text())["resources"]
    names = {one["applied"]["name"] for one in resources if one["type"] == "bid"}
    assert names == {"train-a-g2", "train-b-g2", "train-c-g2"}


def test_a_successor_that_is_refused_leaves_the_old_bid(stack: Place) -> None:
    text = STACK.replace(IGNORING, "lifecycle: {create_before_destroy: true}")
    since = len(stack.ledger())
    stack.write(text.replace("echo one", "echo two"))
    with stack.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", status=400, times=None)
    assert stack.run(*APPLY).code == 1
    assert calls(stack, since) == []
    assert stack.ok("state", "list").count("bid.train[") == 2


def test_an_old_bid_stays_while_its_successor_is_not_as_asked_for(place: Place) -> None:
    """The next run puts that right, and cancels it then."""
    text = TRIGGERED.replace("pre: {ports: [80]}", "pre: {paused: true, lifecycle: {create_before_destroy: true}}")
    place.write(text.replace("replace_triggered_by: [task.pre]", "ignore_changes: [all]"))
    place.ok(*APPLY)
    place.edit("17.92}", "17.92}\n  startup_script: echo two")
    since = len(place.ledger())
    with place.simulator() as simulator:
        simulator.faults.add("PATCH /v2/spot/bids/*", "status", status=403, times=None)
    refused = place.run(*APPLY, "--target", "task.pre")
    assert (refused.code, "could not be paused" in refused.err) == (1, True)
    assert calls(place, since) == ["POST"]
    with place.simulator() as simulator:
        simulator.faults.clear()
    place.ok(*APPLY, "--target", "task.pre")
    assert sorted(calls(place, since)) == ["DELETE", "PATCH", "POST"]


def test_a_volume_has_no_successor(place: Place) -> None:
    place.write(
        STACK.replace("lifecycle: {prevent_destroy", "lifecycle: {create_before_destroy: true, prevent_destroy")
    )
    refused = place.run("validate")
    assert (refused.code, "create_before_destroy has no meaning for a volume" in refused.err) == (65, True)


def test_what_a_trigger_was_to_replace_is_replaced_by_the_next_run(place: Place) -> None:
    """What set it off is done by then, and says nothing any more."""
    place.write(TRIGGERED)
    place.ok(*APPLY)
    refusing_to_end(place, "bid.train")
    out = place.ok("plan")
    assert "bid.train must be replaced\n      # bid.pre was replaced by an earlier run (replace_triggered_by)" in out
    assert "1 to add, 0 to change, 1 to destroy" in out
    place.ok(*APPLY)
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_what_set_off_nothing_in_the_end_replaces_nothing_later(place: Place) -> None:
    """The bid whose replacement was to replace another one stays after all."""
    place.write(TRIGGERED)
    place.ok(*APPLY)
    refusing_to_end(place, "*")
    place.edit("443", "80")
    assert place.run("plan", "--detailed-exitcode").code == 0
    place.ok(*APPLY)
    assert '"triggers"' not in (place.path / "flowplan.state.json").read_text()


def test_a_trigger_replaces_and_is_named(place: Place) -> None:
    place.write(TRIGGERED)
    place.ok(*APPLY)
    place.write(TRIGGERED.replace("80", "443"))
    out = place.ok("plan")
    assert "bid.train must be replaced\n      # bid.pre is replaced (replace_triggered_by)" in out
    since = len(place.ledger())
    place.ok(*APPLY)
    assert sorted(calls(place, since)) == ["DELETE", "DELETE", "POST", "POST"]
    assert place.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("task.pro", "replace_triggered_by: there is no bid.pro"),
        ("task.pre.limit_prize", "replace_triggered_by: bid.pre has no field limit_prize"),
        ("task.train", "bid.train cannot be replaced because it is replaced itself"),
        ("pre", "an address, such as volume.data"),
    ],
)
def test_a_trigger_that_there_is_not_is_refused_at_its_place(place: Place, trigger: str, said: str) -> None:
    place.write(TRIGGERED.replace("[task.pre]", f"[{trigger}]"))
    refused = place.run("validate")
    assert refused.code == 65
    assert said in " ".join(refused.err.split())
    assert "flowplan.yaml:8:" in refused.err


def test_a_field_that_there_is_not_is_refused_at_its_place(place: Place) -> None:
    place.write(STACK.replace("utility_threshold_price, startup_script", "limit_prize"))
    refused = place.run("validate")
    assert refused.code == 65
    assert "ignore_changes has 'limit_prize', which is not a field" in refused.err
    assert "did you mean limit_price?" in refused.err
