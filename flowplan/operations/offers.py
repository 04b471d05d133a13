"""Where the tasks of files could go now, without a plan: no lock is taken, and no live bid keeps a task where it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from flowplan.documents.offers import Offered, Offers
from flowplan.errors import ConfigError
from flowplan.operations.observe import prospects
from flowplan.operations.session import Session
from flowplan.operations.validate import configuration

if TYPE_CHECKING:
    from flowplan.config import Source


def offers(session: Session, paths: Sequence[str | Source]) -> Offers:
    """The places of each task that `paths` mean: files and directories, none means flowplan.yaml. Volumes that exist
    fix the region, as in a plan. Raises ConfigError for a task that can go nowhere, and what looking at the cloud
    raises."""
    from flowplan.planning.lookup import look_up
    from flowplan.planning.prospects import hours_of
    from flowplan.state.ownership import adopted_volumes, volume_regions

    sources, _ = session.sources(paths)
    config = configuration(session, sources)
    state = session.load().state
    session.enter_project(state, config)
    cloud = session.cloud()
    catalogue, live = cloud.observe_as_reported()
    asked = partial(
        look_up,
        config,
        catalogue,
        live,
        kept={},
        volume_regions=volume_regions(state, live),
        ssh_keys=session.settings.ssh_keys,
        made={a: b.id for a, b in state.bindings.items() if a.kind == "volume" and b.id in live.volumes},
        adopted=adopted_volumes(state),
        every=True,
    )
    found = asked()
    nowhere = [address for address in config.tasks if address not in found.ranked]
    if nowhere:
        for why in (*catalogue.unread, *live.unlisted.values(), *live.unread.values()):
            raise why from None  # what is not reported may be all that is wrong
        raise ConfigError(one for address in nowhere for one in found.problems.get(address, ()))
    found = asked(prospects=prospects(session, found))
    places = [
        Offered(
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
