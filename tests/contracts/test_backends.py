"""What `flowplan.backends.store.Store` promises, held against every place that a state can live in."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import attrs
import pytest

from flowplan.backends.parts import Part
from flowplan.backends.processes import this_process
from flowplan.errors import FlowplanError, Locked, StateError
from flowplan.state.records import Closed, Done
from flowplan.state.state import AppliedPlan, State
from tests.builders import DATA
from tests.contracts.begun import BINDING, DONE, DONE_SECOND, INTENT, OTHER, SECOND, begun, found, killed, run
from tests.contracts.places import LocalPlace, Place
from tests.runs import Run

# ---- a run --------------------------------------------------------------------------------------------------


def test_nothing_there_is_a_fresh_start_with_a_lineage_of_its_own(site: Place) -> None:
    loaded = found(site)
    assert (loaded.fresh, loaded.state.serial, loaded.state.bindings) == (True, 0, {})
    assert loaded.state.lineage != found(site).state.lineage
    parts: tuple[Part, ...] = ("snapshot", "journal", "backup")
    assert [site.holds(part) for part in parts] == [None] * 3  # reading writes nothing
    assert not site.open().exists()


@pytest.mark.parametrize("ahead", [False, True])
def test_a_server_is_untouched_until_somebody_has_had_the_lock_there(site: Place, *, ahead: bool) -> None:
    store = site.open()
    if ahead:
        store.reach()
    assert store.untouched() is not isinstance(site, LocalPlace)
    store.lock.acquire(this_process("flowplan apply", {}, "now"))
    store.lock.release()
    store.close()
    assert not site.open().untouched()


def test_a_state_is_not_untouched_whose_lock_has_no_record(site: Place) -> None:
    run(site)
    assert not site.open().untouched()


def test_each_store_of_a_state_says_which_it_is(site: Place, foreign: Place) -> None:
    one, again, other = site.open(), site.open(), foreign.open()
    one.hold_usable()
    assert one.identity == again.identity != other.identity
    assert (one.name, one.base) == (again.name, again.base)


def test_after_a_run_the_state_holds_what_was_made(site: Place) -> None:
    saved = run(site)
    loaded = found(site)
    assert (loaded.state, loaded.state.serial, loaded.fresh, loaded.journaled) == (saved, 1, False, False)
    assert loaded.state.bindings == {DATA: BINDING}
    assert site.open().exists()


def test_all_of_a_state_comes_back(site: Place) -> None:
    state = State(
        lineage="a-lineage",
        stack="llm",
        api_url="sim:",
        project="proj_1",
        project_name="ml",
        bindings={DATA: BINDING, OTHER: SECOND},
        outputs={"address": "1.2.3.4"},
        released=frozenset(["bid_9"]),
        adopted=frozenset(["vol_1"]),
        plans=(AppliedPlan("1" * 64, "2026-01-02T03:04:05Z", 0),),
        ended={"bid_7": 1000.5},
    )
    assert site.open().save(state) == attrs.evolve(state, serial=1) == found(site).state


def test_lineage_stays_and_the_serial_grows_by_one(site: Place) -> None:
    states = [run(site) for _ in range(3)]
    assert [state.serial for state in states] == [1, 2, 3]
    assert len({state.lineage for state in states}) == 1


def test_the_snapshot_before_is_the_backup(site: Place) -> None:
    assert site.open().backup() is None
    run(site)
    before = site.holds("snapshot")
    assert site.holds("backup") == before  # the first is its own
    run(site)
    assert site.holds("backup") == before
    assert site.open().backup() is not None


def test_a_save_clears_the_journal(site: Place) -> None:
    store = begun(site)
    store.append([INTENT])
    assert store.appended
    store.append([DONE, INTENT])
    full = len((site.holds("journal") or b"").rstrip(b"\0"))
    store.save(store.read().state)
    assert len((site.holds("journal") or b"").rstrip(b"\0")) < full
    assert (found(site).pending, found(site).journaled) == ({}, False)


def test_what_is_in_doubt_survives_the_snapshot(site: Place) -> None:
    store = begun(site)
    store.append([INTENT])
    store.save(store.read().state, [INTENT])
    assert found(site).pending == {"i-1": INTENT}


def test_a_run_that_only_looked_appends_nothing(site: Place) -> None:
    store = begun(site)
    assert not store.appended
    store.close()
    store.close()  # a second time does nothing
    assert found(site).fresh


# ---- a run that is killed -----------------------------------------------------------------------------------


def test_an_intent_is_durable_when_append_returns(site: Place) -> None:
    killed(site, lambda store: store.append([INTENT]))
    loaded = found(site)
    assert (loaded.state.bindings, loaded.pending, loaded.fresh) == ({}, {"i-1": INTENT}, False)


def test_a_result_is_durable_when_append_returns(site: Place) -> None:
    killed(site, lambda store: (store.append([INTENT]), store.append([DONE])))
    loaded = found(site)
    assert (loaded.state.bindings, loaded.pending, loaded.journaled) == ({DATA: BINDING}, {}, True)


def test_a_snapshot_is_durable_when_save_returns(site: Place) -> None:
    killed(site, lambda store: store.save(attrs.evolve(store.read().state, bindings={DATA: BINDING})))
    assert (found(site).state.serial, found(site).state.bindings) == (1, {DATA: BINDING})


def test_the_next_run_goes_on_with_the_journal(site: Place) -> None:
    killed(site, lambda store: store.append([INTENT]))
    killed(site, lambda store: store.append([DONE, attrs.evolve(INTENT, intent="i2", address=OTHER)]))
    loaded = found(site)
    assert (loaded.state.bindings, list(loaded.pending)) == ({DATA: BINDING}, ["i2"])
    store = begun(site)
    store.append([DONE_SECOND])
    assert set(store.save(store.read().state).bindings) == {DATA, OTHER}


def test_killed_between_snapshot_and_journal_nothing_is_counted_twice(site: Place) -> None:
    store = begun(site)
    store.append([INTENT])
    store.append([DONE])
    journal = site.holds("journal")
    store.save(store.read().state)
    site.put("journal", journal)
    loaded = found(site)
    assert (loaded.state.serial, loaded.state.bindings, loaded.pending) == (1, {DATA: BINDING}, {})


def test_what_is_recorded_after_such_a_kill_is_not_lost(site: Place) -> None:
    """The journal of the run that died is renewed before anything is added to it."""
    store = begun(site)
    store.append([INTENT])
    journal = site.holds("journal")
    store.save(store.read().state)
    site.put("journal", journal)
    killed(site, lambda again: again.append([DONE]))
    assert (found(site).state.bindings, found(site).pending) == ({DATA: BINDING}, {})


# ---- the lock -----------------------------------------------------------------------------------------------


def test_one_run_at_a_time_has_the_lock(site: Place) -> None:
    first, second = site.open().lock, site.open().lock
    assert not first.held() and first.holder() is None
    owner = this_process("flowplan apply", {}, "2026-01-02T03:04:05Z")
    first.acquire(owner)
    first.verify()
    with pytest.raises(Locked, match=r"is held by"):
        second.acquire(this_process("flowplan destroy", {}, "2026-01-02T03:04:06Z"))
    with pytest.raises(StateError):
        second.verify()
    assert second.held() and second.holder() == owner
    with pytest.raises(FlowplanError, match="alive"):
        second.break_(owner.id, owner)
    first.release()
    first.release()  # a second time does nothing
    second.acquire(owner)
    with pytest.raises(StateError):
        first.verify()
    second.release()


def test_the_lock_of_a_run_that_was_killed_is_free(site: Place) -> None:
    if not getattr(site, "forks", True):
        pytest.skip("its run is killed from the command line: tests/cli/test_state_in_s3.py")
    killed(site, lambda begun: begun.store.lock.acquire(this_process("flowplan apply", {}, "now")))
    lock, said = site.open().lock, list[str]()
    assert lock.holder() is not None and not lock.held()
    lock.acquire(this_process("flowplan apply", {}, "later"), say=said.append)
    assert len(said) == 1 and "died" in said[0]
    lock.release()


def test_a_lock_that_can_be_taken_is_not_out_of_reach(site: Place) -> None:
    assert site.open().lock.out_of_reach() is None


def test_it_is_one_lock_however_often_it_is_asked_for(site: Place) -> None:
    store = site.open()
    store.lock.acquire(this_process("flowplan apply", {}, "now"))
    store.lock.verify()
    store.lock.release()


def test_nothing_is_written_once_the_lock_is_lost(site: Place) -> None:
    lost = False

    def hold() -> None:
        if lost:
            raise StateError("the lock was taken away")

    store = Run.of(site.open(hold))
    store.append([INTENT])
    before = site.holds("journal")
    lost = True
    for write in (lambda: store.append([DONE]), lambda: store.save(store.read().state)):
        with pytest.raises(StateError, match="taken away"):
            write()
    assert (site.holds("journal"), site.holds("snapshot")) == (before, None)


def test_a_run_that_lost_its_lock_does_not_spoil_what_its_successor_wrote(site: Place) -> None:
    first = begun(site)
    first.append([INTENT])
    second = begun(site)
    second.append([attrs.evolve(INTENT, intent="i2", address=OTHER)])
    with pytest.raises(StateError):
        first.append([DONE])
    second.append([DONE_SECOND])
    assert (set(found(site).state.bindings), list(found(site).pending)) == ({OTHER}, ["i-1"])
    first.overflow([DONE])
    assert (set(found(site).state.bindings), found(site).pending) == ({DATA, OTHER}, {})


# ---- what cannot be written ---------------------------------------------------------------------------------


def overflowed(site: Place) -> None:
    """A run whose place filled up after the intent, and whose result overflowed."""
    store = begun(site)
    store.append([INTENT])
    with site.full(), pytest.raises(StateError, match="No space left"):
        store.append([DONE])
    with pytest.raises(StateError):  # whether it is there is not known, so nothing more is appended
        store.append([DONE])
    assert store.overflow([DONE, INTENT]) is not None


def test_with_no_room_not_even_the_first_record_is_taken(site: Place) -> None:
    store = begun(site)
    with site.full(), pytest.raises(StateError, match="No space left"):
        store.append([INTENT])
    assert found(site).pending == {}


def test_what_overflowed_is_read_with_the_journal(site: Place) -> None:
    overflowed(site)
    loaded = found(site)
    assert (loaded.state.bindings, loaded.pending, loaded.journaled) == ({DATA: BINDING}, {}, True)
    assert site.open().overflowed(loaded.state.lineage) == (DONE,)
    assert site.kept_elsewhere() == 1  # reading moves nothing


def test_the_next_run_takes_over_what_overflowed(site: Place) -> None:
    overflowed(site)
    killed(site, lambda store: store.append([]))
    assert site.kept_elsewhere() == 0
    assert found(site).state.bindings == {DATA: BINDING}


def test_a_snapshot_takes_over_what_overflowed(site: Place) -> None:
    overflowed(site)
    store = site.open()
    store.save(store.read().state)
    assert site.kept_elsewhere() == 0
    assert found(site).state.bindings == {DATA: BINDING}


def test_what_overflows_next_leaves_the_first(site: Place) -> None:
    overflowed(site)
    begun(site).overflow([DONE_SECOND])
    assert set(found(site).state.bindings) == {DATA, OTHER}


def test_what_overflows_after_that_has_nothing_twice(site: Place) -> None:
    store = begun(site)
    store.append([INTENT])
    store.append([DONE])
    kept = [store.overflow([one]) for one in (DONE_SECOND, Closed("i-9", "x"))]
    found = site.open().overflowed(site.open().read().state.lineage)
    assert (len(set(kept)), found.count(DONE) <= 1, found.count(DONE_SECOND)) == (1, True, 1)


def test_nothing_to_keep_is_kept_nowhere(site: Place) -> None:
    store = begun(site)
    store.append([INTENT])
    assert store.overflow([]) is None
    assert site.kept_elsewhere() == 0


def test_a_snapshot_that_cannot_be_written_leaves_the_state_as_it_was(site: Place) -> None:
    saved = run(site)
    store = begun(site)
    with site.full(), pytest.raises(StateError):
        store.save(attrs.evolve(saved, bindings={}))
    assert found(site).state == saved


# ---- absent, damaged, gone back, another's ------------------------------------------------------------------


@pytest.mark.parametrize("damage", [b"", b"{", b"\0" * 99, b"[]"])
def test_damage_is_never_an_empty_state(site: Place, damage: bytes) -> None:
    run(site)
    run(site)
    site.put("snapshot", damage)
    with pytest.raises(StateError) as caught:
        found(site)
    assert "state restore" in (caught.value.hint or "")
    assert caught.value.detail is not None and "is intact: serial 1" in caught.value.detail
    site.put("backup", damage)
    with pytest.raises(StateError) as caught:
        found(site)
    assert caught.value.detail is None
    assert "state restore" not in (caught.value.hint or "")  # no remedy is named that is none
    assert "flowplan recover --from-live" in (caught.value.hint or "")


@pytest.mark.parametrize("with_backup", [True, False])
def test_missing_with_traces_is_an_error(site: Place, with_backup: bool) -> None:
    run(site)
    site.put("snapshot", None)
    if not with_backup:
        site.put("backup", None)
    with pytest.raises(StateError, match="missing") as caught:
        found(site)
    assert ("state restore" in (caught.value.hint or "")) == with_backup
    assert "flowplan recover --from-live" in (caught.value.hint or "")


def test_an_older_snapshot_is_an_error(site: Place) -> None:
    run(site)
    old = site.holds("snapshot")
    run(site)
    site.put("snapshot", old)
    with pytest.raises(StateError, match="went back: its serial is 1, but an earlier run here saw 2"):
        found(site)


def test_another_stacks_journal_is_an_error(site: Place, foreign: Place) -> None:
    run(site)
    site.put("journal", foreign.holds("journal"))
    with pytest.raises(StateError, match="different stacks"):
        found(site)


def test_a_journal_that_is_torn_loses_only_its_last_record(site: Place) -> None:
    killed(site, lambda store: (store.append([INTENT]), store.append([DONE])))
    journal = (site.holds("journal") or b"").rstrip(b"\0")
    site.put("journal", journal[:-5])
    assert (found(site).state.bindings, found(site).pending) == ({}, {"i-1": INTENT})
    killed(site, lambda store: store.append([DONE]))
    assert (found(site).state.bindings, found(site).pending) == ({DATA: BINDING}, {})


def test_a_journal_damaged_before_its_end_is_an_error(site: Place) -> None:
    killed(site, lambda store: (store.append([INTENT]), store.append([DONE])))
    journal = site.holds("journal") or b""
    site.put("journal", journal.replace(b'"record":"intent"', b'"record":"extent"'))
    with pytest.raises(StateError, match="damaged"):
        found(site)


def test_beginning_anew_sets_everything_aside(site: Place) -> None:
    before = run(site)
    site.put("journal", b"x")
    kept = site.open().begin_anew()
    assert len(kept) == 3
    assert found(site).fresh
    assert run(site).lineage != before.lineage


# ---- what restore puts back ---------------------------------------------------------------------------------


def two_runs(site: Place, after: str = "") -> bytes | None:
    """Serial 2, with a backup of serial 1; returns the snapshot of serial 1. `after`: the id that the journal has
    since."""
    run(site)
    first = site.holds("snapshot")
    again = begun(site)
    again.append([INTENT])
    again.save(again.read().state)
    if after:
        last = begun(site)
        last.append([Done("i2", OTHER, attrs.evolve(SECOND, id=after))])
        last.close()
    return first


def test_what_is_in_order_is_not_restored(site: Place) -> None:
    two_runs(site)
    with pytest.raises(StateError, match="is intact; nothing was restored"):
        site.open().restore()


def test_where_there_is_no_state_nothing_is_said_to_be_intact(site: Place) -> None:
    with pytest.raises(StateError, match="and nothing to restore"):
        site.open().restore()


def test_a_damaged_snapshot_is_replaced_by_the_backup_and_what_the_journal_holds(site: Place) -> None:
    two_runs(site, after="vol_2")
    site.put("snapshot", b"{")
    restored = site.open().restore()
    assert (restored.of_backup, restored.state.serial, set(restored.state.bindings)) == (True, 3, {DATA, OTHER})
    assert restored.state.put_back == 3  # no plan that was saved before that is applied any more
    assert len(restored.damaged) == 1
    assert found(site).state == restored.state


def test_of_a_damaged_journal_the_snapshot_is_kept(site: Place) -> None:
    """It is newer than the backup: going back to that would forget what the last run made."""
    two_runs(site)
    snapshot = found(site).state
    site.put("journal", b"x" + (site.holds("journal") or b""))
    with pytest.raises(StateError):
        found(site)
    restored = site.open().restore()
    assert (restored.of_backup, restored.state.serial) == (False, snapshot.serial + 1)
    assert restored.state.bindings == snapshot.bindings
    assert len(restored.damaged) == 1
    assert found(site).state == restored.state


def test_of_a_snapshot_that_went_back_nothing_older_is_taken_for_new(site: Place) -> None:
    """Its serial is higher than any that was seen, so that nothing older passes for it later."""
    first = two_runs(site, after="vol_2")
    site.put("snapshot", first)
    with pytest.raises(StateError, match="went back"):
        found(site)
    restored = site.open().restore()
    assert (restored.state.serial, set(restored.state.bindings)) == (3, {DATA, OTHER})
    assert found(site).state == restored.state


@pytest.mark.parametrize("backup", ["none", "foreign too"])
def test_it_is_not_guessed_which_of_two_stacks_belongs_here(site: Place, foreign: Place, backup: str) -> None:
    two_runs(site)
    site.put("journal", foreign.holds("journal"))
    if backup == "none":
        site.put("backup", None)
    parts: tuple[Part, ...] = ("snapshot", "journal", "backup")
    before = [site.holds(part) for part in parts]
    with pytest.raises(StateError, match="different stacks") as caught:
        site.open().restore()
    assert caught.value.hint == "move away the one that does not belong here"
    assert [site.holds(part) for part in parts] == before


def test_of_two_stacks_the_one_is_taken_that_journal_and_backup_agree_on(site: Place, foreign: Place) -> None:
    two_runs(site)
    lineage = found(site).state.lineage
    site.put("snapshot", foreign.holds("snapshot"))
    restored = site.open().restore()
    assert (restored.state.lineage, restored.of_backup, restored.state.serial) == (lineage, True, 3)
    assert len(restored.damaged) == 1  # the other's state is kept


def test_with_nothing_that_reads_the_remedy_is_what_is_live(site: Place) -> None:
    two_runs(site)
    for part in ("snapshot", "backup"):
        site.put(part, b"{")
    with pytest.raises(StateError, match=r"there is no .*backup to restore") as caught:
        site.open().restore()
    assert "flowplan recover --from-live" in (caught.value.hint or "")


@pytest.mark.parametrize("damage", [b"", b"{", None])
def test_the_first_state_can_be_restored_too(site: Place, damage: bytes | None) -> None:
    saved = run(site)
    site.put("snapshot", damage)
    assert site.open().restore().state.bindings == saved.bindings


def test_what_somebody_said_is_in_the_backup_too(site: Place) -> None:
    """No look at the cloud could tell it again."""
    run(site)
    store = site.open()
    store.save(store.read().state, stated=True)
    site.put("snapshot", b"{")
    assert site.open().restore().state.serial == 3


def test_what_is_restored_counts_what_overflowed(site: Place) -> None:
    overflowed(site)
    for _ in range(2):
        store = site.open()
        store.save(store.read().state)
    begun(site).overflow([DONE_SECOND])
    site.put("snapshot", b"")
    assert set(site.open().restore().state.bindings) == {DATA, OTHER}


def test_what_overflowed_and_cannot_be_read_for_once_is_no_damage(site: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    overflowed(site)
    failures = iter([OSError(errno.EIO, os.strerror(errno.EIO))])

    def read(path: Path, limit: int) -> bytes:
        for failure in failures:
            raise failure
        return path.read_bytes()

    monkeypatch.setattr("flowplan.backends.overflow.read_regular", read)
    with pytest.raises(StateError, match="cannot be read: Input/output error"):
        site.open().restore()
    with pytest.raises(StateError, match="is intact; nothing was restored"):
        site.open().restore()
