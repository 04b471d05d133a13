"""Move a state to another place, so that at each moment at most one of the two can be applied from.

TO gets a copy that says that it is still arriving, with the operations in doubt and the versions; it is read back. Then
what is left at FROM says where the state went, and only then TO may be used. Wherever a run is cut off, the same
command goes on: until FROM is closed it is the state, and the copy is written again; after that TO is opened.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import attrs

from flowplan.backends.store import Loaded, left_behind
from flowplan.classes import frozen
from flowplan.documents.state import Migrated
from flowplan.errors import FlowplanError, StateError, UsageProblem
from flowplan.operations.opening.both_places import Names, both_places, hold_own_secrets
from flowplan.operations.opening.loading import hold_not_lost
from flowplan.operations.opening.saving import keep_version, save_state
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from flowplan.printable import shown
from flowplan.state.moving import command_word, hold_in_use
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.state.history import Version, VersionId
    from flowplan.state.records import Intent

BEYOND = 1000  # saves that the old place may have seen since the copy was made


def migrate(session: Session, source: str, target: str, *, force: bool = False) -> Migrated:
    """Move the state from `source` to `target`, each named as `--state` would name it; goes on with what an earlier
    run has begun, and does nothing where it is done. `force`: where the source has lost the state since, go on with
    what had arrived at the target. Raises UsageProblem for one and the same place, StateError where there is no state,
    where the target holds another one, or where it does not read back as it was; Locked."""
    here, there = both_places(session.settings, source, target)
    with _at(session, here) as old, _at(session, there) as new:
        if old.identity == new.identity:
            raise UsageProblem(f"{shown(source)} and {shown(target)} are the same state", hint="name another place")
        hold_own_secrets(old.store, new.store, there.environ)
        with session.unwound():
            _looked(old, new, force=force).hold()  # a lock is a write, too
        first, second = sorted((old, new), key=lambda one: one.identity)  # two that cross each other do not wait
        with first.changing(), second.changing():
            return attrs.evolve(_looked(old, new, force=force).run(), named=_is_named(session, new))


@contextmanager
def _at(session: Session, settings: Settings) -> Iterator[Session]:
    with Session(settings, session.listener, session.interruption) as there:
        yield there


def _looked(old: Session, new: Session, *, force: bool) -> _Move:
    """The move, as both places are now."""
    found = old.store.read()
    # What was left at the target before the state was encrypted becomes nothing but a serial that is passed.
    in_use = not found.fresh and not found.state.moved_to
    new.store.form.allow_plaintext = in_use or new.settings.allow_plaintext
    return _Move(old, new, found, _there(new), force)


def _there(new: Session) -> Loaded:
    """What is at the target, also a part of an earlier move."""
    loaded = new.store.read()
    if loaded.fresh and left_behind(new.store) is None:
        hold_not_lost(new)
    return loaded


def _is_named(session: Session, new: Session) -> bool:
    """Whether commands that say nothing of it use that state here."""
    try:
        with _at(session, attrs.evolve(session.settings, state="", endpoint="")) as plain:
            return plain.identity == new.identity
    except FlowplanError:
        return False


@frozen
class _Move:
    """The move of what was `found` at `old`, where `new` holds what is `there`; both are locked."""

    old: Session
    new: Session
    found: Loaded
    there: Loaded
    force: bool = False

    @property
    def _names(self) -> Names:
        return Names(self.old.files(), self.new.files())

    def hold(self) -> None:
        """Raise StateError for what cannot be moved, or finished. Nothing is written."""
        state, name = self.found.state, self.old.store.name
        if state.moved_to:
            self._hold_arrived()
        elif self._is_lost:
            self._hold_forced()
        elif self.found.fresh:
            raise StateError(
                f"there is no state at {name}",
                hint="name the place that has the state first: flowplan state migrate FROM TO",
            )
        else:
            hold_in_use(state, name)
            self._hold_free()
        # The place that has the state says who can read it; what the other one has left may be for others.
        forms = [self.old.store.form, self.new.store.form]
        if state.moved_to or self._is_lost:
            forms.reverse()
        forms[0].hold_recipients()
        forms[1].change_recipients = True

    @property
    def _encrypts(self) -> bool:
        """Whether the state may be in the clear at the old place, and is not at the new one."""
        form = self.old.store.form
        return form.seal is not None and form.allow_plaintext

    @property
    def _is_lost(self) -> bool:
        """Whether the old place has lost the state since it began to move."""
        return self.found.fresh and self.there.state.moving_from == self.old.identity

    def run(self) -> Migrated:
        """Move it, or end what an earlier run has begun. Raises StateError."""
        self.hold()
        for one in (self.old, self.new):
            one.so_far = "the move may not have finished: run the same command again, which goes on from there"
        if self.found.state.moved_to:
            return self._finish()
        if self._is_lost:
            return self._go_on_without()
        arrived, pending = self._copy()
        self._seal_versions()
        self._close(self._left(self.found.state, self.found.state.serial))
        return self._open(arrived, pending)

    def _hold_forced(self) -> None:
        """Raise StateError where the old place may have the state yet, or nobody has said that it shall go on
        without."""
        hold_not_lost(self.old)
        if not self.force:
            raise StateError(
                f"there is no state at {shown(self.old.store.name)} any more; what had arrived at "
                f"{self.new.store.name} is of serial {self.there.state.serial - 1}",
                hint="--force goes on with that, and closes the other place, which must not come back",
            )

    def _go_on_without(self) -> Migrated:
        """The old place has lost the state, and has no version of it: what had arrived goes on, once the old place says
        so too, with a serial above any that it can have had."""
        there = self.there.state
        serial = there.serial + BEYOND
        self._close(self._left(there, serial))
        self.new.listener.note("what was made since is not in it: `flowplan plan` finds bids by their marker")
        return self._open(attrs.evolve(there, serial=serial).as_put_back(), tuple(self.there.pending.values()))

    def _hold_arrived(self) -> None:
        """Raise StateError where the old place is closed, and the new one has not what went there."""
        old, there, name = self.found.state, self.there.state, self.new.store.name
        if old.moved_to != self.new.identity:
            hold_in_use(old, self.old.store.name)
        if self.there.fresh or there.lineage != old.lineage:
            raise StateError(
                f"the state has moved to {shown(name)}, and is not there any more",
                hint=f"`flowplan recover --from-live --state {command_word(name)}` rebuilds it of what is live",
            )
        if there.moving_from != self.old.identity:
            hold_in_use(there, name)

    def _finish(self) -> Migrated:
        """The old place is closed already: the new one is opened, if that is what is left to do."""
        there, pending = self.there.state, tuple(self.there.pending.values())
        if there.moving_from == self.old.identity:
            # Whoever closed it may have been killed before the rest of it was written, and no later run writes there.
            self._close(self.found.state)
            return self._open(there, pending)
        if self._encrypts:  # a server removes what a save has replaced, and may have refused that the first time
            self._close(self.found.state)
        else:
            self._keep_left(self.found.state)
            self.old.store.purge()
        self.new.store.purge()
        return self._done(there, pending, already=True)

    def _hold_free(self) -> None:
        """Raise StateError unless the target holds nothing, a part of this move, what is left of this state since it
        went from there, or the same as the old place."""
        there, state = self.there.state, self._names.state(self.found.state)
        ours = there.lineage == state.lineage
        begun = there.moving_from == self.old.identity or (bool(there.moving_from) and there.serial < state.serial)
        same = there == state and not self.there.pending
        if self.there.fresh or (ours and (begun or there.moved_to or same)):
            return
        whose = "this stack, which continues another one" if ours else "another stack"
        raise StateError(
            f"{self.new.store.name} holds a state of {whose} (lineage {there.lineage}, serial {there.serial}); "
            "nothing was moved",
            hint="find out which of the two is in use, and move the other one away" if ours else "name an empty place",
        )

    # -- the three steps

    def _copy(self) -> tuple[State, tuple[Intent, ...]]:
        """Write all of it to the target, as what is still arriving, and read it back."""
        state, store = self._names.state(self.found.state), self.new.store
        pending = tuple(self._names.intent(one) for one in self.found.pending.values())
        serial = state.serial if self.there.fresh else max(state.serial, self.there.state.serial)
        arriving = attrs.evolve(state, serial=serial, moving_from=self.old.identity)
        saved = store.save(arriving, pending, stated=True)
        # A version too, before those that could be put back: who removes the rest does not get a second state of them.
        keep_version(self.new, saved, before=saved.bindings)
        with self.new.listener.busy("copying the versions of the state..."):
            if store.form.seal is not None:  # those of an earlier time may be for others
                store.rewrite_versions()
            copied = self._copy_versions()
        self._hold_read_back(saved, pending, copied)
        return saved, pending

    def _copy_versions(self) -> dict[VersionId, State]:
        """Those that the target lacks."""
        old, new, copied = self.old.store, self.new.store, {}
        known = {one for one in new.versions() if one.change is not None}  # by who saved it: what arrives has another
        for version in old.versions():
            if version in known:
                continue
            id = _id(version)
            try:
                state = self._names.state(old.version(*id))
            except StateError as error:
                self.new.listener.note(f"version {version.serial} is not copied: {error}")
                continue
            if state.moved_to or state.moving_from:
                continue  # it is of the old place alone
            new.keep(state, version.change)
            copied[id] = state
        return copied

    def _hold_read_back(self, saved: State, pending: Iterable[Intent], copied: Mapping[VersionId, State]) -> None:
        """Raise StateError unless another look at the target finds exactly what was written, as far as it keeps it."""
        with _at(self.new, self.new.settings) as again:
            loaded, kept = again.store.read(), {_id(one) for one in again.store.versions()}
            same = loaded.state == saved and {*loaded.pending.values()} == {*pending}
            if not same or any(again.store.version(*one) != copied[one] for one in copied.keys() & kept):
                raise StateError(
                    f"{again.store.name} does not read as it was written; the state is still at {self.old.store.name}",
                    hint="run the same command again",
                )
        if lost := len(copied.keys() - kept):
            what = f"{lost} older version{'s are' if lost > 1 else ' is'}"
            self.new.listener.note(f"{self.new.store.name} keeps fewer versions: {what} only at {self.old.store.name}")

    def _seal_versions(self) -> None:
        """Those that stay at the old place are no longer in the clear either, where the state is encrypted by its move:
        no later command writes them."""
        if self._encrypts:
            with self.new.listener.busy(f"encrypting the versions at {shown(self.old.store.name)}..."):
                self.old.store.rewrite_versions()

    def _close(self, left: State) -> None:
        """Only what is `left` stays at the old place, and says where the state went."""
        self._keep_left(self.old.store.save(left, stated=True))
        if self._encrypts:
            try:
                self.old.store.purge()
            except StateError as error:  # the move goes on: what runs could not be stopped meanwhile
                name = shown(self.old.store.name)
                self.new.listener.warn(
                    f"parts of the earlier state may still be in the clear at {name}: {error}; "
                    "the same command again removes them"
                )

    def _left(self, state: State, serial: int) -> State:
        return State(
            lineage=state.lineage,
            serial=serial,
            stack=state.stack,
            api_url=state.api_url,
            project=state.project,
            project_name=state.project_name,
            put_back=state.put_back,
            moved_to=self.new.identity,
            moved_as=self.new.store.typed,
        )

    def _keep_left(self, left: State) -> None:
        """What is left is a version too: who removes or damages the rest does not get an earlier one back."""
        if left_behind(self.old.store) != left:
            keep_version(self.old, left, before={})
        self.old.elsewhere.forget()

    def _open(self, arrived: State, pending: tuple[Intent, ...]) -> Migrated:
        """From now on the target is the state."""
        opened = attrs.evolve(arrived, moving_from="")
        saved = save_state(self.new, opened, pending, before=opened.bindings, stated=True)
        return self._done(saved, pending)

    def _done(self, state: State, pending: tuple[Intent, ...], *, already: bool = False) -> Migrated:
        self._tell_watched()
        versions = sum(one.lineage == state.lineage for one in self.new.store.versions())
        where, new = self.old.store.name, self.new.store
        return Migrated(where, new.name, state, versions, len(pending), already, typed=new.typed)

    def _tell_watched(self) -> None:
        """That who watches the old place does nothing any more for what is at the new one, as far as that is seen."""
        lock = self.old.store.watch_lock
        with suppress(StateError):
            if (holder := lock.holder()) is not None and lock.held():
                self.old.listener.warn(
                    f"{holder.who} watches {shown(self.old.store.name)} ({holder.command}), and keeps nothing of what "
                    f"is at {shown(self.new.store.name)}: end that watch, and start it where the state is"
                )


def _id(version: Version) -> VersionId:
    return version.lineage, version.serial
