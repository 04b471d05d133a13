"""`flowplan cost`: the stack as it is, and earlier forecasts beside what the simulator billed."""

from __future__ import annotations

import json
import re
import sqlite3
import stat
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from flowplan.documents.track_record import Truth, document
from flowplan.pricing.forecasting import Band
from flowplan.pricing.track_record import Judged, Verdict
from flowplan.reports.text.paint import Paint
from flowplan.reports.text.track_record import text
from flowplan.state.state import State
from tests.conftest import BID, TASK, Place, bid_id, many
from tests.cost.surges import surge
from tests.pricing.kept import forecast, outcomes

KEPT = ".flowplan/forecasts.db"


def looked(place: Place, *arguments: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(place.ok("cost", "--format", "json", *arguments))
    return body


def kept(place: Place) -> list[tuple[str, float]]:
    """Address and hours of each forecast that is kept."""
    db = sqlite3.connect(place.path / KEPT)
    rows = db.execute("SELECT address, hours FROM forecasts ORDER BY seq").fetchall()
    db.close()
    return rows


# ---- forecasts are kept -----------------------------------------------------------------------------------


def test_apply_keeps_what_it_showed(applied: Place) -> None:
    assert kept(applied) == [(BID, 24.0)]
    assert stat.S_IMODE((applied.path / KEPT).stat().st_mode) == 0o600
    (one,) = looked(applied)["forecasts"]
    assert one["bids"] == [bid_id(applied)]
    assert (one["course"], one["limit"], one["last_price"], one["basis"]) == ("running", "17.92", "8.00", "high")
    assert one["cost"] == {"p10": "192.00", "p50": "192.00", "p90": "192.00", "expected": "192.00", "worst": "430.08"}
    assert len(one["market_snapshot_id"]) == 16


def test_a_plan_keeps_nothing_and_neither_does_an_apply_that_did_nothing(example: Place) -> None:
    example.ok("plan")
    assert not (example.path / KEPT).exists()
    example.ok("apply", "--auto-approve", "--horizon", "6h")
    example.ok("apply", "--auto-approve")
    assert kept(example) == [(BID, 6.0)]


def test_a_saved_plan_keeps_what_it_showed_from_when_it_was_carried_out(example: Place) -> None:
    example.ok("plan", "--out", "a.plan", "--horizon", "48h")
    example.ok("simulator", "advance", "1h")
    example.ok("apply", "a.plan")
    (one,) = looked(example)["forecasts"]
    assert (one["made_at"], one["starts_at"], one["hours"]) == ("2026-11-02T09:00:00Z", "2026-11-02T10:00:00Z", 48.0)


def test_a_stack_of_several_is_kept_as_a_whole_too(place: Place) -> None:
    place.write(many(2))
    place.ok("apply", "--auto-approve")
    assert kept(place) == [("bid.task-000", 24.0), ("bid.task-001", 24.0), ("", 24.0)]
    place.ok("simulator", "advance", "1d")
    body = looked(place)
    (whole,) = body["totals"]
    parts = [Decimal(one["paid"]) for one in body["forecasts"] if one["course"] == "elapsed"]
    assert whole["place"] == "inside"
    assert abs(Decimal(whole["paid"]) - sum(parts)) <= Decimal("0.02")  # a day of 2 GB is half a cent; each is rounded
    assert "In total: 1 of 1 held." in place.ok("cost")


def test_of_an_apply_that_failed_half_way_only_what_exists_is_kept(place: Place) -> None:
    place.write(many(2))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", status=400, body='{"detail": "no"}', nth=2)
    assert place.run("apply", "--auto-approve", "--parallelism", "1").code == 1
    assert len(kept(place)) == 1
    assert kept(place)[0][0] in ("bid.task-000", "bid.task-001")


def test_of_a_change_that_failed_nothing_is_kept(applied: Place) -> None:
    applied.write(TASK.replace("17.92", "19.00") + many(1))
    with applied.simulator() as simulator:
        simulator.faults.add("PATCH /v2/spot/bids/*", "status", status=400, body='{"detail": "no"}', times=None)
    assert applied.run("apply", "--auto-approve").code == 1
    assert kept(applied) == [(BID, 24.0), ("bid.task-000", 24.0)]


def test_a_bid_that_is_paused_promises_nothing(example: Place) -> None:
    example.write(TASK + "paused: true\n")
    example.ok("apply", "--auto-approve")
    assert not (example.path / KEPT).exists()


@pytest.mark.parametrize("trouble", ["directory", "newer", "locked", "damaged"])
def test_an_apply_goes_well_whatever_becomes_of_its_forecast(
    trouble: str, example: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowplan.backends.forecast_log.PATIENCE", 0.01)
    path = example.path / KEPT
    path.parent.mkdir()
    other = sqlite3.connect(":memory:" if trouble in ("directory", "damaged") else path, isolation_level=None)
    if trouble == "directory":
        path.mkdir()
    elif trouble == "newer":
        other.execute("PRAGMA user_version = 2")
        other.execute(f"PRAGMA application_id = {0x666C6F77}")
    elif trouble == "locked":
        other.execute("BEGIN EXCLUSIVE")
    else:
        path.write_bytes(b"SQLite format 3\0" + b"\xa5" * 4096)
    result = example.run("apply", "--auto-approve")
    assert result.code == 0
    assert "Apply complete: 3 added" in result.out
    assert result.err.count("the forecast could not be saved") == 1
    result = example.run("cost")
    assert result.code == 0
    assert "$8.00 an hour now" in result.out
    assert "Forecast and paid: unknown" in result.out
    assert "earlier forecasts cannot be compared" in result.err
    body = json.loads(example.run("cost", "--format", "json").out)
    assert (body["forecasts"], body["totals"], body["coverage"]["forecasts"]) == (None, None, None)
    other.close()


# ---- forecast and paid ------------------------------------------------------------------------------------


def test_a_day_later_what_was_paid_stands_beside_the_forecast(applied: Place) -> None:
    applied.ok("simulator", "advance", "6h")
    assert "6.0 h    $48.00         -  $47.77  so far, of 24 h" in applied.ok("cost")
    applied.ok("simulator", "advance", "18h")
    out = applied.ok("cost")
    assert "02 Nov 09:00  24 h   $192.00   $192.00  $191.77  held" in out
    assert "Bands of 80%: 1 of 1 held (100%)." in out
    assert "Too few to say" in out
    assert "You paid $191.77 where $192.00 was expected: 1.00 times as much." in out


def test_a_forecast_that_is_wrong_is_seen_to_be_wrong(applied: Place) -> None:
    surge(applied)
    applied.ok("simulator", "advance", "24h")
    out = applied.ok("cost")
    assert "$192.00  $407.50  ABOVE x2.12" in out
    assert "0 of 1 held (0%), 1 above." in out
    assert "2.12 times as much" in out
    (one, _) = looked(applied)["forecasts"]
    assert (one["place"], one["counts"]) == ("above", True)


@pytest.mark.parametrize(
    ("expected", "paid", "said"),
    [
        (("3.034", "3.034"), ("1.004", "1.004"), ("$6.07", "$2.01")),
        (("3.03", "3.03"), ("1.004", "1.003"), ("$6.06", "$2.01")),
        (("3.03", "3.03"), ("1.00", "1.00"), None),
    ],
)
def test_a_total_that_is_not_what_its_rows_add_up_to_says_why(
    expected: tuple[str, str], paid: tuple[str, str], said: tuple[str, str] | None
) -> None:
    def one(bids: tuple[str, ...], costs: str, bill: str, moment: float = 0) -> Judged:
        name = f"bid.{bids[0]}" if len(bids) == 1 else ""
        kept = forecast(start=moment, address=name, bids=bids, cost=Band(*[Decimal(costs)] * 4))
        return Judged(kept, Verdict("elapsed", kept.ends_at, Decimal(bill)))

    rows = [one((name,), costs, bill) for name, costs, bill in zip("ab", expected, paid, strict=True)]
    added = [str(sum(map(Decimal, each))) for each in (expected, paid)]
    whole = one(("a", "b"), added[0], added[1])
    told = " ".join(text(document(Truth(State("l", 1), 24.0, judged=[*rows, whole])), Paint()).split())
    assert ("a total may be some cents off what its rows add up to" in told) == (said is not None)
    for figure in said or ():
        assert figure in told
    for other in (one(("c",), "3.03", "1.00"), one(("a", "b"), "9.00", "9.00", moment=1)):
        told = " ".join(text(document(Truth(State("l", 1), 24.0, judged=[rows[0], whole, other])), Paint()).split())
        assert "some cents off" not in told  # of other bids, or of another time


@pytest.mark.parametrize(
    ("held", "missed", "said"),
    [
        (1, 5, "The forecasts are WRONG here. If the bands were right, so few would hold in one\n  case of 625."),
        (9, 2, "About as many as expected."),
        (20, 0, "More than expected (one case of 87): the bands are on the safe side."),
        (2, 1, "Too few to say whether the bands are right (fewer than 10)."),
    ],
)
def test_it_says_frankly_how_well_bands_hold(held: int, missed: int, said: str) -> None:
    judged = outcomes(*["inside"] * held, *["above"] * missed)
    out = text(document(Truth(State("l", 1), 24.0, judged=judged)), Paint())
    assert said in out
    assert f"{held} of {held + missed} held" in out


def test_a_day_is_followed_by_a_day(applied: Place) -> None:
    applied.ok("cost")
    assert len(kept(applied)) == 1  # that of the apply still runs
    for number in range(2, 8):
        applied.ok("simulator", "advance", "1d")
        applied.ok("cost", "--horizon", "7d")
        assert kept(applied) == [(BID, 24.0)] * number
    out = applied.ok("cost")
    assert f"{BID}  (2 earlier: 2 of 2 that count held)" in out
    assert "6 of 6 held (100%)." in out


def test_verdicts_that_are_final_are_kept_and_not_asked_for_again(applied: Place) -> None:
    applied.ok("simulator", "advance", "25h")
    before = looked(applied)["forecasts"][0]
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    applied.ok("cost")  # what was begun meanwhile is cut short
    result = applied.run("-v", "cost", "--format", "json")
    assert "/history" not in result.err.replace("pricing/history", "")
    assert json.loads(result.out)["forecasts"][0] == before
    assert before["place"] == "inside"


@pytest.mark.parametrize(
    ("change", "reason"),
    [("limit", "limit changed"), ("pause", "paused"), ("destroy", "cancelled"), ("replace", "cancelled")],
)
def test_who_changes_a_bid_is_told_that_its_forecast_does_not_count(change: str, reason: str, applied: Place) -> None:
    applied.ok("simulator", "advance", "5h")
    if change == "limit":
        applied.edit("17.92", "19.00")
    elif change == "pause":
        applied.write(TASK + "paused: true\n")
    if change == "destroy":
        applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    else:
        applied.ok("apply", "--auto-approve", *(("--replace", BID) if change == "replace" else ()))
    applied.ok("simulator", "advance", "30h")
    out = applied.ok("cost")
    assert re.search(rf"5\.0 h +\$40\.00 +- +\$39\.77  {reason}, of 24 h", out)
    assert f"1 not counted, because a forecast holds only for an unchanged bid: 1 {reason}." in " ".join(out.split())
    assert looked(applied)["coverage"]["forecasts"]["excluded"] == {reason.replace(" ", "_"): 1}


def test_what_a_released_bid_goes_on_costing_counts_on_both_sides(place: Place) -> None:
    """The total that is shown with its release has it."""
    stack = "version: 2\nname: s\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
    where = "resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}"
    tasks = {
        name: f"  {name}: {{task_management: {{utility_threshold_price: 12}}, {where}}}\n" for name in ("a", "b", "c")
    }
    place.write(f"{stack}tasks:\n{''.join(tasks.values())}")
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "1h")
    place.write(f"{stack}tasks:\n{tasks['a']}{tasks['b']}removed: [{{address: bid.c, destroy: false}}]\n")
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "24h")
    whole = looked(place)["totals"][-1]
    assert (whole["cost"]["expected"], whole["paid"], whole["place"]) == ("576.00", "576.00", "inside")


def test_a_bid_that_was_destroyed_is_still_judged(applied: Place) -> None:
    applied.ok("simulator", "advance", "25h")
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    out = applied.ok("cost")
    assert "No bid or volume of this stack is live now." in out
    assert "$191.77  held" in out


def test_a_plan_says_why_a_forecast_of_30_days_is_rough(place: Place) -> None:
    place.write(many(1))
    why = "the forecast over 30 days is a rough one, because no more than 14 days of past prices are known ("
    assert why in " ".join(place.ok("plan", "--horizon", "30d").split())
    assert "rough" not in place.ok("plan")


# ---- the stack as it is -----------------------------------------------------------------------------------


def test_the_stack_as_it_is(applied: Place) -> None:
    applied.ok("simulator", "advance", "1h")
    out = applied.ok("cost")
    assert f"{BID}  Allocated; $7.77 paid so far" in out
    assert "$8.00 an hour now, at most $17.92; over 30 days $5,760.00" in out
    assert "volume.my-new-volume  $0.08 a month for storage" in out
    assert "Confidence: low, because no more than 14 days of past prices are known." in out
    assert "Confidence: high." in applied.ok("cost", "--horizon", "24h")
    body = looked(applied, "--horizon", "12h")["estimate"]
    assert body["hours"] == 12.0
    assert (body["horizon"]["expected"], body["hour"]["now"], body["paid"]) == ("96.00", "8.00", "7.77")


def test_what_is_gone_costs_nothing_more(applied: Place) -> None:
    applied.ok("simulator", "advance", "1h")
    assert applied.call("DELETE", f"/v2/spot/bids/{bid_id(applied)}").status == 204
    out = applied.ok("cost")
    assert f"{BID}  ended; $7.77 paid so far" in out
    assert "In total under $0.01 an hour now" in out  # the volume
    gone = looked(applied)["estimate"]["resources"][0]
    assert (gone["status"], gone["cost"]) == ("gone", None)


def test_without_a_state_there_is_nothing_to_compare(place: Place) -> None:
    said = " ".join(place.ok("cost").split())
    assert said.startswith("There is no state here, so flowplan did not look for bids and volumes.")
    body = looked(place)
    assert (body["estimate"], body["forecasts"], body["as_of"]) == (None, [], None)
    assert not (place.path / ".flowplan").exists()


def test_a_state_from_before_has_no_forecasts_yet(applied: Place) -> None:
    (applied.path / KEPT).unlink()
    assert "there is no earlier forecast; from now on flowplan saves them" in applied.ok("cost")
    assert kept(applied) == [(BID, 24.0)]


def test_nothing_is_changed_in_the_cloud_or_in_the_state(applied: Place) -> None:
    ledger, state = applied.ledger(), (applied.path / "flowplan.state.json").read_bytes()
    applied.ok("simulator", "advance", "1d")
    applied.ok("cost")
    assert applied.ledger() == ledger
    assert (applied.path / "flowplan.state.json").read_bytes() == state


def test_it_fits_a_terminal_and_a_pipe(place: Place) -> None:
    place.write(many(3))
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "25h")
    result = place.run("cost")
    assert result.err == ""
    assert "\x1b" not in result.out
    assert result.out.isascii()
    assert max(map(len, result.out.splitlines())) <= 80
    assert all(line == line.rstrip() for line in result.out.splitlines())


def test_large_amounts_fit_too() -> None:
    cost = forecast("101234.00", "234567.00").cost
    late = [*outcomes("above", cost=cost), *outcomes("inside", cost=cost, worst=None)]
    short = Judged(
        forecast(cost=cost), Verdict("cut_short", datetime(2026, 11, 3, tzinfo=UTC), Decimal(5), reason="limit_changed")
    )
    out = text(document(Truth(State("l", 1), 24.0, judged=[*late, short])), Paint())
    assert max(map(len, out.splitlines())) <= 80
    assert "$101,234.00 to $234,567.00" in out  # cents in every row, also beside small amounts


@pytest.mark.parametrize("arguments", [("--horizon", "soon"), ("--horizon", "5s"), ("--format", "xml"), ("here",)])
def test_wrong_usage(arguments: tuple[str, ...], applied: Place) -> None:
    assert applied.run("cost", *arguments).code == 64
