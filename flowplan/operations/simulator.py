"""Look into the embedded simulator, as its auctioneer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from flowplan.documents.books import Auction, Books
from flowplan.errors import UsageProblem
from flowplan.model.catalogue import InstanceType
from flowplan.model.type_names import find_types, read_type_name
from flowplan.operations.opening.settings import SIMULATOR_DATA
from flowplan.printable import shown

if TYPE_CHECKING:
    from flowplan.operations.opening.session import Session
    from flowplan.operations.opening.settings import Settings

STANDS_STILL = "time stands still in the simulator: `flowplan simulator advance` moves it"


def data_of(settings: Settings, db: str | None, start: str | None = None) -> tuple[Path, datetime]:
    """The file of the data (`db`, else what `--api-url sim:PATH` means, else the default), and when new ones start."""
    from flowplan.simulator.clock import start_of

    data = settings.simulator_data if settings.simulated else Path(SIMULATOR_DATA)
    return Path(db) if db else data, start_of(start, "--start") if start else settings.simulator_start


def say_which(session: Session, data: Path, done: str, *, only_looks: bool = False) -> None:
    """Note with which `data` something is `done` ("moves"), where others may be meant: nobody named them, and the API
    is served from others, as far as it says, or there are none yet. Raises UsageProblem where it says from which,
    unless what is done `only_looks` at the data."""
    from flowplan.cloud.served import file_served

    url = session.settings.api_url
    if url.startswith("http://") and not _is(data, served := file_served(url)):
        if served is None:
            said = f"this {done} the data in {data}: unless {url} serves them, give --db FILE, the data of that server"
        elif only_looks:
            said = f"this {done} the data in {data}, not those that {url} serves: give --db {quote(shown(served))}"
        else:
            raise UsageProblem(
                f"{url} serves other data than those in {data}; nothing was changed",
                hint=f"give --db {quote(shown(served))}, which it serves, or the file that you mean",
            )
        session.listener.note(said)
    elif not data.exists():
        session.listener.note(f"there are no data in {data}: new ones are made")


def _is(data: Path, served: str | None) -> bool:
    """Whether `served` is the file of these `data`."""
    with suppress(OSError, ValueError):
        return served is not None and data.samefile(served)
    return False


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
