"""What FCP would refuse of what a plan places or raises: said before anything is made, or cancelled to make room. Pure.

What stays, goes or only becomes less is never a problem here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Protocol

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
    for quota in quotas:
        found += _over(plan, quota, say)
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


def _over(plan: Plan, quota: Quota, say: Say) -> Iterator[Diagnostic]:
    """What does not fit into `quota`, together with what stays: the API would refuse some of it after the rest is made.
    What the plan takes away counts until it is gone, and so does what nobody here placed."""
    cls: type[Resource] = Bid if quota.product == SPOT else Volume
    field = "instance_quantity" if quota.product == SPOT else "size_gb"
    size = _instances(quota) if quota.product == SPOT else _gigabytes
    taking = [one for one in plan.changes if isinstance(one.after, cls) and _takes(one)]
    taken_by = frozenset(one.address for one in taking)
    staying = [one for one in plan.changes if isinstance(one, _STAYING) and one.address not in taken_by]
    taken = _elsewhere(plan, quota) + sum(size(one.after) for one in staying if not _is_paused(one.after))
    for change in taking:
        more = size(change.after)
        taken += more
        if more and taken > quota.total:
            summary = f"the quota {quota.name} allows {quota.total:,} {quota.units}; this would take it to {taken:,}"
            yield say(change.address, field, summary, _ROOM, code="quota")


_ROOM = "ask for less, or for a higher quota; what you remove still counts in this apply: remove it in an earlier one"


def _holds(change: Change) -> bool:
    """Whether what it has now is what it will have, or makes room for that."""
    return isinstance(change, _HELD) and not isinstance(change, CreateFirst)


def _elsewhere(plan: Plan, quota: Quota) -> int:
    """What is used of `quota` by what the plan does not have, or takes away."""
    if quota.product == STORAGE:
        held = [c.before for c in plan.changes if _holds(c)]
        return max(quota.used - sum(map(_gigabytes, held)), 0)
    size = _instances(quota)
    kept = (c for c in plan.changes if _holds(c) and c.status in _HOLDING)
    return max(quota.used - sum(size(one.before) for one in kept), 0)


def _instances(quota: Quota) -> Callable[[Resource | None], int]:
    def size(bid: Resource | None) -> int:
        return bid.instance_quantity if isinstance(bid, Bid) and bid.instance_type == quota.instance_type else 0

    return size


def _gigabytes(volume: Resource | None) -> int:
    return volume.size_gb if isinstance(volume, Volume) else 0


def _is_paused(resource: Resource | None) -> bool:
    return isinstance(resource, Bid) and resource.paused
