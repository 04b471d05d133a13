"""Mistakes seeded in flowplan/cost."""

from __future__ import annotations

from tests.mutants.mistake import Mistake

MISTAKES = (
    Mistake(
        "take sizes for one pool that have another price for each GPU",
        "cost/competing.py",
        "    return (price - CENT) * b < price_b * a and (price_b - CENT) * a < price * b\n",
        "    return True\n",
        ("tests/pricing/test_sizes.py", "-k", "stock_and_price"),
    ),
    Mistake(
        "take sizes for one pool of which one has room and the other none",
        "cost/competing.py",
        "in ((one.total, other.total), (one.available, other.available)):",
        "in ((one.total, other.total),):",
        ("tests/pricing/test_sizes.py", "-k", "stock_and_price"),
    ),
    Mistake(
        "take two types of one size for one pool",
        "cost/competing.py",
        "    if a == b or markets[0] is None",
        "    if markets[0] is None",
        ("tests/pricing/test_sizes.py", "-k", "other_machines"),
    ),
    Mistake(
        "a plan does not say that the watch has raised a limit",
        "cost/notes.py",
        "        yield from _raised(change)\n",
        "",
        ("tests/reports/test_raised_limits.py", "-k", "people_read"),
    ),
    Mistake(
        "count a bill that nobody read as nothing",
        "cost/paid.py",
        "return None if known is None else known.amount",
        "return Decimal(0) if known is None else known.amount or Decimal(0)",
        ("tests/operations/test_paid.py", "-k", "unknown"),
    ),
    Mistake(
        "count a bid that was released in two stacks",
        "cost/paid.py",
        "if id in state.released and id not in bound}",
        "if id in ()}",
        ("tests/operations/test_paid.py", "-k", "released"),
    ),
    Mistake(
        "take a bill that does not go back for what was paid",
        "cost/paid.py",
        "found.amount if known is None else known.after(found, 0.0).amount",
        "found.amount",
        ("tests/operations/test_paid.py", "-k", "go_back"),
    ),
    Mistake(
        "let bids that follow each other compete in simulated auctions",
        "cost/what_if/pools.py",
        "    order = Succession.of(one.change for one in costs.changes)",
        "    order = Succession()",
        ("tests/cost/test_what_if.py", "-k", "follow"),
    ),
    Mistake(
        "a bid that is interrupted is priced as if it kept its place",
        "cost/interruptions.py",
        "entry_price(found.market, limit, holding=False)",
        "entry_price(found.market, limit, holding=True)",
        ("tests/operations/test_reconfiguration.py",),
    ),
    Mistake(
        "an auction that cannot be simulated adds nothing to the total",
        "cost/what_if/results.py",
        ".no_less(day.money(first)) if complete else Band()",
        ".no_less(day.money(first))",
        ("tests/cost/test_what_if.py",),
    ),
    Mistake(
        "what a bid holds already displaces others",
        "cost/what_if/pools.py",
        "held=min(stock, sum(bid.instance_quantity * (bid.gpus or 1) for bid in held)),",
        "held=0,",
        ("tests/cost/test_what_if.py",),
    ),
    Mistake(
        "whoever is outbid stops at once",
        "cost/what_if/futures.py",
        "            if out >= GRACE:",
        "            if out > 0:",
        ("tests/cost/test_what_if.py",),
    ),
    Mistake(
        "who wins at one price wins at every one",
        "cost/what_if/book.py",
        "        return tuple(places)",
        "        return ()",
        ("tests/cost/test_what_if.py",),
    ),
    Mistake(
        "take a price that others set for one that stays when the market moves",
        "cost/what_if/book.py",
        "        if -walked.price in lowered:",
        "        if not walked.losing:",
        ("tests/cost/test_what_if_book.py",),
    ),
    Mistake(
        "take a bid that is placed to be paused for free",
        "cost/budgets.py",
        "    after = None if after is None else after + pausing\n",
        "",
        ("tests/planning/test_limits.py", "-k", "paused"),
    ),
    Mistake(
        "take a replacement that is to be paused for no more expensive",
        "planning/raising.py",
        "    if after.paused and isinstance(change, Update):\n",
        "    if after.paused:\n",
        ("tests/planning/test_limits.py", "-k", "paused"),
    ),
    Mistake(
        "price a successor that is made first in the place of the old one",
        "cost/places.py",
        "        and not isinstance(change, CreateFirst)\n",
        "",
        ("tests/cost/test_succession.py", "-k", "successor"),
    ),
    Mistake(
        "let a basis alone loosen the limits of files",
        "model/budget.py",
        "return (*given, *files, ",
        "return (*given, *(() if alone else files), ",
        ("tests/planning/test_guards.py", "-k", "basis_alone"),
    ),
)
