"""What `flowplan.backends.store.Store` promises of the versions of a state, held against every place of one."""

from __future__ import annotations

import attrs
import pytest

from flowplan.errors import StateError
from flowplan.state.history import LEAST_VERSIONS, Change, Version
from tests.builders import DATA, create_of
from tests.contracts.begun import BINDING, DONE_SECOND, OTHER, PARTS, SECOND, begun, found, killed, run
from tests.contracts.places import Place

MOST = 15
CHANGE = Change("2026-11-02T09:00:00Z", "ann@host", "flowplan apply", added=1)


def test_nothing_is_kept_before_a_first_save(site: Place) -> None:
    assert site.open().versions() == ()


def test_a_version_that_is_kept_comes_back(site: Place) -> None:
    saved = run(site)
    site.open().keep(saved, CHANGE)
    assert site.open().versions() == (Version(saved.lineage, 1, 1, CHANGE),)
    assert site.open().version(saved.lineage, 1) == saved


def test_the_state_before_is_kept_with_the_first_version(site: Place) -> None:
    """As of an earlier flowplan, or of a run that was killed before it kept its own."""
    first = run(site)
    store = site.open()
    second = store.save(attrs.evolve(store.read().state, bindings={}))
    store.keep(second, CHANGE)
    assert [(one.serial, one.change) for one in site.open().versions()] == [(1, None), (2, CHANGE)]
    assert site.open().version(first.lineage, 1) == first


def test_a_version_that_is_not_there_is_an_error(site: Place) -> None:
    saved = run(site)
    with pytest.raises(StateError, match="no version 7"):
        site.open().version(saved.lineage, 7)


def test_a_version_that_cannot_be_kept_leaves_the_state(site: Place) -> None:
    saved = run(site)
    with site.full(), pytest.raises(StateError):
        site.open().keep(saved, CHANGE)
    assert found(site).state == saved
    assert site.open().versions() == ()


def test_a_version_that_does_not_read_hides_no_other(site: Place) -> None:
    first = run(site)
    store = site.open()
    second = store.save(first)
    store.keep(second, CHANGE)
    site.damage_version(second)
    assert [one.serial for one in site.open().versions()] == [1]
    with pytest.raises(StateError):
        site.open().version(second.lineage, 2)
    store.keep(store.save(second), CHANGE)
    assert [one.serial for one in site.open().versions()] == [1, 3]


def test_a_version_that_was_kept_is_not_overwritten_by_the_state_before(site: Place) -> None:
    """Who saved it would be lost."""
    first = run(site)
    store = site.open()
    store.keep(first, CHANGE)
    store.keep(store.save(first), CHANGE)
    assert [one.change for one in site.open().versions()] == [CHANGE, CHANGE]


def test_only_some_versions_are_kept(site: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("state.history", "backends.remote.store"):
        monkeypatch.setattr(f"flowplan.{module}.MOST_VERSIONS", MOST)
    store, state = site.open(), run(site)
    for _ in range(MOST + 2):
        store.keep(state, CHANGE)
        state = attrs.evolve(state, serial=state.serial + 1)
    kept = site.open().versions()
    assert (len(kept), kept[-1].serial) == (MOST, MOST + 2)


def test_versions_go_a_year_after_they_were_saved_but_for_the_last_few(site: Place) -> None:
    """By what the saves say of each other, looked at with every tenth serial."""
    store, state = site.open(), attrs.evolve(run(site), serial=11)
    times = [f"{2024 + month // 12}-{month % 12 + 1:02}-01T00:00:00Z" for month in range(30)]
    for at in times[:20]:
        store.keep(state, attrs.evolve(CHANGE, at=at))
        state = attrs.evolve(state, serial=state.serial + 1)
    assert [one.serial for one in site.open().versions()] == list(range(18, 31))  # since 2024-08-01
    site.damage_version(attrs.evolve(state, serial=19))
    for at in times[20:]:
        store.keep(state, attrs.evolve(CHANGE, at=at))
        state = attrs.evolve(state, serial=state.serial + 1)
    assert [one.serial for one in site.open().versions()] == list(range(28, 41))  # since 2025-06-01
    store.keep(attrs.evolve(state, serial=50), attrs.evolve(CHANGE, at="2030-01-01T00:00:00Z"))
    assert [one.serial for one in site.open().versions()] == [*range(32, 41), 50]
    assert len(site.open().versions()) == LEAST_VERSIONS


@pytest.mark.parametrize("mend", ["restore", "begin_anew"])
def test_nothing_is_mended_once_the_lock_is_lost(site: Place, mend: str) -> None:
    run(site)
    site.put("snapshot", b"{")

    def lost() -> None:
        raise StateError("the lock was taken away")

    before = {part: site.holds(part) for part in PARTS}
    with pytest.raises(StateError, match="taken away"):
        getattr(site.open(lost), mend)()
    assert {part: site.holds(part) for part in PARTS} == before


def test_no_version_is_kept_without_the_lock(site: Place) -> None:
    saved = run(site)

    def lost() -> None:
        raise StateError("the lock was taken away")

    with pytest.raises(StateError, match="taken away"):
        site.open(lost).keep(saved, CHANGE)
    assert site.open().versions() == ()


def test_versions_outlive_the_state(site: Place) -> None:
    saved = run(site)
    store = site.open()
    store.keep(saved, CHANGE)
    for part in PARTS:
        site.put(part, None)
    assert found(site).fresh
    assert site.open().version(saved.lineage, 1) == saved


def test_where_neither_snapshot_nor_backup_reads_the_kept_version_is_restored(site: Place) -> None:
    """With what the journal holds since: a run was killed before it saved."""
    saved = run(site)
    site.open().keep(saved, CHANGE)
    killed(site, lambda store: (store.append([create_of(OTHER, SECOND.applied, id="i2")]), store.append([DONE_SECOND])))
    for part in ("snapshot", "backup"):
        site.put(part, b"")
    with pytest.raises(StateError) as caught:
        found(site)
    assert "state restore" in (caught.value.hint or "")
    restored = site.open().restore()
    assert (restored.name, restored.of_backup) == ("version 1", False)
    assert found(site).state.bindings == {DATA: BINDING, OTHER: SECOND}
    assert found(site).state.serial == 2


def test_where_somebody_put_an_old_copy_the_kept_version_is_restored(site: Place) -> None:
    """Of a volume, or of a job that is done, nothing but the state tells that it was made."""
    old = run(site)
    site.open().keep(old, CHANGE)
    text = site.holds("snapshot")
    store = begun(site)
    store.append([create_of(OTHER, SECOND.applied, id="i2")])
    store.append([DONE_SECOND])
    saved = store.save(store.read().state)
    site.open().keep(saved, CHANGE)
    for part in ("snapshot", "backup"):
        site.put(part, text)
    with pytest.raises(StateError, match="went back"):
        found(site)
    assert site.open().restore().name == "version 2"
    assert found(site).state.bindings == {DATA: BINDING, OTHER: SECOND}
    assert found(site).state.serial == 3


def test_a_kept_version_that_the_journal_does_not_continue_is_not_taken_for_the_snapshot(site: Place) -> None:
    """What was made between the two would be forgotten: that is for somebody to ask for."""
    site.open().keep(run(site), CHANGE)
    store = begun(site)
    store.append([create_of(OTHER, SECOND.applied, id="i2")])
    store.append([DONE_SECOND])
    store.save(store.read().state)
    for part in ("snapshot", "backup"):
        site.put(part, b"")
    with pytest.raises(StateError, match=r"no .*backup.* to restore"):
        site.open().restore()


def test_a_version_of_another_stack_is_not_taken_for_one_of_this(site: Place, foreign: Place) -> None:
    """Whatever somebody copied there, and under which name."""
    saved, other = run(site), found(foreign).state
    store = site.open()
    store.keep(saved, CHANGE)
    store.keep(attrs.evolve(other, serial=1), CHANGE)
    site.rename_version(other, saved)
    with pytest.raises(StateError, match="different state than it says"):
        site.open().version(saved.lineage, 1)
