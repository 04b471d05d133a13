"""Which live bids go where it is cheaper without anybody asking for it, and which stay where they are."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from flowplan.config import Config
from flowplan.model.catalogue import Auction, Catalogue, InstanceType, Place, SshKey
from flowplan.model.lifecycle import Lifecycle
from flowplan.planning.desired import Desired, look_up
from flowplan.planning.prospects import Prospects
from flowplan.pricing.history import Stream
from flowplan.state.known import Existing, movable_bids
from tests.builders import TASK, TRAIN, bid, bound, live, live_bid, state

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
KIND = InstanceType("it_a", "h100-80gb.sxm.8x", "H100", 8)
PRICES = {"cheap": "8", "dear": "16"}
CATALOGUE = Catalogue(
    (KIND,),
    tuple(Auction(region, "it_a", region, 9, Decimal(price)) for region, price in PRICES.items()),
    ssh_keys=(SshKey("key_1", "laptop"),),
)
STREAMS: dict[Place, Stream] = {
    ("it_a", region): Stream.of([(NOW - timedelta(days=13), Decimal(price))], NOW) for region, price in PRICES.items()
}
HERE = bid("train", "20", instance_type="it_a", region="dear")


def placed(movable: bool = True, kept: dict[Any, Place] | None = None, **task: Any) -> Desired:
    wanted = attrs.evolve(TASK, instance_types=("h100:8",), **task)
    return look_up(
        Config({TRAIN: wanted}, {}),
        CATALOGUE,
        live(),
        Existing(placed={TRAIN: HERE}, movable=[TRAIN] if movable else []),
        kept=kept,
        prospects=Prospects(STREAMS),
    )


def region(found: Desired) -> str:
    return str(getattr(found.resources[TRAIN], "region", None))


def test_a_bid_that_waits_goes_where_it_saves_a_half_and_says_so() -> None:
    found = placed()
    assert region(found) == "cheap"
    assert found.choices[TRAIN].startswith("waits in dear; h100-80gb.sxm.8x in cheap ($8.00 now)")
    assert found.choices[TRAIN].endswith("saves 50%")


@pytest.mark.parametrize(
    "stays",
    [
        {"movable": False},  # it has run
        {"lifecycle": Lifecycle(prevent_destroy=True)},  # the plan would be refused, again and again
        {"lifecycle": Lifecycle(ignore_changes=("region",))},
        {"region": "dear"},
    ],
)
def test_what_stays(stays: dict[str, Any]) -> None:
    assert region(placed(**stays)) == "dear"


def test_what_a_saved_plan_chose_holds() -> None:
    assert region(placed(kept={TRAIN: ("it_a", "dear")})) == "dear"
    assert region(placed(movable=False, kept={TRAIN: ("it_a", "cheap")})) == "cheap"


@pytest.mark.parametrize(
    ("status", "instances", "moves"),
    [("Open", (), True), ("Open", ("i1",), False), ("Allocated", ("i1",), False), ("Paused", (), False)],
)
def test_only_what_waits_and_has_never_run_may_move(status: str, instances: tuple[str, ...], moves: bool) -> None:
    there = live(live_bid(HERE, status=status, instances=instances))
    assert movable_bids(state(bound(TRAIN, "bid_1", HERE)), there) == ({TRAIN} if moves else set())
