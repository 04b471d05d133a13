"""What holds after every step, whatever is done in whatever order: the market's and the bills' invariants."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from flowplan.simulator import Request, Simulator
from flowplan.simulator.auctions import rounds
from flowplan.simulator.clock import ROUND
from flowplan.simulator.timekeeping import stored_now

from .rule import Bidder, cents_of, price_of, winners_of

AWAY = 700  # seconds for which a bid is taken back
HEADERS = {"authorization": "Bearer fkey_x"}
SOLD = {
    ("it_XqgKWbhZ5gznAYsG", "us-east1-a"): 3,
    ("it_7RHoQUztab9lU9Ne", "us-central5-a"): 8,
    ("it_A40x1mU7cQd3RkZt", "us-central2-a"): 16,
    ("it_A40x8zC6rMk4WdSb", "us-central2-a"): 16,  # the same 16 GPUs
}
STARTING = ("NEW", "CONFIRMED", "INITIALIZING", "STARTING", "RUNNING")
OF_BID = {  # statuses of the instances of a bid
    "Open": ("PREEMPTED", "PAUSED"),
    "Allocated": STARTING,
    "Preempting": ("PREEMPTING",),
    "Paused": ("PAUSED",),
    "Terminated": ("TERMINATED",),
}
NEXT = {
    None: ("NEW",),
    "NEW": ("CONFIRMED", "PREEMPTING", "STOPPING"),
    "CONFIRMED": ("INITIALIZING", "PREEMPTING", "STOPPING"),
    "INITIALIZING": ("STARTING", "PREEMPTING", "STOPPING"),
    "STARTING": ("RUNNING", "PREEMPTING", "STOPPING"),
    "RUNNING": ("PREEMPTING", "STOPPING"),
    "PREEMPTING": ("RUNNING", "INITIALIZING", "PREEMPTED", "STOPPING"),
    "STOPPING": ("PAUSED", "TERMINATED"),
    "PAUSED": ("INITIALIZING", "STOPPING"),
    "PREEMPTED": ("INITIALIZING", "STOPPING"),
    "TERMINATED": (),
}
BID_NEXT = {
    None: ("Placed",),
    "Placed": ("Allocated", "Paused", "Terminated"),
    "Allocated": ("Preempted", "Paused", "Terminated"),
    "Preempted": ("Allocated", "Paused", "Terminated"),
    "Paused": ("Resumed", "Terminated"),
    "Resumed": ("Allocated", "Paused", "Terminated"),
    "Terminated": (),
}
LASTING = ("Placed", "Allocated", "Preempted", "Paused", "Resumed", "Terminated")


class Market(RuleBasedStateMachine):
    """Bids of all sizes in two busy pools and a made-up market of none, through the API, with time and mishaps."""

    bids = Bundle("bids")
    volumes = Bundle("volumes")

    @initialize(seed=st.integers(1, 50))
    def open(self, seed: int) -> None:
        self.simulator = Simulator.open(":memory:", seed=seed)
        self.db = self.simulator._db
        self.project = self.call("GET", "/v2/projects")[0]["fid"]
        self.made = 0
        self.back: dict[str, int] = {}  # bids that were taken back: when (ms) they are in the auction again
        for (kind, region), units in SOLD.items():  # so little stock that bids get in each other's way
            pool = "(SELECT pool FROM auctions WHERE instance_type = ? AND region = ?)"
            self.db.execute(f"DELETE FROM orders WHERE pool = {pool}", (kind, region))
            self.db.execute(f"UPDATE pools SET units = ?, changed = 1 WHERE seq = {pool}", (units, kind, region))
        rounds.settle(self.db, stored_now(self.db), seed)

    def teardown(self) -> None:
        if hasattr(self, "simulator"):
            self.simulator.close()

    def call(self, method: str, path: str, body: Any = None) -> Any:
        data = json.dumps(body).encode() if body is not None else b""
        answer = self.simulator.handle(Request.to(method, path, HEADERS, data))
        assert answer.status < 500
        return answer.json if answer.status in (200, 201) else None

    @rule(target=volumes, interface=st.sampled_from(["Block", "File"]), size=st.integers(1, 500))
    def create_volume(self, interface: str, size: int) -> Any:
        self.made += 1
        body = {"name": f"v{self.made}", "project": self.project, "disk_interface": interface}
        return self.call("POST", "/v2/volumes", body | {"region": "us-central2-a", "size_gb": size})["fid"]

    def place(self, sold: tuple[str, str], dollars: int, quantity: int, volume: str | None) -> Any:
        self.made += 1
        body = {
            "project": self.project,
            "instance_type": sold[0],
            "region": sold[1],
            "limit_price": f"${dollars}.00",
            "instance_quantity": quantity,
            "name": f"b{self.made}",
            "launch_specification": {"volumes": [volume] if volume else [], "ssh_keys": []},
        }
        placed = self.call("POST", "/v2/spot/bids", body)
        return placed["fid"] if placed else multiple()

    @rule(
        target=bids,
        sold=st.sampled_from(sorted(SOLD)),
        dollars=st.integers(12, 60),
        quantity=st.sampled_from([1, 1, 1, 2, 3, 8]),
        volume=st.none() | volumes,
    )
    def place_some(self, sold: tuple[str, str], dollars: int, quantity: int, volume: str | None) -> Any:
        return self.place(sold, dollars, quantity, volume)

    @rule(target=bids, sold=st.sampled_from(sorted(SOLD)), dollars=st.integers(61, 90), more=st.sampled_from([0, 0, 1]))
    def crowd_out(self, sold: tuple[str, str], dollars: int, more: int) -> Any:
        """All the stock, or one too many; and time enough for what runs to be on notice and what won to start."""
        self.advance(400)
        weight = self.db.execute("SELECT weight FROM auctions WHERE instance_type = ? AND region = ?", sold).fetchone()[
            0
        ]
        bid = self.place(sold, dollars, SOLD[sold] // weight + more, None)
        self.call("GET", f"/v2/spot/bids?project={self.project}")
        self.advance(250)
        return bid

    @rule(bid=bids, dollars=st.integers(12, 60))
    def change_limit(self, bid: str, dollars: int) -> None:
        self.call("PATCH", f"/v2/spot/bids/{bid}", {"limit_price": f"${dollars}.00"})

    @rule(bid=bids, paused=st.booleans(), volume=st.none() | volumes)
    def pause_or_resume(self, bid: str, paused: bool, volume: str | None) -> None:
        changes = {"volumes": [volume] if volume else []} if paused else {}
        self.call("PATCH", f"/v2/spot/bids/{bid}", {"paused": paused} | changes)

    @rule(bid=bids)
    def take_back(self, bid: str) -> None:
        if self.call("GET", f"/v2/spot/bids/{bid}")["status"] == "Allocated":
            self.simulator.faults.preempt(bid, seconds=AWAY)
            self.back[bid] = stored_now(self.db) + AWAY * 1000

    @rule(bid=consumes(bids))
    def cancel(self, bid: str) -> None:
        self.call("DELETE", f"/v2/spot/bids/{bid}")
        assert not self.db.execute(
            "SELECT 1 FROM attachments a JOIN bids b ON b.seq = a.bid AND b.fid = ?", (bid,)
        ).fetchone()

    @rule(volume=volumes)
    def delete_volume(self, volume: str) -> None:
        self.call("DELETE", f"/v2/volumes/{volume}")

    @rule(seconds=st.sampled_from([1, 30, 119, 300, 900, 3_600, 20_000]))
    def let_time_pass(self, seconds: int) -> None:
        self.advance(seconds)

    def advance(self, seconds: int) -> None:
        self.simulator.advance(timedelta(seconds=seconds))

    # --- what always holds ---

    @invariant()
    def prices_are_the_rule_on_the_visible_book(self) -> None:
        self.call("GET", "/v2/spot/availability")
        returned = self.returned()
        pools = self.db.execute("SELECT seq, units, reserve, free, changed FROM pools").fetchall()
        for pool, units, reserve, free, changed in pools:
            rows = self.db.execute("SELECT seq, rank, units, winning FROM orders WHERE pool = ?", (pool,)).fetchall()
            if changed:  # only by who came back since the last round: the next considers him
                considered = [row for row in rows if row[0] not in returned]
                assert len(considered) < len(rows)
                rows = considered
            book = [Bidder(-rank, seq, needed) for seq, rank, needed, _ in rows]
            winners = winners_of(units, reserve, book)
            assert {seq for seq, _, _, wins in rows if wins} == {winner.age for winner in winners}
            assert sum(winner.units for winner in winners) == units - free <= units
            price = price_of(reserve, book, winners)
            assert all(reserve <= price <= winner.limit for winner in winners)
            for weight, shown in self.db.execute("SELECT weight, price_cents FROM auctions WHERE pool = ?", (pool,)):
                assert shown == cents_of(price, weight)

    def returned(self) -> set[int]:
        """The bids that came back into the auction since the last round, by seq."""
        now = stored_now(self.db)
        ids = [bid for bid, at in self.back.items() if now // ROUND * ROUND < at <= now]
        return {self.db.execute("SELECT seq FROM bids WHERE fid = ?", (id,)).fetchone()[0] for id in ids}

    @invariant()
    def machines_fit_into_the_stock(self) -> None:
        """Those of one's own that run, those of rivals, and those of rivals on notice."""
        now = stored_now(self.db)
        for pool, units in self.db.execute("SELECT seq, units FROM pools").fetchall():
            (own,) = self.db.execute(
                "SELECT coalesce(sum(a.weight), 0) FROM instances i JOIN auctions a ON a.seq = i.auction"
                " WHERE a.pool = ? AND i.ssh_destination IS NOT NULL",
                (pool,),
            ).fetchone()
            (rivals,) = self.db.execute(
                "SELECT coalesce(sum(units), 0) FROM orders o WHERE pool = ? AND own = 0 AND (winning = 1 OR seq IN"
                " (SELECT seq FROM handovers WHERE at > ?)) AND seq NOT IN"
                " (SELECT seq FROM handovers WHERE begins AND at > ?)",
                (pool, now, now),
            ).fetchone()
            assert own + rivals <= units

    @invariant()
    def who_waits_wins_and_who_is_on_notice_does_not(self) -> None:
        rows = self.db.execute(
            "SELECT h.begins, o.winning FROM handovers h LEFT JOIN orders o ON o.pool = h.pool AND o.seq = h.seq"
            " WHERE h.at > ?",
            (stored_now(self.db),),
        )
        assert all(winning == begins or (winning is None and not begins) for begins, winning in rows)

    @invariant()
    def machines_follow_their_bids(self) -> None:
        rows = self.db.execute("SELECT b.status, i.status FROM instances i JOIN bids b ON b.seq = i.bid")
        assert all(machine.removeprefix("STATUS_") in OF_BID[bid] for bid, machine in rows)

    @invariant()
    def quotas_are_sums(self) -> None:
        held = Counter(
            dict(
                self.db.execute(
                    "SELECT instance_type, sum(quantity) FROM bids WHERE status IN ('Allocated', 'Preempting')"
                    " GROUP BY instance_type"
                ).fetchall()
            )
        )
        held[""] = self.db.execute("SELECT coalesce(sum(size_gb), 0) FROM volumes WHERE deleted_at IS NULL").fetchone()[
            0
        ]
        claimed = dict(
            self.db.execute(
                "SELECT instance_type, sum(quantity) FROM bids WHERE status NOT IN ('Paused', 'Terminated')"
                " GROUP BY instance_type"
            ).fetchall()
        )
        claimed[""] = held[""]
        for instance_type, *counted in self.db.execute("SELECT instance_type, used, claimed FROM quotas"):
            assert counted == [held[instance_type], claimed.get(instance_type, 0)]

    @invariant()
    def blocks_have_one_writer(self) -> None:
        rows = self.db.execute(
            "SELECT v.interface, v.deleted_at, count(*) FROM attachments a JOIN volumes v ON v.seq = a.volume"
            " GROUP BY v.seq"
        )
        assert all(deleted is None and (interface == "File" or users == 1) for interface, deleted, users in rows)

    @invariant()
    def no_status_is_skipped(self) -> None:
        for (instance,) in self.db.execute("SELECT seq FROM instances").fetchall():
            before = None
            for _, status in self.events(instance):
                name = status.removeprefix("STATUS_")
                assert name in NEXT[before], (before, name)
                before = name
        for (bid,) in self.db.execute("SELECT seq FROM bids").fetchall():
            before = None
            rows = self.db.execute("SELECT event_type FROM bid_events WHERE bid = ? ORDER BY rowid", (bid,))
            for (kind,) in rows:
                if kind in LASTING:
                    assert kind in BID_NEXT[before], (before, kind)
                    before = kind

    def events(self, instance: int) -> list[tuple[int, str]]:
        return self.db.execute(
            "SELECT at, status FROM instance_events WHERE instance = ? ORDER BY rowid", (instance,)
        ).fetchall()

    @invariant()
    def bills_are_running_time_at_the_price_of_each_moment(self) -> None:
        page = self.call("GET", f"/v2/instances/pricing/history?project={self.project}")
        for row in page["instances"]:
            instance, auction = self.db.execute(
                "SELECT seq, auction FROM instances WHERE fid = ?", (row["instance_fid"],)
            ).fetchone()
            billed = [(p["start_time"], p["end_time"], p["price_cents"]) for p in row["events"]]
            assert sum(self.milliseconds(start, end) * price for start, end, price in billed) == sum(
                self.due(instance, auction)
            )
            prices = self.db.execute("SELECT price_cents FROM price_events WHERE auction = ?", (auction,)).fetchall()
            assert {price for _, _, price in billed} <= {price for (price,) in prices}
            assert all(end is not None and end <= start for (_, end, _), (start, _, _) in pairwise(billed))

    def milliseconds(self, start: str, end: str | None) -> int:
        from flowplan.simulator.clock import from_iso, to_ms

        return (from_iso(end) if end else to_ms(self.simulator.now())) - from_iso(start)

    def due(self, instance: int, auction: int) -> Iterator[int]:
        """Cents times milliseconds, computed another way: from each moment in which anything changes to the next.

        Looks at nothing but recorded prices: on notice, at the one of the last moment before in which it ran.
        """
        now = self.db.execute("SELECT now FROM clock").fetchone()[0]
        states = self.events(instance)
        prices = self.db.execute("SELECT at, price_cents FROM price_events WHERE auction = ?", (auction,)).fetchall()
        moments = sorted({at for at, _ in [*states, *prices]} | {now})
        won_at = None  # the price of the last moment in which it ran; None: it has not begun to
        for at, until in pairwise(moments):
            for reached in (status for when, status in states if when == at):  # several, where the clock stands still
                if reached == "STATUS_RUNNING":
                    won_at = in_force(prices, at - 1) if won_at is None else won_at
                elif reached != "STATUS_PREEMPTING":
                    won_at = None
            status = in_force(states, at) if states and states[0][0] <= at else None
            if status == "STATUS_RUNNING":
                won_at = in_force(prices, at)
            elif status != "STATUS_PREEMPTING":
                won_at = None
            if won_at is not None:
                yield (until - at) * won_at


def in_force(steps: list[tuple[int, Any]], at: int) -> Any:
    return [what for since, what in steps if since <= at][-1]


class TestMarket(Market.TestCase):
    settings = settings(
        max_examples=8,
        stateful_step_count=30,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes, and tells little
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.slow
class TestMarketLong(TestMarket):
    settings = settings(TestMarket.settings, max_examples=1_000, stateful_step_count=60)
