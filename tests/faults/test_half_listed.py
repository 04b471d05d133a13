"""Who looks while the API does not list the bids, or the volumes, sees the rest, and what the state knows by its id."""

from __future__ import annotations

import json

import pytest

from tests.conftest import DESTROY, Place, bid_id

BIDS, VOLUMES = "GET /v2/spot/bids", "GET /v2/volumes"
ONE_BID = "GET /v2/spot/bids/bid_*"


def failing(place: Place, *routes: str) -> None:
    with place.simulator() as simulator:
        simulator.faults.clear()
        for route in routes:
            simulator.faults.add(route, "status", status=503, times=None)


def told(place: Place, *command: str) -> tuple[int, str]:
    done = place.run(*command)
    return done.code, " ".join(f"{done.out} {done.err}".split())


def test_bids_that_no_list_shows_are_shown_by_their_ids(applied: Place) -> None:
    whole = json.loads(applied.ok("status", "--format", "json"))
    failing(applied, BIDS)
    done = applied.run("status", "--format", "json")
    assert (done.code, json.loads(done.out)["bids"]) == (0, whole["bids"])
    assert "the bids cannot be listed; flowplan knows only those in the state" in " ".join(done.err.split())


def test_what_cannot_be_looked_at_at_all_is_unknown_and_so_is_the_sum(applied: Place) -> None:
    failing(applied, BIDS, ONE_BID)
    code, said = told(applied, "status")
    assert (code, f"unknown ({bid_id(applied)})" in said) == (0, True), said
    assert "whether it is charged is unknown" in said
    assert "In total: unknown, because flowplan could not read the status of bid." in said


def test_bids_are_shown_where_the_volumes_cannot_be_listed(applied: Place) -> None:
    whole = json.loads(applied.ok("status", "--format", "json"))
    failing(applied, VOLUMES)
    done = applied.run("status", "--format", "json")
    shown = json.loads(done.out)
    assert (done.code, shown["bids"], shown["volumes"]) == (0, whole["bids"], whole["volumes"])
    assert "could not be read; flowplan assumes that it is as last applied" in " ".join(done.err.split())


@pytest.mark.parametrize("destroyed", [False, True], ids=["neither is listed", "no bid is known"])
def test_where_nothing_can_be_shown_it_is_an_error(applied: Place, destroyed: bool) -> None:
    """Nobody has seen that no bid is live."""
    if destroyed:
        applied.ok(*DESTROY)
    failing(applied, BIDS, *([] if destroyed else [VOLUMES]))
    code, said = told(applied, "status")
    assert (code, "the API is unavailable (503" in said, "is live" in said) == (1, True, False), said
