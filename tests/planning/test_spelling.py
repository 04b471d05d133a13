"""One thing written in two ways is one thing: order, repetition and spelling replace nothing; and what is replaced
shows what differs."""

from __future__ import annotations

import json
import re
from typing import Any

import attrs
import pytest

from flowplan.model.resources import (
    Bid,
    ContainerImage,
    Inputs,
    LocalDisk,
    Mount,
    PortMapping,
    PortPair,
    Script,
)
from flowplan.planning.differences import differences
from flowplan.startup import marker
from tests.builders import TRAIN, bid, marked
from tests.conftest import Place, bid_id, many

INPUTS = Inputs(
    Script.of("echo hello\n"),
    (PortPair(8080, 8080), PortPair(8441, 8001)),
    (Mount("vol_1", "/mnt/a"), Mount("vol_2", "/mnt/b")),
    (LocalDisk("/dev/vdc", "/scratch"), LocalDisk("/dev/vdd", "/scratch2")),
    ContainerImage("nginx", None, "-e A=1 -p 80:80"),
)
OTHER_ORDER = attrs.evolve(
    INPUTS,
    ports=INPUTS.ports[::-1],
    mounts=INPUTS.mounts[::-1],
    local_disks=INPUTS.local_disks[::-1],
    container_image=ContainerImage("nginx", None, "-e  'A=1'   -p 80:80"),
)


def given(inputs: Inputs | None = INPUTS, **other: Any) -> Bid:
    return bid(**{"ssh_keys": ("sshkey_1", "sshkey_2"), "volumes": ("vol_1", "vol_2"), "inputs": inputs, **other})


def test_the_digest_in_a_live_marker_is_that_of_every_flowplan() -> None:
    """Markers that are live were written with this digest: another would replace every running bid."""
    assert INPUTS.sha256 == "c58fe04fd7a47b0da11f3776a7577c4c7715f76a3dc962de555a705cb302fb5b"


SAME = [
    (given(), given(OTHER_ORDER)),
    (given(), given(ssh_keys=("sshkey_2", "sshkey_1"), volumes=("vol_2", "vol_1"))),
    (given(ssh_keys=("sshkey_1", "sshkey_2", "sshkey_1")), given()),
    (given(marked(INPUTS)), given()),
    (given(marked(INPUTS)), given(attrs.evolve(INPUTS, ports=INPUTS.ports[::-1], mounts=INPUTS.mounts[::-1]))),
    (given(attrs.evolve(INPUTS, mounts=INPUTS.mounts[::-1])), given(marked(INPUTS))),
    (PortMapping(TRAIN, INPUTS.ports), PortMapping(TRAIN, INPUTS.ports[::-1])),
]


@pytest.mark.parametrize(("before", "after"), SAME)
def test_another_order_is_no_difference(before: Any, after: Any) -> None:
    assert differences(before, after) == ()
    assert differences(after, before) == ()


@pytest.mark.parametrize(
    ("changed", "names"),
    [
        ({"mounts": (Mount("vol_2", "/mnt/a"), Mount("vol_1", "/mnt/b"))}, ["mounts"]),  # exchanged for good
        ({"mounts": (Mount("vol_1", "/mnt/a"),)}, ["mounts"]),
        ({"ports": (PortPair(8080, 8080), PortPair(8441, 8002))}, ["ports"]),
        ({"local_disks": (LocalDisk("/dev/vdc", "/scratch2"), LocalDisk("/dev/vdd", "/scratch"))}, ["local_disks"]),
        ({"container_image": ContainerImage("nginx", None, "-e A=2 -p 80:80")}, ["container_image"]),
        ({"startup_script": Script.of("echo other\n")}, ["startup_script"]),
    ],
)
def test_what_differs_forces_a_replacement_and_is_named(changed: dict[str, Any], names: list[str]) -> None:
    other = given(attrs.evolve(INPUTS, **changed))
    found = differences(given(), other)
    assert [one.name for one in found] == names
    assert all(one.forces and (one.before != one.after or one.name == "container_image") for one in found)
    told = [name if name in ("ports", "mounts") else "inputs" for name in names]  # a marker tells no more
    assert [one.name for one in differences(given(marked(INPUTS)), other)] == told


def test_a_marker_with_the_same_sets_and_another_script_is_different() -> None:
    other = attrs.evolve(INPUTS, startup_script=Script.of("echo other\n"), mounts=INPUTS.mounts[::-1])
    assert [one.name for one in differences(given(marked(INPUTS)), given(other))] == ["inputs"]


# ---- through the command line ---------------------------------------------------------------------------------

TWO = """\
name: two
project_name: my-foundry-project
ssh_key_name: {key}
task_management: {{utility_threshold_price: {price}}}
resources_specification: {{fcp_instance: {kind}, cluster_id: us-central1-b}}
persistent_storage:
  create:
    - {{volume_name: {first}, size: 1, mount_point: /mnt/{first}/}}
    - {{volume_name: {second}, size: 1, mount_point: /mnt/{second}}}
ports: {ports}
startup_script: echo
"""
PLAIN = {
    "key": "my-ssh-key",
    "price": "17.92",
    "kind": "h100.8x.SXM5.IB",
    "first": "one",
    "second": "two",
    "ports": "[8080, 8441-8442]",
}


@pytest.mark.parametrize(
    "other",
    [
        {"first": "two", "second": "one"},
        {"ports": "[8442, 8080, {external: 8441, internal: 8441}]"},
        {"ports": '["8441:8441", "8442", "8080-8080"]'},
        {"kind": "8xh100"},
        {"kind": "it_5ECSoHQjLBzrp5YM"},
        {"key": "{key_id}"},
        {"key": "[my-ssh-key, {key_id}]"},
    ],
)
def test_the_same_in_other_words_changes_nothing(place: Place, other: dict[str, str]) -> None:
    place.write(TWO.format(**PLAIN))
    place.ok("apply", "--auto-approve")
    project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    keys = json.loads(place.call("GET", f"/v2/ssh-keys?project={project}").body)
    id = next(key["fid"] for key in keys if key["name"] == "my-ssh-key")
    place.write(TWO.format(**{**PLAIN, **{name: text.replace("{key_id}", id) for name, text in other.items()}}))
    result = place.run("plan", "--detailed-exitcode")
    assert result.code == 0, result


def test_a_price_is_changed_where_the_order_is_another_too(place: Place) -> None:
    """What is recorded is what the bid carries: else the next plan would know it by its marker alone."""
    place.write(TWO.format(**PLAIN))
    place.ok("apply", "--auto-approve")
    place.write(
        TWO.format(**{**PLAIN, "first": "two", "second": "one", "price": "18.40", "ports": "[8441, 8442, 8080]"})
    )
    assert "forces" not in place.ok("plan")
    place.ok("apply", "--auto-approve")
    applied = json.loads((place.path / "flowplan.state.json").read_text())["resources"]
    [inputs] = [one["applied"]["inputs"] for one in applied if one["type"] == "bid"]
    assert inputs["given_sha256"] is None
    script = json.loads(place.call("GET", "/v2/spot/bids").body)["data"][0]["launch_specification"]["startup_script"]
    found = marker.read(script)
    assert found is not None
    assert [mount["mount_point"] for mount in inputs["mounts"]] == [mount.mount_point for mount in found.mounts]
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_two_types_of_one_name_are_shown_by_their_ids(place: Place) -> None:
    """The names are equal, and the bid is replaced all the same: the plan shows by what they differ."""
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    types = json.loads(place.call("GET", "/v2/instance-types").body)
    [old] = [one["fid"] for one in types if one["fid"] == "it_5ECSoHQjLBzrp5YM"]
    auctions = json.loads(place.call("GET", "/v2/spot/availability").body)
    for one in auctions:
        if one["instance_type"] == old and one["region"] == "us-central1-b":
            one["instance_type"] = "it_XqgKWbhZ5gznAYsG"
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/availability", "status", status=200, body=json.dumps(auctions), times=None)
    place.edit("h100.8x.SXM5.IB", "it_XqgKWbhZ5gznAYsG")
    out = place.ok("plan")
    assert re.search(
        r'instance_type += "it_5ECSoHQjLBzrp5YM"\s+-> "it_XqgKWbhZ5gznAYsG"\s+# forces replacement', out
    ), out


# ---- volumes by name and by id --------------------------------------------------------------------------------

USER = """\
name: {name}
project_name: my-foundry-project
ssh_key_name: my-ssh-key
task_management: {{utility_threshold_price: 17.92}}
resources_specification: {{fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}
persistent_storage: {{attach: [{volumes}]}}
startup_script: echo
"""


def somebodys_volume(place: Place, name: str = "shared", interface: str = "Block") -> str:
    project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    body = {"name": name, "project": project, "disk_interface": interface, "region": "us-central1-b", "size_gb": 1}
    made: str = json.loads(place.call("POST", "/v2/volumes", json.dumps(body).encode()).body)["fid"]
    return made


def attach(volume: str, directory: str) -> str:
    return f"{{volume_name: {volume}, mount_point: {directory}}}"


def test_one_block_volume_by_name_here_and_by_id_there_is_refused_before_anything_is_placed(place: Place) -> None:
    id = somebodys_volume(place)
    ledger = len(place.ledger())
    texts = [USER.format(name=name, volumes=attach(volume, "/mnt/x")) for name, volume in (("a", "shared"), ("b", id))]
    place.write("---\n".join(texts))
    result = place.run("apply", "--auto-approve")
    assert result.code == 65, result
    told = " ".join(result.err.split())
    assert f"the Block volume shared is already used by bid.a, as shared there and {id} here" in told
    assert "flowplan.yaml:6" in told and "flowplan.yaml:14" in told  # both places
    assert len(place.ledger()) == ledger


def test_a_created_block_volume_that_another_task_attaches_by_its_id(place: Place) -> None:
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    id = bid_id(place, "volume.vol-000")
    place.write(many(1) + "---\n" + USER.format(name="b", volumes=attach(id, "/mnt/x")))
    result = place.run("plan")
    assert result.code == 65, result
    assert "the Block volume vol-000 is already used by bid.b" in " ".join(result.err.split()) or (
        "the Block volume vol-000 is already used by bid.task-000" in " ".join(result.err.split())
    )


def test_one_volume_twice_in_one_task(place: Place) -> None:
    id = somebodys_volume(place, interface="File")
    place.write(USER.format(name="a", volumes=f"{attach('shared', '/mnt/x')}, {attach(id, '/mnt/y')}"))
    result = place.run("plan")
    assert result.code == 65, result
    assert "uses the volume shared twice, as shared there" in " ".join(result.err.split())


# ---- names that changed in the cloud --------------------------------------------------------------------------


def test_a_renamed_file_volume_is_mounted_by_the_name_it_has(place: Place) -> None:
    """The platform mounts it at /mnt/NAME, by the name it has there, whatever the file calls it."""
    text = many(1).replace("size: 1,", "size: 1, disk_interface: File,")
    place.write(text)
    place.ok("apply", "--auto-approve")
    id = bid_id(place, "volume.vol-000")
    place.call("PATCH", f"/v2/volumes/{id}", b'{"name": "renamed"}')
    assert place.run("plan", "--detailed-exitcode").code == 0  # what runs has it mounted already
    place.edit("ports: [8080]", "ports: [8081]")
    place.ok("apply", "--auto-approve")
    rows = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    [script] = [r["launch_specification"]["startup_script"] for r in rows if r["status"] != "Terminated"]
    assert "mounts=(share renamed /mnt/d)" in script
    assert place.run("plan", "--detailed-exitcode").code == 0


# ---- places that are offered no more --------------------------------------------------------------------------


def withdraw(place: Place, *, type_too: bool = False, region: bool = False) -> None:
    """Nothing is auctioned any more where the bid runs."""
    auctions = json.loads(place.call("GET", "/v2/spot/availability").body)
    types = json.loads(place.call("GET", "/v2/instance-types").body)
    gone = "it_5ECSoHQjLBzrp5YM"
    left = [a for a in auctions if a["region"] != "us-central1-b" or not (region or a["instance_type"] == gone)]
    with place.simulator() as simulator:
        rules: list[tuple[str, Any]] = [("GET /v2/spot/availability", left)]
        if type_too:
            rules.append(("GET /v2/instance-types", [one for one in types if one["fid"] != gone]))
        for route, body in rules:
            simulator.faults.add(route, "status", status=200, body=json.dumps(body), times=None)
        simulator.faults.add(
            "GET /v2/pricing/current", "status", status=404, body='{"detail": "Auction not found"}', times=None
        )


@pytest.mark.parametrize("how", [{}, {"type_too": True}, {"region": True}, {"type_too": True, "region": True}])
def test_a_bid_whose_auction_has_gone_can_be_planned_paused_and_cancelled(place: Place, how: dict[str, bool]) -> None:
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    withdraw(place, **how)
    result = place.run("plan", "--detailed-exitcode")
    assert result.code == 0, result
    place.write(many(1).replace("ports:", "paused: true\nports:"))
    place.ok("apply", "--auto-approve")
    assert place.ledger()[-1].method == "PATCH"
    place.edit("8080", "8090")
    ledger = len(place.ledger())
    result = place.run("apply", "--auto-approve")
    assert result.code == 65, result
    assert "cannot be placed again" in " ".join(result.err.split())
    assert len(place.ledger()) == ledger
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")


def test_a_bid_stays_where_nothing_is_offered_any_more_although_there_are_other_places(place: Place) -> None:
    text = (
        many(1)
        .replace(", cluster_id: us-central1-b", "")
        .replace("persistent_storage: {create: {volume_name: vol-000, size: 1, mount_point: /mnt/d}}\n", "")
    )
    place.write(text)
    place.ok("apply", "--auto-approve")
    [live] = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    auctions = json.loads(place.call("GET", "/v2/spot/availability").body)
    left = [a for a in auctions if (a["instance_type"], a["region"]) != (live["instance_type"], live["region"])]
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/availability", "status", status=200, body=json.dumps(left), times=None)
    result = place.run("plan", "--detailed-exitcode")
    assert result.code == 0, result
