"""Forecasts, totals and advice: by hand on small streams, and what holds on any."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from random import Random

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.pricing.advice import advise_of
from flowplan.pricing.forecasting import Band, Forecast, forecast_of, nothing
from flowplan.pricing.history import Method, Stream, why_rough
from flowplan.pricing.sums import stack_totals
from flowplan.pricing.units import storage_per_hour
from tests import backtest
from tests.conftest import ROOT, examples
from tests.pricing.paths import CLOSE, NOW, D, Events, ago, days_and_nights, flat, wandering
from tests.work import grows_linearly


def forecast(
    events: Events, limit: Decimal | None, quantity: int, hours: float, entry: Decimal | None = None
) -> Forecast:
    return forecast_of(Stream.of(events, NOW), limit, quantity, hours, entry)


def known(band: Band) -> tuple[Decimal, Decimal, Decimal, Decimal]:
    assert band.p10 is not None and band.p50 is not None and band.p90 is not None and band.expected is not None
    return band.p10, band.p50, band.p90, band.expected


# ---- by hand --------------------------------------------------------------------------------------------


def test_a_price_that_never_moved_is_what_is_paid() -> None:
    found = forecast(flat("8"), D(12), 3, 24)
    assert found.cost == Band.sure(D(8 * 3 * 24))
    assert found.price_paid == Band.sure(D(8))
    assert found.availability == Band.sure(D(1))
    assert found.preemptions_per_day == Band.sure(D(0))
    assert found.worst_case == 12 * 3 * 24


def test_the_limit_itself_is_enough_and_a_cent_less_is_not() -> None:
    assert forecast(flat("8"), D(8), 1, 24).availability == Band.sure(D(1))
    below = forecast(flat("8"), D("7.99"), 1, 24)
    assert below.availability == below.cost == Band.sure(D(0))
    assert below.price_paid == Band()  # it never runs, so nothing is paid; that is not 0 dollars an hour


def test_a_day_of_days_and_nights() -> None:
    """A path that began at noon has 12 h at 10 and 12 h at 20; one that began at midnight is set to begin at 10 and
    stays within what was seen. Every path of 24 h has as much day as night, so as begun the bid runs half of it."""
    found = forecast_of(Stream.of(days_and_nights(), NOW), D(15), 1, 24)
    assert found.basis == "high"
    assert found.availability.p50 == D("0.5")
    assert found.price_paid.p50 == 10
    assert found.cost.p50 == 120
    assert found.worst_case == 360


def test_preemptions_are_counted_once_an_outage() -> None:
    """Twice a day the price passes the limit for an hour, once for two minutes: that is within the notice."""
    events = []
    for day in range(14):
        at = 336 - 24 * day
        for after, price in ((0, 10), (6, 30), (6.5, 31), (7, 10), (12, 30), (12.03, 10), (18, 30), (19, 10)):
            events.append((ago(at - after), D(price)))
    found = forecast_of(Stream.of(events, NOW), D(15), 1, 24)
    assert found.preemptions_per_day.p50 == 2


def test_work_waits_while_the_price_is_above_the_limit() -> None:
    """15 hours of work in 12-hour days: 12 now, 12 hours of night, 3 more; and a restart of 2 hours after the night."""
    stream = Stream.of(days_and_nights(), NOW)
    found = forecast_of(stream, D(15), 2, 24, work_hours=15).finish
    assert found is not None and (found.hours.p50, found.cost.p50) == (27, 15 * 10 * 2)
    again = forecast_of(stream, D(15), 2, 24, work_hours=15, restart_hours=2).finish
    assert again is not None and (again.hours.p50, again.cost.p50) == (29, 17 * 10 * 2)


def test_work_that_nothing_stops_is_done_in_its_hours_at_the_cost_of_the_horizon() -> None:
    found = forecast_of(Stream.of(wandering(1), NOW), None, 2, 10, work_hours=10)
    assert found.finish is not None
    assert found.finish.hours == Band.sure(D(10))
    assert found.finish.seen == 1
    assert found.finish.cost == found.cost


def test_work_that_never_runs_is_never_done() -> None:
    found = forecast_of(Stream.of(flat("8"), NOW), D(7), 1, 10, work_hours=10).finish
    assert found is not None and (found.hours, found.cost) == (Band(), Band())


def test_a_long_horizon_is_not_scaled_from_an_hour() -> None:
    """A month from 14 days: weeks are replayed, and it is said to be unsure."""
    found = forecast(flat("8"), D(12), 1, 730)
    assert (found.cost.p50, found.basis) == (8 * 730, "low")
    assert "paths of 168 h, taken for 730 h" in found.evidence


def test_the_price_at_entry_is_where_paths_begin() -> None:
    low = forecast(flat("8"), D(20), 1, 24)
    high = forecast(flat("8"), D(20), 1, 24, entry=D(16))
    assert (low.price_paid.p50, high.price_paid.p50) == (8, 16)
    assert forecast(flat("8"), D(12), 1, 24, entry=D(16)).availability.p50 == 0


# ---- how sure -------------------------------------------------------------------------------------------


def test_nothing_known_is_unknown_never_zero() -> None:
    found = forecast([], D(12), 2, 24)
    assert (found.basis, found.worst_case) == ("unknown", 12 * 2 * 24)
    assert found.cost == found.price_paid == found.availability == found.preemptions_per_day == Band()


def test_a_present_price_alone_is_a_point_within_all_that_is_possible() -> None:
    found = forecast([], D(12), 2, 24, entry=D(9))
    assert (found.basis, found.cost) == ("point-only", Band(None, D(9 * 48), D(12 * 48)))
    reserved = forecast_of(Stream.of(flat("9", 3), NOW, reserve=D(8)), D(12), 2, 24)
    assert (reserved.basis, reserved.cost.p10) == ("point-only", D(8 * 48))
    assert (reserved.price_paid.p10, reserved.price_paid.p50, reserved.price_paid.p90) == (8, 9, 12)


@pytest.mark.parametrize(
    ("events", "hours", "basis"),
    [
        (wandering(1), 24, "high"),
        (wandering(1), 72, "medium"),
        (wandering(1), 168, "medium"),
        (wandering(1), 169, "low"),
        (wandering(1, hours=170), 6, "high"),
        (wandering(1, hours=160), 6, "low"),
        (wandering(1, hours=23), 6, "point-only"),
        (wandering(1, events=15), 24, "low"),
        (flat("8"), 24, "low"),
        ([], 24, "unknown"),
    ],
)
def test_the_label_follows_from_how_much_is_known(events: Events, hours: float, basis: str) -> None:
    assert Stream.of(events, NOW).basis(hours) == basis


def test_a_price_at_rest_on_the_reserve_is_sure() -> None:
    assert Stream.of(flat("8"), NOW, reserve=D(8)).basis(24) == "high"
    assert Stream.of(wandering(1), NOW, complete=False).basis(24) == "low"


@pytest.mark.parametrize(
    ("hours", "why"),
    [
        (24, "few past prices are known"),
        (7 * 24, "few past prices are known"),  # of which more would make it better
        (7 * 24 + 1, "no more than 14 days of past prices are known"),
    ],
)
def test_why_a_forecast_is_rough(hours: float, why: str) -> None:
    assert why_rough(hours) == why
    full = Stream.of(wandering(1), NOW).basis(hours)
    assert (full == "low") is ("14 days" in why)


def test_a_thin_past_is_widened_by_what_the_present_says() -> None:
    events = [*flat("8", 100), (ago(1), D(11))]
    found = forecast(events, D(12), 1, 24, entry=D(12))
    p10, p50, p90, _ = known(found.cost)
    assert p10 <= 11 * 24 and p90 == 12 * 24 and p10 <= p50


# ---- what is strange ------------------------------------------------------------------------------------


def test_order_repetition_and_the_future_do_not_matter() -> None:
    events = wandering(2)
    mixed = [*reversed(events), (NOW + timedelta(hours=1), D(999)), *events]
    assert forecast(mixed, D(12), 1, 24) == forecast(events, D(12), 1, 24)
    assert Stream.of([(ago(2), D(5)), (ago(2), D(6))], NOW).last == 6
    assert Stream.of([(ago(2), D(5)), (ago(1), D(5)), (ago(0), D(5))], NOW).times == (-2.0,)


def test_the_price_from_before_the_window_holds_at_its_beginning() -> None:
    stream = Stream.of([(ago(900), D(7)), (ago(500), D(5)), (ago(100), D(6))], NOW)
    assert (stream.times, stream.prices) == ((-336.0, -100.0), (5.0, 6.0))


def test_prices_of_nothing_and_flashes() -> None:
    events = [*flat("0"), *((ago(330 - 10 * n), D("200" if n % 2 else "0.01")) for n in range(30)), (ago(1), D(0))]
    found = forecast(events, D(250), 4, 24)
    p10, p50, p90, _ = known(found.cost)
    assert 0 <= p10 <= p50 <= p90 <= 200 * 4 * 24
    assert forecast(flat("0"), D(1), 1, 24).cost == Band.sure(D(0))  # known to be nothing


def test_below_the_reserve_it_never_runs_and_paused_it_costs_nothing() -> None:
    found = forecast_of(Stream.of(flat("8"), NOW, reserve=D(8)), D(7), 1, 24)
    assert (found.cost.p90, found.availability.p90, found.at_limit) == (0, 0, 0)
    assert found.worst_case == 7 * 24  # should the reserve fall
    assert nothing(24, 2, D(9)).cost == Band.sure(D(0))


def test_what_the_hours_it_runs_would_cost_at_the_limit() -> None:
    """Half of the time it runs, for 10 of the 15 dollars that it would pay: waiting saves nothing."""
    found = forecast(days_and_nights(), D(15), 2, 24)
    assert found.cost.expected is not None and found.at_limit is not None and found.worst_case is not None
    assert abs(found.at_limit - found.cost.expected * D("1.5")) < CLOSE
    assert found.at_limit < found.worst_case * D("0.6")
    assert forecast(days_and_nights(), None, 2, 24).at_limit is None
    assert forecast([], D(15), 2, 24).at_limit is None


def test_the_lower_end_of_two_days_is_no_lower_than_that_of_one() -> None:
    """Of 14 days two in which it never runs are in the widened band of two days, not in that of one."""
    events = [(ago(336), D(10)), (ago(200), D(30)), (ago(150), D(10))]
    day, two = (forecast(events, D(15), 1, hours).cost for hours in (24, 48))
    assert day.p10 == two.p10 == 240


def test_without_a_limit_there_is_no_worst_case() -> None:
    found = forecast(wandering(3), None, 1, 24)
    assert found.worst_case is None and found.availability == Band.sure(D(1))


def test_a_horizon_is_longer_than_nothing() -> None:
    with pytest.raises(ValueError, match="horizon"):
        forecast(flat("8"), D(9), 1, 0)


# ---- what holds on any stream ---------------------------------------------------------------------------

streams = st.lists(
    st.tuples(st.integers(0, 4000), st.sampled_from([0, 1, 5, 80, 100, 101, 150, 20_000]) | st.integers(0, 3000)),
    min_size=1,
    max_size=40,
).map(lambda rows: [(ago(tenths / 10), D(cents) / 100) for tenths, cents in rows])
limits = st.integers(1, 4000).map(lambda cents: D(cents) / 100)
horizons = st.sampled_from([1, 6, 24, 72, 200])


@examples(60)
@given(streams, limits, st.integers(1, 16), horizons, st.none() | limits)
def test_figures_agree(events: Events, limit: Decimal, quantity: int, hours: int, entry: Decimal | None) -> None:
    found = forecast(events, limit, quantity, hours, entry)
    assert found == forecast(events, limit, quantity, hours, entry)
    assert found.worst_case == limit * quantity * hours
    for band in (found.cost, found.price_paid, found.availability, found.preemptions_per_day):
        ends = [end for end in (band.p10, band.p50, band.p90) if end is not None]
        assert ends == sorted(ends)
        assert all(end >= 0 for end in ends)
    assert found.cost.p90 is not None and found.cost.p90 <= found.worst_case
    if found.price_paid.p90 is not None:
        assert found.price_paid.p90 <= limit
    assert found.availability.p90 is not None and found.availability.p90 <= 1
    if found.replayed and found.basis != "low":
        stream = Stream.of(events, NOW)
        lowest = D(stream.bounds(stream.longest(hours), stream.level_of(entry))[0])
        assert found.price_paid.p10 is None or found.price_paid.p10 >= lowest - CLOSE
        for cost, up in zip(known(found.cost)[:3], known(found.availability)[:3], strict=True):
            assert cost <= limit * quantity * hours * (up + D("0.001")) + CLOSE


@examples(60)
@given(streams, limits, limits, horizons)
def test_a_higher_limit_runs_longer_and_costs_no_less(events: Events, one: Decimal, other: Decimal, hours: int) -> None:
    stream = Stream.of(events, NOW)
    low, high = (forecast_of(stream, limit, 1, hours) for limit in sorted((one, other)))
    if low.replayed and high.replayed:
        for less, more in zip(low.replayed.costs, high.replayed.costs, strict=True):
            assert less <= more + 1e-6
        for less, more in zip(known(low.availability), known(high.availability), strict=True):
            assert less <= more


@examples(60)
@given(streams, limits, st.integers(2, 9), horizons)
def test_more_instances_cost_as_many_times_as_much(events: Events, limit: Decimal, many: int, hours: int) -> None:
    stream = Stream.of(events, NOW)
    one, all_of = forecast_of(stream, limit, 1, hours), forecast_of(stream, limit, many, hours)
    assert one.availability == all_of.availability and one.price_paid == all_of.price_paid
    for single, together in zip(
        (one.cost.p10, one.cost.p50, one.cost.p90), (all_of.cost.p10, all_of.cost.p50, all_of.cost.p90), strict=True
    ):
        if single is None or together is None:
            assert single is together  # a present price alone, no reserve known
        else:
            assert abs(single * many - together) <= CLOSE * many


@examples(40)
@given(streams, limits, st.integers(1, 60), st.sampled_from([0.0, 0.5]))
def test_work_takes_at_least_its_hours(events: Events, limit: Decimal, wanted: int, restart: float) -> None:
    found = forecast_of(Stream.of(events, NOW), limit, 1, 24, work_hours=wanted, restart_hours=restart).finish
    if found is not None and found.hours.p10 is not None:
        assert found.hours.p10 >= wanted - CLOSE
        assert found.cost.p10 is not None and found.cost.p10 >= 0


@examples(40)
@given(streams, st.integers(1, 2000))
def test_the_same_at_any_size_of_money(events: Events, times: int) -> None:
    """Units mean nothing: in other money the same bid costs as many times as much."""
    one = forecast(events, D(20), 1, 24)
    other = forecast([(at, price * times) for at, price in events], D(20) * times, 1, 24)
    assert one.availability == other.availability
    assert one.cost.p50 is not None and other.cost.p50 is not None
    assert abs(one.cost.p50 * times - other.cost.p50) <= CLOSE * times


@examples(60)
@given(streams, limits, st.integers(1, 4), st.sampled_from([30.0, 48.0, 100.0, 730.0]))
def test_what_is_paid_in_a_day_stays_paid(events: Events, limit: Decimal, quantity: int, hours: float) -> None:
    """Ends of bands are moved further out the longer the horizon is; but a week costs no less than its first day."""
    day, longer = (forecast(events, limit, quantity, over) for over in (24, hours))
    if day.cost.p10 is None or longer.cost.p10 is None:
        return
    assert longer.cost.p50 is not None  # of a bid with too short a past p50 and the ends are known, but no mean
    assert min(day.cost.p10, longer.cost.p50) <= longer.cost.p10 <= longer.cost.p50
    sooner = stack_totals([], [day])
    total = stack_totals([], [longer], sooner=sooner)
    assert total.planned.cost == total.delta.cost == longer.cost
    gone = stack_totals([longer], [], sooner=stack_totals([day], []))
    assert -gone.delta.cost == gone.current.cost == longer.cost


# ---- several bids ---------------------------------------------------------------------------------------


def test_the_total_of_one_is_that_one() -> None:
    found = forecast(wandering(1), D(12), 2, 24)
    total = stack_totals([], [found])
    assert (total.planned.cost, total.planned.worst_case) == (found.cost, found.worst_case)
    assert total.delta.cost == total.planned.cost
    assert total.current.cost == Band.sure(D(0))


def test_opposite_prices_are_surer_together_than_apart() -> None:
    """One auction is dear when the other is cheap: the total hardly moves, though either may."""
    random = Random(4)
    ups = [(ago(336 - 6 * n), random.choice((10, 20))) for n in range(56)]
    one = Stream.of([(at, D(price)) for at, price in ups], NOW)
    other = Stream.of([(at, D(30 - price)) for at, price in ups], NOW)
    flat_method = Method(width=None)
    each = [forecast_of(stream, None, 1, 24, D(15), method=flat_method) for stream in (one, other)]
    total = stack_totals([], each).planned.cost
    apart = sum(known(found.cost)[2] - known(found.cost)[0] for found in each)
    assert known(total)[2] - known(total)[0] < apart / 2


def in_a_surge() -> Stream:
    """A price of 8 that goes up to 20 every other day, for six hours or for thirty; it has just done so again."""
    ups = [(336 - 48 * n, 6 if n % 2 else 30) for n in range(7)]
    days = [event for at, long in ups for event in ((ago(at), D(20)), (ago(at - long), D(8)))]
    return Stream.of([(ago(340), D(8)), *days, (ago(1), D(20))], NOW)


def test_a_bid_keeps_its_own_spread_beside_others() -> None:
    """What is like the present in one auction is not so in another: beside calm ones a bid is no surer than alone."""
    waits = forecast_of(in_a_surge(), D(12), 1, 24)
    low, _, high, mean = known(waits.cost)
    assert low < mean / 2 < mean < high
    calm = [[(ago(336 - 6 * n), D("8.0") + D(n * more % 3) / 100) for n in range(56)] for more in (1, 2, 4, 5, 7, 8)]
    others = [forecast(events, D(9), 1, 24) for events in calm]
    total = known(stack_totals([], [waits, *others]).planned.cost)
    for end, own in zip((total[0], total[2]), (low, high), strict=True):
        assert abs(end - own - 6 * 24 * D("8.01")) < 6 * 24 * D("0.02")
    assert known(stack_totals([waits, *others], others).delta.cost) == known(-waits.cost)


def test_what_is_certain_is_added_to_what_is_not() -> None:
    """Between the same ends, to the cent, whichever auction the certain part is of."""
    found, sure = forecast_of(in_a_surge(), D(12), 1, 24), forecast(flat("8"), D(9), 2, 24)
    assert known(sure.cost) == (D(384),) * 4
    assert known(stack_totals([], [found, sure]).planned.cost) == tuple(one + 384 for one in known(found.cost))


def copied(found: Forecast) -> Forecast:
    """An equal forecast that nobody takes for the same object."""
    return attrs.evolve(found, replayed=found.replayed and attrs.evolve(found.replayed))


@examples(40)
@given(streams, st.lists(st.tuples(limits, st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=4))
def test_bids_that_are_alike_add_up_as_if_each_were_added(
    events: Events, parts: list[tuple[Decimal, int, int]]
) -> None:
    """To the last digit."""
    stream = Stream.of(events, NOW)
    before: list[Forecast] = []
    after: list[Forecast] = []
    for limit, gone, new in parts:
        found = forecast_of(stream, limit, 1, 24)
        before += [found] * gone
        after += [found] * new
    apart = stack_totals([copied(one) for one in before], [copied(one) for one in after])
    assert stack_totals(before, after) == apart


def test_what_many_changed_bids_cost_more_is_no_more_work_for_each() -> None:
    stream = Stream.of(wandering(1), NOW)

    def work(count: int) -> Callable[[], object]:
        found = [forecast_of(stream, D(1000 + n) / 100, 1, 24) for n in range(2 * count)]
        return lambda: stack_totals(found[:count], found[count:])

    assert grows_linearly(work, 20)


@examples(40)
@given(st.lists(st.tuples(streams, limits, st.integers(1, 4)), min_size=1, max_size=3), st.integers(0, 5000))
def test_totals(parts: list[tuple[Events, Decimal, int]], gigabytes: int) -> None:
    found = [forecast(events, limit, quantity, 24) for events, limit, quantity in parts]
    storage = (storage_per_hour(gigabytes) * 24).quantize(D("0.000001"))  # so that every sum of it is exact
    total = stack_totals(found[:1], found, storage_planned=storage)
    worst = total.planned.worst_case
    assert worst == storage + sum(each.worst_case or 0 for each in found)
    ends = [end for end in (total.planned.cost.p10, total.planned.cost.p50, total.planned.cost.p90) if end is not None]
    assert ends == sorted(ends) and all(end <= worst + CLOSE for end in ends)
    assert total.delta.worst_case == worst - (found[0].worst_case or 0)
    same = stack_totals(found, found)
    assert same.delta.cost == Band.sure(D(0))


def test_a_part_that_is_unknown_makes_the_total_unknown_but_not_a_difference_it_is_not_in() -> None:
    sure = forecast(wandering(1), D(12), 1, 24)
    blank = forecast([], D(12), 1, 24)
    total = stack_totals([blank], [blank, sure])
    assert (total.planned.cost, total.planned.basis) == (Band(), "unknown")
    assert total.planned.worst_case == 2 * 12 * 24
    assert (total.delta.cost, total.delta.basis) == (sure.cost, "high")


def test_pasts_of_different_length_have_their_latest_paths_in_common() -> None:
    found = [forecast(wandering(n, hours=hours), D(12), 1, 30) for n, hours in ((1, 336), (2, 40))]
    assert found[0].replayed and found[1].replayed
    assert (found[0].replayed.step, found[1].replayed.step) == (1.0, 0.5)
    assert stack_totals([], found).planned.basis == "low"


def test_one_horizon() -> None:
    found = [forecast(flat("8"), D(9), 1, hours) for hours in (6, 24)]
    with pytest.raises(ValueError, match="horizon"):
        stack_totals([], found)


# ---- advice ---------------------------------------------------------------------------------------------


def test_the_limit_advised_is_what_past_windows_needed() -> None:
    """Half of every day costs 20: to run more than half of it takes 20, to run half of it 10."""
    stream = Stream.of(days_and_nights(), NOW)
    assert advise_of(stream, 0.95, 0.9, 24).limit_price == 20
    assert advise_of(stream, 0.5, 0.5, 24).limit_price == 10


def test_advice_is_a_limit_that_clears_and_says_what_it_costs_more() -> None:
    stream = Stream.of([(at, price + D("0.001")) for at, price in wandering(5)], NOW)
    advice = advise_of(stream, 0.95, 0.9, 24)
    now = forecast_of(stream, D(9), 3, 24)
    assert advice.limit_price is not None and advice.limit_price == advice.limit_price.quantize(D("0.01"))
    assert advice.forecast is not None and known(advice.forecast.availability)[0] >= D("0.9")
    assert advice.extra_cost_over(now) == known(advice.forecast.cost)[3] * 3 - known(now.cost)[3] > 0
    assert advise_of(Stream.of(flat("8.001"), NOW), 0.95, 0.9, 24).limit_price == D("8.01")  # up, not to the nearest


def test_a_surer_or_longer_promise_takes_a_higher_limit() -> None:
    stream = Stream.of(wandering(6), NOW)
    wanted = [advise_of(stream, up, sure, 24).limit_price for up, sure in ((0.5, 0.5), (0.5, 0.9), (0.95, 0.9))]
    assert all(low is not None and high is not None and low <= high for low, high in pairwise(wanted))


def test_no_more_is_promised_than_so_few_windows_can_bear() -> None:
    stream = Stream.of(wandering(6), NOW)
    assert advise_of(stream, 0.95, 0.9, 24).confidence == D("0.9")
    assert advise_of(stream, 0.95, 0.9, 168).confidence == D("0.8")


def test_without_a_past_there_is_no_advice() -> None:
    found = advise_of(Stream.of([], NOW), 0.95, 0.9, 24)
    assert (found.limit_price, found.confidence, found.basis) == (None, None, "unknown")
    assert found.extra_cost_over(nothing(24, 1, D(1))) is None


# ---- how much work --------------------------------------------------------------------------------------


def test_equal_questions_are_worked_out_once_and_easy_ones_not_event_by_event() -> None:
    stream = Stream.of(wandering(7, events=2000), NOW)

    def walked(limit: Decimal | None) -> int:
        before = stream.walked[0]
        forecast_of(stream, limit, 1, 24)
        return stream.walked[0] - before

    first = walked(D(12))
    paths = len(stream.paths(24))
    assert 0 < first <= paths * (2000 // 14 + 2)
    assert walked(D(12)) == 0
    assert forecast_of(stream, D(12), 5, 24).quantity == 5 and walked(D(12)) == 0  # another quantity: the same paths
    assert walked(D("0.50")) == 0  # never runs on any path
    flat_stream = Stream.of(flat("8"), NOW)
    forecast_of(flat_stream, D(9), 1, 24, work_hours=10)
    assert flat_stream.walked == [0]


def test_a_stack_of_fifty_bids_walks_no_more_than_fifty_forecasts() -> None:
    prepared = [Stream.of(wandering(n, events=500), NOW) for n in range(5)]
    found: list[Forecast] = [forecast_of(prepared[n % 5], D(8 + n // 10), 1, 24) for n in range(50)]
    before = [stream.walked[0] for stream in prepared]
    stack_totals(found[:25], found)
    assert before == [stream.walked[0] for stream in prepared]


def test_make_backtest_starts() -> None:
    [typed] = re.findall(
        r"^backtest:.*\n\t\$\(BIN\)/python (.*) \$\(DATA\)$", (ROOT / "Makefile").read_text(), re.MULTILINE
    )
    command = [sys.executable, *shlex.split(typed), "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "--half" in done.stdout


def test_the_backtest_measures_any_stream(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Of days that are all alike nothing is left to chance."""
    rows = [f"{at.isoformat()},{price}\n" for at, price in days_and_nights() if at < NOW]
    later = [f"{(at + timedelta(days=14)).isoformat()},{price}\n" for at, price in days_and_nights()]
    (tmp_path / "g2.2xlarge.csv").write_text("timestamp,dollars\n" + "".join(rows + later))
    stream = backtest.read(tmp_path / "g2.2xlarge.csv")
    assert (len(stream.at), stream.limit) == (57, D("0.65"))
    stream = stream._replace(limit=D(15))
    found = backtest.measure([stream], 3)
    backtest.report([stream.name], found.scores, found.advice)
    backtest.report_rules(found.rules, [stream.name], 3)
    assert backtest.skill(found.scores, "on-demand", 24, "flowplan", stream.name) > 0.9
    assert found.scores["on-demand", 24, "flowplan", stream.name].cover() == 1
    out = capsys.readouterr().out
    assert "advice for 95%" in out and "better than the advice on both: no simple rule" in out


def test_the_choice_of_figures_leaves_out_streams_at_rest(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backtest, "GRID", [backtest.METHOD._replace(widening=5)])
    month = [
        [(at - timedelta(days=14 * (1 - n)), price) for n in (0, 1) for at, price in wandering(seed + n, 100)]
        for seed in (1, 3)
    ]
    streams = [backtest.prices(name, events) for name, events in zip("ab", month, strict=True)]
    backtest.select([*streams, backtest.prices("rests", [(ago(672), D(8)), (NOW, D(8))])], 5)
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table if "widening 5" in line] == ["a", "b", "all", "width"]


# ---- paths as they were -----------------------------------------------------------------------------------


def test_the_paths_of_every_other_hour_are_taken_as_they_were() -> None:
    """In a day the even hours, in the next the odd: no hour of the day is always set to the present, or never; and the
    same hours are, whether a path begins each hour or each half."""
    stream = Stream.of([(ago(336), D(10)), (ago(1), D(20))], NOW)
    a_day, two_days = (
        {path.start + hours: ratio for path, ratio in zip(stream.paths(hours), stream.ratios(hours, 20), strict=True)}
        for hours in (24, 48)
    )
    assert set(a_day.values()) == {1, 2}
    assert all(a_day[-hour] == a_day[-hour - 0.5] != a_day[-hour - 1] for hour in range(23))
    assert all(a_day[-hour] != a_day[-hour - 24] for hour in range(24))
    assert all(a_day[end] == ratio for end, ratio in two_days.items())


def test_a_path_as_it_was_counts_a_hundredth_times_how_much_levels_return() -> None:
    """A price that climbs never returns; of one that goes up and down within hours the first says nothing of a day."""
    climbs = Stream.of([(ago(336 - hour), 10 * D("1.001") ** hour) for hour in range(336)], NOW)
    returns = Stream.of([(ago(336 - hour), D(10 + hour * hour % 7)) for hour in range(336)], NOW)
    assert climbs.returning(24) < 0.001 and returns.returning(24) == 10
    assert 0.1 < returns.returning(1) < 3
    for stream, counts in ((climbs, 0.01 * climbs.returning(24)), (returns, 0.1)):
        assert stream.weights(24, 10)[2] == pytest.approx(counts * 0.5 ** (1 / 96))  # the first that is as it was


@pytest.mark.parametrize("events", [flat("8"), flat("0"), [(ago(336), D(10)), (ago(1), D(10))]])
def test_where_the_price_never_moved_nothing_is_known_of_levels_that_return(events: Events) -> None:
    assert Stream.of(events, NOW).returning(24) == 1


def test_after_a_surge_like_none_before_levels_may_return() -> None:
    """Set to the present, two weeks at 10 are two weeks at 100: so it may go on, and so it may not."""
    surge = Stream.of([*wandering(5)[:-1], (ago(1), D(100))], NOW)
    low, _, high, _ = known(forecast_of(surge, None, 1, 24).cost)
    assert low < 24 * 50 < 24 * 70 < high


# ---- beyond what was seen ---------------------------------------------------------------------------------


@pytest.mark.parametrize("daily", ["0.97", "1.03"])
def test_a_price_that_is_the_lowest_or_the_highest_yet_is_not_taken_for_the_last_such(daily: str) -> None:
    """14 days, each 3% below, or above, the one before: the next is so too, which no price of the past is."""
    stream = Stream.of([(ago(336 - 24 * day), 10 * D(daily) ** day) for day in range(14)], NOW)
    low, middle, high, _ = known(forecast_of(stream, None, 1, 24).cost)
    following = 24 * 10 * D(daily) ** 14
    assert low <= following * D("1.01") and following * D("0.99") <= high
    assert abs(middle - following) < following * D("0.02")
    advised = advise_of(stream, 0.95, 0.9, 24).limit_price
    assert advised is not None and advised >= following / 24


def test_bounds_reach_as_far_beyond_what_was_seen_as_half_of_like_paths_went_and_never_below_the_reserve() -> None:
    """A price that climbs by 3% a day goes on so, also from ten times as much."""
    climb = [(ago(336 - 24 * day), 10 * D("1.03") ** day) for day in range(14)]
    stream = Stream.of(climb, NOW, reserve=D(9))
    least, most = stream.bounds(24, stream.prices[-1])
    assert (least, most) == (10, pytest.approx(1.03 * stream.prices[-1]))
    assert stream.bounds(24, 10 * stream.prices[-1]) == (10, pytest.approx(10.3 * stream.prices[-1]))
    falling = Stream.of([(at, 100 / price) for at, price in climb], NOW, reserve=D("6.7"))
    assert falling.bounds(24, falling.prices[-1]) == (6.7, 10)
    assert Stream.of(flat("0"), NOW).bounds(24, 0.0) == (0, 0)
