"""Which tasks are at the end of their lifetime. Pure: what has run and was paid is given."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from attrs import evolve

from flowplan.classes import frozen
from flowplan.clock import AGREE, ahead
from flowplan.model.address import Address
from flowplan.model.bounds import moment
from flowplan.model.lifecycle import Bounds, Lifetime
from flowplan.model.live import ALLOCATED, Live, LiveBid
from flowplan.model.resources import Bid, Ends
from flowplan.patterns import regex
from flowplan.pricing.billing import Billed, Bills, hours_between, paid
from flowplan.pricing.lifetime import ENDLESS, Left
from flowplan.pricing.units import an_hour_at_most, usd
from flowplan.state.state import LIFETIME, Binding, State

# What FCP calls an instance that has shut down: the list of its statuses, and older ones that clients still know. One
# that is still stopping may be charged, and still write to its volumes.
SHUT_DOWN = frozenset(("STATUS_STOPPED", "STATUS_TERMINATED"))
# What it calls one that is not charged: it has not started yet, or does not run any more.
_NOT_CHARGED = SHUT_DOWN | {
    *("STATUS_NEW", "STATUS_CONFIRMED", "STATUS_INITIALIZING", "STATUS_STARTING", "STATUS_PENDING", "STATUS_SCHEDULED"),
    *("STATUS_PREEMPTED", "STATUS_PAUSED", "STATUS_REPLACED"),
}
_HAVE_SHUT_DOWN = "its instances have shut down"
_FOUND_BEFORE = "an earlier run found it over, and ended before the bid was cancelled"
_WHY = regex(
    r"it has run [\d.]+ hours, of max_hours [\d.]+|it has cost (?:under )?\$[\d.,]+, of max_cost (?:under )?\$[\d.,]+"
    rf"|its end_at, [-\d: ]+ UTC, has passed|{_HAVE_SHUT_DOWN}|{_FOUND_BEFORE}"
)


@frozen
class Machine:
    """An instance, of which bid, its status, and when it was created, in the API's words ("": it does not say)."""

    id: str
    bid: str | None
    status: str
    created_at: str = ""


@frozen
class Seen:
    """What a lifetime is held to: the time, what was billed, and the instances. None: it is not known,
    and ends nothing. `here`: this machine's clock, where it and `now` cannot both be right; None: nothing is against
    `now`. What only one of the two says is over is not ended."""

    now: datetime
    billed: Bills | None = Bills()
    instances: tuple[Machine, ...] | None = ()
    here: datetime | None = None

    @property
    def bills(self) -> Mapping[str, Sequence[Billed]]:
        """The periods of each bid that are known."""
        return self.billed.by_bid if self.billed is not None else {}

    @property
    def at_latest(self) -> Seen:
        """The same by the later one of two clocks."""
        return self if self.here is None or self.here < self.now else self.by_here

    @property
    def by_here(self) -> Seen:
        """The same by this machine's clock."""
        return evolve(self, now=self.here or self.now, here=None)


@frozen
class Unsure:
    """Why nobody knows whether the lifetime of a live bid is over. `unseen`: what it is held to and nobody tells, for
    people; "": it is over by one of two clocks, or a clock is behind, which is said in `clocks`."""

    unseen: str
    clocks: str = ""

    @property
    def why(self) -> str:
        """A clause, for people."""
        return self.clocks or f"flowplan cannot check its {self.unseen} now"

    @property
    def remedy(self) -> str:
        """What helps flowplan to know it."""
        if self.clocks:
            return "set this machine's clock if it is the wrong one (flowplan doctor compares the two)"
        return "give it an end_at, which flowplan can check without the API"


@frozen
class Lives:
    """What is left of a lifetime: of a bid that is yet to be placed, and of the live one. `applied`: of the live one by
    the lifetime that it has until now; None: by the same one."""

    new: Left
    live: Left
    applied: Left | None = None


def over(lifetimes: Mapping[Address, Bounds], state: State, live: Live, seen: Seen) -> dict[Address, str]:
    """The tasks whose lifetime is over, each with why, for people: those that are live, and those whose `end_at` has
    passed whether they are or not."""
    verdicts = {a: _verdict(a, one, state, live, seen) for a, one in lifetimes.items()}
    return {address: why for address, (why, _) in verdicts.items() if why is not None}


def _verdict(address: Address, lifetime: Bounds, state: State, live: Live, seen: Seen) -> tuple[str | None, str]:
    """Why the lifetime is over, for people (None: it is not, or nobody knows it); and, where one of two clocks alone
    says that it is, which of them; "" elsewhere. What an earlier run found over stays so."""
    by_api = _why_over(address, lifetime, state, live, seen)
    if seen.here is None:
        return by_api, ""
    binding, by_here = state.bindings.get(address), _why_over(address, lifetime, state, live, seen.by_here)
    if by_api is not None and by_here is not None:
        return by_api if seen.now < seen.here else by_here, ""
    either = by_here or by_api
    if either is None or (binding is not None and binding.ended == LIFETIME):
        return either, ""
    return None, f"it is over {_only_by(seen.now, seen.here, by_here)}"


def _only_by(now: datetime, here: datetime, by_here: str | None) -> str:
    """By which of the API's clock and this machine's something is so; `by_here`: what is so by this machine's."""
    if by_here is None:
        return f"only by the API's clock, which is {ahead(now, here)} this machine's"
    return f"only by this machine's clock, which is {ahead(here, now)} the API's"


def _why_over(address: Address, lifetime: Bounds, state: State, live: Live, seen: Seen) -> str | None:
    """Why the lifetime is over by `now`, for people; None: it is not, or nobody knows it."""
    binding = state.bindings.get(address)
    bid = live.bids.get(binding.id) if binding is not None else None
    why = past(lifetime, seen.now)
    if why is not None or bid is None or bid.ended:
        return why
    periods = seen.bills.get(bid.id, ())
    shut = lifetime.cancel_when_done and bid.status == ALLOCATED and _have_shut_down(bid, seen)
    why = _has_run(lifetime.max_hours, periods, seen.now) or _has_cost(lifetime.max_cost, periods, seen.now)
    why = why or (_HAVE_SHUT_DOWN if shut else None)
    was_over = binding is not None and binding.ended == LIFETIME
    if why is None and was_over and not _is_known(lifetime, bid, seen):
        why = _FOUND_BEFORE
    return why


def left(lifetimes: Mapping[Address, Bounds], state: State, live: Live, seen: Seen) -> dict[Address, Lives]:
    """What is left of the lifetimes that bound what a bid costs. What is not known to be used up is left."""
    billed = seen.bills
    found = {}
    for address, lifetime in lifetimes.items():
        if lifetime.max_hours is None and lifetime.max_cost is None and lifetime.end_at is None:
            continue
        binding = state.bindings.get(address)
        if binding is None or binding.id not in live.bids:
            found[address] = Lives(_left(lifetime, seen.now), _left(lifetime, seen.now))
            continue
        applied = None
        if binding.guard or not has_lifetime_as_applied(binding, lifetime):
            known = as_applied(binding)
            applied = left_as_applied({address: known} if known else {}, state, seen).get(address, ENDLESS)
        here = _left(lifetime, seen.now, billed.get(binding.id, ()))
        found[address] = Lives(_left(lifetime, seen.now), here, applied)
    return found


def unknown(lifetimes: Mapping[Address, Bounds], state: State, live: Live, seen: Seen) -> dict[Address, Unsure]:
    """The live tasks of whose lifetime it is not known whether it is over, each with why. What `over` finds although
    something is not known is among them."""
    found = {}
    for address, lifetime in lifetimes.items():
        binding = state.bindings.get(address)
        bid = live.bids.get(binding.id) if binding is not None else None
        if bid is None or bid.ended:
            continue
        unread = _unread(lifetime, bid, seen.at_latest)  # by then most may have run that no bill has
        if lifetime.cancel_when_done and seen.instances is None:
            unread.append("when_done")
        if unread:
            found[address] = Unsure(" and ".join(unread))
        elif clocks := _verdict(address, lifetime, state, live, seen)[1] or _behind(lifetime, bid, seen.at_latest.now):
            found[address] = Unsure("", clocks)
    return found


def _behind(lifetime: Bounds, bid: LiveBid, now: datetime) -> str:
    """That `end_at` may have passed although `now` does not say so, for people; "": nothing shows that."""
    placed = moment(bid.created_at)
    if lifetime.end_at is None or placed is None or (placed - now).total_seconds() <= AGREE:
        return ""
    return f"the API says that it was placed at {placed:%Y-%m-%d %H:%M} UTC, which is yet to come"


def may_lack(lifetime: Bounds, bid: LiveBid, seen: Seen) -> list[str]:
    """The bounds that `bid` may have reached by what it runs now and its bill, though it can be read, does not have. An
    instance of it that is seen not to be charged is none of that; one that neither the list nor the bill has may run,
    since a bid has all of its instances or none."""
    periods = [one for one in seen.bills.get(bid.id, ()) if one.start <= seen.now]
    running = {one.instance for one in periods if one.end is None or one.end >= seen.now}
    machines = [one for one in seen.instances or () if one.bid == bid.id]
    unbilled = [one for one in machines if one.status not in _NOT_CHARGED and one.id not in running]
    idle = {one.id for one in machines if one.status in _NOT_CHARGED}
    if bid.instances:  # others are earlier ones of the bid
        idle &= set(bid.instances)
    seen_so = running | idle | {one.id for one in unbilled}
    lacking = len(unbilled) + max(bid.bid.instance_quantity - len(seen_so), 0)
    if not bid.is_billed or not lacking:
        return []
    by_start = sorted(periods, key=lambda one: one.start)
    ends = {one.instance: one.end for one in by_start if one.end is not None and one.instance not in running}
    since = _since(unbilled, ends, lacking, bid, seen)
    left = _left(lifetime, seen.now, periods)
    passed = None if since is None else hours_between(since, max(since, seen.now))
    most = None if passed is None or "limit_price" in bid.bid.unreported else passed * lacking * bid.bid.limit_price
    found = ["max_hours"] if left.running is not None and not running and _reaches(passed, left.running) else []
    return [*found, "max_cost"] if left.paid is not None and _reaches(most, left.paid) else found


def _since(
    unbilled: Collection[Machine], ends: Mapping[str, datetime], lacking: int, bid: LiveBid, seen: Seen
) -> datetime | None:
    """Since when instances of `bid` may run that its bill lacks; None: nobody knows. Each listed one, `unbilled`, since
    its own bill breaks off (`ends`), or since it was made: the bid may have waited for long, and others ended since.
    The rest of those `lacking`, of which that is not known, since so many other bills broke off, or else since the bid
    was placed. Where the instances are not known, each of these bills may be that of one that runs."""
    begun = {one.id: ends.get(one.id) or _moment(one.created_at, seen.now) for one in unbilled}
    told = {id: at for id, at in begun.items() if at is not None}
    rest = lacking - len(told)
    if not rest:
        return min(told.values())
    others = sorted((at for id, at in ends.items() if id not in told), reverse=True)
    latest = others if seen.instances is None else others[:rest]
    since = latest[-1] if len(latest) >= rest else placed_at(bid, seen.now)
    return None if since is None else min((since, *told.values()))


def _reaches(most: Decimal | None, left: Decimal) -> bool:
    """Whether what may have come to `most` (None: nobody knows) may have used up what was `left`."""
    return most is None or most >= left


def _unread(lifetime: Bounds, bid: LiveBid, seen: Seen) -> list[str]:
    """Which bounds of money and hours cannot be checked."""
    if seen.billed is None or bid.id in seen.billed.unread:
        bounds = {"max_hours": lifetime.max_hours, "max_cost": lifetime.max_cost}
        return [name for name, most in bounds.items() if most is not None]
    return may_lack(lifetime, bid, seen)


def may_be_over(unsure: Unsure, bid: Bid) -> str:
    """Of a bid whose lifetime is `unknown`: what that means, for people."""
    return f"may be past its lifetime: {unsure.why}, so it keeps running: {an_hour_at_most(bid.worst)}"


def _left(lifetime: Bounds, now: datetime, periods: Iterable[Billed] = ()) -> Left:
    hours, cost, end = lifetime.max_hours, lifetime.max_cost, lifetime.end_at
    periods = tuple(periods)
    return Left(
        None if hours is None else max(hours - hours_run(periods, now), Decimal(0)),
        None if cost is None else max(cost - paid(periods, now), Decimal(0)),
        None if end is None or end <= now else hours_between(now, end),
    )


def _is_known(lifetime: Bounds, bid: LiveBid, seen: Seen) -> bool:
    """Whether all is known that `lifetime` goes by for `bid`."""
    return not _unread(lifetime, bid, seen) and (seen.instances is not None or not lifetime.cancel_when_done)


def placed_at(bid: LiveBid, now: datetime) -> datetime | None:
    """When a bid was placed; None: the API gives no time that can be read, or one that is yet to come."""
    return _moment(bid.created_at, now)


def _moment(text: str, now: datetime) -> datetime | None:
    """A time as the API writes it, in UTC; None for one that cannot be: what is later than `now` by more than `AGREE`
    has not happened, and by it nothing would have run yet."""
    at = moment(text)
    return None if at is None or (at - now).total_seconds() > AGREE else at


def as_applied(binding: Binding) -> Bounds | None:
    """The lifetime that the bid of `binding` has: the one that a run recorded, or else, as in a state that was built
    again, what its instances were started with. None: nothing is known to end it, or something keeps it from that."""
    if binding.guard:
        return None
    inputs = binding.applied.inputs if isinstance(binding.applied, Bid) else None
    if binding.lifetime is not None or inputs is None or inputs.ends is None:
        return binding.lifetime
    ends = inputs.ends
    hours = None if ends.minutes is None else Decimal(ends.minutes) / 60
    end_at = None if ends.moment is None else datetime.fromtimestamp(ends.moment, UTC)
    return Bounds(hours, None, end_at, ends.when_done)


def left_as_applied(lifetimes: Mapping[Address, Bounds], state: State, seen: Seen) -> dict[Address, Left]:
    """What is left of the lifetimes that live bids have (`as_applied`), where something is: what has outlived its end
    runs until it is cancelled. What is not known to be used up is left."""
    billed = seen.bills
    found = {}
    for address, bounds in lifetimes.items():
        left = _left(bounds, seen.now, billed.get(state.bindings[address].id, ()))
        used_up = any(bound is not None and bound <= 0 for bound in (left.running, left.paid))
        if left != ENDLESS and not used_up and past(bounds, seen.now) is None:
            found[address] = left
    return found


def needs_bills(lifetimes: Mapping[Address, Bounds]) -> bool:
    """Whether `over` has to know what was billed."""
    return any(one.max_hours is not None or one.max_cost is not None for one in lifetimes.values())


def needs_instances(lifetimes: Mapping[Address, Bounds]) -> bool:
    """Whether `over` has to know the instances."""
    return any(one.cancel_when_done for one in lifetimes.values())


def hours_run(periods: Iterable[Billed], now: datetime) -> Decimal:
    """Hours in which the bid of `periods` has run: those of several instances at a time once, and those of an instance
    that another took the place of, too."""
    run, until = Decimal(0), None
    for start, end in sorted((one.start, min(one.end or now, now)) for one in periods):
        start = start if until is None else max(start, until)
        if end > start:
            run, until = run + hours_between(start, end), end
    return run


def has_lifetime_as_applied(known: Binding, wanted: Bounds | None) -> bool:
    """Whether `wanted`, the lifetime in the files, is the one that was applied. Where no run has recorded one, as in a
    state that was built again, it is the one that the instances were started with."""
    bounds = wanted.bounds if isinstance(wanted, Lifetime) else wanted
    if known.lifetime is not None or bounds is None or not isinstance(known.applied, Bid):
        return known.lifetime == bounds
    inputs = known.applied.inputs
    return inputs is not None and inputs.ends is not None and inputs.ends == Ends.of(bounds)


def past(lifetime: Bounds | None, now: datetime) -> str | None:
    """That `end_at` has passed, for people; None: it has not. It alone ends a bid that is yet to be placed, too."""
    if lifetime is None or lifetime.end_at is None or now < lifetime.end_at:
        return None
    return f"its end_at, {lifetime.end_at:%Y-%m-%d %H:%M} UTC, has passed"


def past_by_any(lifetime: Bounds | None, now: datetime, here: datetime | None) -> str | None:
    """The same of what is yet to be placed: that one of two clocks says so is enough. `here`: as of `Seen`."""
    by_api, by_here = past(lifetime, now), past(lifetime, here) if here is not None else None
    if here is None or (by_api is None) == (by_here is None):
        return by_api
    return f"{by_api or by_here}, though {_only_by(now, here, by_here)}"


def again(address: Address, *, late: bool) -> str:
    """How to run a task again that has ended. `late`: its `end_at` has passed, and would end the next bid at once."""
    command = f"flowplan apply --replace {address.word}"
    return f"give it a later end_at, then {command}" if late else command


def is_why(text: str | None) -> bool:
    """Whether `text` is what `over` says of some bid, at some time."""
    return text is not None and _WHY.fullmatch(text) is not None


def _has_run(most: Decimal | None, periods: Iterable[Billed], now: datetime) -> str | None:
    run = hours_run(periods, now)
    return None if most is None or run < most else f"it has run {run:.1f} hours, of max_hours {most.normalize():f}"


def _has_cost(most: Decimal | None, periods: Iterable[Billed], now: datetime) -> str | None:
    cost = paid(periods, now)
    return None if most is None or cost < most else f"it has cost {usd(cost)}, of max_cost {usd(most)}"


def _have_shut_down(bid: LiveBid, seen: Seen) -> bool:
    """Whether all instances of `bid` have, as many as it is of and each that it names: an instance that a list does not
    show yet may run."""
    found = {one.id: one.status for one in seen.instances or () if one.bid == bid.id}
    missing = len(found) < bid.bid.instance_quantity or not found.keys() >= set(bid.instances)
    return not missing and set(found.values()) <= SHUT_DOWN
