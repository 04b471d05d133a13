"""Which state a command means: --state, FLOWPLAN_STATE, the key of a stack file, the file in the directory."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import flowplan
from flowplan.backends import open as opening
from flowplan.backends.store import Store
from flowplan.errors import ConfigError, StateError
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from flowplan.operations.opening.which_state import Chosen, chosen
from tests.conftest import START, Place
from tests.contracts.memory import Memory, opener

STACK = """version: 2
{state}project_name: my-foundry-project
tasks:
  train:
    task_management: {{utility_threshold_price: 17.92}}
    resources_specification: {{fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}
"""
REMOTE = "memory://team/train"


def stack(state: str = "") -> str:
    return STACK.format(state=f"state: {state}\n" if state else "")


@pytest.fixture
def memory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Memory:
    """A server of objects, for URLs `memory://...`; `XDG_STATE_HOME` is that of this test."""
    objects = Memory(tmp_path_factory.mktemp("server"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("home")))

    monkeypatch.setattr(opening, "STORES", {**opening.STORES, "memory": opener(objects)})
    return objects


def means(place: Place, *paths: str, state: str = "", **environ: str) -> Chosen:
    return chosen(Settings(directory=place.path, state=state, environ=environ), paths)


def test_the_option_comes_before_the_variable_before_the_key_before_the_default(place: Place) -> None:
    assert means(place).where == "flowplan.state.json"
    place.write(stack("a.json"))
    assert means(place).where == "a.json"
    assert means(place, FLOWPLAN_STATE="b.json").where == "b.json"
    assert means(place, FLOWPLAN_STATE="b.json", state="c.json").where == "c.json"
    assert means(place, FLOWPLAN_STATE="").where == "a.json"


def test_only_the_files_that_are_given_are_asked(place: Place) -> None:
    place.write(stack("a.json"))
    (place.path / "other").mkdir()
    place.write(stack("b.json"), "other/stack.yaml")
    assert means(place, "other").where == "other/b.json"
    assert means(place, "other/stack.yaml").where == "other/b.json"


@pytest.mark.parametrize(
    ("state", "where"),
    [
        ("../b.json", "b.json"),
        ("/srv/b.json", "/srv/b.json"),
        ("'./x y.json'", "sub/x y.json"),
        ("s3://bucket/train", "s3://bucket/train"),
        ("postgres://flowplan@db/states?sslmode=require", "postgres://flowplan@db/states?sslmode=require"),
    ],
)
def test_a_name_starts_from_the_file_that_has_it(place: Place, state: str, where: str) -> None:
    (place.path / "sub").mkdir()
    place.write(stack(state), "sub/stack.yaml")
    assert means(place, "sub/stack.yaml").where == where


def test_a_name_in_a_home_is_that_of_the_home(place: Place) -> None:
    place.write(stack("~/states/train.json"))
    assert means(place).where == str(Path("~/states/train.json").expanduser())


def test_two_files_say_it_alike_or_both_places_are_named(place: Place) -> None:
    (place.path / "sub").mkdir()
    place.write(stack("shared.json"), "a.yaml")
    place.write(stack("../shared.json").replace("train:", "eval:"), "sub/b.yaml")
    assert means(place, "a.yaml", "sub").where == "shared.json"
    place.write(stack("shared.json").replace("train:", "eval:"), "sub/b.yaml")
    for command in (("plan",), ("validate",), ("apply", "--auto-approve"), ("destroy", "--auto-approve")):
        found = place.run(*command, "a.yaml", "sub")
        assert found.code == 65, found
        said = " ".join(found.err.split())
        assert "sub/b.yaml:2:8" in said
        assert "the other one: a.yaml:2:8" in said
    assert not (place.path / "flowplan.state.json").exists()


@pytest.mark.parametrize(
    ("state", "says", "hint"),
    [
        ("s3://bucket/${var.env}", "state cannot hold ${...}", "--state or FLOWPLAN_STATE"),
        ("https://me:pa55word@example.com/s", "state holds a credential", "FLOWPLAN_HTTP_PASSWORD"),
        ("https://glpat@example.com/s", "state holds a credential", "FLOWPLAN_HTTP_PASSWORD"),
        ("postgres://me:pa55word@db/x", "state holds a credential", "PGPASSWORD"),
        ("postgres://db/x?password=pa55word", "state holds a credential", "PGPASSWORD"),
        ("s3://AKIA:pa55word@bucket/x", "state holds a credential", "AWS_SECRET_ACCESS_KEY"),
        ("[a, b]", "state must be text, not a list", ""),
        ("7", "state must be text", "quotes"),
        ("' '", "state is empty", "delete the key"),
        ("", "state has no value", "delete the key"),
        (r'"a\0b.json"', "state has a NUL character", "delete it: no file name can hold one"),
    ],
)
def test_what_can_be_no_place_is_refused_where_it_stands(place: Place, state: str, says: str, hint: str) -> None:
    place.write(STACK.format(state=f"state: {state}\n"))
    for command in (("validate",), ("plan",), ("status",), ("destroy", "--auto-approve")):
        found = place.run(*command)
        said = " ".join(found.err.split())
        assert (found.code, says in said, hint in said, "flowplan.yaml:2:" in said) == (65, True, True, True), found
        assert "pa55word" not in found.out + found.err
    assert place.run("status", "--state", "x.json").code == 0


def test_all_problems_of_a_file_are_said_at_once(place: Place) -> None:
    place.write(stack("s3://bucket/${var.env}").replace("h100.8x", "h100.9x").replace("17.92", "much"))
    found = place.run("validate")
    assert found.code == 65
    assert "state cannot hold" in found.err
    assert "utility_threshold_price" in found.err


def test_every_command_uses_it(place: Place) -> None:
    (place.path / "states").mkdir()
    place.write(stack("states/s.json"))
    place.ok("apply", "--auto-approve")
    assert not (place.path / "flowplan.state.json").exists()
    assert place.ok("state", "list") == "bid.train\n"
    assert "bid.train" in place.ok("status")
    assert "states/s.json" in place.ok("doctor")
    assert "No changes" in place.ok("plan")
    assert place.ok("orphans") == "" or "bid" not in place.ok("orphans")
    assert json.loads(place.ok("state", "history", "--format", "json"))["versions"][0]["serial"] == 1
    assert place.run("lock", "show").code == 0
    place.ok("destroy", "--auto-approve")
    assert place.ok("state", "list") == ""


def test_a_relative_variable_starts_from_the_working_directory(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(stack())
    (place.path / "sub").mkdir()
    monkeypatch.setenv("FLOWPLAN_STATE", "../s.json")
    found = place.run("--chdir", "sub", "apply", "../flowplan.yaml", "--auto-approve")
    assert found.code == 0, found
    monkeypatch.chdir(place.path)
    assert (place.path / "s.json").exists()


@pytest.mark.parametrize(
    ("variable", "state", "code", "says"),
    [
        ("nowhere/s.json", "", 64, "FLOWPLAN_STATE nowhere/s.json: there is no directory nowhere"),
        ("gopher://x/y", "", 64, "FLOWPLAN_STATE gopher://x/y: flowplan cannot keep a state at gopher://"),
        ("", "nowhere/s.json", 65, "state nowhere/s.json: there is no directory nowhere"),
        ("", "gopher://x/y", 65, "state gopher://x/y: flowplan cannot keep a state at gopher://"),
        ("", "flowplan.lock", 65, "state flowplan.lock: flowplan uses this name"),
    ],
)
def test_what_is_wrong_with_a_place_is_said_of_who_named_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, variable: str, state: str, code: int, says: str
) -> None:
    place.write(stack(state))
    monkeypatch.setenv("FLOWPLAN_STATE", variable)
    found = place.run("plan")
    assert (found.code, says in " ".join(found.err.split())) == (code, True), found
    if "no directory" in says:
        assert "hint: correct the name, or make it" in found.err


# -- a configuration that does not read


BROKEN = "  train: [\n"


@pytest.mark.parametrize("state", ["s.json", "'s.json'  # the state of the team", '"s.json"'])
def test_destroy_finds_the_state_of_a_broken_file(place: Place, state: str) -> None:
    place.write(stack("s.json"))
    place.ok("apply", "--auto-approve")
    place.write(stack(state) + BROKEN)
    assert place.run("plan").code == 65
    place.ok("destroy", "--auto-approve")
    assert place.ok("state", "list", "--state", "s.json") == ""


@pytest.mark.parametrize(
    "damage",
    [
        "state: |\n  s.json\n",
        "state: s.json\nstate: t.json\n",
        "state: *where\n",
        "state:\n  s.json\n",
        "state: s.json\n  more\n",
        "state: 's3://me:secret@x'\n",
    ],
)
def test_what_cannot_be_made_out_is_never_the_default(place: Place, damage: str) -> None:
    place.write(stack())
    place.ok("apply", "--auto-approve")
    place.write(STACK.format(state=damage) + BROKEN)
    before = place.ledger()
    for command in (("destroy", "--auto-approve"), ("status",), ("state", "list")):
        found = place.run(*command)
        assert (found.code, "--state flowplan.state.json" in " ".join(found.err.split())) == (64, True), found
    assert place.ledger() == before
    place.ok("destroy", "--auto-approve", "--state", "flowplan.state.json")


def test_a_file_that_is_no_utf8_may_say_it(place: Place) -> None:
    (place.path / "flowplan.yaml").write_bytes(stack("s.json").encode("utf-16"))
    assert place.run("destroy", "--auto-approve").code == 64


def test_a_broken_file_that_says_nothing_leaves_the_default(place: Place) -> None:
    place.write(stack())
    place.ok("apply", "--auto-approve")
    place.write(stack() + BROKEN)
    assert "1 destroyed" in place.ok("destroy", "--auto-approve")


# -- on a server


def test_a_stack_on_a_server_needs_no_option(place: Place, memory: Memory) -> None:
    place.write(stack(REMOTE))
    place.ok("apply", "--auto-approve")
    assert sorted(one.name for one in place.path.iterdir()) == [".flowplan", "flowplan.yaml"]
    assert "No changes" in place.ok("plan")
    assert place.ok("state", "list") == "bid.train\n"
    loaded = flowplan.load(directory=place.path, api_url="sim:", environ=START)
    assert [str(one) for one in loaded.state().bindings] == ["bid.train"]
    assert loaded.plan().plan.empty
    place.ok("destroy", "--auto-approve")


def test_nothing_is_opened_for_what_needs_no_state(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> Store:
        raise AssertionError("the store was opened")

    monkeypatch.setattr(opening, "STORES", {"memory": refused})
    place.write(stack(REMOTE))
    for command in ("validate", "fmt", "graph"):
        assert place.run(command).code == 0


def test_a_saved_plan_is_for_its_state(place: Place, memory: Memory, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(stack(REMOTE))
    place.ok("plan", "--out", "saved")
    assert json.loads((place.path / "saved").read_text())["stack"]["state"] == REMOTE
    for other in ("memory://team/other", "flowplan.state.json"):
        found = place.run("apply", "saved", "--state", other)
        assert (found.code, "this plan is for the state memory://team/train" in found.err) == (3, True), found
    assert place.ledger() == []
    place.ok("apply", "saved")
    place.edit(REMOTE, "memory://team/moved")
    assert place.run("apply", "saved").code == 3


def test_a_plan_of_before_the_first_apply_is_for_its_file(place: Place) -> None:
    place.write(stack())
    place.ok("plan", "--out", "saved", "--state", "one.json")
    found = place.run("apply", "saved", "--state", "other.json")
    assert (found.code, "this plan is for the state one.json, not for other.json" in found.err) == (3, True), found
    assert place.run("apply", "saved").code == 3
    place.ok("apply", "saved", "--state", "one.json")


def test_a_first_plan_goes_where_the_checkout_of_its_state_is_elsewhere(place: Place) -> None:
    """As between two jobs of a pipeline: there is no lineage yet that could tell."""
    place.write(stack())
    for name in ("job-1", "job-2"):
        (place.path / name).mkdir()
    place.ok("--state", "job-1/s.json", "plan", "--out", "p")
    place.ok("--state", "job-2/s.json", "apply", "p")
    place.write(stack().replace("17.92", "18.92"))
    place.ok("--state", "job-2/s.json", "plan", "--out", "p")
    (place.path / "job-2").rename(place.path / "job-3")
    place.ok("--state", "job-3/s.json", "apply", "p")


def test_a_proposal_is_for_its_state(place: Place) -> None:
    place.write(stack("a.json"))
    loaded = flowplan.load(directory=place.path, api_url="sim:", environ=START)
    proposal = loaded.plan()
    assert proposal.document["stack"]["state"] == "a.json"
    place.edit("a.json", "b.json")
    with pytest.raises(flowplan.FlowplanError, match=r"a\.json, not for .*b\.json"):
        loaded.apply(proposal)
    loaded.apply(loaded.plan())
    assert (place.path / "b.json").exists()


def test_a_key_that_only_the_whole_file_shows_is_no_fork(place: Place) -> None:
    """The escape hides the key from who reads it first."""
    place.write(stack("a.json").replace("state:", '"st\\u0061te":'))
    assert means(place).where == "flowplan.state.json"
    found = place.run("apply", "--auto-approve")
    assert (found.code, "state is a.json here" in " ".join(found.err.split())) == (65, True), found
    with pytest.raises(ConfigError):
        flowplan.load(directory=place.path, api_url="sim:", environ=START).plan()


def test_addresses_are_completed_from_it(place: Place) -> None:
    from flowplan.operations.completion import addresses

    place.write(stack("s.json"))
    place.ok("apply", "--auto-approve")
    assert addresses(place.path, {}, None) == ["bid.train", "task.train"]
    assert addresses(place.path, {"FLOWPLAN_STATE": "t.json"}, None) == []
    place.write(stack(REMOTE))
    assert addresses(place.path, {}, None) == []


def test_a_link_that_leads_elsewhere_once_the_files_are_read_is_refused(place: Place) -> None:
    """The files would be named from one directory, and kept in a state in another."""
    for name in ("one", "other"):
        (place.path / name).mkdir()
    place.write(stack())
    link = place.path / "state.json"
    link.symlink_to("one/state.json")
    with Session(Settings(directory=place.path, state="state.json")) as session:
        session.sources([])
        link.unlink()
        link.symlink_to("other/state.json")
        with pytest.raises(StateError, match=r"^state\.json leads to another directory by now$"):
            _ = session.store
    with Session(Settings(directory=place.path, state="state.json")) as session:
        session.sources([])
        assert session.store.base == place.path.resolve() / "other"
