"""A protected address that nothing has protects nothing: plan and validate say so, and nothing is refused for it."""

from __future__ import annotations

import json

import pytest

from tests.conftest import APPLY, Place, lose_addresses
from tests.texts import storage, task_text


def stack(*protected: str, task: str = "train") -> str:
    return (
        "version: 2\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
        f"policies: {{protected: {json.dumps(list(protected))}}}\n"
        "volumes: {data: {size: 10, size_unit: gb, disk_interface: File, region_id: us-central1-b}}\n"
        f"tasks: {{{task}: {{resources_specification: {{fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}},\n"
        "  task_management: {utility_threshold_price: 9}}}\n"
    )


def said(place: Place, command: str) -> str:
    found = place.run(command)
    assert found.code == 0, found
    return " ".join((found.out + found.err).split())


@pytest.mark.parametrize("command", ["plan", "validate"])
@pytest.mark.parametrize(
    ("wrong", "right"), [("bid.tarin", "bid.train"), ("task.trian", "task.train"), ("volume.dta", "volume.data")]
)
def test_it_is_warned_of_with_the_one_that_was_meant(place: Place, command: str, wrong: str, right: str) -> None:
    place.write(stack(wrong))
    found = said(place, command)
    assert f"warning: the policy protects {wrong}, which is neither configured nor in the state" in found
    assert f"did you mean {right}?" in found
    assert "at flowplan.yaml:4:" in found


def test_it_is_shown_at_its_own_line(place: Place) -> None:
    """Of a list of many lines the first says nothing of the one that protects nothing."""
    listed = "policies:\n  protected:\n    - bid.train\n    - bid.tarin\n"
    place.write(task_text("train"), "train.yaml")
    place.write(listed, "policy.yaml")
    assert "at policy.yaml:4:7" in " ".join(place.ok("plan", "--policy", "policy.yaml", "train.yaml").split())
    place.ok("apply", "--auto-approve", "train.yaml")
    place.write(task_text("other"), "train.yaml")
    refused = place.run("plan", "--policy", "policy.yaml", "train.yaml")
    assert (refused.code, "at policy.yaml:3:7" in refused.err) == (3, True)


@pytest.mark.parametrize("command", ["plan", "validate"])
def test_what_is_there_or_may_come_is_not(place: Place, command: str) -> None:
    place.write(stack("bid.train", "ports.train", "task.train", "volume.data", "bid.prod-*", "volume.??"))
    assert "protects" not in said(place, command)


def test_what_only_the_state_has_is_there(place: Place) -> None:
    place.write(stack("bid.train"))
    place.ok(*APPLY)
    place.write(stack("bid.train", task="other"))
    assert "protects" not in said(place, "validate")
    refused = place.run("plan")
    assert (refused.code, "which is neither" in refused.err + refused.out) == (3, False)
    lose_addresses(place, "bid.train", "ports.train")
    assert "protects bid.train, which is neither" in said(place, "validate")


def test_a_policy_file_is_held_to_the_stack_too(place: Place) -> None:
    place.write(task_text("a", more=storage("data")))
    place.write("policies: {protected: [volume.dat, volume.data]}\n", "policy.yaml")
    found = place.run("plan", "--policy", "policy.yaml", "--format", "json")
    (one,) = [one for one in json.loads(found.out)["diagnostics"] if one["detail"] == "policy_unused"]
    assert (one["severity"], one["source"]["file"]) == ("warning", "policy.yaml")
    assert one["hint"].startswith("did you mean volume.data?")


def test_a_state_that_cannot_be_read_is_no_matter_of_a_check_of_files(place: Place) -> None:
    place.write(stack("bid.tarin"))
    place.write("{", "flowplan.state.json")
    assert "protects" not in said(place, "validate")
    place.write(stack("bid.tarin").replace("version: 2\n", "version: 2\nstate: s3://bucket/key\n"))
    assert "protects" not in said(place, "validate")


def test_a_program_reads_it(place: Place) -> None:
    place.write(stack("bid.tarin"))
    body = json.loads(place.ok("validate", "--format", "json"))
    assert (body["valid"], body["warning_count"], body["diagnostics"][0]["code"]) == (True, 1, "policy-unused")
