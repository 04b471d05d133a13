"""What a plan costs: by change, and in all. A Plan says what is done; this says what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import field

from flowplan.classes import frozen
from flowplan.diagnostics import CODE_OF, Diagnostic, Severity
from flowplan.exact import exact
from flowplan.model.address import Address
from flowplan.model.resources import Volume
from flowplan.planning.actions import Change
from flowplan.planning.plan import LeftAlone
from flowplan.pricing.entry import Estimate, Key, Market, Total, Totals
from flowplan.pricing.lifetime import ENDLESS, Left
from flowplan.pricing.units import storage_per_hour

if TYPE_CHECKING:
    from flowplan.pricing.advice import Advice
    from flowplan.pricing.forecasting import Forecast
    from flowplan.pricing.sums import StackForecast


@frozen
class Priced:
    """A change, and what its bid costs as it is (`_before`) and as planned; None where there is no bid, or nothing was
    forecast.

    `work_hours`: how long its task says that it works. `left_before`, `left`: what is left of its lifetime, ENDLESS
    without one. `spans`: forecasts as planned (as it is, when it goes) over
    other horizons, by hours. `stale`: in what the prices are out of date.
    """

    change: Change
    cost_before: Estimate | None = None
    cost: Estimate | None = None
    work_hours: Decimal | None = field(default=None, kw_only=True)
    left_before: Left = field(default=ENDLESS, kw_only=True)
    left: Left = field(default=ENDLESS, kw_only=True)
    forecast_before: Forecast | None = None
    forecast: Forecast | None = None
    spans: Mapping[float, Forecast] = field(factory=dict)
    advice: Advice | None = None
    stale: str | None = None

    def said(self, severity: Severity, summary: str, warning: str, hint: str | None) -> Diagnostic:
        """A diagnostic about this change, at its place in the files. `warning`: the word that documents have for it."""
        where, about = self.change.position, str(self.change.address)
        return Diagnostic(CODE_OF[warning], summary, hint, severity=severity, position=where, about=about)


@frozen
class PricedApart:
    """What a plan leaves alone, and what that costs; None for a volume, which has one price."""

    left: LeftAlone
    cost: Estimate | None = None

    @property
    @exact
    def hour(self) -> Total:
        """An hour of it."""
        if isinstance(self.left.resource, Volume):
            storage = storage_per_hour(self.left.resource.held_gb)
            return Total(storage, storage)
        return Total(self.cost.now, self.cost.worst) if self.cost is not None else Total()


@frozen
class Costs:
    """What every change of a plan costs, in the plan's order, and the whole.

    `totals`: an hour now. `forecast`: of the whole, over `hours`; None: nothing was forecast. `endless`: the same as if
    no lifetime ended a bid: budgets of an hour are held to it. `spans`: forecasts over other horizons, by hours; an
    hour stands for any hour in which bids run. `movers`: what adds most to the expected cost over `hours`, in dollars.
    `markets`: the prices that it was priced with. `left_alone`: what is paid besides, and is in none of the sums.
    """

    changes: tuple[Priced, ...] = ()
    totals: Totals = field(factory=lambda: Totals(Total(), Total()))
    markets: Mapping[Key, Market] = field(factory=dict)
    forecast: StackForecast | None = None
    endless: StackForecast | None = None
    hours: float | None = None
    spans: Mapping[float, StackForecast] = field(factory=dict)
    movers: tuple[tuple[Address, Decimal], ...] = ()
    left_alone: tuple[PricedApart, ...] = ()

    def by_address(self) -> dict[Address, Priced]:
        """The priced changes, each by its address."""
        return {one.change.address: one for one in self.changes}
