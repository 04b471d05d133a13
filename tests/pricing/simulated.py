"""Auctions of the simulator, and bids in them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from flowplan.cost.costs import Priced
from flowplan.cost.estimate import auctions_needed, one_more, priced
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change, Create
from flowplan.planning.desired import Desired
from flowplan.pricing.entry import Market
from flowplan.simulator import SIMULATOR_KEY, Request, Simulator
from flowplan.simulator.auctions import catalogue
from tests.builders import bid, bound, live, live_bid, plan_to, state

COVERED = 0.95


class Client:
    """Somebody who bids in a simulated market."""

    def __init__(self, simulator: Simulator) -> None:
        self._simulator = simulator
        self._project = self._get("/v2/projects")[0]["fid"]

    def market(self, kind: str, region: str, quantity: int) -> Market:
        query = f"instance_type={kind}&region={region}&instance_quantity={quantity}"
        row = self._get(f"/v2/pricing/current?{query}")
        names = {"spot": "spot_price", "minimum": "minimum_price", "lowest_allocated": "lowest_allocated_bid"}
        names |= {"win_price": "dynamic_win_price"}
        prices = {name: cents(row[f"{key}_cents"]) for name, key in names.items()}
        free, total = row["available_capacity"], row["total_capacity"]
        return Market(kind, region, quantity, **prices, available=free, total=total)

    def place(self, name: str, market: Market, limit: Decimal) -> None:
        body = {"project": self._project, "name": name, "instance_type": market.instance_type, "region": market.region}
        body |= {"limit_price": f"${limit}", "instance_quantity": market.quantity}
        body["launch_specification"] = {"volumes": [], "ssh_keys": []}
        assert self._call("POST", "/v2/spot/bids", json.dumps(body).encode()).status == 201

    def reprice(self, id: str, limit: Decimal) -> None:
        assert (
            self._call("PATCH", f"/v2/spot/bids/{id}", json.dumps({"limit_price": f"${limit}"}).encode()).status == 200
        )

    def cancel(self, id: str) -> None:
        assert self._call("DELETE", f"/v2/spot/bids/{id}").status == 204

    def bids(self) -> dict[str, tuple[str, str]]:
        """(id, status) of every bid that has not ended, by its name."""
        found, cursor = {}, ""
        while True:
            page = self._get(f"/v2/spot/bids?project={self._project}&limit=100{cursor}")
            rows = [row for row in page["data"] if row["status"] != "Terminated"]
            found |= {row["name"]: (row["fid"], row["status"]) for row in rows}
            if page["next_cursor"] is None:
                return found
            cursor = f"&next_cursor={page['next_cursor']}"

    def _get(self, target: str) -> Any:
        return json.loads(self._call("GET", target).body)

    def _call(self, method: str, target: str, body: bytes = b"") -> Any:
        headers = {"Authorization": f"Bearer {SIMULATOR_KEY}"}
        return self._simulator.handle(Request.to(method, target, headers, body))


def cents(amount: int | None) -> Decimal | None:
    return None if amount is None else Decimal(amount) / 100


D = Decimal
MULTIPLES = ("0.95", "1.01", "1.03", "1.1", "1.5", "2")  # of what a bid would win with alone: where it matters


def drawn(random: random.Random, client: Client, pool: catalogue.Pool, time: str) -> list[Create]:
    """Two to four new bids for the sizes of a pool."""
    changes = []
    for number in range(random.randint(2, 4)):
        kind = catalogue.TYPE_BY_FID[random.choice(pool.types)]
        market = client.market(kind.fid, pool.region, quantity := random.choice((1, 1, 1, 2, 3)))
        assert market.minimum is not None
        limit = max(market.minimum, (market.win_price or market.minimum) * D(random.choice(MULTIPLES)))
        of = {"instance_type": kind.fid, "region": pool.region, "gpus": kind.num_gpus}
        name = f"{time}-{pool.region}-{pool.types[0]}-{number}"
        one = bid(name, str(limit.quantize(D("0.01"))), quantity, instance_type_name=kind.name, **of)
        changes.append(Create(Address("bid", name), after=one))
    return changes


def costs_by(client: Client, changes: Sequence[Change]) -> list[Priced]:
    """What a plan of `changes` says, by what the market shows."""
    desired = Desired({change.address: change.after for change in changes if change.after is not None})
    ours = {change.id: change.before for change in changes if change.id and isinstance(change.before, Bid)}
    known = state(*(bound(Address("bid", one.name), id, one) for id, one in ours.items()))
    there = live(*(live_bid(one, id) for id, one in ours.items()))
    markets = {key: client.market(*key) for key in auctions_needed(desired, known, there, changes)}
    for key, more in one_more(changes, markets).items():
        markets[key] = attrs.evolve(markets[key], next_win=client.market(*more).win_price)
    return list(priced(plan_to(*changes), markets).changes)


def sized(gpus: int, limit: str, quantity: int = 1) -> Bid:
    """A bid for instances of so many GPUs of one kind."""
    kind = f"gpu.{gpus}x"
    return bid(kind, limit, quantity, instance_type=kind, instance_type_name=kind, gpus=gpus)


def seen(gpus: int, quantity: int, spot: str, win: str, free: int = 0, total: int = 64) -> Market:
    """The auction of such instances: `free` and `total` in GPUs, at rest on a dollar a GPU."""
    kind, lowest = f"gpu.{gpus}x", D(spot)
    return Market(kind, "r", quantity, D(spot), D(gpus), lowest, D(win), free // gpus, total // gpus)
