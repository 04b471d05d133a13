"""A state that is encrypted, from the command line."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyrage
import pytest

from flowplan.backends import open as opening
from flowplan.backends import versions
from flowplan.backends.local import LocalStore
from flowplan.backends.state_files import StateFiles
from flowplan.errors import NoRoom
from flowplan.files.atomic import WRITABLE
from flowplan.operations.completion import addresses
from tests.conftest import Place
from tests.contracts.memory import Memory, opener
from tests.texts import task_text


def key() -> str:
    return str(pyrage.x25519.Identity.generate())


@pytest.fixture
def sealed(place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A stack that was applied with a key."""
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", key())
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    return place


def kept_in(place: Place) -> bytes:
    """What the stack keeps in its directory, beside what the user wrote and the cloud."""
    files = (path for path in place.path.rglob("*") if path.is_file() and path.suffix not in (".yaml", ".db"))
    return b"".join(path.read_bytes() for path in files)


def test_all_of_a_stacks_life_leaves_nothing_in_the_clear(sealed: Place) -> None:
    place = sealed
    place.edit("17.92", "20.00")
    place.ok("plan", "--out", "p.plan")
    assert b"train" not in kept_in(place)
    place.ok("apply", "p.plan")
    place.ok("state", "mv", "bid.train", "bid.tune")
    place.ok("state", "restore", "2")
    assert b"train" not in kept_in(place)
    assert json.loads(place.ok("state", "pull"))["serial"] == 4
    place.ok("destroy", "--auto-approve")
    assert b"train" not in kept_in(place)


@pytest.mark.parametrize("other", [None, key()], ids=["none", "another"])
def test_without_its_key_nothing_is_done_and_what_runs_can_be_found_again(
    sealed: Place, monkeypatch: pytest.MonkeyPatch, other: str | None
) -> None:
    place = sealed
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", other or "")
    for words in (("plan",), ("apply", "--auto-approve"), ("destroy", "--auto-approve"), ("state", "list")):
        refused = place.run(*words)
        assert (refused.code, "recover --from-live" in " ".join(refused.err.split())) == (5, True), refused
    assert place.run("state", "rekey").code in (5, 64)
    before = kept_in(place)
    refused = place.run("recover", "--from-live")
    assert (refused.code, "the state is not lost" in " ".join(refused.err.split())) == (5, True), refused
    assert kept_in(place) == before
    place.ok("recover", "--from-live", "--force")
    place.ok("destroy", "--auto-approve")


def test_a_state_in_the_clear_is_not_rebuilt_for_the_first_key(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", key())
    refused = place.run("recover", "--from-live")
    assert (refused.code, "--allow-plaintext" in refused.err) == (5, True), refused
    assert not list(place.path.glob("*.damaged*"))


def test_a_state_that_is_rebuilt_without_a_key_is_said_not_to_be_encrypted(
    sealed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FLOWPLAN_AGE_KEY")
    done = sealed.run("recover", "--from-live", "--force")
    assert (done.code, "not encrypted, because no key is given" in " ".join(done.err.split())) == (0, True), done


def test_a_saved_plan_needs_the_key_too_and_one_that_was_changed_is_refused(
    sealed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = sealed
    place.edit("17.92", "20.00")
    place.ok("plan", "--out", "p.plan")
    mine = json.loads((place.path / "p.plan").read_bytes())
    (place.path / "cut.plan").write_text(json.dumps({**mine, "sealed": mine["key"]}))
    (place.path / "none.plan").write_text(json.dumps({**mine, "key": None}))
    for name, said in (
        ("cut.plan", "is damaged: it is not what was encrypted"),
        ("none.plan", "its key or its content is missing"),
    ):
        refused = place.run("apply", name)
        assert (refused.code, said in refused.err, "plan again" in refused.err) == (3, True, True), refused
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", key())
    refused = place.run("show", "p.plan")
    assert (refused.code, "and no key" in refused.err) == (3, True), refused


def test_a_clear_plan_beside_a_key_is_not_carried_out(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(task_text("train"))
    place.ok("plan", "--out", "p.plan")
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", key())
    refused = place.run("apply", "p.plan")
    assert (refused.code, "is not encrypted, though a key is given" in refused.err) == (3, True), refused
    place.ok("apply", "p.plan", "--allow-plaintext")
    assert b"train" not in (place.path / "flowplan.state.json").read_bytes()


def test_rekey_says_who_can_read_it_now(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    refused = place.run("state", "rekey")
    assert (refused.code, refused.err.splitlines()[0]) == (64, "error: no key is given")
    mine = key()
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", mine)
    assert place.run("plan").code == 5
    said = json.loads(place.ok("state", "rekey", "--allow-plaintext", "--format", "json"))
    public = str(pyrage.x25519.Identity.from_str(mine).to_public())
    assert (said["recipients"], said["versions"], said["unread"]) == ([public], 2, [])
    assert "No changes" in place.ok("plan")


def test_tab_reads_it_with_a_key_and_never_waits_for_a_passphrase(
    sealed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "bid.train" in addresses(Path(), os.environ, None)
    assert addresses(Path(), {"FLOWPLAN_PASSPHRASE": "correct horse battery staple"}, None) == []


def owner(secret: str) -> str:
    return str(pyrage.x25519.Identity.from_str(secret).to_public())


def test_a_plan_says_that_somebody_was_taken_out_who_can_still_read_the_state(
    sealed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, kims = os.environ["FLOWPLAN_AGE_KEY"], key()
    place = sealed
    monkeypatch.setenv("FLOWPLAN_AGE_RECIPIENTS", f"{owner(mine)} {owner(kims)}")
    joins = json.loads(place.ok("plan", "--format", "json"))
    assert [one["detail"] for one in joins["diagnostics"]] == ["other_recipients"]
    place.ok("state", "rekey")
    assert json.loads(place.ok("plan", "--format", "json"))["diagnostics"] == []
    monkeypatch.setenv("FLOWPLAN_AGE_RECIPIENTS", owner(mine))  # kim leaves
    place.edit("17.92", "20.00")
    said = " ".join(place.ok("plan").split())
    assert f"this run would encrypt it for {owner(mine)}" in said
    assert "flowplan state rekey" in said
    assert place.run("apply", "--auto-approve").code == 5
    place.ok("state", "rekey")
    assert "encrypt" not in place.ok("plan")
    place.ok("apply", "--auto-approve")


@pytest.mark.parametrize("mine", [None, key()], ids=["none", "another"])
def test_no_state_begins_that_whoever_makes_it_cannot_read(
    place: Place, monkeypatch: pytest.MonkeyPatch, mine: str | None
) -> None:
    """They could not even destroy what they have made."""
    kims = key()
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", mine or "")
    monkeypatch.setenv("FLOWPLAN_AGE_RECIPIENTS", owner(kims))
    place.write(task_text("train"))
    refused = place.run("apply", "--auto-approve")
    said = " ".join(refused.err.split())
    assert (refused.code, "and no key that is given opens that" in said, "give your own key" in said) == (5, True, True)
    assert not place.ledger()
    place.ok("plan", "--out", "p.plan")  # which somebody else may apply
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", kims)
    place.ok("apply", "p.plan")
    place.ok("destroy", "--auto-approve")


@pytest.mark.parametrize("where", ["file", "objects"])
@pytest.mark.parametrize("was", ["encrypted", "clear"])
def test_no_state_is_encrypted_for_others_alone_by_who_could_then_not_destroy_what_it_has(
    request: pytest.FixtureRequest, place: Place, monkeypatch: pytest.MonkeyPatch, where: str, was: str
) -> None:
    directory: Path = request.getfixturevalue("objects") if where == "objects" else place.path
    mine, kims, words = key(), key(), ("--allow-plaintext",) if was == "clear" else ()
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", mine if was == "encrypted" else "")
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    shutil.rmtree(place.path / ".flowplan/versions", ignore_errors=True)  # without any, the state comes first
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", mine)
    monkeypatch.setenv("FLOWPLAN_AGE_RECIPIENTS", owner(kims))
    before = states_in(directory)
    refused = place.run("state", "rekey", *words)
    said = " ".join(refused.err.split())
    assert (refused.code, "no key that is given opens that hint: give your own key" in said) == (5, True), refused
    assert "run the same command again" not in said  # none of it was begun
    assert states_in(directory) == before
    monkeypatch.setenv("FLOWPLAN_AGE_RECIPIENTS", f"{owner(mine)},{owner(kims)}")
    place.ok("state", "rekey", *words)
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", kims)
    monkeypatch.setenv("FLOWPLAN_AGE_RECIPIENTS", owner(kims))
    place.ok("state", "rekey")  # who takes it over
    place.ok("destroy", "--auto-approve")


def test_a_plan_of_somebody_else_says_for_whom_it_is(sealed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made on a laptop, and applied in CI with a key of its own."""
    place, laptop, ci = sealed, os.environ["FLOWPLAN_AGE_KEY"], key()
    both = f"{owner(laptop)},{owner(ci)}"
    monkeypatch.setenv("FLOWPLAN_AGE_RECIPIENTS", both)
    place.ok("state", "rekey")
    place.edit("17.92", "20.00")
    monkeypatch.delenv("FLOWPLAN_AGE_RECIPIENTS")
    place.ok("plan", "--out", "mine.plan")
    monkeypatch.setenv("FLOWPLAN_AGE_RECIPIENTS", both)
    place.ok("plan", "--out", "both.plan")
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", ci)
    refused = place.run("apply", "mine.plan")
    said = " ".join(refused.err.split())
    assert refused.code == 3
    assert f"mine.plan is encrypted for {owner(laptop)}, and no key that is given opens it" in said
    assert "plan again with FLOWPLAN_AGE_RECIPIENTS naming who applies it, too" in said
    place.ok("apply", "both.plan")


def test_a_plan_that_a_passphrase_opens_says_where_to_give_it(example: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWPLAN_PASSPHRASE", "four random words here")
    example.ok("plan", "--out", "mine.plan")
    monkeypatch.delenv("FLOWPLAN_PASSPHRASE")
    for line in (("apply", "mine.plan"), ("show", "mine.plan")):
        refused = example.run(*line)
        assert refused.code == 3
        said = "mine.plan is encrypted with a passphrase, and no key is given hint: give the passphrase in "
        assert f"{said}FLOWPLAN_PASSPHRASE, or plan again" in " ".join(refused.err.split())


def test_rekey_names_the_versions_that_it_leaves_and_those_that_go(
    sealed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, mine = sealed, os.environ["FLOWPLAN_AGE_KEY"]
    for price in ("18.00", "19.00", "20.00"):
        place.write(task_text("train", price))
        place.ok("apply", "--auto-approve")
    (second,) = (place.path / ".flowplan/versions").rglob("*.2.json")
    kept = second.read_bytes()
    (place.path / "old.txt").write_text(mine)
    (place.path / "old.txt").chmod(0o600)
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", key())
    with monkeypatch.context() as patch:
        patch.setenv("FLOWPLAN_OLD_AGE_KEY_FILE", "old.txt")
        place.ok("state", "rekey")
    second.write_bytes(kept)
    sizes = [path.stat().st_size for path in second.parent.iterdir()]
    said = " ".join(place.ok("state", "rekey").split())
    assert "; 5 versions were written again. Left as it was, because no key" in said, said
    assert "because no key that is given opens it or it is damaged: version 2." in said, said
    monkeypatch.setattr("flowplan.backends.versions.MOST_BYTES", sum(sizes) * 9 // 10)  # of five
    said = " ".join(place.ok("state", "rekey").split())
    assert "Kept no more, because there is no room for them: versions 1 to 3." in said, said
    left = [path.stat().st_size for path in second.parent.iterdir()]
    monkeypatch.setattr("flowplan.backends.versions.MOST_BYTES", sum(left) + max(left) // 2)  # no room for one more
    found = json.loads(place.ok("state", "rekey", "--format", "json"))
    assert (found["versions"], found["unread"], found["dropped"]) == (4, [], [4]), found


@pytest.mark.parametrize(
    "words",
    [("rekey",), ("rekey", "--decrypt"), ("migrate", "flowplan.state.json", "other.json")],
    ids=["rekey", "decrypt", "migrate"],
)
def test_who_ends_half_a_change_is_told_what_ends_it(
    sealed: Place, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    def ended(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(LocalStore, "_lacks_one_before", ended)  # once the state is written
        stopped = sealed.run("state", *words)
    said = " ".join(stopped.err.split())
    assert (stopped.code, "run the same command again" in said, "done" in said) == (130, True, False), stopped
    sealed.ok("state", *words)


def test_a_change_of_keys_that_finds_no_room_for_a_version_says_what_ends_it(
    sealed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some are written already; the hint alone would not say that the same keys are needed."""
    (sealed.path / "old.txt").write_text(os.environ["FLOWPLAN_AGE_KEY"])
    (sealed.path / "old.txt").chmod(0o600)
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", key())
    monkeypatch.setenv("FLOWPLAN_OLD_AGE_KEY_FILE", "old.txt")
    replace = versions.replace_file

    def full(path: Path, data: bytes, **how: bool) -> None:
        if path.name.endswith(".1.json"):
            raise NoRoom(f"{path} could not be made durable: No space left on device", hint=WRITABLE)
        replace(path, data, **how)

    with monkeypatch.context() as patch:
        patch.setattr(versions, "replace_file", full)
        refused = sealed.run("state", "rekey")
    again = "run the same command again, with the same FLOWPLAN_AGE_KEY and FLOWPLAN_OLD_AGE_KEY_FILE"
    assert (refused.code, again in " ".join(refused.err.split())) == (5, True), refused
    sealed.ok("state", "rekey")


def test_every_command_after_half_a_change_of_keys_says_how_both_are_given(
    sealed: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No one key opens what is there: the state is encrypted for the new one, its journal for the old one."""

    def ended(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    place, mine, kims = sealed, os.environ["FLOWPLAN_AGE_KEY"], key()
    (place.path / "old.txt").write_text(mine)
    (place.path / "old.txt").chmod(0o600)
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", kims)
    monkeypatch.setenv("FLOWPLAN_OLD_AGE_KEY_FILE", "old.txt")
    with monkeypatch.context() as patch:
        patch.setattr(StateFiles, "renew_journal", ended)
        stopped = place.run("state", "rekey")
    said = " ".join(stopped.err.split())
    again = "to go on, run the same command again, with the same FLOWPLAN_AGE_KEY and FLOWPLAN_OLD_AGE_KEY_FILE"
    assert (stopped.code, again in said) == (130, True), stopped
    monkeypatch.delenv("FLOWPLAN_OLD_AGE_KEY_FILE")
    for one in (mine, kims):
        monkeypatch.setenv("FLOWPLAN_AGE_KEY", one)
        for words in (("plan",), ("state", "rekey")):
            refused = place.run(*words)
            said = " ".join(refused.err.split())
            assert (refused.code, "`flowplan state rekey` takes both" in said) == (5, True), refused
            assert "the old one in FLOWPLAN_OLD_AGE_KEY_FILE or FLOWPLAN_OLD_PASSPHRASE;" in said
    monkeypatch.setenv("FLOWPLAN_OLD_AGE_KEY_FILE", "old.txt")
    place.ok("state", "rekey")
    monkeypatch.delenv("FLOWPLAN_OLD_AGE_KEY_FILE")
    assert "No changes" in place.ok("plan")


def test_to_the_clear_and_back(sealed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place, mine = sealed, os.environ["FLOWPLAN_AGE_KEY"]
    said = json.loads(place.ok("state", "rekey", "--decrypt", "--format", "json"))
    assert (said["recipients"], said["versions"], said["unread"]) == ([], 2, [])
    assert place.run("plan").code == 5  # the key is still given
    monkeypatch.delenv("FLOWPLAN_AGE_KEY")
    assert "No changes" in place.ok("plan")
    assert place.ok("state", "list").split() == ["bid.train"]
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", mine)
    assert "is in the clear, with serial" in " ".join(place.ok("state", "rekey", "--decrypt").split())
    place.ok("state", "rekey", "--allow-plaintext")
    assert b"train" not in kept_in(place)
    assert "No changes" in place.ok("plan")


def test_an_old_passphrase_alone_changes_nothing(sealed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sealed.path / "old.txt"
    path.write_text(os.environ["FLOWPLAN_AGE_KEY"])
    path.chmod(0o600)
    monkeypatch.delenv("FLOWPLAN_AGE_KEY")
    monkeypatch.setenv("FLOWPLAN_OLD_AGE_KEY_FILE", "old.txt")
    refused = sealed.run("state", "rekey")
    assert (refused.code, "an old one, which encrypts nothing" in refused.err) == (64, True), refused
    assert "No changes" in sealed.ok("plan")
    sealed.edit("17.92", "20.00")
    assert sealed.run("apply", "--auto-approve").code == 5
    sealed.ok("state", "rekey", "--decrypt")
    monkeypatch.delenv("FLOWPLAN_OLD_AGE_KEY_FILE")
    sealed.ok("apply", "--auto-approve")


def test_no_hook_and_no_message_gets_a_key(sealed: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place, old = sealed, "an old passphrase of somebody"
    (place.path / "old.txt").write_text(key())
    (place.path / "old.txt").chmod(0o600)
    monkeypatch.setenv("FLOWPLAN_OLD_PASSPHRASE", old)
    monkeypatch.setenv("FLOWPLAN_OLD_AGE_KEY_FILE", "old.txt")
    hooked = place.path / "hooked.env"
    place.write(f"version: 2\nhooks: {{applied: {{command: [sh, -c, 'env > {hooked}']}}}}\n", "flowplan.yaml")
    done = place.run("apply", "--auto-approve", ".")
    assert hooked.exists(), done
    shown = hooked.read_text() + done.out + done.err + place.run("doctor").out
    for secret in (old, os.environ["FLOWPLAN_AGE_KEY"], "FLOWPLAN_OLD_AGE_KEY_FILE"):
        assert secret not in shown


@pytest.mark.parametrize("name", ["FLOWPLAN_AGE_KEY", "FLOWPLAN_PASSPHRASE", "FLOWPLAN_OLD_PASSPHRASE"])
def test_a_key_of_bytes_that_are_no_text_is_said_to_be_none(
    place: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place.write(task_text("train"))
    monkeypatch.setenv(name, "CANARY of CANARY\udcff")
    refused = place.run("plan")
    assert (refused.code, refused.err.splitlines()[0]) == (64, f"error: {name} is not UTF-8"), refused
    assert "CANARY" not in refused.out + refused.err


@pytest.fixture
def objects(place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a server has its objects that keeps the state of `place`."""
    server = Memory(tmp_path_factory.mktemp("server"))
    monkeypatch.setattr(opening, "STORES", {**opening.STORES, "memory": opener(server)})
    monkeypatch.setenv("FLOWPLAN_STATE", "memory://team/train")
    return server.directory


@pytest.fixture(params=["file", "objects"])
def newer_is_kims(request: pytest.FixtureRequest, place: Place, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Version 1 is encrypted for the key that is given; what was saved since, with one more bid, for another."""
    directory: Path = request.getfixturevalue("objects") if request.param == "objects" else place.path
    request.getfixturevalue("sealed")  # only now: it is applied to that state
    mine = os.environ["FLOWPLAN_AGE_KEY"]
    (first,) = (path for path in directory.rglob("*") if path.is_file() and b'{"version":' in path.read_bytes())
    kept = first.read_bytes()
    place.write(task_text("second"), "second.yaml")
    place.ok("apply", "--auto-approve", "second.yaml")
    (place.path / "old.txt").write_text(mine)
    (place.path / "old.txt").chmod(0o600)
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", key())
    monkeypatch.setenv("FLOWPLAN_OLD_AGE_KEY_FILE", "old.txt")
    place.ok("state", "rekey")
    monkeypatch.delenv("FLOWPLAN_OLD_AGE_KEY_FILE")
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", mine)
    first.write_bytes(kept)
    return directory


def states_in(directory: Path) -> dict[Path, bytes]:
    """What is kept there, without the lock."""
    files = (path for path in directory.rglob("*") if path.is_file() and path.suffix not in (".lock", ".db"))
    return {path: path.read_bytes() for path in files}


def restored_by_force(place: Place, directory: Path) -> None:
    """Version 1, which alone the key opens, and nothing was moved before it was read."""
    before = states_in(directory)
    for words in (("1",), ("2",), ("3",), ("3", "--force")):
        refused = place.run("state", "restore", *words)
        assert (refused.code, "no key that is given opens it" in " ".join(refused.err.split())) == (5, True), refused
        assert states_in(directory) == before
    named = " ".join(place.run("state", "restore", "1").err.split())
    assert ("restore 1 --force` restores" in named, "since is not known" in named) == (True, True), named
    forced = place.run("state", "restore", "1", "--force")
    said = " ".join(forced.err.split())
    assert (forced.code, "what version 3, the newest (" in said, "may still cost money" in said) == (0, True, True), (
        said
    )
    assert place.ok("state", "list").split() == ["bid.train"]
    assert json.loads(place.ok("state", "pull"))["serial"] == 4
    calls = len(place.ledger())
    place.ok("apply", "--auto-approve", "second.yaml")
    assert len(place.ledger()) == calls


def test_a_version_is_restored_by_force_although_no_key_opens_newer_versions(place: Place, newer_is_kims: Path) -> None:
    restored_by_force(place, newer_is_kims)


@pytest.mark.parametrize("newer_is_kims", ["file"], indirect=True)
def test_so_it_is_where_the_state_beside_newer_versions_is_lost(place: Place, newer_is_kims: Path) -> None:
    for path in newer_is_kims.glob("flowplan.state.j*"):
        path.unlink()
    restored_by_force(place, newer_is_kims)


@pytest.mark.parametrize("newer_is_kims", ["file"], indirect=True)
def test_only_versions_are_named_that_a_key_opens(
    place: Place, newer_is_kims: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {path: path.read_bytes() for path in newer_is_kims.glob("flowplan.state.j*")}
    for path in there:
        path.unlink()
    refused = place.run("state", "list")
    assert (refused.code, "state restore 3" in refused.err, "state restore 1" in refused.err) == (5, False, True), (
        refused
    )
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", key())
    refused = place.run("state", "list")
    said = " ".join(refused.err.split())
    assert (refused.code, "no version that is kept can be read" in said, "state restore" in said) == (5, True, False)
    for path, data in there.items():
        path.write_bytes(data)
    said = " ".join(place.run("state", "restore", "1").err.split())
    assert ("no version that is kept can be read" in said, "restore 1 --force" in said) == (True, False), said


@pytest.mark.parametrize("newer_is_kims", ["file"], indirect=True)
def test_a_rebuilt_state_names_a_version_that_can_be_put_back(
    place: Place, newer_is_kims: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rebuild = ("recover", "--from-live", "--force", "--lineage", "none")  # tells what is kept, and finds nothing
    said = " ".join(place.run(*rebuild).err.split())
    assert ("version 1 of the state, with 1 resource," in said, "state restore 1` puts" in said) == (True, True), said
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", key())
    said = " ".join(place.run(*rebuild).err.split())
    assert ("version 3 of the state, with 2" in said, "state restore" in said) == (True, False), said
    assert "no key that is given opens it, or it is damaged" in said


def test_what_is_restored_without_a_key_is_said_not_to_be_encrypted(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(task_text("train"))
    place.ok("apply", "--auto-approve")
    (first,) = (place.path / ".flowplan/versions").rglob("*.1.json")
    kept = first.read_bytes()
    monkeypatch.setenv("FLOWPLAN_AGE_KEY", key())
    place.ok("state", "rekey", "--allow-plaintext")
    monkeypatch.delenv("FLOWPLAN_AGE_KEY")
    first.write_bytes(kept)
    forced = place.run("state", "restore", "1", "--force")
    assert (forced.code, "not encrypted, because no key is given" in " ".join(forced.err.split())) == (0, True), forced
