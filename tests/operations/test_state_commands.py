"""`state pull`, `push`, `mv` and `rm`: what is taken out of a state, put into it, and called by another address."""

from __future__ import annotations

import json

import pytest

from tests.conftest import BID, PORTS, TASK, VOLUME, Place
from tests.faults.losing import changes


def test_pull_and_push(applied: Place) -> None:
    text = applied.ok("state", "pull")
    assert text == (applied.path / "flowplan.state.json").read_text()
    applied.write(text, "copy.json")
    serial = json.loads(text)["serial"]
    assert (
        applied.ok("state", "push", "copy.json") == f"The state is now that of copy.json, with serial {serial + 1}.\n"
    )
    result = applied.run("state", "push", "copy.json")
    assert result.code == 5
    assert f"serial {serial}, here {serial + 1}" in result.err
    applied.ok("state", "push", "copy.json", "--force")
    assert changes(applied) == 0


def test_push_of_an_older_serial_names_both(applied: Place) -> None:
    applied.write(applied.ok("state", "pull"), "old.json")
    old = json.loads((applied.path / "old.json").read_text())["serial"]
    applied.ok("state", "mv", BID, "bid.other")
    now = json.loads(applied.ok("state", "pull"))["serial"]
    result = applied.run("state", "push", "old.json")
    assert result.code == 5, result
    assert old < now and f"{old}" in result.err and f"{now}" in result.err
    assert "bid.other" in applied.ok("state", "list")


def test_push_of_another_stack_names_both(applied: Place) -> None:
    text = applied.ok("state", "pull")
    lineage = json.loads(text)["lineage"]
    place_two = applied.path / "two"
    place_two.mkdir()
    applied.ok("--state", "two/flowplan.state.json", "state", "push", str(applied.path / "flowplan.state.json"))
    (place_two / "flowplan.yaml").write_text("")
    other = lineage[::-1]
    body = json.loads(text) | {"lineage": other}
    from flowplan.model.digest import digest

    body["sha256"] = digest({key: value for key, value in body.items() if key != "sha256"})
    applied.write(json.dumps(body), "other.json")
    result = applied.run("state", "push", "other.json")
    assert result.code == 5
    assert lineage in result.err and other in result.err
    result = applied.run("state", "push", "other.json", "--force")
    assert result.code == 0
    assert lineage in result.err and other in result.err
    assert json.loads((applied.path / "flowplan.state.json").read_text())["lineage"] == other


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense"])
def test_push_of_no_state_is_refused(applied: Place, text: str) -> None:
    before = (applied.path / "flowplan.state.json").read_bytes()
    applied.write(text, "other.json")
    assert applied.run("state", "push", "other.json", "--force").code == 5
    assert (applied.path / "flowplan.state.json").read_bytes() == before


def test_push_loses_no_intent(place: Place) -> None:
    place.write(TASK)
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", after_commit=True, seconds=0)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert place.run("apply", "--auto-approve").code == 6
    place.write(place.ok("state", "pull"), "copy.json")
    result = place.run("state", "push", "copy.json")
    assert result.code == 5
    assert "in doubt" in result.err


def test_mv_takes_the_ports_along(applied: Place) -> None:
    assert applied.ok("state", "mv", BID, "bid.other").splitlines() == [
        f"{BID} is now bid.other.",
        f"{PORTS} is now ports.other.",
    ]
    assert applied.ok("state", "list").splitlines() == ["bid.other", "ports.other", VOLUME]
    applied.ok("state", "mv", "bid.other", BID)
    assert changes(applied) == 0


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (BID, VOLUME, "cannot become"),
        (PORTS, "ports.x", "ports move with their bid"),
        (BID, "nonsense", "nonsense"),
        (BID, BID, "is already in the state"),
        (BID, "bid.a b", "no file can name 'bid.a b'"),
        (BID, "bid.\udcff", r"no file can name 'bid.\udcff'"),  # a byte that is no text: such a state could not be read
        (BID, f"bid.{'x' * 300}", "no file can name 'bid.xxx"),
        ("bid.no", "bid.yes", "is not in the state"),
    ],
)
def test_mv_used_wrongly(applied: Place, old: str, new: str, says: str) -> None:
    before = _files(applied)
    result = applied.run("state", "mv", old, new)
    assert result.code in (1, 64)
    assert says in " ".join(result.err.split())
    assert _files(applied) == before


def test_rm_of_what_is_not_in_the_state(applied: Place) -> None:
    before = _files(applied)
    result = applied.run("state", "rm", "bid.no")
    assert (result.code, "bid.no is not in the state" in result.err) == (1, True), result
    assert _files(applied) == before


def _files(place: Place) -> dict[str, bytes]:
    """What there is of the state, byte for byte."""
    return {path.name: path.read_bytes() for path in place.path.glob("flowplan.state*") if path.suffix != ".lock"}
