"""Versions of a local state: how many are kept, by whom they can be read, and a fault at every call that keeps one."""

from __future__ import annotations

import os
from pathlib import Path

import attrs
import pytest

from flowplan.backends import versions
from flowplan.backends.local import LocalStore
from flowplan.backends.versions import Versions
from flowplan.errors import StateError
from flowplan.state import history
from flowplan.state.history import Change
from flowplan.state.state import State
from tests.backends.faulty import Killed, every_point, faults
from tests.builders import DATA, bound, volume

BINDING = bound(DATA, "vol_1", volume())
STATE = State(lineage="a", serial=1, bindings={DATA: BINDING})
CHANGE = Change("2026-11-02T09:00:00Z", "ann@host", "flowplan apply")


def serials(kept: Versions) -> list[int]:
    return [one.serial for one in kept.heads()]


def kept_up_to(path: Path, last: int) -> Versions:
    kept = Versions(path)
    for serial in range(1, last + 1):
        kept.keep(attrs.evolve(STATE, serial=serial), attrs.evolve(CHANGE, at=f"2026-11-02T09:00:{serial:02}Z"))
    return kept


def test_they_stand_beside_the_state_and_are_private(tmp_path: Path) -> None:
    kept_up_to(tmp_path / "staging.json", 1)
    path = tmp_path / ".flowplan/versions/staging.json/a.1.json"
    assert [oct(one.stat().st_mode & 0o777) for one in (path, path.parent)] == ["0o600", "0o700"]


def test_the_oldest_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_VERSIONS", 3)
    assert serials(kept_up_to(tmp_path / "s.json", 5)) == [3, 4, 5]


def test_what_is_no_version_is_never_one_that_goes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody may keep a file of their own there: the directory is theirs, too."""
    kept = kept_up_to(tmp_path / "s.json", 1)
    mine = kept.directory / "a.1.json.mine"
    mine.write_text("mine")
    monkeypatch.setattr(history, "MOST_VERSIONS", 2)
    assert serials(kept_up_to(tmp_path / "s.json", 5)) == [4, 5]
    assert mine.read_text() == "mine"


def test_no_clock_decides_which_are_the_oldest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It jumped back, or the directory was copied in any order."""
    kept = kept_up_to(tmp_path / "s.json", 3)
    for serial in (1, 2, 3):
        os.utime(kept.directory / f"a.{serial}.json", (9e8 - serial, 9e8 - serial))
    monkeypatch.setattr(history, "MOST_VERSIONS", 3)
    kept.keep(attrs.evolve(STATE, serial=4), CHANGE)
    assert serials(kept) == [2, 3, 4]


def test_those_of_other_states_and_of_a_time_that_was_left_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = kept_up_to(tmp_path / "s.json", 3)
    kept.keep(attrs.evolve(STATE, lineage="b", serial=9), CHANGE)
    monkeypatch.setattr(history, "MOST_VERSIONS", 3)
    kept.keep(attrs.evolve(STATE, serial=2), CHANGE)
    assert [(one.lineage, one.serial) for one in kept.heads()] == [("a", 1), ("a", 2), ("a", 3)]
    monkeypatch.setattr(history, "MOST_VERSIONS", 2)
    kept.keep(attrs.evolve(STATE, serial=2), CHANGE)
    assert serials(kept) == [1, 2]


def test_they_never_grow_beyond_a_size_but_the_newest_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "MOST_BYTES", 10)
    assert serials(kept_up_to(tmp_path / "s.json", 3)) == [3]


def test_a_damaged_one_does_not_hide_the_others(tmp_path: Path) -> None:
    kept = kept_up_to(tmp_path / "s.json", 3)
    (kept.directory / "a.2.json").write_bytes(b"\0" * 100)
    assert serials(kept) == [1, 3]
    with pytest.raises(StateError, match=r"a\.2\.json"):
        kept.read("a", 2)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".flowplan").mkdir(mode=0o500)
    with pytest.raises(StateError, match="versions"):
        kept_up_to(tmp_path / "s.json", 1)


def test_a_file_in_the_place_of_the_directory_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / ".flowplan").write_text("")
    with pytest.raises(StateError, match="versions"):
        kept_up_to(tmp_path / "s.json", 1)


@pytest.mark.parametrize("errno", [None, 28, 5], ids=["SIGKILL", "ENOSPC", "EIO"])
def test_a_fault_at_every_call_leaves_the_state_and_every_other_version(in_memory: Path, errno: int | None) -> None:
    points = 0
    for at in every_point():
        directory = in_memory / str(at)
        directory.mkdir()
        path = directory / "flowplan.state.json"
        first = LocalStore(path).save(STATE)
        LocalStore(path).keep(first, CHANGE)
        store = LocalStore(path)
        saved = store.save(attrs.evolve(first, bindings={}))
        with pytest.MonkeyPatch.context() as patch:
            faulty = faults(at, errno, patch)
            try:
                store.keep(saved, CHANGE)
            except Killed:
                assert errno is None
            except StateError:
                assert errno is not None
        if faulty.calls < at:
            break
        points += 1
        assert LocalStore(path).read().state == saved
        assert LocalStore(path).version("a", first.serial) == first
        again = LocalStore(path)
        last = again.save(saved)
        again.keep(last, CHANGE)
        assert [one.serial for one in again.versions()][-1] == last.serial
        assert [again.version("a", one.serial).serial for one in again.versions()] == [2, 3, 4]
        assert not list(directory.rglob("*tmp*"))
    assert points > 4
    print(f"{points} points, {points} recovered")
