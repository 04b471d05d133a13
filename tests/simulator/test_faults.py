"""Faults on demand: each does what it says, once, where it says; the same from Python and over the control path."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ConnectionError, ReadTimeout

from flowplan.simulator import SIMULATOR_URL, Simulator
from flowplan.simulator.serve import Server
from tests.processes import LONGEST, until

from .conftest import H100, Api

ROOT = Path(__file__).parents[2]
POST_BID = "POST /v2/spot/bids"


def names(api: Api) -> list[str]:
    return [bid["name"] for bid in api.get("/v2/spot/bids", sort_dir="asc")["data"]]


def test_a_status_with_retry_after_happens_to_the_nth_call(api: Api, simulator: Simulator) -> None:
    simulator.faults.add("GET /v2/volumes", "status", nth=2, times=2, status=429, retry_after=7)
    answers = [
        api.session.get(api.url + "/v2/volumes", params={"project": api.project}, timeout=LONGEST) for _ in range(4)
    ]
    assert [answer.status_code for answer in answers] == [200, 429, 429, 200]
    assert answers[1].headers["Retry-After"] == "7"
    assert answers[1].json() == {"detail": "Simulated 429"}
    (seen,) = simulator.faults.seen()
    assert (seen.seen, seen.met) == (3, 2)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"does": "timeout", "seconds": 0.3}, (ReadTimeout, ConnectionError), r"Read timed out|without response"),
        ({"does": "reset"}, ConnectionError, "Connection reset by peer"),
        ({"does": "truncated"}, ChunkedEncodingError, "IncompleteRead"),
    ],
)
@pytest.mark.parametrize("after_commit", [False, True])
def test_a_lost_answer_before_and_after_commit(
    api: Api, simulator: Simulator, given: dict[str, Any], error: Any, message: str, after_commit: bool
) -> None:
    simulator.faults.add(POST_BID, **given, after_commit=after_commit)
    with pytest.raises(error, match=message):
        api.bid("train")
    executed = after_commit or given["does"] == "truncated"
    assert names(api) == (["train"] if executed else [])
    (entry,) = simulator.ledger(everything=True)
    assert (entry.executed, entry.status) == ((True, 201) if executed else (False, 0))
    assert api.bid("train").status_code == (400 if executed else 201)


def test_a_timeout_in_process_takes_no_time(local: Api, simulator: Simulator) -> None:
    simulator.faults.add("GET *", "timeout")
    with pytest.raises(ReadTimeout):
        local.get("/v2/me")  # the tests would end before such a timeout does


def test_a_served_timeout_holds_the_connection(simulator: Simulator) -> None:
    simulator.faults.add("GET /v2/me", "timeout", seconds=30)
    with Server(simulator) as server, pytest.raises(ReadTimeout):
        requests.get(server.url + "/v2/me", headers={"Authorization": "Bearer fkey_x"}, timeout=0.2)


def test_a_reset_is_no_close(simulator: Simulator) -> None:
    simulator.faults.add("GET /v2/me", "reset", times=None)
    with Server(simulator) as server:
        for _ in range(5):
            with socket.create_connection(("127.0.0.1", int(server.url[17:])), timeout=LONGEST) as connection:
                connection.sendall(b"GET /v2/me HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer fkey_x\r\n\r\n")
                with pytest.raises(ConnectionResetError):
                    connection.recv(1)


@pytest.mark.parametrize("does", ["truncated", "garbled"])
def test_answers_without_a_body_cannot_be_cut(api: Api, simulator: Simulator, does: Any) -> None:
    volume = api.volume().json()["fid"]
    simulator.faults.add("* /v2/volumes/*", does)
    if does == "truncated":
        with pytest.raises(ConnectionError, match="Connection reset by peer"):
            api("DELETE", f"/v2/volumes/{volume}")
    else:
        assert api("DELETE", f"/v2/volumes/{volume}").status_code == 204
    assert api.get("/v2/volumes", project=api.project) == []
    assert [entry.status for entry in simulator.ledger()] == [201, 204]


def test_slow_answers(local: Api, simulator: Simulator) -> None:
    simulator.faults.add("GET /v2/me", "slow", seconds=0.05)
    simulator.faults.add("GET /v2/projects", "slow", seconds=60)
    start = time.monotonic()
    local.get("/v2/me")
    assert time.monotonic() - start >= 0.05
    with pytest.raises(ReadTimeout):
        local.session.get(local.url + "/v2/projects", timeout=10)


def test_refused(local: Api, simulator: Simulator) -> None:
    simulator.faults.add(POST_BID, "refused")
    with pytest.raises(ConnectionError, match="refused"):
        local.bid()
    assert simulator.ledger(everything=True) == []


def test_bodies_that_are_not_what_they_should_be(api: Api, simulator: Simulator) -> None:
    url, session = api.url + "/v2/projects", api.session
    html = {"content-type": "text/html"}
    simulator.faults.add("GET /v2/projects", "status", status=200, body="<html>", headers=html, repeat=3)
    simulator.faults.add("GET /v2/projects", "garbled", nth=2)
    simulator.faults.add("GET /v2/projects", "edited", nth=3, put={"fid": 7, "status": "Hibernating"}, drop=["name"])
    first, second, third = (session.get(url, timeout=LONGEST) for _ in range(3))
    assert (first.headers["Content-Type"], first.text) == ("text/html", "<html>" * 3)
    with pytest.raises(requests.JSONDecodeError):
        second.json()
    (row,) = third.json()
    assert (row["fid"], row["status"], "name" in row) == (7, "Hibernating", False)


def test_an_unknown_status_in_a_page_of_bids(local: Api, simulator: Simulator) -> None:
    local.placed()
    simulator.faults.add("GET /v2/spot/bids", "edited", put={"status": "Hibernating"}, times=None)
    for _ in range(3):
        page = local.session.get(local.url + "/v2/spot/bids", timeout=LONGEST).json()
        assert [bid["status"] for bid in page["data"]] == ["Hibernating"]


EDITED = {"put": {"x": 1}, "drop": ["created_at", "status", "timestamp", "spot_prices"]}


@pytest.mark.parametrize(
    ("path", "edited"),
    [
        ("/v2/pricing/history", [("series", 0)]),
        ("/v2/instances", [("data", 0)]),
        ("/v2/instances/status/history", [("instances", 0), ("instances", 0, "events", 0)]),
        ("/v2/spot/bids/{bid}", [()]),
        ("/v2/spot/bids/{bid}/history", [("events", 0)]),
        ("/v2/me", [()]),
        ("/v2/quotas", [(0,), (1,)]),
    ],
)
def test_every_object_of_an_answer_is_edited(local: Api, simulator: Simulator, path: str, edited: Any) -> None:
    bid = local.placed()
    simulator.faults.add("GET " + path.replace("{bid}", "*"), "edited", **EDITED)
    url = local.url + path.replace("{bid}", bid)
    whole = local.session.get(url, params={"project": local.project}, timeout=LONGEST).json()
    for steps in edited:
        found = whole
        for step in steps:
            found = found[step]
        assert found["x"] == 1
        assert not set(EDITED["drop"]) & set(found)  # type: ignore[call-overload]
    assert () in edited or "x" not in whole


def test_a_text_has_nothing_to_edit(local: Api, simulator: Simulator) -> None:
    script = local("POST", "/v2/lifecycle-scripts", json={"project": local.project, "name": "n", "content": "c"}).json()
    simulator.faults.add("GET /v2/lifecycle-scripts/{ls_fid}/content", "edited", put={"x": 1})
    assert local.get(f"/v2/lifecycle-scripts/{script['fid']}/content") == "c"


def test_a_late_commit_by_virtual_time(local: Api, simulator: Simulator) -> None:
    simulator.faults.add(POST_BID, "timeout", late=90)
    with pytest.raises(ReadTimeout):
        local.bid("train", key="k")
    simulator.advance(89)
    assert names(local) == []
    simulator.advance(1)
    assert names(local) == ["train"]
    (bid,) = local.get("/v2/spot/bids")["data"]
    assert bid["created_at"] == "2026-11-02T09:01:30Z"
    assert local.bid("train", key="k").json()["fid"] == bid["fid"]


def test_a_late_commit_by_real_time(local: Api, simulator: Simulator) -> None:
    simulator.faults.add(POST_BID, "status", status=504, late=0.05)
    assert local.session.post(local.url + "/v2/spot/bids", json=body_of(local), timeout=LONGEST).status_code == 504
    until(lambda: names(local) != [])
    assert names(local) == ["train"]


def body_of(api: Api) -> dict[str, Any]:
    return {
        "project": api.project,
        "region": "us-central1-b",
        "instance_type": H100,
        "limit_price": "$17.92",
        "instance_quantity": 1,
        "name": "train",
        "launch_specification": {"volumes": [], "ssh_keys": []},
    }


def test_lists_that_lag(local: Api, simulator: Simulator) -> None:
    old = local.volume("old").json()["fid"]
    simulator.faults.set(list_lag=60)
    bid, volume = local.placed(), local.volume("new").json()
    local("PATCH", f"/v2/volumes/{old}", json={"name": "renamed"})
    assert names(local) == []
    assert local.status(bid) == "Allocated"
    assert [v["name"] for v in local.get("/v2/volumes", project=local.project)] == ["old"]
    simulator.advance(60)
    assert names(local) == ["train"]
    local("DELETE", f"/v2/volumes/{volume['fid']}")
    local("DELETE", f"/v2/spot/bids/{bid}")
    assert {v["name"] for v in local.get("/v2/volumes", project=local.project)} == {"renamed", "new"}
    assert [b["status"] for b in local.get("/v2/spot/bids")["data"]] == ["Allocated"]
    simulator.advance(60)
    assert [v["name"] for v in local.get("/v2/volumes", project=local.project)] == ["renamed"]
    assert [b["status"] for b in local.get("/v2/spot/bids")["data"]] == ["Terminated"]


def test_filters_go_by_what_a_list_still_shows(local: Api, simulator: Simulator) -> None:
    bid, volume = local.placed(), local.volume(region="us-central1-b").json()["fid"]
    simulator.faults.set(list_lag=60)
    local.change(bid, paused=True)
    local("DELETE", f"/v2/volumes/{volume}")

    def bids(**query: str) -> list[str]:
        return [row["status"] for row in local.get("/v2/spot/bids", **query)["data"]]

    def volumes(region: str) -> int:
        return len(local.get("/v2/volumes", project=local.project, region=region))

    assert (bids(status="Paused"), bids(status="Allocated")) == ([], ["Allocated"])
    assert (volumes("us-central1-a"), volumes("us-central1-b")) == (0, 1)
    simulator.advance(60)
    assert (bids(status="Paused"), bids(status="Allocated")) == (["Paused"], [])
    assert volumes("us-central1-b") == 0


def test_pages_that_lag_hold_everything_once(local: Api, simulator: Simulator) -> None:
    bids = [local.placed(f"t{number}") for number in range(5)]
    simulator.faults.set(list_lag=60)
    local.change(bids[1], paused=True)
    local("DELETE", f"/v2/spot/bids/{bids[2]}")
    local.placed("new")
    seen, query = [], {"limit": 2, "sort_by": "status", "sort_dir": "asc"}
    while True:
        page = local.get("/v2/spot/bids", **query)
        seen += page["data"]
        if not page["next_cursor"]:
            break
        query["next_cursor"] = page["next_cursor"]
    assert [(bid["fid"], bid["status"]) for bid in seen] == [(fid, "Allocated") for fid in bids]


def test_instances_keys_and_what_uses_a_volume_lag_too(local: Api, simulator: Simulator) -> None:
    volume = local.volume().json()["fid"]
    (key,) = (row["fid"] for row in local.get("/v2/ssh-keys", project=local.project))
    bid = local.placed("old")
    local.change(bid, paused=True)
    simulator.faults.set(list_lag=60)
    local.change(bid, volumes=[volume], paused=False)
    local("DELETE", f"/v2/ssh-keys/{key}")
    made = local("POST", "/v2/ssh-keys", json={"project": local.project, "name": "new", "public_key": "ssh-x A"}).json()
    local.placed("new")

    def listed() -> Any:
        keys = [row["fid"] for row in local.get("/v2/ssh-keys", project=local.project)]
        bids = [row["bids"] for row in local.get("/v2/volumes", project=local.project)]
        return keys, bids, [(row["name"], row["status"]) for row in local.instances()]

    assert listed() == ([key], [[]], [("old", "STATUS_PAUSED")])
    assert local.status(bid) == "Allocated"
    simulator.advance(60)
    keys, bids, instances = listed()
    assert (keys, bids) == ([made["fid"]], [[bid]])
    assert [name for name, _ in instances] == ["old", "new"]
    assert "STATUS_PAUSED" not in [status for _, status in instances]


def test_a_list_that_lags_changes_nothing(local: Api, simulator: Simulator) -> None:
    bid = local.placed()
    simulator.faults.set(list_lag=60)
    local.change(bid, paused=True)
    dump = list(simulator._db.iterdump())
    local.get("/v2/spot/bids")
    local.instances()
    assert list(simulator._db.iterdump()) == dump
    simulator.faults.set(list_lag=0)
    assert [row["status"] for row in local.get("/v2/spot/bids")["data"]] == ["Paused"]


def test_what_somebody_else_did_can_lag(local: Api, simulator: Simulator) -> None:
    bid = local.placed()
    simulator.faults.third_party("DELETE", f"/v2/spot/bids/{bid}", lag=60)
    mine = local.placed("mine")
    listed = {row["fid"]: row["status"] for row in local.get("/v2/spot/bids")["data"]}
    assert listed == {bid: "Allocated", mine: "Allocated"}
    assert local.status(bid) == "Terminated"
    simulator.advance(60)
    listed = {row["fid"]: row["status"] for row in local.get("/v2/spot/bids")["data"]}
    assert listed == {bid: "Terminated", mine: "Allocated"}


def test_somebody_else_is_another_user(local: Api, simulator: Simulator) -> None:
    me, other = (row["fid"] for row in local.get("/v2/me/teammates"))
    assert local.get("/v2/me")["fid"] == me
    mine = local.placed("mine")
    bid = {**body_of(local), "name": "theirs"}
    theirs = simulator.faults.third_party("POST", "/v2/spot/bids", bid).json["fid"]
    simulator.faults.third_party("PATCH", f"/v2/spot/bids/{mine}", {"limit_price": "$20.00"})
    assert [row["created_by"] for row in local.get("/v2/spot/bids", sort_dir="asc")["data"]] == [me, other]
    assert {row["bid"]: row["created_by"] for row in local.instances()} == {mine: me, theirs: other}
    events = local.get(f"/v2/spot/bids/{mine}/history")["events"]
    assert [event["user_id"] for event in events if event["limit_price"]] == [me, other]
    body = {"project": local.project, "name": "n", "content": "c"}
    script = local("POST", "/v2/lifecycle-scripts", json=body).json()["fid"]
    changed = simulator.faults.third_party("PATCH", f"/v2/lifecycle-scripts/{script}", {"name": "m"}).json
    assert (changed["created_by"], changed["last_modified_by"]) == (me, other)


def test_a_lag_ends_with_real_time_too(local: Api, simulator: Simulator) -> None:
    simulator.faults.set(list_lag=0.05)
    local.placed()
    until(lambda: names(local) != [])


def test_duplicate_names_and_keys_that_are_not_honoured(local: Api, simulator: Simulator) -> None:
    simulator.faults.set(duplicate_names=True, idempotency=False)
    assert local.bid("train", key="k").json()["fid"] != local.bid("train", key="k").json()["fid"]
    assert [local.volume("data").status_code for _ in range(2)] == [201, 201]
    simulator.faults.clear()
    assert local.volume("data").status_code == 409


def test_somebody_else_edits_and_deletes(local: Api, simulator: Simulator) -> None:
    bid, volume = local.placed(), local.volume().json()["fid"]
    before = simulator.ledger(everything=True)
    simulator.faults.add("*  *".replace("  ", " "), "timeout", nth=99)
    assert simulator.faults.third_party("PATCH", f"/v2/spot/bids/{bid}", {"limit_price": "$20.00"}).status == 200
    assert simulator.faults.third_party("DELETE", f"/v2/volumes/{volume}").status == 204
    assert simulator.faults.third_party("DELETE", "/v2/volumes/vol_no").status == 404
    assert local.get(f"/v2/spot/bids/{bid}")["limit_price"] == "$20.00"
    assert local.get("/v2/volumes", project=local.project) == []
    assert simulator.ledger(everything=True) == before


def test_preemption_now(local: Api, simulator: Simulator) -> None:
    bid, other = local.placed(), local.placed("other")
    local.status(bid)
    simulator.advance(600)
    simulator.faults.preempt(bid, seconds=1200)
    assert (local.status(bid), local.status(other)) == ("Preempting", "Allocated")
    simulator.advance(300)
    assert local.status(bid) == "Open"
    simulator.advance(899)
    assert local.status(bid) == "Open"
    simulator.advance(1)
    assert local.status(bid) == "Allocated"
    with pytest.raises(ValueError, match="allocated"):
        simulator.faults.preempt("bid_no")


@pytest.mark.parametrize("end", ["pause", "cancel"])
def test_a_bid_taken_out_of_the_auction_can_be_paused_and_cancelled(local: Api, simulator: Simulator, end: str) -> None:
    bid = local.placed()
    local.status(bid)
    simulator.faults.preempt(bid)
    local.change(bid, limit_price="$18.00")
    if end == "pause":
        local.change(bid, paused=True)
    else:
        local("DELETE", f"/v2/spot/bids/{bid}")
    simulator.advance(3600)
    assert local.status(bid) == {"pause": "Paused", "cancel": "Terminated"}[end]


@pytest.mark.parametrize(
    "given",
    [
        {"on": "POST /v2/bids", "does": "timeout"},
        {"on": POST_BID, "does": "explode"},
        {"on": POST_BID, "does": "refused", "after_commit": True},
        {"on": POST_BID, "does": "truncated", "late": 1},
        {"on": POST_BID, "does": "timeout", "nth": 0},
        {"on": POST_BID, "does": "timeout", "whenever": 1},
        {"on": 5, "does": "timeout"},
        {"on": POST_BID, "does": "timeout", "after_commit": True, "late": 5},
        {"on": POST_BID, "does": "timeout", "after_commit": "yes"},
        {"on": POST_BID, "does": "timeout", "late": -1},
        {"on": POST_BID, "does": "timeout", "late": float("nan")},
        {"on": POST_BID, "does": "timeout", "nth": 1.5},
        {"on": POST_BID, "does": "timeout", "times": 10**30},
        {"on": POST_BID, "does": "status", "status": "abc"},
        {"on": POST_BID, "does": "status", "status": 42},
        {"on": POST_BID, "does": "status", "status": 600},
        {"on": POST_BID, "does": "status", "body": 5},
        {"on": POST_BID, "does": "status", "body": "x", "repeat": 1 << 29},
        {"on": POST_BID, "does": "status", "retry_after": [1]},
        {"on": POST_BID, "does": "status", "retry_after": "x\r\ny"},
        {"on": POST_BID, "does": "status", "headers": {"x": 1}},
        {"on": POST_BID, "does": "status", "headers": ["x"]},
        {"on": POST_BID, "does": "slow", "seconds": "x"},
        {"on": POST_BID, "does": "slow", "seconds": -3},
        {"on": POST_BID, "does": "slow", "seconds": float("inf")},
        {"on": POST_BID, "does": "edited"},
        {"on": POST_BID, "does": "edited", "put": [1]},
        {"on": POST_BID, "does": "edited", "put": {"x": object()}},
        {"on": POST_BID, "does": "edited", "drop": "name"},
        {"on": POST_BID, "does": "edited", "drop": [1]},
        {"on": "DELETE *", "does": "garbled"},
        {"on": "DELETE /v2/volumes/{volume_fid}", "does": "edited", "put": {"x": 1}},
    ],
)
def test_faults_that_could_never_happen(simulator: Simulator, given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"."):
        simulator.faults.add(**given)
    assert simulator.faults.seen() == []


@pytest.mark.parametrize(
    "given", [{"list_lag": -5}, {"list_lag": "5"}, {"list_lag": True}, {"duplicate_names": 1}, {"idempotency": "no"}]
)
def test_conditions_that_make_no_sense(simulator: Simulator, given: dict[str, Any]) -> None:
    before = simulator.faults.conditions()
    with pytest.raises(ValueError, match=next(iter(given))):
        simulator.faults.set(**given)
    assert simulator.faults.conditions() == before


@pytest.mark.parametrize("status", [204, 304])
def test_a_status_that_has_no_body_comes_without(api: Api, simulator: Simulator, status: int) -> None:
    simulator.faults.add("GET /v2/me", "status", status=status)
    answer = api.session.get(api.url + "/v2/me", timeout=LONGEST)
    assert (answer.status_code, answer.content) == (status, b"")
    api.get("/v2/me")


@pytest.mark.parametrize(
    "on", [POST_BID, "GET *", "* /v2/spot/bids/{bid_fid}", "* /v2/spot/bids/bid_x", "DELETE /v2/volumes/*", "* *"]
)
def test_ways_to_name_requests(simulator: Simulator, on: str) -> None:
    assert simulator.faults.add(on, "timeout").on == on


CLIENT = """
import sys, requests
from flowplan.simulator import SIMULATOR_URL, Simulator
from tests.simulator.adapter import SimulatorAdapter
with Simulator.open(sys.argv[1]) as simulator, requests.Session() as session:
    session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
    session.headers["Authorization"] = "Bearer fkey_x"
    body = {"name": sys.argv[2], "disk_interface": "File", "region": "us-central1-b", "size_gb": 5}
    body["project"] = session.get(SIMULATOR_URL + "/v2/projects").json()[0]["fid"]
    print(session.post(SIMULATOR_URL + "/v2/volumes", json=body).status_code)
"""


def in_another_process(path: Path, name: str) -> tuple[int, str]:
    command = [sys.executable, "-c", CLIENT, str(path), name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LONGEST)
    return done.returncode, done.stdout.strip() or done.stderr.strip().rpartition("\n")[2]


@pytest.mark.parametrize("after_commit", [False, True])
def test_another_process_meets_them_and_can_be_killed(tmp_path: Path, after_commit: bool) -> None:
    path = tmp_path / "s.db"
    with Simulator.open(path) as simulator:
        simulator.faults.add("POST /v2/volumes", "kill", after_commit=after_commit)
        simulator.faults.add("POST /v2/volumes", "timeout", nth=2, after_commit=True)
    assert in_another_process(path, "data")[0] == -signal.SIGKILL
    code, error = in_another_process(path, "other")
    assert (code, "ReadTimeout" in error) == (1, True)
    assert in_another_process(path, "third") == (0, "201")
    with Simulator.open(path) as simulator:
        made = [entry.status for entry in simulator.ledger()]
        assert made == [201] * (3 if after_commit else 2)
        assert [seen.met for seen in simulator.faults.seen()] == [1, 1]


# --- the control path ------------------------------------------------------------------------------------------


@pytest.fixture
def served(simulator: Simulator) -> Iterator[Api]:
    with Server(simulator) as server, requests.Session() as session:
        yield Api(server.url, session)


def control(api: Api, method: str, path: str, body: Any = None, **headers: str) -> requests.Response:
    return requests.request(method, f"{api.url}/_simulator/{path}", json=body, headers=headers, timeout=LONGEST)


def test_the_control_path_does_what_python_does(served: Api, simulator: Simulator) -> None:
    fault = {"on": POST_BID, "does": "reset", "after_commit": True}
    assert control(served, "POST", "faults", fault).status_code == 201
    with pytest.raises(ConnectionError):
        served.bid("train")
    assert control(served, "GET", "faults").json()["faults"][0]["met"] == 1
    (bid,) = served.get("/v2/spot/bids")["data"]
    assert control(served, "POST", "preempt", {"bid": bid["fid"]}).status_code == 204
    assert served.status(bid["fid"]) == "Preempting"
    assert control(served, "POST", "advance", {"seconds": 300}).json() == {"now": "2026-11-02T09:05:00+00:00"}
    assert served.status(bid["fid"]) == "Open"
    change = {"method": "PATCH", "path": f"/v2/spot/bids/{bid['fid']}", "body": {"limit_price": "$9.00"}}
    assert control(served, "POST", "third-party", change).json()["limit_price"] == "$9.00"
    assert control(served, "PATCH", "faults", {"list_lag": 5}).json()["list_lag"] == 5
    assert control(served, "DELETE", "faults").status_code == 204
    assert control(served, "GET", "faults").json() == {"faults": [], "conditions": simulator.faults.conditions()}
    assert [entry["status"] for entry in control(served, "GET", "ledger").json()] == [201]
    assert control(served, "GET", "data").json() == {"file": simulator.file}


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "[", "127.0.0.1@evil.example", ""])
def test_the_control_path_is_for_this_machine_only(served: Api, host: str) -> None:
    assert control(served, "POST", "advance", {"seconds": 1}, Host=host).status_code in (400, 403)
    assert control(served, "GET", "faults", Host="localhost:99").status_code == 200


def test_no_web_page_reaches_the_control_path(served: Api) -> None:
    assert control(served, "DELETE", "faults", Origin="http://127.0.0.1").status_code == 403
    answer = requests.post(f"{served.url}/_simulator/advance", data=b'{"seconds": 1}', timeout=LONGEST)
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "faults", {"on": "x", "does": "timeout"}, 400),
        ("POST", "faults", {"does": "timeout"}, 400),
        ("POST", "faults", [], 400),
        ("PATCH", "faults", {"unknown": 1}, 400),
        ("POST", "preempt", {}, 400),
        ("POST", "preempt", {"bid": "bid_x", "seconds": 1e308}, 400),
        ("POST", "preempt", {"bid": [1]}, 400),
        ("POST", "advance", {"seconds": -1}, 400),
        ("POST", "advance", {"seconds": 1e18}, 400),
        ("POST", "advance", {"seconds": 10**400}, 400),
        ("POST", "advance", {"seconds": "1"}, 400),
        ("POST", "advance", {"seconds": None}, 400),
        ("POST", "third-party", {"method": 1, "path": "/v2/me"}, 400),
        ("POST", "third-party", {"method": "GET", "path": None}, 400),
        ("POST", "third-party", {"method": "GET", "path": "//["}, 400),
        ("POST", "third-party", {"method": "GET", "path": "/v2/me", "lag": -1}, 400),
        ("PATCH", "faults", {"list_lag": 1e308}, 400),
        ("POST", "faults", {"on": POST_BID, "does": "timeout", "times": 10**30}, 400),
        ("GET", "nothing", None, 404),
    ],
)
def test_bad_requests_to_the_control_path(served: Api, method: str, path: str, body: Any, status: int) -> None:
    answer = control(served, method, path, body)
    assert answer.status_code == status
    assert isinstance(json.loads(answer.text)["detail"], str)


def test_a_deep_body_is_a_bad_request(served: Api) -> None:
    json_called = {"Content-Type": "application/json"}
    url = f"{served.url}/_simulator/advance"
    assert requests.post(url, data=b"[" * 100_000, headers=json_called, timeout=LONGEST).status_code == 400


def test_in_process_there_is_no_control_path(local: Api) -> None:
    assert local.session.get(SIMULATOR_URL + "/_simulator/faults", timeout=LONGEST).status_code == 404
