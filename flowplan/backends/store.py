"""What every place for a state must offer, and what it gives. A new backend implements `Store` and passes
tests/contracts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from attrs import field

from flowplan.classes import frozen
from flowplan.errors import StateError
from flowplan.model.address import Address
from flowplan.model.owner import Owner
from flowplan.state.form import Form
from flowplan.state.seal import Unopened
from flowplan.state.state import Binding, State

if TYPE_CHECKING:
    from flowplan.backends.sent import Sent
    from flowplan.state.history import Change, Rewritten, Version
    from flowplan.state.records import Intent, Record
    from flowplan.state.restored import Restored

UNREADABLE = "no version that is kept can be read"
UNKNOWN_SINCE = "what was created since is not known then"


@frozen
class Loaded:
    """What was found. `fresh`: nothing was ever applied here. `pending`: operations whose outcome is in doubt. `saved`:
    what the snapshot holds, where the journal was read on top of it."""

    state: State
    pending: Mapping[str, Intent] = field(factory=dict)
    fresh: bool = False
    journaled: bool = False  # the journal (or what overflowed) holds results that the snapshot does not
    saved: Mapping[Address, Binding] | None = field(default=None, eq=False)
    unread: StateError | None = field(default=None, eq=False)  # why what overflowed is not in it; None: it is

    @property
    def before(self) -> Mapping[Address, Binding]:
        """What the version that was saved last holds: what a run that was killed has made or ended since is new in the
        next one."""
        return self.state.bindings if self.saved is None else self.saved

    @property
    def empty(self) -> bool:
        """Whether there is nothing that could be taken away, as in a fresh one."""
        return not self.state.bindings and not self.pending


class StateLock(Protocol):
    """Excludes every other run that would change the same state, on whatever machine."""

    @property
    def name(self) -> str:
        """How messages name it."""

    def out_of_reach(self) -> str | None:
        """Why this process cannot take it, or change anything with it, though it may look without it: a sentence. None:
        it can try."""

    def acquire(
        self,
        owner: Owner,
        *,
        timeout: float = 0,
        say: Callable[[str], None] = ...,
        stopped: Callable[[], bool] = ...,
    ) -> None:
        """Take it for `owner`, waiting up to `timeout` seconds, or until `stopped`; `say` gets a line when there is
        something to wait for, or a dead run's lock is taken over. Raises Locked with who holds it, NoLocks where
        nothing can be locked, StateError for anything else. When it returns, nobody else has it, and `holder` is
        `owner`."""

    def verify(self) -> None:
        """Raise StateError unless it is still ours."""

    def release(self) -> None:
        """Release it, also after an `acquire` that was interrupted; a second time does nothing. Raises no error."""

    def holder(self) -> Owner | None:
        """Who it names: the one that holds it, or a run that died with it. None: nobody."""

    def untold(self) -> str | None:
        """Why it may be held although it names nobody: a sentence. None: it would name its holder."""
        return None

    def held(self) -> bool:
        """Whether some run holds it right now. Raises StateError where that cannot be seen."""

    def break_(self, id: str, here: Owner) -> Owner:
        """Take it from the run `id`, which is dead, and return that; `here`: who asks. Raises FlowplanError where
        another holds it, or nobody, or one that is alive; then nothing is changed."""


class Journal(Protocol):
    """What one run records, in addition to the state that it was prepared with."""

    @property
    def appended(self) -> bool:
        """Whether this run has recorded anything."""

    def append(self, records: Iterable[Record]) -> None:
        """Add `records` to the journal, all or none; they are durable when this returns.

        The first call makes room ahead, so that full storage is met before anything is bought, and takes over what
        overflowed from earlier runs. Raises StateError, and then never appends again: whether the records are there is
        not known then, and another run may have gone on.
        """

    def overflow(self, records: Iterable[Record]) -> str | None:
        """Keep in another place, on this machine, the results among `records` that `append` could not take: durable
        when it returns how messages name that place. None: there are none. The next `read` here counts them. Raises
        StateError where they cannot be kept."""


class Store(Protocol):
    """The state of one stack: a snapshot, the journal of what was done since, and a backup of the snapshot before.

    One store is one run's: `read`, then `prepare`, then `append` before and after each call, then `save`. A run that
    asks somebody in between may `close` it, release the lock, and begin again with `read` under the next. A kill at any
    instruction leaves a state that reads, in which every result that `append` took is counted, and every intent without
    a result is pending. Reading needs no lock, and writes nothing; all that writes asks first whether the lock is ours.
    """

    @property
    def name(self) -> str:
        """How messages name the state: a file, or a URL without what is secret in it."""

    @property
    def identity(self) -> str:
        """What tells it from every other state: an absolute path, links followed, or a URL without what is secret."""

    @property
    def typed(self) -> str:
        """How somebody names it who types a command: its identity with what else of a URL is needed and not secret, as
        a user and how the server is to prove itself. "": the identity says all."""
        return ""

    @property
    def tried(self) -> bool:
        """Whether the place was found to keep a second run out. Of a server that is not known before the first lock is
        taken from this machine: it is found out with writes. Raises StateError."""
        return True

    @property
    def sends(self) -> Sent | None:
        """What this run sends to the server of the state, and is secret; None: nothing. It is sent with the first
        question, and not before."""
        return None

    @property
    def base(self) -> Path:
        """The directory from which the state names the files of its configuration."""

    @property
    def form(self) -> Form:
        """How its run reads and writes the state."""

    @property
    def lock(self) -> StateLock:
        """The lock of this state: always the same object."""

    @property
    def watch_lock(self) -> StateLock:
        """The lock of the one that watches this state: always the same object. It excludes other watchers alone, never
        a run that has `lock`. Where the server lets locks run out, that of a watcher which died is free in a minute;
        where the server has no lock for it, everybody gets it, and `say` of `acquire` hears so."""

    def hold_usable(self) -> None:
        """Raise UsageProblem where there can be no state, so that its name must be wrong: an empty state would say that
        nothing exists."""

    def reach(self) -> None:
        """A run is about to take the lock, and to read: begin to ask the server, without waiting for it. Nothing is
        written. What goes wrong is raised by `acquire` and `read`."""

    # -- reading

    def untouched(self) -> bool:
        """Whether nothing is on a server where the state is to be, so that a lock would begin one there. Nobody is
        asked who is not asked anyway, where this machine has seen one, or the lock's record is asked for ahead. Raises
        StateError."""
        return False

    def read(self, *, stops: bool = False) -> Loaded:
        """The state as it is now: the snapshot, with what journal and overflow hold on top of it. For who only `stops`
        what costs money, an overflow that cannot be read is left out, and stays as it is.

        Absent (nothing was ever here) is `fresh`, with a lineage of its own; damaged, missing with traces, gone back to
        an older serial, or another stack's is StateError, whose hint is a remedy that helps, and never an empty state.
        """

    def fresh(self) -> Loaded:
        """What a first run begins with, whatever is here: a lineage that no other state has, serial 0."""

    def exists(self) -> bool:
        """Whether there is a snapshot, be it damaged."""

    def backup(self) -> str | None:
        """The name of a backup that reads; None: there is none."""

    def overflowed(self, lineage: str) -> tuple[Record, ...]:
        """The results that overflowed from the state `lineage`; a later save includes them. Raises
        StateError for some that cannot be read."""

    def versions(self) -> tuple[Version, ...]:
        """The versions that are kept and read, also those of other lineages, the oldest first. Raises StateError for
        some that must not be trusted."""

    def version(self, lineage: str, serial: int) -> State:
        """The state of one of them. Raises StateError for one that is not there, or does not read."""

    # -- writing

    def prepare(self, state: State) -> Journal:
        """The journal of this run, which continues `state`. Nothing is written before the first `append`."""

    def hold_savable(self) -> None:
        """Raise StateError where `save` would fail though `append` would not, as far as this can be found out before
        anything is begun that has to be saved."""

    def hold_allowed(self) -> None:
        """Raise StateError where a server says that nothing may be written there, for who only looks: who writes finds
        out. Nothing is written."""

    def save(self, state: State, pending: Iterable[Intent] = (), *, stated: bool = False) -> State:
        """Replace the snapshot by `state`, whole, with the next serial; the snapshot before becomes the backup (the
        first is its own), and the journal goes on with `pending` alone. Returns the state as saved; it is durable then.

        `stated`: somebody said what is in it (`state rm`, `mv`, `import`), which no look at the cloud could tell again:
        the backup has it too. Raises StateError; then the state reads as before or as saved.
        """

    def keep(self, saved: State, change: Change | None) -> None:
        """Keep `saved`, as `save` has returned it, among the versions, and the state before it if it is not there; of
        more than `MOST_VERSIONS` the oldest go, and of more than `LEAST_VERSIONS` those that are `outdated`
        (state/history.py). `change` None: who saved it is not known. The state itself is as it was
        saved, whatever happens here. Raises StateError: the version is not kept, all others are."""

    def rewrite_versions(self) -> Rewritten:
        """Write every version that is kept again, in the form of this run. Raises StateError."""

    def purge(self) -> None:
        """Remove what the last `save` of this run has replaced, as far as it is there yet, and what killed runs left
        half-written: nobody reads it any more, and it may be in another form than what counts. Only under the lock.
        Raises StateError where some of it stays."""

    def close(self) -> None:
        """End the run; a second time does nothing. Raises StateError when only now a write turns out to have failed."""

    # -- mending

    def restore(self) -> Restored:
        """Put back the newest version that reads, snapshot or backup, with what journal and overflow hold on top of it;
        where neither reads, or both are from before what the journal continues, the version that was kept of the
        snapshot.

        Its serial is higher than any seen here, and `put_back` of it is that serial. Raises StateError when none reads,
        when it cannot be known which stack belongs here, or when everything is in order; then nothing is changed.
        """

    def begin_anew(self) -> list[str]:
        """Set aside whatever is here, also what cannot be read; returns where. The next `read` is a fresh start."""


def left_behind(store: Store) -> State | None:
    """The last version, where it is what was left when the state moved from there, or what was still arriving; None:
    it is neither. Raises StateError for a last version without resources that does not read."""
    last = next(reversed(store.versions()), None)
    if last is None:
        return None
    try:
        left = store.version(last.lineage, last.serial)
    except StateError:
        if last.resources:
            return None
        raise
    return left if left.moved_to or left.moving_from else None


def last_readable(store: Store) -> Version | None:
    """The newest version of the state saved last that this run, with its keys, can read; None: there is none."""
    kept = store.versions()
    for one in reversed(kept):
        if one.lineage == kept[-1].lineage:
            with suppress(StateError):
                store.version(one.lineage, one.serial)
                return one
    return None


def without_newest(store: Store, error: StateError) -> str:
    """What to type where the newest version does not read, as `error` says: a key may open it, and an older one that
    reads takes its place only by force."""
    reads = last_readable(store)
    older = UNREADABLE
    if reads is not None:
        restore = f"`flowplan state restore {reads.serial} --force`"
        older = f"{restore} restores the newest version that can be read; {UNKNOWN_SINCE}"
    return "; ".join(filter(None, [error.hint if isinstance(error, Unopened) else None, older]))
