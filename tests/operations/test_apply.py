"""apply and destroy: what they do, in which order, and what they wait for."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import BID, TASK, Place, many

DESTROY = ("destroy", "--auto-approve", "--allow-volume-destroy", "my-new-volume")


def serial(place: Place) -> int:
    return int(json.loads((place.path / "flowplan.state.json").read_text())["serial"])


def test_apply_then_nothing_is_left_to_do(applied: Place) -> None:
    before, ledger = serial(applied), applied.ledger()
    out = applied.ok("apply", "--auto-approve")
    assert "No changes." in out
    assert serial(applied) == before
    assert applied.ledger() == ledger


def test_steps_go_up_in_order_and_down_in_reverse(applied: Place) -> None:
    applied.ok(*DESTROY)
    assert [(entry.method, entry.path.split("/")[2]) for entry in applied.ledger()] == [
        ("POST", "volumes"),
        ("POST", "spot"),
        ("DELETE", "spot"),
        ("DELETE", "volumes"),
    ]
    state = json.loads((applied.path / "flowplan.state.json").read_text())
    assert (state["resources"], state["serial"]) == ([], 2)


def test_destroy_of_nothing(place: Place) -> None:
    assert "No changes. No objects need to be destroyed." in place.ok("destroy", "--auto-approve")


def test_destroy_keeps_the_volume_unless_it_is_named(applied: Place) -> None:
    ledger = applied.ledger()
    result = applied.run("destroy", "--auto-approve")
    assert result.code == 3
    assert "--allow-volume-destroy my-new-volume" in result.err
    assert "volume_data" in result.err
    assert applied.ledger() == ledger
    assert applied.run("destroy", "--auto-approve", "--allow-volume-destroy", "another").code == 3
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")


def test_destroy_needs_no_valid_configuration(applied: Place) -> None:
    applied.write("this is: [not a task\n")
    applied.ok(*DESTROY)
    assert applied.ok("state", "list") == ""


def test_update_in_place_sends_one_patch(applied: Place) -> None:
    applied.edit("17.92", "21.50")
    applied.ok("apply", "--auto-approve")
    last = applied.ledger()[-1]
    assert (last.method, last.path.split("/")[2]) == ("PATCH", "spot")


def test_replacing_a_bid_keeps_its_volume(applied: Place) -> None:
    applied.edit('"8080"', '"8090"')
    applied.ok("apply", "--auto-approve")
    assert [entry.method for entry in applied.ledger()] == ["POST", "POST", "DELETE", "POST"]
    assert "generation=2" in marker_of(applied)


def marker_of(place: Place) -> str:
    """Line 2 of the startup script of the one bid that is live."""
    bids = json.loads(place.call("GET", "/v2/spot/bids?limit=100").body)["data"]
    live = [bid for bid in bids if bid["status"] != "Terminated"]
    assert len(live) == 1
    return str(live[0]["launch_specification"]["startup_script"].splitlines()[1])


def test_the_marker_names_what_flowplan_made(applied: Place) -> None:
    state = json.loads((applied.path / "flowplan.state.json").read_text())
    marker = marker_of(applied)
    assert marker.startswith(f"# flowplan:1 stack=work lineage={state['lineage']} address={BID} generation=1 intent=")
    assert "ports=6006-6010,8080,8441-8445:8001-8005" in marker


def test_drift_is_shown_and_put_right(applied: Place) -> None:
    bid = applied.ok("state", "show", BID).split("(")[1].split(")")[0]
    applied.call("PATCH", f"/v2/spot/bids/{bid}", b'{"limit_price": "$30.00"}')
    assert "limit_price $17.92 -> $30.00" in applied.ok("plan")
    applied.ok("apply", "--auto-approve")
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_a_paused_bid_runs_again(applied: Place) -> None:
    bid = applied.ok("state", "show", BID).split("(")[1].split(")")[0]
    applied.call("PATCH", f"/v2/spot/bids/{bid}", b'{"paused": true}')
    applied.ok("apply", "--auto-approve")
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_nothing_of_somebody_elses_is_taken_over(place: Place) -> None:
    place.write(TASK)
    place.ok("apply", "--auto-approve")
    for name in ("flowplan.state.json", "flowplan.state.json.backup", "flowplan.state.journal"):
        (place.path / name).unlink(missing_ok=True)
    shutil.rmtree(place.path / ".flowplan" / "versions")
    result = place.run("apply", "--auto-approve")  # another lineage: these are not ours any more
    assert result.code == 65
    assert "a bid named flow-sdk-batch-task-example already exists" in result.err
    assert "a volume named my-new-volume already exists" in result.err


def test_a_bid_that_is_to_be_paused_is_paused(example: Place) -> None:
    example.write(TASK + "paused: true\n")
    result = example.run("apply", "--auto-approve")
    assert result.code == 0, result
    assert example.run("plan", "--detailed-exitcode").code == 0
    example.ok("simulator", "advance", "2h")
    assert "$0.00 paid so far" in example.ok("status")


def test_wait_waits_for_what_was_there_before_too(applied: Place) -> None:
    result = applied.run("apply", "--auto-approve", "--wait", "running", "--timeout", "0s")
    assert result.code == 1
    assert "allocated, but its instances are not" in result.err
    applied.ok("simulator", "advance", "10m")
    applied.ok("apply", "--auto-approve", "--wait", "running", "--timeout", "0s")


def test_apply_events(example: Place) -> None:
    lines = [json.loads(line) for line in example.ok("apply", "--auto-approve", "--json").splitlines()]
    kinds = [line["type"] for line in lines]
    assert kinds[0] == "version"
    planned = [line["address"] for line in lines if line["type"] == "planned_change"]
    assert len(planned) == 3 and planned == sorted(planned)
    assert kinds.count("apply_complete") == 3
    assert kinds[-1] == "summary"
    assert all({"type", "timestamp", "address"} <= line.keys() for line in lines)
    assert lines[-1]["added"] == 3


def test_wait_for_allocated(example: Place) -> None:
    example.ok("apply", "--auto-approve", "--wait", "allocated")


def test_wait_gives_up_and_says_that_the_bid_stays(example: Place) -> None:
    example.edit("17.92", "8.00")
    example.edit("us-central1-b          #", "us-central1-a          #")
    example.edit("region_id: us-central1-b", "region_id: us-central1-a")
    example.edit("utility_threshold_price: 8.00", "utility_threshold_price: 12.50")
    result = example.run("apply", "--auto-approve", "--wait", "allocated", "--timeout", "0s")
    assert result.code == 1
    assert "placed, but not allocated" in result.err
    assert BID in example.ok("state", "list")


def test_creates_cost_appends_not_rewrites(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the creates: as many files replaced, and an append each (a result and the next intent are one)."""
    replaced: list[object] = []
    appended: list[int] = []
    replace, pwrite = os.replace, os.pwrite
    monkeypatch.setattr(os, "replace", lambda *given, **how: (replaced.append(given), replace(*given, **how))[1])

    def counted(descriptor: int, data: bytes, at: int) -> int:
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".journal":
            appended.append(len(data))
        return pwrite(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", counted)
    seen = []
    for first, count in ((0, 10), (10, 100)):
        replaced.clear()
        appended.clear()
        place.write(re.sub("(persistent_storage|ports).*\n", "", many(first + count)))
        place.ok("apply", "--auto-approve", "--parallelism", "1")
        seen.append((len(replaced), len(appended), sum(appended)))
    (few, short, small), (many_, long, large) = seen
    print(f"100 creates: {long} appends of {large} bytes, {many_} files replaced; 10 creates: {short}, {small}, {few}")
    assert many_ == few + 1  # a state that is there is proved to be replaceable before the first call
    assert short <= 10 + 3 and long <= 100 + 3
    assert large < small * 10
