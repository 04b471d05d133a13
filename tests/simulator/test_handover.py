"""Who waits for whom when winners change: no GPU is sold twice, and nobody waits for machines that never ran."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flowplan.simulator import Simulator
from flowplan.simulator.auctions.clearing import NOTICE, Entry, Handovers, outcome
from flowplan.simulator.clock import MINUTE
from tests.conftest import examples

from .conftest import Api

STOCK = 8
UNITS = (1, 1, 2, 2, 3, 4, 8)
CHANGES = st.lists(st.tuples(st.integers(0, 4), st.permutations(range(len(UNITS)))), max_size=12)


class Machines:
    """When the machines of each order run, in minutes, told by what clearings say and by nothing else."""

    def __init__(self) -> None:
        self.runs: dict[int, tuple[int, int]] = {}

    def used(self, minute: int, *, but: int = -1) -> int:
        return sum(UNITS[order] for order, (start, end) in self.runs.items() if start <= minute < end and order != but)

    def win(self, order: int, now: int, start: int) -> None:
        since, until = self.runs.get(order, (0, 0))
        goes_on = since <= now < until
        assert start == now or not goes_on
        self.runs[order] = (since if goes_on else start, 1 << 40)

    def lose(self, order: int, now: int) -> None:
        start = self.runs[order][0]
        self.runs[order] = (start, now + NOTICE // MINUTE) if start <= now else (now, now)


@examples(300)
@given(changes=CHANGES)
def test_no_unit_is_used_twice_and_none_waits_in_vain(changes: list[tuple[int, list[int]]]) -> None:
    machines, handovers, before, now = Machines(), Handovers(), set[int](), 0
    for minutes, wanted in changes:
        now += minutes
        wins = fitting(wanted)
        entries = {order: Entry(0, order, units, 1, 0) for order, units in enumerate(UNITS)}
        won, lost = sorted(wins - before), sorted(before - wins)
        found = outcome(
            STOCK,
            handovers,
            [entries[order] for order in before],
            [entries[order] for order in won],
            [entries[order] for order in lost],
            now * MINUTE,
        )
        assert ([order for order, _ in found.won], found.lost) == (won, lost)
        for order in lost:
            machines.lose(order, now)
        for order, at in [*found.won, *found.moved]:
            machines.win(order, now, at // MINUTE)
        handovers, before = found.handovers, wins
        assert all(machines.used(minute) <= STOCK for minute in range(now, now + 12))
        for order, at in found.won:
            start = at // MINUTE
            earlier = range(start - 1, now + 12)
            assert start == now or any(machines.used(m, but=order) + UNITS[order] > STOCK for m in earlier)


def fitting(wanted: list[int]) -> set[int]:
    """The first of `wanted` that fit into the stock together."""
    chosen: set[int] = set()
    for order in wanted:
        if sum(UNITS[one] for one in chosen) + UNITS[order] <= STOCK:
            chosen.add(order)
    return chosen


def test_what_never_ran_holds_nothing(local: Api, simulator: Simulator) -> None:
    """Bids for the whole stock, each displacing the one before at once: the last waits for the rivals, once."""
    for number in range(3):
        last = local.placed(f"t{number}", instance_quantity=64, limit_price=f"${50 + number}.00")
    noticed, waiting = simulator._db.execute(
        "SELECT (SELECT sum(units) FROM handovers WHERE NOT begins), (SELECT count(*) FROM handovers WHERE begins)"
    ).fetchone()
    assert 0 < noticed <= 64
    assert waiting == 1
    simulator.advance(600)
    assert statuses(local, last) == ["STATUS_RUNNING"] * 64


def test_a_cancelled_bid_on_notice_holds_nothing(local: Api, simulator: Simulator) -> None:
    first = local.placed("first", instance_quantity=64, limit_price="$50.00")
    simulator.advance(900)
    second = local.placed("second", instance_quantity=64, limit_price="$60.00")
    local("DELETE", f"/v2/spot/bids/{first}")
    local("DELETE", f"/v2/spot/bids/{second}")
    third = local.placed("third")
    simulator.advance(2)
    assert statuses(local, third) == ["STATUS_CONFIRMED"]


def statuses(api: Api, bid: str) -> list[str]:
    rows = api.get("/v2/instances", project=api.project, bid_fid_in=bid)["data"]
    return [row["status"] for row in rows]
