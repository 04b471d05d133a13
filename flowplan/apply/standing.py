"""How far bids are, as the cloud shows it: allocated, running, over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Protocol

from flowplan.clock import Moment
from flowplan.errors import NotFound
from flowplan.model.live import ALLOCATED, TERMINATED, UP, Live, LiveBid
from flowplan.state.state import State, may_not_show

RUNNING, GONE, UNSHOWN = "running", "gone", "not shown yet"  # beside the API's own words


class Looks(Protocol):
    """What is asked of the cloud. Each raises CloudError."""

    def live(self) -> Live:
        """What is there now, as listed."""

    def bid(self, id: str) -> LiveBid:
        """One bid as it is now. Raises NotFound."""

    def instances(self) -> Iterable[Any]:
        """The machines of the project's bids, each with `bid` and `status`."""

    def time(self) -> datetime:
        """The server's clock, else this machine's."""

    def moment(self) -> Moment:
        """This moment, by every clock that counts."""


def standings(cloud: Looks, quantities: Mapping[str, int], state: State, *, running: bool) -> dict[str, str]:
    """The status of each bid of `quantities` (id -> its instances): the API's word, GONE for one that it does not find
    (UNSHOWN as long as it may not show this bid of `state` yet), and, if `running` is asked for, RUNNING once all
    instances of an allocated bid run. Raises CloudError."""
    live = cloud.live()
    bids = {id: _bid(cloud, id, live) for id in quantities}
    new = may_not_show(state, cloud.moment())
    missing = {id: UNSHOWN if id in new else GONE for id in bids}
    found = {id: missing[id] if bid is None else TERMINATED if bid.ended else bid.status for id, bid in bids.items()}
    if running and ALLOCATED in found.values():
        up = Counter(one.bid for one in cloud.instances() if one.status == UP)
        found |= {id: RUNNING for id, was in found.items() if was == ALLOCATED and up[id] >= quantities[id]}
    return found


def _bid(cloud: Looks, id: str, live: Live) -> LiveBid | None:
    """A bid as it is now: one that a list does not show is asked for by its id."""
    try:
        return live.bids.get(id) or cloud.bid(id)
    except NotFound:
        return None
