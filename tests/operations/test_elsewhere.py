"""A command that finds no state goes by what this directory has used: nothing that runs is said not to exist."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flowplan.backends import open as opening
from flowplan.backends.used import DIRECTORY
from tests.conftest import Place
from tests.contracts.memory import Memory, opener
from tests.processes import LONGEST, Process

STACK = """version: 2
state: a.json
project_name: my-foundry-project
ssh_key_name: my-ssh-key
tasks: {train: {resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}}}
"""
LOOKS = (("plan",), ("apply", "--auto-approve"), ("status",), ("cost",), ("state", "list"))
DESTROY = ("destroy", "--auto-approve")
NOTED = {"format_version", "identity", "where", "api_url", "resources", "lineage", "files"}


@pytest.fixture
def used(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A directory whose bid is in a.json."""
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    place.write(STACK, "flowplan.yaml")
    place.ok("apply", "--auto-approve")
    return place


def said(place: Place, *command: str, code: int = 5) -> str:
    found = place.run(*command)
    assert found.code == code, found
    return " ".join(found.err.split())


@pytest.mark.parametrize("now", ["state: b.json\n", ""], ids=["another key", "no key"])
def test_a_key_that_says_another_place_does_not_make_the_bid_unknown(used: Place, now: str) -> None:
    before = used.ledger()
    used.edit("state: a.json\n", now)
    new = "b.json" if now else "flowplan.state.json"
    for command in LOOKS:
        told = said(used, *command)
        assert f"there is no state at {new} yet, but a.json, which was used here, has 1 resource" in told
        assert f"`flowplan state migrate a.json {new}` moves it there; --state a.json uses it where it is" in told
    assert "give --state a.json to destroy what is there" in said(used, *DESTROY)
    assert used.ledger() == before
    used.ok("--state", "a.json", *DESTROY)
    assert (f"no state at {new} yet" if now else "no state yet") in used.ok("plan")
    assert "No changes" in used.ok(*DESTROY)


def test_a_place_that_is_moved_to_is_the_state_and_the_old_one_is_forgotten(used: Place) -> None:
    used.edit("state: a.json\n", "state: b.json\n")
    used.ok("state", "migrate", "a.json", "b.json")
    assert "No changes" in used.ok("plan")
    kept = [json.loads(path.read_text()) for path in (used.path / DIRECTORY).iterdir()]
    assert [(one["where"], one["resources"]) for one in kept] == [("b.json", 1)]


def test_init_starts_a_new_state_beside_the_other(used: Place) -> None:
    used.edit("state: a.json\n", "state: b.json\nname_prefix: b-\n")
    used.ok("apply", "--auto-approve", "--init")
    assert "No changes" in used.ok("plan")


@pytest.mark.parametrize("by", ["option", "environment"])
def test_who_says_which_state_begins_one_and_hears_of_the_other(
    used: Place, by: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    used.edit("version: 2\n", "version: 2\nname_prefix: c-\n")
    where = ("--state", "c.json") if by == "option" else ()
    if by == "environment":
        monkeypatch.setenv("FLOWPLAN_STATE", "c.json")
    told = said(used, *where, *DESTROY, code=0 if by == "option" else 5)  # it would say that there is nothing to stop
    assert "give --state a.json" in told
    assert used.run(*where, "plan").err.count("used") == 1  # however often a state is looked for
    found = used.run(*where, "apply", "--auto-approve")
    assert found.code == 0
    assert "a.json, which was used here, has 1 resource; what is made now is made beside that" in " ".join(
        found.err.split()
    )
    assert "used here" not in used.run(*where, "plan").err


def test_a_variable_that_is_forgotten_does_not_make_the_bid_unknown(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    place.write(STACK.replace("state: a.json\n", ""), "flowplan.yaml")
    monkeypatch.setenv("FLOWPLAN_STATE", "a.json")
    place.ok("apply", "--auto-approve")
    monkeypatch.delenv("FLOWPLAN_STATE")
    assert "a.json, which was used here, has 1 resource" in said(place, *DESTROY)


def test_the_state_of_another_api_is_another_stack(used: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    used.edit("state: a.json\n", "state: b.json\n")
    (note,) = (used.path / DIRECTORY).iterdir()
    note.write_text(note.read_text().replace("sim:", "https://api.mithril.ai"))
    assert used.ok("state", "list") == ""


def test_a_run_that_was_killed_before_it_saved_is_known(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    place.write(STACK, "flowplan.yaml")
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "slow", seconds=LONGEST)
    command = [sys.executable, "-m", "flowplan", "apply", "--auto-approve"]
    with Process(command, cwd=place.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        assert run.stdout is not None
        assert any("creating..." in line for line in run.stdout)
        run.kill()
    assert not (place.path / "a.json").exists()
    place.edit("state: a.json\n", "state: b.json\n")
    assert "a.json, which was used here, may have resources: the run that wrote there was cut off" in said(
        place, *DESTROY
    )
    place.ok("--state", "a.json", *DESTROY)
    assert "No changes" in place.ok(*DESTROY)


@pytest.mark.parametrize("content", [b"", b"{}", b"\0" * 100, b'{"identity": 1, "where": 2}', b"[" * 5000])
def test_a_note_that_is_damaged_is_none(used: Place, content: bytes) -> None:
    used.edit("state: a.json\n", "state: b.json\n")
    (note,) = (used.path / DIRECTORY).iterdir()
    note.write_bytes(content)
    assert "is damaged: remove it" in said(used, "state", "list", code=0)
    assert "1 destroyed" in used.ok("--state", "a.json", *DESTROY)


def test_where_no_note_can_be_written_all_goes_on(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    place.write(STACK, "flowplan.yaml")
    (place.path / ".flowplan").mkdir()
    (place.path / DIRECTORY).write_text("a file")
    place.ok("apply", "--auto-approve")
    place.ok(*DESTROY)
    assert (place.path / DIRECTORY).read_text() == "a file"


def test_a_note_that_no_fifo_holds_up(used: Place) -> None:
    os.mkfifo(used.path / DIRECTORY / "x.json")
    used.edit("state: a.json\n", "state: b.json\n")
    assert "a.json, which was used here" in said(used, *DESTROY)


def test_no_password_is_noted(used: Place) -> None:
    for path in (used.path / DIRECTORY).iterdir():
        assert set(json.loads(path.read_text())) == NOTED
        assert (path.stat().st_mode & 0o777, Path(path).parent.stat().st_mode & 0o777) == (0o600, 0o700)


def test_stacks_of_other_files_in_one_directory_are_other_stacks(place: Place) -> None:
    for name in ("train", "eval"):
        (place.path / name).mkdir()
        place.write(STACK.replace("train:", f"{name}:"), f"{name}/flowplan.yaml")
        place.ok("apply", "--auto-approve", name)
    place.edit("a.json", "b.json", "train/flowplan.yaml")
    assert "train/a.json, which was used here, has 1 resource" in said(place, *DESTROY, "train")
    told = said(place, *DESTROY)  # without files every one counts
    assert "give --state eval/a.json or --state train/a.json to destroy what is there" in told
    (place.path / "train" / "flowplan.yaml").rename(place.path / "train" / "t.yaml")
    assert "train/a.json, which was used here, has 1 resource" in said(place, *DESTROY, "train")


def test_a_directory_that_is_moved_has_its_states_with_it(used: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    (used.path / "new").mkdir()
    for path in [one for one in used.path.iterdir() if one.name != "new"]:
        path.rename(used.path / "new" / path.name)
    new = ("--chdir", "new")
    used.ok(*new, *DESTROY)
    monkeypatch.chdir(used.path)
    used.edit("state: a.json\n", "state: b.json\n", "new/flowplan.yaml")
    assert "No changes" in used.ok(*new, *DESTROY)
    assert list((used.path / "new" / DIRECTORY).iterdir()) == []


def test_a_state_that_was_moved_by_hand_is_followed_and_one_that_is_gone_is_missing(used: Place) -> None:
    for end in (".json", ".json.backup", ".journal"):
        (used.path / f"a{end}").rename(used.path / f"c{end}")
    used.edit("state: a.json\n", "state: c.json\n")
    used.ok("status")
    kept = [json.loads(path.read_text()) for path in (used.path / DIRECTORY).iterdir()]
    assert [(one["where"], one["files"]) for one in kept] == [("c.json", ["flowplan.yaml"])]
    for path in used.path.glob("c.*"):
        path.unlink()
    (used.path / ".flowplan/versions").rename(used.path / "versions")
    used.edit("state: c.json\n", "state: b.json\n")
    told = said(used, *DESTROY)
    assert "c.json, which was used here" in told and "and is missing" in told and "recover --from-live" in told
    used.ok("recover", "--from-live")
    assert "1 destroyed" in used.ok(*DESTROY)


def test_no_second_state_is_rebuilt_beside_the_first(used: Place) -> None:
    used.edit("state: a.json\n", "state: b.json\n")
    assert "a.json, which was used here, has 1 resource" in said(used, "recover", "--from-live")
    assert not (used.path / "b.json").exists()


def test_a_look_at_a_state_that_is_named_is_no_use_of_it(used: Place) -> None:
    (used.path / "mine").mkdir()
    used.write(STACK.replace("a.json", "m.json"), "mine/flowplan.yaml")
    used.ok("--chdir", "mine", "--state", "../a.json", "status")
    assert not (used.path / "mine" / DIRECTORY).exists()


def test_live_bids_of_the_stack_are_no_calm_nothing(used: Place) -> None:
    """A checkout that was never used knows no other state; the cloud does."""
    for path in (used.path / DIRECTORY).iterdir():
        path.unlink()
    used.edit("state: a.json\n", "state: b.json\n")
    for command in (DESTROY, ("plan", "--destroy")):
        told = said(used, *command)
        assert "1 live bid carries the marker of a stack called work" in told and "`flowplan orphans`" in told
        assert "1 live bid carries the marker" in said(used, "--state", "b.json", *command, code=0)
    used.ok("--state", "a.json", *DESTROY)
    assert "No changes" in used.ok(*DESTROY)


def test_a_state_that_was_emptied_from_another_directory_is_no_reason(used: Place) -> None:
    used.edit("state: a.json\n", "state: b.json\n")
    used.ok("--state", "a.json", "state", "rm", "bid.train")
    kept = {"identity": str(used.path / "a.json"), "where": "a.json", "api_url": "sim:", "resources": 1}
    (used.path / DIRECTORY / "as-before.json").write_text(json.dumps({**kept, "lineage": "", "files": []}))
    assert used.ok("state", "list") == ""


@pytest.mark.parametrize(
    ("used_here", "named", "code"),
    [
        ("staging", "stagng", 5),
        ("staging", "stagings", 5),
        ("staging", "prod", 0),
        ("prod-eu", "prod-us", 0),
        ("experiment-1", "experiment-2", 0),
    ],
)
def test_a_loop_over_environments_goes_on_past_one_that_is_new(
    place: Place, monkeypatch: pytest.MonkeyPatch, used_here: str, named: str, code: int
) -> None:
    """`for s in new used; do flowplan destroy --state $s; done` ends what runs; a slip of the pen is an error."""
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    place.write(STACK.replace("state: a.json\n", ""), "flowplan.yaml")
    place.ok("--state", f"{used_here}.json", "apply", "--auto-approve")
    told = said(place, "--state", f"{named}.json", *DESTROY, code=code)
    assert f"{used_here}.json, which was used here, has 1 resource" in told
    assert f"give --state {used_here}.json" in told
    place.ok("--state", f"{used_here}.json", *DESTROY)
    assert "used here" not in place.run("--state", f"{named}.json", *DESTROY).err


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("name: work\n", (5, "1 live bid carries the marker of a stack called work")),
        ("name: other\n", (0, "")),
        ("", (0, "1 live bid is of a stack called work: if that is this one, because its directory had another name")),
        ('name: "${env.HOME}-x"\n', (0, "1 live bid is of a stack called work: if that is this one")),
        ("name: [work]\n", (0, "1 live bid is of a stack called work: if that is this one")),
        ("]\n", (0, "1 live bid is of a stack called work: if that is this one")),
    ],
)
def test_another_directory_knows_the_stack_by_the_name_in_its_files(
    used: Place, name: str, wanted: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fresh clone, or a directory that was renamed and lost its notes."""
    other = used.path / "clone"
    other.mkdir()
    (used.path / ".flowplan").rename(other / ".flowplan")
    for path in (other / DIRECTORY).iterdir():
        path.unlink()
    used.write(STACK.replace("state: a.json\n", name), "clone/flowplan.yaml")
    monkeypatch.chdir(other)
    code, live = wanted
    for command in (DESTROY, ("plan", "--destroy")):
        told = said(used, *command, code=code)
        assert live in told if live else "live bid" not in told
        if live and not code:
            assert "warning: nothing is destroyed: there is no state at" in told and "`flowplan orphans` lists" in told


def test_a_stack_that_got_its_name_later_is_no_calm_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first apply called it as its directory is called, and so does the state until it is lost."""
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    place.write(STACK.replace("state: a.json\n", ""), "flowplan.yaml")
    place.ok("apply", "--auto-approve")
    place.write(STACK.replace("state: a.json\n", "name: other\n"), "flowplan.yaml")
    for path in (*place.path.glob("flowplan.state*"), *place.path.glob(".flowplan/versions/*/*")):
        path.unlink()
    told = said(place, *DESTROY, code=0)
    assert (
        "1 live bid is of a stack called work: if that is this one, because the files gave it another name then" in told
    )


def test_an_import_calls_the_stack_as_its_files_do(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    place.write(STACK.replace("state: a.json\n", "name: other\n"), "flowplan.yaml")
    place.ok("apply", "--auto-approve")
    (found,) = json.loads(place.ok("state", "pull"))["resources"]
    lineage = json.loads(place.ok("state", "pull"))["lineage"]
    place.ok("state", "rm", found["address"])
    place.ok("--state", "b.json", "import", found["address"], found["id"], "--lineage", lineage)
    assert json.loads(place.ok("--state", "b.json", "state", "pull"))["stack"] == "other"


def test_an_empty_state_of_before_is_no_calm_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state in the directory was used and emptied; then FLOWPLAN_STATE named another, and is forgotten."""
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    place.write(STACK.replace("state: a.json\n", ""), "flowplan.yaml")
    place.ok("apply", "--auto-approve")
    place.ok(*DESTROY)
    assert place.run(*DESTROY).err == ""
    monkeypatch.setenv("FLOWPLAN_STATE", "b.json")
    place.ok("apply", "--auto-approve")
    monkeypatch.delenv("FLOWPLAN_STATE")
    for command in (DESTROY, ("plan", "--destroy")):
        told = said(place, *command, code=0)
        assert "flowplan.state.json has no resources, but b.json, which was used here, has 1 resource" in told
        assert "give --state b.json to destroy what is there" in told
    for path in (place.path / DIRECTORY).iterdir():
        path.unlink()
    for command in (DESTROY, ("plan", "--destroy")):
        told = said(place, *command, code=0)
        assert "there are no resources at flowplan.state.json, but 1 live bid carries the marker of a stack" in told
    place.ok("--state", "b.json", *DESTROY)
    assert place.run(*DESTROY).err == ""


def test_of_several_states_the_one_is_named_whose_name_is_nearly_that(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never the other one: a hint that is typed after a typo would end what nobody meant."""
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    for name in ("staging", "production"):
        place.write(STACK.replace("state: a.json\n", f"name_prefix: {name}-\n"), "flowplan.yaml")
        place.ok("--state", f"{name}.json", "apply", "--auto-approve")
    for typo, meant in (("stagng.json", "staging.json"), ("producton.json", "production.json")):
        told = said(place, "--state", typo, *DESTROY)
        assert f"give --state {meant} to destroy what is there" in told
        assert f"there is no state at {typo} yet, but {meant}, which was used here, has 1 resource" in told
    told = said(place, "--state", "other.json", *DESTROY, code=0)
    for meant in ("staging.json", "production.json"):
        assert f"{meant} has 1 resource" in told.replace(", which was used here,", "")
    assert "for it" in told and "--state staging.json" in told and "--state production.json" in told


def test_no_second_state_is_rebuilt_beside_one_on_a_server(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """FLOWPLAN_STATE is forgotten. Where the server is gone for good, the command that says the new place rebuilds."""
    url, objects = "memory://team/train", Memory(tmp_path_factory.mktemp("server"))
    monkeypatch.setattr(opening, "STORES", {**opening.STORES, "memory": opener(objects)})
    monkeypatch.setenv("FLOWPLAN_API_URL", "sim:")
    place.write(STACK.replace("state: a.json\n", ""), "flowplan.yaml")
    monkeypatch.setenv("FLOWPLAN_STATE", url)
    place.ok("apply", "--auto-approve")
    monkeypatch.delenv("FLOWPLAN_STATE")
    told = said(place, "recover", "--from-live")
    assert f"{url}, which was used here, has 1 resource" in told
    assert "if it is lost on its server, --state flowplan.state.json rebuilds it here" in told
    assert not (place.path / "flowplan.state.json").exists()
    place.ok("--state", "flowplan.state.json", "recover", "--from-live")
    assert "No changes" in place.ok("plan")


@pytest.mark.parametrize("has", ["another state", "live bids"])
def test_a_clean_up_of_what_was_never_applied_is_told_how_it_says_so(
    used: Place, monkeypatch: pytest.MonkeyPatch, has: str
) -> None:
    """A job for each pull request may destroy one that was never placed: 5 where a variable alone names its state."""
    if has == "live bids":
        (used.path / "a.json").unlink()
        shutil.rmtree(used.path / ".flowplan" / "used")
    monkeypatch.setenv("FLOWPLAN_STATE", "pr-7.json")
    never = "if nothing was ever applied with pr-7.json, give --state pr-7.json: this is a warning then"
    assert never in said(used, *DESTROY)
    assert "warning: nothing is destroyed: there is no state at pr-7.json" in said(
        used, "--state", "pr-7.json", *DESTROY, code=0
    )


def test_orphans_name_the_state_of_another_stack_where_this_directory_has_used_it(used: Place) -> None:
    """Its own flowplan.state.json, too. Of a state that nobody knows here, nothing is said."""
    used.write(STACK.replace("state: a.json\n", "").replace("train", "serve"), "flowplan.yaml")
    used.ok("apply", "--auto-approve", "--init")
    for here, other in (("flowplan.state.json", "a.json"), ("a.json", "flowplan.state.json")):
        lineage = json.loads(used.ok("state", "pull", "--state", other))["lineage"]
        told = " ".join(used.ok("orphans", "--state", here).split())
        assert f"lineage {lineage}, its state: --state {other}" in told
        assert told.count("its state:") == 1
        body = json.loads(used.ok("orphans", "--state", here, "--format", "json"))
        assert {one["lineage"]: one["state"] for one in body["other_stacks"]} == {lineage: other}
    shutil.rmtree(used.path / DIRECTORY)
    assert "its state:" not in used.ok("orphans", "--state", "flowplan.state.json")
    body = json.loads(used.ok("orphans", "--state", "flowplan.state.json", "--format", "json"))
    assert [one.get("state") for one in body["other_stacks"]] == [None]
