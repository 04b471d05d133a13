"""Every list: whose it is, what its filters leave, in which order. Expected is what is true of the unfiltered list."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests

from flowplan.simulator import SIMULATOR_URL, Simulator
from flowplan.simulator.api.routes import ROUTES
from flowplan.simulator.ids import fid
from tests.simulator.adapter import SimulatorAdapter

from .conftest import DOCUMENT, H100, REGION, Api

A100 = "it_RrgkIZz6c9BZu5gi"
OTHER = fid(1, "proj", 2)  # there, but not the key's
ROWS = {"ssh_keys", "quotas", "bids", "instances", "volumes", "lifecycle_scripts"}

Row = dict[str, Any]


@pytest.fixture(scope="module")
def world() -> Iterator[Api]:
    """A bid of each status, in two regions, of two types; volumes, one of them deleted; and as many of a stranger."""
    with Simulator.open(":memory:") as simulator, requests.Session() as session:
        session.mount(SIMULATOR_URL, SimulatorAdapter(simulator))
        api = Api(SIMULATOR_URL, session)
        far = {"instance_type": A100, "region": "us-central1-a", "limit_price": "$40.00"}
        names = {
            name: api.placed(name, **(far if name == "far" else {}))
            for name in ("kept", "paused", "far", "ended", "noticed")
        }
        simulator.advance(600)
        api.change(names["paused"], paused=True)
        api("DELETE", f"/v2/spot/bids/{names['ended']}")
        simulator.faults.preempt(names["noticed"], seconds=3600)
        simulator.advance(300)  # it is Open now
        simulator.faults.preempt(names["far"])
        simulator.advance(60)
        for name, region in (("one", REGION), ("two", "us-central1-a"), ("three", REGION)):
            api.volume(name, region=region)
        gone = api.volume("gone", region="us-central1-a").json()["fid"]
        api("DELETE", f"/v2/volumes/{gone}")
        script = {"project": api.project, "name": "n", "content": "c"}
        first, _ = (api("POST", "/v2/lifecycle-scripts", json=script).json()["fid"] for _ in range(2))
        simulator.advance(60)
        api("PATCH", f"/v2/lifecycle-scripts/{first}", json={"description": "changed"})
        copy_for_a_stranger(simulator, api.project)
        yield api


def copy_for_a_stranger(simulator: Simulator, project: str) -> None:
    """Every row of the project again, in a project that is not the key's: no list may show it."""
    db = simulator._db
    for table in ROWS:
        columns = [row[1] for row in db.execute(f"PRAGMA table_info({table})")]
        changed = {"seq": "seq + 1000000", "fid": "'strange_' || fid", "project": f"'{OTHER}'"}
        values = ", ".join(changed.get(name, name) for name in columns)
        db.execute(f"INSERT INTO {table} SELECT {values} FROM {table} WHERE project = '{project}'")


def rows_of(api: Api, path: str, **query: str) -> list[Row]:
    whole = api.get(path, **({"project": api.project} | query))
    return whole if isinstance(whole, list) else whole.get("data") or whole.get("instances") or []


LISTS = (
    "/v2/ssh-keys",
    "/v2/quotas",
    "/v2/spot/bids",
    "/v2/instances",
    "/v2/instances/status/history",
    "/v2/instances/pricing/history",
    "/v2/volumes",
    "/v2/lifecycle-scripts",
)


@pytest.mark.parametrize("path", LISTS)
def test_a_list_holds_what_is_the_projects(world: Api, path: str) -> None:
    rows = rows_of(world, path)
    assert rows
    assert not [row for row in rows if str(row.get("fid", row.get("instance_fid"))).startswith("strange_")]
    assert {row["project"] for row in rows if "project" in row} <= {world.project}


def test_bids_of_all_projects_are_those_of_the_keys_projects(world: Api) -> None:
    assert world.get("/v2/spot/bids") == world.get("/v2/spot/bids", project=world.project)


FILTERS: list[tuple[str, dict[str, str], Callable[[Row], bool]]] = [
    ("/v2/spot/bids", {"name": "kept"}, lambda row: row["name"] == "kept"),
    ("/v2/spot/bids", {"region": "us-central1-a"}, lambda row: row["region"] == "us-central1-a"),
    ("/v2/spot/bids", {"instance_type": H100}, lambda row: row["instance_type"] == H100),
    ("/v2/spot/bids", {"status": "Open", "region": REGION}, lambda row: row["status"] == "Open"),
    *(
        ("/v2/spot/bids", {"status": status}, lambda row, status=status: row["status"] == status)  # type: ignore[misc]
        for status in ("Open", "Allocated", "Preempting", "Terminated", "Paused")
    ),
    ("/v2/instances", {"region": "us-central1-a"}, lambda row: row["region"] == "us-central1-a"),
    ("/v2/instances", {"instance_type": A100}, lambda row: row["instance_type"] == A100),
    ("/v2/instances", {"status_in": "STATUS_PAUSED"}, lambda row: row["status"] == "STATUS_PAUSED"),
    (
        "/v2/instances",
        {"status_in": "STATUS_RUNNING,STATUS_REPLACED,STATUS_TERMINATED"},
        lambda row: row["status"] in ("STATUS_RUNNING", "STATUS_TERMINATED"),
    ),
    ("/v2/volumes", {"region": "us-central1-a"}, lambda row: row["region"] == "us-central1-a"),
    ("/v2/volumes", {"region": REGION}, lambda row: row["region"] == REGION),
]


@pytest.mark.parametrize(("path", "query", "fits"), FILTERS, ids=[f"{path} {query}" for path, query, _ in FILTERS])
def test_a_filter_leaves_what_fits(world: Api, path: str, query: dict[str, str], fits: Callable[[Row], bool]) -> None:
    everything = rows_of(world, path)
    expected = [row for row in everything if fits(row)]
    assert 0 < len(expected) < len(everything)
    assert rows_of(world, path, **query) == expected


def test_deleted_volumes_are_listed_when_asked_for(world: Api) -> None:
    def names(**query: str) -> list[str]:
        return [row["name"] for row in rows_of(world, "/v2/volumes", **query)]

    assert names() == ["one", "two", "three"]
    assert names(include_deleted="true") == ["one", "two", "three", "gone"]
    assert names(include_deleted="true", region="us-central1-a") == ["two", "gone"]


@pytest.mark.parametrize("path", ["/v2/instances/status/history", "/v2/instances/pricing/history"])
@pytest.mark.parametrize("by", ["instance_fid", "bid_fid"])
def test_a_history_of_one(world: Api, path: str, by: str) -> None:
    everything = rows_of(world, path)
    assert len({row[by] for row in everything}) == len(everything) > 1
    for row in everything:
        assert rows_of(world, path, **{by: row[by]}) == [row]
    assert rows_of(world, path, **{by: "no_such"}) == []
    assert rows_of(world, path, reservation_fid="res_x") == []


def test_of_instances_those_of_given_bids(world: Api) -> None:
    everything = rows_of(world, "/v2/instances")
    two = [row["bid"] for row in everything[:2]]
    assert len(everything) > 2
    assert rows_of(world, "/v2/instances", bid_fid_in=",".join(two)) == everything[:2]
    assert rows_of(world, "/v2/instances", order_type_in="Bid,Reservation") == everything
    assert rows_of(world, "/v2/instances", order_type_in="Reservation") == []
    assert rows_of(world, "/v2/instances", reservation_fid_in="res_x") == []


def test_a_status_history_between_two_times(world: Api) -> None:
    everything = rows_of(world, "/v2/instances/status/history")
    moments = sorted(event["timestamp"] for row in everything for event in row["events"])
    start, end = moments[len(moments) // 3], moments[-2]
    inside = [[event for event in row["events"] if start <= event["timestamp"] <= end] for row in everything]
    between = rows_of(world, "/v2/instances/status/history", start_time=start, end_time=end)
    assert 0 < sum(map(len, inside)) < len(moments)
    assert [row["events"] for row in between] == inside
    (until,) = {tuple(event["timestamp"] for row in everything for event in row["events"] if event["timestamp"] <= end)}
    before_end = rows_of(world, "/v2/instances/status/history", end_time=end)
    assert sum(len(row["events"]) for row in before_end) == len(until)


SORTS = [
    ("/v2/spot/bids", "created_at", "created_at"),
    ("/v2/spot/bids", "status", "status"),
    ("/v2/instances", "created_at", "created_at"),
    ("/v2/instances", "instance_status", "status"),
    ("/v2/instances", "instance_type_fid", "instance_type"),
    ("/v2/lifecycle-scripts", "created_at", "created_at"),
    ("/v2/lifecycle-scripts", "last_modified_at", "last_modified_at"),
]


@pytest.mark.parametrize(("path", "sort_by", "member"), SORTS)
def test_a_list_is_in_the_order_asked_for(world: Api, path: str, sort_by: str, member: str) -> None:
    """By the member, then by age; descending is the other way round throughout."""
    by_age = rows_of(world, path, sort_dir="asc")
    assert by_age == rows_of(world, path)[::-1]  # the newest first, when nothing is said
    ascending = sorted(by_age, key=lambda row: row[member])
    assert rows_of(world, path, sort_by=sort_by, sort_dir="asc") == ascending
    assert rows_of(world, path, sort_by=sort_by, sort_dir="desc") == ascending[::-1]
    assert rows_of(world, path, sort_by=sort_by) == ascending[::-1]
    assert (ascending == by_age) is (sort_by == "created_at")


# --- what the document lets a query say ------------------------------------------------------------------------


def words_of(schema: Row) -> list[str]:
    """The words an enum of the document allows, wherever it is."""
    if "$ref" in schema:
        return words_of(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]])
    parts = [schema.get("items", {}), *schema.get("anyOf", [])]
    return [*filter(None, schema.get("enum", [])), *(word for part in parts if part for word in words_of(part) if word)]


ENUMS = [
    (path, parameter["name"], word)
    for path, methods in DOCUMENT["paths"].items()
    for parameter in methods.get("get", {}).get("parameters", [])
    for word in words_of(parameter["schema"])
]


def test_the_document_has_enums() -> None:
    assert {("/v2/spot/bids", "status", "Preempting"), ("/v2/spot/bids", "sort_dir", "asc")} <= set(ENUMS)


@pytest.mark.parametrize(("path", "name", "word"), ENUMS)
def test_every_word_of_the_document_is_one(world: Api, path: str, name: str, word: str) -> None:
    world.get(path, project=world.project, **{name: word})
    assert world("GET", path, params={"project": world.project, name: word + "x"}).status_code == 422


STATUSES = DOCUMENT["components"]["schemas"]["InstanceModel"]["properties"]["status"]


@pytest.mark.parametrize("status", words_of(STATUSES))
def test_every_status_of_an_instance_can_be_asked_for(world: Api, status: str) -> None:
    world.get("/v2/instances", project=world.project, status_in=status)


# --- cursors ---------------------------------------------------------------------------------------------------


def test_a_cursor_is_for_the_list_and_the_order_that_gave_it(world: Api) -> None:
    pages = {
        ("/v2/spot/bids", "desc"): {},
        ("/v2/spot/bids", "asc"): {"sort_dir": "asc"},
        ("/v2/instances", "desc"): {},
        ("/v2/instances/status/history", ""): {},
        ("/v2/instances/pricing/history", ""): {},
        ("/v2/lifecycle-scripts", "desc"): {},
    }
    for given, query in pages.items():
        first = {"project": world.project, "limit": 1, **query}
        cursor = world.get(given[0], **first)["next_cursor"]
        assert cursor
        for asked, other in pages.items():
            answer = world("GET", asked[0], params={"project": world.project, **other, "next_cursor": cursor})
            assert answer.status_code == (200 if asked == given else 400), (given, asked)


# --- who may ask -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("header", [None, "Bearer sk-1", "Basic Zm9v"])
@pytest.mark.parametrize("route", ROUTES, ids=[f"{route.method} {route.template}" for route in ROUTES])
def test_without_a_good_key_nothing(world: Api, route: Any, header: str | None) -> None:
    headers = {"Authorization": header} if header else {}
    answer = requests.Session.request(bare(world), route.method, world.url + path_of(route.template), headers=headers)
    if (route.method, route.template) == ("POST", "/login"):
        assert answer.status_code == 422
    else:
        assert (answer.status_code, "www-authenticate" in answer.headers) == (401, True)


def bare(api: Api) -> requests.Session:
    session = requests.Session()
    session.adapters = api.session.adapters
    return session


def path_of(template: str) -> str:
    return "/".join("x" if part[:1] == "{" else part for part in template.split("/"))


LAUNCH = {"volumes": [], "ssh_keys": []}
BID = {"region": REGION, "instance_type": H100, "limit_price": "$17.92", "instance_quantity": 1, "name": "n"}
BODIES = {
    "/v2/ssh-keys": {"name": "k", "public_key": "ssh-x A"},
    "/v2/spot/bids": BID | {"launch_specification": LAUNCH},
    "/v2/volumes": {"name": "v", "disk_interface": "File", "region": REGION, "size_gb": 1},
    "/v2/lifecycle-scripts": {"name": "n", "content": "c"},
}


def test_these_are_all_that_name_a_project() -> None:
    """Of what the document says; and the lists of what is not sold besides."""
    paths = DOCUMENT["paths"]
    named = {
        path
        for path in paths
        if any(one["name"] == "project" for one in paths[path].get("get", {}).get("parameters", []))
    }
    assert named == set(LISTS)
    assert {route.template for route in ROUTES if route.method == "POST" and "{" not in route.template} == {
        *BODIES,
        "/login",
        "/v2/api-keys",
    }


@pytest.mark.parametrize("project", [OTHER, "proj_no", ""])
@pytest.mark.parametrize("path", [*LISTS, "/v2/reservation", "/v2/kubernetes/clusters"])
def test_a_list_of_somebody_elses_project_403(world: Api, path: str, project: str) -> None:
    assert world("GET", path, params={"project": project}).status_code == 403
    assert world("GET", path, params={"project": world.project}).status_code == 200


@pytest.mark.parametrize("project", [OTHER, "proj_no"])
@pytest.mark.parametrize("path", BODIES)
def test_nothing_is_made_in_somebody_elses_project_403(
    local: Api, simulator: Simulator, path: str, project: str
) -> None:
    assert local("POST", path, json=BODIES[path] | {"project": project}).status_code == 403
    assert simulator.ledger() == []
    assert local("POST", path, json=BODIES[path] | {"project": local.project}).status_code == 201
