"""Where the clock of a new simulator starts: this hour, or where somebody says; of old data it stays where it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from flowplan.simulator.clock import EPOCH, start_of
from tests.conftest import Place

VARIABLE = "FLOWPLAN_SIMULATOR_START"


def this_hour() -> datetime:
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


@pytest.mark.parametrize("command", [("market",), ("simulator", "market"), ("simulator", "reset"), ("orphans",)])
def test_new_data_start_this_hour_with_two_weeks_of_prices(
    place: Place, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    monkeypatch.delenv(VARIABLE)
    earliest = this_hour()
    place.ok(*command)
    with place.simulator() as simulator:
        assert earliest <= simulator.now() <= this_hour()
        began = simulator.now()
    since = began - timedelta(days=13)
    window = f"num_samples=-1&start_time={since:%Y-%m-%dT%H:%M:%SZ}&end_time={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    history = json.loads(place.call("GET", f"/v2/pricing/history?{window}").body)["series"]
    assert {series["timestamps"][0] for series in history} == {f"{since:%Y-%m-%dT%H:%M:%SZ}"}
    assert sum(len(series["timestamps"]) > 20 for series in history) > 20


def test_the_option_goes_before_the_environment(place: Place) -> None:
    place.ok("simulator", "reset", "--start", "2027-03-04")
    assert "It is now 2027-03-04 01:00:00 UTC" in place.ok("simulator", "advance", "1h")
    place.ok("simulator", "reset")
    with place.simulator() as simulator:
        assert simulator.now() == EPOCH
    place.ok("simulator", "reset", "--seed", "7", "--start", "2027-03-04T10:30:00+01:00", "--db", "other.db")
    assert "It is now 2027-03-04 09:30:01 UTC" in place.ok("simulator", "advance", "1s", "--db", "other.db")


def test_old_data_keep_their_time(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.simulator().close()
    monkeypatch.delenv(VARIABLE)
    place.ok("orphans")
    assert place.ok("simulator", "market").startswith("2026-11-02 09:00 UTC in the simulator;")


def test_an_existing_run_is_not_lost_to_a_start_that_is_none(applied: Place) -> None:
    before = applied.ledger()
    refused = applied.run("simulator", "reset", "--start", "tomorrow")
    assert (refused.code, refused.out) == (64, "")
    assert refused.err.startswith("error: --start must be a date or a time in the years 2001 to 2099\n")
    assert "2026-11-02T09:00:00Z" in refused.err
    assert applied.ledger() == before


def test_a_variable_that_is_no_time_is_named(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "2026-13-01")
    refused = place.run("simulator", "market")
    assert (refused.code, VARIABLE in refused.err) == (64, True)
    assert not (place.path / ".flowplan" / "simulator.db").exists()


@pytest.mark.parametrize(
    "text", ["x", "2026", "2026-11", "2026-11-31", "20261102", "2026-W45-1", "1999-12-31", "2100-01-01", "0001-01-01"]
)
def test_what_is_no_start(text: str) -> None:
    with pytest.raises(Exception, match="--start must be a date"):
        start_of(text, "--start")


def test_cases_run_on_the_same_day_every_day(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """`flowplan test` passes tomorrow as it does today."""
    place.write("name: train\nresources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}\n")
    (place.path / "flowplan.test.yaml").write_text(
        "cases:\n  one:\n    expect:\n      cost: {max_hourly_cost: '0.01'}\n"
    )
    told = []
    for start in ("2026-11-02", "2031-05-06T07:00:00Z"):
        monkeypatch.setenv(VARIABLE, start)
        told.append(place.run("test"))
    assert told[0] == told[1]
    assert told[0].code == 1
