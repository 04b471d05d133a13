"""Thirty days of the watch: `month.py` has the world, and what each look of it is held to."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.month import BETWEEN, EVERYTHING, ONLY_REBID, Keeper, Month, is_kept, lives, wanted_hours

DAYS = 30
LOOKS = 24 * 60 // BETWEEN  # a day
WEEK = 7

KEEPERS: dict[str, Keeper] = {
    "watch, every 2 hours, everything allowed": Keeper(EVERYTHING, "watch", 1),
    "watch, every 2 hours, on_preempted: rebid alone": Keeper(ONLY_REBID, "watch", 1),
    "the first, twice a day": Keeper(EVERYTHING, "watch", 6),
    "apply by hand, twice a day": Keeper(ONLY_REBID, "apply", 6),
    "nobody": Keeper(ONLY_REBID, "nobody", 1),
}


def test_some_hours_of_the_watch(in_memory: Path) -> None:
    month = Month(in_memory)
    lives(month, 3, 3)
    assert month.counts["preempted"] and month.counts["placed"] >= 20 and month.counts["rounds"] == 3


@pytest.mark.slow
def test_thirty_days_of_the_watch(in_memory: Path) -> None:
    """20 tasks, more than 300 preemptions; two watchers, in turn and at once, of which some are killed; a person."""
    month = Month(in_memory)
    lives(month, DAYS * LOOKS, 7)
    counts = month.counts
    for what, count in sorted(counts.items()):
        print(f"{count:6,} {what}")
    month.ends_well()
    least = {"preempted": 300, "taken back": 200, "ended": 50, "two watchers at once": 20, "of them kept out": 10}
    least |= {"killed": 10, "applied by a person": 15, "cancel": 2, "lower": 2, "pause": 2, "edit": 5}
    least |= {f"because: {why}": 1 for why in ("the budget", "more than the cap", "the cloud has no room for it")}
    assert {what: counts[what] for what in least if counts[what] < least[what]} == {}
    runs, asked = counts["because: runs"], sum(n for what, n in counts.items() if what.startswith("because: "))
    print(
        f"{DAYS} days, {counts['preempted']:,} preemptions, {counts['ended']} bids ended by the cloud, "
        f"{counts['killed']} watchers killed: {runs:,} of {asked:,} looks at a task find it running, the others why not"
    )


@pytest.mark.slow
def test_what_the_watch_is_worth(tmp_path: Path, in_memory: Path) -> None:
    """The same week of the same cloud for each keeper: docs/watch.md has the table."""
    found = {}
    for name, keeper in KEEPERS.items():
        root = in_memory / str(len(found))
        root.mkdir()
        month = Month(root, keeper.policy)
        is_kept(month, WEEK * LOOKS, 7, keeper)
        found[name] = month.billed()
        hours, dollars = found[name]
        print(f"| {name} | {hours:,.0f} | {hours / wanted_hours(24 * WEEK):.0%} | ${dollars:,.0f} |")
    best, rebid, seldom, hand, nobody = (hours for hours, _ in found.values())
    assert best > rebid > nobody and best > seldom and rebid > hand > nobody
    print(f"{best:,.0f} instance-hours with the watch, {hand:,.0f} by hand, {nobody:,.0f} with neither")
