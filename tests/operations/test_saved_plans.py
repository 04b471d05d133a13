"""A saved plan that was edited and sealed again: refused with 3 wherever it says what planning again does not.

What an editor can change of a plan that is neither signed nor expected is listed in `is_free` of
tests/documents/edits.py, and nowhere is it done.
"""

from __future__ import annotations

import errno
import json
import os
import random
from typing import Any

import pytest

from flowplan.documents.plan import digest_of
from flowplan.documents.plan_shape import misfit
from flowplan.operations.running import plan_file
from tests.conftest import Place, bid_id, made_once
from tests.documents.edits import Path, edited, edits, is_free
from tests.texts import storage, task_text


def with_data(name: str) -> str:
    return storage(name, disk_interface="Block") + "ports: [8080, '9000-9002:7000-7002']\n"


BEFORE = (
    task_text("stays", more=with_data("kept"))
    + task_text("raised")
    + task_text("renewed")
    + task_text("goes", more=with_data("old"))
)
AFTER = (
    task_text("stays", more=with_data("kept"))
    + task_text("raised", "20.00")
    + task_text("renewed", more="startup_script: echo 2\ncontainer_image: {image_name: a/b:1}\n")
    + task_text("fresh", more=with_data("new") + "startup_script: echo 1\n", num_gpus=8)
    + "guards: {max_hourly_cost: 100000}\n"
)
DATA = ("--allow-volume-destroy", "*")


@pytest.fixture
@made_once
def planned(place: Place) -> Place:
    """A plan with everything in it, in `p`."""
    place.write(BEFORE)
    place.ok("apply", "--auto-approve")
    place.ok("simulator", "advance", "10m")
    place.call("PATCH", f"/v2/spot/bids/{bid_id(place, 'bid.raised')}", b'{"limit_price": "$18.50"}')
    place.write(AFTER)
    budget = ("--max-hourly-cost", "5000", "--max-cost-increase", "900%", "--budget-basis", "p90")
    place.ok("plan", "--out", "p", "--what-if", "1h", *budget, *DATA)
    return place


@pytest.fixture
def saved(planned: Place) -> dict[str, Any]:
    """That plan; a budget that apply is given always refuses it, whatever it says."""
    body: dict[str, Any] = json.loads((planned.path / "p").read_text())
    actions = {tuple(one["change"]["actions"]) for one in body["resource_changes"]}
    assert actions == {("create",), ("update",), ("delete",), ("delete", "create"), ("no-op",)}
    assert body["resource_drift"] and body["diagnostics"] and len(body["cost"]["guards"]) == 3
    return body


def sealed_again(place: Place, body: dict[str, Any]) -> None:
    place.write(json.dumps({**body, "sha256": digest_of(body)}, indent=2), "p")


def apply_it(place: Place) -> tuple[bool, str]:
    """Whether the plan itself is taken; nothing is done in any case, since the budget here refuses it."""
    result = place.run("apply", "p", "--max-hourly-cost", "0", *DATA)
    assert result.code == 3, result
    assert "Traceback" not in result.err and "internal error" not in result.err, result.err
    return "refused by the guard max_hourly_cost" in " ".join(result.err.split()), result.err


def wrong(place: Place, path: Path, what: str, body: dict[str, Any], saved: dict[str, Any]) -> tuple[bool, list[str]]:
    """One edit: whether it is taken, and what is wrong with that: a traceback, something done, another code than 3, or
    taken where it says something else."""
    sealed_again(place, body)
    applied = place.run("apply", "p", "--max-hourly-cost", "0", *DATA)
    shown = place.run("show", "p")
    taken = "refused by the guard max_hourly_cost" in " ".join(applied.err.split())
    fine = applied.code == 3 and shown.code in (0, 3) and (not taken or is_free(path, saved))
    traces = any("Traceback" in one.err or "internal error" in one.err for one in (applied, shown))
    return taken, [] if fine and not traces else [
        f"{path} {what}: {applied.code}, {shown.code} {applied.err[-300:]}{shown.err[-300:]}"
    ]


def test_the_plan_itself_is_taken(place: Place, saved: dict[str, Any]) -> None:
    sealed_again(place, saved)
    assert apply_it(place)[0]


def test_some_of_all_edits(place: Place, saved: dict[str, Any]) -> None:
    ledger = place.ledger()
    for path, what in random.Random(7).sample(edits(saved), 40):
        body = edited(saved, path, what)
        assert body == saved or wrong(place, path, repr(what), body, saved)[1] == []
    assert place.ledger() == ledger


@pytest.mark.slow
def test_every_edit(place: Place, saved: dict[str, Any]) -> None:
    ledger, count, free = place.ledger(), 0, 0
    found: list[str] = []
    for path, what in edits(saved):
        body = edited(saved, path, what)
        if body == saved:
            continue
        count += 1
        if misfit(body) and count % 10:  # these all end in the same line of code; each tenth goes all the way
            continue
        taken, told = wrong(place, path, repr(what), body, saved)
        free, found = free + taken, found + told
    assert not found, "\n".join(found)
    assert place.ledger() == ledger
    print(f"{count} edits, {free} of prices, times and places in a text taken, 0 of anything else")


LIES: dict[str, tuple[Path, Any]] = {
    "summary.delete": (("summary", "delete"), 0),
    "cost.planned": (("cost", "planned", "worst"), "0.01"),
    "resource_drift": (("resource_drift",), []),
    "number of resource_changes": (("resource_changes", -1), None),
    "complete": (("complete",), False),
    "applyable": (("applyable",), False),
    "stack.name": (("stack", "name"), "another"),
    "stack.observed_sha256": (("stack", "observed_sha256"), "0" * 64),
    "needs": (("resource_changes", 0, "needs"), ["volume.x"]),
    "action_reason": (("resource_changes", 0, "action_reason"), "replace_by_request_of_nobody"),
    "source": (("resource_changes", 0, "source", "file"), "other.yaml"),
    "note": (("resource_changes", 0, "note"), "approved"),
    "id": (("resource_changes", 0, "id"), "bid_of_somebody"),
    "quantity": (("resource_changes", 0, "cost", "quantity"), 8),
    "cost.worst": (("resource_changes", 0, "cost", "cost", "hour", "worst"), "0.01"),
}


@pytest.mark.parametrize("says", LIES)
def test_a_lie_is_named(place: Place, saved: dict[str, Any], says: str) -> None:
    path, value = LIES[says]
    parent: Any = saved
    for key in path[:-1]:
        parent = parent[key]
    if value is None:
        parent.pop(path[-1])
    else:
        parent[path[-1]] = value
    sealed_again(place, saved)
    taken, err = apply_it(place)
    assert not taken
    assert says.rpartition(".")[2].split()[0] in err or "resources in the plan have changed" in err, err


def test_a_diagnostic_taken_out_or_put_in_is_a_lie(place: Place, saved: dict[str, Any]) -> None:
    applied_file = {**saved, "diagnostics": [*saved["diagnostics"], dict(_SAID)]}
    sealed_again(place, applied_file)
    assert not apply_it(place)[0]
    applied_file["diagnostics"][-1]["severity"], applied_file["diagnostics"][-1]["detail"] = "error", "tie"
    sealed_again(place, applied_file)
    assert not apply_it(place)[0]


_SAID = {"severity": "note", "summary": "reviewed by security", "detail": None, "source": None, "hint": None}


def test_a_state_that_moved_on_is_no_reason(place: Place, saved: dict[str, Any]) -> None:
    place.ok("state", "mv", "volume.kept", "volume.else")
    place.ok("state", "mv", "volume.else", "volume.kept")
    sealed_again(place, saved)
    assert apply_it(place)[0]


def test_what_the_command_line_allowed_is_proved_by_expect_or_a_signature_only(
    example: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An editor can take a budget out: whoever relies on one gives it to apply too, or proves the plan."""
    assert example.run("plan", "--out", "p", "--max-hourly-cost", "1").code == 3
    body = json.loads((example.path / "p").read_text())
    digest = body["sha256"]
    body["errored"], body["applyable"], body["cost"]["guards"] = False, True, []
    body["diagnostics"] = [one for one in body["diagnostics"] if one["severity"] != "error"]
    sealed_again(example, body)
    assert example.run("apply", "p", "--expect", digest).code == 3
    assert example.run("apply", "p", "--max-hourly-cost", "1").code == 3
    with monkeypatch.context() as patch:
        patch.setenv("FLOWPLAN_PLAN_KEY", "k" * 32)
        assert example.run("apply", "p").code == 3
    assert example.ledger() == []


def test_a_refused_budget_left_in_is_a_contradiction(example: Place) -> None:
    assert example.run("plan", "--out", "p", "--max-hourly-cost", "1").code == 3
    body = json.loads((example.path / "p").read_text())
    body["errored"], body["applyable"] = False, True
    body["cost"]["guards"][0]["limit"] = "100.00"
    body["diagnostics"] = [one for one in body["diagnostics"] if one["severity"] != "error"]
    sealed_again(example, body)
    result = example.run("apply", "p")
    assert result.code == 3 and "cost.refused" in result.err, result
    assert example.ledger() == []


@pytest.mark.parametrize(
    "data",
    [
        '{"format_version": "1.0", "format_version": "1.0"}',
        '{"format_version": "1.0", "a": NaN}',
        '{"format_version": "1.0", "a": ' + "[" * 900 + "]" * 900 + "}",
        '{"format_version": "1.0", "a": ' + "[" * 100_000,
        '{"format_version": "1.0", "a": ' + "9" * 5_000 + "}",
        '{"format_version": "1.0", "flowplan_version": "\\ud800"}',
        '{"format_version": {}}',
        '{"format_version": "1.0", "sha256": []}',
    ],
    ids=["a key twice", "NaN", "deep", "endless", "a long number", "half a character", "an object", "no text"],
)
def test_odd_json_is_no_plan(example: Place, data: str) -> None:
    example.write(data, "p")
    for command in ("apply", "show"):
        result = example.run(command, "p")
        assert result.code == 3 and "is not a valid plan" in " ".join(result.err.split()), result


@pytest.mark.parametrize("data", ["", " \n", "\0" * 8192], ids=["empty", "a line", "zeros"])
def test_an_empty_file_is_no_plan(example: Place, data: str) -> None:
    """As a job leaves it that could not fetch the plan: to read it as a task file would say something else."""
    example.write(data, "plan.json")
    result = example.run("apply", "plan.json")
    assert (result.code, "plan.json is not a valid plan: it is empty" in result.err) == (3, True), result
    example.write("", "task.yaml")
    assert "there is no task in this file" in example.run("apply", "task.yaml").err


def test_what_a_plan_that_failed_leaves_is_not_called_a_plan_that_was_edited(example: Place) -> None:
    """As a job leaves it that goes on after `flowplan plan --format json > p`."""
    failed = example.run("plan", "--format", "json", "--target", "bid.nope")
    example.write(failed.out, "p")
    for command in ("apply", "show"):
        result = example.run(command, "p")
        said = "p is not a valid plan: it says why a command failed hint: plan again"
        assert (result.code, said in " ".join(result.err.split())) == (3, True), result
    assert example.ledger() == []


def test_a_plan_of_another_format_is_called_that(place: Place, saved: dict[str, Any]) -> None:
    sealed_again(place, {**saved, "format_version": "9.0"})
    result = place.run("apply", "p")
    assert (result.code, "its format_version is 9.0, not 1.0" in " ".join(result.err.split())) == (3, True), result


def test_a_path_that_cannot_be_one_is_no_plan(example: Place) -> None:
    example.ok("plan", "--out", "p")
    body = json.loads((example.path / "p").read_text())
    body["stack"]["paths"] = ["a\0b"]
    sealed_again(example, body)
    result = example.run("apply", "p")
    assert result.code == 3 and "is not a valid plan" in " ".join(result.err.split()), result


def test_a_refused_plan_without_its_reason_is_refused_all_the_same(example: Place) -> None:
    assert example.run("plan", "--out", "p", "--max-hourly-cost", "1").code == 3
    body = json.loads((example.path / "p").read_text())
    body["diagnostics"] = []
    sealed_again(example, body)
    result = example.run("apply", "p")
    assert result.code == 3 and "this plan was refused" in result.err


def test_ports_that_are_others_are_named(place: Place, saved: dict[str, Any]) -> None:
    (ports,) = [one for one in saved["resource_changes"] if one["address"] == "ports.goes"]
    ports["change"]["before"][0]["external"] = 81
    sealed_again(place, saved)
    taken, err = apply_it(place)
    assert not taken and "ports.goes: what is live has changed: 81 -> 8080, 9000-9002" in " ".join(err.split())


@pytest.mark.parametrize("change", [{"actions": ["buy"]}, {"actions": []}, {"before": None}], ids=str)
def test_a_change_without_what_it_is_about_is_no_plan(
    place: Place, saved: dict[str, Any], change: dict[str, Any]
) -> None:
    (entry,) = [one for one in saved["resource_changes"] if one["address"] == "volume.old"]
    entry["change"] |= change
    sealed_again(place, saved)
    assert "p is not a valid plan" in apply_it(place)[1]


@pytest.mark.parametrize("paths", [("p.plan", "flowplan.yaml"), ("flowplan.yaml", "p.plan"), (".", "p.plan")])
def test_a_saved_plan_is_applied_alone(place: Place, paths: tuple[str, ...]) -> None:
    place.write(task_text("one"))
    place.ok("plan", "--out", "p.plan")
    refused = place.run("apply", "--auto-approve", *paths)
    assert (refused.code, place.ledger()) == (64, [])
    assert refused.err.startswith("error: a saved plan takes no PATH beside it: all of p.plan is carried out\n"), (
        refused
    )
    place.ok("apply", "p.plan")


def test_one_without_changes_says_that_it_has_none(place: Place) -> None:
    """It is not shown again, and whether what is live has come to differ since is for the next plan."""
    place.write(task_text("one"))
    place.ok("apply", "--auto-approve")
    place.ok("plan", "--out", "p.plan")
    assert place.ok("apply", "p.plan") == "Apply complete: the saved plan changes nothing.\n"


def test_the_events_of_a_saved_plan_begin_with_what_it_says(place: Place) -> None:
    place.write(task_text("one"))
    place.ok("plan", "--out", "p.plan")
    events = [json.loads(line) for line in place.ok("apply", "p.plan", "--json").splitlines()]
    assert events[0]["type"] == "version"
    planned = [one["address"] for one in events if one["type"] == "planned_change"]
    assert planned == [one["address"] for one in events if one["type"] == "apply_complete"] != []
    assert [one["changes"]["create"] for one in events if one["type"] == "change_summary"] == [len(planned)]


def test_one_that_cannot_be_read_is_not_taken_for_a_task_file(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    example.ok("plan", "--out", "p.json")

    def fails(path: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(plan_file, "opened", fails)
    refused = example.run("apply", "p.json")
    assert (refused.code, refused.err) == (64, "error: p.json cannot be read: Input/output error\n")
    assert example.ledger() == []
    assert example.run("apply", "none.json").code == 65
