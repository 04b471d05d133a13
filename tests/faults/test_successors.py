"""A bid whose successor is made first, and a run that is killed on the way: the next run ends with the one successor,
which was bought once, and the old bid cancelled."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.runner import Runner
from tests.faults.scenarios import APPLY, FIRST, SETTLED, TRIGGERED, Folder, chain

DESTROY = ("destroy", "--auto-approve")
PLANNED = ("plan", "--format", "json")
CALLS = ("sent POST spot/bids", "answer POST spot/bids", "sent DELETE spot/bids", "answer DELETE spot/bids")
CHANGED = FIRST.replace("8080", "8090")


@pytest.fixture
def killed(request: pytest.FixtureRequest, in_memory: Path, runner: Runner) -> Folder:
    """Where a run was killed before or after one of its calls."""
    path = in_memory / "place" / "work"
    path.mkdir(parents=True)
    folder = Folder(path, runner)
    folder.write(FIRST)
    folder.ok(APPLY)
    folder.write(CHANGED)
    folder.kill(APPLY, request.param)
    return folder


every_call = pytest.mark.parametrize("killed", CALLS, indirect=True)


@every_call
def test_the_next_run_finishes(killed: Folder) -> None:
    killed.ok(APPLY)
    cloud = killed.cloud()
    assert list(cloud.live.values()) == ["bid a-g2"]
    assert (cloud.changes["POST bid a-g2"], cloud.changes["DELETE bid a"]) == (1, 1)
    killed.ok(SETTLED)


@every_call
def test_a_destroy_ends_both(killed: Folder) -> None:
    killed.ok(DESTROY)
    assert killed.cloud().live == {}


@pytest.mark.parametrize(
    ("killed", "old", "new"),
    [
        (CALLS[0], "delete", None),  # nothing is made yet: it is replaced
        (CALLS[1], "delete", "no-op"),
        (CALLS[2], "delete", "no-op"),
        (CALLS[3], "forget", "no-op"),
    ],
    indirect=["killed"],
)
def test_a_plan_says_what_is_left(killed: Folder, old: str, new: str | None) -> None:
    body = json.loads(killed.run(PLANNED).out)
    found = {one["address"]: one["change"]["actions"] for one in body["resource_changes"] if one["type"] == "bid"}
    if new is None:
        assert found == {"bid.a": ["create", "delete"]}
    else:
        assert found == {"bid.a": [new], "bid.a@g1": [old]}


def test_the_old_bid_is_known_where_the_journal_could_not_take_the_successor(in_memory: Path, runner: Runner) -> None:
    """The disk is full when the answer is back: what is kept elsewhere knows both, whatever the run recorded before."""
    path = in_memory / "place" / "work"
    path.mkdir(parents=True)
    folder = Folder(path, runner)
    folder.write(chain(more=TRIGGERED))
    folder.ok(APPLY)
    folder.write(chain(script="two", more=TRIGGERED))
    points = folder.copied("counted").run(APPLY, counting=True).points
    at = points.index("answer POST spot/bids") + 2
    assert points[at - 1] == "write pwrite flowplan.state.journal"
    assert folder.run(APPLY, at=at, act="ENOSPC").codes == [5]
    folder.ok(APPLY)
    cloud = folder.cloud()
    assert sorted(cloud.live.values()) == ["bid a-x-g2", "bid a-y-g2", "bid b-g2"]
    assert max(cloud.changes.values()) == 1
    folder.ok(SETTLED)
