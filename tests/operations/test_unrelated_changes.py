"""A saved plan and the rest of the stack: what it does not touch may change, and is left as it is."""

from __future__ import annotations

import json
import subprocess

import attrs
import pytest

from flowplan.state.codec import dump, load
from flowplan.state.state import PLANS_KEPT, AppliedPlan
from tests.conftest import Place, bid_id, live_ids, made_once, many
from tests.loaded import client
from tests.texts import storage, task_text

USER = task_text("user", more=storage("data"))
OTHER = task_text("other")


def write(place: Place, user: str = "17.92", other: str = "17.92") -> None:
    place.write(USER.replace("17.92", user) + OTHER.replace("17.92", other))


@pytest.fixture
@made_once
def both(place: Place) -> Place:
    """Two tasks, applied; a saved plan raises the limit of one."""
    write(place)
    place.ok("apply", "--auto-approve")
    write(place, user="19.00")
    place.ok("plan", "--out", "p")
    return place


def limit(place: Place, address: str) -> str:
    row = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    return next(str(one["limit_price"]) for one in row if one["fid"] == bid_id(place, address))


def test_another_resource_drifts(both: Place) -> None:
    both.call("PATCH", f"/v2/spot/bids/{bid_id(both, 'bid.other')}", b'{"limit_price": "$30.00"}')
    assert "0 added, 1 changed, 0 destroyed" in both.ok("apply", "p")
    assert (limit(both, "bid.user"), limit(both, "bid.other")) == ("$19.00", "$30.00")
    assert "bid.other" in both.ok("plan")  # its drift is still there to be seen


def test_another_resource_is_gone(both: Place) -> None:
    both.call("DELETE", f"/v2/spot/bids/{bid_id(both, 'bid.other')}")
    assert "0 added, 1 changed, 0 destroyed" in both.ok("apply", "p")
    assert len(live_ids(both)) == 1


def test_another_file_was_applied(both: Place) -> None:
    both.write(many(1), "more.yaml")
    both.ok("apply", "--auto-approve", "more.yaml")
    assert "0 added, 1 changed, 0 destroyed" in both.ok("apply", "p")
    assert len(live_ids(both)) == 3


def test_another_file_was_applied_first_of_all(place: Place) -> None:
    """The plan knows of no lineage: there was no state."""
    place.write(OTHER)
    place.ok("plan", "--out", "p")
    place.write(many(1), "more.yaml")
    place.ok("apply", "--auto-approve", "more.yaml")
    assert "1 added" in place.ok("apply", "p")
    assert len(live_ids(place)) == 2


def test_another_run_was_killed(both: Place) -> None:
    both.write(many(1), "more.yaml")
    with both.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "kill", after_commit=True)
    killed = subprocess.run(
        [*client(), "apply", "--auto-approve", "more.yaml"], cwd=both.path, capture_output=True, check=False
    )
    assert killed.returncode == -9
    with both.simulator() as simulator:
        simulator.faults.clear()
    assert "0 added, 1 changed, 0 destroyed" in both.ok("apply", "p")
    assert "bid.task-000" in both.ok("state", "list")


def test_what_it_touches_drifted(both: Place) -> None:
    both.call("PATCH", f"/v2/spot/bids/{bid_id(both, 'bid.user')}", b'{"limit_price": "$30.00"}')
    ledger = both.ledger()
    result = both.run("apply", "p")
    assert result.code == 3
    assert "bid.user: what is live has changed: limit_price 17.92 -> 30.00" in result.err
    assert both.ledger() == ledger


def test_what_it_needs_is_gone(both: Place) -> None:
    """A new bid would need a volume that somebody has deleted since."""
    write(both)
    both.edit("name: other", "name: third")
    both.edit("name: user", "name: fourth")
    both.ok("plan", "--out", "p")
    both.call("DELETE", f"/v2/spot/bids/{bid_id(both, 'bid.user')}")
    volume = both.ok("state", "show", "volume.data").split("(")[1].split(")")[0]
    assert both.call("DELETE", f"/v2/volumes/{volume}").status < 300
    ledger = both.ledger()
    result = both.run("apply", "p")
    assert result.code == 3, result
    assert "volume.data: no-op, now create" in result.err
    assert both.ledger() == ledger


def test_its_place_in_the_configuration_still_counts(both: Place) -> None:
    """All of it: a plan is of one configuration."""
    write(both, user="19.00", other="18.00")
    result = both.run("apply", "p")
    assert result.code == 3
    assert "the configuration has changed" in result.err


def test_a_budget_counts_the_whole(both: Place) -> None:
    both.ok("plan", "--out", "p", "--max-hourly-cost", "40")
    both.call("PATCH", f"/v2/spot/bids/{bid_id(both, 'bid.other')}", b'{"limit_price": "$30.00"}')
    result = both.run("apply", "p")
    assert result.code == 3
    assert "the stack would cost at most $49.00" in " ".join(result.err.split())


def test_a_partial_plan_minds_no_change_of_the_rest(both: Place) -> None:
    write(both, user="19.00", other="18.00")
    both.ok("plan", "--target", "bid.user", "--out", "p")
    both.call("PATCH", f"/v2/spot/bids/{bid_id(both, 'bid.other')}", b'{"limit_price": "$30.00"}')
    assert "0 added, 1 changed, 0 destroyed" in both.ok("apply", "p")
    assert limit(both, "bid.other") == "$30.00"


def test_a_destroy_plan_leaves_what_came_later(both: Place) -> None:
    write(both)
    both.ok("apply", "--auto-approve")
    both.ok("plan", "--destroy", "--out", "p", "--allow-volume-destroy", "*")
    both.write(USER + OTHER + task_text("late"))
    both.ok("apply", "--auto-approve")
    both.write(USER + OTHER)
    both.ok("apply", "p", "--allow-volume-destroy", "*")
    assert both.ok("state", "list").split() == ["bid.late"]


# ---- once --------------------------------------------------------------------------------------------------


def test_a_plan_of_before_the_oldest_that_is_known_is_not_applied(both: Place) -> None:
    path = both.path / "flowplan.state.json"
    state = load(path.read_bytes(), path.name)
    plans = tuple(AppliedPlan(f"{n:064x}", "2026-01-01T00:00:00Z", state.serial + n) for n in range(PLANS_KEPT))
    path.write_bytes(dump(attrs.evolve(state, serial=state.serial + PLANS_KEPT, plans=plans)))
    ledger = both.ledger()
    result = both.run("apply", "p")
    assert result.code == 3
    assert "whether it was applied is not known any more" in " ".join(result.err.split())
    assert both.ledger() == ledger
    both.ok("plan", "--out", "p")
    both.ok("apply", "p")


def test_a_plan_of_before_a_restore_is_not_applied(both: Place) -> None:
    """All is live as it was before; the version that is put back knows of it."""
    both.ok("apply", "p")
    both.call("PATCH", f"/v2/spot/bids/{bid_id(both, 'bid.user')}", b'{"limit_price": "$17.92"}')
    path = both.path / "flowplan.state.json"
    path.write_bytes(path.read_bytes()[:-40])
    both.ok("state", "restore")
    ledger = both.ledger()
    result = both.run("apply", "p")
    assert result.code == 3
    assert "this plan was applied already" in " ".join(result.err.split())
    assert both.ledger() == ledger
    both.ok("plan", "--out", "p")
    both.ok("apply", "p")


def test_a_push_forgets_no_plan_that_was_applied(both: Place) -> None:
    both.write(both.ok("state", "pull"), "pulled.json")
    both.ok("apply", "p")
    both.ok("state", "push", "--force", "pulled.json")
    result = both.run("apply", "p")
    assert result.code == 3
    assert "was applied already" in result.err
