"""A simulated cloud in which there is what somebody asks for: SSH keys, volumes, prices, jobs that have
ended."""

from __future__ import annotations

import json
from decimal import Decimal

from flowplan.simulator.api.messages import Request
from flowplan.simulator.auctions import clearing, market
from flowplan.simulator.auctions.catalogue import PROJECT
from flowplan.simulator.clock import DAY, to_ms
from flowplan.simulator.ids import next_age
from flowplan.simulator.simulator import SIMULATOR_KEY, Simulator

__all__ = ["PROJECT", "add_ssh_key", "add_volume", "end_running", "set_price"]


def add_ssh_key(simulator: Simulator, name: str) -> None:
    """An SSH key of this name, if there is none."""
    keys = _call(simulator, "GET", f"/v2/ssh-keys?project={_project(simulator)}")
    if name not in [key["name"] for key in keys]:
        body = {"project": _project(simulator), "name": name, "public_key": f"ssh-ed25519 AAAA {name}"}
        _call(simulator, "POST", "/v2/ssh-keys", body)


def add_volume(simulator: Simulator, name: str, size_gb: int, interface: str, region: str) -> None:
    """A volume that nobody uses. Raises ValueError, saying why it cannot be."""
    body = {"project": _project(simulator), "name": name, "size_gb": size_gb, "region": region}
    _call(simulator, "POST", "/v2/volumes", body | {"disk_interface": interface})


def set_price(simulator: Simulator, instance_type: str, region: str, price: Decimal) -> None:
    """Let `instance_type` (a name or an id) cost `price` dollars per instance-hour in `region` now: others, who take
    all there is at this limit, are the only ones in its book. Raises ValueError where it is not sold, or not so low."""
    found = simulator.market(instance_type, region)
    if not found:
        raise ValueError(f"{instance_type} is not sold in {region}")
    for one in found:
        if price < one.minimum:
            raise ValueError(f"{instance_type} costs ${one.minimum:.2f} at least in {region}")
        with simulator.exclusive() as db:
            auction = market.auction_of(db, one.instance_type, region)
            if auction is not None:
                now = to_ms(simulator.now())
                db.execute("DELETE FROM orders WHERE pool = ? AND own = 0", (auction.pool,))
                (units,) = db.execute("SELECT units FROM pools WHERE seq = ?", (auction.pool,)).fetchone()
                rank = market.rank_of(int(price * 100), auction.weight)
                rivals = [(auction.pool, rank, next_age(db), units, auction.seq, now + 365 * DAY) for _ in range(2)]
                sql = (
                    "INSERT INTO orders (pool, rank, seq, units, auction, own, leaves_at) VALUES (?, ?, ?, ?, ?, 0, ?)"
                )
                db.executemany(sql, rivals)
                clearing.clear_pool(db, auction.pool, now)


def end_running(simulator: Simulator, bid: str) -> None:
    """Let a bid (its id) end for good, as a job that is done does; nothing happens unless all its instances run."""
    with simulator.exclusive() as db:
        running = db.execute(
            "SELECT 1 FROM bids b WHERE b.fid = ? AND b.status = 'Allocated' AND b.quantity ="
            " (SELECT count(*) FROM instances i WHERE i.bid = b.seq AND i.status = 'STATUS_RUNNING')",
            (bid,),
        ).fetchone()
    if running is not None:
        simulator.end(bid)


def _project(simulator: Simulator) -> str:
    return str(_call(simulator, "GET", "/v2/projects")[0]["fid"])


def _call(simulator: Simulator, method: str, path: str, body: object = None) -> list[dict[str, object]]:
    """The rows of the answer. Raises ValueError for a refusal, in its words."""
    data = b"" if body is None else json.dumps(body).encode()
    answer = simulator.handle(Request.to(method, path, {"Authorization": f"Bearer {SIMULATOR_KEY}"}, data))
    found = json.loads(answer.body)
    if answer.status >= 300:
        raise ValueError(str(found.get("detail", answer.status)))
    return found if isinstance(found, list) else [found]
