"""`lifecycle` as somebody meets it who applies a stack: on the simulator, from end to end."""

from __future__ import annotations

import json

import pytest

from tests.conftest import APPLY, Place

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
def stack(place: Place) -> Place:
    place.write(STACK)
    place.ok(*APPLY)
    return place


def test_nothing_is_destroyed_that_has_prevent_destroy(stack: Place) -> None:
    sent = len(stack.ledger())
    refused = stack.run("destroy", "--auto-approve", *EVERY_VOLUME)
    assert (refused.code, len(stack.ledger())) == (3, sent)
    assert "volume.data will be destroyed" in refused.out
    assert "volume.data has prevent_destroy, and deleting it destroys the data on" in refused.out
    assert "flowplan.yaml:6:" in refused.out
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
    assert "a file speaks of prevent_destroy, but cannot be read" in " ".join(refused.out.split())
    assert "2 destroyed, 1 forgotten" in stack.ok("destroy", "--auto-approve", "--keep-volumes")


def test_what_is_ignored_is_not_done(stack: Place) -> None:
    stack.write(STACK.replace("17.92", "19.00").replace("echo one", "echo two"))
    assert stack.run("plan", "--detailed-exitcode").code == 0


def test_a_dropped_key_is_named(stack: Place) -> None:
    stack.write(STACK.replace("[a, b]", "[a]"))
    assert 'the for_each of task.train has no key "b" any more' in stack.ok("plan")
    body = json.loads(stack.ok("plan", "--format", "json"))
    reasons = {one["address"]: one["action_reason"] for one in body["resource_changes"]}
    assert reasons['bid.train["b"]'] == "delete_because_each_key"
    assert body["summary"]["delete"] == 1


def test_a_field_that_there_is_not_is_refused_at_its_place(place: Place) -> None:
    place.write(STACK.replace("utility_threshold_price, startup_script", "limit_prize"))
    refused = place.run("validate")
    assert refused.code == 65
    assert "ignore_changes has 'limit_prize', which is no field" in refused.err
    assert "did you mean limit_price?" in refused.err
