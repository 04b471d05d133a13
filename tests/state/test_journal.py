"""The journal is written only where this run left it; what it cannot take is kept elsewhere, and nothing twice."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from flowplan.backends.local import LocalStore
from flowplan.backends.state_files import journal_name
from flowplan.errors import StateError
from flowplan.model.address import Address
from flowplan.state.records import Closed, Done, Intent
from flowplan.state.state import Binding
from tests.builders import bound, create_of, volume
from tests.conftest import FLOWPLAN, Place, many
from tests.processes import LONGEST, Process
from tests.runs import Run


def made(name: str) -> Binding:
    return bound(Address("volume", name), f"vol_{name}", volume(name))


def intent(id: str, binding: Binding) -> Intent:
    return create_of(binding.address, binding.applied, intent=id)


def done(id: str, binding: Binding) -> Done:
    return Done(id, binding.address, binding)


A, B, C = made("a"), made("b"), made("c")


class Lost(StateError):
    pass


class Stores:
    """Stores of one state: each is one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lost = False

    def open(self, hold: Callable[[], None] = lambda: None) -> Run[LocalStore]:
        return Run.of(LocalStore(self.path / "work" / "flowplan.state.json", self.path / "overflows", hold))

    def hold(self) -> None:
        """The lock of the first run, which may be lost."""
        if self.lost:
            raise Lost("the lock was taken away")

    def ids(self) -> set[str]:
        return {binding.id for binding in self.open().read().state.bindings.values()}

    def overflows(self) -> list[Path]:
        return sorted(self.path.glob("overflows/*"))


@pytest.fixture
def stores(tmp_path: Path) -> Stores:
    (tmp_path / "work").mkdir()
    return Stores(tmp_path)


def test_a_run_that_lost_its_lock_writes_nothing_into_the_journal_of_its_successor(stores: Stores) -> None:
    first = stores.open()
    first.append([intent("a", A)])
    second = stores.open()
    second.append([intent("b", B)])  # at the very place where the first one stopped
    with pytest.raises(StateError, match="written by another run"):
        first.append([done("a", A)])
    second.append([done("b", B)])
    assert stores.ids() == {"vol_b"}
    first.overflow([done("a", A)])
    assert stores.ids() == {"vol_a", "vol_b"}


def test_nor_into_one_that_its_successor_has_renewed(stores: Stores) -> None:
    first = stores.open()
    first.append([intent("a", A)])
    second = stores.open()
    second.append([intent("b", B), done("b", B)])
    loaded = stores.open().read()
    second.save(loaded.state, loaded.pending.values())
    for _ in range(2):
        with pytest.raises(StateError, match=r"replaced|closed"):
            first.append([done("a", A)])
    with pytest.raises(StateError, match="closed"):
        first.append([])
    assert stores.ids() == {"vol_b"}


def test_the_lock_is_looked_after_before_each_frame_and_each_snapshot(stores: Stores) -> None:
    first = stores.open(stores.hold)
    first.append([intent("a", A)])
    before = first.store.journal_path.read_bytes()
    stores.lost = True
    with pytest.raises(Lost):
        first.append([done("a", A)])
    with pytest.raises(Lost):
        first.save(first.read().state)
    assert first.store.journal_path.read_bytes() == before
    assert not first.store.path.exists()


def test_a_journal_cut_off_by_somebody_is_not_gone_on_with(stores: Stores) -> None:
    first = stores.open()
    first.append([intent("a", A)])
    os.truncate(first.store.journal_path, 10)
    with pytest.raises(StateError, match="written by another run"):
        first.append([done("a", A)])


@pytest.mark.parametrize("again", [False, True])
def test_a_directory_that_is_gone_keeps_nothing_and_is_noticed_at_once(stores: Stores, again: bool) -> None:
    first = stores.open()
    first.append([intent("a", A)])
    first.append([done("a", A), intent("b", B)])
    shutil.rmtree(stores.path / "work")
    if again:
        (stores.path / "work").mkdir()
    with pytest.raises(StateError, match="removed while this command ran"):
        first.append([done("b", B)])
    kept = first.overflow([done("b", B)])
    assert kept is not None and [Path(kept)] == stores.overflows()
    size = Path(kept).stat().st_size
    assert kept == first.overflow([Closed("c", "x")])
    assert Path(kept).stat().st_size < 1.5 * size, "what is there is kept again"
    (stores.path / "work").mkdir(exist_ok=True)
    with pytest.raises(StateError, match="holds results of an earlier run here") as caught:
        stores.open()  # it is no fresh start
    assert kept in str(caught.value)
    found = LocalStore(first.store.path, stores.path / "overflows").overflowed(Path(kept).name[:36])
    assert [one.binding.id for one in found if isinstance(one, Done) and one.binding] == ["vol_a", "vol_b"]


def test_nothing_is_durable_in_a_file_that_lost_its_name_while_it_was_written(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stores.open()
    first.append([intent("a", A)])
    sync = os.fdatasync

    def removed(descriptor: int) -> None:
        sync(descriptor)
        shutil.rmtree(stores.path / "work")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", removed)
        with pytest.raises(StateError, match="removed while this command ran"):
            first.append([done("a", A)])
    assert first.overflow([done("a", A)]) in map(str, stores.overflows())


def test_what_is_gone_before_the_snapshot_is_kept_too(stores: Stores) -> None:
    first = stores.open()
    first.append([intent("a", A), done("a", A)])
    state = first.read().state
    shutil.rmtree(stores.path / "work")
    with pytest.raises(StateError) as caught:
        first.save(state)
    (kept,) = stores.overflows()
    assert f"kept in {kept}" in (caught.value.detail or "")


def test_what_a_successor_has_settled_stays_as_it_did(stores: Stores) -> None:
    """The bid of an intent was found, replaced since, and only then the first run comes with its result."""
    first = stores.open()
    first.append([intent("a", A)])
    second = stores.open()
    newer = attrs.evolve(A, id="vol_a2", generation=2)
    second.append([done("a", A), Done("x", A.address, None), done("y", newer)])
    first.overflow([done("a", A)])
    assert stores.ids() == {"vol_a2"}
    third = stores.open()
    third.append([intent("b", B)])
    assert stores.ids() == {"vol_a2"}
    third.save(third.read().state)
    assert (stores.ids(), stores.overflows()) == ({"vol_a2"}, [])


def test_nor_does_a_result_come_back_over_a_later_snapshot(stores: Stores) -> None:
    first = stores.open()
    first.append([intent("a", A)])
    second = stores.open()
    second.append([done("a", A), Done("x", A.address, None)])
    second.save(second.read().state)
    first.overflow([done("a", A), Done("", B.address, B)])
    assert stores.ids() == set()


def test_what_is_in_doubt_is_settled_by_a_late_result_whatever_was_saved_since(stores: Stores) -> None:
    first = stores.open()
    first.append([intent("a", A)])
    second = stores.open()
    second.save(second.read().state, second.read().pending.values())
    first.overflow([done("a", A)])
    assert stores.ids() == {"vol_a"}
    assert not stores.open().read().pending


def test_what_is_overflowed_while_a_run_works_outlives_its_snapshot(stores: Stores) -> None:
    first = stores.open()
    first.append([intent("a", A), intent("b", B)])
    second = stores.open()
    first.overflow([done("a", A)])  # after the second one has read the state
    second.append([intent("c", C), done("c", C)])
    loaded = LocalStore(second.store.path).read()  # without the overflow: as the second one sees it
    second.save(loaded.state, loaded.pending.values())
    assert len(stores.overflows()) == 1
    assert stores.ids() == {"vol_a", "vol_c"}


def test_two_runs_keep_their_results_in_two_files(stores: Stores) -> None:
    first, second = stores.open(), stores.open()
    first.append([intent("a", A), intent("b", B)])
    second = stores.open()
    first.overflow([done("a", A)])
    second.overflow([done("b", B)])
    second.overflow([Closed("c", "x")])
    assert len(stores.overflows()) == 2
    assert stores.ids() == {"vol_a", "vol_b"}


def test_a_failed_first_append_leaves_no_descriptor_and_may_be_tried_again(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = stores.open()
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", lambda *_: (_ for _ in ()).throw(OSError(errno.ENOSPC, "full")))
        with pytest.raises(StateError, match="No space left"):
            store.append([intent("a", A)])
    assert not store.appended
    opened = {os.path.realpath(one) for one in Path("/proc/self/fd").iterdir()}
    assert str(store.store.journal_path.resolve()) not in opened
    store.append([intent("a", A)])
    assert stores.open().read().pending


# ---- names ------------------------------------------------------------------------------------------------------


def test_the_names_of_the_default_are_those_of_the_manual() -> None:
    store = LocalStore(Path("flowplan.state.json"))
    assert (store.journal_path.name, store.backup_path.name) == ("flowplan.state.journal", "flowplan.state.json.backup")


def test_no_two_states_share_a_file() -> None:
    names = ["foo", "foo.json", "foo.json.json", "foo.state", "foo.state.json", "foo.backup", "foo.json.backup", "fo"]
    files = [
        path.name
        for name in names
        for path in (LocalStore(Path(name)).journal_path, LocalStore(Path(name)).backup_path)
    ]
    assert len(set(files)) == len(files)


def test_two_states_of_one_name_with_and_without_json_know_nothing_of_each_other(place: Place) -> None:
    place.write(many(1))
    place.write(many(1, first=1), "other.yaml")
    for state, file in (("prod", "flowplan.yaml"), ("prod.json", "other.yaml")):
        place.ok("apply", "--auto-approve", file, "--state", state)
    assert "task-000" in place.ok("state", "list", "--state", "prod")
    assert "task-000" not in place.ok("state", "list", "--state", "prod.json")


@pytest.fixture
def early(place: Place) -> Place:
    """A state `prod` whose journal has the name that earlier versions gave it."""
    place.write(many(1))
    place.ok("apply", "--auto-approve", "--state", "prod")
    (place.path / "prod-journal").rename(place.path / "prod.journal")
    return place


def test_a_journal_with_its_early_name_is_read_and_gets_the_new_one(early: Place) -> None:
    store = Run.of(LocalStore(early.path / "prod"))
    (early.path / "prod.journal").rename(early.path / "aside")
    (early.path / "aside").rename(early.path / "prod.journal")
    store.append([intent("c", C), done("c", C)])
    assert not (early.path / "prod.journal").exists()
    assert "volume.c" in early.ok("state", "list", "--state", "prod")


def test_what_an_early_journal_holds_is_not_lost_on_reading(early: Place) -> None:
    store = Run.of(LocalStore(early.path / "prod"))
    store.append([done("c", C)])
    store.close()
    (early.path / "prod-journal").rename(early.path / "prod.journal")
    assert "volume.c" in early.ok("state", "list", "--state", "prod")


def test_the_journal_of_the_state_beside_is_not_taken_for_an_early_one(early: Place) -> None:
    (early.path / "prod.journal").unlink()
    early.write(many(1, first=1), "other.yaml")
    early.ok("apply", "--auto-approve", "other.yaml", "--state", "prod.json")
    assert "task-000" in early.ok("state", "list", "--state", "prod")
    early.ok("apply", "--auto-approve", "--state", "prod")
    assert (early.path / "prod.journal").exists()


def test_a_journal_of_which_nobody_knows_whose_it_is_is_named(early: Place) -> None:
    for name in ("prod", "prod.backup"):
        (early.path / name).unlink()
    result = early.run("plan", "--state", "prod")
    assert result.code == 5
    assert "prod.journal may be the journal of prod, or of prod.json" in " ".join(result.err.split())


@pytest.mark.parametrize(
    "state", ["flowplan.lock", "foo.journal", "foo-journal", "sub/flowplan.lock", "staging.lock", "staging-lock"]
)
def test_what_flowplan_itself_keeps_is_no_state(example: Place, state: str) -> None:
    result = example.run("apply", "--auto-approve", "--state", state)
    assert (result.code, "choose another name" in result.err) == (64, True)


def test_the_name_of_a_journal_is_that_of_its_state() -> None:
    assert [journal_name(name) for name in ("a.json", "a", ".json")] == ["a.journal", "a-journal", ".journal"]


# ---- a whole run ------------------------------------------------------------------------------------------------


def removed_in_mid_run(place: Place, *arguments: str) -> tuple[int, str, str]:
    """`flowplan apply` of two tasks whose state's directory is removed while the second call is under way."""
    place.write(many(2))
    (place.path / "sub").mkdir()
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/volumes", "slow", seconds=1.0, nth=2)
    command = [*FLOWPLAN, "apply", "--auto-approve", "--parallelism", "1", "--state", "sub/flowplan.state.json"]
    with Process([*command, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        head = ""
        while head.count("creating...") < 2:
            line = process.stderr.readline()
            assert line, process.communicate()
            head += line
        process.send_signal(signal.SIGSTOP)
        shutil.rmtree(place.path / "sub")
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=LONGEST)
    with place.simulator() as simulator:
        simulator.faults.clear()
    return process.returncode, out, head + err


def test_nothing_is_told_as_created_that_is_kept_nowhere(place: Place) -> None:
    code, out, err = removed_in_mid_run(place)
    assert code == 5, (out, err)
    (kept,) = (place.path.parent / "state-home" / "flowplan").iterdir()
    assert str(kept) in err.replace("\n    ", "")
    made = {entry.subject for entry in place.ledger() if entry.method == "POST"}
    data = kept.read_text()
    assert made and all(str(id) in data for id in made), (made, data)
    (place.path / "sub").mkdir()
    again = place.run("apply", "--auto-approve", "--state", "sub/flowplan.state.json")
    assert again.code == 5
    assert "holds results of an earlier run here" in again.err
    assert len([entry for entry in place.ledger() if entry.method == "POST"]) == len(made)
