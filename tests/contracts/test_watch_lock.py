"""What `Store.watch_lock` promises, held against every place that a state can live in: one watcher at a time, and
nobody else waits for it."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from flowplan.backends.processes import this_process
from flowplan.backends.remote.lease import Clocks
from flowplan.errors import FlowplanError, Locked, StateError
from flowplan.model.owner import Owner
from tests.contracts.begun import found, killed, run
from tests.contracts.http_site import HttpSite, PlainSite
from tests.contracts.memory import ObjectSite
from tests.contracts.places import Place


def watcher(since: str = "2026-01-02T03:04:05Z") -> Owner:
    return this_process("flowplan watch", {}, since)


def test_one_watcher_at_a_time(site: Place) -> None:
    first, second = site.open().watch_lock, site.open().watch_lock
    assert not first.held() and first.holder() is None
    owner = watcher()
    first.acquire(owner)
    first.verify()
    with pytest.raises(Locked) as caught:
        second.acquire(watcher("2026-01-02T03:04:06Z"))
    assert owner.id in (caught.value.detail or "")
    with pytest.raises(StateError):
        second.verify()
    assert second.held() and second.holder() == owner
    with pytest.raises(FlowplanError, match="alive"):
        second.break_(owner.id, owner)
    first.verify()
    first.release()
    first.release()  # a second time does nothing
    second.acquire(owner)
    with pytest.raises(StateError):
        first.verify()
    second.release()
    assert site.open().watch_lock.holder() is None


def test_a_watcher_keeps_no_run_waiting_and_no_run_a_watcher(site: Place) -> None:
    store, other = site.open(), site.open()
    store.watch_lock.acquire(watcher())
    assert not other.lock.held() and other.lock.holder() is None
    other.lock.acquire(watcher())
    assert found(site).fresh  # reading goes on beside both
    other.lock.release()
    assert run(site).serial == 1
    store.watch_lock.verify()
    store.watch_lock.release()
    other.lock.acquire(watcher())
    store.watch_lock.acquire(watcher())
    store.watch_lock.verify()
    store.watch_lock.release()
    other.lock.verify()
    other.lock.release()


def test_a_watcher_writes_nothing_of_the_state(site: Place) -> None:
    lock = site.open().watch_lock
    lock.acquire(watcher())
    lock.release()
    assert found(site).fresh and not site.open().exists() and site.open().versions() == ()


def test_the_watchers_of_two_states_are_not_in_each_others_way(site: Place, foreign: Place) -> None:
    one, other = site.open().watch_lock, foreign.open().watch_lock
    one.acquire(watcher())
    other.acquire(watcher())
    one.verify()
    other.verify()
    one.release()
    other.release()


def test_it_is_one_lock_however_often_it_is_asked_for(site: Place) -> None:
    store = site.open()
    store.watch_lock.acquire(watcher())
    store.watch_lock.verify()
    store.watch_lock.release()


def test_the_lock_of_a_watcher_that_was_killed_is_free(site: Place) -> None:
    if not getattr(site, "forks", True):
        pytest.skip("its run is killed from the command line: tests/cli/test_state_in_s3.py")
    killed(site, lambda begun: begun.store.watch_lock.acquire(watcher("now")))
    lock, said = site.open().watch_lock, list[str]()
    assert lock.holder() is not None and not lock.held()
    lock.acquire(watcher("later"), say=said.append)
    assert len(said) == 1 and "died" in said[0]
    lock.release()


def test_a_watcher_that_slept_past_its_lease_must_not_act(tmp_path: Path) -> None:
    """Another one has taken over meanwhile: the first finds out by its own clock, without asking."""
    site, now = ObjectSite(tmp_path / "one"), [1000.0]
    clocks = Clocks(lambda: now[0], lambda: now[0])
    slept = site.open(clocks=clocks).watch_lock
    slept.acquire(watcher())
    slept.verify()
    now[0] += 56
    with pytest.raises(StateError, match=r"\(watch\) was lost while this command ran; flowplan changes nothing more"):
        slept.verify()
    other = site.open().watch_lock
    with pytest.raises(Locked):
        other.acquire(watcher())  # 70 s by the server's clock, which has not moved
    slept.release()
    other.acquire(watcher())
    with pytest.raises(StateError):
        slept.verify()
    other.release()


def test_a_lease_that_has_run_out_is_taken_over_without_anybodys_help(tmp_path: Path) -> None:
    site = ObjectSite(tmp_path / "one")
    first = site.open().watch_lock
    now = [0.0]
    later = site.open(clocks=Clocks(lambda: now[0], lambda: now[0])).watch_lock
    first.acquire(watcher())
    said = list[str]()
    with pytest.raises(Locked):
        later.acquire(watcher())
    now[0] += 71
    later.acquire(watcher(), say=said.append)
    assert len(said) == 1 and "died" in said[0]
    first.release()  # of a lock that is another's by now: it stays
    later.verify()
    assert later.held()
    later.release()


def test_a_lock_that_cannot_run_out_is_broken_by_its_id(tmp_path: Path) -> None:
    """At GitLab. Its watcher ran on another machine, and died."""
    site = HttpSite(tmp_path / "one")
    owner = watcher()
    left = Owner(owner.id, "me@pod-1", "pod-1", 7, "another-boot", "1", "flowplan watch", owner.since)
    site.open().watch_lock.acquire(left)
    lock = site.open().watch_lock
    with pytest.raises(Locked, match="is held by me@pod-1") as caught:
        lock.acquire(watcher())
    assert f"flowplan force-unlock {owner.id}" in (caught.value.hint or "")
    assert lock.break_(owner.id, watcher()) == left
    lock.acquire(watcher())
    lock.release()


def test_a_server_that_has_no_second_name_keeps_nobody_out_and_says_so(tmp_path: Path) -> None:
    site = PlainSite(tmp_path / "one")
    said = list[str]()
    locks = [site.open().watch_lock for _ in range(2)]
    for lock in locks:
        lock.acquire(watcher(), say=said.append)
        lock.verify()
        assert not lock.held() and lock.holder() is None
    assert len(said) == 2 and "run one at a time" in said[0]
    with pytest.raises(FlowplanError):
        locks[0].break_("id", watcher())


def test_a_lockfile_that_is_removed_is_lost(tmp_path: Path) -> None:
    """As `rm -r .flowplan` does it: another watcher would lock the next file."""
    from flowplan.backends.local import LocalStore

    lock = LocalStore(tmp_path / "flowplan.state.json").watch_lock
    lock.acquire(watcher())
    lock.verify()
    lock.path.unlink()
    with pytest.raises(StateError, match="was taken away"):
        lock.verify()
    lock.release()


@pytest.mark.parametrize("number", [None, errno.EACCES, errno.ENOSPC, errno.EROFS])
def test_where_there_is_no_place_for_the_lock_everybody_watches_and_hears_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int | None
) -> None:
    """What a lifetime ends would run on otherwise."""
    from flowplan.backends import flock
    from flowplan.backends.local import LocalStore

    def refuses(path: str, flags: int) -> int:
        raise OSError(number, os.strerror(number or 0), path)

    if number is None:
        (tmp_path / ".flowplan").write_text("")
    else:
        monkeypatch.setattr(flock, "_descriptor_of", refuses)
    said: list[str] = []
    lock = LocalStore(tmp_path / "flowplan.state.json").watch_lock
    lock.acquire(watcher(), say=said.append)
    lock.verify()
    assert "so nothing keeps a second `flowplan watch` out" in said[0]
    lock.release()
    assert lock.holder() is None


def test_a_watch_lock_that_is_no_file_of_flowplans_is_refused(tmp_path: Path) -> None:
    from flowplan.backends.local import LocalStore

    lock = LocalStore(tmp_path / "flowplan.state.json").watch_lock
    lock.path.parent.mkdir(parents=True)
    lock.path.symlink_to(tmp_path / "another")
    with pytest.raises(StateError, match="cannot be opened"):
        lock.acquire(watcher())
    assert not (tmp_path / "another").exists()
