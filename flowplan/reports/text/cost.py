"""The cost part of a plan document -> lines for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from flowplan.documents.amounts import an_amount, from_to, number
from flowplan.documents.amounts import price as _price
from flowplan.documents.amounts import signed as _signed
from flowplan.documents.totals import (
    AddedUp,
    below_every_limit,
    entry_range,
    hour_range,
    is_at_most,
    is_charged_outbid,
    is_rounded_apart,
    of_other_hours,
    planned_make,
    runs_at_most,
    stands_alone,
)
from flowplan.model.live import OPEN
from flowplan.names import few
from flowplan.pricing.notable import hardly_moves, is_seldom, lies_apart, runs_always
from flowplan.pricing.units import lasting, per_instance, percent, span, usd
from flowplan.printable import shown
from flowplan.reports.text.paint import Paint, wrapped
from flowplan.reports.text.tables import lined

if TYPE_CHECKING:
    from flowplan.documents.shapes import cost as shape
    from flowplan.documents.shapes.plan import Entry, Lifetime, PlanBody

_Amount: TypeAlias = Literal["expected", "p10", "p90", "worst"]
_AMOUNTS: tuple[_Amount, ...] = ("expected", "p10", "p90", "worst")
_MOST, _LARGEST, _KNOWN = "most of it: ", "the largest of it: ", "the largest that are known: "


def cost_line(entry: Entry, forecasts: Sequence[shape.BidCost] = ()) -> str:
    """What a change costs or saves, in one line; "" for what is free. `forecasts`: the costs of changes that are alike
    but for these, whose least and most are said; none: those of `entry` alone."""
    if entry["type"] == "ports" or entry["cost"] is None:
        return ""
    if entry["type"] == "volume":
        if entry["change"]["actions"] != ["forget"]:
            return stored(entry["cost"])
        kept = entry["action_reason"] in ("forget_because_attached", "forget_because_kept", "forget_because_removed")
        return f"you keep paying {stored(entry['cost'])}" if kept else ""
    if entry["change"]["actions"] == ["forget"]:
        kept = entry["action_reason"] == "forget_because_removed"
        return f"you keep paying {bidding(entry['cost'])}" if kept else ""
    if entry["change"]["actions"] == ["delete"]:
        most = "at most " if is_at_most(entry["cost"]) else ""
        saved = f"{most}{an_amount(entry['cost']['cost']['hour']['now'])} an hour"
        if _joins(entry["status"], entry["cost"]):
            return f"{saved} from the next auction on: it waits, and nothing is charged for it yet"
        return f"{saved} now"
    return bidding(entry["cost"], entry.get("lifetime"), forecasts=forecasts)


class Forecast(NamedTuple):
    """What `cost_line` says of what is forecast of a change. `words`: all but the amounts; `amounts`: dollars that are
    known."""

    words: tuple[object, ...]
    amounts: list[Decimal]


def forecast_of(entry: Entry) -> Forecast | None:
    """What `cost_line` says of the forecast of a change; None: nothing."""
    if entry["type"] != "bid" or entry["change"]["actions"] == ["delete"]:
        return None
    cost = entry["cost"]
    found = None if cost is None else cost["cost"]["horizon"]
    if cost is None or found is None or cost["outlook"] in ("paused", "cannot_win"):
        return None
    amounts = [found[key] for key in _AMOUNTS]
    finish = cost["finish_time"]
    unknown = tuple(one is None for one in amounts)
    words = (found["hours"], found["basis"], _interrupted(cost, ""), finish and finish["work"], _done(finish, its=True))
    known = [Decimal(one) for one in amounts if one is not None]
    sure = _is_sure(found)  # then no band is shown that the expected amount could lie beside
    return Forecast((*words, unknown, sure, not sure and _is_apart(found)), known)


def stored(cost: shape.VolumeCost) -> str:
    """What a volume costs."""
    return f"{_price(cost['cost']['month']['now'])} a month for storage"


def bidding(
    cost: shape.BidCost,
    lifetime: Lifetime | None = None,
    *,
    ends: bool = False,
    forecasts: Sequence[shape.BidCost] = (),
) -> str:
    """What one bid costs per hour: now, if it won, at most; and ahead, until its lifetime ends. `ends`: it does, though
    which one it is is not known. `forecasts`: as in `cost_line`."""
    hour, outlook = cost["cost"]["hour"], cost["outlook"]
    at_most = f"at most {_price(hour['worst'])}"
    if outlook == "paused":
        return "paused: no charge for instances"
    if hour["worst"] is None:
        told = {"instance_quantity": cost["quantity"], "limit_price": cost["limit"]}
        missing = " and ".join(name for name, value in told.items() if value is None)
        return f"cost unknown: the API does not report its {missing}"
    if outlook == "cannot_win":
        return _never(cost, at_most)
    ahead = _ahead(cost, lifetime, forecasts, ends=ends)
    if outlook == "unknown":
        found = cost["cost"]["horizon"]
        ahead = ahead if found is not None and found["expected"] is not None else ""
        return f"{_untold(cost)}; {at_most} an hour{ahead}"
    if outlook == "waits":
        now = f"outbid: {said};" if (said := _until_preempted(cost)) else "would wait: nothing now,"
        return f"{now} {at_most} an hour once it wins{ahead}"
    return f"{_now(cost)}, {at_most}{ahead}{_moving(cost)}"


def _untold(cost: shape.BidCost) -> str:
    """That what a bid costs now is unknown, and why, where its auction has a price."""
    spot = cost["last_price"]
    why = "" if spot is None else f": nobody can tell who wins, at a spot price of {per_instance(number(spot))}"
    return f"price unknown{why}"


def _never(cost: shape.BidCost, at_most: str) -> str:
    """What a bid costs that cannot win."""
    now = f"{said}; " if (said := _until_preempted(cost)) else ""
    if cost["entry_price"]["basis"] == "too_large":
        return f"cannot win: {now}more instances at once than the whole auction has; if it grows, {at_most} an hour"
    below = f"cannot win: {now}the limit is below the reserve of {_price(cost['reserve'])}"
    return f"{below}; if that falls, {at_most} an hour"


def _now(cost: shape.BidCost) -> str:
    """What a bid that runs costs an hour; a range where it moves the price."""
    now, moved, count = cost["cost"]["hour"]["now"], entry_range(cost), cost["quantity"] or 0
    if moved is None:
        return f"{_price(now)} an hour now"
    least, most = usd(count * moved[0]), usd(count * moved[1])
    if cost["entry_price"]["basis"] == "room":  # below the spot price its limit is most
        return f"{least} to {most} an hour now"
    return f"about {_price(now)} an hour now ({least} to {most})"


def _moving(cost: shape.BidCost) -> str:
    """To what a bid that runs, or your own others, move the spot price; "" where they do not."""
    spot, point, moved = cost["last_price"], cost["entry_price"]["point"], entry_range(cost)
    if moved is None and point == spot:
        return ""
    own = "self_competition" in cost["warnings"]
    now = f"; the spot price is {per_instance(None if spot is None else number(spot))},"
    if moved is not None:
        return f"{now} {'your own bids make' if own else 'entering makes'} it {from_to(moved)}"
    verb = "lower" if point is not None and spot is not None and number(point) < number(spot) else "raise"
    return f"{now} {f'your own bids {verb}' if own else f'entering {verb}s'} it to {_price(point)}"


def _until_preempted(cost: shape.BidCost) -> str:
    """What a bid that wins no longer is charged meanwhile; "": nothing."""
    now = cost["cost"]["hour"]["now"]
    if not is_charged_outbid(cost):
        return ""
    if now is None:
        return "whether it is still charged is unknown"
    most = "at most " if is_at_most(cost) else ""
    return f"charged {most}{_price(now)} an hour until it is preempted, then nothing"


def _ahead(cost: shape.BidCost, lifetime: Lifetime | None, forecasts: Sequence[shape.BidCost], *, ends: bool) -> str:
    """What is expected over the horizon with its band, when it is forecast; of several `forecasts`, from the least to
    the most."""
    found = cost["cost"]["horizon"]
    if found is None:
        return ""
    if lifetime is not None and "kept_by" in lifetime:
        lifetime = None  # it ends nothing
    finish = cost["finish_time"]
    its = finish is not None and (finish["work"] == found["hours"] or _lives(lifetime, finish["work"], found["hours"]))
    over = f"; over its {lasting(finish['work'])}" if its and finish is not None else f"; over {span(found['hours'])}"
    bounded = ends or (not its and _is_bounded(lifetime))
    if bounded:
        over += ", or until its lifetime ends:"
    if found["expected"] is None:
        return f"{over} unknown, at most {_least_to_most(found, 'worst', forecasts)}"
    after = f"{_interrupted(cost, 'the time until then' if bounded else 'it')}{_done(finish, its=its)}"
    expected = _least_to_most(found, "expected", forecasts)
    if _is_sure(found):
        return f"{over} {expected}{after}"
    low, high = _price(found["p10"]), _price(found["p90"])
    if forecasts:
        low, high = usd(min(_each("p10", forecasts), default=None)), usd(max(_each("p90", forecasts), default=None))
    return f"{over} {_in_band(expected, low, high, apart=_is_apart(found))}{after}"


def _least_to_most(found: shape.Over, amount: _Amount, forecasts: Sequence[shape.BidCost]) -> str:
    """An amount of `found`, or of all `forecasts`."""
    return from_to(_each(amount, forecasts)) if forecasts else _price(found[amount])


def _each(amount: _Amount, forecasts: Iterable[shape.BidCost]) -> list[Decimal]:
    """An amount of each forecast, but for what is unknown."""
    found = (one["cost"]["horizon"] for one in forecasts)
    return [Decimal(value) for one in found if one is not None and (value := one[amount]) is not None]


def _is_sure(found: shape.Over) -> bool:
    return found["p10"] == found["p90"]


def _is_apart(found: shape.Over) -> bool:
    expected, low, high = found["expected"], found["p10"], found["p90"]
    known = expected is not None and low is not None and high is not None
    return known and lies_apart(number(expected), number(low), number(high))


def banded(expected: str | None, low: str | None, high: str | None) -> str:
    """What is expected, with its band, and how often it is in that; "on average" where it lies outside itself."""
    apart = lies_apart(number(expected), number(low), number(high))
    return _in_band(_price(expected), _price(low), _price(high), apart=apart)


def _in_band(expected: str, low: str, high: str, *, apart: bool) -> str:
    band = f"{low} to {high} in 8 of 10 cases"
    return f"{expected} on average ({band})" if apart else f"about {expected} ({band})"


def _lives(lifetime: Lifetime | None, work: float, horizon: float) -> bool:
    """Whether a lifetime is nothing but as many hours of running as the work takes, all of them within the horizon."""
    if lifetime is None or lifetime["max_hours"] is None or lifetime["max_cost"] or lifetime["end_at"]:
        return False
    return float(lifetime["max_hours"]) == work <= horizon


def _is_bounded(lifetime: Lifetime | None) -> bool:
    return lifetime is not None and any(lifetime[key] is not None for key in ("max_hours", "max_cost", "end_at"))


def _interrupted(cost: shape.BidCost, time: str) -> str:
    """How much of the `time` it is expected to run, and how often to be preempted, where that is not all and never."""
    share, times = cost["availability"]["mean"], cost["preemptions_per_day"]
    parts = []
    if share is not None and not runs_always(Decimal(share)):
        most = "at most " if runs_at_most(cost) else ""
        parts.append(f"running {most}{percent(Decimal(share))} of {time}")
    if times is not None and not is_seldom(Decimal(times)):
        parts.append(f"preempted about {Decimal(times):.1f} times a day")
    return "".join(f", {part}" for part in parts)


def _done(finish: shape.Finish | None, *, its: bool) -> str:
    """When the work is done that the task says it is; `its`: the figures before are those of this work."""
    if finish is None:
        return ""
    what = "done" if its else f"its {lasting(finish['work'])} of work finish"
    middle, late = lasting(float(finish["p50"])), lasting(float(number(finish["p90"])))
    text = f"; {what} after {middle}"
    return text if middle == late else f"{text}, in 9 of 10 cases within {late}"


def costs(body: PlanBody, paint: Paint) -> str:
    """The totals per hour and over the horizon."""
    cost = body["cost"]
    current, planned = cost["current"], cost["planned"]
    if current == planned:
        if planned["worst"] == "0.00":
            return ""
        if planned["now"] == planned["worst"]:  # whatever the price: it is storage, or at its limits
            return f"Cost per hour: {_price(planned['now'])}."
        whole = f"Cost per hour, at the second price: {_price(planned['now'])}, at most {_price(planned['worst'])}."
        more = [f"{one[0].upper()}{one[1:]}." for one in _joining(body)]
        return "\n".join([whole, *(line for one in more for line in wrapped(one, "", "", paint.width))])
    return "\n".join(
        [
            paint("Cost", "bold") + ", storage included:",
            *_table(rows_of(cost), paint),
            *(line for one in remarks(body) for line in _in_lines(one, paint)),
        ]
    )


def _table(rows: Sequence[tuple[str, str, str, str]], paint: Paint) -> list[str]:
    """A line a row; where that is too wide, what it is about stands above its figures."""
    return [line for lines in lined(rows, paint.width) for line in lines]


_BIDS_AS_THEY_WERE = (("no-op",), ("update",), ("delete",))  # the actions on a bid whose status its hour goes by


def rows_of(cost: shape.Totals) -> list[tuple[str, str, str, str]]:
    """The table of the totals, its head first: what, before, after, and the change."""
    current, planned, delta = cost["current"], cost["planned"], cost["delta"]
    now = (_price(current["now"]), _price(planned["now"]), _signed(delta["now"]))
    worst = (_price(current["worst"]), _price(planned["worst"]), _signed(delta["worst"]))
    return [
        ("", "before", "after", "change"),
        ("an hour now, at the second price", *now),
        ("an hour at most, every limit paid", *worst),
        *_expected_rows(cost["horizon"], alone=stands_alone(cost)),
    ]


def remarks(body: PlanBody) -> list[str]:
    """What stands below that table, a sentence each."""
    horizon = body["cost"]["horizon"]
    return [
        *_entering(body),
        *_joining(body),
        *_average(horizon),
        *_movers(horizon),
        *_saved(horizon),
        *_beside(body),
        *_not_adding(body["cost"]),
        *([] if (made := planned_make(body)) is None else [adding_up(made)]),
    ]


def adding_up(found: AddedUp) -> str:
    """Why the expected costs of bids do not add up to their total."""
    beside = f"with {usd(found.storage)} for storage " if found.storage else ""
    return f"the expected costs of the bids are each rounded to the cent; {beside}they add up to {usd(found.made)}"


def _entering(body: PlanBody) -> list[str]:
    """That what an hour costs now is a range, where bids move the price that they enter at."""
    found = hour_range(body)
    return [] if found is None else [f"an hour now: {from_to(found)} once these bids have moved the price"]


def _joining(body: PlanBody) -> list[str]:
    """That an hour counts what waits and is charged nothing yet, where it does: what ends, too, in the hour before."""
    there = [one for one in body["resource_changes"] if tuple(one["change"]["actions"]) in _BIDS_AS_THEY_WERE]
    return joining((one["status"], one["cost"]) for one in there if one["type"] == "bid")


def _joins(status: str | None, cost: shape.BidCost | None) -> bool:
    """Whether a bid is charged only from the next auction on, by the prices of now."""
    return status == OPEN and cost is not None and cost["outlook"] == "runs"


def joining(bids: Iterable[tuple[str | None, shape.BidCost | None]]) -> list[str]:
    """What an hour counts of `bids`, each with its status, that is charged only from the next auction on."""
    count = sum(_joins(status, cost) for status, cost in bids)
    bid = "1 bid that waits and wins" if count == 1 else f"{count:,} bids that wait and win"
    said = f"an hour now counts {bid} at the prices of now: nothing is charged for {'it' if count == 1 else 'them'}"
    return [f"{said} until the next auction"] if count else []


def _average(found: shape.Horizon | None) -> list[str]:
    """Why what is expected is more than the most in 9 of 10 cases, where it is."""
    sides = () if found is None else (found["current"], found["planned"])
    if not any(one["expected"] and one["p90"] and number(one["expected"]) > number(one["p90"]) for one in sides):
        return []
    return [
        "expected is the average of all cases: the most expensive 1 of 10 raises it above what the other 9 cost at most"
    ]


def _in_lines(remark: str, paint: Paint) -> list[str]:
    return wrapped(remark, "  ", "    " if remark.startswith((_MOST, _LARGEST, _KNOWN)) else "  ", paint.width)


def _beside(body: PlanBody) -> list[str]:
    """That the lines of some bids cover another time than the totals."""
    whole, own = body["cost"]["horizon"], of_other_hours(body)
    if whole is None or not own:
        return []
    names = few([*map(shown, own)], 3)
    lines = f"the line of {names} covers its" if len(own) == 1 else f"the lines of {names} cover their"
    return [f"the totals cover {span(whole['hours'])}; {lines} own duration"]


def _not_adding(cost: shape.Totals) -> list[str]:
    """Where a row of the table does not add, why."""
    rounded = is_rounded_apart(cost)
    return ["figures are rounded separately, so a row may be one cent off"] if rounded else []


def _expected_rows(found: shape.Horizon | None, *, alone: bool) -> list[tuple[str, str, str, str]]:
    """Over the horizon: the expected cost, and the most in 9 of 10 cases. `alone`: the most that the change comes to is
    not the difference of these, and so has no place in their row."""
    if found is None:
        return []
    before, after, delta = found["current"], found["planned"], found["delta"]
    over = span(found["hours"])
    named: tuple[tuple[Literal["expected", "p90"], str], ...] = (
        ("expected", f"{over}, expected"),
        ("p90", f"{over}, at most in 9 of 10 cases"),
    )
    rows = {key: (name, _price(before[key]), _price(after[key]), _signed(delta[key])) for key, name in named}
    if alone:
        rows["p90"] = (*rows["p90"][:3], "")
    return list(rows.values())


def _movers(found: shape.Horizon | None) -> list[str]:
    """What moves the expected cost most, where it is not one thing alone."""
    movers = [] if found is None else found["movers"]
    movers = [one for one in movers if not hardly_moves(number(one["expected"]), number(movers[0]["expected"]))]
    if found is None or len(movers) < 2:
        return []
    listed = ", ".join(f"{shown(one['address'])} {_signed(one['expected'])}" for one in movers)
    named = abs(sum((number(one["expected"]) for one in movers), Decimal(0)))
    whole = found["delta"]["expected"]
    if whole is None:
        return [f"{_KNOWN}{listed}"]
    return [f"{_LARGEST if named * 2 < abs(number(whole)) else _MOST}{listed}"]


def _saved(found: shape.Horizon | None) -> list[str]:
    """How far what is expected is below every limit paid all the time."""
    below = below_every_limit(found)
    if found is None or below is None:
        return []
    planned = found["planned"]
    most = f"every limit paid ({_price(planned['worst'])})"
    return [f"{span(found['hours'])}, expected: {percent(below)} below {most}; confidence: {planned['basis']}"]
