"""A stack without its state, as in a fresh checkout: what runs already is not placed a second time unseen."""

from __future__ import annotations

import json

import pytest

import flowplan
from tests.conftest import Place, bid_id, made_once

STACK = """version: 2
name: llm
project_name: my-foundry-project
ssh_key_name: my-ssh-key
defaults: {resources_specification: {fcp_instance: a100.1x.SXM4.IB, cluster_id: us-central1-b}}
tasks:
  api: {startup_script: echo one, lifecycle: {create_before_destroy: true}}
  old: {}
"""
APPLY = ("apply", "--auto-approve")
TWICE = "if that is this one, what runs would be placed a second time"


def live(place: Place) -> set[str]:
    rows = json.loads(place.call("GET", "/v2/spot/bids").body)["data"]
    return {row["name"] for row in rows if row["status"] != "Terminated"}


@pytest.fixture
@made_once
def checkout(place: Place) -> Place:
    """A fresh checkout of a stack that runs: the files, and no state. Its live bids are not called as their addresses
    are: one was replaced, the other moved."""
    place.write(STACK)
    place.ok(*APPLY)
    place.edit("echo one", "echo two")
    place.edit("  old: {}\n", "  new: {}\nmoved: [{from: task.old, to: task.new}]\n")
    place.ok(*APPLY)
    lose_state(place)
    assert live(place) == {"api-g2", "old"}
    return place


def said(place: Place, *command: str) -> tuple[int, str]:
    found = place.run(*command)
    return found.code, " ".join((found.out + found.err).split())


def test_what_runs_under_another_name_is_not_placed_again_where_nobody_looks(checkout: Place) -> None:
    code, told = said(checkout, *APPLY)
    assert (code, TWICE in told, live(checkout)) == (3, True, {"api-g2", "old"}), told
    assert "2 live bids carry the marker of a stack called llm: api-g2 (bid_" in told
    assert "flowplan recover --from-live --lineage" in told
    code, told = said(checkout, "plan")
    assert (code, TWICE in told) == (0, True)


def test_the_remedies_of_the_refusal_do_what_they_say(checkout: Place) -> None:
    lineage = said(checkout, *APPLY)[1].rpartition("--lineage ")[2].partition(";")[0]
    checkout.ok("recover", "--from-live", "--lineage", lineage)
    assert "bid.old has moved to bid.new" in (told := said(checkout, *APPLY)[1]), told
    assert "0 added, 0 changed, 0 destroyed" in told
    assert live(checkout) == {"api-g2", "old"}


def lose_state(place: Place) -> None:
    for path in (*place.path.glob("flowplan.state*"), *place.path.glob(".flowplan/versions/*/*")):
        path.unlink()


def test_of_a_stack_that_was_lost_twice_each_lineage_is_named(place: Place) -> None:
    """Each has another part of it: whoever rebuilds one would not hear of the other."""
    lineages = []
    for name in ("api", "web"):
        place.write(STACK.replace("  api:", f"  {name}:").replace("  old: {}\n", ""))
        place.ok(*APPLY)
        place.edit("echo one", "echo two")
        place.ok(*APPLY)
        lineages.append(str(json.loads(place.ok("state", "pull"))["lineage"]))
        lose_state(place)
    place.write(STACK.replace("  old: {}\n", "  web: {startup_script: echo two}\n"))
    code, told = said(place, *APPLY)
    assert (code, live(place)) == (3, {"api-g2", "web-g2"}), told
    first, second = lineages
    assert f"with one of --lineage {first} (it has api-g2), --lineage {second} (it has web-g2);" in told
    place.ok("recover", "--from-live", "--lineage", second)
    code, told = said(place, *APPLY)
    assert (code, "flowplan import bid.api bid_" in told, f"--lineage {first};" in told) == (3, True, True), told


def test_the_remedies_speak_of_the_state_that_the_command_was_given(checkout: Place) -> None:
    """Else it is rebuilt somewhere else, and the same apply is refused again."""
    code, told = said(checkout, "--state", "ci.json", *APPLY)
    assert (code, "flowplan recover --state ci.json --from-live --lineage" in told) == (3, True), told
    assert "`flowplan plan --state ci.json --out FILE`" in told


def test_a_program_hears_that_what_runs_is_placed_a_second_time(checkout: Place) -> None:
    heard = list[str]()
    stack = flowplan.load(directory=checkout.path, api_url="sim:", note=heard.append)
    proposal = stack.plan()
    assert not proposal.refused and "other-state" in {one.code for one in proposal.diagnostics}
    assert heard == []
    stack.apply(proposal)  # which it may have looked at
    assert [TWICE in one and "flowplan recover --from-live" in one for one in heard].count(True) == 1, heard
    assert live(checkout) == {"api-g2", "old", "api", "new"}


def test_a_state_that_was_begun_since_with_a_volume_places_nothing_again_either(place: Place) -> None:
    """The volume is found by its name, and is taken in first. It is the same once the first bid is."""
    place.write(
        STACK.replace("  old: {}\n", "  web: {startup_script: echo one, lifecycle: {create_before_destroy: true}}\n")
    )
    place.write("version: 2\nvolumes: {data: {size: 1, region_id: us-central1-b}}\n", "data.yaml")
    files = ("flowplan.yaml", "data.yaml")
    place.ok(*APPLY, *files)
    place.write((place.path / "flowplan.yaml").read_text().replace("echo one", "echo two"))
    place.ok(*APPLY, *files)
    volume = place.ok("state", "show", "volume.data").partition("(")[2].partition(")")[0]
    lose_state(place)
    place.ok("import", "volume.data", volume)
    for address in ("bid.api", "bid.web"):
        code, told = said(place, *APPLY, *files)
        assert (code, TWICE in told, live(place)) == (3, True, {"api-g2", "web-g2"}), told
        take = told.partition(f"flowplan import {address} ")[2].partition(" --lineage ")
        place.ok("import", address, take[0], "--lineage", take[2].replace(";", ",").partition(",")[0])
    place.ok(*APPLY, *files)
    assert live(place) == {"api-g2", "web-g2"}


def test_what_has_ended_is_placed_again_whatever_another_state_has(checkout: Place) -> None:
    """Somebody has looked at that once, and the watch can ask nobody."""
    checkout.ok("plan", "--out", "p.json")
    checkout.ok("apply", "p.json")
    checkout.call("DELETE", f"/v2/spot/bids/{bid_id(checkout, 'bid.api')}")
    assert live(checkout) == {"api-g2", "old", "new"}
    assert said(checkout, *APPLY)[0] == 0
    assert live(checkout) == {"api-g2", "old", "new", "api"}


def test_a_bid_that_the_state_has_by_now_is_no_other_ones(checkout: Place) -> None:
    """It was imported, and has another address since."""
    lineage = said(checkout, *APPLY)[1].rpartition("--lineage ")[2].partition(";")[0]
    rows = json.loads(checkout.call("GET", "/v2/spot/bids").body)["data"]
    [api] = [row["fid"] for row in rows if row["name"] == "api-g2"]
    [old] = [row["fid"] for row in rows if row["name"] == "old"]
    checkout.ok("import", "bid.new", old, "--lineage", lineage)
    checkout.ok("import", "bid.api", api, "--lineage", lineage)
    checkout.ok("state", "mv", "bid.api", "bid.first")
    checkout.edit("  new: {}\n", "  new: {}\n  first: {startup_script: echo two, lifecycle: {ignore_changes: all}}\n")
    code, told = said(checkout, *APPLY)
    assert (code, live(checkout)) == (0, {"api-g2", "old", "api"}), told


def test_whoever_has_looked_at_the_plan_may_place_them(checkout: Place) -> None:
    checkout.ok("plan", "--out", "p.json")
    checkout.ok("apply", "p.json")
    assert live(checkout) == {"api-g2", "old", "api", "new"}
    assert TWICE not in said(checkout, "plan")[1]  # there is a state now


@pytest.mark.parametrize("named", ["", "name: other\n"], ids=["a directory's name", "a name of its own"])
def test_a_stack_that_no_file_names_may_have_been_called_otherwise(checkout: Place, named: str) -> None:
    checkout.edit("name: llm\n", named)
    code, told = said(checkout, *APPLY)
    assert (code, TWICE in told) == ((0, False) if named else (3, True)), told


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("name: llm\n", "name: llm\nname_prefix: staging-\n"),
        ("api: {startup", "api: {name: ben-api, startup"),
        ("tasks:\n  api:", "tasks:\n  web:"),
    ],
    ids=["another prefix", "another written name", "other addresses"],
)
def test_what_is_called_as_another_environment_calls_it_is_no_reason_to_refuse(
    checkout: Place, old: str, new: str
) -> None:
    checkout.edit("  new: {}\nmoved: [{from: task.old, to: task.new}]\n", "")
    checkout.edit(old, new)
    code, told = said(checkout, *APPLY)
    assert (code, TWICE in told) == (0, False), told


BEFORE = "if that is this one from before it had the prefix, what runs would be placed a second time"


def test_what_runs_from_before_the_prefix_is_told_where_there_is_no_state(checkout: Place) -> None:
    """A prefix renames nothing, so no name is found to be taken. It may as well be an environment that has none."""
    checkout.edit("name: llm\n", "name: llm\nname_prefix: production-\n")
    code, told = said(checkout, "plan")
    assert (code, BEFORE in told, TWICE in told) == (0, True, False), told
    assert "2 live bids carry the marker of a stack called llm without the prefix production-: api-g2 (bid_" in told
    lineage = told.rpartition("--lineage ")[2].partition(";")[0]
    checkout.ok("recover", "--from-live", "--lineage", lineage)
    code, told = said(checkout, "plan")
    assert (code, BEFORE in told, "0 to add, 0 to change, 0 to destroy" in told) == (0, False, True), told


def test_what_has_no_prefix_holds_up_no_other_environment(checkout: Place) -> None:
    checkout.edit("name: llm\n", "name: llm\nname_prefix: staging-\n")
    code, told = said(checkout, *APPLY)
    assert (code, BEFORE in told) == (0, True), told
    assert BEFORE not in said(checkout, "plan")[1]  # there is a state now
    checkout.edit("name_prefix: staging-", "name_prefix: test-")
    code, told = said(checkout, "--state", "other.json", "plan")
    assert (code, BEFORE in told, told.count("staging-")) == (0, True, 0), told
    checkout.edit("name: llm\n", "name: other\n")
    assert BEFORE not in said(checkout, "--state", "other.json", "plan")[1]


def test_a_stack_without_prefix_is_another_environment_than_one_with_a_prefix(place: Place) -> None:
    place.write(STACK.replace("name: llm\n", "name: llm\nname_prefix: staging-\n"))
    place.ok("--state", "staging.json", *APPLY)
    place.write(STACK)
    code, told = said(place, "--state", "production.json", *APPLY)
    assert (code, TWICE in told) == (0, False), told
