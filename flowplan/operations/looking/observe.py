"""Look at the cloud: everything that a plan is made from."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING

import attrs

from flowplan.classes import frozen
from flowplan.errors import CloudError
from flowplan.operations.looking.moment import of_one_moment
from flowplan.operations.opening.session import Session
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.cloud.looks import Looks
    from flowplan.config import Config
    from flowplan.model.address import Address
    from flowplan.model.catalogue import Catalogue, Named, Place
    from flowplan.model.live import Live
    from flowplan.operations.looking.hand_over import HandedOver
    from flowplan.planning.desired import Desired
    from flowplan.planning.prospects import Prospects
    from flowplan.state.records import Intent


@frozen
class Observed:
    """Everything a plan is made from. `state` counts what is live and ours, also where its making is in doubt, and has
    the addresses and the imported objects that the configuration names; `recorded` is it without those."""

    config: Config | None
    recorded: State
    state: State
    pending: Mapping[str, Intent]
    desired: Desired
    catalogue: Catalogue
    live: Live


def observe(
    session: Session,
    config: Config | None,
    state: State,
    pending: Mapping[str, Intent],
    *,
    kept: Mapping[Address, Place] | None = None,
    refresh: bool = True,
    partial: bool = False,
    stops: bool = False,
) -> Observed:
    """Look at the cloud, and look every name up. `state` gets its stack, API and project. Without configuration
    nothing that is offered is asked for. What is not reported stays open: see unreported.py.

    `kept`: types and regions chosen already (a saved plan's). `refresh` False: what the state knows is taken to be as
    it was applied. `partial`: the plan may leave out some of it, so what is wrong with that is for the plan to judge.
    `stops`: whatever a bid shows, it is to be cancelled: what needs only its id does not wait long for more.
    Raises ConfigError for what only the cloud shows.
    """
    project, found = session.enter_and_list(state, config, _lists(session, config, state, refresh=refresh))
    return _made_of(session, config, state, pending, project, found, kept=kept or {}, partial=partial, stops=stops)


def observed_in(session: Session, config: Config, state: State, found: tuple[Catalogue, Live]) -> Observed:
    """What `observe` returns of what was `found` in the project already, all of it, with nothing in doubt."""
    project = session.enter_project(state, config)
    return _made_of(session, config, state, {}, project, found, kept={}, partial=False, stops=False)


def observe_beside(
    session: Session,
    loaded: Loaded,
    config: Config | None,
    *,
    kept: Mapping[Address, Place] | None = None,
    refresh: bool = True,
    partial: bool = False,
    stops: bool = False,
) -> tuple[Loaded, Observed]:
    """The same without the lock, and the state that it is made of: that of `loaded`, or what other runs have made of it
    since."""

    def lists(state: State) -> Looks[tuple[Catalogue, Live]]:
        return _lists(session, config, state, refresh=refresh)

    loaded, project, (catalogue, live) = of_one_moment(session, loaded, config, lists)
    found = catalogue, live.without(session.cloud().ended)
    seen = _made_of(
        session,
        config,
        loaded.state,
        loaded.pending,
        project,
        found,
        kept=kept or {},
        partial=partial,
        stops=stops,
    )
    return loaded, seen


def _made_of(
    session: Session,
    config: Config | None,
    state: State,
    pending: Mapping[str, Intent],
    project: Named,
    found: tuple[Catalogue, Live],
    *,
    kept: Mapping[Address, Place],
    partial: bool,
    stops: bool,
) -> Observed:
    """What `observe` returns, of what was `found` in the `project`."""
    from flowplan.operations.looking.live import certain
    from flowplan.planning.desired import Desired
    from flowplan.planning.unreported import with_known_keys
    from flowplan.state.ownership import presume

    (catalogue, live), cloud = found, session.cloud()
    hurried = stops and not pending  # what is in doubt is settled by what is proved
    state = _headed(session, config, state, project)
    live = _with_strays(session, state, live, hurried=hurried)
    if any(intent.op == "delete" for intent in pending.values()):
        live = certain(cloud, state, live, says=False)  # what an interrupted run cancelled may be in no list any more
    recorded = state = presume(state, pending, live)
    taken = None
    if config is not None:
        from flowplan.operations.looking.hand_over import hand_over

        taken = hand_over(session, config, state, pending.values(), live)
        state, live = taken.state, taken.live
    live = certain(cloud, state, live, hurried=hurried, says=False)
    catalogue = with_known_keys(catalogue, state) if catalogue.unread else catalogue
    catalogue = attrs.evolve(catalogue, unread=(*session.no_projects, *catalogue.unread))
    seen = Observed(config, recorded, state, pending, Desired(), catalogue, live)
    if config is None or taken is None:
        return seen
    return attrs.evolve(seen, desired=_wanted(session, config, seen, taken, kept, partial=partial))


def _headed(session: Session, config: Config | None, state: State, project: Named) -> State:
    """`state` with the stack, the API and the project that this run is of."""
    if config is not None:
        given = config.stack
    elif not state.stack:  # a destroy without a state
        from flowplan.operations.looking.unknown_stack import name_in_files

        given = name_in_files(session)
    else:
        given = ""
    return attrs.evolve(
        state,
        stack=session.stack_name(state, given),
        api_url=session.settings.api_url,
        project=project.id,
        project_name=project.name,
    )


def _wanted(
    session: Session,
    config: Config,
    seen: Observed,
    taken: HandedOver,
    kept: Mapping[Address, Place],
    *,
    partial: bool,
) -> Desired:
    """What the files ask for where it is as `seen`, with what they say of addresses (`taken`) and of lifetimes. Raises
    ConfigError, or why something is not reported, which may be all that is wrong."""
    from flowplan.planning.moves import named, removals

    desired = _desired(session, config, seen, kept)
    if desired.problems:
        for why in (*seen.catalogue.unread, *seen.live.unlisted.values(), *seen.live.unread.values()):
            raise why from None
    if not partial:
        desired.faultless()
    desired = attrs.evolve(
        desired, named=named(config), moves=taken.moves, imports=taken.imports, removed=removals(config)
    )
    return _lived(session, desired, seen.state, seen.live)


def _lived(session: Session, desired: Desired, state: State, live: Live) -> Desired:
    """`desired` with the lifetimes that are over, and what is left of the others."""
    if not desired.lifetimes:
        return desired
    from flowplan.operations.looking.lifetimes import seen_of
    from flowplan.planning.lifetimes import left, over, unknown

    seen, every = seen_of(session, desired.lifetimes, state, live), desired.lifetimes
    ended, doubtful = over(every, state, live, seen), unknown(every, state, live, seen)
    doubtful = {address: what for address, what in doubtful.items() if address not in ended}
    return attrs.evolve(desired, over=ended, unknown=doubtful, left=left(every, state, live, seen))


def _lists(session: Session, config: Config | None, state: State, *, refresh: bool) -> Looks[tuple[Catalogue, Live]]:
    """What is offered, where something may be placed, and what is live."""
    from flowplan.model.catalogue import Catalogue
    from flowplan.planning.unreported import as_applied

    cloud = session.cloud()
    if not refresh:
        return cloud.all_but_bids().then(lambda found: (found[0], as_applied(state, found[1])))
    if config is None:
        return cloud.objects_as_reported().then(lambda live: (Catalogue((), ()), live))
    return cloud.everything_as_reported()


def _with_strays(session: Session, state: State, live: Live, *, hurried: bool) -> Live:
    """`live` with each bid of ours that the state does not know as it is by its own id: lists lag."""
    from flowplan.cloud.looks import or_why
    from flowplan.state.ownership import strays

    cloud = session.cloud()
    by = cloud.soon() if hurried else None
    looked = cloud.side_by_side([or_why(partial(cloud.bid, stray.id, by)) for stray in strays(state, live)])
    found = {one.id: one for one in looked if not isinstance(one, CloudError)}
    return attrs.evolve(live, bids={**live.bids, **found}) if found else live


def _desired(session: Session, config: Config, seen: Observed, kept: Mapping[Address, Place]) -> Desired:
    """What the files ask for, and what is wrong with it."""
    from flowplan.planning.conflicts import conflicts
    from flowplan.planning.desired import look_up
    from flowplan.state.known import Existing

    state, live = seen.state, seen.live
    asked = partial(
        look_up,
        config,
        seen.catalogue,
        live,
        Existing.of(state, live),
        kept=kept,
        ssh_keys=session.settings.ssh_keys,
    )
    desired = asked()
    if desired.ranked and not kept:  # a place is still to be chosen: past prices tell what it would come to
        desired = asked(prospects=prospects(session, config, desired))
    problems = dict(desired.problems)
    taken_names = conflicts(desired, state, seen.pending, live, config)
    for address, what, hint in taken_names:
        taken = config.problem(address, "name", what, hint, code="name-taken")
        problems[address] = (*problems.get(address, ()), taken)
    return attrs.evolve(desired, problems=problems) if problems else desired


def prospects(session: Session, config: Config, desired: Desired) -> Prospects:
    """What the places come to that `desired` chooses from, now and ahead: one call a region, and one for each place and
    number of instances. What cannot be fetched is unknown, with a note."""
    from flowplan.planning.prospects import Prospects
    from flowplan.pricing.history import Stream

    cloud = session.cloud()
    places = {one.candidate.place for every in desired.ranked.values() for one in every}
    keys = sorted(
        {
            (*one.candidate.place, config.tasks[address].instance_quantity)
            for address, every in desired.ranked.items()
            for one in every
        }
    )
    pasts, markets = cloud.read(
        cloud.each_past(sorted(places), shown_only=True).beside(cloud.each_market(keys, shown_only=keys))
    )
    now = cloud.time()
    streams = {place: Stream.of(past.prices, now, complete=past.complete) for place, past in pasts.items()}
    return Prospects(streams, now, markets)
