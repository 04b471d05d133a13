"""When a task is at the end of its lifetime: each bound alone, just before it and just at it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from flowplan.diagnostics import Position
from flowplan.model.address import Address
from flowplan.model.lifecycle import Lifetime
from flowplan.model.live import Live
from flowplan.model.resources import Ends
from flowplan.planning.lifetimes import (
    Machine,
    Seen,
    hours_run,
    is_why,
    needs_bills,
    needs_instances,
    over,
    past,
    unknown,
)
from flowplan.pricing.billing import Billed, Bills
from tests.builders import bid, bound, live, live_bid, state

TASK = Address("bid", "train")
NOON = datetime(2026, 11, 2, 12, tzinfo=UTC)


def lifetime(
    hours: str | None = None, cost: str | None = None, end: datetime | None = None, *, done: bool = False
) -> Lifetime:
    money = Decimal(cost) if cost else None
    return Lifetime(Decimal(hours) if hours else None, money, end, done, Position("stack.yaml", 1, 1))


def billed(hours: float, instance: str = "i1", *, ago: float = 0.0, price: str = "10") -> Billed:
    """An instance ran for `hours` until `ago` hours before noon."""
    end = NOON - timedelta(hours=ago)
    return Billed("bid_1", instance, Decimal(price), end - timedelta(hours=hours), end)


def why(of: Lifetime, *periods: Billed, statuses: tuple[str, ...] = (), **how: Any) -> str | None:
    quantity, named = how.get("quantity", max(len(statuses), 1)), how.get("named", ())
    there = live(live_bid(bid(instance_quantity=quantity), status=how.get("status", "Allocated"), instances=named))
    machines = tuple(Machine(f"i{index}", "bid_1", one) for index, one in enumerate(statuses))
    seen = Seen(NOON, Bills(periods) if "billed" not in how else how["billed"], how.get("instances", machines))
    return over({TASK: of}, state(bound(TASK, "bid_1", bid())), there, seen).get(TASK)


SHUT = ("STATUS_TERMINATED", "STATUS_STOPPED")


@pytest.mark.parametrize(
    ("of", "periods", "statuses", "expected"),
    [
        (lifetime("12"), [billed(11.99)], (), None),
        (lifetime("12"), [billed(12)], (), "it has run 12.0 hours, of max_hours 12"),
        (lifetime("12"), [billed(6), billed(6, ago=10)], (), "it has run 12.0 hours, of max_hours 12"),
        (lifetime("12"), [billed(8), billed(8, "i2")], (), None),  # side by side: each has run 8
        (lifetime("12"), [], (), None),  # it waits, and runs up nothing
        (lifetime(cost="100"), [billed(9.99)], (), None),
        (lifetime(cost="100"), [billed(5), billed(5, "i2")], (), "it has cost $100.00, of max_cost $100.00"),
        (lifetime(end=NOON + timedelta(seconds=1)), [], (), None),
        (lifetime(end=NOON), [], (), "its end_at, 2026-11-02 12:00 UTC, has passed"),
        (lifetime(done=True), [], SHUT, "its instances have shut down"),
        (lifetime(done=True), [], (*SHUT, "STATUS_RUNNING"), None),
        (lifetime(done=True), [], (*SHUT, "STATUS_STOPPING"), None),  # it may still be charged, and still write
        (lifetime(done=True), [], (*SHUT, "STATUS_PREEMPTED"), None),
        (lifetime(done=True), [], (*SHUT, "STATUS_ERROR"), None),
        (lifetime(done=True), [], (), None),  # it has no instance yet
        (lifetime("99"), [billed(12)], SHUT, None),  # nobody asked for when_done
    ],
)
def test_each_bound(of: Lifetime, periods: list[Billed], statuses: tuple[str, ...], expected: str | None) -> None:
    found = why(of, *periods, statuses=statuses)
    assert found == expected
    assert is_why(found) is (found is not None)


def test_what_is_not_known_ends_nothing() -> None:
    assert why(lifetime("1", "1", done=True), billed=None, instances=None) is None


def test_what_an_earlier_run_found_over_stays_so_unless_it_is_seen_not_to_be() -> None:
    """It was killed before it cancelled the bid."""

    def again(seen: Seen) -> str | None:
        ending = state(bound(TASK, "bid_1", bid(), ended="lifetime"))
        return over({TASK: lifetime("12")}, ending, live(live_bid(bid(), status="Allocated")), seen).get(TASK)

    assert again(Seen(NOON, None)) == "an earlier run found it over, and ended before the bid was cancelled"
    assert is_why(again(Seen(NOON, None)))
    assert again(Seen(NOON, Bills((billed(11),)))) is None
    in_part = Bills((billed(11),), {"bid_1": "an instance lacks the list 'events'"})
    assert again(Seen(NOON, in_part)) == "an earlier run found it over, and ended before the bid was cancelled"
    assert again(Seen(NOON, Bills((billed(12),)))) == "it has run 12.0 hours, of max_hours 12"


def test_a_preempted_bid_is_not_done() -> None:
    """Its instances are down, and come back."""
    assert why(lifetime(done=True), statuses=SHUT, status="Open") is None


def test_an_instance_that_no_list_shows_yet_may_run() -> None:
    assert why(lifetime(done=True), statuses=SHUT, quantity=3) is None
    moved_elsewhere = ("i0", "i2")  # the bid names the instance that takes the place of one that was shut down
    assert why(lifetime(done=True), statuses=SHUT, named=moved_elsewhere) is None
    assert why(lifetime(done=True), statuses=SHUT, named=("i0", "i1")) == "its instances have shut down"


def test_what_is_yet_to_be_placed_is_held_to_the_clock_only() -> None:
    assert past(lifetime("0.1", "0.01", NOON + timedelta(seconds=1)), NOON) is None
    assert past(lifetime(end=NOON), NOON) == "its end_at, 2026-11-02 12:00 UTC, has passed"


def test_what_is_not_live_ends_by_the_clock_only() -> None:
    late = {TASK: lifetime("1", end=NOON)}
    assert over(late, state(), live(), Seen(NOON)) == {TASK: "its end_at, 2026-11-02 12:00 UTC, has passed"}
    billed_9 = Seen(NOON, Bills((billed(9),)))
    assert over({TASK: lifetime("1")}, state(), live(), billed_9) == {}
    ended = live(live_bid(bid(), status="Terminated"))
    assert over({TASK: lifetime("1")}, state(bound(TASK, "bid_1", bid())), ended, billed_9) == {}


def test_what_still_runs_counts_until_now() -> None:
    assert hours_run([Billed("bid_1", "i1", Decimal(1), NOON - timedelta(hours=3))], NOON) == 3


def test_hours_are_those_of_the_bid_whichever_instances_it_had() -> None:
    """FCP moves an instance to another machine by starting one in its place (STATUS_REPLACED)."""

    def ran(instance: str, first: int, last: int | None) -> Billed:
        end = None if last is None else NOON - timedelta(hours=last)
        return Billed("bid_1", instance, Decimal(1), NOON - timedelta(hours=first), end)

    assert hours_run([ran("i1", 12, 6), ran("i2", 5, None)], NOON) == 11
    assert hours_run([ran("i1", 12, 6), ran("i2", 12, 7), ran("i3", 7, 5)], NOON) == 7
    assert hours_run([ran("i1", 12, None), ran("i1", 8, 6)], NOON) == 12
    assert hours_run([ran("i1", 12, 6), ran("i1", 6, 6), ran("i1", 4, 3)], NOON) == 7
    assert why(lifetime("11"), ran("i1", 12, 6), ran("i2", 5, None)) == "it has run 11.0 hours, of max_hours 11"


def test_only_what_a_bound_needs_is_asked_for() -> None:
    assert not needs_bills({TASK: lifetime(end=NOON, done=True)})
    assert needs_bills({TASK: lifetime("1")}) and needs_bills({TASK: lifetime(cost="1")})
    assert needs_instances({TASK: lifetime(done=True)}) and not needs_instances({TASK: lifetime("1")})


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (None, None),
        (lifetime(cost="5"), None),  # no instance knows what it costs
        (lifetime("1.5"), Ends(90, None, when_done=False)),
        (lifetime("0.001"), Ends(1, None, when_done=False)),
        (lifetime(end=NOON), Ends(None, 1793620800, when_done=False)),
        (lifetime(done=True), Ends(None, None, when_done=True)),
    ],
)
def test_what_the_instances_can_keep_themselves(of: Lifetime | None, expected: Ends | None) -> None:
    assert Ends.of(of) == expected


def runs(hours: float) -> Billed:
    """An instance of the bill that runs still, since so many `hours` before noon."""
    return Billed("bid_1", "i0", Decimal(10), NOON - timedelta(hours=hours), None)


def told(
    of: Lifetime, *periods: Billed, placed: float | None, statuses: tuple[str, ...] = (), **how: Any
) -> str | None:
    """What of a lifetime cannot be checked, of a bid of $10 an hour placed so many hours ago."""
    created = "" if placed is None else (NOON - timedelta(hours=placed)).isoformat()
    wanted = bid(instance_quantity=how.get("quantity", 1), limit_price=Decimal(10))
    status, named = how.get("status", "Allocated"), how.get("named", ())
    there = live(live_bid(wanted, status=status, created_at=created, instances=named))
    machines = tuple(Machine(f"i{index}", "bid_1", one) for index, one in enumerate(statuses))
    return unseen({TASK: of}, there, Seen(NOON, Bills(periods), machines))


def unseen(lifetimes: dict[Address, Lifetime], there: Live, seen: Seen) -> str | None:
    """What of the lifetime cannot be checked."""
    found = unknown(lifetimes, state(bound(TASK, "bid_1", bid())), there, seen).get(TASK)
    return found.unseen if found is not None else None


RUNS, STARTS = "STATUS_RUNNING", "STATUS_STARTING"


@pytest.mark.parametrize(
    ("of", "periods", "placed", "statuses", "expected"),
    [
        (lifetime("12"), [], 12.0, (RUNS,), "max_hours"),
        (lifetime("12"), [], 11.9, (RUNS,), None),  # it cannot have run so long
        (lifetime("12"), [], None, (RUNS,), "max_hours"),  # nobody says when it was placed
        (lifetime("12"), [], 99.0, (), "max_hours"),  # nor whether an instance runs
        (lifetime("12"), [], 99.0, (STARTS,), None),  # it waited long, and is not charged yet
        (lifetime("12"), [], 99.0, SHUT, None),
        (lifetime("12"), [runs(1)], 99.0, (RUNS,), None),
        (lifetime("12"), [billed(10, "i0", ago=2)], 99.0, (RUNS,), "max_hours"),  # the bill breaks off
        (lifetime("12"), [billed(10, "i0", ago=1)], 99.0, (RUNS,), None),
        (lifetime("12"), [billed(11, "i0", ago=-12)], 99.0, (RUNS,), "max_hours"),  # the bill of a day to come
        (lifetime(cost="100"), [], 10.0, (RUNS,), "max_cost"),
        (lifetime(cost="100"), [], 9.9, (RUNS,), None),
        (lifetime(cost="100"), [], 5.0, (RUNS, RUNS), "max_cost"),  # each of the two may have cost $50
        (lifetime(cost="100"), [], 4.9, (RUNS, RUNS), None),
        (lifetime(cost="100"), [runs(1)], 5.0, (RUNS, RUNS), None),
        (lifetime(cost="100"), [runs(1)], 9.0, (RUNS, RUNS), "max_cost"),  # the second one may have cost $90
        (lifetime("12"), [runs(1)], 99.0, (RUNS, RUNS), None),  # the hours are those of the bid
        (lifetime("12", "100"), [], 99.0, (RUNS,), "max_hours and max_cost"),
        (lifetime(end=NOON + timedelta(hours=1)), [], 99.0, (RUNS,), None),
    ],
)
def test_what_runs_and_is_in_no_bill_may_be_past_its_lifetime(
    of: Lifetime, periods: list[Billed], placed: float | None, statuses: tuple[str, ...], expected: str | None
) -> None:
    assert told(of, *periods, placed=placed, statuses=statuses, quantity=max(len(statuses), 1)) == expected


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-11-02T12:04:59Z", None),  # two clocks of one API, of which neither is wrong
        ("2026-11-02T12:05:01Z", "max_hours"),
        ("2031-01-01T00:00:00Z", "max_hours"),
        ("9999-12-31T23:59:59-12:00", "max_hours"),  # which is in no year
        ("2026-11-02T11:00:00", None),  # without a zone it is UTC
        ("0001-01-01T00:00:00Z", "max_hours"),
        ("soon", "max_hours"),
    ],
)
def test_by_a_time_that_is_yet_to_come_no_bid_has_run_for_0_hours(created: str, expected: str | None) -> None:
    """It was placed before that, and nobody knows when."""
    there = live(live_bid(bid(instance_quantity=1), status="Allocated", created_at=created))
    machine = Machine("i0", "bid_1", RUNS, created)
    bounds = {TASK: lifetime("12")}
    assert unseen(bounds, there, Seen(NOON, Bills(), (machine,))) == expected
    assert unseen(bounds, there, Seen(NOON, Bills(), ())) == expected


@pytest.mark.parametrize(
    ("of", "periods", "statuses", "named", "expected"),
    [
        (lifetime(cost="100"), [runs(9)], (RUNS,), (), "max_cost"),  # the other one may have cost as much
        (lifetime(cost="200"), [runs(9)], (RUNS,), (), None),
        (lifetime("8"), [], (STARTS,), (), "max_hours"),
        (lifetime("8"), [], (STARTS, STARTS), (), None),
        (lifetime("8"), [], (SHUT[0], STARTS), ("i1", "i2"), "max_hours"),  # the first is an earlier one of the bid
    ],
)
def test_an_instance_that_neither_list_nor_bill_has_may_run(
    of: Lifetime, periods: list[Billed], statuses: tuple[str, ...], named: tuple[str, ...], expected: str | None
) -> None:
    """A bid has all of its instances, or none."""
    found = told(of, *periods, placed=9.0, statuses=statuses, quantity=2, named=named)
    assert found == expected


@pytest.mark.parametrize("status", ["Open", "Paused", "Relocating"])
def test_what_does_not_run_needs_no_bill(status: str) -> None:
    assert told(lifetime("12"), placed=99.0, status=status) is None


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        ((0.2,), None),  # it waited for nearly all the time
        ((12.0,), "max_hours"),
        ((0.2, 12.0), "max_hours"),
        ((0.2, None), "max_hours"),  # nobody says since when the other may run
        ((99.0,), "max_hours"),
    ],
)
def test_what_runs_is_in_no_bill_from_its_instances_on(made: tuple[float | None, ...], expected: str | None) -> None:
    """A bid that waited for days and has just begun to run is not past its lifetime because its bill lags."""
    created = (NOON - timedelta(hours=50)).isoformat()
    there = live(live_bid(bid(instance_quantity=len(made)), status="Allocated", created_at=created))
    times = ["" if one is None else (NOON - timedelta(hours=one)).isoformat() for one in made]
    machines = tuple(Machine(f"i{n}", "bid_1", RUNS, at) for n, at in enumerate(times))
    assert unseen({TASK: lifetime("12")}, there, Seen(NOON, Bills(), machines)) == expected
    ended = billed(1, "i9", ago=30)  # an earlier instance, whose bill is whole
    assert unseen({TASK: lifetime("12")}, there, Seen(NOON, Bills((ended,)), machines)) == expected


def test_an_instance_that_ended_later_is_not_the_one_whose_bill_breaks_off() -> None:
    runs_on, ended = billed(1, "i0", ago=13), billed(1, "i9", ago=1)
    assert told(lifetime("12"), runs_on, ended, placed=20.0, statuses=(RUNS,)) == "max_hours"
    assert told(lifetime("16"), runs_on, ended, placed=20.0, statuses=(RUNS,)) is None


def test_of_bills_that_break_off_the_last_ones_are_those_of_what_runs() -> None:
    first, last = billed(1, "i8", ago=10), billed(1, "i9", ago=2)
    assert told(lifetime("12"), first, last, placed=20.0) is None
    assert told(lifetime("4"), first, last, placed=20.0) == "max_hours"


def test_a_bill_that_breaks_off_is_that_of_one_instance() -> None:
    """The other one, which no list has, runs on since an earlier bill broke off."""
    listed, other = billed(1, "i0", ago=2), billed(1, "i8", ago=10)
    assert told(lifetime("12"), listed, other, placed=20.0, statuses=(RUNS,), quantity=2) == "max_hours"
    assert told(lifetime("12.1"), listed, other, placed=20.0, statuses=(RUNS,), quantity=2) is None


def test_a_bill_of_more_instances_than_there_are_hides_none_that_runs() -> None:
    others = [Billed("bid_1", one, Decimal(10), NOON - timedelta(hours=1), None) for one in ("i8", "i9")]
    assert told(lifetime(cost="110"), *others, placed=9.0, statuses=(RUNS,), quantity=2) == "max_cost"
    assert told(lifetime(cost="111"), *others, placed=9.0, statuses=(RUNS,), quantity=2) is None
