"""The commands as a pipeline sees them: exit codes, streams, what is left behind."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from flowplan import __version__
from flowplan.errors import CloudError
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.planning.plan import Action, Change
from tests.conftest import (
    BID,
    EXAMPLES,
    FLOWPLAN,
    PORTS,
    TASK,
    VOLUME,
    Place,
    bid_id,
    left_in_doubt,
    live_ids,
    lose_addresses,
    many,
)

DESTROY = ("destroy", "--auto-approve", "--allow-volume-destroy", "my-new-volume")


def serial(place: Place) -> int:
    return int(json.loads((place.path / "flowplan.state.json").read_text())["serial"])


# ---- plan -------------------------------------------------------------------------------------------------


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
    one call a resource."""

    def calls(tasks: int) -> list[str]:
        place.write(many(tasks))
        err = place.run("-v", "plan").err
        return [line for line in err.splitlines() if " /v2/" in line]

    assert len(calls(1)) == 9
    assert len(calls(2)) == len(calls(40)) == 10


@pytest.mark.parametrize("name", ["task", "minimal", "attach"])
def test_the_examples_are_planned(name: str, place: Place) -> None:
    place.write((EXAMPLES / name / "flowplan.yaml").read_text())
    if name == "attach":  # the volume that it attaches exists already
        found = re.search(r"volume_name: (\S+)", (place.path / "flowplan.yaml").read_text())
        assert found is not None
        project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
        region = re.search(r"cluster_id: (\S+)", (place.path / "flowplan.yaml").read_text())
        body = {
            "name": found[1],
            "project": project,
            "disk_interface": "Block",
            "region": region[1] if region else "us-central1-b",
            "size_gb": 10,
        }
        assert place.call("POST", "/v2/volumes", json.dumps(body).encode()).status == 201
    assert " to add, 0 to change, 0 to destroy." in place.ok("plan")
    place.ok("apply", "--auto-approve")
    assert place.run("plan", "--detailed-exitcode").code == 0


# ---- apply and destroy ------------------------------------------------------------------------------------


def test_apply_then_nothing_is_left_to_do(applied: Place) -> None:
    before, ledger = serial(applied), applied.ledger()
    out = applied.ok("apply", "--auto-approve")
    assert "No changes." in out
    assert serial(applied) == before
    assert applied.ledger() == ledger


def test_steps_go_up_in_order_and_down_in_reverse(applied: Place) -> None:
    applied.ok(*DESTROY)
    assert [(entry.method, entry.path.split("/")[2]) for entry in applied.ledger()] == [
        ("POST", "volumes"),
        ("POST", "spot"),
        ("DELETE", "spot"),
        ("DELETE", "volumes"),
    ]
    state = json.loads((applied.path / "flowplan.state.json").read_text())
    assert (state["resources"], state["serial"]) == ([], 2)


def test_destroy_of_nothing(place: Place) -> None:
    assert "No changes. No objects need to be destroyed." in place.ok("destroy", "--auto-approve")


def test_destroy_keeps_the_volume_unless_it_is_named(applied: Place) -> None:
    ledger = applied.ledger()
    result = applied.run("destroy", "--auto-approve")
    assert result.code == 3
    assert "--allow-volume-destroy my-new-volume" in result.out
    assert "volume_data" in result.err
    assert applied.ledger() == ledger
    assert applied.run("destroy", "--auto-approve", "--allow-volume-destroy", "another").code == 3
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")


def test_destroy_needs_no_valid_configuration(applied: Place) -> None:
    applied.write("this is: [not a task\n")
    applied.ok(*DESTROY)
    assert applied.ok("state", "list") == ""


def test_update_in_place_sends_one_patch(applied: Place) -> None:
    applied.edit("17.92", "21.50")
    applied.ok("apply", "--auto-approve")
    last = applied.ledger()[-1]
    assert (last.method, last.path.split("/")[2]) == ("PATCH", "spot")


def test_replacing_a_bid_keeps_its_volume(applied: Place) -> None:
    applied.edit('"8080"', '"8090"')
    applied.ok("apply", "--auto-approve")
    assert [entry.method for entry in applied.ledger()] == ["POST", "POST", "DELETE", "POST"]
    assert "generation=2" in marker_of(applied)


def marker_of(place: Place) -> str:
    """Line 2 of the startup script of the one bid that is live."""
    bids = json.loads(place.call("GET", "/v2/spot/bids?limit=100").body)["data"]
    live = [bid for bid in bids if bid["status"] != "Terminated"]
    assert len(live) == 1
    return str(live[0]["launch_specification"]["startup_script"].splitlines()[1])


def test_the_marker_names_what_flowplan_made(applied: Place) -> None:
    state = json.loads((applied.path / "flowplan.state.json").read_text())
    marker = marker_of(applied)
    assert marker.startswith(f"# flowplan:1 stack=work lineage={state['lineage']} address={BID} generation=1 intent=")
    assert "ports=6006-6010,8080,8441-8445:8001-8005" in marker


def test_drift_is_shown_and_put_right(applied: Place) -> None:
    bid = applied.ok("state", "show", BID).split("(")[1].split(")")[0]
    applied.call("PATCH", f"/v2/spot/bids/{bid}", b'{"limit_price": "$30.00"}')
    assert "limit_price $17.92 -> $30.00" in applied.ok("plan")
    applied.ok("apply", "--auto-approve")
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_a_paused_bid_runs_again(applied: Place) -> None:
    bid = applied.ok("state", "show", BID).split("(")[1].split(")")[0]
    applied.call("PATCH", f"/v2/spot/bids/{bid}", b'{"paused": true}')
    applied.ok("apply", "--auto-approve")
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_a_volume_that_moves_to_attach_is_forgotten_not_deleted(applied: Place) -> None:
    applied.write(
        re.sub(r"  create:\n", "  attach:\n", re.sub(r"    (storage_type|size|region_id|disk_inter\w+):.*\n", "", TASK))
    )
    out = applied.ok("apply", "--auto-approve")
    assert "1 forgotten" in out
    assert all(entry.method == "POST" for entry in applied.ledger())
    assert VOLUME not in applied.ok("state", "list")
    assert applied.run("plan", "--detailed-exitcode").code == 0
    applied.ok("destroy", "--auto-approve")
    assert "/v2/volumes" not in str(applied.ledger()[-1])


def test_a_volume_taken_off_a_bid_goes_after_the_bid_lets_go(place: Place) -> None:
    """Attached without a mount: the bid is updated in place (pause, volumes, go on), then the volume is deleted."""
    place.write(many(1))
    place.edit(", mount_point: /mnt/d", "")
    place.ok("apply", "--auto-approve")
    place.write(re.sub(r"persistent_storage.*\n", "", many(1)))
    out = place.ok("apply", "--auto-approve", "--allow-volume-destroy", "vol-000")
    assert "Apply complete: 0 added, 1 changed, 1 destroyed." in out
    assert [entry.method for entry in place.ledger()[2:]] == ["PATCH", "PATCH", "PATCH", "DELETE"]
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_nothing_of_somebody_elses_is_taken_over(place: Place) -> None:
    place.write(TASK)
    place.ok("apply", "--auto-approve")
    for name in ("flowplan.state.json", "flowplan.state.json.backup", "flowplan.state.journal"):
        (place.path / name).unlink(missing_ok=True)
    result = place.run("apply", "--auto-approve")  # another lineage: these are not ours any more
    assert result.code == 65
    assert "a bid named flow-sdk-batch-task-example exists already" in result.err
    assert "a volume named my-new-volume exists already" in result.err


# ---- approval ---------------------------------------------------------------------------------------------


def test_without_a_terminal_nothing_prompts(example: Place) -> None:
    result = example.run("apply")
    assert result.code == 1
    assert "--auto-approve" in result.err
    assert "is accepted" not in result.err
    assert example.ledger() == []


def test_without_a_terminal_nothing_to_do_is_nothing_to_approve(applied: Place) -> None:
    assert "No changes." in applied.ok("apply")


def test_a_bid_that_is_to_be_paused_is_paused(example: Place) -> None:
    example.write(TASK + "paused: true\n")
    result = example.run("apply", "--auto-approve")
    assert result.code == 0, result
    assert example.run("plan", "--detailed-exitcode").code == 0
    example.ok("simulator", "advance", "2h")
    assert "$0.00 paid so far" in example.ok("status")


def test_out_replaces_nothing_but_a_plan(applied: Place) -> None:
    for name in ("flowplan.state.json", "flowplan.yaml", "flowplan.lock"):
        (applied.path / "flowplan.lock").write_text("x")
        before = (applied.path / name).read_bytes()
        assert applied.run("plan", "--out", name).code == 64
        assert (applied.path / name).read_bytes() == before
    (applied.path / "flowplan.lock").write_text("")
    applied.ok("plan", "--out", "p")
    applied.ok("plan", "--out", "p")


def test_destroy_knows_the_addresses_of_a_renamed_file(applied: Place) -> None:
    (applied.path / "flowplan.yaml").rename(applied.path / "only.yaml")
    out = applied.ok("destroy", "only.yaml", "--auto-approve", "--allow-volume-destroy", "*")
    assert "3 destroyed" in out


def test_replace_of_nothing_known(applied: Place) -> None:
    result = applied.run("plan", "--replace", "bid.flow-sdk-batch-task-exampel")
    assert result.code == 64
    assert f"did you mean {BID}" in result.err


def test_wait_waits_for_what_was_there_before_too(applied: Place) -> None:
    result = applied.run("apply", "--auto-approve", "--wait", "running", "--timeout", "0s")
    assert result.code == 1
    assert "allocated, but its instances are not" in result.err
    applied.ok("simulator", "advance", "10m")
    applied.ok("apply", "--auto-approve", "--wait", "running", "--timeout", "0s")


# ---- saved plans ------------------------------------------------------------------------------------------


def test_a_saved_plan_is_carried_out_without_asking(example: Place) -> None:
    example.ok("plan", "--out", "p")
    assert (example.path / "p").stat().st_mode & 0o777 == 0o600
    assert "Apply complete: 3 added" in example.ok("apply", "p")
    assert example.run("plan", "--detailed-exitcode").code == 0


def test_show_renders_a_saved_plan_as_it_was(example: Place) -> None:
    assert example.ok("plan", "--out", "p") == example.ok("show", "p")
    assert json.loads(example.ok("show", "p", "--format", "json")) == json.loads((example.path / "p").read_text())


def test_the_same_saved_plan_twice_is_stale(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.ok("apply", "p")
    ledger = example.ledger()
    result = example.run("apply", "p")
    assert result.code == 3
    assert "this plan was applied already" in result.err
    assert example.ledger() == ledger


def test_stale_when_the_configuration_changed(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.edit("17.92", "18.00")
    result = example.run("apply", "p")
    assert result.code == 3
    assert "the configuration has changed" in result.err
    assert example.ledger() == []


def test_a_comment_does_not_make_it_stale(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.write("# a comment\n\n" + TASK.replace("# the same number outside and on the instance", ""))
    example.ok("apply", "p")


def test_stale_when_what_it_touches_changed(applied: Place) -> None:
    applied.edit("17.92", "21.50")
    applied.ok("plan", "--out", "p")
    bid = applied.ok("state", "show", BID).split("(")[1].split(")")[0]
    applied.call("PATCH", f"/v2/spot/bids/{bid}", b'{"limit_price": "$30.00"}')
    result = applied.run("apply", "p")
    assert result.code == 3
    assert f"{BID}: what is live has changed" in result.err


def test_not_stale_when_only_prices_moved(example: Place) -> None:
    example.ok("plan", "--out", "p")
    example.ok("simulator", "advance", "6h")
    example.ok("apply", "p")


def test_a_saved_destroy_plan_destroys_data_only_when_it_is_proved_or_named_again(applied: Place) -> None:
    """Whoever can write the file could have written the permission into it."""
    applied.ok("plan", "--destroy", "--allow-volume-destroy", "my-new-volume", "--out", "p")
    before = applied.ledger()
    result = applied.run("apply", "p")
    assert result.code == 3
    assert "destroys the data on volume my-new-volume" in result.err
    assert "--expect SHA256" in result.err
    assert applied.ledger() == before
    digest = json.loads((applied.path / "p").read_text())["sha256"]
    applied.ok("apply", "p", "--expect", digest)
    assert "Nothing is placed" in applied.ok("status")


def test_a_saved_destroy_plan_whose_volume_is_named_again(applied: Place) -> None:
    applied.ok("plan", "--destroy", "--allow-volume-destroy", "my-new-volume", "--out", "p")
    applied.ok("apply", "p", "--allow-volume-destroy", "my-new-volume")
    assert "Nothing is placed" in applied.ok("status")


def test_a_refusal_edited_out_of_a_plan_is_one_all_the_same(applied: Place) -> None:
    from flowplan.documents.plan import digest_of

    assert applied.run("plan", "--destroy", "--out", "p").code == 3
    body = json.loads((applied.path / "p").read_text())
    body["errored"], body["applyable"] = False, True
    body["diagnostics"] = [one for one in body["diagnostics"] if one["severity"] != "error"]
    applied.write(json.dumps({**body, "sha256": digest_of(body)}, indent=2), "p")
    before = applied.ledger()
    assert applied.run("apply", "p").code == 3
    assert applied.ledger() == before


def test_a_refused_plan_is_refused_again(applied: Place) -> None:
    assert applied.run("plan", "--destroy", "--out", "p").code == 3
    result = applied.run("apply", "p")
    assert result.code == 3
    assert "this plan was refused" in result.err


def test_expect(example: Place) -> None:
    example.ok("plan", "--out", "p")
    digest = json.loads((example.path / "p").read_text())["sha256"]
    assert example.run("apply", "p", "--expect", "0" * 64).code == 3
    example.ok("apply", "p", "--expect", digest)


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[:-200],
        lambda data: data.replace(b'"17.92"', b'"99.92"'),
        lambda data: data.replace(b'"format_version": "1.0"', b'"format_version": "2.0"'),
        lambda data: data.replace(__version__.encode(), b"9.9.9"),
    ],
    ids=["cut off", "edited", "future format", "another flowplan"],
)
def test_a_damaged_plan_is_refused(example: Place, damage: object) -> None:
    example.ok("plan", "--out", "p")
    path = example.path / "p"
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    result = example.run("apply", "p")
    assert result.code == 3
    assert "not a valid plan" in result.err
    assert example.ledger() == []


def test_a_plan_for_another_endpoint_is_refused(example: Place) -> None:
    example.ok("apply", "--auto-approve")
    result = example.run("--api-url", "sim:other.db", "plan")
    assert result.code == 3
    assert "this state belongs to sim:" in result.err


# ---- several files ----------------------------------------------------------------------------------------


def test_files_given_one_after_the_other_leave_each_other_alone(place: Place) -> None:
    place.write(many(2), "a.yaml")
    place.write(many(1, first=7), "b.yaml")
    place.ok("apply", "a.yaml", "--auto-approve")
    out = place.ok("apply", "b.yaml", "--auto-approve")
    assert "6 addresses of files not given here: left alone" in out
    assert place.run("plan", "--detailed-exitcode", "a.yaml", "b.yaml").code == 0
    assert place.run("plan", "--detailed-exitcode", ".").code == 0
    out = place.ok("destroy", "b.yaml", "--auto-approve", "--allow-volume-destroy", "*")
    assert "3 destroyed" in out
    assert len(place.ok("state", "list").splitlines()) == 6


def test_a_file_removed_from_a_directory_is_a_removal(place: Place) -> None:
    stack = place.path / "stack"
    stack.mkdir()
    place.write(many(1), "stack/a.yaml")
    place.write(many(1, first=1), "stack/b.yaml")
    place.ok("apply", "stack", "--auto-approve")
    (stack / "b.yaml").unlink()
    out = place.ok("plan", "stack", "--allow-volume-destroy", "vol-001")
    assert "Plan: 0 to add, 0 to change, 3 to destroy." in out


def test_an_attached_volume_of_the_same_stack_comes_first(place: Place) -> None:
    place.write(
        many(1)
        + many(1, first=1).replace(
            "create: {volume_name: vol-001, size: 1, mount_point: /mnt/d}",
            "attach: {volume_name: vol-000, mount_point: /mnt/d}",
        )
    )
    place.edit("size: 1,", "size: 1, disk_interface: File,")
    place.ok("apply", "--auto-approve")
    assert [entry.path for entry in place.ledger()] == ["/v2/volumes", "/v2/spot/bids", "/v2/spot/bids"]
    assert '"volume.vol-000" -> "bid.task-001"' in place.ok("graph")


# ---- usage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("plam",), "plan"),
        (("plan", "--detailed-exitcod"), "--detailed-exitcode"),
        (("plan", "nosuch.yaml"), "nosuch.yaml"),
        (("plan",), "flowplan.yaml"),
        (("plan", "--replace", "nonsense"), "volume.NAME, bid.NAME"),
        (("plan", "--lock-timeout", "soon"), "90s, 5m, 6h or 2d"),
        (("state", "show", "nonsense"), "volume.NAME"),
        (("--chdir", "/nonexistent", "plan"), "/nonexistent"),
        (("apply", "--expect", "x"), "PLANFILE"),
        (("apply", "--no-lock", "--auto-approve"), "--no-lock"),
        (("plan", "--state", "/nonexistent/x.json"), "there is no directory /nonexistent"),
        (("destroy", "--wait", "running"), "--wait"),
    ],
)
def test_wrong_usage(place: Place, arguments: tuple[str, ...], says: str) -> None:
    if arguments not in (("plan",), ("plan", "nosuch.yaml")):
        place.write(TASK)
    result = place.run(*arguments)
    assert result.code in (64, 65), result
    assert says in result.err
    assert result.out == ""


def test_an_empty_directory_says_what_is_there(place: Place) -> None:
    place.write("", "notes.txt")
    result = place.run("plan")
    assert result.code == 64
    assert "notes.txt" in result.err
    assert "flowplan.lock" not in result.err
    place.write("", "a.yaml")
    assert "`.` for all of this directory" in place.run("plan").err


def test_global_options_stand_anywhere(example: Place) -> None:
    assert example.ok("--state", "x.state.json", "plan") == example.ok("plan", "--state", "x.state.json")


def test_chdir(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    assert "Plan: 3 to add" in example.ok("--chdir", str(example.path), "plan")


def test_help_names_every_command(place: Place) -> None:
    from flowplan.cli import COMMANDS

    out = place.ok("--help")
    assert all(f"  {name} " in out for name in COMMANDS)
    for name in COMMANDS:
        assert place.ok(name, "--help").startswith(f"Usage: flowplan {name}")


def test_version(place: Place) -> None:
    assert place.ok("--version") == f"flowplan {__version__}\n"
    done = subprocess.run([*FLOWPLAN, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"flowplan {__version__}\n"


# ---- validate, graph, state, show, status, lock, simulator -------------------------------------------------


def test_validate_needs_no_network(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FLOWPLAN_API_URL")
    place.write(TASK)
    assert place.ok("validate") == "Valid: 1 task, 1 volume.\n"
    place.edit("size: 1 ", "sise: 1 ")
    result = place.run("validate")
    assert result.code == 65
    assert "did you mean 'size'" in result.err
    assert json.loads(place.run("plan", "--format", "json").out)["errored"]
    body = json.loads(place.run("validate", "--format", "json").out)
    assert (body["valid"], body["error_count"]) == (False, len(body["diagnostics"]))
    assert body["diagnostics"][0]["source"]["file"] == "flowplan.yaml"


def test_problems_make_no_api_call(place: Place) -> None:
    place.write(TASK.replace("17.92", "-1"))
    for command in ("validate", "plan", "apply"):
        result = place.run("-v", command, *(["--auto-approve"] if command == "apply" else []))
        assert result.code == 65
        assert "/v2/" not in result.err
    assert not (place.path / ".flowplan").exists()


def test_a_script_that_cannot_be_sent_is_a_problem_already_in_validate(place: Place) -> None:
    import random

    noise = "".join(random.Random(1).choices("0123456789abcdef", k=30_000))
    place.write(TASK.replace("nvidia-smi", f"echo {noise}"))
    result = place.run("validate")
    assert result.code == 65
    assert "10,000" in result.err
    assert "flowplan.yaml:35:" in result.err


def test_graph(example: Place) -> None:
    dot = example.ok("graph")
    assert f'"{VOLUME}" -> "{BID}"' in dot
    assert f'"{BID}" -> "{PORTS}"' in dot
    assert example.ok("graph", "--format", "mermaid").startswith("graph LR\n")
    if shutil.which("dot"):
        subprocess.run(["dot", "-Tsvg"], input=dot, text=True, check=True, capture_output=True)


def test_state_list_and_show(applied: Place) -> None:
    assert applied.ok("state", "list").splitlines() == [BID, PORTS, VOLUME]
    assert "limit_price" in applied.ok("state", "show", BID)
    result = applied.run("state", "show", "bid.flow-sdk-batch-task-exampel")
    assert result.code == 1
    assert f"did you mean {BID}" in result.err


def test_show_the_state(applied: Place) -> None:
    out = applied.ok("show")
    assert BID in out and VOLUME in out
    assert json.loads(applied.ok("show", "--format", "json"))["lineage"]


def test_status(applied: Place) -> None:
    applied.ok("simulator", "advance", "1h")
    out = applied.ok("status")
    assert "Allocated" in out
    assert "ssh -p " in out or "ssh ubuntu@" in out
    paid = re.search(r"\$([0-9.]+) paid so far", out)
    assert paid is not None and 7 < float(paid[1]) <= 8
    assert f"{VOLUME}  1 GB Block in us-central1-b, $0.08 a month" in out
    assert "In all $8.00 an hour now, storage included." in out
    assert "Nothing is placed" in applied.ok("status", "--state", "other.json")


def test_lock_show_and_force_unlock(place: Place) -> None:
    assert "Nobody holds the lock." in place.ok("lock", "show")
    assert place.run("force-unlock", "x").code == 1


def test_simulator_reset_and_advance(applied: Place) -> None:
    assert "10:00:00" in applied.ok("simulator", "advance", "1h")
    applied.ok("simulator", "reset")
    assert applied.ledger() == []


def test_simulator_market_lists_the_auctions(applied: Place) -> None:
    out = applied.ok("simulator", "market")
    lines = out.splitlines()
    assert lines[0] == "2026-11-02 09:00 in the simulator"
    with applied.simulator() as simulator:
        there = simulator.market()
    assert len([line for line in lines if any(block in line for block in "▁█")]) == len(there)
    assert [line for line in lines if len(line) > 80] == []
    own = lines[lines.index("your bids") + 1 :]
    assert own[0].split()[0] == "wins" and bid_id(applied, BID) in own[0]
    assert "limit $17.92" in own[1]
    assert "You have no bids" in applied.ok("simulator", "market", "a100", "--region", "us-central1-b")


def test_simulator_market_shows_a_book(applied: Place) -> None:
    out = applied.ok("simulator", "market", "h100", "--region", "us-central1-b", "--depth", "2", "--history", "1d")
    assert "an instance-hour now, reserve $8.00" in out
    assert "01 Nov 09:00" in out and "02 Nov 09:00" in out
    book = out[out.index("winning, ") :].splitlines()
    cut = next(index for index, line in enumerate(book) if "winners above, waiting below" in line)
    assert [line for line in book[1:cut] if "<- flow-sdk-batch-task-example" in line]
    limits = [float(line.split()[1][1:]) for line in book if line.startswith("  wins")]
    assert limits == sorted(limits, reverse=True)
    assert len(limits) == 3  # two of others, and one's own
    out = applied.ok("simulator", "market", "a100-80gb.sxm.8x", "--region", "us-central1-b")
    assert "all sizes share the stock" in out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("h1000",), "no auction sells h1000"),
        (("h200", "--region", "us-central1-a"), "it is sold in us-central5-a, us-east1-a"),
        (("--region", "mars"), "there is no region mars"),
        (("--history", "0s"), "it has no length"),
    ],
)
def test_simulator_market_says_what_there_is(place: Place, arguments: tuple[str, ...], says: str) -> None:
    result = place.run("simulator", "market", *arguments)
    assert result.code == 64
    assert says in result.err


def test_apply_events(example: Place) -> None:
    lines = [json.loads(line) for line in example.ok("apply", "--auto-approve", "--json").splitlines()]
    kinds = [line["type"] for line in lines]
    assert kinds[0] == "version"
    assert kinds.count("planned_change") == 3
    assert kinds.count("apply_complete") == 3
    assert kinds[-1] == "summary"
    assert all({"type", "timestamp", "address"} <= line.keys() for line in lines)
    assert lines[-1]["added"] == 3


def test_wait_for_allocated(example: Place) -> None:
    example.ok("apply", "--auto-approve", "--wait", "allocated")


def test_wait_gives_up_and_says_that_the_bid_stays(example: Place) -> None:
    example.edit("17.92", "8.00")
    example.edit("us-central1-b          #", "us-central1-a          #")
    example.edit("region_id: us-central1-b", "region_id: us-central1-a")
    example.edit("utility_threshold_price: 8.00", "utility_threshold_price: 12.50")
    result = example.run("apply", "--auto-approve", "--wait", "allocated", "--timeout", "0s")
    assert result.code == 1
    assert "placed, but not allocated" in result.err
    assert BID in example.ok("state", "list")


# ---- the state under the commands ---------------------------------------------------------------------------


def test_an_empty_state_file_is_never_a_fresh_start(applied: Place) -> None:
    (applied.path / "flowplan.state.json").write_bytes(b"")
    for command in ("plan", "apply --auto-approve", "destroy --auto-approve", "status", "show", "state list"):
        result = applied.run(*command.split())
        assert result.code == 5, command
        assert "flowplan.state.json is empty" in result.err
    assert len(applied.ledger()) == 2


def test_a_locked_directory(applied: Place) -> None:
    from flowplan.backends.lock import Lock, this_process

    lock = Lock(applied.path / "flowplan.lock")
    lock.acquire(this_process("flowplan apply", {}, "now"))
    # flock is held by this very process, through another descriptor: for flock, that is another holder
    result = applied.run("apply", "--auto-approve")
    assert result.code == 4
    assert "flowplan apply" in result.err
    assert "No changes." in applied.ok("plan", "--no-lock")
    assert "held" in applied.ok("lock", "show")
    lock.release()


def test_everything_left_behind_is_private(applied: Place) -> None:
    applied.ok("plan", "--out", "p")
    loose = [path for path in applied.path.iterdir() if path.is_file() and path.stat().st_mode & 0o077]
    assert [path.name for path in loose] == ["flowplan.yaml"]


# ---- what two strangers found -------------------------------------------------------------------------------


def faulty(place: Place, route: str, kind: str, **more: object) -> None:
    with place.simulator() as simulator:
        simulator.faults.add(route, kind, **more)  # type: ignore[arg-type]


def test_what_is_not_listed_is_not_gone(applied: Place) -> None:
    """Lists lag. Forgetting a bid because a list does not show it would leave it running for ever."""
    with applied.simulator() as simulator:
        nobody = '{"data": [], "next_cursor": null}'
        simulator.faults.add("GET /v2/spot/bids", "status", status=200, body=nobody, times=None)
    assert applied.run("plan", "--detailed-exitcode").code == 0
    with applied.simulator() as simulator:
        simulator.faults.clear()
        simulator.faults.add("GET /v2/volumes", "status", status=200, body="[]", times=None)
    ledger = applied.ledger()
    result = applied.run("apply", "--auto-approve")
    assert result.code == 1
    assert "listed neither as live nor as ended" in " ".join(result.err.split())
    assert applied.ledger() == ledger
    assert applied.run(*DESTROY).code == 1
    made = applied.ledger()[len(ledger) :]
    assert [(one.method, one.path.split("/")[2]) for one in made] == [("DELETE", "spot")]
    assert VOLUME in applied.ok("state", "list")  # it stays, and stays known


def test_a_volume_that_another_files_task_needs_is_forgotten_all_the_same(place: Place) -> None:
    """The state stays one that reads, although a resource of a file not given still names the volume."""
    volume = "persistent_storage: {create: {volume_name: vol-000, size: 1, mount_point: /mnt/d, disk_interface: File}}"
    first = many(1).replace(
        "persistent_storage: {create: {volume_name: vol-000, size: 1, mount_point: /mnt/d}}", volume
    )
    attach = "persistent_storage: {attach: {volume_name: vol-000, mount_point: /mnt/d}}"
    place.write(first, "a.yaml")
    place.write(re.sub("persistent_storage.*", attach, many(1, first=1)), "b.yaml")
    place.ok("apply", "a.yaml", "b.yaml", "--auto-approve")
    place.write(first.replace(volume, attach), "a.yaml")
    assert "1 forgotten" in place.ok("apply", "a.yaml", "--auto-approve")
    assert "volume.vol-000" not in place.ok("state", "list")
    assert place.run("plan", "a.yaml", "b.yaml", "--detailed-exitcode").code == 0


def test_a_volume_still_used_is_refused_before_anything_is_done(place: Place) -> None:
    share = "create: {volume_name: vol-000, size: 1, mount_point: /mnt/d, disk_interface: File}"
    first = many(1).replace("create: {volume_name: vol-000, size: 1, mount_point: /mnt/d}", share)
    place.write(first, "a.yaml")
    place.write(
        re.sub("persistent_storage.*", "persistent_storage: {attach: {volume_name: vol-000}}", many(1, first=1)),
        "b.yaml",
    )
    place.ok("apply", "a.yaml", "b.yaml", "--auto-approve")
    ledger = place.ledger()
    result = place.run("destroy", "a.yaml", "--auto-approve", "--allow-volume-destroy", "*")
    assert result.code == 3
    assert "is used by task-001" in result.out
    assert place.ledger() == ledger


def test_a_saved_plan_is_not_carried_out_on_another_cloud(example: Place) -> None:
    example.ok("plan", "--out", "p")
    result = example.run("--api-url", "sim:other.db", "apply", "p")
    assert result.code == 3
    assert "this plan is for the API sim:" in result.err


def test_a_saved_plan_does_not_mind_the_status_of_what_it_leaves_alone(place: Place) -> None:
    place.write(many(2))
    place.ok("apply", "--auto-approve")
    place.write(many(1) + many(1, price="21.50", first=1))
    place.ok("plan", "--out", "p")
    with place.simulator() as simulator:
        simulator.faults.preempt(bid_id(place, "bid.task-000"), seconds=600)
    assert "1 changed" in place.ok("apply", "p")


def test_somebody_elses_volume_of_the_name_of_ours_is_a_problem(applied: Place) -> None:
    applied.call("DELETE", f"/v2/spot/bids/{bid_id(applied)}")
    volume = applied.ok("state", "show", VOLUME).split("(")[1].split(")")[0]
    assert applied.call("DELETE", f"/v2/volumes/{volume}").status == 204
    project = json.loads(applied.call("GET", "/v2/projects").body)[0]["fid"]
    body = {
        "name": "my-new-volume",
        "project": project,
        "disk_interface": "Block",
        "region": "us-central1-b",
        "size_gb": 1,
    }
    assert applied.call("POST", "/v2/volumes", json.dumps(body).encode()).status == 201
    result = applied.run("apply", "--auto-approve")
    assert result.code == 65
    assert "it is in no state that is known here" in " ".join(result.err.split())


def test_one_file_however_it_is_named(applied: Place) -> None:
    applied.edit("name: flow-sdk-batch-task-example", "name: another")
    out = applied.run("plan", str(applied.path / "flowplan.yaml")).out
    assert f"{BID} will be destroyed" in out


def test_twins_are_named_and_can_be_cancelled(applied: Place) -> None:
    """A second live bid with our marker costs money: the plan says so, and `recover --cancel` ends it."""
    bids = json.loads(applied.call("GET", "/v2/spot/bids").body)["data"]
    ours = bids[0]
    copy = {key: ours[key] for key in ("project", "region", "instance_type", "limit_price", "instance_quantity")}
    launch = {**ours["launch_specification"], "volumes": []}
    twin = applied.call(
        "POST", "/v2/spot/bids", json.dumps({**copy, "name": "twin", "launch_specification": launch}).encode()
    )
    id = json.loads(twin.body)["fid"]
    assert f"flowplan recover --cancel {id}" in " ".join(applied.ok("plan").split())
    assert applied.run("recover", "--cancel", ours["fid"]).code == 3
    assert f"{id} ({BID}) is cancelled." in applied.ok("recover", "--cancel", id)
    assert "warning" not in applied.ok("plan")
    assert "Nothing is in doubt." in applied.ok("recover")


def test_created_and_gone_is_not_bought_again_in_the_same_run(place: Place) -> None:
    left_in_doubt(place)
    bid = json.loads(place.call("GET", "/v2/spot/bids").body)["data"][0]["fid"]
    place.call("DELETE", f"/v2/spot/bids/{bid}")
    result = place.run("apply", "--auto-approve")
    assert result.code == 1
    assert "has ended since" in result.err
    assert "Apply complete: 2 added" in place.ok("apply", "--auto-approve")


def test_an_answer_that_was_lost_is_looked_for(place: Place) -> None:
    place.write(many(1))
    faulty(place, "POST /v2/spot/bids", "timeout", after_commit=True)
    out = place.ok("apply", "--auto-approve")
    assert "Apply complete: 3 added" in out
    assert sum(entry.path == "/v2/spot/bids" and entry.method == "POST" for entry in place.ledger()) == 1


def test_a_create_that_never_happened_is_sent_once_more_under_its_own_key(place: Place) -> None:
    place.write(many(1))
    faulty(place, "POST /v2/spot/bids", "timeout")
    place.ok("apply", "--auto-approve")
    with place.simulator() as simulator:
        posts = [e for e in simulator.ledger(everything=True) if e.path == "/v2/spot/bids" and e.method == "POST"]
    assert len({entry.key for entry in posts}) == 1
    assert sum(entry.executed for entry in posts) == 1


def test_on_unknown_stop_never_sends_it_again(place: Place) -> None:
    place.write(many(1))
    faulty(place, "POST /v2/spot/bids", "timeout")
    for _ in range(2):
        assert place.run("apply", "--auto-approve", "--on-unknown", "stop").code == 6
    with place.simulator() as simulator:
        posts = [e for e in simulator.ledger(everything=True) if e.path == "/v2/spot/bids" and e.method == "POST"]
    assert len(posts) == 1


@pytest.mark.parametrize("nth", [3, 4])
def test_what_the_full_disk_did_not_take_is_not_lost(place: Place, monkeypatch: pytest.MonkeyPatch, nth: int) -> None:
    """The disk gives out at the n-th frame of the journal: exit 5, and the next apply knows what was made."""
    place.write(TASK)
    real, count = os.fdatasync, itertools.count(1)

    def full(descriptor: int) -> None:
        if next(count) >= nth:
            raise OSError(28, "ENOSPC")
        real(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        result = place.run("apply", "--auto-approve")
    assert result.code == 5
    assert "No space left" in result.err
    (spill,) = (place.path.parent / "state-home" / "flowplan").iterdir()
    assert str(spill) in result.err.replace("\n    ", "")
    assert VOLUME in place.ok("state", "list")
    place.ok("apply", "--auto-approve")
    assert not spill.exists()
    assert place.run("plan", "--detailed-exitcode").code == 0
    assert len([one for one in place.ledger() if one.method == "POST"]) == 2


@pytest.mark.parametrize("home", ["nowhere", "a-file"])
def test_as_a_last_resort_the_ids_are_told(place: Place, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    place.write(TASK)
    (place.path / "a-file").write_text("")
    real, count = os.fdatasync, itertools.count(1)

    def full(descriptor: int) -> None:
        if next(count) >= 3:
            raise OSError(28, "ENOSPC")
        real(descriptor)

    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "" if home == "nowhere" else str(place.path / home))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", full)
        result = place.run("apply", "--auto-approve")
    assert result.code == 5
    assert f"{VOLUME} = vol_" in result.err or f"{BID} = bid_" in result.err
    assert "not recorded anywhere" in result.err
    place.ok("apply", "--auto-approve")  # the intent is in the journal: it is looked up
    assert len([one for one in place.ledger() if one.method == "POST"]) == 2


def test_state_restore(applied: Place) -> None:
    applied.edit("17.92", "21.50")
    applied.ok("apply", "--auto-approve")
    assert applied.run("state", "restore").code == 5  # nothing is wrong with it
    (applied.path / "flowplan.state.json").write_bytes(b"")
    assert "state restore" in applied.run("plan").err
    applied.ok("state", "restore")
    assert (applied.path / "flowplan.state.json.damaged").exists()
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_state_rm_forgets_and_touches_nothing(applied: Place) -> None:
    ledger = applied.ledger()
    assert "it still exists" in applied.ok("state", "rm", VOLUME)
    assert VOLUME not in applied.ok("state", "list")
    assert applied.ledger() == ledger


@pytest.mark.parametrize(
    "arguments",
    [("plan", "x" * 300), ("apply", "x" * 300, "--auto-approve"), ("simulator", "advance", "999999999999d")],
    ids=["plan", "apply", "advance"],
)
def test_no_traceback(place: Place, arguments: tuple[str, ...]) -> None:
    assert place.run(*arguments).code in (64, 65)


def test_a_plan_without_its_parts_is_no_plan(place: Place) -> None:
    from flowplan.documents.plan import digest_of

    body = {"format_version": "1.0", "flowplan_version": __version__}
    place.write(json.dumps({**body, "sha256": digest_of(body)}), "p")
    for command in (("apply", "p"), ("show", "p")):
        assert place.run(*command).code == 3


def test_a_directory_with_any_name_can_be_a_stack(place: Place) -> None:
    here = place.path / "größe und 名前"
    here.mkdir()
    (here / "flowplan.yaml").write_text(TASK)
    place.ok("--chdir", str(here), "apply", "--auto-approve")


def test_a_block_volume_is_one_tasks(place: Place) -> None:
    attach = "persistent_storage: {attach: {volume_name: vol-000, mount_point: /mnt/d}}"
    place.write(many(1) + re.sub("persistent_storage.*", attach, many(1, first=1)))
    result = place.run("plan")
    assert result.code == 65
    assert "the Block volume vol-000 is used by bid.task-000 too" in " ".join(result.err.split())


def test_a_block_volume_that_somebody_holds_is_refused_before_anything_is_done(place: Place) -> None:
    place.write(many(1), "a.yaml")
    place.ok("apply", "a.yaml", "--auto-approve")
    attach = "persistent_storage: {attach: {volume_name: vol-000, mount_point: /mnt/d}}"
    place.write(re.sub("persistent_storage.*", attach, many(1, first=1)), "b.yaml")
    before = place.ledger()
    result = place.run("apply", "b.yaml", "--auto-approve")
    assert result.code == 3
    assert "bid.task-001 is to use the Block volume vol-000, which task-000" in " ".join(result.out.split())
    assert place.ledger() == before
    place.write(many(1).replace("create: {volume_name: vol-000, size: 1", "attach: {volume_name: vol-000"), "a.yaml")
    place.ok("apply", "a.yaml", "--auto-approve")  # its own bid holds it, which is no obstacle


def test_a_near_name_of_a_volume_of_the_same_files(place: Place) -> None:
    attach = "persistent_storage: {attach: {volume_name: vol-00, mount_point: /mnt/d}}"
    place.write(many(1) + re.sub("persistent_storage.*", attach, many(1, first=1)))
    assert "did you mean vol-000?" in place.run("plan").err


def test_types_alike_are_listed_first(place: Place) -> None:
    place.write(TASK.replace("h100.8x.SXM5.IB", "h100.1x.SXM5").replace("  num_gpus: 8\n", ""))
    assert "h100-80gb.sxm.8x" in place.run("plan").err


def test_another_generation_of_socket_is_another_type(place: Place) -> None:
    place.write(TASK.replace("SXM5", "SXM6"))
    result = place.run("plan")
    assert result.code == 65
    assert "there is no instance type h100.8x.SXM6.IB" in result.err


def test_a_cancellation_without_answer_is_seen_at_the_bid(applied: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from flowplan.cloud.fcp import Fcp

    real = Fcp.cancel_bid

    def lost(self: Fcp, id: str, **how: Any) -> None:
        real(self, id, **how)
        raise CloudError("503, five times")

    monkeypatch.setattr(Fcp, "cancel_bid", lost)
    assert "3 destroyed" in applied.ok(*DESTROY)


def test_the_volume_of_a_bid_that_was_cancelled_outside_is_replaced(applied: Place) -> None:
    """What is gone uses its volume no more: the volume's removal need not wait for the bid's next generation."""
    id = bid_id(applied)
    with applied.simulator() as simulator:
        assert simulator.faults.third_party("DELETE", f"/v2/spot/bids/{id}").status == 204
    applied.edit("size: 1 ", "size: 2 ")
    applied.ok("apply", "--auto-approve", "--allow-volume-destroy", "*")
    assert applied.run("plan", "--detailed-exitcode").code == 0


@pytest.mark.parametrize("parallelism", ["1", "10"])
def test_a_renamed_task_takes_its_block_volume_along(applied: Place, parallelism: str) -> None:
    """The new bid waits for the old one to go: a Block volume has one writer."""
    applied.edit("name: flow-sdk-batch-task-example", "name: a-new-name")
    applied.ok("apply", "--auto-approve", "--parallelism", parallelism)
    assert [entry.method for entry in applied.ledger()][2:] == ["DELETE", "POST"]


def sharing(*volumes: str) -> str:
    """Tasks 0, 1, ... with an attached volume each, or none (''); no mounts, so that bids are updated in place."""
    return "".join(
        re.sub(
            "persistent_storage.*\n",
            f"persistent_storage: {{attach: {{volume_name: {volume}}}}}\n" if volume else "",
            many(1, first=n),
        )
        for n, volume in enumerate(volumes)
    )


@pytest.fixture
def two_volumes(place: Place) -> Place:
    """Block volumes `one` and `two`, somebody else's."""
    project = json.loads(place.call("GET", "/v2/projects").body)[0]["fid"]
    for name in ("one", "two"):
        body = {
            "name": name,
            "project": project,
            "disk_interface": "Block",
            "region": "us-central1-b",
            "size_gb": 1,
        }
        assert place.call("POST", "/v2/volumes", json.dumps(body).encode()).status == 201
    return place


@pytest.mark.parametrize("parallelism", ["1", "10"])
@pytest.mark.parametrize(
    ("before", "after"),
    [(("one", ""), ("", "one")), (("", "one"), ("one", "")), (("one", "two", ""), ("", "one", "two"))],
)
def test_a_block_volume_goes_from_one_bid_to_another(
    two_volumes: Place, before: tuple[str, ...], after: tuple[str, ...], parallelism: str
) -> None:
    """Whoever takes it waits until the other, which stays, has let go."""
    two_volumes.write(sharing(*before))
    two_volumes.ok("apply", "--auto-approve")
    two_volumes.write(sharing(*after))
    out = two_volumes.ok("apply", "--auto-approve", "--parallelism", parallelism)
    assert f"{sum(old != new for old, new in zip(before, after, strict=True))} changed" in out
    assert two_volumes.run("plan", "--detailed-exitcode").code == 0


def test_two_bids_do_not_exchange_their_block_volumes(two_volumes: Place) -> None:
    two_volumes.write(sharing("one", "two"))
    two_volumes.ok("apply", "--auto-approve")
    ledger = two_volumes.ledger()
    two_volumes.write(sharing("two", "one"))
    result = two_volumes.run("apply", "--auto-approve")
    assert result.code == 3
    assert "bid.task-000, bid.task-001 exchange Block volumes" in " ".join(result.out.split())
    assert two_volumes.ledger() == ledger
    two_volumes.write(sharing("one", ""))  # as the hint says, in two steps
    two_volumes.ok("apply", "--auto-approve")
    two_volumes.write(sharing("two", "one"))
    two_volumes.ok("apply", "--auto-approve")


def test_a_bid_that_takes_over_a_volume_stays_while_the_other_has_not_let_go(two_volumes: Place) -> None:
    """Its mounts make it a new bid. Should the other's update fail, it must not have been cancelled for nothing."""
    two_volumes.write(sharing("one", ""))
    two_volumes.ok("apply", "--auto-approve")
    ids, giver = live_ids(two_volumes), bid_id(two_volumes, "bid.task-000")
    two_volumes.write(sharing("", "one").replace("volume_name: one", "volume_name: one, mount_point: /mnt/d"))
    with two_volumes.simulator() as simulator:
        simulator.faults.add("PATCH *", "status", status=403)
    result = two_volumes.run("apply", "--auto-approve")
    assert result.code == 1
    assert live_ids(two_volumes) == ids, result
    two_volumes.ok("apply", "--auto-approve")
    assert set(ids).intersection(live_ids(two_volumes)) == {giver}


@pytest.mark.parametrize(
    ("action", "volumes", "lets_go"),
    [("update", ("vol_1",), False), ("update", (), True), ("replace", ("vol_1",), True), ("no-op", ("vol_1",), False)],
)
def test_when_a_bid_lets_go_of_a_volume(action: Action, volumes: tuple[str, ...], lets_go: bool) -> None:
    """What is updated otherwise still holds it; what is replaced lets go for a while."""
    before = Bid("a", "it_1", "here", 1, Decimal(9), (), ("vol_1",))
    change = Change(action, Address("bid", "a"), before, attrs.evolve(before, volumes=volumes, limit_price=Decimal(10)))
    assert change.lets_go_of("vol_1") == lets_go


def test_creates_cost_appends_not_rewrites(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten times the creates: as many files replaced, and an append each (a result and the next intent are one)."""
    replaced: list[object] = []
    appended: list[int] = []
    replace, pwrite = os.replace, os.pwrite
    monkeypatch.setattr(os, "replace", lambda *given, **how: (replaced.append(given), replace(*given, **how))[1])

    def counted(descriptor: int, data: bytes, at: int) -> int:
        if Path(f"/proc/self/fd/{descriptor}").readlink().suffix == ".journal":
            appended.append(len(data))
        return pwrite(descriptor, data, at)

    monkeypatch.setattr(os, "pwrite", counted)
    seen = []
    for first, count in ((0, 10), (10, 100)):
        replaced.clear()
        appended.clear()
        place.write(re.sub("(persistent_storage|ports).*\n", "", many(first + count)))
        place.ok("apply", "--auto-approve", "--parallelism", "1")
        seen.append((len(replaced), len(appended), sum(appended)))
    (few, short, small), (many_, long, large) = seen
    print(f"100 creates: {long} appends of {large} bytes, {many_} files replaced; 10 creates: {short}, {small}, {few}")
    assert few == many_
    assert short <= 10 + 3 and long <= 100 + 3
    assert large < small * 10


def test_a_bid_that_a_lagging_list_still_shows_is_not_adopted(applied: Place) -> None:
    with applied.simulator() as simulator:
        simulator.faults.set(list_lag=3600)
    applied.ok(*DESTROY)
    applied.write(many(1))
    result = applied.run("apply", "--auto-approve")
    assert result.code == 0, result
    assert "it is kept" not in result.err
    assert BID not in applied.ok("state", "list")


def test_a_bid_that_the_state_lost_is_known_by_its_marker_though_its_ports_are_not_lost(applied: Place) -> None:
    """The ports bear the bid's id, which must not pass for the bid's being known."""
    lose_addresses(applied, BID)
    ledger = applied.ledger()
    applied.ok("apply", "--auto-approve")
    assert applied.ledger() == ledger
    assert applied.ok("state", "list").splitlines() == [BID, PORTS, VOLUME]
    assert applied.run("plan", "--detailed-exitcode").code == 0


def test_an_adopted_bid_brings_its_ports(applied: Place) -> None:
    """The state lost the bid; its marker tells where it belongs and what it publishes."""
    lose_addresses(applied, PORTS, BID)
    ledger = applied.ledger()
    result = applied.run("apply", "--auto-approve")
    assert "is live" in result.err and "it is kept" in " ".join(result.err.split())
    assert applied.ledger() == ledger
    assert applied.ok("state", "list").splitlines() == [BID, PORTS, VOLUME]
    assert applied.run("plan", "--detailed-exitcode").code == 0


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


# ---- the last hold on secrets ------------------------------------------------------------------------------


def test_a_bug_is_told_without_a_value(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The interpreter's own report would show what the error says, whatever is in it."""
    import flowplan.cloud.fcp

    key = "fkey_CANARY+wZ7q"

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError(f"with {key} in it")

    place.write(TASK)
    monkeypatch.setenv("FLOWPLAN_API_URL", "https://127.0.0.1:9")
    monkeypatch.setenv("FLOWPLAN_API_KEY", key)
    monkeypatch.setattr(flowplan.cloud.fcp.Fcp, "projects", broken)
    result = place.run("plan")
    assert result.code == 1
    assert "RuntimeError: with ******** in it" in result.err
    assert "this is a bug of flowplan" in result.err
    assert key not in result.out + result.err


def test_no_core_is_written_before_anything_is_read() -> None:
    program = (
        "import resource, sys, flowplan.__main__, flowplan.cli\n"
        "flowplan.cli.run = lambda _: print(resource.getrlimit(resource.RLIMIT_CORE)) or 0\n"
        "sys.argv = ['flowplan', 'plan']\n"
        "sys.exit(flowplan.__main__.main())"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "(0, 0)\n"
