"""Where the tasks of files could go now, without a plan: no lock is taken, and no live bid keeps a task where it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from flowplan.documents.offers import Offers, TaskOffers
from flowplan.errors import ConfigError
from flowplan.operations.looking.observe import prospects
from flowplan.operations.opening.loading import load_state
from flowplan.operations.opening.session import Session
from flowplan.operations.validate import configuration

if TYPE_CHECKING:
    from flowplan.config import Config, Source
    from flowplan.model.catalogue import Catalogue
    from flowplan.model.live import Live
    from flowplan.planning.desired import Desired
    from flowplan.state.state import State


def offers(session: Session, paths: Sequence[str | Source]) -> Offers:
    """The places of each task that `paths` mean: files and directories, none means flowplan.yaml. Volumes that exist
    fix the region, as in a plan. Raises ConfigError for a task that can go nowhere, and what looking at the cloud
    raises."""
    from flowplan.planning.prospects import hours_of

    sources, _ = session.sources(paths)
    config = configuration(session, sources)
    state = load_state(session).state
    cloud = session.cloud()
    _, seen = session.enter_and_list(state, config, cloud.everything_as_reported())
    asked = _look_up(session, config, state, seen)
    found = asked()
    _raise_nowhere(config, found, seen)
    found = asked(prospects=prospects(session, config, found))
    places = [
        TaskOffers(
            address,
            task.source,
            task.instance_quantity,
            task.optimize,
            hours_of(task),
            found.ranked[address],
            found.choices.get(address),
        )
        for address, task in config.tasks.items()
    ]
    return Offers(places, session.now(), session.settings.api_url, cloud.now())


def hold_places(session: Session, config: Config, state: State) -> None:
    """Raise ConfigError for a task that can go nowhere, and what looking at the cloud
    raises. The project must be entered."""
    seen = session.cloud().read(session.cloud().everything_as_reported())
    _raise_nowhere(config, _look_up(session, config, state, seen)(), seen)


def _look_up(session: Session, config: Config, state: State, seen: tuple[Catalogue, Live]) -> partial[Desired]:
    """What looks up every place of what `config` asks for."""
    from flowplan.planning.desired import look_up
    from flowplan.state.known import Existing

    catalogue, live = seen
    volumes = Existing.of(state, live).volumes
    return partial(look_up, config, catalogue, live, volumes, ssh_keys=session.settings.ssh_keys, every=True)


def _raise_nowhere(config: Config, found: Desired, seen: tuple[Catalogue, Live]) -> None:
    """Raise ConfigError for tasks that can go nowhere, or why something is not reported, which may be all that is
    wrong."""
    catalogue, live = seen
    nowhere = [address for address in config.tasks if address not in found.ranked]
    if nowhere:
        for why in (*catalogue.unread, *live.unlisted.values(), *live.unread.values()):
            raise why from None
        raise ConfigError(one for address in nowhere for one in found.problems.get(address, ()))
