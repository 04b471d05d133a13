"""A list that does not show what is known to be there proves nothing about what it does not show either."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest

from flowplan.clock import Moment
from flowplan.state.doubts import made_by
from tests.builders import DATA, create_of, live_volume, volume
from tests.conftest import APPLY, DESTROY, Place, live_ids, many

NOBODY = '{"data": [], "next_cursor": null}'
TASK_001 = "bid.task-001"


def plain(count: int) -> str:
    """Tasks that nothing but their bids belongs to: no volume in use forbids a second one."""
    return re.sub(r"persistent_storage: .*\n", "", many(count))


def a_second_task_whose_answer_is_lost(place: Place) -> None:
    """No key keeps the API from placing it twice."""
    place.write(plain(1))
    place.ok(*APPLY)
    place.write(plain(2))
    with place.simulator() as simulator:
        simulator.faults.set(idempotency=False, duplicate_names=True)
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True)


def posts(place: Place, what: str = "/v2/spot/bids") -> int:
    return sum(one.method == "POST" and one.path == what for one in place.ledger())


def test_a_bid_is_not_placed_twice_for_a_list_that_has_lost_everything(place: Place) -> None:
    a_second_task_whose_answer_is_lost(place)
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "status", nth=2, status=200, body=NOBODY, times=None)
    done = place.run(*APPLY)
    assert done.code == 6, done
    told = " ".join(f"{done.out} {done.err}".split())
    assert "is live, but the list does not show it" in told
    assert len(live_ids_after(place)) == 2


def live_ids_after(place: Place) -> Sequence[str]:
    with place.simulator() as simulator:
        simulator.faults.clear()
    return live_ids(place)


def test_nor_by_the_next_run(place: Place) -> None:
    a_second_task_whose_answer_is_lost(place)
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "status", nth=2, status=403, times=None)
    assert place.run(*APPLY).code == 6
    with place.simulator() as simulator:
        simulator.faults.clear()
        simulator.faults.set(idempotency=False, duplicate_names=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=200, body=NOBODY, times=None)
    for command in (APPLY, ("recover",)):
        assert place.run(*command).code == 6, command
    assert len(live_ids_after(place)) == 2
    place.ok(*APPLY)
    assert len(live_ids(place)) == 2
    assert TASK_001 in place.ok("state", "list")


def test_nor_for_a_list_that_lags_behind_longer_than_the_settle_window(place: Place) -> None:
    """The first of two bids was placed a moment ago, and does not show either: so the other's absence is none."""
    place.write(plain(2))
    with place.simulator() as simulator:
        simulator.faults.set(idempotency=False, duplicate_names=True, list_lag=3600)
        simulator.faults.add("POST /v2/spot/bids", "timeout", nth=2, after_commit=True)
    done = place.run(*APPLY, "--parallelism", "1")
    assert done.code == 6, done
    with place.simulator() as simulator:
        simulator.faults.set(list_lag=0)
        simulator.advance(7200)
    assert len(live_ids(place)) == 2
    place.ok(*APPLY)
    assert len(live_ids(place)) == 2


def test_what_ended_elsewhere_proves_a_list_neither_right_nor_wrong(place: Place) -> None:
    a_second_task_whose_answer_is_lost(place)
    [first] = live_ids(place)
    place.call("DELETE", f"/v2/spot/bids/{first}")
    place.ok(*APPLY)
    assert len(live_ids(place)) == 2


# ---- clocks ---------------------------------------------------------------------------------------------------

AT = 1_800_000_000.0  # 2027-01-15T08:00:00Z
WANTED = volume()


@pytest.mark.parametrize(
    ("created_at", "ours"),
    [
        ("2027-01-15T08:00:01Z", True),
        ("2027-01-15T07:00:00Z", None),  # this machine's clock may be an hour wrong
        ("2027-01-15T09:30:00Z", None),
        ("2027-01-18T08:00:00Z", False),  # not by days
        ("2027-01-12T08:00:00Z", False),
    ],
)
def test_where_the_server_tells_no_time_this_machines_proves_little(created_at: str, ours: bool | None) -> None:
    """A proxy took the `Date` away. What we made must not be called somebody else's, and be paid for unseen."""
    found = live_volume(WANTED, created_at=created_at)
    assert made_by(create_of(DATA, WANTED, at=Moment(AT, 50.0, "boot")), found) is ours
    assert made_by(create_of(DATA, WANTED, at=Moment(AT, 50.0, "boot", AT)), found) is bool(ours)


def scripts_are_left_out(place: Place, *, by_id: bool) -> None:
    """A list has no scripts, as lists leave out what is long; `by_id`: nor has a bid that is asked for."""
    with place.simulator() as simulator:
        for route in ("GET /v2/spot/bids", *(["GET /v2/spot/bids/*"] if by_id else [])):
            simulator.faults.add(route, "edited", drop=["launch_specification"], times=None)


def test_what_a_list_shows_without_its_script_is_known_by_its_id(place: Place) -> None:
    a_second_task_whose_answer_is_lost(place)
    scripts_are_left_out(place, by_id=False)
    place.ok(*APPLY)
    assert posts(place) == 2
    with place.simulator() as simulator:
        simulator.faults.clear()
    assert "No changes" in place.ok("plan")


def test_what_no_answer_shows_the_script_of_may_be_ours_and_no_destroy_says_that_it_is_over(place: Place) -> None:
    """Called somebody else's, its intent was closed: the next destroy ended with 0, and it ran on."""
    a_second_task_whose_answer_is_lost(place)
    scripts_are_left_out(place, by_id=True)
    done = place.run(*APPLY)
    assert done.code == 6, done
    assert "has its name, but may be somebody else's" in " ".join(done.err.split())
    assert place.run(*DESTROY).code == 6
    with place.simulator() as simulator:
        simulator.faults.clear()
    place.ok(*DESTROY)
    assert live_ids(place) == []
