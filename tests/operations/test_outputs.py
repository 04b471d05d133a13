"""Outputs of a stack: planned, kept with the state, asked for, and never a secret among them."""

from __future__ import annotations

import json
import shlex
from decimal import Decimal
from urllib.parse import urlsplit

import pytest

from flowplan.cli.examples import EXAMPLES
from flowplan.model.address import Address
from flowplan.model.outputs import Thing, value_of
from flowplan.model.resources import Volume
from tests.builders import bid
from tests.conftest import APPLY, DESTROY, Place
from tests.texts import PAIR

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


@pytest.mark.parametrize("attribute", ["limit_price", "instance_quantity", "region", "instance_type", "name"])
def test_what_the_api_does_not_report_is_not_known(attribute: str) -> None:
    """What the resource holds there stands for nothing."""
    things = {Address("bid", "a"): Thing(bid(unreported=(attribute,)), "bid_1")}
    assert value_of(f"${{task.a.{attribute}}}", things) is None
    assert value_of(f"at ${{task.a.{attribute}}}", things) is None
    assert value_of("${task.a.id}", things) == "bid_1"


@pytest.mark.parametrize("attribute", ["size_gb", "interface", "region"])
def test_nor_is_what_it_does_not_report_of_a_volume(attribute: str) -> None:
    things = {Address("volume", "a"): Thing(Volume("d", 5, "File", "us-a", unreported=(attribute,)))}
    assert value_of(f"${{volume.a.{attribute}}}", things) is None
    assert value_of("${volume.a.name}", things) == "d"


@pytest.fixture
def stacked(place: Place) -> Place:
    place.write(STACK)
    return place


def test_planned_applied_and_asked_for(stacked: Place) -> None:
    out = stacked.ok("plan")
    assert "+ volume = (known after apply)" in out
    assert '+ names  = {"a": "sweep-a", "b": "sweep-b"}' in out or '+ names = {"a": "sweep-a", "b": "sweep-b"}' in out
    body = json.loads(stacked.ok("plan", "--format", "json"))
    assert body["outputs"]["volume"] == {"value": None, "sensitive": False, "after_unknown": True}
    assert "login = (not known yet)" in " ".join(stacked.ok(*APPLY).split())
    assert stacked.run("plan", "--detailed-exitcode").code == 0
    with stacked.simulator() as simulator:
        simulator.advance(3600)
    volume = json.loads(stacked.ok("state", "show", "volume.data", "--format", "json"))["resource"]["id"]
    assert stacked.ok("output", "--raw", "volume") == volume
    assert stacked.ok("output", "--raw", "login").startswith("ssh ubuntu@")
    assert json.loads(stacked.ok("output", "--json"))["names"]["value"] == {"a": "sweep-a", "b": "sweep-b"}
    assert "ssh ubuntu@" in stacked.ok(*APPLY)


def test_the_help_logs_in_as_status_does(stacked: Place) -> None:
    """The address has a port, so that it is no host: ssh takes it in a URL."""
    stacked.edit('"ssh ubuntu@${task.solo.ssh}"', "${task.solo.ssh}")
    stacked.ok(*APPLY)
    with stacked.simulator() as simulator:
        simulator.advance(3600)
    (example,) = EXAMPLES["output"]
    destination = example.replace("$(flowplan output --raw ssh)", stacked.ok("output", "--raw", "login").strip())
    *words, address = shlex.split(destination)
    url = urlsplit(address)
    assert (words, url.scheme, url.path) == (["ssh", "-l", "ubuntu"], "ssh", "")
    assert f"ssh -p {url.port} ubuntu@{url.hostname}" in stacked.ok("status")


def test_each_format_is_the_same_by_either_option(stacked: Place) -> None:
    stacked.ok(*APPLY)
    assert stacked.ok("output", "--format", "json") == stacked.ok("output", "--json")
    assert stacked.ok("output", "--json", "--format", "json") == stacked.ok("output", "--json")
    assert stacked.ok("output", "--format", "raw", "volume") == stacked.ok("output", "--raw", "volume")
    assert stacked.ok("output", "--format", "text") == stacked.ok("output")


def test_a_sensitive_one_is_kept_nowhere(stacked: Place) -> None:
    said = stacked.ok("plan") + stacked.ok("plan", "--out", "p.json") + stacked.ok(*APPLY, "--json")
    said += stacked.ok("output") + stacked.ok("output", "--json") + stacked.ok("show", "--format", "json")
    assert "<sensitive>" in said
    files = [path for path in stacked.path.rglob("*") if path.is_file() and path.name != "flowplan.yaml"]
    assert files
    assert "geheim" not in said + "".join(path.read_text(errors="replace") for path in files)
    refused = stacked.run("output", "--raw", "token")
    assert (refused.code, "stores it nowhere" in refused.err) == (1, True)


def test_they_change_with_the_file_and_go_with_the_stack(stacked: Place) -> None:
    stacked.ok(*APPLY)
    stacked.write(STACK.replace("  volume: ${volume.data.id}\n", "  size: ${volume.data.size_gb}\n"))
    assert "+ size = 5" in stacked.ok("plan")
    stacked.ok(*APPLY)
    assert "volume" not in json.loads(stacked.ok("output", "--json"))
    assert stacked.ok("output", "size") == "size = 5\n"
    stacked.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert stacked.ok("output") == "There are no outputs.\n"


def test_one_that_leaves_the_file_is_a_change(stacked: Place) -> None:
    stacked.ok(*APPLY)
    kept, outputs = STACK.split("outputs:\n")
    left = [line for line in outputs.splitlines() if "names" not in line and "token" not in line]
    stacked.write("\n".join([kept, "outputs:", *left, ""]))
    found = stacked.run("plan", "--detailed-exitcode")
    assert (found.code, '- names = {"a": "sweep-a", "b": "sweep-b"}' in found.out) == (2, True)
    assert "- token = <sensitive>" in found.out
    assert found.out.endswith("No changes to what is live. An apply saves the outputs.\n")
    removed = {"value": None, "before": {"a": "sweep-a", "b": "sweep-b"}, "sensitive": False, "removed": True}
    assert planned(stacked)["names"] == removed
    assert "Changes to outputs" not in stacked.ok("plan", "--refresh-only")
    stacked.ok("plan", "--out", "p.json")
    stacked.ok("apply", "p.json")
    assert stacked.run("plan", "--detailed-exitcode").code == 0
    stacked.write(kept)  # without the key, too
    assert "- login = " in stacked.ok("plan")
    stacked.ok(*APPLY)
    assert stacked.ok("output") == "There are no outputs.\n"


def test_they_are_saved_where_there_is_nothing_else(place: Place) -> None:
    place.write("version: 2\noutputs:\n  region: us-central1-b\n")
    assert "No changes to what is live. An apply saves the outputs." in place.ok("plan")
    assert 'region = "us-central1-b"' in place.ok(*APPLY).partition("Outputs:")[2]
    assert place.ok("output", "--raw", "region") == "us-central1-b"
    assert json.loads(place.ok("output", "--json"))["region"]["value"] == "us-central1-b"
    assert place.ok("plan").endswith("No changes. What is live matches the configuration.\n")
    place.edit("us-central1-b", "us-east1-a")
    place.ok("plan", "--out", "p.json")
    place.ok("apply", "p.json")
    assert place.ok("output", "region") == 'region = "us-east1-a"\n'
    place.ok("destroy", "--auto-approve")
    assert place.ok("output") == "There are no outputs.\n"


def test_they_stay_when_the_last_task_leaves_the_file(stacked: Place) -> None:
    outputs = "version: 2\noutputs: {kept: x}\n"
    stacked.write(f"{outputs}tasks:\n  solo: {{resources_specification: {{fcp_instance: h100.8x.SXM5.IB}}}}\n")
    stacked.ok(*APPLY)
    stacked.write(outputs)
    stacked.ok(*APPLY, "--max-changes", "9")
    assert stacked.ok("state", "list") == ""
    assert stacked.ok("output", "kept") == 'kept = "x"\n'


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("output", "volme"), 64, "did you mean volume?"),
        (("output", "--raw"), 64, "--raw prints one value"),
        (("output", "--raw", "--json", "volume"), 64, "--raw prints one value"),
        (("output", "--raw", "login"), 1, "output login has no value yet"),
        (("output", "--format", "raw"), 64, "--raw prints one value"),
        (("output", "--json", "--format", "text"), 64, "--json and --format text cannot be combined"),
        (("output", "--raw", "--format", "text", "volume"), 64, "--raw prints one value"),
        (("output", "--format", "xml"), 64, "'xml' is not one of 'text', 'raw', 'json'"),
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
    assert (out.code, "the address to log in to could not be fetched" in out.err) == (0, True)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("volume.data.id", "volume.dat.id", "output volume names volume.dat, which does not exist"),
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


# ---- of several, of none, and of what moves


def planned(place: Place) -> dict[str, dict[str, object]]:
    return dict(json.loads(place.ok("plan", "--format", "json"))["outputs"])


def test_of_several_each_is_known_after_the_apply(stacked: Place) -> None:
    stacked.edit("names: ${task.sweep.name}", "ids: ${task.sweep.id}")
    assert '+ ids = {"a": (known after apply), "b": (known after apply)}' in stacked.ok("plan")
    assert planned(stacked)["ids"] == {
        "value": {"a": None, "b": None},
        "sensitive": False,
        "after_unknown": {"a": True, "b": True},
    }
    stacked.ok("plan", "--out", "p.json")
    stacked.ok("apply", "p.json")
    stacked.edit("for_each: [b, a]", "for_each: [b, c]")
    b = json.loads(stacked.ok("state", "show", 'bid.sweep["b"]', "--format", "json"))["resource"]["id"]
    assert f'"b": "{b}"}} -> {{"b": "{b}", "c": (known after apply)}}' in " ".join(stacked.ok("plan").split())
    assert planned(stacked)["ids"]["after_unknown"] == {"c": True}
    stacked.edit("sweep.id", "sweep.ssh")
    stacked.ok(*APPLY)
    assert 'ids    = {"b": (not known yet), "c": (not known yet)}' in stacked.ok("output")


def test_of_very_many_each_is_shown_or_that_none_is_known(stacked: Place) -> None:
    keys = [f"run-{n:03}" for n in range(60)]
    stacked.edit("for_each: [b, a]", f"for_each: [{', '.join(keys)}]")
    stacked.edit("names: ${task.sweep.name}", "ids: ${task.sweep.id}")
    assert "+ ids = {60 keys: (known after apply)}" in stacked.ok("plan")
    stacked.ok(*APPLY)
    said = stacked.ok("output", "ids")
    assert [key for key in keys if f'"{key}": "bid_' not in " ".join(said.split())] == []
    assert said.endswith('"}\n')
    first = said.partition('"run-000": ')[2].partition(",")[0]
    stacked.edit("[run-000, ", "[")
    stacked.edit("run-059]", "run-059, run-060]")
    changed = f'~ ids = {{"run-000": {first}}} -> {{"run-060": (known after apply)}} # (59 unchanged keys hidden)'
    assert changed in " ".join(stacked.ok("plan").split())
    whole = " ".join(stacked.ok("--verbose", "plan").split()).partition("Changes to outputs:")[2]
    assert (whole.count('"run-030": '), "keys hidden" in whole) == (2, False), whole
    stacked.edit("sweep.id", "sweep.ssh")
    stacked.ok(*APPLY)
    assert "= {60 keys: (not known yet)}" in stacked.ok("output")


def test_of_none_there_is_an_empty_mapping(stacked: Place) -> None:
    stacked.edit("for_each: [b, a]", "for_each: []")
    assert "+ names = {}" in stacked.ok("plan")
    assert planned(stacked)["names"] == {"value": {}, "sensitive": False}
    assert "names  = {}" in stacked.ok(*APPLY)
    assert json.loads(stacked.ok("output", "--json"))["names"]["value"] == {}
    assert "Changes to outputs" not in stacked.ok("plan")
    assert "names" not in stacked.ok("apply", "--refresh-only", "--auto-approve").partition("Outputs")[0]
    assert stacked.ok("output", "--raw", "names") == "{}"
    stacked.edit("for_each: []", "for_each: {c: }")
    assert '~ names = {} -> {"c": "sweep-c"}' in stacked.ok("plan")


def test_a_text_cannot_hold_one_of_none(stacked: Place) -> None:
    stacked.edit("for_each: [b, a]", "for_each: []")
    stacked.edit("names: ${task.sweep.name}", "names: all of ${task.sweep.name}")
    assert "task.sweep has several instances" in stacked.run("validate").err


MOVES = """\
  id: ${task.solo.id}
  several: ${task.sweep.id}
  one: a is ${task.sweep["a"].name}
"""


@pytest.fixture
def moving(stacked: Place) -> Place:
    """Applied, and then each task has another name."""
    stacked.write(f"{STACK}{MOVES}")
    stacked.ok(*APPLY)
    blocks = "moved: [{from: task.solo, to: task.alone}, {from: task.sweep, to: task.runs}]\n"
    stacked.write(f"{STACK}{MOVES}{blocks}".replace("solo:", "alone:").replace("sweep:", "runs:"))
    for old, new in (("task.solo.", "task.alone."), ("task.sweep.", "task.runs."), ("task.sweep[", "task.runs[")):
        stacked.edit(old, new)
    return stacked


def test_what_moves_changes_no_output(moving: Place) -> None:
    before = moving.ok("output", "--json")
    assert "Changes to outputs" not in moving.ok("plan")
    assert all(one["value"] == one["before"] for one in planned(moving).values())
    assert moving.ok("output", "--json") == before
    moving.ok(*APPLY)
    assert moving.ok("output", "--json") == before
    assert moving.run("plan", "--detailed-exitcode").code == 0


def test_what_is_recorded_without_the_moves_keeps_its_outputs(moving: Place) -> None:
    before = moving.ok("output", "--json")
    assert "Changes to outputs" not in moving.ok("plan", "--refresh-only")
    moving.ok("apply", "--refresh-only", "--auto-approve")
    assert moving.ok("output", "--json") == before


def test_a_resource_that_is_renamed_in_the_state_keeps_its_outputs(stacked: Place) -> None:
    stacked.write(f"{STACK}{MOVES}")
    stacked.ok(*APPLY)
    before = stacked.ok("output", "--json")
    for old, new in (("bid.solo", "bid.alone"), ('bid.sweep["a"]', 'bid.sweep["z"]')):
        stacked.ok("state", "mv", old, new)
    assert json.loads(stacked.ok("output", "--json"))["one"]["value"] == "a is sweep-a"
    stacked.ok("state", "mv", 'bid.sweep["z"]', 'bid.sweep["a"]')
    assert stacked.ok("output", "--json") == before


@pytest.mark.parametrize("value", ["##[error]no", "a\\n::set-output name=a::b", "\\e[2J", "\u05d0"])
def test_a_script_reads_a_value_as_it_is_or_an_error(place: Place, value: str) -> None:
    """Escaped it would be another value, which nobody notices."""
    head = STACK.partition("outputs:")[0]
    place.write(f'{head}outputs: {{one: "{value}", two: "a b\\n"}}\n')
    place.ok(*APPLY)
    assert place.ok("output", "--raw", "two") == "a b\n"
    done = place.run("output", "--raw", "one")
    assert (done.code, done.out, "flowplan output --json one" in " ".join(done.err.split())) == (1, "", True)
    assert json.loads(place.ok("output", "--json", "one"))["one"]["value"] == json.loads(
        f'"{value}"'.replace("\\e", "\\u001b")
    )


# ---- of what is destroyed, and of what has ended


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ((), set()),
        (("--keep-volumes",), set()),
        (("--target", "bid.a"), {"b", "kept", "sweep", "volume"}),
        (("--target", 'bid.sweep["x"]'), {"a", "both", "b", "kept", "sweep", "volume"}),
        (("--target", "bid.sweep"), {"a", "both", "b", "kept", "volume"}),
        (("--exclude", "volume.data"), {"kept", "volume"}),
    ],
)
def test_what_a_destroy_takes_away_takes_its_outputs_along(
    place: Place, options: tuple[str, ...], left: set[str]
) -> None:
    """The plan says so, the destroy does it, and of the others it says what becomes of them."""
    place.write(PAIR)
    place.ok(*APPLY)
    said = json.loads(place.run("plan", "--destroy", *options, "--format", "json").out)["outputs"]
    assert {name for name, one in said.items() if "removed" not in one} == left
    assert not any("after_unknown" in one for one in said.values())
    text = place.ok(*DESTROY, *options) if "--keep-volumes" not in options else place.ok(*DESTROY[:2], *options)
    assert "known after apply" not in text
    assert {name for name in said if f"  - {name} = " in text.partition("Changes to outputs:")[2]} == said.keys() - left
    after = json.loads(place.ok("output", "--json"))
    assert {name: one["value"] for name, one in after.items()} == {name: said[name]["value"] for name in left}


def test_a_destroy_that_only_removes_outputs_says_so(place: Place) -> None:
    place.write("version: 2\noutputs:\n  region: us-central1-b\n")
    place.ok(*APPLY)
    found = place.run("plan", "--destroy", "--detailed-exitcode")
    assert (found.code, '- region = "us-central1-b"' in found.out) == (2, True)
    assert found.out.endswith("No objects need to be destroyed. A destroy removes the outputs.\n")
    done = place.ok("destroy", "--auto-approve")
    assert done.endswith("A destroy removes the outputs.\nDestroy complete: removed the outputs.\n")
    assert "Apply complete: saved the outputs.\n\nOutputs:" in place.ok(*APPLY)
    place.ok("plan", "--destroy", "--out", "p.json")
    assert place.ok("apply", "p.json") == "Destroy complete: removed the outputs.\n"
    assert place.ok("output") == "There are no outputs.\n"
    found = place.run("plan", "--destroy", "--detailed-exitcode")
    assert (found.code, found.out.endswith("No changes. No objects need to be destroyed.\n")) == (0, True)


def test_a_task_that_has_ended_keeps_its_output(place: Place) -> None:
    """The state keeps what it was: nothing of it is to be saved at each plan from then on."""
    place.write(PAIR)
    place.ok(*APPLY)
    before = planned(place)["a"]["value"]
    with place.simulator() as simulator:
        simulator.advance(7200)
    assert "Changes to outputs" not in place.ok("plan")
    place.ok(*APPLY)
    assert planned(place)["a"] == {"value": before, "before": before, "sensitive": False}
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_what_is_only_recorded_changes_no_output_but_of_what_is_gone(place: Place) -> None:
    """No plan of it shows what the files say of outputs."""
    place.write(PAIR)
    place.ok(*APPLY)
    place.edit("  kept: text\n", "  other: text\n")
    before = place.ok("output", "--json")
    assert "Changes to outputs" not in place.ok("apply", "--refresh-only", "--auto-approve")
    assert place.ok("output", "--json") == before
    id = json.loads(before)["b"]["value"]
    assert place.call("DELETE", f"/v2/spot/bids/{id}").status == 204
    text = place.ok("apply", "--refresh-only", "--auto-approve")
    assert ("known after apply" in text, "  - both = " in text, "  - a = " in text) == (False, True, False)
    after = json.loads(place.ok("output", "--json"))
    assert after.keys() == json.loads(before).keys() - {"b", "both"}
    said = planned(place)
    assert {name for name, one in said.items() if "before" not in one} == {"b", "both", "other"}


def test_a_task_file_that_is_gone_takes_the_outputs_that_name_it_along(place: Place) -> None:
    """Without a stack file the state alone says what the outputs are."""
    task = "{resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}"
    place.write(f"version: 2\ntasks: {{a: {task}, b: {task}}}\noutputs: {{a: '${{task.a.id}}', b: '${{task.b.id}}'}}\n")
    place.ok(*APPLY)
    place.write(f"name: b\n{task[1:-1]}\n")
    text = place.ok(*APPLY, "--max-changes", "9")
    assert ("  - a = " in text, "  - b = " in text, "known after apply" in text) == (True, False, False)
    assert json.loads(place.ok("output", "--json")).keys() == {"b"}
