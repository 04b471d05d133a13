"""plan: what it shows, what it costs in calls, and that it changes nothing."""

from __future__ import annotations

import json
import re
import shlex

import pytest

from flowplan.model.address import Address
from tests.conftest import APPLY, BID, EXAMPLES, TASK, Place, many
from tests.texts import storage, task_text


def test_plan_changes_nothing(example: Place) -> None:
    out = example.ok("plan")
    assert "Plan: 3 to add, 0 to change, 0 to destroy." in out
    assert example.ledger() == []
    assert not (example.path / "flowplan.state.json").exists()


def test_detailed_exitcode(example: Place) -> None:
    assert example.run("plan").code == 0
    assert example.run("plan", "--detailed-exitcode").code == 2
    example.ok("apply", "--auto-approve")
    assert example.run("plan", "--detailed-exitcode").code == 0


def test_outputs_alone_are_changes(place: Place) -> None:
    """As with Terraform: an apply would save them."""
    place.write('version: 2\noutputs: {a: {value: "one"}}\n')
    found = place.run("plan", "--detailed-exitcode", "--json", "p.json")
    assert (found.code, json.loads((place.path / "p.json").read_text())["applyable"]) == (2, True)
    assert place.run("plan").code == 0
    place.ok(*APPLY)
    assert place.ok("output", "a", "--raw") == "one"
    assert place.run("plan", "--detailed-exitcode").code == 0
    place.write('version: 2\noutputs: {a: {value: "two"}}\n')
    assert place.run("plan", "--detailed-exitcode").code == 2
    place.ok("plan", "--out", "q.json")
    place.ok("apply", "q.json")
    assert place.ok("output", "a", "--raw") == "two"


def test_plan_to_a_file_is_clean(example: Place) -> None:
    result = example.run("plan")
    assert result.err == ""
    assert "\x1b" not in result.out
    assert all(line == line.rstrip() for line in result.out.splitlines())


def test_force_color_and_no_color(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    coloured = example.ok("plan")
    assert "\x1b[32m" in coloured
    assert "\x1b" not in example.ok("--no-color", "plan")
    assert "\x1b" not in example.ok("plan", "--no-color")
    monkeypatch.setenv("NO_COLOR", "1")
    plain = example.ok("plan")
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_two_plans_are_the_same_but_for_the_time(applied: Place) -> None:
    first, second = (json.loads(applied.ok("plan", "--format", "json")) for _ in range(2))
    assert {**first, "timestamp": ""} == {**second, "timestamp": ""}


def test_order_of_keys_changes_nothing(applied: Place) -> None:
    blocks = re.split(r"\n(?=\w)", TASK)
    applied.write("\n".join(reversed(blocks)))
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_the_number_of_calls_is_fixed(place: Place) -> None:
    """Lists and their pages, one price per distinct auction, and one for all bids that are new in it, the quotas: never
    one call a resource. Of what finds no room (30 of these do), one price more."""

    def calls(tasks: int) -> list[str]:
        place.write(many(tasks))
        err = place.run("-v", "plan").err
        return [line for line in err.splitlines() if " /v2/" in line]

    assert len(calls(1)) == 9
    assert len(calls(2)) == len(calls(30)) == 10
    assert len(calls(31)) == len(calls(40)) == 11


@pytest.mark.parametrize("name", ["task", "minimal"])
def test_the_examples_are_planned(name: str, place: Place) -> None:
    place.write((EXAMPLES / name / "flowplan.yaml").read_text())
    assert " to add, 0 to change, 0 to destroy." in place.ok("plan")
    place.ok("apply", "--auto-approve")
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_replace_of_nothing_known(applied: Place) -> None:
    result = applied.run("plan", "--replace", "bid.flow-sdk-batch-task-exampel")
    assert result.code == 64
    assert f"did you mean {BID}" in result.err


def test_types_alike_are_listed_first(place: Place) -> None:
    place.write(TASK.replace("h100.8x.SXM5.IB", "h100.1x.SXM5").replace("  num_gpus: 8\n", ""))
    assert "h100-80gb.sxm.8x" in place.run("plan").err


def test_another_generation_of_socket_is_another_type(place: Place) -> None:
    place.write(TASK.replace("SXM5", "SXM6"))
    result = place.run("plan")
    assert result.code == 65
    assert "there is no instance type h100.8x.SXM6.IB" in result.err


def test_what_differs_inside_a_list_is_told_element_by_element(place: Place) -> None:
    """Three volumes without mounts, one exchanged: one line gone, one line come."""
    created = ", ".join(f"{{volume_name: {name}, size: 1}}" for name in "abc")
    volumes = f"persistent_storage: {{create: [{created}]}}"
    place.write(re.sub("persistent_storage.*", volumes, many(1)))
    place.ok("apply", "--auto-approve")
    place.write(re.sub("persistent_storage.*", volumes.replace("volume_name: c", "volume_name: d"), many(1)))
    out = place.run("plan").out
    assert "~ volumes:" in out
    assert len(re.findall(r"(?m)^        - vol_", out)) == 1
    assert "        + volume.d (known after apply)" in out


def test_the_command_that_is_named_applies_what_was_saved(place: Place) -> None:
    """What the command line permits holds for a file that is proved to be this plan."""
    place.write(task_text("train", more=storage("data")))
    place.ok(*APPLY)
    place.run("plan", "--destroy", "--allow-volume-destroy", "data", "--out", "my plan")
    said = place.run("plan", "--destroy", "--allow-volume-destroy", "data", "--out", "my plan").err
    words = shlex.split(" ".join(said.replace("note:", "").split()).partition("saved to my plan: ")[2])
    assert words[:4] == ["flowplan", "apply", "my plan", "--expect"] and len(words) == 5, said
    place.ok(*words[1:])
    assert place.ok("state", "list") == ""


def test_no_apply_is_named_for_a_plan_that_is_refused(place: Place) -> None:
    place.write(task_text("train"))
    done = place.run("plan", "--max-hourly-cost", "0.10", "--out", "p")
    said = " ".join(done.err.split())
    assert done.code == 3 and "saved to p: it is refused, so apply does not take it; flowplan show p shows it" in said
    assert "flowplan apply p" not in said and place.run("apply", "p").code == 3
    place.ok("show", "p")


def test_an_address_in_a_command_is_one_word_in_every_shell() -> None:
    address = Address("bid", 'train["a b"]')
    assert address.word == "'bid.train[\"a b\"]'" and Address.given(*shlex.split(address.word)) == address
    assert Address("bid", "train").word == "bid.train"
