"""A state that is lost, rebuilt from the markers of live bids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import attrs

from flowplan.backends.store import last_readable
from flowplan.documents.state import AfterRecovery
from flowplan.errors import ConfigError, FlowplanError, StateError, Unread, UsageProblem
from flowplan.model import bounds
from flowplan.names import few
from flowplan.operations.looking.ahead import Ahead
from flowplan.operations.looking.unknown_stack import named
from flowplan.operations.opening.loading import hold_not_moved
from flowplan.operations.opening.saving import save_state
from flowplan.operations.opening.sources import readable
from flowplan.operations.validate import configuration
from flowplan.planning.conflicts import is_of_environment
from flowplan.planning.desired import look_up
from flowplan.printable import natural, shown
from flowplan.state.journal import fold
from flowplan.state.known import Existing, is_live, placed_bids
from flowplan.state.moving import hold_in_use
from flowplan.state.ownership import bound_bids, new_bids
from flowplan.state.rebuild import rebuild
from flowplan.state.seal import FOR_OTHERS, InTheClear, Unopened
from flowplan.state.state import State, by_api, consistent

if TYPE_CHECKING:
    from flowplan.config import Config, Source
    from flowplan.model.address import Address
    from flowplan.model.catalogue import Catalogue, Named
    from flowplan.model.live import Live, Marker
    from flowplan.model.resources import Resource
    from flowplan.operations.opening.session import Session
    from flowplan.state.history import Version

_MOST_NAMED = 3  # bids of a stack, in a message
_MARGIN = 1000  # saves since the last version that is kept, or ever
_UNREAD = (
    "make it readable; if nobody can any more, `flowplan recover --from-live --force` makes another state, from the "
    "markers of live bids, in its place"
)
_LIFETIMES = (
    "the rebuilt state has no lifetimes until the next `flowplan apply` takes them from the files: before that, "
    "`status` shows none, and a bid does not end by its lifetime where the files cannot be read"
)
_MENDED = "`flowplan plan` shows each with its place, and `flowplan import` takes a volume back"


def from_live(session: Session, paths: Sequence[str], lineage: str | None, *, force: bool = False) -> AfterRecovery:
    """The state rebuilt, and saved. `paths`: the task files, which name the stack, and by which volumes are known
    again; `lineage`: which stack, where that does not tell; `force`: also where the state is only encrypted for others,
    or may not be read. Raises UsageProblem where the state is intact, Unopened where others may have its key, Unread
    where it may be whole, ConfigError for a PATH that cannot be read, FlowplanError where nothing carries a marker."""
    sources, _ = session.sources(paths, optional=True)
    config = _configuration(session, sources)
    ahead = Ahead(session, lambda: _looked(session, config, lineage, force=force))
    with session.changing() as lock:
        project, catalogue, live, marker = ahead.under_lock()
        is_ours = config is not None and _is_of_this(config, live, marker.lineage)
        empty = State(
            lineage=marker.lineage,
            serial=_beyond(session, marker.lineage),
            stack=marker.stack,
            api_url=session.settings.api_url,
            project=project.id,
            project_name=project.name,
            name_prefix=config.name_prefix if config is not None and is_ours else "",  # "": none, or it is not known
        )
        if config is not None and not is_ours:  # which --lineage alone can choose
            what = f"name_prefix {config.name_prefix}" if config.name_prefix else "without a name_prefix"
            session.listener.warn(
                f"no bid of stack {shown(marker.stack)}, lineage {shown(marker.lineage)}, is called as the files say "
                f"({what}): another environment? the next apply with these variables changes what that one runs"
            )
        overflowed = fold(empty, session.store.overflowed(empty.lineage))[0]
        known = {address: b for address, b in overflowed.bindings.items() if is_live(b, live)}
        empty = attrs.evolve(empty, bindings=consistent(known))
        found = rebuild(empty, live, _declared(session, config, empty, catalogue, live))
        now = session.cloud().moment().earliest
        new = new_bids((live.bids[id] for id in sorted(bound_bids(found.state) & live.bids.keys())), now)
        state = attrs.evolve(found.state, placed=by_api(new))
        lock.verify()
        for path in session.store.begin_anew():
            session.listener.note(f"the rest of the old state is kept as {path}")
        saved = save_state(session, state.as_put_back(), before={})
    for note in found.notes:
        session.listener.note(note)
    if config is None or any(task.lifetime is not None for task in config.tasks.values()):
        session.listener.note(_LIFETIMES)
    return AfterRecovery(saved, rebuilt=True, without_files=not sources)


def _looked(
    session: Session, config: Config | None, lineage: str | None, *, force: bool
) -> tuple[Named, Catalogue, Live, Marker]:
    """The project, what is offered and what is live there, and whose markers count. Raises as `from_live`."""
    _hold_lost(session, lineage, force=force)
    lists = session.cloud().everything()
    project, (catalogue, live) = session.enter_and_list(State(lineage=""), config, lists)
    return project, catalogue, live, _chosen(session, config, live, lineage)


def _configuration(session: Session, sources: Sequence[Source]) -> Config | None:
    """What the files ask for; None without one, and where they have problems: what runs is to be found anyway."""
    try:
        return configuration(session, sources) if sources else None
    except ConfigError as error:
        session.listener.note(f"{error}, so its volumes do not count: {_MENDED}")
        return None


def _beyond(session: Session, lineage: str) -> int:
    """A serial above any that the state `lineage` can have had: a copy of it, or a plan that was saved, must not be
    taken for one of the state that is rebuilt."""
    found: tuple[Version, ...] = ()
    with suppress(StateError):  # there may be none that can be trusted
        found = session.store.versions()
    return max((one.serial for one in found if one.lineage == lineage), default=0) + _MARGIN


def _declared(
    session: Session, config: Config | None, empty: State, catalogue: Catalogue, live: Live
) -> Mapping[Address, Resource]:
    """What the files ask for, every name looked up; types and regions left open are those of what runs. Nothing where
    the cloud shows problems of them."""
    if config is None:
        return {}
    bids = Existing(placed=placed_bids(rebuild(empty, live, {}).state, live))
    found = look_up(config, catalogue, live, bids, ssh_keys=session.settings.ssh_keys)
    try:
        return found.faultless().resources
    except ConfigError as error:
        session.listener.note(f"{error}, so its volumes do not count: {_MENDED}")
        return {}


def _note_kept(session: Session) -> None:
    """Say so where a version of the state is kept: it holds what markers do not, as volumes that nothing uses. The
    newest that this run can read is named, for that alone can be put back; without one, why the newest does not."""
    store, last, remedy = session.store, None, ""
    with suppress(StateError):
        last = last_readable(store)
    if last is not None:
        remedy = f": `flowplan state history` lists it, and `flowplan state restore {last.serial}` puts it back"
    else:
        with suppress(StateError):
            last = next(reversed(store.versions()), None)
        remedy = ", but this run cannot read it: no key that is given opens it, or it is damaged"
    if last is not None and last.resources:
        count = f"{last.resources} resource{'' if last.resources == 1 else 's'}"
        session.note_once(
            f"version {last.serial} of the state, with {count}, is kept, and may hold more than the markers do{remedy}"
        )


def _hold_lost(session: Session, lineage: str | None, *, force: bool) -> None:
    """Raise unless the state is missing or damaged, and no backup could stand in for it. One that is not encrypted,
    beside a key, is not lost; nor, without `force`, is one that the system does not let be read, or that is encrypted
    for others: in its place they would find one that they cannot open."""
    store = session.store
    try:
        loaded = store.read()
    except InTheClear:
        raise
    except StateError as error:
        if isinstance(error, Unread) and not force:
            raise Unread(f"{error}: the state is not lost", hint=_UNREAD) from None
        if isinstance(error, Unopened):
            if not force:
                raise Unopened(f"{error}: the state is not lost", hint=FOR_OTHERS) from None
            if store.form.seal is None:
                session.note_once("what is rebuilt is not encrypted, because no key is given")
        backup = store.backup()
        if backup is not None:
            raise UsageProblem(
                f"{backup} is intact",
                hint="run `flowplan state restore` to restore it: it holds more than the markers do",
            ) from None
        hold_not_moved(session)
        _note_kept(session)
        return
    state = loaded.state
    hold_in_use(state, store.name)
    if loaded.fresh:
        hold_not_moved(session)
        session.elsewhere.hold_not_rebuilt()
        _note_kept(session)
    if state.bindings or state.released:
        hint = (
            "`flowplan recover` settles operations in doubt; of a lost stack, `flowplan orphans` lists the bids with "
            "their lineage L, and `flowplan import ADDR ID --lineage L` takes one of them in"
        )
        if lineage not in (None, state.lineage):
            take = f"`flowplan import ADDR ID --lineage {lineage}` takes a bid of that one into it"
            hint = f"it is of lineage {state.lineage}; {take}, and `flowplan orphans` lists them"
        raise UsageProblem("the state is intact: nothing is rebuilt", hint=hint)


def _chosen(session: Session, config: Config | None, live: Live, lineage: str | None) -> Marker:
    """The marker of the stack to rebuild: the one of `lineage`, else the one that is called what a first apply of
    `config` calls it here, in this environment; None: what files with problems say, if anything."""
    marked = [(bid.marker, bid.bid.name) for bid in live.bids.values() if bid.marker and not bid.ended]
    stacks = {marker.lineage: marker for marker, _ in marked if bounds.is_name(marker.lineage)}
    if lineage is not None:
        stacks = {one: marker for one, marker in stacks.items() if one == lineage}
    elif stacks:
        given = named(session) or frozenset() if config is None else frozenset({config.stack} - {""})
        called = given or {session.stack_name(State(lineage=""))}
        has_prefix = config is None and _says_prefix(session)
        others = {marker.lineage for marker, name in marked if has_prefix or _is_of_another(config, marker, name)}
        ours = {one: marker for one, marker in stacks.items() if marker.stack in called and one not in others}
        if len(ours) != 1:
            like = "as the configuration says" if given else "like this directory"
            if config is not None and config.name_prefix:
                like += f", with the name_prefix {config.name_prefix}"
            if has_prefix:
                like += "; the name_prefix, which tells environments apart, cannot be read"
            what = f"there is not exactly one live stack named {', '.join(map(shown, sorted(called)))}, {like}"
            raise _which_of(marked, stacks, what)
        stacks = ours
    if not stacks:
        what = f" of lineage {lineage}" if lineage else ""
        raise FlowplanError(f"no live bid carries a marker{what}: there is nothing to rebuild from")
    return next(iter(stacks.values()))


def _which_of(marked: Sequence[tuple[Marker, str]], stacks: Mapping[str, Marker], what: str) -> UsageProblem:
    """`what` is wrong, with all `stacks`, each with the names of some bids that are `marked` as its own."""
    names = {one: sorted((name for marker, name in marked if marker.lineage == one), key=natural) for one in stacks}
    return UsageProblem(
        what,
        detail="\n".join(
            f"--lineage {shown(one)}  stack {shown(marker.stack)}: {few([*map(shown, names[one])], _MOST_NAMED)}"
            for one, marker in sorted(stacks.items())
        ),
        hint="give the stack file whose `name` is listed here, with the variables of its environment, or choose one "
        "with --lineage",
    )


def _is_of_this(config: Config, live: Live, lineage: str) -> bool:
    """Whether a bid of the stack `lineage` may be of the environment of `config`, by its name."""
    marked = [(bid.marker, bid.bid.name) for bid in live.bids.values() if bid.marker and bid.marker.lineage == lineage]
    return any(not _is_of_another(config, marker, name) for marker, name in marked)


def _says_prefix(session: Session) -> bool:
    """Whether files that cannot be used may give names a prefix."""
    sources, _ = readable(session.paths, session.settings.directory)
    return any(b"name_prefix" in source.data for source in sources)


def _is_of_another(config: Config | None, marker: Marker, name: str) -> bool:
    """Whether a bid of that `name` is of another environment than that of `config`, whose stack has the same name and
    the same addresses."""
    return config is not None and not is_of_environment(config, marker.address, name)
