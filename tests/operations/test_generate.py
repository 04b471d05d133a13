"""`import --generate`: the stack file that asks for what is live, by which nothing is left to do."""

from __future__ import annotations

import json
import shutil

import pytest

from flowplan.backends.local import LocalStore
from flowplan.errors import NoRoom, StateError
from flowplan.files.atomic import WRITABLE, create_file
from tests.conftest import APPLY, Place, bid_id, made_once
from tests.faults.losing import lose
from tests.operations.handing_over import ATTACHED, DATA, kept, somebodys, stack, task
from tests.operations.renaming import FIRST, renamed

ALL = ("import", "--all", "--generate", "got.yaml")


@pytest.fixture
@made_once
def live(place: Place) -> Place:
    """Nothing is in the state: a bid with a script, a volume and a port that a stack released, and one of nobody's."""
    place.write(stack(task("train", f"{ATTACHED}, startup_script: echo hi"), task("plain"), volumes=DATA))
    place.ok(*APPLY)
    for address in ("bid.train", "bid.plain", "volume.data"):
        place.ok("state", "rm", address)
    return place


def test_everything_live_is_imported_and_the_file_plans_empty(live: Place) -> None:
    id, ledger = somebodys(live, "by.hand", limit_price="$20.00"), len(live.ledger())
    result = live.run(*ALL)
    assert result.code == 0, result
    said = " ".join(result.err.split())
    assert "bid.by-hand: its ports and mounts are not known" in said
    assert "bid.train" not in said
    assert (live.path / "got.yaml").read_text().count("startup_script: echo") == 0
    assert 'startup_script: "echo theirs"' in (live.path / "got.yaml").read_text()
    ids = {one["address"]: one["id"] for one in kept(live)["resources"]}
    assert sorted(ids) == ["bid.by-hand", "bid.plain", "bid.train", "ports.train", "volume.data"]
    assert ids["bid.by-hand"] == id
    assert {one["source"] for one in kept(live)["resources"]} == {"./got.yaml"}
    assert "released" not in kept(live)
    plan = live.run("plan", "got.yaml", "--detailed-exitcode")
    assert (plan.code, "warning" in plan.out) == (0, False)
    serial = kept(live)["serial"]
    live.ok("apply", "got.yaml", "--auto-approve")
    assert (len(live.ledger()), kept(live)["serial"]) == (ledger, serial)
    live.edit("20.00", "21.00", "got.yaml")
    assert "0 added, 1 changed, 0 destroyed" in live.ok("apply", "got.yaml", "--auto-approve")


@pytest.mark.parametrize(
    ("directory", "named"),
    [("one", "name: one"), ("two words", "name: two-words"), ("123", 'name: "123"'), (".hidden", "")],
)
def test_the_file_has_the_name_of_its_stack(live: Place, directory: str, named: str) -> None:
    """Without one, two such files could not be told apart where they are given one state by mistake. What the
    directory is called may be no name."""
    somebodys(live, "by-hand")
    shutil.copytree(live.path / ".flowplan", live.path / directory / ".flowplan")
    live.ok("--chdir", directory, *ALL)  # this process is there from now on
    lines = (live.path / directory / "got.yaml").read_text().splitlines()
    assert [line for line in lines if line.startswith("name:")] == [named] * bool(named)
    assert live.run("plan", "got.yaml", "--detailed-exitcode").code == 0


def test_the_file_has_the_name_that_the_state_keeps(live: Place) -> None:
    live.ok(*ALL)
    assert f"\nname: {kept(live)['stack']}\n" in (live.path / "got.yaml").read_text()


def test_the_file_has_the_name_that_the_files_beside_it_give(live: Place) -> None:
    """Nothing was applied yet: both are one stack, which has one name."""
    id = somebodys(live, "by-hand")
    lose(live)
    live.write(FIRST.replace("alpha", "beta"))
    live.ok("import", "bid.by-hand", id, "--generate", "got.yaml")
    assert "\nname: beta\n" in (live.path / "got.yaml").read_text()
    assert live.run("validate", "flowplan.yaml", "got.yaml").code == 0


def test_the_file_has_the_name_that_was_applied_last(place: Place) -> None:
    renamed(place, FIRST)
    somebodys(place, "by-hand")
    place.ok(*ALL)
    assert "\nname: beta\n" in (place.path / "got.yaml").read_text()


def test_what_is_said_of_many_alike_is_said_once(live: Place) -> None:
    """Of what is imported, and of what is another stack's; in the file, too. `--verbose` says it of each."""
    for n in (1, 2, 3, 10):
        somebodys(live, f"web-{n}")
    live.write(stack(*(task(f"mine-{n}") for n in range(5))), "mine.yaml")
    live.ok("--state", "mine.json", "apply", "mine.yaml", "--auto-approve")
    said = live.run(*ALL).err
    left = "bid mine-0 … 4 (5 alike): left out, because it belongs to stack llm"
    unsaid = "bid.web-1 … 3, bid.web-10 (4 alike): its ports and mounts are not known, and not in the file"
    assert left in " ".join(said.split()) and unsaid in " ".join(said.split())
    head = (live.path / "got.yaml").read_text().split("version:")[0].replace("...", "…")
    assert (head.count("\n"), left in head, unsaid in head) == (2, True, True)
    every = " ".join(live.run("--state", "third.json", "--verbose", *ALL[:-1], "each.yaml").err.split())
    assert every.count("is left out: it belongs to stack llm") == 5 + 2
    assert all(f"bid.web-{n}: its ports and mounts are not known" in every for n in (1, 2, 3, 10))


def test_a_volume_that_no_bid_uses_is_said_to_tell_of_no_stack(place: Place) -> None:
    place.write(stack(task("train", ATTACHED), volumes=DATA + DATA.replace("data", "spare")))
    place.ok(*APPLY)
    for address in ("bid.train", "volume.data", "volume.spare"):
        place.ok("state", "rm", address)
    result = place.run(*ALL)
    said = " ".join(result.err.split())
    assert (result.code, "volume.spare: no bid uses it" in said, "volume.data:" in said) == (0, True, False), said


def test_no_volume_that_was_imported_so_is_destroyed_before_somebody_lifts_its_protection(live: Place) -> None:
    """The API does not say whose a volume is: it may be another stack's, of which no live bid uses it."""
    live.ok(*ALL)
    refused = live.run("destroy", "got.yaml", "--auto-approve", "--allow-volume-destroy", "*")
    assert (refused.code, "volume.data has prevent_destroy" in refused.err) == (3, True)
    live.edit("prevent_destroy: true", "prevent_destroy: false", "got.yaml")
    live.ok("destroy", "got.yaml", "--auto-approve", "--allow-volume-destroy", "*")


def test_the_file_does_the_rest_where_the_state_was_not_saved(live: Place) -> None:
    """It is written first: what a crash leaves is a file that imports."""
    before = {one: one.read_bytes() for one in live.path.glob("flowplan.state*")}
    live.ok(*ALL)
    addresses = [one["address"] for one in kept(live)["resources"]]
    for one, data in before.items():
        one.write_bytes(data)
    ledger = live.ledger()
    assert "Plan: 3 to import, 0 to add, 0 to change, 0 to destroy." in live.ok("plan", "got.yaml")
    live.ok("apply", "got.yaml", "--auto-approve")
    assert [one["address"] for one in kept(live)["resources"]] == addresses
    assert live.ledger() == ledger


@pytest.mark.parametrize(("error", "code"), [(KeyboardInterrupt(), 130), (StateError("the disk fails"), 5)])
def test_what_is_cut_off_once_the_file_is_written_says_what_does_the_rest(
    live: Place, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def save(*_: object, **__: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "save", save)
        cut = live.run(*ALL)
    said = "got.yaml is written: `flowplan apply got.yaml` imports"
    assert (cut.code, said in " ".join(cut.err.split())) == (code, True)
    again = live.run(*ALL)
    assert (again.code, "`flowplan apply got.yaml` does the rest" in " ".join(again.err.split())) == (64, True)
    live.ok("apply", "got.yaml", "--auto-approve")
    assert {one["address"] for one in kept(live)["resources"]} >= {"bid.train", "bid.plain", "volume.data"}


def test_without_room_for_the_state_the_hint_names_the_command_that_goes_on(
    live: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(*_: object, **__: object) -> None:
        raise NoRoom("flowplan.state.json cannot be written: No space left on device", hint=WRITABLE)

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "save", save)
        cut = live.run(*ALL)
    said = " ".join(cut.err.split())
    assert cut.code == 5, cut
    assert "make the directory writable, and run `flowplan apply got.yaml`" in said, cut.err
    assert "same command" not in said
    live.ok("apply", "got.yaml", "--auto-approve")


def test_what_another_stack_has_is_left_out(live: Place) -> None:
    """Also the volume that its bid uses."""
    live.write(stack(task("mine")), "mine.yaml")
    live.ok("--state", "mine.json", "apply", "mine.yaml", "--auto-approve")
    result = live.run("--state", "mine.json", *ALL)
    assert result.code == 0
    said = " ".join(result.err.split())
    assert all(f"{what} is left out" not in said for what in ("bid mine",))
    assert said.count("is left out: it belongs to stack llm") == 2
    assert "volume data" in said
    assert "no file was written" in result.out
    assert not (live.path / "got.yaml").exists()


def test_a_file_that_exists_stays(live: Place) -> None:
    live.write("mine\n", "got.yaml")
    before = kept(live)
    result = live.run(*ALL)
    assert (result.code, (live.path / "got.yaml").read_text(), kept(live)) == (64, "mine\n", before)
    assert not create_file(live.path / "got.yaml", b"other")  # nor one that came a moment ago
    assert (live.path / "got.yaml").read_text() == "mine\n"
    assert not list(live.path.glob("got.yaml?*"))


def test_names_that_make_the_same_key_are_told_apart(live: Place) -> None:
    ids = {somebodys(live, "twin"), somebodys(live, "twin."), somebodys(live, "9.x_y")}
    live.ok(*ALL)
    found = {one["id"]: one["address"] for one in kept(live)["resources"] if one["type"] == "bid"}
    assert sorted(found[id] for id in ids) == ["bid.9-x_y", "bid.twin", "bid.twin-2"]
    assert live.run("plan", "got.yaml", "--detailed-exitcode").code == 0


def test_what_a_file_cannot_say_is_left_out_with_the_reason(live: Place) -> None:
    """And not imported: an apply of the file would change it."""
    launch = json.loads(live.call("GET", "/v2/spot/bids").body)["data"][0]["launch_specification"]
    id = somebodys(
        live, "keyless", launch_specification={**launch, "volumes": [], "ssh_keys": [], "startup_script": ""}
    )
    result = live.run(*ALL)
    said = " ".join(result.err.split())
    assert f"bid keyless ({id}) is left out: a file would replace it (ssh_key_name)" in said
    assert id not in {one["id"] for one in kept(live)["resources"]}
    assert live.run("plan", "got.yaml", "--detailed-exitcode").code == 0


def test_one_object(live: Place) -> None:
    id = somebodys(live, "byhand")
    out = live.ok("import", "bid.mine", id, "--generate", "one.yaml")
    assert f"bid.mine is now {id}" in out
    assert bid_id(live, "bid.mine") == id
    assert "name: byhand" in (live.path / "one.yaml").read_text()
    assert live.run("plan", "one.yaml", "--detailed-exitcode").code == 0
    again = live.run("import", "bid.other", id, "--generate", "two.yaml")
    assert (again.code, "already in the state" in again.err) == (64, True)
    assert not (live.path / "two.yaml").exists()


def test_what_is_imported_already_gets_its_file(live: Place) -> None:
    """What the state knows of it stays, but for the file that it lacks."""
    id, ledger = somebodys(live, "byhand"), live.ledger()
    live.ok("import", "bid.mine", id)
    live.ok("import", "bid.mine", id, "--generate", "one.yaml")
    assert 'startup_script: "echo theirs"' in (live.path / "one.yaml").read_text()
    assert [one["source"] for one in kept(live)["resources"]] == ["./one.yaml"]
    before = kept(live)
    live.ok("import", "bid.mine", id, "--generate", "two.yaml")
    assert kept(live)["resources"] == before["resources"]
    assert (live.run("plan", "one.yaml", "--detailed-exitcode").code, live.ledger()) == (0, ledger)


@pytest.mark.parametrize(
    "arguments",
    [
        ("import",),
        ("import", "bid.x"),
        ("import", "--all"),
        ("import", "bid.x", "bid_1", "--all", "--generate", "f.yaml"),
    ],
)
def test_what_is_no_import(place: Place, arguments: tuple[str, ...]) -> None:
    assert place.run(*arguments).code == 64
