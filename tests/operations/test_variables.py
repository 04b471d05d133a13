"""Variables of a stack in saved plans and in the Python API."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowplan.api import load
from flowplan.errors import StalePlan, UsageProblem
from tests.conftest import START, Place

STACK = """version: 2
variables:
  gb: {type: int, default: 100}
  zones: {type: list, default: [a]}
  note: {default: "x"}
  token: {default: geheim1234, sensitive: true}
volumes:
  data: {for_each: "${var.zones}", size: "${var.gb}", region_id: us-central1-b}
tasks:
  train:
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
    container_image: {image_name: "${var.note}", run_options: "-e T=${var.token}"}
"""


@pytest.fixture
def stack(place: Place) -> Place:
    place.write(STACK)
    return place


def saved(place: Place, *arguments: str) -> dict[str, Any]:
    place.ok(*arguments, "plan", "--out", "saved")
    found: dict[str, Any] = json.loads((place.path / "saved").read_text())
    return found


def test_a_saved_plan_has_the_values_that_it_was_made_with(stack: Place) -> None:
    stack.write("zones: [b, 'c']\n", "values.yaml")
    plan = saved(stack, "--var", "gb=7", "--var", "note=true", "--var", "token=pst99", "--var-file", "values.yaml")
    assert plan["variables"] == {
        "gb": {"value": "7", "sensitive": False},
        "note": {"value": "true", "sensitive": False},
        "token": {"value": None, "sensitive": True},
        "zones": {"value": '["b", "c"]', "sensitive": False},
    }
    assert "pst99" not in (stack.path / "saved").read_text()
    assert "variable token (sensitive)" in stack.run("apply", "saved").err  # it has to be given again
    stack.ok("--var", "token=pst99", "apply", "saved")
    assert 'volume.data["b"]' in stack.ok("state", "list")


@pytest.mark.parametrize(
    ("made", "again", "said"),
    [
        (("--var", "gb=7"), ("--var", "gb=8"), "variable gb is 8 here, and the plan was made with 7; nothing was done"),
        ((), ("--var", "gb=8"), "variable gb is 8 here, and the plan was made with 100; nothing was done"),
        (
            ("--var", "zones=[b]"),
            ("--var", "zones=[c]"),
            'variable zones is ["c"] here, and the plan was made with ["b"]',
        ),
    ],
)
def test_other_values_are_refused_with_both(
    stack: Place, made: tuple[str, ...], again: tuple[str, ...], said: str
) -> None:
    saved(stack, *made)
    refused = stack.run(*again, "apply", "saved")
    assert (refused.code, said in " ".join(refused.err.split())) == (3, True)
    assert stack.ledger() == []


@pytest.mark.parametrize("again", [(), ("--var", "gb=7"), ("--var", "gb=7", "--var", "note=x")])
def test_the_same_values_or_none_are_taken(stack: Place, again: tuple[str, ...]) -> None:
    saved(stack, "--var", "gb=7")
    stack.ok(*again, "apply", "saved")


def test_another_value_of_a_sensitive_variable_is_refused_with_its_name(stack: Place) -> None:
    """Not with its values; and nobody can guess even a short one from the plan, which holds no digest without a key."""
    plan = saved(stack, "--var", "token=7")
    refused = stack.run("--var", "token=8", "apply", "saved")
    assert (refused.code, stack.ledger()) == (3, [])
    said = " ".join(refused.err.split())
    assert "variable token (sensitive): the value here is not the one that the plan was made with" in said
    key = stack.path / ".flowplan/plan.key"
    assert key.stat().st_mode & 0o777 == 0o600
    without = {name: value for name, value in plan.items() if name not in ("sensitive", "timestamp")}
    stack.path.joinpath("saved").unlink()
    key.unlink()
    again = saved(stack, "--var", "token=7")
    assert again["sensitive"]["variables"]["token"] != plan["sensitive"]["variables"]["token"]
    assert again["stack"]["config_sha256"] != without["stack"]["config_sha256"]


def test_a_plan_that_people_read_makes_no_key(stack: Place) -> None:
    """It shows no digest of the configuration, and so it makes none."""
    key = stack.path / ".flowplan/plan.key"
    stack.ok("plan")
    assert not key.exists()
    stack.ok("plan", "--format", "json")
    assert key.exists()


def test_where_the_key_is_another_one_nothing_is_compared(stack: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(stack)
    (stack.path / ".flowplan/plan.key").unlink()
    refused = stack.run("apply", "saved")
    assert (refused.code, "the plan was made with another key" in " ".join(refused.err.split())) == (3, True)
    monkeypatch.setenv("FLOWPLAN_PLAN_KEY", "0123456789abcdef0123")
    saved(stack)
    (stack.path / ".flowplan/plan.key").unlink(missing_ok=True)
    stack.ok("apply", "saved")


def test_a_saved_destroy_has_the_values_that_it_was_made_with(stack: Place) -> None:
    ends = "region_id: us-central1-b}\ntasks"
    held = STACK.replace(ends, ends.replace("}", ', lifecycle: {prevent_destroy: "${var.safe}"}}'))
    stack.write(held.replace("variables:\n", "variables:\n  safe: {type: bool}\n"))
    stack.ok("--var", "safe=true", "apply", "--auto-approve")
    stack.ok("--var", "safe=false", "plan", "--destroy", "--allow-volume-destroy", "*", "--out", "saved")
    refused = stack.run("--var", "safe=true", "apply", "saved", "--allow-volume-destroy", "*")
    said = " ".join(refused.err.split())
    assert (refused.code, "variable safe is true here, and the plan was made with false" in said) == (3, True)
    stack.ok("apply", "saved", "--allow-volume-destroy", "*")


def test_a_saved_plan_of_a_stack_with_outputs_is_applied(stack: Place) -> None:
    outputs = "outputs:\n  gb: ${var.gb}\n  id: ${task.train.id}\n  token: {value: '${var.token}', sensitive: true}\n"
    stack.write(STACK + outputs)
    saved(stack, "--var", "gb=7")
    assert "gb = " in stack.ok("show", "saved")
    stack.ok("apply", "saved")
    assert json.loads(stack.ok("output", "--json"))["gb"]["value"] == "7"
    saved(stack, "--var", "gb=7", "--var", "note=y")  # now there is something before
    stack.ok("apply", "saved")


def test_a_plan_without_given_values_says_nothing_of_them(stack: Place) -> None:
    assert "variables" not in saved(stack)


def test_the_python_api_takes_variables_and_a_stack_as_a_dict(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text("name: big\n")
    body = {
        "version": 2,
        "variables": {"gb": {"type": "int"}, "keys": {"type": "list"}, "name": {}},
        "volumes": {"data": {"size": "${var.gb}", "for_each": "${var.keys}", "region_id": "us-central1-b"}},
        "tasks": {"t": {"name": "${var.name}", "resources_specification": {"fcp_instance": "8xh100"}}},
    }
    given = {"gb": 5, "keys": ["a", "b"]}
    made = load(
        body, directory=tmp_path, api_url="sim:", environ=START, variables=given, variable_files=["values.yaml"]
    )
    config = made.validate()
    assert [(one.size_gb, one.name) for one in config.volumes.values()] == [(5, "data-a"), (5, "data-b")]
    assert [task.name for task in config.tasks.values()] == ["big"]
    assert made.plan().document["variables"]["gb"] == {"value": "5", "sensitive": False}
    with pytest.raises(UsageProblem, match="cannot be written"):
        load(body, directory=tmp_path, variables={"gb": object()})


def test_a_proposal_is_stale_once_the_environment_gives_another_value(stack: Place) -> None:
    environ = {"FLOWPLAN_VAR_gb": "7"}
    made = load("flowplan.yaml", directory=stack.path, api_url="sim:", environ=environ)
    proposal = made.plan()
    environ["FLOWPLAN_VAR_gb"] = "8"
    with pytest.raises(StalePlan, match="variable gb is 8 here, and the plan was made with 7"):
        made.apply(proposal)
