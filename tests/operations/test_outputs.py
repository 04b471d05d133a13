"""Outputs of a stack: planned, kept with the state, asked for, and never a secret among them."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest

from flowplan.model.address import Address
from flowplan.model.outputs import Thing, value_of
from flowplan.model.resources import Volume
from tests.builders import bid
from tests.conftest import APPLY, Place

STACK = """\
version: 2
variables: {token: {default: geheim-99, sensitive: true}}
defaults: {resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}
volumes: {data: {size: 5, disk_interface: File}}
tasks:
  solo: {}
  sweep: {for_each: [b, a]}
outputs:
  volume: ${volume.data.id}
  login: "ssh ubuntu@${task.solo.ssh}"
  names: ${task.sweep.name}
  token: {value: "t=${var.token}", sensitive: true}
"""
THINGS = {
    Address("bid", "solo"): Thing(bid(name="solo", limit_price=Decimal("9.5")), "bid_1", "10.0.0.1:22"),
    Address("bid", 'sweep["b"]'): Thing(bid(name="sweep-b"), "bid_3"),
    Address("bid", 'sweep["a"]'): Thing(bid(name="sweep-a"), "bid_2"),
    Address("volume", "data"): Thing(Volume("d", 5, "File", "us-a")),
}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("$${HOME}", "${HOME}"),
        ("${task.solo.ssh}", "10.0.0.1:22"),
        ("${ task.solo.limit_price }", "9.50"),
        ("${volume.data.size_gb}", 5),
        ("${volume.data.size_gb} GB", "5 GB"),
        ("${volume.data.id}", None),
        ("x-${volume.data.id}", None),
        ('${task.sweep["b"].id}', "bid_3"),
        ("${task.sweep.id}", {"a": "bid_2", "b": "bid_3"}),
        ("${task.sweep.ssh}", {"a": None, "b": None}),
        ("${task.nobody.id}", None),
    ],
)
def test_what_a_template_comes_to(template: str, value: object) -> None:
    assert value_of(template, THINGS) == value


@pytest.fixture
def stacked(place: Place) -> Place:
    place.write(STACK)
    return place


def test_planned_applied_and_asked_for(stacked: Place) -> None:
    out = stacked.ok("plan")
    assert "+ volume = (known after apply)" in out
    assert '+ names  = {"a": "sweep-a", "b": "sweep-b"}' in out or '+ names = {"a": "sweep-a", "b": "sweep-b"}' in out
    body = json.loads(stacked.ok("plan", "--format", "json"))
    assert body["outputs"]["volume"] == {"value": None, "sensitive": False}
    assert "login = (not known yet)" in " ".join(stacked.ok(*APPLY).split())
    assert stacked.run("plan", "--detailed-exitcode").code == 0
    with stacked.simulator() as simulator:
        simulator.advance(3600)
    volume = json.loads(stacked.ok("state", "show", "volume.data", "--format", "json"))["resource"]["id"]
    assert stacked.ok("output", "--raw", "volume") == volume
    assert stacked.ok("output", "--raw", "login").startswith("ssh ubuntu@")
    assert json.loads(stacked.ok("output", "--json"))["names"]["value"] == {"a": "sweep-a", "b": "sweep-b"}
    assert "ssh ubuntu@" in stacked.ok(*APPLY)


def test_a_sensitive_one_is_kept_nowhere(stacked: Place) -> None:
    said = stacked.ok("plan") + stacked.ok("plan", "--out", "p.json") + stacked.ok(*APPLY, "--json")
    said += stacked.ok("output") + stacked.ok("output", "--json") + stacked.ok("show", "--format", "json")
    assert "<sensitive>" in said
    files = [path for path in stacked.path.rglob("*") if path.is_file() and path.name != "flowplan.yaml"]
    assert files
    assert "geheim" not in said + "".join(path.read_text(errors="replace") for path in files)
    refused = stacked.run("output", "--raw", "token")
    assert (refused.code, "kept nowhere" in refused.err) == (1, True)


def test_they_change_with_the_file_and_go_with_the_stack(stacked: Place) -> None:
    stacked.ok(*APPLY)
    stacked.write(STACK.replace("  volume: ${volume.data.id}\n", "  size: ${volume.data.size_gb}\n"))
    assert "+ size = 5" in stacked.ok("plan")
    stacked.ok(*APPLY)
    assert "volume" not in json.loads(stacked.ok("output", "--json"))
    assert stacked.ok("output", "size") == "size = 5\n"
    stacked.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert stacked.ok("output") == "There are no outputs.\n"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("output", "volme"), 64, "did you mean volume?"),
        (("output", "--raw"), 64, "--raw prints one value"),
        (("output", "--raw", "--json", "volume"), 64, "--raw prints one value"),
        (("output", "--raw", "login"), 1, "output login has no value yet"),
    ],
)
def test_what_cannot_be_shown(stacked: Place, arguments: tuple[str, ...], code: int, said: str) -> None:
    stacked.ok(*APPLY)
    refused = stacked.run(*arguments)
    assert (refused.code, said in refused.err) == (code, True)


def test_an_api_that_fails_in_the_end_fails_nothing(stacked: Place) -> None:
    with stacked.simulator() as simulator:
        simulator.faults.add("GET /v2/instances", "status", status=403, times=None)
    out = stacked.run(*APPLY)
    assert (out.code, "where to log in could not be asked for" in out.err) == (0, True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("volume.data.id", "volume.dat.id", "output volume names volume.dat, which there is not"),
        ("volume.data.id", "volume.data.ssh", "output volume: a volume has no attribute ssh"),
        ("sensitive: true}\n", "sensitive: false}\n", "output token holds the value of a sensitive variable"),
    ],
)
def test_problems(stacked: Place, old: str, new: str, said: str) -> None:
    text = STACK
    index = text.rindex(old)
    stacked.write(text[:index] + new + text[index + len(old) :])
    refused = stacked.run("validate")
    assert (refused.code, said in refused.err) == (65, True)
