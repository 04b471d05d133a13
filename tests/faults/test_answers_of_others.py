"""An answer that is about something else, contradicts itself, or leaves open what it is asked for, ends nothing
and deletes nothing."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Place, bid_id, live_ids, many
from tests.faults.colleagues import FILE, deletes, volume_id
from tests.faults.colleagues import shared as shared  # a fixture
from tests.faults.world import World

TAKE = ("destroy", "--auto-approve", "--allow-volume-destroy", "*", "--timeout", "2s")


def deleted_bids(place: Place) -> list[str]:
    with place.simulator() as simulator:
        asked = simulator.ledger(everything=True)
    return [one.path.rpartition("/")[2] for one in asked if one.method == "DELETE" and "/spot/bids/" in one.path]


@pytest.fixture
def three(world: World) -> Place:
    """In a time that no wait takes."""
    place = world.place
    place.write(many(3).replace("size: 1, mount_point: /mnt/d", "size: 1, mount_point: /mnt/d, disk_interface: File"))
    place.ok("apply", "--auto-approve")
    return place


def test_the_row_of_another_bid_does_not_prove_that_this_one_ended(three: Place) -> None:
    """The DELETE is lost and did nothing; the bid itself is asked for, and an answer comes that is about another."""
    with three.simulator() as simulator:
        simulator.faults.add("DELETE /v2/spot/bids/*", "timeout", times=None)
        simulator.faults.add(
            "GET /v2/spot/bids/*", "edited", times=None, put={"fid": "bid_other", "status": "Terminated"}
        )
    result = three.run(*TAKE)
    assert result.code == 1, result
    assert len(live_ids(three)) == 3
    assert "bid.task-000" in three.ok("state", "list")
    with three.simulator() as simulator:
        simulator.faults.clear()
    three.ok(*TAKE)
    assert live_ids(three) == []


def test_a_bid_listed_twice_is_live_as_long_as_one_row_says_so(three: Place) -> None:
    """By whichever row comes last."""
    rows = json.loads(three.call("GET", "/v2/spot/bids").body)["data"]
    for order in ((0, 1), (1, 0)):
        pairs = [[row, {**row, "status": "Terminated"}] for row in rows]
        body = json.dumps({"data": [pair[at] for pair in pairs for at in order], "next_cursor": None})
        with three.simulator() as simulator:
            simulator.faults.add("GET /v2/spot/bids", "status", times=None, status=200, body=body)
        assert "No changes" in three.ok("plan"), order
        with three.simulator() as simulator:
            simulator.faults.clear()


def test_a_volume_listed_twice_is_used_by_all_who_either_row_names(shared: Place) -> None:
    project = json.loads(shared.call("GET", "/v2/spot/bids").body)["data"][0]["project"]
    rows = json.loads(shared.call("GET", f"/v2/volumes?project={project}").body)
    body = json.dumps([*({**row, "reservations": ["res_1"]} for row in rows), *({**row, "bids": []} for row in rows)])
    with shared.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "status", times=None, status=200, body=body)
    result = shared.run(*TAKE)
    assert result.code != 0, result
    assert deletes(shared) == []


@pytest.mark.parametrize("put", [{"bids": 3}, {"reservations": "res_1"}, {"attachments": 7}], ids=str)
def test_a_volume_is_kept_when_it_is_not_told_any_more_who_uses_it(shared: Place, put: dict[str, object]) -> None:
    """The plan was told; the look right before the deletion is not."""
    with shared.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "edited", nth=2, times=None, put=put)
    result = shared.run(*TAKE)
    assert result.code == 1, result
    assert deletes(shared) == []
    assert live_ids(shared) == []


@pytest.mark.parametrize("name", ["bids", "reservations", "attachments"])
def test_a_field_that_is_missing_does_not_say_that_nobody_uses_it(shared: Place, name: str) -> None:
    with shared.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "edited", times=None, drop=[name])
    result = shared.run(*TAKE)
    assert deletes(shared) == [], result
    assert live_ids(shared) == []


@pytest.mark.parametrize(
    "put", [{"launch_specification": None}, {"launch_specification": {"volumes": 7}}, {"fid": "bid_other"}], ids=str
)
def test_a_bid_that_does_not_tell_its_volumes_may_use_this_one(shared: Place, put: dict[str, object]) -> None:
    """A colleague's, which took it since; its own row is odd."""
    from tests.faults.colleagues import colleague_places

    ours, volume = live_ids(shared)[0], volume_id(shared)
    theirs = colleague_places(shared, "colleague", volume)
    with shared.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "edited", put={"bids": [ours], "attachments": {}})
        simulator.faults.add(f"GET /v2/spot/bids/{theirs}", "edited", times=None, put=put)
    result = shared.run(*TAKE)
    assert result.code == 1, result
    assert deletes(shared) == []


def test_a_further_bid_is_cancelled_by_its_id_where_no_list_can_be_had(world: World) -> None:
    from tests.conftest import lose_addresses

    place = world.place
    place.write(FILE)
    place.ok("apply", "--auto-approve")
    id = bid_id(place, "bid.train")
    lose_addresses(place, "bid.train", "ports.train")
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "status", times=None, status=503, body="{}")
        simulator.faults.add("GET /v2/volumes", "status", times=None, status=503, body="{}")
    result = place.run("recover", "--cancel", id)
    with place.simulator() as simulator:
        simulator.faults.clear()
    assert live_ids(place) == [], result
    assert result.code == 0, result


def test_of_three_bids_one_is_unreadable_one_is_gone_one_is_fine(three: Place) -> None:
    ids = [bid_id(three, f"bid.task-00{n}") for n in range(3)]
    with three.simulator() as simulator:
        simulator.faults.third_party("DELETE", f"/v2/spot/bids/{ids[1]}")
        simulator.faults.add(f"GET /v2/spot/bids/{ids[0]}", "status", times=None, status=503, body="{}")
        simulator.faults.add("GET /v2/spot/bids", "status", times=None, status=503, body="{}")
    result = three.run(*TAKE)
    assert result.code == 1, result
    with three.simulator() as simulator:
        simulator.faults.clear()
    assert live_ids(three) == []


def test_a_row_without_an_id_keeps_nothing_running(three: Place) -> None:
    id = bid_id(three, "bid.task-000")
    with three.simulator() as simulator:
        simulator.faults.add(
            f"GET /v2/spot/bids/{id}", "edited", times=None, put={"launch_specification": None}, drop=["fid"]
        )
    result = three.run(*TAKE)
    assert result.code in (0, 1), result
    assert "bug in flowplan" not in result.err
    assert live_ids(three) == []
