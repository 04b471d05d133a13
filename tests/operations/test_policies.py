"""Policies, of the stack and of files given beside it: exit 3, at the plan and at the apply of a saved one."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.conftest import APPLY, Place
from tests.loaded import client
from tests.processes import LONGEST, Process

STACK = """\
version: 2
name: demo
project_name: my-foundry-project
volumes: {data: {size: 10, disk_interface: File, region_id: us-central1-b}}
tasks:
  train:
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 20}
    persistent_storage: {attach: [{volume_name: data}]}
    startup_script: echo hi
"""
DEAR = "policies: {max_price_per_gpu_hour: {h100: 2.00}}\n"
FINE = "policies: {max_price_per_gpu_hour: {h100: 2.50}}\n"
SECOND = """\
  second:
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    task_management: {utility_threshold_price: 20}
"""
PROTECTED = "policies: {protected: [volume.data]}\n"
# It is 09:00 in UTC where the simulator starts, on a Monday.
MORNING = 'policies: {hours: {from: "08:00", to: "10:00", days: mon, time_zone: UTC}}\n'


def refused(place: Place, *arguments: str) -> str:
    """What a command says that a guard refuses, with nothing done."""
    before = place.ledger()
    result = place.run(*arguments)
    assert result.code == 3, result
    assert place.ledger() == before
    return " ".join(result.out.split()) + " ".join(result.err.split())


@pytest.fixture
def stack(place: Place) -> Place:
    place.write(STACK)
    return place


def test_a_plan_and_an_apply_are_refused_by_the_rule_of_the_stack(stack: Place) -> None:
    stack.write(STACK + DEAR)
    for command in (("plan",), APPLY, ("plan", "--format", "json")):
        said = refused(stack, *command)
        assert "its limit is $20.00 per instance-hour ($2.50 per GPU-hour); the policy allows at most $2.00" in said
    body = json.loads(stack.run("plan", "--format", "json").out)
    [one] = [one for one in body["diagnostics"] if one["detail"] == "policy"]
    assert (one["severity"], one["source"]["line"]) == ("error", 11)
    assert not body["applyable"] and body["exit_code"] == 3
    stack.write(STACK + FINE)
    stack.ok(*APPLY)


def test_a_file_beside_the_stack_holds_beside_its_own_rules(stack: Place) -> None:
    stack.write(STACK + FINE)
    stack.write(DEAR, "policy.yaml")
    assert "at policy.yaml:1:37" in refused(stack, "plan", "--policy", "policy.yaml")
    stack.write(STACK + DEAR)
    stack.write(FINE, "policy.yaml")
    assert "at flowplan.yaml:11:37" in refused(stack, "plan", "--policy", "policy.yaml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("policies: {max_prise: 3}\n", "unknown key 'max_prise'"),
        ('policies: {hours: {time_zone: "Mars/Olympus"}}\n', "there is no time zone Mars/Olympus on this system"),
        (None, "the policy file policy.yaml cannot be read"),
    ],
)
def test_a_policy_file_that_is_wrong_is_a_problem_not_a_pass(stack: Place, text: str | None, says: str) -> None:
    if text is not None:
        stack.write(text, "policy.yaml")
    for command in (("plan",), APPLY, ("destroy", "--auto-approve")):
        result = stack.run(*command, "--policy", "policy.yaml")
        assert result.code == 65 and says in " ".join(result.err.split()), result
    assert stack.ledger() == []
    if text is not None:
        stack.write(STACK + text)
        assert says in stack.run("validate").out + stack.run("validate").err


@pytest.mark.parametrize(
    ("zone", "hint"),
    [
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("berlin", "did you mean Europe/Berlin?"),
        ("Los-Angeles", "did you mean America/Los_Angeles?"),
        # What looks like it is hours away:
        ("CEST", "write a place, such as Europe/Berlin, or UTC"),
        ("UTC+2", "write a place, such as Europe/Berlin, or UTC"),
    ],
)
def test_a_time_zone_that_is_none_is_shown_at_its_place_with_the_one_that_was_meant(
    stack: Place, zone: str, hint: str
) -> None:
    stack.write(f"{STACK}policies:\n  hours:\n    from: '07:00'\n    time_zone: {zone}\n")
    said = stack.run("validate").err
    assert hint in said and f" |     time_zone: {zone}\n" in said


def test_no_rule_is_lost_at_the_end_of_a_long_policy_file(stack: Place) -> None:
    padding = f"# {'x' * 97}\n" * 11_000
    stack.write(f"policies:\n  max_price_per_gpu_hour: 99\n{padding}  allowed_regions: [mars]\n", "policy.yaml")
    for command in (("plan",), APPLY, ("destroy", "--auto-approve")):
        result = stack.run(*command, "--policy", "policy.yaml")
        assert result.code == 65 and "policy.yaml is larger than 1 MB" in " ".join(result.err.split()), result


# ---- saved plans --------------------------------------------------------------------------------------------------


def test_a_saved_plan_is_held_to_the_rules_at_the_time_of_the_apply(stack: Place) -> None:
    stack.write(MORNING.replace("days: mon", "days: [mon, tue]"), "policy.yaml")
    stack.ok("plan", "--policy", "policy.yaml", "--out", "p.json")
    stack.ok("simulator", "advance", "2h")
    (stack.path / "policy.yaml").unlink()  # the plan has its text
    assert "it is Mon 11:00 there" in refused(stack, "apply", "p.json")
    stack.ok("simulator", "advance", "22h")
    stack.ok("apply", "p.json")
    assert len(stack.ledger()) == 2


def test_a_saved_plan_is_held_to_what_is_given_at_the_apply_too(stack: Place) -> None:
    stack.write(FINE, "policy.yaml")
    stack.ok("plan", "--policy", "policy.yaml", "--out", "p.json")
    stack.write(DEAR, "policy.yaml")
    assert "at most $2.00" in refused(stack, "apply", "p.json", "--policy", "policy.yaml")
    stack.write(STACK + DEAR)  # no change of what is configured
    assert "at most $2.00" in refused(stack, "apply", "p.json")


def test_what_the_plan_was_held_to_is_held_beside_another_file_of_that_name(stack: Place) -> None:
    stack.write(MORNING, "policy.yaml")
    stack.ok("plan", "--policy", "policy.yaml", "--out", "p.json")
    stack.ok("simulator", "advance", "2h")
    stack.write(FINE, "policy.yaml")
    assert "it is Mon 11:00 there" in refused(stack, "apply", "p.json", "--policy", "policy.yaml")


def test_no_policy_of_a_saved_plan_is_lost_by_the_name_of_another(stack: Place) -> None:
    other = "policy.yaml (of the saved plan)"
    stack.write(FINE, "policy.yaml")
    stack.write(MORNING, other)
    stack.ok("plan", "--policy", "policy.yaml", "--policy", other, "--out", "p.json")
    stack.ok("simulator", "advance", "2h")
    stack.write("policies: {max_price_per_gpu_hour: {h100: 2.60}}\n", "policy.yaml")
    assert "it is Mon 11:00 there" in refused(stack, "apply", "p.json", "--policy", "policy.yaml")


def test_what_another_stack_has_in_the_project_counts(stack: Place) -> None:
    stack.write(STACK.replace("data", "theirs").replace("train", "other").replace("20}", "30}"), "other.yaml")
    stack.ok("--state", "other.state.json", "apply", "other.yaml", "--auto-approve")
    stack.write('policies: {project_budgets: {"*": 50.01}}\n', "policy.yaml")
    stack.ok("plan", "--policy", "policy.yaml")  # $30 and $20, and a cent for their storage and ours
    stack.write('policies: {project_budgets: {"*": 49.99}}\n', "policy.yaml")
    assert "would cost up to $50.00 an hour" in refused(stack, "plan", "--policy", "policy.yaml")
    assert "is unknown (--no-refresh" in refused(stack, "plan", "--policy", "policy.yaml", "--no-refresh")


# ---- what ends is never held up -----------------------------------------------------------------------------------


def test_only_what_is_protected_holds_up_a_destroy(stack: Place) -> None:
    stack.write(STACK)
    stack.ok(*APPLY)
    every = "".join(
        [
            "policies: {max_price_per_gpu_hour: 0.01, allowed_regions: [mars], allowed_types: [a100],",
            ' required_names: [x], hours: {from: "01:00", to: "01:01", time_zone: UTC}, project_budgets: {"*": 0.01}',
        ]
    )
    gone = ("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    stack.write(f"{every}, protected: [volume.data]}}\n", "policy.yaml")
    assert "the policy protects volume.data" in refused(stack, *gone, "--policy", "policy.yaml")
    stack.write(STACK + PROTECTED)
    assert "the policy protects volume.data" in refused(stack, *gone)
    stack.write(STACK)
    stack.write(f"{every}}}\n", "policy.yaml")
    stack.edit("{utility_threshold_price: 20}", "{utility_threshold_price: 19}\n    paused: true")
    stack.ok(*APPLY, "--policy", "policy.yaml")  # paused, and lowered
    stack.ok(*gone, "--policy", "policy.yaml")


def test_a_broken_file_that_protects_keeps_volumes_and_lets_bids_go(stack: Place) -> None:
    stack.edit("    persistent_storage: {attach: [{volume_name: data}]}\n", "")  # which would keep it, too
    stack.ok(*APPLY)
    stack.write((stack.path / "flowplan.yaml").read_text() + PROTECTED + "tasks: [\n")
    gone = ("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert "a file mentions protected, but cannot be read" in refused(stack, *gone)
    stack.ok("destroy", "--auto-approve", "--keep-volumes")


def test_what_is_replaced_is_placed(stack: Place) -> None:
    """It is a new bid, also where it costs no more than the one before."""
    stack.ok(*APPLY)
    stack.write('policies: {hours: {from: "01:00", to: "02:00", days: mon, time_zone: UTC}}\n', "policy.yaml")
    stack.edit("echo hi", "echo there")
    assert "this would place or raise bid.train" in refused(stack, *APPLY, "--policy", "policy.yaml")
    stack.edit("echo there", "echo hi")
    again = ("--replace", "bid.train", "--policy", "policy.yaml")
    assert "this would place or raise bid.train" in refused(stack, *APPLY, *again)
    stack.write(DEAR, "policy.yaml")
    assert "the policy allows at most $2.00" in refused(stack, *APPLY, *again)


def test_a_new_address_in_an_earlier_plan_lifts_no_protection(stack: Place) -> None:
    stack.ok(*APPLY)
    stack.write(PROTECTED, "policy.yaml")
    stack.edit("{data:", "{other:")
    stack.edit("volume_name: data", "volume_name: other")
    stack.write((stack.path / "flowplan.yaml").read_text() + "moved: [{from: volume.data, to: volume.other}]\n")
    said = refused(stack, *APPLY, "--policy", "policy.yaml")
    assert "volume.other: it is volume.data now, which the policy protects" in said
    assert "add volume.other to protected first" in said
    stack.write("policies: {protected: [volume.data, volume.other]}\n", "policy.yaml")
    stack.ok(*APPLY, "--policy", "policy.yaml")


def test_of_what_is_protected_past_its_lifetime_no_way_out_is_named_that_is_none(stack: Place) -> None:
    stack.edit("    startup_script", "    lifetime: {max_hours: 1}\n    startup_script")
    stack.ok(*APPLY)
    stack.ok("simulator", "advance", "3h")
    stack.write("policies: {protected: [bid.train]}\n", "policy.yaml")
    done = stack.run(*APPLY, "--policy", "policy.yaml")
    said = " ".join(done.err.split())
    assert done.code == 3 and "the policy that protects bid.train keeps bid.train running" in said, done
    assert "hint: take bid.train out of protected, and apply" in said and "--target" not in said
    stack.edit("echo hi\n", f"echo hi\n{SECOND}")
    stack.write(DEAR, "policy.yaml")
    assert "to stop only that: flowplan apply --target bid.train" in refused(stack, *APPLY, "--policy", "policy.yaml")


def test_what_waited_for_another_task_is_held_to_the_hours_again(stack: Place) -> None:
    stack.edit("    startup_script: echo hi\n", f"    lifetime: {{max_hours: 1}}\n{SECOND}")
    stack.write((stack.path / "flowplan.yaml").read_text() + "    depends_on: [{task: train, until: terminated}]\n")
    stack.write(MORNING, "policy.yaml")
    stack.ok("plan")
    command = [*client(), *APPLY, "--policy", "policy.yaml", "--timeout", "10m"]
    with Process(command, cwd=stack.path, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as run:
        assert run.stderr is not None
        any("bid.second waits for bid.train" in line for line in run.stderr)
        stack.ok("simulator", "advance", "3h")
        said = run.communicate(timeout=LONGEST)[1]
    assert run.returncode == 3, said
    assert "the policy allows placing and raising from 08:00 to 10:00 on mon in UTC; it is Mon 12:00 there" in " ".join(
        said.split()
    )
    assert [entry.method for entry in stack.ledger()].count("POST") == 2  # the volume, and train
