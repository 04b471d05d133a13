"""What FCP would refuse of what a plan places or raises: said before anything is made, or cancelled to make room. Pure.

What stays, goes or only becomes less is never a problem here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Protocol, TypeAlias

from flowplan.config import LimitPrice
from flowplan.diagnostics import Diagnostic
from flowplan.model.address import Address
from flowplan.model.catalogue import SPOT, STORAGE, Quota, SshKey
from flowplan.model.resources import Bid, Resource, Volume
from flowplan.planning.actions import Change, Create, CreateFirst, NoOp, Presumed, Replace, Update
from flowplan.planning.plan import Plan, key_of
from flowplan.pricing.entry import Key, Market
from flowplan.pricing.units import CENT, per_instance, usd


class Say(Protocol):
    """Makes a diagnostic at a field's place."""

    def __call__(self, address: Address, field: str, summary: str, hint: str, *, code: str) -> Diagnostic: ...


_STAYING, _HELD = (NoOp, Presumed, Update), (NoOp, Presumed, Update, Replace)
_HOLDING = ("Allocated", "Preempting")  # the statuses of bids that a quota counts as used


def refused(
    plan: Plan,
    markets: Mapping[Key, Market],
    keys: Iterable[SshKey],
    quotas: Sequence[Quota],
    limits: Mapping[Address, LimitPrice],
    say: Say,
) -> list[Diagnostic]:
    """Every problem, by the prices of now, by `keys` of the project and by `quotas` (none: they are not known).
    `limits`: those of the tasks, as they are written."""
    required = [key for key in keys if key.required]
    found: list[Diagnostic] = []
    for change in plan.changes:
        if isinstance(change.after, Bid):
            market = markets.get(key_of(change.after))
            found += _bid(change, change.after, market, required, limits.get(change.address), say)
    beside = _Quotas(plan)
    for quota in quotas:
        found += beside.over(quota, say)
    return found


def counts_against_quotas(plan: Plan) -> bool:
    """Whether `plan` takes anything that a quota could forbid."""
    return any(_takes(change) for change in plan.changes)


def _places(change: Change) -> bool:
    return isinstance(change, (Create, Replace))


def _changed(change: Change) -> set[str]:
    return {one.name for one in change.fields} if isinstance(change, Update) else set()


def _takes(change: Change) -> bool:
    resumed = "paused" in _changed(change) and isinstance(change.after, Bid) and not change.after.paused
    return change.address.kind in ("bid", "volume") and (_places(change) or resumed)


# ---- one bid ------------------------------------------------------------------------------------------------


def _bid(
    change: Change, bid: Bid, market: Market | None, required: Iterable[SshKey], written: LimitPrice | None, say: Say
) -> Iterator[Diagnostic]:
    least = market.minimum if market is not None else None
    if (_places(change) or "limit_price" in _changed(change)) and least is not None and bid.limit_price < least:
        summary = (
            f"the limit {usd(bid.limit_price)} is below {per_instance(least, bid.gpus)}, the minimum that FCP accepts"
        )
        hint = _meant_per_gpu(least, bid.gpus or 1, written) + _least(least, bid.gpus)
        yield say(change.address, "limit_price", summary, hint, code="limit-too-low")
    before = change.before if isinstance(change, Replace) else None
    if least is None and isinstance(before, Bid) and bid.limit_price < before.limit_price:
        summary = f"the limit falls to {usd(bid.limit_price)}, but the minimum that FCP accepts is unknown now"
        hint = "flowplan does not cancel a running bid for one that FCP may refuse: try again later, or keep the limit"
        yield say(change.address, "limit_price", summary, hint, code="minimum-unknown")
    if not _places(change):
        return
    total = market.total if market is not None else None
    if total is not None and bid.instance_quantity > total:
        summary = f"{bid.instance_quantity} instances at once can never run: the whole auction has {total}"
        hint = "ask for fewer (num_instances), for example in several tasks, or choose another type or region"
        yield say(change.address, "instance_quantity", summary, hint, code="too-many-instances")
    missing = [key.name for key in required if key.id not in bid.ssh_keys]
    if missing:
        summary = f"this project requires the SSH key {' and '.join(missing)} in every new bid"
        names = ", ".join([*bid.ssh_key_names, *missing])
        yield say(change.address, "ssh_keys", summary, f"ssh_key_name: [{names}]", code="key-required")


def _meant_per_gpu(least: Decimal, gpus: int, written: LimitPrice | None) -> str:
    """What the limit comes to for an instance if it was meant for a GPU: where that is enough (never of one that is
    written per GPU), and the limit is nearer to the minimum of a GPU than to that of an instance. Else nothing."""
    if written is None or gpus < 2:
        return ""
    limit, whole = written.amount, written.amount * gpus
    if whole < least or abs(limit - least / gpus) >= least - limit:
        return ""
    per_gpu = f"utility_threshold_price_per_gpu: {limit:.2f}"
    return f"that is per instance; {usd(limit)} x {gpus} GPUs = {usd(whole)} ({per_gpu}); otherwise "


def _least(least: Decimal, gpus: int | None) -> str:
    text = f"at least utility_threshold_price: {least:.2f}"
    if not gpus:
        return text
    return f"{text}, or utility_threshold_price_per_gpu: {(least / gpus).quantize(CENT, ROUND_CEILING)}"


# ---- quotas -------------------------------------------------------------------------------------------------


_Counted: TypeAlias = tuple[str, str | None]  # a product and, of instances, their type


class _Quotas:
    """What a plan takes of every quota, and what stays: each change is looked at once, however many quotas there are.
    What does not fit into one, the API would refuse after the rest is made. What the plan takes away counts until it is
    gone, and so does what nobody here placed."""

    def __init__(self, plan: Plan) -> None:
        self._taking: dict[_Counted, list[Change]] = {}
        self._staying: Counter[_Counted] = Counter()
        self._held: Counter[_Counted] = Counter()
        for change in plan.changes:
            before, after = change.before, change.after
            if after is not None and _takes(change):
                self._taking.setdefault(_counted_by(after), []).append(change)
            elif isinstance(change, _STAYING) and not _is_paused(after):
                self._staying[_counted_by(after)] += _size(after)
            if _holds(change) and (isinstance(before, Volume) or change.status in _HOLDING):
                self._held[_counted_by(before)] += _size(before)

    def over(self, quota: Quota, say: Say) -> Iterator[Diagnostic]:
        """That `quota` is too small, said once: at the first that does not fit into it, of all that do not."""
        of = (quota.product, quota.instance_type if quota.product == SPOT else None)
        field = "instance_quantity" if quota.product == SPOT else "size_gb"
        taken = max(quota.used - self._held[of], 0) + self._staying[of]
        without_room: list[Address] = []
        for change in self._taking.get(of, ()):
            more = _size(change.after)
            taken += more
            if more and taken > quota.total:
                without_room.append(change.address)
        if without_room:
            first, others = without_room[0], len(without_room) - 1
            allows = f"the quota {quota.name} allows {quota.total:,} {quota.units}"
            hint = f"this and {others:,} more do not fit: {_ROOM}" if others else _ROOM
            yield say(first, field, f"{allows}; this plan would take it to {taken:,}", hint, code="quota")


_ROOM = "ask for less, or for a higher quota; what you remove still counts in this apply: remove it in an earlier one"


def _holds(change: Change) -> bool:
    """Whether what it has now is what it will have, or makes room for that."""
    return isinstance(change, _HELD) and not isinstance(change, CreateFirst)


def _counted_by(resource: Resource | None) -> _Counted:
    """Which quotas count `resource`: by their product and, of instances, their type."""
    if isinstance(resource, Bid):
        return SPOT, resource.instance_type
    return STORAGE if isinstance(resource, Volume) else "", None


def _size(resource: Resource | None) -> int:
    """What it takes of a quota: instances, or GB."""
    if isinstance(resource, Bid):
        return resource.instance_quantity
    return resource.size_gb if isinstance(resource, Volume) else 0


def _is_paused(resource: Resource | None) -> bool:
    return isinstance(resource, Bid) and resource.paused
