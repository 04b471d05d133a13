"""The API as its document and its clients know it, in process and served."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest
import requests

from flowplan.simulator import SIMULATOR_URL, Simulator
from flowplan.simulator.auctions import catalogue
from tests.simulator.adapter import SimulatorAdapter

from .conftest import H100, REGION, Api


def test_a_new_simulator_has_a_project_a_key_and_a_user(api: Api) -> None:
    assert [project["name"] for project in api.get("/v2/projects")] == ["my-foundry-project"]
    assert [key["name"] for key in api.get("/v2/ssh-keys", project=api.project)] == ["my-ssh-key"]
    me = api.get("/v2/me")
    assert api.get("/v2/me/teammates")[0]["fid"] == me["fid"]


def test_every_auction_is_of_a_listed_type(api: Api) -> None:
    types = {kind["fid"]: kind["name"] for kind in api.get("/v2/instance-types")}
    auctions = api.get("/v2/spot/availability")
    assert {auction["instance_type"] for auction in auctions} == set(types)
    assert list(types.values()).count("h100-80gb.sxm.8x") == 2
    images = {image["image_version_fid"]: image["stable"] for image in api.get("/v2/image-versions")}
    assert {auction["default_image_version"] for auction in auctions} == {id for id in images if images[id]}


@pytest.mark.parametrize("header", [None, "", "fkey_x", "Basic Zm9v", "Bearer", "Bearer sk-1"])
def test_without_a_good_key_401(api: Api, header: str | None) -> None:
    api.session.headers.pop("Authorization")
    answer = api("GET", "/v2/me", headers={"Authorization": header} if header is not None else {})
    assert answer.status_code == 401
    assert isinstance(answer.json()["detail"], str)


def test_one_good_key() -> None:
    with Simulator.open(":memory:", api_key="fkey_one") as simulator, requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        for key, status in (("fkey_one", 200), ("fkey_two", 401)):
            answer = session.get(SIMULATOR_URL + "/v2/me", headers={"Authorization": f"Bearer {key}"}, timeout=1)
            assert answer.status_code == status


def test_login_gives_a_token(api: Api) -> None:
    api.session.headers.pop("Authorization")
    answer = api("POST", "/login", json={"email": catalogue.EMAIL, "password": catalogue.PASSWORD})
    api.session.headers["Authorization"] = "Bearer " + answer.json()["access_token"]
    api.get("/v2/me")
    assert api("POST", "/login", json={"email": catalogue.EMAIL, "password": "no"}).status_code == 401


def test_where_one_key_is_good_so_is_a_token() -> None:
    with Simulator.open(":memory:", api_key="fkey_one") as simulator, requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        api = Api(SIMULATOR_URL, session)
        token = api("POST", "/login", json={"email": catalogue.EMAIL, "password": catalogue.PASSWORD}).json()
        assert api("GET", "/v2/me").status_code == 401
        session.headers["Authorization"] = "Bearer " + token["access_token"]
        api.get("/v2/me")


def test_unknown_paths_and_methods(api: Api) -> None:
    assert api("GET", "/v2/nothing").status_code == 404
    answer = api("PUT", "/v2/spot/bids")
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, POST")


def test_a_project_of_somebody_else_403(api: Api) -> None:
    assert api("GET", "/v2/volumes", params={"project": "proj_other"}).status_code == 403
    assert api.bid(project="proj_other").status_code == 403


def test_date_is_virtual_time(api: Api, simulator: Simulator) -> None:
    simulator.advance(3600)
    assert api("GET", "/v2/me").headers["Date"] == "Mon, 02 Nov 2026 10:00:00 GMT"


# --- bids ------------------------------------------------------------------------------------------------------


def test_the_examples_bid_wins_at_the_reserve(api: Api) -> None:
    placed = api.bid().json()
    assert (placed["status"], placed["instances"], placed["limit_price"]) == ("Open", [], "$17.92")
    read = api.get(f"/v2/spot/bids/{placed['fid']}")
    assert read["status"] == "Allocated"
    assert len(read["instances"]) == 1
    (instance,) = api.instances()
    assert (instance["fid"], instance["bid"]) == (read["instances"][0], placed["fid"])
    prices = api.get("/v2/pricing/current", instance_type=H100, region=REGION)
    assert prices["spot_price_cents"] == prices["minimum_price_cents"] == 800


def test_the_launch_specification_comes_back(api: Api) -> None:
    script = '#!/bin/bash\necho "\u00e9\u2028" \\ \u0007\n'
    key = api.get("/v2/ssh-keys", project=api.project)[0]["fid"]
    launch = {"volumes": [], "ssh_keys": [key], "startup_script": script}
    bid = api.placed(name='a "name" \u00fc', launch_specification=launch)
    read = api.get(f"/v2/spot/bids/{bid}")
    assert read["name"] == 'a "name" \u00fc'
    assert read["launch_specification"] == launch | {
        "kubernetes_cluster": None,
        "image_version": None,
        "memory_gb": None,
    }


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"limit_price": "$7.99"}, "limit price below minimum"),
        ({"region": "us-central2-a"}, "no spot auction"),
        ({"instance_type": "it_unknown"}, "no spot auction"),
        ({"instance_quantity": 1_000_000}, "quota"),
        ({"launch_specification": {"volumes": [], "ssh_keys": [], "startup_script": "x" * 10_001}}, "startup script"),
        ({"launch_specification": {"volumes": ["vol_no"], "ssh_keys": []}}, "volume not found"),
        ({"launch_specification": {"volumes": [], "ssh_keys": ["sshkey_no"]}}, "ssh key not found"),
    ],
)
def test_refused_bids(api: Api, changes: dict[str, Any], text: str) -> None:
    answer = api.bid(**changes)
    assert answer.status_code == 400
    assert text in answer.json()["detail"].lower()
    assert api.get("/v2/spot/bids")["data"] == []


def test_a_live_name_is_taken_a_dead_one_is_free(api: Api) -> None:
    bid = api.placed("train")
    again = api.bid("train")
    assert again.status_code == 400
    assert "name already used" in again.json()["detail"].lower()
    assert api("DELETE", f"/v2/spot/bids/{bid}").status_code == 204
    api.placed("train")


def test_a_required_ssh_key_must_be_listed(api: Api) -> None:
    key = api.get("/v2/ssh-keys", project=api.project)[0]["fid"]
    assert api("PATCH", f"/v2/ssh-keys/{key}", json={"required": True}).json()["required"] is True
    answer = api.bid()
    assert answer.status_code == 400
    assert "ssh key required" in answer.json()["detail"].lower()
    api.placed(launch_specification={"volumes": [], "ssh_keys": [key]})
    assert api("DELETE", f"/v2/ssh-keys/{key}").status_code == 400


def test_ssh_keys_with_and_without_a_public_key(local: Api, tmp_path: Any) -> None:
    key = {"project": local.project, "name": "k", "public_key": "ssh-ed25519 AAAA k"}
    given = local("POST", "/v2/ssh-keys", json=key)
    assert (given.status_code, given.json()["private_key"]) == (201, None)
    made = local("POST", "/v2/ssh-keys", json={"project": local.project, "name": "made"}).json()
    file = tmp_path / "key"
    file.write_text(made["private_key"])
    file.chmod(0o600)
    read = subprocess.run(["ssh-keygen", "-y", "-f", file], capture_output=True, text=True)
    assert read.returncode == 0, read.stderr
    assert read.stdout.split()[:2] == made["public_key"].split()[:2]
    assert local("DELETE", f"/v2/ssh-keys/{made['fid']}").status_code == 204
    assert local("DELETE", f"/v2/ssh-keys/{made['fid']}").status_code == 404


def test_the_same_key_gives_the_original_answer(api: Api, simulator: Simulator) -> None:
    first = api.bid("train", key="k1")
    bid = first.json()["fid"]
    assert api.status(bid) == "Allocated"
    again = api.bid("other", key="k1", limit_price="$1.00")
    assert (again.status_code, again.json()) == (201, first.json())
    assert set(again.headers) == set(first.headers)  # FCP does not tell, so a client must not learn to ask
    assert api.bid("train", key="k2").status_code == 400
    volume = api("POST", "/v2/volumes", headers={"Idempotency-Key": "k1"}, json=_volume_body(api))
    assert volume.status_code == 201
    again = api("POST", "/v2/volumes", headers={"Idempotency-Key": "k1"}, json=_volume_body(api))
    assert again.json() == volume.json()
    assert [(entry.key, entry.subject) for entry in simulator.ledger()] == [("k1", bid), ("k1", volume.json()["fid"])]
    everything = [(entry.status, entry.executed) for entry in simulator.ledger(everything=True)]
    assert everything == [(201, True), (201, False), (400, False), (201, True), (201, False)]


def _volume_body(api: Api) -> dict[str, Any]:
    return {"name": "v", "project": api.project, "disk_interface": "File", "region": REGION, "size_gb": 5}


def test_a_refused_key_can_be_used_again(api: Api) -> None:
    assert api.bid("train", key="k1", limit_price="$1.00").status_code == 400
    assert api.bid("train", key="k1").status_code == 201


def test_changes_of_a_bid(api: Api) -> None:
    bid = api.placed()
    assert api.change(bid, limit_price="$20.00").json()["limit_price"] == "$20.00"
    assert "limit price below minimum" in api.change(bid, limit_price="$1.00").json()["detail"].lower()
    assert api.change(bid, paused=True).json()["status"] == "Paused"
    assert api.change(bid, paused=True).json()["status"] == "Paused"
    assert api.change(bid, paused=False).json()["status"] == "Open"
    assert api.status(bid) == "Allocated"
    assert api("DELETE", f"/v2/spot/bids/{bid}").status_code == 204
    assert api("DELETE", f"/v2/spot/bids/{bid}").status_code == 204
    assert api.change(bid, limit_price="$20.00").status_code == 400
    read = api.get(f"/v2/spot/bids/{bid}")
    assert (read["status"], read["deactivated_at"]) == ("Terminated", "2026-11-02T09:00:00Z")
    assert api("GET", "/v2/spot/bids/bid_no").status_code == 404
    assert api("DELETE", "/v2/spot/bids/bid_no").status_code == 404


def test_history_of_a_bid(api: Api) -> None:
    bid = api.placed()
    api.status(bid)
    api.change(bid, limit_price="$20.00")
    api.change(bid, paused=True)
    volume = api.volume().json()["fid"]
    api.change(bid, volumes=[volume])
    api.change(bid, volumes=[], paused=False)
    api.status(bid)
    api("DELETE", f"/v2/spot/bids/{bid}")
    events = api.get(f"/v2/spot/bids/{bid}/history")["events"]
    assert [event["event_type"] for event in events] == [
        "Placed",
        "Allocated",
        "Limit Price Changed",
        "Paused",
        "Volumes Attached",
        "Volumes Removed",
        "Resumed",
        "Allocated",
        "Terminated",
    ]
    assert events[0]["persistent_disk_change"] == {"attached": None, "removed": None}  # a client fails on null
    assert events[2]["limit_price"] == "$20.00"
    assert events[4]["persistent_disk_change"] == {"attached": volume, "removed": None}


# --- listing ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("sort_by", ["created_at", "status"])
def test_pages_hold_everything_once(api: Api, direction: str, sort_by: str) -> None:
    bids = [api.placed(f"t{number}") for number in range(7)]
    api("DELETE", f"/v2/spot/bids/{bids[2]}")
    api.change(bids[4], paused=True)
    seen, cursor = [], None
    while True:
        query = {"limit": 3, "sort_by": sort_by, "sort_dir": direction} | ({"next_cursor": cursor} if cursor else {})
        page = api.get("/v2/spot/bids", project=api.project, **query)
        seen += page["data"]
        cursor = page["next_cursor"]
        if not cursor:
            break
        assert len(page["data"]) == 3
    assert sorted(bid["fid"] for bid in seen) == sorted(bids)
    keys = [bid["status"] if sort_by == "status" else bids.index(bid["fid"]) for bid in seen]
    assert keys == sorted(keys, reverse=direction == "desc")


def test_a_page_stays_where_it_is_when_bids_come_and_go(api: Api) -> None:
    bids = [api.placed(f"t{number}") for number in range(4)]
    first = api.get("/v2/spot/bids", limit=2)
    api.placed("new")
    second = api.get("/v2/spot/bids", limit=2, next_cursor=first["next_cursor"])
    assert [bid["fid"] for bid in first["data"] + second["data"]] == bids[::-1]


def test_filters_of_bids(api: Api) -> None:
    one, two = api.placed("one"), api.placed("two", region="us-central5-a")
    assert [bid["fid"] for bid in api.get("/v2/spot/bids", name="one")["data"]] == [one]
    assert [bid["fid"] for bid in api.get("/v2/spot/bids", region="us-central5-a")["data"]] == [two]
    assert api.get("/v2/spot/bids", status="Paused")["data"] == []
    assert len(api.get("/v2/spot/bids", status="Allocated", instance_type=H100)["data"]) == 2
    both = f"{one},{two}"
    assert len(api.get("/v2/instances", project=api.project, bid_fid_in=both)["data"]) == 2
    assert len(api.get("/v2/instances", project=api.project, bid_fid_in=one)["data"]) == 1
    assert api.get("/v2/instances", project=api.project, order_type_in="Reservation")["data"] == []
    assert api.get("/v2/instances", project=api.project, status_in="STATUS_RUNNING,STATUS_PAUSED")["data"] == []


@pytest.mark.parametrize("cursor", ["x", "bnVsbA", "W10", "WyJjcmVhdGVkX2F0IiwgbnVsbCwgbnVsbF0", "\u00e9"])
def test_bad_cursors(api: Api, cursor: str) -> None:
    assert api("GET", "/v2/spot/bids", params={"next_cursor": cursor}).status_code == 400


# --- 422 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "loc", "type"),
    [
        ({"limit": "0"}, ["query", "limit"], "greater_than_equal"),
        ({"limit": "101"}, ["query", "limit"], "less_than_equal"),
        ({"limit": "x"}, ["query", "limit"], "int_parsing"),
        ({"sort_by": "name"}, ["query", "sort_by"], "enum"),
        ({"status": "open"}, ["query", "status"], "enum"),
    ],
)
def test_422_of_queries(api: Api, query: dict[str, str], loc: list[str], type: str) -> None:
    answer = api("GET", "/v2/spot/bids", params=query)
    assert answer.status_code == 422
    assert [(problem["loc"], problem["type"]) for problem in answer.json()["detail"]] == [(loc, type)]


def test_422_of_a_body_names_every_problem(api: Api) -> None:
    body = {"project": 1, "region": "r", "instance_type": "it", "limit_price": "$25.00", "instance_quantity": "x"}
    answer = api("POST", "/v2/spot/bids", json=body | {"launch_specification": {"volumes": "v", "ssh_keys": [1]}})
    assert answer.status_code == 422
    assert [(problem["loc"][1:], problem["type"], problem["msg"]) for problem in answer.json()["detail"]] == [
        (["project"], "string_type", "Input should be a valid string"),
        (
            ["instance_quantity"],
            "int_parsing",
            "Input should be a valid integer, unable to parse string as an integer",
        ),
        (["name"], "missing", "Field required"),
        (["launch_specification", "volumes"], "list_type", "Input should be a valid list"),
        (["launch_specification", "ssh_keys", 0], "string_type", "Input should be a valid string"),
    ]


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"null", b'"x"', b"\xff", b'{"required": NaN}', b"[" * 100_000, b'{"required": ' + b"9" * 5_000],
)
def test_bodies_that_are_no_bodies(api: Api, body: bytes) -> None:
    key = api.get("/v2/ssh-keys", project=api.project)[0]["fid"]
    answer = api("PATCH", f"/v2/ssh-keys/{key}", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "price",
    [
        "25",
        "17.92",
        "$18",
        "$17.9",
        "$17.923",
        "$1,000.50",
        "$-1.00",
        "$",
        "",
        "$1e3",
        "$.50",
        "abc",
        "$1.2.3",
        17.92,
        None,
    ],
)
def test_limit_prices_that_are_no_prices(api: Api, price: Any) -> None:
    assert api.bid(limit_price=price).status_code == 422


@pytest.mark.parametrize("price", ["$17.92", "$8.00", "$1000.50"])
def test_limit_prices(api: Api, price: str) -> None:
    assert api.bid(limit_price=price).json()["limit_price"] == price


def test_any_text_is_a_bids_name(api: Api) -> None:
    assert api.bid("").json()["name"] == ""


# --- volumes ---------------------------------------------------------------------------------------------------


def test_life_of_a_volume(api: Api) -> None:
    volume = api.volume("data").json()
    assert (volume["capacity_gb"], volume["interface"], volume["deleted_at"]) == (10, "Block", None)
    assert api.get("/v2/volumes", project=api.project) == [volume]
    assert api.volume("data", region="us-central1-a").status_code == 409
    path = f"/v2/volumes/{volume['fid']}"
    assert api("PATCH", path, json={"name": "renamed"}).json() == volume | {"name": "renamed"}
    assert api("DELETE", path).status_code == 204
    assert api("DELETE", path).status_code == 404
    assert api.get("/v2/volumes", project=api.project) == []
    (gone,) = api.get("/v2/volumes", project=api.project, include_deleted=True)
    assert gone["deleted_at"] == "2026-11-02T09:00:00Z"
    assert api.volume("renamed").status_code == 201


@pytest.mark.parametrize("name", ["", "Data", "1a", "a-", "a_b", "a" * 65])
def test_volume_names(api: Api, name: str) -> None:
    assert api.volume(name).status_code == 422


@pytest.mark.parametrize("size", [0, -1, "x", 1.5, None])
def test_volume_sizes(api: Api, size: Any) -> None:
    assert api.volume(size_gb=size).status_code == 422


def test_a_volume_in_use_stays(api: Api) -> None:
    volume = api.volume().json()["fid"]
    bid = api.placed(volumes=(volume,), launch_specification={"volumes": [volume], "ssh_keys": []})
    answer = api("DELETE", f"/v2/volumes/{volume}")
    assert (answer.status_code, answer.json()) == (409, {"detail": "Volume is in use"})
    (listed,) = api.get("/v2/volumes", project=api.project)
    (instance,) = api.instances()
    assert (listed["bids"], listed["attachments"]) == ([bid], {instance["fid"]: bid})
    api("DELETE", f"/v2/spot/bids/{bid}")
    (listed,) = api.get("/v2/volumes", project=api.project)
    assert (listed["bids"], listed["attachments"]) == ([], {})
    assert api("DELETE", f"/v2/volumes/{volume}").status_code == 204


def test_volumes_are_changed_only_while_paused_and_as_a_whole(api: Api) -> None:
    one, two = api.volume("one").json()["fid"], api.volume("two").json()["fid"]
    bid = api.placed(launch_specification={"volumes": [one], "ssh_keys": []})
    assert api.change(bid, volumes=[one, two]).status_code == 400
    assert api.change(bid, volumes=[one]).status_code == 200
    api.change(bid, paused=True)
    assert api.change(bid, volumes=[two]).json()["launch_specification"]["volumes"] == [two]
    assert [volume["bids"] for volume in api.get("/v2/volumes", project=api.project)] == [[], [bid]]


def test_block_has_one_writer_file_has_many(api: Api) -> None:
    block, file = api.volume("block").json()["fid"], api.volume("file", disk_interface="File").json()["fid"]
    api.placed("one", launch_specification={"volumes": [block, file], "ssh_keys": []})
    refused = api.bid("two", launch_specification={"volumes": [block], "ssh_keys": []})
    assert (refused.status_code, "already attached" in refused.json()["detail"]) == (400, True)
    api.placed("three", instance_quantity=2, launch_specification={"volumes": [file], "ssh_keys": []})
    other = api.volume("other").json()["fid"]
    assert api.bid("four", instance_quantity=2, volumes=(other,)).status_code == 400


def test_a_volume_of_another_region_is_refused(api: Api) -> None:
    volume = api.volume(region="us-central1-a").json()["fid"]
    assert "region" in api.bid(launch_specification={"volumes": [volume], "ssh_keys": []}).json()["detail"]


def test_quotas_count_what_is_in_use(api: Api) -> None:
    api.volume(size_gb=100)
    bid = api.placed(instance_quantity=3)
    assert quotas_in_use(api) == {"Storage": 100, H100: 3}
    api.change(bid, paused=True)
    assert quotas_in_use(api) == {"Storage": 100}
    assert api.volume("big", size_gb=40_000).status_code == 400


def quotas_in_use(api: Api) -> dict[str, int]:
    quotas = api.get("/v2/quotas", project=api.project)
    return {q["instance_type"] or q["product_type"]: q["used_quantity"] for q in quotas if q["used_quantity"]}


# --- prices ----------------------------------------------------------------------------------------------------


def test_prices_of_a_type_that_is_not_sold_are_null(api: Api) -> None:
    for query in ({"instance_type": "it_unknown"}, {"instance_type": H100, "region": "nowhere"}):
        assert set(api.get("/v2/pricing/current", **query).values()) == {None}


def test_price_history_covers_14_days_and_ends_at_the_price_now(api: Api) -> None:
    auctions = api.get("/v2/spot/availability")
    history = api.get("/v2/pricing/history", num_samples=-1)
    assert history["complete"] is True
    assert len(history["series"]) == len(auctions)
    assert sum(len(series["timestamps"]) > 20 for series in history["series"]) > 30  # in calm ones nothing happens
    for auction, series in zip(auctions, history["series"], strict=True):
        assert series["timestamps"] == sorted(series["timestamps"])
        assert series["timestamps"][0] == "2026-10-19T09:00:00Z"
        assert series["spot_prices"][-1] == auction["last_instance_price"]
        assert len(series["timestamps"]) == len(series["spot_prices"]) == len(series["reserved_prices"])
        now = api.get("/v2/pricing/current", instance_type=series["instance_type"], region=series["region"])
        assert min(float(price[1:]) for price in series["spot_prices"]) * 100 >= now["minimum_price_cents"]


def test_price_history_is_thinned_and_cut(api: Api) -> None:
    wanted = {"instance_types": f"{H100},it_no", "region": "us-central1-a"}
    whole = api.get("/v2/pricing/history", num_samples=-1, **wanted)["series"][0]
    thinned = api.get("/v2/pricing/history", **wanted)
    assert (len(thinned["series"][0]["timestamps"]), thinned["complete"]) == (100, False)
    start, end = "2026-10-25T00:00:00Z", "2026-10-26T00:00:00+00:00"
    (part,) = api.get("/v2/pricing/history", num_samples=-1, start_time=start, end_time=end, **wanted)["series"]
    assert part["timestamps"][0] == start
    inside = [at for at in whole["timestamps"] if start < at <= "2026-10-26T00:00:00Z"]
    assert part["timestamps"][1:] == inside
    assert api("GET", "/v2/pricing/history", params={"start_time": "yesterday"}).status_code == 422
