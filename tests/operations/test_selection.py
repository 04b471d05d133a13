"""--target, --exclude and --replace at work: what is left out keeps its state, its drift and its cost."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowplan.documents.plan import digest_of
from tests.conftest import Place, bid_id
from tests.texts import storage, task_text

PLAIN = (
    "{task_management: {utility_threshold_price: 17.92}, "
    "resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}"
)
TWO = task_text("prep", more=f"{storage('data')}ports: [8080]\n") + task_text("train")


@pytest.fixture
def two(place: Place) -> Place:
    place.write(TWO)
    return place


def test_a_target_is_applied_and_the_rest_is_left(two: Place) -> None:
    out = two.ok("apply", "--auto-approve", "--target", "bid.train")
    assert "this plan is partial (--target)" in out.replace("\n  ", " ")
    assert two.ok("state", "list").split() == ["bid.train"]
    assert "No changes to what you selected." in two.ok("plan", "--target", "bid.train")
    assert "Apply complete: 3 added" in two.ok("apply", "--auto-approve")


def test_the_json_says_what_a_partial_plan_covers(two: Place) -> None:
    body = json.loads(two.ok("plan", "--exclude", "volume.data", "--format", "json"))
    assert body["complete"] is False
    left = ["bid.prep", "ports.prep", "volume.data"]
    assert body["selection"] == {"target": [], "exclude": ["volume.data"], "left_out": left}
    assert [one["detail"] for one in body["diagnostics"]][:3] == ["partial", "dependents", "dependents"]
    assert "selection" not in json.loads(two.ok("plan", "--format", "json"))


def test_drift_of_what_is_left_out_stays_drift(two: Place) -> None:
    two.ok("apply", "--auto-approve")
    two.call("PATCH", f"/v2/spot/bids/{bid_id(two, 'bid.train')}", b'{"limit_price": "$30.00"}')
    before = json.loads(two.ok("plan", "--format", "json"))
    two.edit("8080", "9090")
    out = two.ok("apply", "--auto-approve", "--target", "task.prep")
    assert "bid.train" not in out.partition("warning:")[0]
    two.edit("9090", "8080")
    two.ok("apply", "--auto-approve", "--target", "task.prep")
    after = json.loads(two.ok("plan", "--format", "json"))
    assert after["resource_drift"] == before["resource_drift"] != []


def test_what_stays_counts_in_the_cost(two: Place) -> None:
    two.ok("apply", "--auto-approve", "--target", "bid.train")
    whole = json.loads(two.ok("plan", "--format", "json"))["cost"]["current"]
    part = json.loads(two.ok("plan", "--target", "task.prep", "--format", "json"))["cost"]
    assert part["current"] == whole
    assert two.run("plan", "--target", "task.prep", "--max-hourly-cost", "20").code == 3


def test_a_volume_whose_user_is_excluded_is_not_destroyed(two: Place) -> None:
    two.ok("apply", "--auto-approve")
    volume = ("--allow-volume-destroy", "*")
    two.ok("destroy", "--auto-approve", *volume, "--exclude", "bid.prep")
    assert two.ok("state", "list").split() == ["bid.prep", "ports.prep", "volume.data"]
    two.ok("destroy", "--auto-approve", *volume, "--target", "volume.data")
    assert two.ok("state", "list") == ""


def test_a_destroy_without_a_volume_says_that_its_bid_runs_on_and_how_to_end_it(two: Place) -> None:
    two.ok("apply", "--auto-approve")
    said = " ".join(two.ok("destroy", "--auto-approve", "--exclude", "volume.data").split())
    assert "bid.prep is left out, too: it depends on volume.data; it runs on" in said
    assert "give --target 'bid.*' instead of --exclude" in said
    assert two.ok("state", "list").split() == ["bid.prep", "ports.prep", "volume.data"]
    two.ok("destroy", "--auto-approve", "--target", "bid.*")
    assert two.ok("state", "list").split() == ["volume.data"]


def test_a_destroy_says_that_what_stays_needs_what_is_left_out(two: Place) -> None:
    """The bid does not depend on its ports, nor the volume on the bid."""
    two.ok("apply", "--auto-approve")
    said = " ".join(two.ok("destroy", "--auto-approve", "--exclude", "ports.prep").split())
    assert "bid.prep is left out, too: ports.prep, which stays, needs it; it runs on" in said
    assert "volume.data is left out, too: bid.prep, which stays, needs it" in said
    assert "instead of --exclude" not in said


def test_a_destroy_of_a_part_says_that_the_next_apply_creates_it_again(two: Place) -> None:
    two.ok("apply", "--auto-approve")
    part, again = ("plan", "--destroy", "--target", "bid.train"), "the next apply creates again what it destroys"
    said = " ".join(two.ok(*part).split())
    assert f"this destroy is partial (--target): {again}, unless you take that out of the files; 3 changes" in said
    two.ok("destroy", "--auto-approve", "--target", "bid.train")
    assert json.loads(two.ok("plan", "--format", "json"))["summary"]["create"] == 1
    assert again not in " ".join(two.ok("plan", "--target", "bid.train").split())


def test_a_partial_plan_is_saved_and_applied(two: Place) -> None:
    two.ok("plan", "--target", "bid.train", "--out", "p")
    assert "Apply complete: 1 added" in two.ok("apply", "p")
    assert two.ok("state", "list").split() == ["bid.train"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("plan", "--target", ""), "is empty"),
        (("plan", "--exclude", "train"), "is not an address"),
        (("plan", "--target", "bid.trian"), "did you mean bid.train"),
        (("apply", "--auto-approve", "--exclude", "volume.z*"), "neither the files nor the state hold anything"),
        (("destroy", "--auto-approve", "--target", "bid.prep"), "neither the files nor the state hold it"),
        (("destroy", "--replace", "bid.prep"), "flowplan destroy has no option --replace"),
        (("plan", "--destroy", "--replace", "bid.prep"), "cannot be combined with --destroy"),
    ],
)
def test_wrong_usage(two: Place, arguments: tuple[str, ...], said: str) -> None:
    result = two.run(*arguments)
    assert result.code == 64, result
    assert said in result.err
    assert two.ledger() == []


def widened(place: Place, selection: dict[str, Any] | None, whole: bool) -> None:
    """The saved plan p with another selection, and `whole`, with all that a plan without one does."""
    body = json.loads((place.path / "p").read_text())
    if whole:
        place.ok("plan", "--out", "all")
        body = {**json.loads((place.path / "all").read_text()), "timestamp": body["timestamp"]}
    body = {key: value for key, value in body.items() if key != "selection"}
    body |= {} if selection is None else {"selection": selection}
    place.write(json.dumps({**body, "sha256": digest_of(body)}, indent=2), "p")


@pytest.mark.parametrize(
    "selection",
    [
        None,
        {"target": [], "exclude": [], "left_out": []},
        {"target": ["*"], "exclude": [], "left_out": []},
        {"target": ["bid.*"], "exclude": [], "left_out": ["volume.data"]},
        {"target": [], "exclude": ["volume.data"], "left_out": ["volume.data"]},
    ],
)
def test_another_selection_in_a_saved_plan_widens_nothing(two: Place, selection: dict[str, Any] | None) -> None:
    """Whatever it says is selected, no more is done than it lists."""
    two.ok("plan", "--target", "bid.train", "--out", "p")
    widened(two, selection, whole=False)
    result = two.run("apply", "p")
    assert result.code in (0, 3), result
    assert set(two.ok("state", "list").split()) <= {"bid.train"}


def test_a_plan_that_was_widened_is_not_the_one_that_was_approved(two: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    two.ok("plan", "--target", "bid.train", "--out", "p")
    approved = json.loads((two.path / "p").read_text())["sha256"]
    widened(two, None, whole=True)
    assert two.run("apply", "p", "--expect", approved).code == 3
    monkeypatch.setenv("FLOWPLAN_PLAN_KEY", "0123456789abcdef0123")
    two.ok("plan", "--target", "bid.train", "--out", "p")
    signature = json.loads((two.path / "p").read_text())["hmac_sha256"]
    widened(two, None, whole=True)
    body = json.loads((two.path / "p").read_text())
    two.write(json.dumps({**body, "hmac_sha256": signature}), "p")
    refused = two.run("apply", "p")
    assert (refused.code, two.ledger()) == (3, [])


def test_a_partial_plan_takes_in_nothing_that_was_written_since(two: Place) -> None:
    two.ok("apply", "--auto-approve")
    raised = TWO.replace(task_text("train"), task_text("train", "19.00"))
    two.write(raised)
    two.ok("plan", "--target", "bid.train", "--out", "p")
    sent = len(two.ledger())
    two.write(raised.replace("ports: [8080]", "ports: [9090]"))  # prep would be replaced
    assert two.run("apply", "p").code == 3
    assert len(two.ledger()) == sent
    two.write(raised)
    two.call("PATCH", f"/v2/spot/bids/{bid_id(two, 'bid.prep')}", b'{"limit_price": "$3.00"}')  # another part drifts
    sent = len(two.ledger())
    two.ok("apply", "p")
    assert [one.method for one in two.ledger()[sent:]] == ["PATCH"]


def test_a_saved_plan_takes_no_selection(two: Place) -> None:
    two.ok("plan", "--out", "p")
    result = two.run("apply", "p", "--target", "bid.train")
    assert result.code == 64
    assert "cannot be combined with a saved plan" in result.err
    assert two.ledger() == []


def test_no_message_advises_a_target(two: Place) -> None:
    two.ok("apply", "--auto-approve")
    for arguments in (
        ("destroy", "--auto-approve"),
        ("plan", "--replace", "volume.data"),
        ("plan", "--target", "bid.x"),
    ):
        result = two.run(*arguments)
        assert result.code in (3, 64)
        hints = [line for line in (result.err + result.out).splitlines() if "hint:" in line]
        assert hints and not any("--target" in line for line in hints)


def test_an_import_that_is_left_out_stays_where_it_is(place: Place) -> None:
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    id = bid_id(place, "bid.train")
    place.ok("state", "rm", "bid.train")
    head = "version: 2\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
    tasks = f"tasks:\n  train: {PLAIN}\n  other: {PLAIN}\n"
    place.write(f"{head}{tasks}import: [{{address: bid.train, id: {id}}}]\n")
    place.ok("apply", "--auto-approve", "--target", "bid.other")
    assert place.ok("state", "list").split() == ["bid.other"]
    assert "1 to import" in place.ok("plan")


def test_commands_take_a_task_and_a_key_without_quotes_where_they_take_an_address(place: Place) -> None:
    place.write("version: 2\ntasks:\n  a: {for_each: [x, y], ports: [8080], " + PLAIN[1:] + "\n")
    place.ok("apply", "--auto-approve")
    assert 'bid.a["x"]' in place.ok("state", "show", "task.a[x]")
    place.ok("state", "mv", "task.a[x]", "task.c")
    assert place.ok("state", "list").split() == ['bid.a["y"]', "bid.c", 'ports.a["y"]', "ports.c"]
    id = bid_id(place, "bid.c")
    place.ok("state", "rm", "task.c")
    assert place.ok("state", "list").split() == ['bid.a["y"]', 'ports.a["y"]']
    place.ok("import", "task.a[x]", id)
    assert 'bid.a["x"]' in place.ok("state", "list").split()
    refused = place.run("state", "show", "tusk.a")
    assert (refused.code, "ports.NAME or task.NAME" in " ".join(refused.err.split())) == (64, True)
