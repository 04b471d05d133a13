"""Look into the embedded simulator, as its auctioneer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from flowplan.documents.books import Auction, Books
from flowplan.errors import UsageProblem
from flowplan.model.catalogue import InstanceType
from flowplan.model.type_names import find_types, read_type_name

STANDS_STILL = "time stands still in the simulator: `flowplan simulator advance` moves it"


def books(
    data: Path, start: datetime, instance_type: str | None, region: str | None, since: timedelta, depth: int
) -> Books:
    """The auctions of `instance_type` (spelt as in a task file, an auction's id, or the beginning of names) in
    `region`; None: of all. `data`: the simulator's file; new data begin at `start`. Raises UsageProblem where there is
    none, with what there is."""
    from flowplan.simulator import Simulator

    with Simulator.open(data, start=start) as found:
        all_, now = found.market(), found.now()
    auctions = [one for one in all_ if region in (None, one.region) and _is_asked_for(one, instance_type)]
    if not auctions:
        raise _no_auction(all_, instance_type, region)
    return Books(auctions, now, since, depth)


def _is_asked_for(one: Auction, instance_type: str | None) -> bool:
    if instance_type in (None, one.instance_type, one.id) or one.name.startswith(instance_type.lower()):
        return True
    try:
        wanted, name = read_type_name(instance_type), read_type_name(one.name)
    except ValueError:
        return False
    kind = InstanceType(
        one.instance_type, one.name, name.gpu or "", name.gpus or 0, name.memory_gb or 0, name.socket or ""
    )
    return bool(find_types(wanted, [kind]))


def _no_auction(all_: Sequence[Auction], instance_type: str | None, region: str | None) -> UsageProblem:
    """Why the type or region asked for is unknown, with the known ones as a hint."""
    sold = [one for one in all_ if _is_asked_for(one, instance_type)]
    if not sold:
        types = sorted({one.name for one in all_})
        return UsageProblem(f"no auction sells {instance_type}", hint=f"types: {', '.join(types)}")
    regions = sorted({one.region for one in all_})
    if region not in regions:
        return UsageProblem(f"there is no region {region}", hint=f"regions: {', '.join(regions)}")
    there = sorted({one.region for one in sold})
    return UsageProblem(f"{instance_type} is not sold in {region}", hint=f"it is sold in {', '.join(there)}")
