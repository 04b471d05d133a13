"""What the parts of a state say together, wherever they are kept: its snapshot, the journal since, and the backup, an
earlier snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, TypeVar

import attrs

from flowplan.backends.overflow import Overflow, Overflowed, news_of
from flowplan.backends.store import Loaded
from flowplan.classes import frozen
from flowplan.errors import Damaged, Remedied, StateError, Unread
from flowplan.model.address import Address
from flowplan.state.codec import hold_distinct
from flowplan.state.form import Form
from flowplan.state.journal import Header, Journal, fold
from flowplan.state.seal import Unopened
from flowplan.state.state import State, twice, without

if TYPE_CHECKING:
    from flowplan.state.history import Version
    from flowplan.state.records import Intent
    from flowplan.state.restored import Restored

READABLE = (
    "make it readable, and run the same command again; a journal that is moved away takes along what a run that was "
    "interrupted has placed"
)
NOT_RESTORED = "`flowplan recover --from-live` rebuilds the state from the markers of live bids"

Whole: TypeAlias = Literal["snapshot", "backup"]
Part: TypeAlias = Literal["snapshot", "journal", "backup"]
T = TypeVar("T")
MOST_LOOKS = 20  # at a state that other runs save meanwhile: each look again is one save


class Parts(Protocol):
    """The parts of one state. What reads one raises StateError for one that cannot be read."""

    @property
    def form(self) -> Form:
        """How its run reads it."""

    def name(self, part: Part) -> str:
        """How messages name it: where it is."""

    def short(self, part: Part) -> str:
        """How they name it beside another one."""

    def has(self, part: Part) -> bool:
        """Whether it is there, be it damaged."""

    def snapshot(self) -> bytes | None:
        """What the snapshot holds; None: there is none."""

    def read_journal(self) -> Journal:
        """The journal; without a header when there is none."""

    def whole(self, part: Whole) -> State | None:
        """The state that `part` holds; None: there is none. Raises StateError."""

    def version(self, part: Whole) -> State | None:
        """The state that `part` holds; None: there is none that reads, and that is ours. Raises no StateError."""
        try:
            return self.whole(part)
        except StateError:
            return None

    def readable_journal(self) -> Journal:
        """The journal; without a header also in the place of one that does not read. Raises no StateError."""
        try:
            return self.read_journal()
        except StateError:
            return Journal(None)


def settled(overflow: Overflow, read: Callable[[], T], name: str) -> T:
    """What `read` finds of the state `name`, when nothing of `overflow` went over into the journal meanwhile: results
    that overflowed do so with the next run's first record. Raises StateError."""
    for _ in range(MOST_LOOKS):
        there = overflow.found()
        found = read()
        if all(path.exists() for path in there):
            return found
    raise moving(name)


def on_top(loaded: Loaded, overflow: Overflow, parts: Parts, *, stops: bool = False) -> Loaded:
    """`loaded`, which `parts` say together, with what `overflow` holds of it; `stops` as of `Store.read`. Raises
    StateError, also for an id that two addresses have then."""
    kept = overflow.read(loaded.state.lineage, stops=stops)
    if kept:
        overflow.news = news_of(kept, loaded.state, parts.read_journal().records, loaded.pending)
        state, pending = fold(loaded.state, [*loaded.pending.values(), *overflow.news])
        loaded = Loaded(state, pending, journaled=True, saved=loaded.before)
    hold_distinct(loaded.state.bindings.values(), parts.name("journal"))
    return loaded if overflow.unread is None else attrs.evolve(loaded, unread=overflow.unread)


def found_in(parts: Parts) -> Loaded | None:
    """What snapshot and journal say together; None: nothing was ever here. Raises StateError."""
    data, journal = _of_one_moment(parts)
    if data is None:
        return _without_snapshot(parts, journal)
    snapshot = parts.form.load(data, parts.name("snapshot"), goes_on=True)
    header = journal.header
    if header is None:
        if parts.has("journal"):  # with a snapshot beside it, it was never left without its first frame
            raise Damaged(f"{parts.name('journal')} is damaged: its beginning is missing")
        return Loaded(snapshot)
    _hold_together(parts, snapshot, header)
    folded, pending = fold(snapshot, journal.records)
    if header.serial < snapshot.serial:  # killed between the snapshot and the journal's renewal
        return Loaded(snapshot, pending, journaled=True)
    journaled = (folded.bindings, folded.plans) != (snapshot.bindings, snapshot.plans)
    return Loaded(folded, pending, journaled=journaled, saved=snapshot.bindings)


def _of_one_moment(parts: Parts) -> tuple[bytes | None, Journal]:
    """Snapshot and journal as they stood beside each other, also where a run saves meanwhile. Raises StateError.

    A save replaces the snapshot and then renews the journal, so a journal that begins as it did before the snapshot was
    read is that snapshot's, or the one that a kill in between would have left beside it. What was added to it since
    only makes it more complete.
    """
    began = parts.read_journal().header
    for _ in range(MOST_LOOKS):
        data, journal = parts.snapshot(), parts.read_journal()
        if journal.header == began:
            return data, journal
        began = journal.header
    raise moving(parts.name("snapshot"))


def moving(name: str) -> StateError:
    """What is raised for a state that changed each time it was looked at."""
    return Remedied(f"{name} was saved again each time it was read")


def _without_snapshot(parts: Parts, journal: Journal) -> Loaded | None:
    header = journal.header
    if header is not None and header.serial == 0:  # the first apply was stopped before its first snapshot
        state, pending = fold(header.fresh(), journal.records)
        return Loaded(state, pending, journaled=bool(journal.records), saved={})
    if header is None and not parts.has("backup"):
        return None
    trace = parts.short("journal" if header is not None else "backup")
    raise Damaged(
        f"{parts.name('snapshot')} is missing, but {trace} shows that it existed",
        otherwise=f"{NOT_RESTORED}; `flowplan apply --init` starts a new state",
    )


def name_no_restore(error: StateError, parts: Parts, kept: Callable[[], State | None]) -> None:
    """Leave `state restore` out of the hint where neither a part nor a version that is `kept` could be restored."""
    there = parts.version("snapshot") or parts.version("backup")
    if isinstance(error, Damaged) and not there and kept() is None:
        error.not_kept(NOT_RESTORED)


def nothing_to_restore(name: str, found: Loaded) -> StateError:
    """Why there is nothing to mend at `name`, where `found` is read without an error."""
    if found.fresh:
        hint = "`flowplan state history` lists the versions that are kept of one that was here"
        return StateError(f"there is no state at {name}, and nothing to restore", hint=hint)
    hint = "to restore an earlier version: flowplan state restore SERIAL (`flowplan state history` lists them)"
    return StateError(f"{name} is intact; nothing was restored", hint=hint)


def _hold_together(parts: Parts, snapshot: State, header: Header) -> None:
    if header.lineage != snapshot.lineage:
        raise Damaged(
            f"{parts.short('snapshot')} and {parts.short('journal')} belong to different stacks "
            f"(lineage {snapshot.lineage} and {header.lineage})",
        )
    if header.serial > snapshot.serial:
        raise Damaged(
            f"{parts.short('snapshot')} went back: its serial is {snapshot.serial}, but an earlier run here saw "
            f"{header.serial}",
        )


def as_they_read(parts: Parts) -> tuple[dict[Whole, State], Journal]:
    """Snapshot and backup, as far as they read, and the journal; without a header in the place of one that does not.

    Raises Unread for what may be whole, and Unopened where no key of this run reads snapshot or journal: put back
    without it, the state would have forgotten what it says.
    """
    journal = _unless_damaged(parts.read_journal) or Journal(None)
    snapshot = _unless_damaged(lambda: parts.whole("snapshot"))
    try:
        backup = _unless_damaged(lambda: parts.whole("backup"))
    except Unopened:
        backup = None
    found: dict[Whole, State | None] = {"snapshot": snapshot, "backup": backup}
    return {part: state for part, state in found.items() if state is not None}, journal


def _unless_damaged(read: Callable[[], T]) -> T | None:
    try:
        return read()
    except (Unopened, Unread):
        raise
    except StateError:
        return None


def newest(versions: Mapping[Whole, State], header: Header | None) -> Whole | None:
    """Which of `versions`, of which there is one, to go on with: the newest of the stack whose journal has this
    `header`. None: that is no version's stack, and which belongs here is not guessed."""
    if header is not None and all(state.lineage != header.lineage for state in versions.values()):
        return None
    return max(versions, key=lambda one: (_belongs(versions[one], header), versions[one].serial))


def went_back(versions: Mapping[Whole, State], header: Header | None) -> bool:
    """Whether all of `versions` of the stack are from before what the journal with this `header` continues: somebody
    put an old copy there."""
    ours = [state.serial for state in versions.values() if header is not None and state.lineage == header.lineage]
    return header is not None and bool(ours) and max(ours) < header.serial


def _belongs(state: State, header: Header | None) -> bool:
    return header is None or state.lineage == header.lineage


def highest(state: State, versions: Mapping[Whole, State], header: Header | None) -> int:
    """The highest serial that was seen here: a restored state goes on from there."""
    return max([state.serial, header.serial if header else 0, *(one.serial for one in versions.values())])


def continued(kept: Iterable[Version], header: Header | None) -> Version | None:
    """Which of the versions that are `kept`, in their order, stands for a snapshot that is lost with its backup: the
    newest; with a journal of this `header`, only the one that it continues. None: there is none."""
    found = [one for one in kept if header is None or (one.lineage, one.serial) == (header.lineage, header.serial)]
    return found[-1] if found else None


@frozen
class Mended:
    """What a state becomes that is put back: made of `part`, or of the `version` with that serial in the place of the
    backup, with the intents in doubt, and without the addresses in `doubled`, by the ids that they had. `damaged`: what
    it takes the place of."""

    part: Whole
    version: int | None
    state: State
    pending: tuple[Intent, ...]
    doubled: Mapping[str, Sequence[Address]]
    damaged: tuple[Part, ...]

    def restored(self, saved: State, part: str, aside: tuple[str, ...]) -> Restored:
        """What has come of it: it was `saved`, and what was damaged put `aside`. `part`: what its part is called."""
        from flowplan.state.restored import Restored

        name = part if self.version is None else f"version {self.version}"
        return Restored(saved, name, self.part == "backup" and self.version is None, aside, self.doubled)


def mended(
    parts: Parts,
    kept: Callable[[Journal], State | None],
    overflowed: Callable[[str], Iterable[Overflowed]],
    damage: StateError,
) -> Mended:
    """The newest that reads of `parts`, with what the journal holds on top of it, and the results that overflowed from
    its lineage. `kept`: the version that stands for a snapshot that is lost with its backup, or went back with it.
    `damage`: why it is put back; raised where it is not known which stack belongs here. Raises StateError where there
    is nothing to put back, and as `as_they_read` does."""
    versions, journal = as_they_read(parts)
    version = None if versions and not went_back(versions, journal.header) else kept(journal)
    if version is not None:
        versions = {"backup": version}
    if not versions:
        raise StateError(
            f"there is no {parts.name('backup')} to restore", detail=str(damage), hint=NOT_RESTORED
        ) from None
    part = newest(versions, journal.header)
    if part is None:
        raise StateError(str(damage), hint="move away the one that does not belong here") from None
    state, pending = fold(versions[part], journal.records)
    news = news_of(overflowed(state.lineage), state, journal.records, pending)
    state, pending = fold(state, [*pending.values(), *news])
    doubled = twice(state.bindings.values())
    state = without(state, {address for addresses in doubled.values() for address in addresses})
    serial = highest(state, versions, journal.header)
    bad: dict[Part, bool] = {"snapshot": part == "backup", "journal": journal.header is None}
    return Mended(
        part,
        None if version is None else version.serial,
        attrs.evolve(state, serial=serial).as_put_back(),
        tuple(pending.values()),
        doubled,
        tuple(one for one, is_bad in bad.items() if is_bad),
    )
