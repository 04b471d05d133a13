"""A step of a change -> its intent, its request and its call. Nothing is sent, but for the last test."""

from __future__ import annotations

import json
from random import Random

import attrs
import pytest

from flowplan.apply.working_state import WorkingState
from flowplan.apply.works import needs_call
from flowplan.cloud.fcp import Fcp
from flowplan.cloud.http.transport import Transport
from flowplan.cloud.inside import Inside
from flowplan.errors import Ambiguous, CloudError, Refused
from flowplan.model.address import Address
from flowplan.model.resources import Inputs, Script
from flowplan.planning.actions import Action, Create, Delete
from flowplan.planning.steps import Step
from flowplan.secret import Secret
from flowplan.simulator import SIMULATOR_KEY, SIMULATOR_URL
from flowplan.state.records import Closed
from tests.apply.around import NOW, works
from tests.builders import DATA, PORTS, TRAIN, bid, bound, create_of, state, volume
from tests.builders import change as planned
from tests.conftest import Place

BOUND_DATA, BOUND_TRAIN = bound(DATA, "vol_1", volume()), bound(TRAIN, "bid_1", bid())
MAKE_DATA = Create(DATA, after=volume(), source="task.yaml")
MAKE_TRAIN = Create(TRAIN, after=bid(volumes=(DATA,)), needs=(DATA,))
UP_DATA, UP_TRAIN = Step("up", DATA), Step("up", TRAIN)


# ---- intents -----------------------------------------------------------------------------------------------------


def test_a_create_is_announced_with_what_it_makes_and_no_id() -> None:
    intent = works(WorkingState(state(project="proj_1"))).work(UP_DATA, MAKE_DATA).intent
    assert (intent.op, intent.address, intent.name, intent.resource, intent.id) == (
        "create", DATA, "data", volume(), None,
    )  # fmt: skip
    assert (intent.project, intent.endpoint, intent.source) == ("proj_1", "https://api", "task.yaml")
    assert intent.key == f"flowplan-{intent.intent}"
    assert intent.payload_sha256 and intent.at.wall == NOW and not intent.resent


def test_a_removal_is_announced_with_the_id_it_ends() -> None:
    change = Delete(TRAIN, before=bid(), id="bid_1")
    intent = works(WorkingState(state(BOUND_TRAIN))).work(Step("down", TRAIN), change).intent
    assert (intent.op, intent.id, intent.name, intent.payload_sha256) == ("delete", "bid_1", "train", "")


def test_a_bid_is_made_on_the_ids_that_its_volumes_have_by_now() -> None:
    """The plan was made before they were."""
    working = WorkingState(state())
    made = works(working)
    working.bind(DATA, BOUND_DATA)
    wanted = made.work(UP_TRAIN, MAKE_TRAIN).intent.resource
    assert wanted == bid(volumes=("vol_1",))


def test_each_create_has_a_key_of_its_own() -> None:
    made = works(WorkingState(state()))
    assert len({made.work(UP_DATA, MAKE_DATA).intent.key for _ in range(3)}) == 3


def test_a_script_that_cannot_be_rendered_says_what_is_wrong_with_it() -> None:
    too_long = bid(inputs=Inputs(startup_script=Script.of(Random(1).randbytes(100_000).hex())))
    with pytest.raises(CloudError, match="startup script"):
        works(WorkingState(state())).work(UP_TRAIN, attrs.evolve(MAKE_TRAIN, after=too_long, needs=()))


# ---- what an earlier run proved absent ---------------------------------------------------------------------------


def test_what_is_proved_absent_is_sent_under_its_own_key_while_the_plan_makes_the_same() -> None:
    first = works(WorkingState(state())).work(UP_DATA, MAKE_DATA).intent
    working = WorkingState(state(), {first.intent: first})
    made = works(working, first)
    again = made.work(UP_DATA, MAKE_DATA).intent
    assert (again.key, again.payload_sha256, again.resent) == (first.key, first.payload_sha256, True)
    assert made.superseded() == []


@pytest.mark.parametrize(
    "change", [attrs.evolve(MAKE_DATA, after=volume(size_gb=200)), attrs.evolve(MAKE_DATA, generation=2)]
)
def test_what_is_proved_absent_is_superseded_when_the_plan_makes_something_else(change: Create) -> None:
    first = works(WorkingState(state())).work(UP_DATA, MAKE_DATA).intent
    working = WorkingState(state(), {first.intent: first})
    made = works(working, first)
    assert made.work(UP_DATA, change).intent.key != first.key
    assert made.superseded() == [Closed(first.intent, "proved absent, and planned otherwise since")]
    assert made.superseded() == [], "each is recorded once"
    assert working.pending == {}


@pytest.mark.parametrize(("made_now", "left"), [((DATA,), 1), ((), 0), ((TRAIN,), 0)])
def test_what_is_proved_absent_and_not_planned_any_more_is_superseded(made_now: tuple[object, ...], left: int) -> None:
    first = create_of(DATA, volume())
    working = WorkingState(state(), {first.intent: first})
    made = works(working, first)
    made.supersede_all_but(made_now)  # type: ignore[arg-type]
    assert (len(working.pending), len(made.superseded())) == (left, 1 - left)


@pytest.mark.parametrize(
    ("address", "action", "needed"),
    [
        (DATA, "create", True),
        (TRAIN, "update", True),
        (TRAIN, "replace", True),
        (DATA, "delete", True),
        (TRAIN, "forget", False),
        (PORTS, "create", False),
        (PORTS, "delete", False),
    ],
)
def test_what_needs_a_call(address: Address, action: Action, needed: bool) -> None:
    assert needs_call(planned(action, bid(), bid(), address)) is needed


# ---- the call ----------------------------------------------------------------------------------------------------


def test_a_volume_whose_name_is_taken_may_be_ours_only_once_it_was_sent_before(place: Place) -> None:
    """Before the first attempt nobody had the name. The second one may meet what the first made late."""
    with place.simulator() as simulator:
        cloud = Fcp(Transport(SIMULATOR_URL, Secret(SIMULATOR_KEY), wire=Inside(simulator)), parallelism=1)
        project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
        cloud.enter(project)
        made = works(WorkingState(state(project=project)), cloud=cloud)
        change = attrs.evolve(MAKE_DATA, after=volume(region="us-central1-b"))
        made.work(UP_DATA, change).call(made.work(UP_DATA, change).intent)
        work = made.work(UP_DATA, change)
        with pytest.raises(Refused):
            work.call(work.intent)
        again = made.again(work)
        with pytest.raises(Ambiguous):
            again.call(again.intent)
