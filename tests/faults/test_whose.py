"""Whose is it? A volume carries no marker: when it was made tells what an interrupted create made from
what somebody else did, and what cannot be told is nobody's to take."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import attrs
import pytest

from flowplan.apply.scan import SETTLE_WINDOW
from flowplan.backends.local import LocalStore
from flowplan.clock import Moment
from flowplan.errors import StateError
from flowplan.model.live import SHOWS_WITHIN
from flowplan.model.resources import Volume
from flowplan.state.doubts import SKEW, made_by
from flowplan.state.form import Form
from flowplan.state.journal import Header, read_journal
from flowplan.state.records import Done, Intent
from flowplan.state.state import State
from tests.builders import DATA, bound, create_of, live_volume, volume
from tests.conftest import Place, many

frame, header_frame = Form().frame, Form().header_frame

WANTED = volume(size_gb=10, region="us-central1-b")
AT = 1_800_000_000.0  # 2027-01-15T08:00:00Z


def intent(**other: Any) -> Intent:
    at = Moment(AT + 9000, 50.0, "boot", AT)  # one of the two clocks is wrong
    return create_of(DATA, WANTED, **{"at": at, **other})


@pytest.mark.parametrize(
    ("created_at", "ours"),
    [
        ("2027-01-15T08:00:00Z", True),
        ("2027-01-15T08:00:01.5Z", True),
        ("2027-01-15T08:01:15+00:00", True),
        ("2027-01-15T08:01:15-00:00", True),
        ("2027-01-15T09:00:10+01:00", True),
        ("2027-01-15T08:00:10", True),  # without a zone: UTC
        ("2027-01-15T07:59:50Z", False),  # before anything was sent
        (
            "2027-01-15T08:03:00Z",
            None,
        ),  # later than the last attempt can have been executed, by the server's clock alone
        ("2027-01-15T10:32:00Z", None),
        ("2027-01-15T10:32:01Z", False),  # by both
        ("2027-01-18T08:00:00Z", False),  # a colleague, three days later
        ("2026-01-15T08:00:00Z", False),
        ("", None),  # not told
        ("yesterday", None),
        ("1800000000", None),
        ("9999-99-99T00:00:00Z", None),
    ],
)
def test_when_it_was_created_decides(created_at: str, ours: bool | None) -> None:
    assert made_by(intent(), live_volume(WANTED, created_at=created_at)) is ours


def test_what_is_late_by_both_clocks_is_somebody_elses() -> None:
    agreed = intent(at=Moment(AT + 2, 50.0, "boot", AT))
    for created_at, ours in (("08:02:00", True), ("08:02:01", None), ("08:02:03", False), ("07:59:54", False)):
        assert made_by(agreed, live_volume(WANTED, created_at=f"2027-01-15T{created_at}Z")) is ours, created_at


def test_by_this_machines_clock_where_the_server_has_not_told() -> None:
    alone = intent(at=Moment(AT, 50.0, "boot"))
    assert made_by(alone, live_volume(WANTED, created_at="2027-01-15T08:00:01Z"))
    assert made_by(alone, live_volume(WANTED, created_at="2027-01-18T08:00:00Z")) is False


def test_between_the_first_attempt_and_the_last() -> None:
    """It was sent twice: what the first attempt made late, or a list showed late, is as much ours."""
    twice = intent().again(Moment(AT + 9500, 550.0, "boot", AT + 500), resent=True)
    assert twice.since == intent().at and twice.again(twice.at, resent=True).since == intent().at
    for created_at, ours in (("08:00:01", True), ("08:08:30", True), ("07:59:00", False), ("11:11:00", False)):
        found = live_volume(WANTED, created_at=f"2027-01-15T{created_at}Z")
        assert made_by(twice, found) is ours, created_at
    journal = header_frame(Header("lineage", 1)) + frame([twice, intent()])
    assert read_journal(journal, "j").records == (twice, intent())
    assert b'"since":' not in frame([intent()])  # an older flowplan reads it


@pytest.mark.parametrize(
    ("found", "ours"),
    [
        (WANTED, True),
        (attrs.evolve(WANTED, size_gb=16), None),  # rounded up, or somebody else's
        (attrs.evolve(WANTED, size_gb=9), False),
        (attrs.evolve(WANTED, region="us-central1-a"), False),
        (attrs.evolve(WANTED, interface="File"), False),
        (attrs.evolve(WANTED, region="", unreported=("region",)), None),
        (attrs.evolve(WANTED, size_gb=0, unreported=("size_gb",)), None),
    ],
)
def test_what_it_is_decides_too(found: Volume, ours: bool | None) -> None:
    assert made_by(intent(), live_volume(found, created_at="2027-01-15T08:00:01Z")) is ours


@pytest.mark.parametrize(
    "used", [{"bids": ("bid_1",)}, {"reservations": ("res_1",)}, {"attachments": (("inst_1", "/dev/vdb"),)}]
)
def test_what_somebody_uses_already_is_not_taken_for_ours(used: dict[str, Any]) -> None:
    """Our bids wait for the volume, so none of them uses it while its create is in doubt."""
    assert made_by(intent(), live_volume(WANTED, created_at="2027-01-15T08:00:01Z", **used)) is None


def test_the_time_allowed_covers_an_attempt_and_the_settle_window() -> None:
    assert SHOWS_WITHIN >= 30 + SETTLE_WINDOW + SKEW


# ---- through the command line ---------------------------------------------------------------------------------


def interrupted(place: Place) -> None:
    """The create of the volume was sent and lost, and nothing could be looked up: exit 6."""
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/volumes", "timeout")
        simulator.faults.add("GET /v2/volumes", "status", status=403, nth=2, times=None)
    assert place.run("apply", "--auto-approve").code == 6
    with place.simulator() as simulator:
        simulator.faults.clear()


def colleague(place: Place, size: int = 1, name: str = "vol-000") -> str:
    with place.simulator() as simulator:
        project = simulator.faults.third_party("GET", "/v2/projects").json[0]["fid"]
        body = {
            "name": name,
            "project": project,
            "disk_interface": "Block",
            "region": "us-central1-b",
            "size_gb": size,
        }
        made: str = simulator.faults.third_party("POST", "/v2/volumes", body).json["fid"]
    return made


def volumes(place: Place) -> list[dict[str, Any]]:
    project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    found: list[dict[str, Any]] = json.loads(place.call("GET", f"/v2/volumes?project={project}").body)
    return found


@pytest.mark.parametrize(
    "command",
    [
        ("apply", "--auto-approve", "--allow-volume-destroy", "*"),
        ("destroy", "--auto-approve", "--allow-volume-destroy", "*"),
        ("recover",),
    ],
)
def test_a_volume_that_a_colleague_made_three_days_later_is_not_ours(place: Place, command: tuple[str, ...]) -> None:
    interrupted(place)
    with place.simulator() as simulator:
        simulator.advance(3 * 24 * 3600)
    theirs = colleague(place)
    assert theirs not in place.run("plan").out
    result = place.run(*command)
    assert result.code == (65 if command[0] == "apply" else 0), result
    says = "a volume named vol-000 already exists" if command[0] == "apply" else "which flowplan did not make"
    assert says in " ".join(result.err.split())
    assert [one["fid"] for one in volumes(place)] == [theirs]
    assert theirs not in (place.path / "flowplan.state.json").read_text()
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert [one["fid"] for one in volumes(place)] == [theirs]


def test_what_was_made_in_time_is_ours(place: Place) -> None:
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/volumes", "timeout", after_commit=True)
        simulator.faults.add("GET /v2/volumes", "status", status=403, nth=2, times=None)
    assert place.run("apply", "--auto-approve").code == 6
    with place.simulator() as simulator:
        simulator.faults.clear()
        simulator.advance(3 * 24 * 3600)  # it is found three days later, but was made at once
    place.ok("apply", "--auto-approve")
    assert len(volumes(place)) == 1
    assert place.run("plan", "--detailed-exitcode").code == 0


def untimed(place: Place, created_at: Any = None) -> None:
    """From now on the API does not say when the volumes that are there were made."""
    rows = [{**row, "created_at": created_at} for row in volumes(place)]
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "status", status=200, body=json.dumps(rows), times=None)


@pytest.mark.parametrize("created_at", [None, "soon"])
def test_what_cannot_be_known_is_said_and_settled_by_a_word(place: Place, created_at: str | None) -> None:
    interrupted(place)
    theirs = colleague(place)
    untimed(place, created_at)
    ledger = len(place.ledger())
    for command in (("apply", "--auto-approve"), ("recover",), ("destroy", "--auto-approve")):
        result = place.run(*command)
        assert result.code == 6, result
        assert f"flowplan import volume.vol-000 {theirs}" in " ".join(result.err.split())
    assert "vol-000" in place.ok("plan")
    assert len(place.ledger()) == ledger
    place.ok("import", "volume.vol-000", theirs)
    place.ok("apply", "--auto-approve")
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_what_cannot_be_known_and_is_somebody_elses_is_released(place: Place) -> None:
    interrupted(place)
    theirs = colleague(place)
    untimed(place)
    place.ok("import", "volume.vol-000", theirs)
    place.ok("state", "rm", "volume.vol-000")
    with place.simulator() as simulator:
        simulator.faults.clear()
    place.edit("vol-000", "vol-mine")
    place.ok("apply", "--auto-approve")
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert [one["fid"] for one in volumes(place)] == [theirs]


def test_a_larger_volume_made_meanwhile_is_imported_with_the_size_that_was_asked_for(place: Place) -> None:
    interrupted(place)
    id = colleague(place, size=16)
    assert place.run("apply", "--auto-approve").code == 6
    place.ok("import", "volume.vol-000", id)
    place.ok("apply", "--auto-approve")
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_what_the_look_up_can_tell_is_not_settled_by_a_word(place: Place) -> None:
    """Neither what it finds, nor what it knows to be somebody else's."""
    interrupted(place)
    other = colleague(place, name="other")
    assert "run `flowplan recover` first" in place.run("import", "volume.vol-000", other).err
    mine = colleague(place)  # nothing tells it from ours
    result = place.run("import", "volume.vol-000", mine)
    assert result.code == 1
    assert "run `flowplan recover` first" in result.err


def test_an_overflow_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may write it says what is ours, and so what may be destroyed."""
    store = LocalStore(tmp_path / "flowplan.state.json", tmp_path / "overflows")
    overflow = store.prepare(State("lineage", stack="s")).overflow([Done("i", DATA, bound(DATA, "vol_theirs", WANTED))])
    real = Path.stat

    def stat(path: Path, **how: Any) -> os.stat_result:
        found = list(real(path, **how))
        if path.suffix == ".spill":
            found[4] = 1001
        return os.stat_result(found)

    assert len(store.overflowed("lineage")) == 1
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(StateError, match="belongs to another user"):
        store.overflowed("lineage")
    monkeypatch.setattr(Path, "stat", real)
    monkeypatch.setattr(os, "geteuid", os.getuid)
    Path(overflow or "").chmod(0o666)
    with pytest.raises(StateError, match="anyone can write to"):
        store.overflowed("lineage")
