"""`python tests/cost/what_if_truth.py [SEEDS [FIRST]]`: how well `plan --what-if` holds, where the truth is known.

Each seed is a simulated market, looked at when it is some hours old. In eight of its auctions bids are planned, with
limits at 1.5 and 3 times the price now: `one` bid of one instance; or `many`, three bids for a third of the stock.
They are placed, a day passes, and what was paid is compared with what --what-if said, and with the plan's forecast.
About four seconds a seed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from flowplan.cli import run
from flowplan.simulator import Simulator

AUCTIONS = (
    ("h100-80gb.sxm.8x", "us-central1-a"),
    ("h100-80gb.sxm.8x", "us-central5-a"),
    ("h100-80gb.sxm.8x", "us-east1-a"),
    ("h200.8x", "us-central5-a"),
    ("h200.8x", "us-east1-a"),
    ("a100-80gb.sxm.8x", "us-central1-a"),
    ("a40-48gb.pcie.2x", "us-central2-a"),
    ("b200-192gb.8x", "me-central1-a"),
)
DATA = Path(".flowplan/simulator.db")
Said = tuple[float, float, float, float]  # p10, p50, p90, expected


class Case(NamedTuple):
    """What was said of a bid, or of a whole plan, and what came of it; in shares of what the limits would cost."""

    what_if: Said
    forecast: Said
    paid: float
    preempted: tuple[float, bool] | None = None  # the chance that was given, and whether it was


def command(*arguments: str) -> str:
    """What `flowplan ARGUMENTS` prints, on the simulator in this directory."""
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        code = run(["--api-url", "sim:", *arguments])
    if code:
        sys.exit(f"flowplan {' '.join(arguments)}: exit code {code}\n{err.getvalue()}")
    return out.getvalue()


def tasks(seed: int, many: bool) -> Iterator[str]:
    with Simulator.open(DATA) as found:
        auctions = {(one.name, one.region): one for one in found.market()}
    for index, (name, region) in enumerate(AUCTIONS):
        auction = auctions[name, region]
        shares = ((1.5, 0.15), (3, 0.1), (3, 0.08)) if many else ((1.5 if (seed + index) % 2 else 3, 0),)
        for number, (times, share) in enumerate(shares):
            yield (
                f"---\nname: t{index}-{number}\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
                f"task_management: {{utility_threshold_price: {float(auction.price) * times:.2f}}}\n"
                f"resources_specification: {{fcp_instance: {name}, cluster_id: {region},"
                f" num_instances: {max(1, round(auction.capacity * share))}}}\n"
            )


def cases(seed: int, many: bool) -> Iterator[tuple[str, Case]]:
    """(kind of the case, case) of one market."""
    with Simulator.open(DATA, seed=seed) as found:
        found.reset(seed)
    command("simulator", "advance", f"{seed * 7 % 24}h")
    Path("flowplan.yaml").write_text("".join(tasks(seed, many)))
    plan = json.loads(command("plan", "--what-if", "24h", "--horizon", "24h", "--format", "json"))
    command("apply", "--auto-approve")
    command("simulator", "advance", "24h")
    after = {one["address"]: one for one in json.loads(command("cost", "--format", "json"))["estimate"]["resources"]}
    stopped = preempted(after)
    forecasts = {
        one["address"]: one["cost"]["cost"]["horizon"] for one in plan["resource_changes"] if one["type"] == "bid"
    }
    for one in plan["what_if"]["bids"]:
        address = one["address"]
        worst = float(forecasts[address]["worst"])
        paid = float(after[address]["paid"])
        given = float(one["preempted"]), address in stopped
        yield "bid", Case(said(one["cost"], worst), said(forecasts[address], worst), paid / worst, given)
    worst = float(plan["what_if"]["cost"]["worst"])
    paid = sum(float(one["paid"]) for one in after.values()) / worst
    together = said(plan["what_if"]["cost"], worst), said(plan["cost"]["horizon"]["planned"], worst)
    yield "plan", Case(*together, paid)


def preempted(after: dict[str, Any]) -> set[str]:
    """The addresses of bids whose machines were taken away."""
    ids = {one["id"]: address for address, one in after.items()}
    with Simulator.open(DATA) as found:
        rows = found._db.execute(
            "SELECT DISTINCT b.fid FROM bid_events e JOIN bids b ON b.seq = e.bid WHERE e.event_type = 'Preempted'"
        ).fetchall()
    return {ids[row[0]] for row in rows if row[0] in ids}


def said(band: dict[str, Any], worst: float) -> Said:
    p10, p50, p90, expected = (float(band[name]) / worst for name in ("p10", "p50", "p90", "expected"))
    return p10, p50, p90, expected


def loss(paid: float, band: Said) -> float:
    return fmean(max(q * (paid - at), (q - 1) * (paid - at)) for q, at in zip((0.1, 0.5, 0.9), band[:3], strict=True))


def report(kind: str, found: list[Case]) -> None:
    print(f"{kind}: {len(found)} cases, {fmean(one.paid for one in found):.3f} of what the limits would cost was paid")
    for way in ("what_if", "forecast"):
        bands: list[Said] = [getattr(one, way) for one in found]
        inside = fmean(b[0] - 1e-4 <= c.paid <= b[2] + 1e-4 for b, c in zip(bands, found, strict=True))
        above = fmean(c.paid > b[2] + 1e-4 for b, c in zip(bands, found, strict=True))
        ratio = fmean(band[3] for band in bands) / fmean(one.paid for one in found)
        pinball = fmean(loss(one.paid, band) for one, band in zip(found, bands, strict=True))
        width = fmean(band[2] - band[0] for band in bands)
        print(
            f"  {way:<9} {inside:6.1%} within the 80% band, {above:5.1%} above; expected / paid {ratio:.2f};"
            f" loss {pinball:.4f}, band {width:.3f} wide"
        )
    chances = [one.preempted for one in found if one.preempted]
    if chances:
        given, came = fmean(one[0] for one in chances), fmean(one[1] for one in chances)
        print(f"  preempted: {given:.1%} said, {came:.1%} were")


def main(seeds: int, first: int = 1) -> None:
    for many in (False, True):
        found: dict[str, list[Case]] = {}
        for seed in range(first, first + seeds):
            with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
                for kind, case in cases(seed, many):
                    found.setdefault(kind, []).append(case)
            print(".", end="", file=sys.stderr, flush=True)
        print(file=sys.stderr)
        for kind, all_ in found.items():
            report(f"{'many' if many else 'one'}, {kind}", all_)


if __name__ == "__main__":
    os.environ["FLOWPLAN_SETTLE_WINDOW"] = "0"
    main(*(map(int, sys.argv[1:] or [20])))
