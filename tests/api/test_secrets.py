"""What an error, or what a call returns, shows a program of a secret: nothing, wherever it stands."""

from __future__ import annotations

import json
import pickle
import traceback

import pytest

import flowplan
from flowplan.diagnostics import Diagnostic
from flowplan.errors import FlowplanError
from flowplan.model.resources import Bid
from tests.api.stacks import TASK
from tests.conftest import START, Place

SECRET = "fkey_abcdefghijklmnop1234567890"


def everything(error: FlowplanError) -> str:
    """All that a log, a traceback or another process could show of it."""
    copied = pickle.loads(pickle.dumps(error))
    return "\n".join([*traceback.format_exception(error), repr(vars(error)), repr(vars(copied)), str(copied)])


@pytest.mark.parametrize("key", ["project_name", "ssh_key_name"])
def test_a_problem_that_only_the_cloud_shows_hides_a_secret(key: str, place: Place) -> None:
    task = {**TASK, key: "${env.FLOWPLAN_API_KEY}"}
    place.write(json.dumps({"version": 2, "name": "s", "tasks": {"train": task}}))
    environ = {**START, "FLOWPLAN_API_KEY": SECRET}
    with pytest.raises(flowplan.ConfigError, match=r"there is no (project|SSH key) \*{8}") as caught:
        flowplan.load(directory=place.path, api_url="sim:", environ=environ).plan()
    assert SECRET not in everything(caught.value)


def test_what_a_call_returns_shows_no_secret_to_a_log_or_a_notebook(place: Place) -> None:
    """A notebook prints what the last line of a cell comes to; a log, or a traceback with its variables, any of it."""
    image = {"image_name": "busybox", "run_options": "-e HF_TOKEN=${var.token}"}
    stack = {
        "version": 2,
        "name": "s",
        "variables": {"token": {"sensitive": True}},
        "tasks": {"train": {**TASK, "name": "train", "container_image": image}},
        "outputs": {"token": {"value": "${var.token}", "sensitive": True}},
    }
    place.write(json.dumps(stack))
    environ = {**START, "FLOWPLAN_API_KEY": SECRET}
    given = flowplan.load(directory=place.path, api_url="sim:", environ=environ, variables={"token": SECRET})
    proposal = given.plan()
    outcome = given.apply(proposal)
    change = proposal.plan.changes[0]
    shown = [given.validate(), proposal, proposal.plan, proposal.costs, change, change.after, proposal.document]
    shown += [outcome, given.status(), given.state(), given.offers(), given.doctor(), *given.watch(once=True)]
    shown += [given.outputs(), given.history(), given.orphans(), given.move("task.train", "task.again")]
    shown += [given.release("task.again")]
    for one in (given, *shown):
        assert SECRET not in repr(one) + str(one)
    assert isinstance(change.after, Bid) and change.after.inputs.container_image is not None
    assert SECRET in str(change.after.inputs.container_image.run_options)  # which the bid is to carry


def test_each_reason_hides_a_secret_and_stays_what_it_is() -> None:
    reasons = [Diagnostic("policy", f"{n} {SECRET}", SECRET, detail=SECRET, source=SECRET) for n in range(5)]
    for error in (flowplan.ConfigError(reasons), flowplan.GuardRefused("no", code="policy", refusals=reasons)):
        error.excerpt = SECRET
        before = str(error)
        error.hide(lambda text: text.replace(SECRET, "***"))
        assert SECRET not in everything(error)
        assert str(error) == before.replace(SECRET, "***") and "4 ***" in everything(error)
