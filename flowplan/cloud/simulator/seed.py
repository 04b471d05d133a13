"""What a new simulator holds: a project, a key, quotas, auctions, and the rivals' bids that are in their books."""

from __future__ import annotations

import sqlite3
from random import Random

from flowplan.cloud.simulator import catalogue, market
from flowplan.cloud.simulator.ids import fid, next_number


def fill(db: sqlite3.Connection, seed: int, now: int) -> None:
    """Fill the new, empty tables. The same seed and time give the same content."""
    db.execute("INSERT INTO clock (now, numbered, seed, started) VALUES (?, 100, ?, ?)", (now, seed, now))
    _add_projects(db, seed, now)
    _add_auctions(db, seed, now)
    _add_rivals(db, seed)
    for pool in market.changed_pools(db):
        market.clear_pool(db, pool, now)
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
        "INSERT INTO quotas VALUES (?, ?, ?, ?, ?, ?, 0, ?, ?)",
        (number, fid(seed, "quota", number), project, product, instance_type, total, units, name),
    )


def _add_auctions(db: sqlite3.Connection, seed: int, now: int) -> None:
    for number, pool in enumerate(catalogue.POOLS, 1):
        sizes = [catalogue.TYPE_BY_FID[id] for id in pool.types]
        unit = min(size.num_gpus for size in sizes)  # GPUs of one unit
        units = pool.gpus // unit
        db.execute(
            "INSERT INTO pools (seq, units, reserve, free, temper, changed) VALUES (?, ?, ?, ?, ?, 0)",
            (number, units, pool.reserve_cents * unit * market.EIGHTHS, units, pool.temper),
        )
        for size in sizes:
            seq = next_number(db)
            reserve = pool.reserve_cents * size.num_gpus
            db.execute(
                "INSERT INTO auctions (seq, fid, pool, instance_type, region, weight, reserve_cents, price_cents,"
                " adjustable_memory) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(seq, fid(seed, "auc", f"{size.fid}/{pool.region}"), number, size.fid, pool.region),
                    *(size.num_gpus // unit, reserve, reserve, pool.adjustable_memory),
                ),
            )


# Of each temper: demand as a share of the stock, and how far above the reserve limits go (log-normal mean, spread).
_DEMAND = {"calm": 0.6, "idle": 0.75, "busy": 1.3}
_LIMITS = {"calm": (0.12, 0.1), "idle": (0.5, 0.5), "busy": (0.7, 0.55)}
_HIGHEST = {"calm": 1.5, "idle": 12.0, "busy": 12.0}


def _add_rivals(db: sqlite3.Connection, seed: int) -> None:
    """Bids of others, enough to make a market: each pool's from its own stream of random numbers."""
    rows = db.execute("SELECT seq, units, temper FROM pools ORDER BY seq").fetchall()
    for pool, units, temper in rows:
        random = Random(f"{seed}:{pool}:rivals")  # noqa: S311
        auctions = db.execute(
            "SELECT seq, weight, reserve_cents FROM auctions WHERE pool = ? ORDER BY seq", (pool,)
        ).fetchall()
        demand = round(units * _DEMAND[temper])
        while demand > 0:
            auction, weight, reserve = random.choice(auctions)
            quantity = random.choice((1, 1, 1, 2, 2, 4, 8))
            if quantity * weight > max(units // 4, 1):
                continue
            above = min(random.lognormvariate(*_LIMITS[temper]), _HIGHEST[temper])
            limit = max(reserve, round(reserve * above))
            market.enter(db, auction, next_number(db), limit, quantity, own=False)
            demand -= quantity * weight
