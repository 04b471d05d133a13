"""What the watch decides by: the plan and the market of now, and what is known of one change of the plan. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property

from attrs import field

from flowplan.classes import frozen
from flowplan.model.address import Address
from flowplan.model.catalogue import Place
from flowplan.model.live import Live, LiveBid
from flowplan.model.resources import Bid
from flowplan.model.watch import Watching
from flowplan.planning.actions import Change
from flowplan.planning.desired import Desired
from flowplan.planning.plan import Plan, key_of
from flowplan.pricing.billing import Ender
from flowplan.pricing.entry import Key, Market
from flowplan.pricing.stock import compete, stocks
from flowplan.state.state import Binding, State


@frozen
class Seen:
    """What is decided by. `policy`: of the files; `markets`: the prices of now; `highest`: by (instance type, region),
    the highest price of the last hour, where it is known; `ended_by`: by the id of a bid that is over, who ended it,
    where that is known; `over`: the bids whose lifetime is over as it was applied, each with why, of those whose files
    have another by now, or name them no longer, and of those in whose place others were made; `now`: by the server's
    clock; `here`: by this machine's, where the two cannot both be right; `highest_limit`: that the policies allow a
    bid, in dollars per instance-hour; None: they do not say."""

    plan: Plan
    desired: Desired
    state: State
    live: Live
    policy: Watching
    markets: Mapping[Key, Market]
    now: datetime
    highest: Mapping[Place, Decimal] = field(factory=dict)
    ended_by: Mapping[str, Ender] = field(factory=dict)
    over: Mapping[Address, str] = field(factory=dict)
    highest_limit: Callable[[Bid], Decimal | None] = lambda _: None
    here: datetime | None = None

    @cached_property
    def _stocks(self) -> Mapping[Place, Market]:
        return stocks(self.markets)

    def may_compete(self, bid: Bid, other: Bid) -> bool:
        """Whether two bids are for the same GPUs, as far as the prices tell; where they do not, they may be."""
        return compete(bid, other, self._stocks) is not False


@frozen
class AtChange:
    """One change of the plan, in what is `seen`."""

    seen: Seen
    change: Change

    @property
    def known(self) -> Binding | None:
        """What the state has of it; None: nothing."""
        return self.seen.state.bindings.get(self.change.address)

    @property
    def binding(self) -> Binding:
        """What the state has of it. Only where it has something."""
        found = self.known
        if found is None:
            raise KeyError(self.change.address)
        return found

    @property
    def live(self) -> LiveBid | None:
        """Its live bid; None: it has none that is listed."""
        return self.seen.live.bids.get(self.known.id) if self.known is not None else None

    def market(self, bid: Bid) -> Market | None:
        """The auction of `bid`, as it is now; None: unknown."""
        return self.seen.markets.get(key_of(bid))
