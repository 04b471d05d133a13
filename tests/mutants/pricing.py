"""Mistakes seeded in flowplan/pricing."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "let every size of a pool have its own price",
        "pricing/sizes.py",
        "    found = _cleared([book.alone(one) for one in estimates], book)\n",
        "    found = [book.alone(one) for one in estimates]\n",
        ("tests/pricing/test_sizes.py", "-k", "makes_the_other_dearer"),
    ),
    Mistake(
        "take a limit of an instance for one of a GPU",
        "pricing/sizes.py",
        "        return price * (self.whole // gpus)\n",
        "        return price\n",
        ("tests/pricing/test_sizes.py", "-k", "fraction or dearer"),
    ),
    Mistake(
        "round a price of a size half up",
        "pricing/sizes.py",
        ".quantize(CENT, ROUND_CEILING)",
        ".quantize(CENT)",
        ("tests/pricing/test_sizes.py", "-k", "fraction"),
    ),
    Mistake(
        "say that a bid waits, whatever those of higher limits leave over",
        "pricing/sizes.py",
        "        return taken <= self.room or (before is not None and beaten >= before)\n",
        "        return True\n",
        ("tests/pricing/test_sizes.py", "-k", "left_over"),
    ),
    Mistake(
        "take it that the price of now goes on, whatever it is",
        "pricing/history.py",
        "            yield top / max(path.price, least) if is_set else 1.0",
        "            yield top / max(path.price, least)",
        ("tests/pricing/test_forecast.py", "-k", "as_they_were or surge_like"),
    ),
    Mistake(
        "a stack's most in 9 of 10 cases forgets what a bid costs in the surge that it is in",
        "pricing/sums.py",
        "one.drawn_by(weights) if len(moving) > 1 else one.signed(one.costs)",
        "one.signed(one.costs)",
        ("tests/pricing/test_forecast.py", "-k", "beside_others"),
    ),
    Mistake(
        "print a range in which the price after an entry cannot fall",
        "pricing/entry.py",
        "        low, high = least, win\n",
        "        low, high = spot, win\n",
        ("tests/pricing/test_entry_range.py", "-m", "not slow"),
    ),
    Mistake(
        "print a range that ends at the price that wins",
        "pricing/entry.py",
        "        low, high = spot, market.next_win\n",
        "        low, high = spot, win\n",
        ("tests/pricing/test_entry_range.py", "-m", "not slow"),
    ),
    Mistake(
        "enter an auction below its reserve",
        "pricing/entry.py",
        "    spot = max(spot, minimum or Decimal(0))\n",
        "",
        ("tests/faults/test_odd_prices.py",),
    ),
    Mistake(
        "enter a full auction below its price",
        "pricing/entry.py",
        "min(max(lowest, spot) if",
        "min(lowest if",
        ("tests/faults/test_odd_prices.py",),
    ),
    Mistake(
        "forecast of a bid that was changed counts all the same",
        "pricing/track_record.py",
        "if touched is not None and touched.at <= now:",
        "if touched is not None and touched.at < kept.starts_at:",
        ("tests/pricing/test_track_record.py",),
    ),
    Mistake(
        "forecast above its band taken for one that held",
        "pricing/track_record.py",
        'return "above" if self.verdict.paid > high + CENT else "inside"',
        'return "inside"',
        ("tests/pricing/test_track_record.py",),
    ),
    Mistake(
        "count the hours in which a bid waits as hours of running",
        "pricing/lifetime.py",
        "return hours if self.hours is None else",
        "return min(hours, self.most_running) if self.hours is None else",
        ("tests/cost/test_endings.py", "-k", "waits"),
    ),
    Mistake(
        "let a lifetime make an hour cheaper",
        "cost/budgets.py",
        "getattr(getattr(costs.endless, side).cost, basis)",
        "getattr(getattr(costs.forecast, side).cost, basis)",
        ("tests/cost/test_endings.py", "-k", "lines"),
    ),
    Mistake(
        "say that a limit can never win where that is not known of every auction",
        "pricing/offers.py",
        '("runs", "waits", "unknown", "cannot_win")',
        '("runs", "waits", "cannot_win", "unknown")',
        ("tests/reports/test_offers.py", "-k", "unknown"),
    ),
    Mistake(
        "count twice what a bill lists twice",
        "cloud/prices.py",
        "return each_once(one for page in pages",
        "return tuple(one for page in pages",
        ("tests/operations/test_paid.py", "-k", "twice_is"),
    ),
    Mistake(
        "let a period that the bill lists shorter stand for the longer one",
        "pricing/billing.py",
        "if other is None or (other.end is not None and (one.end is None or one.end > other.end)):",
        "if True:",
        ("tests/pricing/test_billing.py",),
    ),
)
