"""Rows of the API's answers that do not fit: whose they are decides what becomes of them, and none ends in a
traceback."""

from __future__ import annotations

from typing import Any

import pytest

from flowplan.backends.local import LocalStore
from tests.conftest import BID, DESTROY, TASK, VOLUME, Place, bid_id, left_in_doubt, live_ids, lose_addresses
from tests.faults.odd_rows import answers, get, live_of, spoilt

# field -> values that it must not have
ODD: dict[str, tuple[Any, ...]] = {
    "startup_script": ({}, 7, ["x"]),
    "ssh_keys": ("x", 7, [7], {}),
    "volumes": ("x", 7, [None]),
    "memory_gb": ("x", {}),
    "launch_specification": (None, "x", 7, []),
    "instances": (3, "x", {}, [None]),
    "name": (None, 7, {}),
    "region": (7, {}, ["x"]),
    "instance_type": (None, 7, []),
    "instance_quantity": (None, "x", 0, -1, {}),
    "limit_price": (None, "x", {}, 7, "-$1"),
    "status": (None, 7, {}),
    "created_at": (7, {}),
}
ODD_VOLUME: dict[str, tuple[Any, ...]] = {
    "interface": ("NVMe", None, 7),
    "name": (None, {}),
    "region": (7, []),
    "capacity_gb": ("x", {}),
    "bids": (7, "x", {}, [7]),
    "reservations": (7, "x", {}),
    "attachments": (7, "x"),
    "created_at": (7, {}),
}


def every_other(odd: dict[str, tuple[Any, ...]], first: int) -> pytest.MarkDecorator:
    """(name, value) of each odd value; in `make test` every other one of them, from the `first`."""
    found = [(name, value) for name, values in odd.items() for value in values]
    marks: list[Any] = [[], pytest.mark.slow]
    return pytest.mark.parametrize(
        ("name", "value"),
        [pytest.param(*one, id="-".join(map(str, one)), marks=marks[(n - first) % 2]) for n, one in enumerate(found)],
    )


COMMANDS = (("plan",), ("apply", "--auto-approve"), ("status",), ("orphans",), ("recover",), ("cost",))


def foreign_bid(place: Place) -> dict[str, Any]:
    [row] = [one for one in get(place, "/v2/spot/bids")["data"] if one["fid"] == bid_id(place)]
    launch = {"volumes": [], "ssh_keys": [], "startup_script": "echo theirs\n", "memory_gb": None}
    return {**row, "fid": "bid_theirs", "name": "theirs", "instances": [], "launch_specification": launch}


@every_other(ODD, 0)
def test_a_bid_of_somebody_else_stops_no_command(applied: Place, name: str, value: Any) -> None:
    theirs = spoilt(foreign_bid(applied), name, value)
    rows = get(applied, "/v2/spot/bids")["data"]
    answers(applied, "/v2/spot/bids", {"data": [*rows, theirs], "next_cursor": None})
    for command in COMMANDS:
        result = applied.run(*command)
        assert result.code == 0, (command, result)
        if value is not None or name != "launch_specification":
            said = " ".join(result.err.split())
            assert "the bid bid_theirs cannot be read in full: " in said and name in said, (command, result)
    with applied.simulator() as simulator:
        simulator.faults.clear()
    answers(applied, "/v2/spot/bids", {"data": [theirs], "next_cursor": None})
    result = applied.run(*DESTROY)
    assert result.code == 0, result
    assert live_of(applied) == []


@every_other(ODD, 1)
def test_a_bid_of_ours_can_be_stopped_and_nothing_else(applied: Place, name: str, value: Any) -> None:
    ours = bid_id(applied)
    row = get(applied, f"/v2/spot/bids/{ours}")
    answers(applied, "/v2/spot/bids", {"data": [spoilt(row, name, value)], "next_cursor": None})
    before = applied.ledger()
    applied.edit("17.92", "21.50")
    result = applied.run("apply", "--auto-approve")
    if unreported(name, value):
        assert result.code == 0, result
    else:
        assert result.code == 1, result
        assert applied.ledger() == before
        said = " ".join(result.err.split())
        assert BID in said and ours in said and name in said
    result = applied.run(*DESTROY)
    assert result.code == 0, result
    assert live_of(applied) == []


def unreported(name: str, value: Any) -> bool:
    """Null is not told, for what need not be: no fault."""
    return value is None and name in ("launch_specification", "volumes", "region")


@every_other(ODD_VOLUME, 0)
def test_a_volume_of_somebody_else_stops_no_command(applied: Place, name: str, value: Any) -> None:
    rows = get(applied, f"/v2/volumes?project={project(applied)}")
    theirs = spoilt({**rows[0], "fid": "vol_theirs", "name": "theirs", "bids": []}, name, value)
    answers(applied, "/v2/volumes", [*rows, theirs])
    for command in COMMANDS:
        result = applied.run(*command)
        assert result.code == 0, (command, result)
        said = " ".join(result.err.split())
        assert "the volume vol_theirs cannot be read in full: " in said and name in said, (command, result)


def project(place: Place) -> str:
    return LocalStore(place.path / "flowplan.state.json").read().state.project


@every_other(ODD_VOLUME, 1)
def test_a_volume_of_ours_is_deleted_unless_nobody_tells_who_uses_it(applied: Place, name: str, value: Any) -> None:
    [row] = get(applied, f"/v2/volumes?project={project(applied)}")
    ours = bid_id(applied)
    answers(applied, "/v2/volumes", [spoilt({**row, "bids": [], "attachments": {}}, name, value)])
    hidden = name in ("bids", "reservations", "attachments")
    result = applied.run(*DESTROY)
    assert result.code == (1 if hidden else 0), result
    assert ("DELETE", f"/v2/spot/bids/{ours}") in [(one.method, one.path) for one in applied.ledger()]
    if hidden:
        assert f"{VOLUME} stays: the API does not say who uses it" in " ".join(result.err.split())
        assert not [one for one in applied.ledger() if one.method == "DELETE" and one.path.startswith("/v2/volumes")]
        assert VOLUME in applied.ok("state", "list")


@pytest.mark.parametrize(
    ("path", "edit"),
    [
        ("/v2/spot/availability", {"capacity": None}),
        ("/v2/spot/availability", {"fid": 7}),
        ("/v2/instance-types", {"num_gpus": "eight"}),
        ("/v2/ssh-keys", {"name": {}}),
        ("/v2/projects", {"fid": None}),
    ],
)
def test_one_odd_row_of_what_is_offered_is_left_out(applied: Place, path: str, edit: dict[str, Any]) -> None:
    rows = get(applied, path if path != "/v2/ssh-keys" else f"{path}?project={project(applied)}")
    answers(applied, path, [*rows, {**rows[0], "fid": "odd", "name": "odd", "region": "moon-1", **edit}])
    result = applied.run("plan")
    assert result.code == 0, result
    assert f"a row of {path} is left out" in " ".join(result.err.split())
    assert applied.run(*DESTROY).code == 0


@pytest.mark.parametrize(
    ("name", "value"), [("startup_script", {}), ("startup_script", 7), ("launch_specification", "x")]
)
def test_a_row_that_may_be_what_is_in_doubt_is_no_proof_that_it_is_not(place: Place, name: str, value: Any) -> None:
    """Taken for somebody else's, it would be bought a second time."""
    left_in_doubt(place)
    [row] = get(place, "/v2/spot/bids")["data"]
    answers(place, "/v2/spot/bids", {"data": [spoilt(row, name, value)], "next_cursor": None})
    before = place.ledger()
    result = place.run("apply", "--auto-approve")
    assert result.code == 6, result
    assert row["fid"] in result.err
    assert place.ledger() == before


def test_a_row_of_our_name_whose_marker_cannot_be_read_is_not_bought_again(applied: Place) -> None:
    [row] = get(applied, "/v2/spot/bids")["data"]
    lose_addresses(applied, BID, BID.replace("bid.", "ports."))
    answers(applied, "/v2/spot/bids", {"data": [spoilt(row, "startup_script", {})], "next_cursor": None})
    before = applied.ledger()
    result = applied.run("apply", "--auto-approve")
    assert result.code == 65, result
    assert applied.ledger() == before


def test_a_home_of_nobody_is_a_problem_with_its_place(applied: Place) -> None:
    applied.write("startup_script_file: ~nobody-here.sh\n" + TASK.partition("startup_script:")[0])
    for command in (("validate",), ("plan",), ("apply", "--auto-approve")):
        result = applied.run(*command)
        assert result.code == 65, (command, result)
        assert "~ cannot be expanded: there is no user nobody-here.sh" in " ".join(result.err.split())
        assert "flowplan.yaml:1:" in result.err
    assert applied.run(*DESTROY).code == 0
    assert live_ids(applied) == []
