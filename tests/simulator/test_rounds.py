"""The market as time passes: the same however time is cut, quick; and what it does to bids."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

import pytest
import requests

from flowplan.simulator import SIMULATOR_URL, Simulator, timekeeping
from flowplan.simulator.auctions import catalogue
from flowplan.simulator.auctions.crowd import Book
from tests.simulator.adapter import SimulatorAdapter

from .conftest import H100, REGION, Api

BUSY = "us-central1-a"  # where H100s are contended


def dump(simulator: Simulator) -> list[str]:
    return list(simulator._db.iterdump())


def test_time_in_pieces_is_the_same_time() -> None:
    dumps = []
    for pieces in ([86_400], [3_600] * 24, [7, 86_393], [119.999, 0.001, 86_280]):
        with Simulator.open(":memory:", seed=5) as simulator:
            for seconds in pieces:
                simulator.advance(seconds)
            dumps.append(dump(simulator))
    assert dumps.count(dumps[0]) == len(dumps)


def test_a_round_that_is_not_cleared_would_have_changed_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    dumps, left_out = [], []
    as_before = Book._as_before
    monkeypatch.setattr(Book, "_as_before", lambda book, now: left_out.append(now) or as_before(book, now))
    for is_due in (Book._is_due, lambda book, now: True):
        monkeypatch.setattr(Book, "_is_due", is_due)
        with Simulator.open(":memory:", seed=7) as simulator, requests.Session() as session:
            session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
            api = Api(SIMULATOR_URL, session)
            for n, limit in enumerate(("$18.00", "$24.00", "$32.00", "$45.00")):  # some win, wait, and lose again
                api.placed(f"bid-{n}", region=BUSY, limit_price=limit, instance_quantity=n + 1)
                simulator.advance(timedelta(hours=4))
            dumps.append(dump(simulator))
    assert dumps[0] == dumps[1]
    assert any("'Preempted'" in line for line in dumps[0])
    assert len(left_out) > 100


def test_prices_change_in_rounds_of_two_minutes(simulator: Simulator) -> None:
    simulator.advance(timedelta(days=1))
    rows = simulator._db.execute("SELECT DISTINCT at FROM price_events").fetchall()
    assert len(rows) > 100
    assert {at % 120_000 for (at,) in rows} == {0}


def test_busy_auctions_are_contended_from_the_start(simulator: Simulator) -> None:
    rows = simulator._db.execute(
        "SELECT a.price_cents > a.reserve_cents FROM auctions a JOIN pools p ON p.seq = a.pool"
        " WHERE p.temper = 'busy' GROUP BY a.pool"
    ).fetchall()
    assert all(row[0] for row in rows)


def test_the_examples_bid_wins_at_8_dollars_and_stays(local: Api, simulator: Simulator) -> None:
    bid = local.placed(limit_price="$17.92")
    for _ in range(7):
        assert local.status(bid) == "Allocated"
        price = local.get("/v2/pricing/current", instance_type=H100, region=REGION)["spot_price_cents"]
        assert 800 <= price <= 1200
        simulator.advance(timedelta(days=1))
    events = local.get(f"/v2/spot/bids/{bid}/history")["events"]
    assert [event["event_type"] for event in events] == ["Placed", "Allocated"]


def test_a_modest_bid_in_a_busy_auction_is_preempted_and_comes_back(local: Api, simulator: Simulator) -> None:
    bid = local.placed(region=BUSY, limit_price="$18.00")
    simulator.advance(timedelta(days=4))
    events = [event["event_type"] for event in local.get(f"/v2/spot/bids/{bid}/history")["events"]]
    assert events.count("Allocated") > 1
    assert "Preempted" in events
    (instance,) = local.get("/v2/instances/pricing/history", project=local.project, bid_fid=bid)["instances"]
    assert len(instance["events"]) > 5
    assert all(1200 <= period["price_cents"] <= 1800 for period in instance["events"])


def test_who_displaces_somebody_waits_until_he_is_gone(local: Api, simulator: Simulator) -> None:
    bid = local.placed(region=BUSY, limit_price="$900.00")
    local.status(bid)
    simulator.advance(299)
    assert local.instances()[0]["status"] == "STATUS_NEW"
    simulator.advance(1)
    assert local.instances()[0]["status"] == "STATUS_CONFIRMED"
    simulator.advance(180)
    assert local.instances()[0]["status"] == "STATUS_RUNNING"
    (instance,) = local.get("/v2/instances/pricing/history", project=local.project, bid_fid=bid)["instances"]
    assert instance["events"][0]["start_time"] >= "2026-11-02T09:06"


def test_own_bids_that_displace_own_bids_wait_too(local: Api, simulator: Simulator) -> None:
    first = local.placed("first", instance_quantity=64, limit_price="$30.00")
    local.status(first)
    simulator.advance(900)
    second = local.placed("second", instance_quantity=64, limit_price="$40.00")
    local.status(second)
    for _ in range(12):
        running = [row for row in all_instances(local) if row["status"] in ("STATUS_RUNNING", "STATUS_PREEMPTING")]
        assert len(running) <= 64
        simulator.advance(60)
    assert {row["bid"] for row in running} == {second}


def all_instances(api: Api) -> list[dict[str, Any]]:
    rows, cursor = [], None
    while True:
        more = {"next_cursor": cursor} if cursor else {}
        page = api.get("/v2/instances", project=api.project, **more)
        rows += page["data"]
        cursor = page["next_cursor"]
        if not cursor:
            return rows


@pytest.mark.timed
def test_a_day_of_40_auctions_and_2000_rivals(monkeypatch: pytest.MonkeyPatch) -> None:
    large = tuple(pool._replace(gpus=pool.gpus * 4) for pool in catalogue.POOLS)
    monkeypatch.setattr(catalogue, "POOLS", large)
    with Simulator.open(":memory:") as simulator:
        auctions, rivals = simulator._db.execute(
            "SELECT (SELECT count(*) FROM auctions), (SELECT count(*) FROM orders)"
        ).fetchone()
        start = time.process_time()
        simulator.advance(timedelta(days=1))
        took = time.process_time() - start
    print(f"a day of {auctions} auctions and {rivals} rivals: {took:.2f} s CPU")
    assert auctions >= 40
    assert rivals >= 2_000
    assert took < 10


def test_the_market_view_shows_book_prices_and_own_bids(local: Api, simulator: Simulator) -> None:
    bid = local.placed()
    (shown,) = simulator.market("h100-80gb.sxm.8x", REGION)
    lines = [line for line in shown.book if line.bid]
    assert [(line.bid, line.winning, line.quantity) for line in lines] == [((bid, "train"), True, 1)]
    ranks = [line.limit_price for line in shown.book]
    assert ranks == sorted(ranks, reverse=True)
    assert shown.history[-1][1] == shown.price == shown.minimum == 8
    assert len(simulator.market(region="us-central1-a")) == 9
    assert simulator.market("no-such-type") == []
    assert sum(line.quantity for line in shown.book if line.winning) == shown.capacity - shown.available


def test_who_takes_the_place_of_a_bid_taken_back_waits_for_it(local: Api, simulator: Simulator) -> None:
    first = local.placed("first", instance_quantity=64, limit_price="$30.00")
    second = local.placed("second", instance_quantity=64, limit_price="$20.00")
    local.status(first)
    simulator.advance(900)
    simulator.faults.preempt(first)
    assert local.status(second) == "Allocated"
    simulator.advance(299)
    rows = {(row["bid"], row["status"]) for row in all_instances(local)}
    assert rows == {(first, "STATUS_PREEMPTING"), (second, "STATUS_NEW")}


# --- when a change counts --------------------------------------------------------------------------------------

READS = (
    *("/v2/spot/availability", "/v2/spot/bids", f"/v2/pricing/current?instance_type={H100}&region={REGION}"),
    "/v2/pricing/history",
)


def test_reading_changes_nothing(local: Api, simulator: Simulator) -> None:
    """While the clock stands, a change counts at once; whoever looks afterwards finds all done."""
    simulator.advance(61)
    bid = local.placed(region=BUSY, limit_price="$900.00")
    local.change(bid, limit_price="$13.00")
    local.change(bid, limit_price="$901.00")
    before = dump(simulator)
    for path in READS:
        local.get(path)
    assert simulator.market(region=BUSY)
    assert local.status(bid) == "Allocated"
    assert dump(simulator) == before


class Hands:
    """A real clock that tests put forward."""

    seconds = 1_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.parametrize("looks", [True, False])
def test_while_the_clock_runs_a_change_counts_in_the_next_round(monkeypatch: pytest.MonkeyPatch, looks: bool) -> None:
    hands = Hands()
    monkeypatch.setattr(timekeeping, "monotonic", hands)
    with Simulator.open(":memory:", speed=1) as simulator, requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        api = Api(SIMULATOR_URL, session)
        hands.seconds += 61
        bid = api.placed(limit_price="$50.00", instance_quantity=64)
        for passed in (0, 58.999):
            hands.seconds += passed
            assert not looks or api.status(bid) == "Open"
        hands.seconds += 0.001
        assert api.status(bid) == "Allocated"
        api.placed("at-the-round-itself", limit_price="$60.00", instance_quantity=64)
        assert not looks or api.status(bid) == "Allocated"
        hands.seconds += 120
        assert api.status(bid) == "Preempting"
        rows = simulator._db.execute("SELECT at FROM price_events WHERE auction = 1 ORDER BY at").fetchall()
        assert [at // 1000 - rows[0][0] // 1000 for (at,) in rows] == [0, 120, 240]
        assert {at % 120_000 for (at,) in rows} == {0}


def test_who_is_back_in_the_auction_counts_in_a_round(local: Api, simulator: Simulator) -> None:
    simulator.advance(61)
    bid = local.placed()
    simulator.faults.preempt(bid, seconds=600)
    simulator.advance(658)  # it is back at 661 seconds, the next round is at 720
    assert local.status(bid) == "Open"
    simulator.advance(0.999)
    assert local.status(bid) == "Open"
    simulator.advance(0.001)
    assert local.status(bid) == "Allocated"
