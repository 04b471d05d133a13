"""What clients ask beside bids and volumes: API keys, lifecycle scripts, regions, reservations, reserved instances."""

from __future__ import annotations

import importlib
import re
from datetime import timedelta
from typing import Any

import pytest
import requests

from flowplan.simulator import SIMULATOR_URL, Simulator
from flowplan.simulator.api.routes import ROUTES, Route
from tests.processes import LONGEST
from tests.simulator.adapter import SimulatorAdapter

from .conftest import DOCUMENT, Api

A5000 = "it_A5kx1tF3vHy7JgLp"

# What clients ask for that the document does not have.
UNDOCUMENTED = """
POST /login
GET /users/{user_fid}/billing_check
GET /users/{user_fid}/teammates
GET /marketplace/v1/regions
GET /v2/api-keys
POST /v2/api-keys
DELETE /v2/api-keys/{api_key_fid}
GET /v2/cpu/instance-types
GET /v2/cpu/regions
GET /v2/kubernetes/clusters
GET /v2/reservation
"""


def test_every_path_of_the_document_is_answered() -> None:
    served = {f"{route.method} {route.template}" for route in ROUTES}
    wanted = {f"{method.upper()} {path}" for path, methods in DOCUMENT["paths"].items() for method in methods}
    assert served == wanted | set(UNDOCUMENTED.strip().splitlines())


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.template}")
def test_every_route_is_known_and_wants_a_key(local: Api, route: Route) -> None:
    """Walked: what is asked for with nothing else is answered, or refused as the document says."""
    path = re.sub(r"{[^}]+}", "no_such", route.template)
    answer = local(route.method, path)
    assert answer.status_code in (200, 404, 422)
    assert answer.status_code != 404 or answer.json()["detail"] != "Not Found"
    local.session.headers.pop("Authorization")
    assert local(route.method, path).status_code == (422 if route.public else 401)


def test_older_clients_find_the_teammates_too(api: Api) -> None:
    me = api.get("/v2/me")
    for id in (me["id"], me["fid"]):
        assert api.get(f"/users/{id}/teammates") == api.get("/v2/me/teammates")
    assert api("GET", "/users/user_no/teammates").status_code == 404


@pytest.mark.parametrize("handler", sorted({route.handler for route in ROUTES}))
def test_every_handler_exists(handler: str) -> None:
    module, _, function = handler.partition(".")
    assert callable(getattr(importlib.import_module(f"flowplan.simulator.api.{module}"), function))


def test_an_api_key_works_until_it_is_revoked_or_expires(api: Api, simulator: Simulator) -> None:
    body = {"name": "ci", "expires_at": "2026-11-02T10:00:00Z"}
    one, two = (api("POST", "/v2/api-keys", json=body).json() for _ in range(2))
    assert one["secret"].startswith("fkey_")
    listed = api.get("/v2/api-keys")
    assert [key["fid"] for key in listed] == [one["fid"], two["fid"]]
    assert "secret" not in listed[0]
    assert [key["snippet"] for key in listed] == [f"fkey_...{made['secret'][-4:]}" for made in (one, two)]
    assert api("DELETE", f"/v2/api-keys/{one['fid']}").status_code == 204
    assert api("DELETE", "/v2/api-keys/apikey_no").status_code == 404
    assert me_with(api, one["secret"]) == 401
    assert me_with(api, two["secret"]) == 200
    simulator.advance(timedelta(hours=1))
    assert me_with(api, two["secret"]) == 401
    assert me_with(api, "fkey_any_other") == 200
    assert api("POST", "/v2/api-keys", json=body).status_code == 400


def me_with(api: Api, key: str) -> int:
    return requests.Session.get(api.session, api.url + "/v2/me", headers={"Authorization": f"Bearer {key}"}).status_code


def test_with_one_good_key_others_can_be_made(tmp_path: Any) -> None:
    with Simulator.open(tmp_path / "s.db", api_key="fkey_one") as simulator, requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        api = Api(SIMULATOR_URL, session)
        session.headers["Authorization"] = "Bearer fkey_one"
        made = api("POST", "/v2/api-keys", json={"name": "ci", "expires_at": "2027-01-01T00:00:00Z"}).json()
        assert [me_with(api, key) for key in ("fkey_one", made["secret"], "fkey_other")] == [200, 200, 401]


def test_no_secret_is_kept(tmp_path: Any) -> None:
    with Simulator.open(tmp_path / "s.db") as simulator, requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        api = Api(SIMULATOR_URL, session)
        made = api("POST", "/v2/api-keys", json={"name": "ci", "expires_at": "2027-01-01T00:00:00Z"}).json()
        simulator.faults.add("POST /v2/volumes", "status", late=60)
        session.post(SIMULATOR_URL + "/v2/volumes", json={}, headers={"Authorization": f"Bearer {made['secret']}"})
        dump = "\n".join(simulator._db.iterdump())
    assert made["secret"] not in dump


def test_life_of_a_lifecycle_script(api: Api, simulator: Simulator) -> None:
    body = {"project": api.project, "name": "warm", "content": "#!/bin/sh\necho \u00e9\n"}
    made = api("POST", "/v2/lifecycle-scripts", json=body).json()
    simulator.advance(60)
    path = f"/v2/lifecycle-scripts/{made['fid']}"
    changed = api("PATCH", path, json={"description": "x", "scope": "ORGANIZATION"}).json()
    assert (changed["name"], changed["description"], changed["scope"]) == ("warm", "x", "ORGANIZATION")
    assert changed["created_at"] < changed["last_modified_at"]
    assert api.get(path + "/content") == body["content"]
    assert made["content_url"] == api.url + path + "/content"
    assert api.session.get(changed["content_url"], timeout=LONGEST).json() == body["content"]
    newer = api("POST", "/v2/lifecycle-scripts", json=body | {"name": "newer"}).json()
    page = api.get("/v2/lifecycle-scripts", project=api.project, limit=1, sort_by="last_modified_at")
    rest = api.get(
        "/v2/lifecycle-scripts",
        project=api.project,
        limit=1,
        sort_by="last_modified_at",
        next_cursor=page["next_cursor"],
    )
    assert {row["fid"] for row in page["data"] + rest["data"]} == {made["fid"], newer["fid"]}
    assert api("DELETE", path).status_code == 204
    assert [api(method, path, json={}).status_code for method in ("DELETE", "PATCH")] == [404, 404]


def test_spot_instances_refuse_what_reserved_ones_can(api: Api) -> None:
    bid = api.placed()
    api.status(bid)
    instance = api.instances()[0]["fid"]
    for id, status in ((instance, 501), ("inst_no", 404)):
        patch = {"instances": [id], "status": "STATUS_PAUSED"}
        assert api("PATCH", "/v2/instances", json=patch).status_code == status
        assert api("POST", f"/v2/instances/{id}/restart").status_code == status
        assert api("POST", f"/v2/instances/{id}/refresh-boot-disk").status_code == status
        assert api("POST", f"/v2/instances/{id}/refresh-boot-disk", json={"image_version": None}).status_code == status
    assert api("POST", f"/v2/instances/{instance}/refresh-boot-disk", json={"image_version": 1}).status_code == 422
    assert api("PATCH", "/v2/instances", json={"instances": [], "status": "STATUS_NEW"}).status_code == 422


def test_what_is_not_sold_is_empty_and_regions_are_listed(api: Api) -> None:
    assert api.get("/v2/reservation", project=api.project) == {"data": [], "next_cursor": None}
    assert api("GET", "/v2/reservation").status_code == 422
    assert api.get("/v2/cpu/instance-types") == []
    regions, cpu = api.get("/marketplace/v1/regions"), api.get("/v2/cpu/regions")
    assert [row["name"] for row in regions] == [row["name"] for row in cpu]
    assert {auction["region"] for auction in api.get("/v2/spot/availability")} <= {row["name"] for row in regions}
    assert cpu[0]["max_volume_size_tb"] == 32


def test_bills_are_in_order_and_there_are_no_clusters(api: Api) -> None:
    me = api.get("/v2/me")
    for id in (me["id"], me["fid"]):
        assert api.get(f"/users/{id}/billing_check")["code"] == "ok"
    assert api("GET", "/users/user_no/billing_check").status_code == 404
    assert api.get("/v2/kubernetes/clusters", project=api.project) == []
    assert api("GET", "/v2/kubernetes/clusters").status_code == 422


def test_a_key_in_use_stays_until_its_last_bid_is_over(api: Api) -> None:
    body = {"project": api.project, "name": "k", "public_key": "ssh-x A"}
    key, free = (api("POST", "/v2/ssh-keys", json=body).json()["fid"] for _ in range(2))
    launch = {"volumes": [], "ssh_keys": [key, key]}
    one, two = (api.placed(name, launch_specification=launch) for name in ("one", "two"))
    api.change(two, paused=True)
    assert api("DELETE", f"/v2/ssh-keys/{free}").status_code == 204
    for bid in (one, two):
        refused = api("DELETE", f"/v2/ssh-keys/{key}")
        assert (refused.status_code, refused.json()) == (400, {"detail": "SSH key is in use by an active bid"})
        api("DELETE", f"/v2/spot/bids/{bid}")
    assert api("DELETE", f"/v2/ssh-keys/{key}").status_code == 204


def test_who_uses_a_key_is_looked_up(simulator: Simulator) -> None:
    """Not searched for in all bids: there may be ten thousand."""
    sql = "EXPLAIN QUERY PLAN SELECT 1 FROM ssh_key_uses WHERE ssh_key = ? LIMIT 1"
    ((*_, plan),) = simulator._db.execute(sql, ("sshkey_x",)).fetchall()
    assert plan.startswith("SEARCH ssh_key_uses USING")
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    with requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        api = Api(SIMULATOR_URL, session)
        body = {"project": api.project, "name": "k", "public_key": "ssh-x A"}
        taken = []
        for bids in (0, 100):
            for number in range(bids):
                api.placed(f"t{number}", limit_price="$8.00")
            key = api("POST", "/v2/ssh-keys", json=body).json()["fid"]
            steps = 0
            simulator._db.set_progress_handler(count, 10)
            assert api("DELETE", f"/v2/ssh-keys/{key}").status_code == 204
            simulator._db.set_progress_handler(None, 0)
            taken.append(steps)
    assert taken[1] <= taken[0] + 20


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("2026-11-09", "2026-11-09T00:00:00Z"),
        ("2026-11-09T10:00:00.5+02:00", "2026-11-09T08:00:00.500Z"),
        (1_794_218_400, "2026-11-09T10:00:00Z"),
        (1_794_218_400_000, "2026-11-09T10:00:00Z"),
        ("1794218400", "2026-11-09T10:00:00Z"),
    ],
)
def test_times_are_read_as_leniently_as_pydantic_does(local: Api, given: Any, read: str) -> None:
    made = local("POST", "/v2/api-keys", json={"name": "", "expires_at": given})
    assert (made.status_code, made.json().get("expires_at")) == (201, read)


@pytest.mark.parametrize(
    "given", ["", "soon", "2026-13-01", "2026-11-31", "26-11-09", True, None, [], 1e300, "9" * 15, -1e14, "2026-11-09T"]
)
def test_what_is_no_time(local: Api, given: Any) -> None:
    assert local("POST", "/v2/api-keys", json={"name": "ci", "expires_at": given}).status_code == 422


def test_a_date_is_a_time_in_a_query(local: Api) -> None:
    query = {"num_samples": -1, "start_time": "2026-10-25"}
    history = local.get("/v2/pricing/history", **query)
    assert {series["timestamps"][0] for series in history["series"]} == {"2026-10-25T00:00:00Z"}


def test_memory_where_it_is_adjustable(api: Api) -> None:
    adjustable = {row["instance_type"] for row in api.get("/v2/spot/availability") if row["adjustable_memory"]}
    assert A5000 in adjustable
    launch = {"volumes": [], "ssh_keys": [], "memory_gb": 32}
    bid = api.placed(instance_type=A5000, launch_specification=launch)
    assert api.change(bid, memory_gb=48).json()["launch_specification"]["memory_gb"] == 48
    events = api.get(f"/v2/spot/bids/{bid}/history")["events"]
    assert ("Memory Adjusted", 48) in [(event["event_type"], event["memory_gb"]) for event in events]
    assert api.change(bid, memory_gb=65).status_code == 400
    assert api.bid("other", launch_specification=launch).status_code == 400
