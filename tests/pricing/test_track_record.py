"""Forecasts beside what was paid: when one counts, where it lies, how many hold. And the file they are kept in."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
import threading
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from math import comb
from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowplan.backends import forecast_log as kept_module
from flowplan.backends.forecast_log import MOST, KeptForecasts
from flowplan.errors import FlowplanError
from flowplan.pricing.billing import Billed, Steered, paid
from flowplan.pricing.forecasting import Band
from flowplan.pricing.track_record import Account, Judged, KeptForecast, Verdict, apart, coverage, is_final, judge
from tests.pricing.kept import NOON, forecast, hours, outcomes

DAY = timedelta(hours=24)


def ran(price: str, start: float = 0, end: float | None = None, instance: str = "i", bid: str = "bid_a") -> Billed:
    return Billed(bid, instance, Decimal(price), hours(start), None if end is None else hours(end))


def judged(kept: KeptForecast, *billed: Billed, now: float = 24, steered: tuple[Steered, ...] = ()) -> Judged:
    return judge(kept, {"bid_a": Account(billed, steered)}, hours(now))


# ---- one forecast -----------------------------------------------------------------------------------------


def test_what_is_paid_is_counted_within_the_window() -> None:
    periods = [ran("8", -5, 2), ran("10", 2), ran("4", 3, 30, "j")]
    assert paid(periods, hours(24), NOON) == 8 * 2 + 10 * 22 + 4 * 21
    assert paid(periods, hours(24)) == 8 * 7 + 10 * 22 + 4 * 21
    assert paid([ran("8", 30, 40)], hours(24), NOON) == 0
    assert paid([ran("8", 0)], None) == 0


@pytest.mark.parametrize(("price", "place"), [("7", "below"), ("7.5", "inside"), ("10", "inside"), ("10.1", "above")])
def test_a_forecast_that_is_over_lies_inside_or_outside(price: str, place: str) -> None:
    found = judged(forecast(), ran(price))
    assert (found.verdict.course, found.place, found.counts) == ("elapsed", place, True)
    assert found.verdict.paid == Decimal(price) * 24


def test_a_cent_of_rounding_is_no_error() -> None:
    assert judged(forecast("192.00", "192.00"), Billed("bid_a", "i", Decimal("8.0004"), NOON)).place == "inside"
    assert judged(forecast("192.00", "192.00"), Billed("bid_a", "i", Decimal("8.001"), NOON)).place == "above"


def test_the_minutes_of_starting_are_no_error() -> None:
    """A machine that starts is not billed: the band of a price that does not move would always be missed."""
    flat = forecast("192.00", "192.00")
    assert judged(flat, ran("8", 3 / 60)).place == "inside"
    assert judged(flat, ran("8", 1)).place == "below"  # it waited
    assert judged(flat, ran("8", -2, 20)).place == "below"  # it ran already, and was stopped
    assert judged(flat, ran("8", -2, -1), ran("8", 3 / 60)).place == "inside"


def test_one_that_runs_is_not_judged() -> None:
    found = judged(forecast(), ran("30"), now=6)
    assert (found.verdict.course, found.place, found.counts) == ("running", None, False)
    assert (found.verdict.paid, found.due, found.passed) == (180, 51, 6)


@pytest.mark.parametrize("how", ["paused", "cancelled", "limit_changed"])
def test_who_changes_a_bid_cuts_its_forecast_short(how: str) -> None:
    found = judged(forecast(), ran("30"), steered=(Steered(hours(6), how),), now=30)  # type: ignore[arg-type]
    assert (found.verdict.course, found.verdict.reason, found.counts) == ("cut_short", how, False)
    assert (found.verdict.until, found.verdict.paid, found.due) == (hours(6), 180, 51)


def test_also_who_did_it_just_before() -> None:
    """In the same second, or while the forecast was being looked at."""
    for event in (
        Steered(hours(0), "cancelled"),
        Steered(hours(-1), "paused"),
        Steered(hours(0), "limit_changed", Decimal(9)),
    ):
        found = judged(forecast(), steered=(Steered(hours(-2), "placed"), event))
        assert (found.verdict.course, found.verdict.reason, found.passed) == ("cut_short", event.how, 0)


@pytest.mark.parametrize(
    "events",
    [
        (Steered(hours(0), "placed"),),
        (Steered(hours(1), "resumed"),),
        (Steered(hours(25), "cancelled"),),
        (Steered(hours(-1), "paused"), Steered(hours(0), "resumed")),  # as volumes are attached
        (Steered(NOON + timedelta(seconds=0.4), "limit_changed", Decimal(20)),),  # by the apply itself
        (Steered(hours(-2), "limit_changed", Decimal(9)), Steered(hours(-1), "limit_changed", Decimal(20))),
        (Steered(hours(1), "limit_changed", Decimal(20)),),  # to what it was
    ],
)
def test_what_changes_nothing_cuts_nothing_short(events: tuple[Steered, ...]) -> None:
    assert judged(forecast(), ran("9"), steered=events, now=26).verdict.course == "elapsed"


def test_of_a_bid_whose_history_is_unknown_nothing_is_claimed() -> None:
    found = judge(forecast(), {"bid_a": Account((), None)}, hours(30))
    assert (found.verdict.course, found.counts) == ("unknown", False)
    assert coverage([found]).excluded == {"history_unknown": 1}


@pytest.mark.parametrize("basis", ["exact", "point-only", "stale", "unknown"])
def test_what_promises_nothing_does_not_count(basis: str) -> None:
    assert not judged(forecast(basis=basis), ran("9")).counts
    assert not judged(forecast(cost=Band(None, Decimal(200), None)), ran("9")).counts


def test_a_whole_is_judged_by_all_its_bids_and_its_storage() -> None:
    whole = forecast(address="", bids=("bid_a", "bid_b"), storage=Decimal(24), auction=None, limit=None)
    accounts = {"bid_a": Account([ran("3")]), "bid_b": Account([ran("4", bid="bid_b")])}
    assert judge(whole, accounts, hours(24)).verdict.paid == 3 * 24 + 4 * 24 + 24
    assert judge(whole, accounts, hours(12)).verdict.paid == (3 * 24 + 4 * 24 + 24) / 2
    accounts["bid_b"] = Account([ran("4", bid="bid_b")], (Steered(hours(2), "paused"),))
    assert judge(whole, accounts, hours(24)).verdict.reason == "paused"


def test_a_final_verdict_stays() -> None:
    over = judged(forecast(), ran("9"))
    assert not is_final(over, hours(24))
    assert is_final(over, hours(25))
    assert is_final(judged(forecast(), steered=(Steered(hours(6), "paused"),), now=6), hours(6))
    assert not is_final(judged(forecast(), now=6), hours(6))
    kept = attrs.evolve(over.kept, verdict=over.verdict)
    assert judge(kept, {}, hours(1000)).verdict == over.verdict


# ---- many -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("places", "finding"),
    [
        (["inside"] * 3, "too_few"),
        (["above"], "too_few"),
        (["above"] * 2, "too_narrow"),  # 0.2 * 0.2
        (["inside"] * 8 + ["above"] * 2, "as_stated"),
        (["inside"] * 5 + ["above"] * 5, "too_narrow"),
        (["inside"] * 13, "as_stated"),
        (["inside"] * 14, "too_wide"),  # 0.8 ** 14 < 0.05
        ([], "nothing"),
    ],
)
def test_what_is_found(places: list[str], finding: str) -> None:
    assert coverage(outcomes(*places)).finding == finding


@given(st.integers(0, 60), st.integers(0, 60))
def test_the_chance_is_the_binomial_tail(held: int, missed: int) -> None:
    count, share = held + missed, Fraction(4, 5)
    chance = coverage(outcomes(*["inside"] * held, *["above"] * missed)).chance
    if not count:
        assert chance is None
        return
    tail = range(held + 1) if held <= share * count else range(held, count + 1)
    exact = sum(comb(count, k) * share**k * (1 - share) ** (count - k) for k in tail)
    assert chance == pytest.approx(float(exact), rel=1e-9)


def test_counts_and_bias() -> None:
    found = coverage([*outcomes("inside", "above", "above", "below"), judged(forecast(), ran("9"), now=6)])
    assert (found.elapsed, found.held, found.above, found.below) == (4, 1, 2, 1)
    assert found.share == Decimal("0.25")
    assert found.bias == Decimal(200 + 300 + 300 + 100) / (4 * 204)


def test_forecasts_that_overlap_in_an_auction_are_one_trial() -> None:
    """Ten bids on one day of one auction are right or wrong together; the highest limit sees most of its price."""
    (one,) = outcomes("above", limit=Decimal(40))
    (low,) = outcomes("inside", limit=Decimal(10))
    elsewhere = outcomes("inside", auction=("it_h100", "there"))
    assert apart([low, one] * 5) == [one]
    assert len(apart([low, one, *elsewhere])) == 2
    found = coverage([low, one] * 5)
    assert (found.elapsed, found.apart, found.apart_held, found.finding) == (10, 1, 0, "too_few")


# ---- the file ---------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path: Path) -> KeptForecasts:
    return KeptForecasts(tmp_path / ".flowplan" / "forecasts.db")


def test_what_is_kept_is_read_again(file: KeptForecasts) -> None:
    whole = forecast(address="", bids=("bid_a", "bid_b"), storage=Decimal("0.5"), auction=None, limit=None)
    unknown = forecast(start=1, cost=Band(None, Decimal("0.000123"), None, None), worst=None, price_now=None)
    file.add([forecast(market_snapshot_id="m", flowplan_version="1", price_now=Decimal(8)), unknown, whole])
    assert file.read("l") == [
        forecast(market_snapshot_id="m", flowplan_version="1", price_now=Decimal(8)),
        whole,
        unknown,
    ]
    assert file.read("another") == []


def test_it_is_private_and_a_reader_makes_none(file: KeptForecasts) -> None:
    assert file.read("l") == []
    assert not file.path.parent.exists()
    file.add([forecast()])
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.path.parent.stat().st_mode) == 0o700
    assert [one.name for one in file.path.parent.iterdir()] == ["forecasts.db"]


def test_verdicts_are_kept_and_a_day_follows_a_day(file: KeptForecasts) -> None:
    file.add([forecast()])
    file.settle([], [forecast(start=23), forecast(start=23, address="bid.b", bids=("bid_b",))])
    assert [one.address for one in file.read("l")] == ["bid.a", "bid.b"]  # the first one still runs
    file.settle([], [forecast(start=24)])
    assert len(file.read("l")) == 3
    first = file.read("l")[0]
    cut = judge(first, {"bid_a": Account((), (Steered(hours(25), "paused"),))}, hours(25))
    second = next(one for one in file.read("l") if one.starts_at == hours(24))
    file.settle([attrs.evolve(cut, kept=second)], [forecast(start=25)])  # what was cut short runs no more
    assert [one.starts_at for one in file.read("l") if one.address == "bid.a"] == [NOON, hours(24), hours(25)]
    assert [one.verdict for one in file.read("l") if one.starts_at == hours(24)] == [cut.verdict]


def test_a_long_forecast_holds_up_no_short_one(file: KeptForecasts) -> None:
    file.add([forecast(hours=168.0)])
    file.settle([], [forecast(start=1)])
    assert len(file.read("l")) == 2


def test_it_does_not_grow_for_ever(file: KeptForecasts) -> None:
    file.add([forecast()])
    with sqlite3.connect(file.path) as db:
        db.execute("UPDATE forecasts SET seq = 1")
        db.execute("INSERT INTO forecasts SELECT ?, " + _COLUMNS + " FROM forecasts", (MOST,))
    db.close()
    file.add([forecast(start=1)])
    assert [one.seq for one in file.read("l")] == [MOST, MOST + 1]


_COLUMNS = (
    "lineage, address, bids, instance_type, region, made_at, starts_at, ends_at, hours, quantity, limit_price, basis, "
    "p10, p50, p90, expected, worst, price_now, storage, market_snapshot_id, flowplan_version, course, until, paid, "
    "starting, reason"
)


FULL = KeptForecast(
    lineage="l",
    address="bid.a",
    bids=("bid_a", "bid_b"),
    made_at=NOON,
    starts_at=hours(1),
    hours=24.5,
    basis="high",
    cost=Band(Decimal("180.10"), Decimal("1E+2"), Decimal("240"), Decimal("204.000001")),
    worst=Decimal(480),
    auction=("it_h100", "here"),
    quantity=2,
    limit=Decimal("20.00"),
    price_now=Decimal("3.5"),
    storage=Decimal("0.25"),
    market_snapshot_id="snap_1",
    flowplan_version="0.1.0",
    verdict=Verdict("cut_short", hours(3), Decimal("12.34"), Decimal("1.5"), "paused"),
)


def test_a_row_is_what_it_always_was(file: KeptForecasts) -> None:
    """What stands in the files of earlier versions; and every field of a forecast, and of its verdict, is in it."""
    assert all(getattr(FULL, one.name) != one.default for one in attrs.fields(KeptForecast) if one.name != "seq")
    assert FULL.verdict is not None
    file.add([FULL])
    file.settle([Judged(file.read("l")[0], FULL.verdict)], [])
    with sqlite3.connect(file.path) as db:
        (row,) = db.execute(f"SELECT {_COLUMNS} FROM forecasts").fetchall()
        columns = {name for _, name, *_ in db.execute("PRAGMA table_info(forecasts)")}
    db.close()
    assert row == (
        *("l", "bid.a", '["bid_a", "bid_b"]', "it_h100", "here"),
        *("2026-11-02T12:00:00.000000+00:00", "2026-11-02T13:00:00.000000+00:00", "2026-11-03T13:30:00.000000+00:00"),
        *(24.5, 2, "20.00", "high", "180.10", "100", "240", "204.000001", "480", "3.5", "0.25", "snap_1", "0.1.0"),
        *("cut_short", "2026-11-02T15:00:00.000000+00:00", "12.34", "1.5", "paused"),
    )
    assert columns == {*_COLUMNS.split(", "), "seq"}
    assert file.read("l") == [FULL]


def test_two_that_write_at_once_keep_it_once(file: KeptForecasts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking whether one runs and adding one is a single step: the second cannot look before the first is done."""
    both = threading.Barrier(2)
    look = kept_module._is_running
    failed: list[FlowplanError] = []

    def slowly(db: sqlite3.Connection, one: KeptForecast) -> bool:
        found = look(db, one)
        with contextlib.suppress(threading.BrokenBarrierError):
            both.wait(0.1)
        return found

    def write() -> None:
        try:
            file.settle([], [forecast()])
        except FlowplanError as error:
            failed.append(error)

    file.add([])
    monkeypatch.setattr(kept_module, "_is_running", slowly)
    threads = [threading.Thread(target=write) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(file.read("l")), failed) == (1, [])


def test_a_run_that_was_killed_in_the_middle_leaves_what_was(file: KeptForecasts) -> None:
    file.add([forecast()])
    db = sqlite3.connect(file.path, isolation_level=None)
    db.execute("PRAGMA cache_size = 1")
    db.execute("BEGIN IMMEDIATE")
    db.execute("UPDATE forecasts SET address = 'bid.other'")
    db.execute(
        "CREATE TABLE filler AS WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) SELECT * FROM n"
    )
    left = {one.name: one.read_bytes() for one in file.path.parent.iterdir()}
    db.close()
    assert "forecasts.db-journal" in left
    for name, data in left.items():
        (file.path.parent / name).write_bytes(data)
    assert [one.address for one in file.read("l")] == ["bid.a"]


def _damaged(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100] + b"\xa5" * 8000)


def _newer(path: Path) -> None:
    _execute(path, "PRAGMA user_version = 2")


def _another(path: Path) -> None:
    path.unlink()
    _execute(path, "CREATE TABLE mine (x)")


def _text(path: Path) -> None:
    path.write_text("no database at all, but a text of some length: " * 9)


def _odd(path: Path) -> None:
    _execute(path, "UPDATE forecasts SET p10 = 'much'")


def _endless(path: Path) -> None:
    _execute(path, "UPDATE forecasts SET hours = 1e30")


def _timeless(path: Path) -> None:
    _execute(path, "UPDATE forecasts SET starts_at = 'noon'")


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _link(path: Path) -> None:
    path.unlink()
    (path.parent / "mine").touch()
    path.symlink_to(path.parent / "mine")


def _execute(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_damaged, "forecasts.db"),
        (_newer, "in version 2; this is version 1"),
        (_another, "not a flowplan file"),
        (_text, "not a database"),
        (_odd, "damaged"),
        (_endless, "damaged"),
        (_timeless, "damaged"),
        (_fifo, "is not a file"),
        (_link, "is not a file"),
    ],
)
def test_what_is_wrong_with_it_is_told(spoil: object, said: str, file: KeptForecasts) -> None:
    file.add([forecast()])
    spoil(file.path)  # type: ignore[operator]
    with pytest.raises(FlowplanError, match=said):
        file.read("l")


def test_no_link_is_written_through(file: KeptForecasts) -> None:
    file.add([forecast()])
    _link(file.path)
    with pytest.raises(FlowplanError):
        file.add([forecast()])
    assert (file.path.parent / "mine").read_bytes() == b""


def test_an_empty_file_is_one_with_nothing_in_it(file: KeptForecasts) -> None:
    file.path.parent.mkdir()
    file.path.touch()
    assert file.read("l") == []
    file.add([forecast()])
    assert len(file.read("l")) == 1


def test_a_writer_waits_for_another_only_so_long(file: KeptForecasts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowplan.backends.forecast_log.PATIENCE", 0.01)
    file.add([forecast()])
    other = sqlite3.connect(file.path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    with pytest.raises(FlowplanError, match="locked by another process"):
        file.add([forecast()])
    with pytest.raises(FlowplanError, match="locked by another process"):
        file.read("l")
    other.close()
    assert len(file.read("l")) == 1
