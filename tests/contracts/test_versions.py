"""What `flowplan.backends.store.Store` promises of the versions of a state, held against every place of one."""

from __future__ import annotations

import attrs
import pytest

from flowplan.backends.store import MOST_VERSIONS as MOST
from flowplan.errors import StateError
from flowplan.state.history import Change, Version
from tests.builders import DATA, create_of
from tests.contracts.begun import BINDING, DONE_SECOND, OTHER, PARTS, SECOND, begun, found, killed, run
from tests.contracts.places import Place

CHANGE = Change("2026-11-02T09:00:00Z", "ann@host", "flowplan apply", added=1)


def test_nothing_is_kept_before_a_first_save(place: Place) -> None:
    assert place.open().versions() == ()


def test_a_version_that_is_kept_comes_back(place: Place) -> None:
    saved = run(place)
    place.open().keep(saved, CHANGE)
    assert place.open().versions() == (Version(saved.lineage, 1, 1, CHANGE),)
    assert place.open().version(saved.lineage, 1) == saved


def test_the_state_before_is_kept_with_the_first_version(place: Place) -> None:
    """As of an earlier flowplan, or of a run that was killed before it kept its own."""
    first = run(place)
    store = place.open()
    second = store.save(attrs.evolve(store.read().state, bindings={}))
    store.keep(second, CHANGE)
    assert [(one.serial, one.change) for one in place.open().versions()] == [(1, None), (2, CHANGE)]
    assert place.open().version(first.lineage, 1) == first


def test_a_version_that_is_not_there_is_an_error(place: Place) -> None:
    saved = run(place)
    with pytest.raises(StateError, match="no version 7"):
        place.open().version(saved.lineage, 7)


def test_a_version_that_cannot_be_kept_leaves_the_state(place: Place) -> None:
    saved = run(place)
    with place.full(), pytest.raises(StateError):
        place.open().keep(saved, CHANGE)
    assert found(place).state == saved
    assert place.open().versions() == ()


def test_a_version_that_does_not_read_hides_no_other(place: Place) -> None:
    first = run(place)
    store = place.open()
    second = store.save(first)
    store.keep(second, CHANGE)
    place.damage_version(second)
    assert [one.serial for one in place.open().versions()] == [1]
    with pytest.raises(StateError):
        place.open().version(second.lineage, 2)
    store.keep(store.save(second), CHANGE)
    assert [one.serial for one in place.open().versions()] == [1, 3]


def test_a_version_that_was_kept_is_not_overwritten_by_the_state_before(place: Place) -> None:
    """Who saved it would be lost."""
    first = run(place)
    store = place.open()
    store.keep(first, CHANGE)
    store.keep(store.save(first), CHANGE)
    assert [one.change for one in place.open().versions()] == [CHANGE, CHANGE]


def test_only_some_versions_are_kept(place: Place) -> None:
    store, state = place.open(), run(place)
    for _ in range(MOST + 2):
        store.keep(state, CHANGE)
        state = attrs.evolve(state, serial=state.serial + 1)
    kept = place.open().versions()
    assert (len(kept), kept[-1].serial) == (MOST, MOST + 2)


@pytest.mark.parametrize("mend", ["restore", "begin_anew"])
def test_nothing_is_mended_once_the_lock_is_lost(place: Place, mend: str) -> None:
    run(place)
    place.put("snapshot", b"{")

    def lost() -> None:
        raise StateError("the lock was taken away")

    before = {part: place.holds(part) for part in PARTS}
    with pytest.raises(StateError, match="taken away"):
        getattr(place.open(lost), mend)()
    assert {part: place.holds(part) for part in PARTS} == before


def test_no_version_is_kept_without_the_lock(place: Place) -> None:
    saved = run(place)

    def lost() -> None:
        raise StateError("the lock was taken away")

    with pytest.raises(StateError, match="taken away"):
        place.open(lost).keep(saved, CHANGE)
    assert place.open().versions() == ()


def test_versions_outlive_the_state(place: Place) -> None:
    saved = run(place)
    store = place.open()
    store.keep(saved, CHANGE)
    for part in PARTS:
        place.put(part, None)
    assert found(place).fresh
    assert place.open().version(saved.lineage, 1) == saved


def test_where_neither_snapshot_nor_backup_reads_the_kept_version_is_restored(place: Place) -> None:
    """With what the journal holds since: a run was killed before it saved."""
    saved = run(place)
    place.open().keep(saved, CHANGE)
    killed(
        place, lambda store: (store.append([create_of(OTHER, SECOND.applied, id="i2")]), store.append([DONE_SECOND]))
    )
    for part in ("snapshot", "backup"):
        place.put(part, b"")
    with pytest.raises(StateError) as caught:
        found(place)
    assert "state restore" in (caught.value.hint or "")
    restored = place.open().restore()
    assert (restored.name, restored.of_backup) == ("version 1", False)
    assert found(place).state.bindings == {DATA: BINDING, OTHER: SECOND}
    assert found(place).state.serial == 2


def test_a_kept_version_that_the_journal_does_not_continue_is_not_taken_for_the_snapshot(place: Place) -> None:
    """What was made between the two would be forgotten: that is for somebody to ask for."""
    place.open().keep(run(place), CHANGE)
    store = begun(place)
    store.append([create_of(OTHER, SECOND.applied, id="i2")])
    store.append([DONE_SECOND])
    store.save(store.read().state)
    for part in ("snapshot", "backup"):
        place.put(part, b"")
    with pytest.raises(StateError, match=r"no .*backup.* to restore"):
        place.open().restore()


def test_a_version_of_another_stack_is_not_taken_for_one_of_this(place: Place, foreign: Place) -> None:
    """Whatever somebody copied there, and under which name."""
    saved, other = run(place), found(foreign).state
    store = place.open()
    store.keep(saved, CHANGE)
    store.keep(attrs.evolve(other, serial=1), CHANGE)
    place.rename_version(other, saved)
    with pytest.raises(StateError, match="different state than it says"):
        place.open().version(saved.lineage, 1)
