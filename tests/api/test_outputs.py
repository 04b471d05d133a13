"""What a program asks of a stack that is there: its outputs and the versions of its state, as the command line shows
them."""

from __future__ import annotations

import json

import pytest

import flowplan
from flowplan.documents import history, outputs
from tests.api.stacks import TASK, stack_in, untyped
from tests.conftest import Place

STACK = {
    "version": 2,
    "name": "s",
    "variables": {"token": {"default": "geheim-99", "sensitive": True}},
    "tasks": {"train": {key: value for key, value in TASK.items() if key != "name"}},
    "outputs": {
        "bid": "${task.train.id}",
        "login": "ssh ubuntu@${task.train.ssh}",
        "token": {"value": "${var.token}", "sensitive": True},
    },
}


def test_the_outputs_are_those_of_the_command_line(place: Place) -> None:
    place.write(json.dumps(STACK))
    stack = stack_in(place.path)
    assert stack.outputs() == {}
    outcome = stack.apply(stack.plan())
    found = stack.outputs()
    assert found["bid"].value == str(next(one.id for one in outcome.state.bindings.values()))
    assert (found["token"].value, found["token"].sensitive) == (None, True)
    place.ok("simulator", "advance", "1h")
    found = stack.outputs()
    assert str(found["login"].value).startswith("ssh ubuntu@")
    assert outputs.document(found) == json.loads(place.ok("output", "--json"))


def test_outputs_that_name_no_instance_need_no_api(place: Place) -> None:
    place.write(json.dumps({**STACK, "outputs": {"bid": "${task.train.id}"}}))
    stack = stack_in(place.path)
    stack.apply(stack.plan())
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/*", "status", status=403, times=None)
    assert [*stack.outputs()] == ["bid"]


def test_outputs_that_cannot_be_asked_for_are_an_error_and_not_unknown(place: Place) -> None:
    place.write(json.dumps(STACK))
    stack = stack_in(place.path)
    stack.apply(stack.plan())
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/instances*", "status", status=403, times=None)
    with pytest.raises(flowplan.CloudError):
        stack.outputs()


def test_what_a_program_does_with_outputs_is_in_no_later_ones(place: Place) -> None:
    place.write(json.dumps(STACK))
    stack = stack_in(place.path)
    stack.apply(stack.plan())
    untyped(stack.outputs()).clear()
    assert [*stack.outputs()] == ["bid", "login", "token"]


def test_the_versions_are_those_of_the_command_line(place: Place) -> None:
    stack = stack_in(place.path, TASK)
    assert stack.history().versions == ()
    proposal = stack.plan()
    stack.apply(proposal)
    stack.destroy()
    found = stack.history()
    assert [(one.serial, one.resources) for one in found.versions] == [(2, 0), (1, 1)]
    change = found.versions[-1].change
    assert change is not None and change.plan_sha256 == proposal.document["sha256"]
    assert history.history(found) == json.loads(place.ok("state", "history", "--format", "json"))
    (place.path / "flowplan.state.json").unlink()
    assert (stack.history().serial, stack.history().versions) == (None, found.versions)
