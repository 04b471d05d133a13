"""What a new simulator holds: a project, a key, quotas, auctions, and the rivals' bids that are in their books."""

from __future__ import annotations

import sqlite3

from flowplan.simulator.auctions import catalogue, clearing, crowd, market, rivals, surges
from flowplan.simulator.ids import fid, next_age

FIRST_NUMBER = 431  # ids of what is made through the API begin after it; any would do, but all ids follow from it


def fill(db: sqlite3.Connection, seed: int, now: int) -> None:
    """Fill the new, empty tables. The same seed and time give the same content."""
    db.execute(
        "INSERT INTO clock (now, started, seed, aged, numbered) VALUES (?, ?, ?, 0, ?)",
        (now, now, seed, FIRST_NUMBER),
    )
    _add_projects(db, seed, now)
    _add_auctions(db, seed)
    _add_rivals(db, seed, now)
    for pool in market.changed_pools(db):
        clearing.clear_pool(db, pool, now)
    db.execute("INSERT OR IGNORE INTO price_events SELECT seq, ?, price_cents FROM auctions", (now,))


def _add_projects(db: sqlite3.Connection, seed: int, now: int) -> None:
    project, other = fid(seed, "proj", 1), fid(seed, "proj", 2)
    db.execute("INSERT INTO projects VALUES (1, ?, ?, ?, 1)", (project, catalogue.PROJECT, now))
    db.execute("INSERT INTO projects VALUES (2, ?, 'somebody-elses-project', ?, 0)", (other, now))
    db.execute(
        "INSERT INTO ssh_keys VALUES (1, ?, ?, ?, ?, ?, 0)",
        (fid(seed, "sshkey", 1), project, catalogue.SSH_KEY, catalogue.PUBLIC_KEY, now),
    )
    _add_quota(db, seed, 1, project, "Storage", "", catalogue.STORAGE_QUOTA_GB, "GB", "Storage")
    for number, kind in enumerate(catalogue.INSTANCE_TYPES, 2):
        _add_quota(db, seed, number, project, "Spot", kind.fid, catalogue.SPOT_QUOTA, "instances", f"Spot {kind.name}")


def _add_quota(
    db: sqlite3.Connection,
    seed: int,
    number: int,
    project: str,
    product: str,
    instance_type: str,
    total: int,
    units: str,
    name: str,
) -> None:
    db.execute(
        "INSERT INTO quotas VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?, 0)",
        (number, fid(seed, "quota", number), project, product, instance_type, total, units, name),
    )


def _add_auctions(db: sqlite3.Connection, seed: int) -> None:
    auction = 0
    for number, pool in enumerate(catalogue.POOLS, 1):
        sizes = [catalogue.TYPE_BY_FID[id] for id in pool.types]
        unit = min(size.num_gpus for size in sizes)  # GPUs of one unit
        units = pool.gpus // unit
        db.execute(
            "INSERT INTO pools (seq, units, reserve, free, temper, changed) VALUES (?, ?, ?, ?, ?, 0)",
            (number, units, pool.reserve_cents * unit * market.EIGHTHS, units, pool.temper),
        )
        for size in sizes:
            auction += 1
            reserve = pool.reserve_cents * size.num_gpus
            db.execute(
                "INSERT INTO auctions (seq, fid, pool, instance_type, region, weight, reserve_cents, price_cents,"
                " adjustable_memory) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(auction, fid(seed, "auc", f"{size.fid}/{pool.region}"), number, size.fid, pool.region),
                    *(size.num_gpus // unit, reserve, reserve, pool.adjustable_memory),
                ),
            )


def _add_rivals(db: sqlite3.Connection, seed: int, now: int) -> None:
    """Who is in the books at the start, and when the first of them does something."""
    for pool in rivals.pools(db):
        present = [*rivals.population(seed, pool, now), *surges.still_there(seed, pool, now)]
        rows = [(pool.seq, rival.rank, next_age(db), rival.units, rival.auction, rival.leaves_at) for rival in present]
        db.executemany(
            "INSERT INTO orders (pool, rank, seq, units, auction, own, leaves_at) VALUES (?, ?, ?, ?, ?, 0, ?)", rows
        )
        next_at = now + rivals.event(seed, pool, 0, now).next_in
        surge = surges.next_surge(seed, pool, now)
        moments = [next_at, *(rival.leaves_at for rival in present), *([surge.at] if surge else [])]
        db.execute(
            "UPDATE pools SET changed = 1, next_at = ?, surge_at = ?, due_at = ? WHERE seq = ?",
            (next_at, surge and surge.at, crowd.round_after(min(moments)), pool.seq),
        )
