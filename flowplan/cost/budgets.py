"""Costs held to budgets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import ROUND_CEILING, Decimal
from typing import Literal, TypeAlias

from flowplan.cost.costs import Costs
from flowplan.diagnostics import CODE_OF, Diagnostic
from flowplan.model.bases import BudgetBasis
from flowplan.model.budget import Budget, Judged
from flowplan.model.resources import Bid
from flowplan.planning.actions import Create, Replace
from flowplan.planning.raising import cannot_raise_cost
from flowplan.pricing.units import CENT, HOUR, cents, total, usd

Side: TypeAlias = Literal["current", "planned"]


def judged(costs: Costs, budgets: Iterable[Budget]) -> tuple[Judged, ...]:
    """What becomes of `budgets`, each on its own basis; a plan that is no more expensive than what is live is never
    refused.

    On another basis than `worst` it needs costs with forecasts (forecast.py): what is not known is refused.
    """
    return tuple(one for budget in budgets for one in _judged(costs, budget))


def refusals(costs: Costs, found: Iterable[Judged]) -> tuple[Diagnostic, ...]:
    """What is said of the budgets that refuse."""
    return tuple(_refusal(costs, one) for one in found if one.refused)


def _judged(costs: Costs, budget: Budget) -> Iterator[Judged]:
    before, after = (hourly(costs, side, budget.basis) for side in ("current", "planned"))
    pausing = _until_paused(costs)
    after = None if after is None or pausing is None else after + pausing
    falls = before is not None and after is not None and after <= before
    saves = falls or all(cannot_raise_cost(one.change) for one in costs.changes)
    waits = budget.by_forecast and _waiting(costs, "planned") != 0
    if budget.max_hourly_cost is not None:
        allowed = budget.max_hourly_cost
        refused = not saves and (after is None or after > allowed)
        yield Judged("max_hourly_cost", budget, before, after, allowed, refused, waits, pausing != 0)
    if budget.max_cost_increase is not None:
        most = None if before is None else before + budget.max_cost_increase.allowed(before)
        refused = not saves and (after is None or most is None or after > most)
        yield Judged("max_cost_increase", budget, before, after, most, refused, waits, pausing != 0)


def hourly(costs: Costs, side: Side, basis: BudgetBasis) -> Decimal | None:
    """What the stack costs an hour, storage included: dollars, None where it is not known. Rounded as it is shown, so
    that nobody is refused for what cannot be seen.

    `worst`: every limit paid. `p90`, `p50`: of the next hour or of an hour of the horizon on average, whichever is
    more; no lifetime makes an hour cheaper. A bid that would wait counts with its limit: it runs from when the price
    has come down to that.
    """
    worst: Decimal | None = getattr(costs.totals, side).worst
    if worst is None or basis == "worst":
        return None if worst is None else _as_shown(worst)
    if costs.endless is None or costs.hours is None or HOUR not in costs.spans:
        return None
    next_hour: Decimal | None = getattr(getattr(costs.spans[HOUR], side).cost, basis)
    over_all: Decimal | None = getattr(getattr(costs.endless, side).cost, basis)
    first = total((next_hour, _waiting(costs, side)))
    if first is None or over_all is None:
        return None
    likely = max(first, over_all / Decimal(str(costs.hours)))
    return _as_shown(min(worst, likely))


def _as_shown(amount: Decimal) -> Decimal:
    return amount if amount < CENT else cents(amount)


def _waiting(costs: Costs, side: Side) -> Decimal | None:
    """What the bids that would wait cost once they run, at most."""
    estimates = [one.cost_before if side == "current" else one.cost for one in costs.changes]
    return total(one.worst for one in estimates if one is not None and one.outlook == "waits")


def _until_paused(costs: Costs) -> Decimal | None:
    """What bids that are to be paused cost an hour at most until they are: a bid can only be placed running, and the
    call that pauses it may fail."""
    changes = [one.change for one in costs.changes]
    placed = [one.after for one in changes if isinstance(one, (Create, Replace)) and isinstance(one.after, Bid)]
    return total(bid.worst for bid in placed if bid.paused)


def _refusal(costs: Costs, judged: Judged) -> Diagnostic:
    where = judged.budget.position
    return Diagnostic(CODE_OF[judged.limit], _why(costs, judged), _remedy(costs, judged), position=where)


def _why(costs: Costs, judged: Judged) -> str:
    name, basis, growth = _name_of(judged), judged.budget.basis, judged.budget.max_cost_increase
    if judged.after is None or judged.allowed is None:
        what = "costs now" if judged.after is not None else "would cost"
        cannot = f"{name} cannot be checked on basis {basis}: what the stack {what} is unknown"
        if untold := "; ".join(_unreported(costs)):
            return f"{cannot}, because {untold}"
        return f"{cannot} without a price for {', '.join(unknown(costs)) or 'some of it'}"
    cost = f"the stack would cost {_an_hour(judged.after, basis, waits=judged.waits, pausing=judged.pausing)}"
    if judged.limit == "max_hourly_cost" or judged.before is None or growth is None:
        return f"{cost}; {name} allows {usd(judged.allowed)} (before: {usd(judged.before)})"
    more, most = usd(judged.after - judged.before), usd(judged.allowed - judged.before)
    of = f" ({growth} of that)" if growth.percent else ""
    return f"{cost}, {more} more than the {usd(judged.before)} before; {name} allows {most}{of}"


def _remedy(costs: Costs, judged: Judged) -> str:
    """What to do: pay less, or what lets the plan through, with its figure."""
    if judged.after is None or judged.allowed is None:
        if any(_unreported(costs)):
            return "plan again later, or check it in the console"
        return f"{_with(judged, 'budget_basis', 'worst')} needs no price"
    lower = "lower a limit price, or pause or drop a task"
    if judged.pausing:
        lower = "lower a limit price, or drop a task: a bid is always placed running and paused afterwards"
    allow = f"to allow it{', plan again with' if judged.budget.saved else ':'} {_enough(judged)}"
    growth = judged.budget.max_cost_increase
    if judged.limit == "max_cost_increase" and growth is not None and growth.percent and judged.before == 0:
        return f"a percentage refuses any first apply, because nothing runs yet; {allow}, in dollars"
    likely = None if judged.budget.by_forecast else hourly(costs, "planned", "p90")
    if likely is None:
        return f"{lower}; {allow}"
    waits = _waiting(costs, "planned") != 0
    return f"{lower}; {allow}; the forecast is {_an_hour(likely, 'p90', waits=waits)} (basis p90)"


def _enough(judged: Judged) -> str:
    """The least that lets the plan through, where its limit was given: the option, or the key of a file."""
    after, before, growth = judged.after or Decimal(0), judged.before or Decimal(0), judged.budget.max_cost_increase
    if judged.limit == "max_hourly_cost":
        return _with(judged, judged.limit, f"{after.quantize(CENT, ROUND_CEILING)}")
    if growth is not None and growth.percent and before > 0:
        return _with(judged, judged.limit, f"{(100 * (after - before) / before).to_integral_value(ROUND_CEILING):f}%")
    return _with(judged, judged.limit, f"{(after - before).quantize(CENT, ROUND_CEILING)}")


def _with(judged: Judged, name: str, value: str) -> str:
    """A limit with another value, as it is written on the command line or in a file."""
    return (
        f"{judged.budget.section}: {{{name}: {value}}}"
        if judged.budget.position
        else f"--{name.replace('_', '-')} {value}"
    )


def over(judged: Judged) -> Diagnostic | None:
    """The warning of a plan that stays above its maximum and is carried out anyway."""
    if judged.limit != "max_hourly_cost" or judged.refused or judged.after is None or judged.allowed is None:
        return None
    if judged.after <= judged.allowed:
        return None
    basis = judged.budget.basis
    cost = f"the stack costs {_an_hour(judged.after, basis, waits=judged.waits, pausing=judged.pausing)}"
    said = f"{cost}; {_name_of(judged)} allows {usd(judged.allowed)}, and this plan does not raise it"
    return Diagnostic(CODE_OF[judged.limit], said, severity="warning", position=judged.budget.position)


def _an_hour(amount: Decimal, basis: BudgetBasis, *, waits: bool, pausing: bool = False) -> str:
    how = {"worst": ", every limit paid", "p90": " in 9 of 10 cases", "p50": " half of the time"}
    beside = ", with waiting bids at their limits" if waits and basis != "worst" else ""
    beside += ", with new bids counted until they are paused" if pausing else ""
    return f"at most {usd(amount)} an hour{how[basis]}{beside}"


def _name_of(judged: Judged) -> str:
    return (
        f"{judged.budget.section}.{judged.limit}" if judged.budget.position else "--" + judged.limit.replace("_", "-")
    )


def _unreported(costs: Costs) -> Iterator[str]:
    """What the API does not report, and without which nobody knows what is paid at most."""
    for one in costs.changes:
        for what in (one.change.before, one.change.after):
            names = {"instance_quantity", "limit_price", "size_gb"} & set(what.unreported if what is not None else ())
            if names:
                yield f"the API does not report {' and '.join(sorted(names))} of {one.change.address}"
                break


def unknown(costs: Costs) -> list[str]:
    """The addresses of what has no price."""
    found = []
    for priced in costs.changes:
        forecasts = (priced.forecast_before, priced.forecast)
        if any(one is not None and one.cost.p90 is None for one in forecasts):
            found.append(str(priced.change.address))
    return found
