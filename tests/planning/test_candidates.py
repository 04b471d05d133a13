"""Which type and region a task gets, by which rule, and what is said of it."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any, Literal

import attrs
import pytest

from flowplan.config.config import LimitPrice
from flowplan.model.catalogue import Auction, InstanceType
from flowplan.model.lifecycle import Lifetime
from flowplan.planning.candidates import Candidate, Prospect, best, better, ranked, same_name_twice, why, why_not
from flowplan.planning.prospects import Prospects
from flowplan.pricing.entry import Market
from tests.builders import NOW, TASK, past


def place(
    region: str,
    price: str | None,
    *,
    kind: str = "a",
    rank: int = 0,
    limit: str = "20",
    free: int = 9,
    lowest: str | None = None,
    name: str | None = None,
) -> Candidate:
    """A place with `free` instances at `price`, where `lowest` is the lowest limit that wins."""
    found = Auction(f"{kind}-{region}", kind, region, free, _amount(price), _amount(lowest))
    return Candidate(InstanceType(kind, name or kind, "H100", 8), found, rank, Decimal(limit))


def _amount(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


# ---- whether it would run -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "wins"),
    [
        (place("r", "8"), True),
        (place("r", "20"), True),  # the limit may equal the price
        (place("r", "20.01"), False),
        (place("r", None), False),  # unknown is not cheap
        (place("r", "8", free=0), False),
        (place("r", "8", free=0, lowest="19.99"), True),  # it pushes the lowest out
        (place("r", "8", free=0, lowest="20"), False),  # a tie: the older bid wins
    ],
)
def test_whether_a_bid_would_run(there: Candidate, wins: bool) -> None:
    assert there.can_win(1) is wins


def test_all_instances_at_once_or_none() -> None:
    assert place("r", "8", free=2).can_win(2) and not place("r", "8", free=2).can_win(3)


# ---- which one -------------------------------------------------------------------------------------------------

Optimize = Literal["budget", "job_completion_time"] | None
CHEAP_LATER = [place("r1", "10", kind="first"), place("r2", "5", kind="second", rank=1, limit="6")]
# (optimize, candidates, the one chosen)
CHOICES: dict[str, tuple[Optimize, list[Candidate], tuple[str, str]]] = {
    "the lower price of one type": (None, [place("r1", "10"), place("r2", "9")], ("a", "r2")),
    "the user's order of types before the price": (None, CHEAP_LATER, ("first", "r1")),
    "budget: the lower price": ("budget", CHEAP_LATER, ("second", "r2")),
    "time: the smaller share of the limit": ("job_completion_time", CHEAP_LATER, ("first", "r1")),
    "what would run, before all else": (
        None,
        [place("r1", "10", kind="first", free=0), place("r2", "15", kind="second", rank=1)],
        ("second", "r2"),
    ),
    "budget, but what would run first": ("budget", [place("r1", "5", free=0), place("r2", "15")], ("a", "r2")),
    "a known price before an unknown one": (None, [place("r1", None, free=0), place("r2", "30")], ("a", "r2")),
    "the same price: by region": (None, [place("r2", "8"), place("r1", "8")], ("a", "r1")),
    "the same price and region: by type": (None, [place("r", "8", kind="b"), place("r", "8")], ("a", "r")),
    "budget at one price: the user's order": (
        "budget",
        [place("r1", "8", rank=1), place("r2", "8", kind="b")],
        ("b", "r2"),
    ),
}


@pytest.mark.parametrize(("optimize", "candidates", "chosen"), CHOICES.values(), ids=list(CHOICES))
def test_which_place_a_task_gets(optimize: Optimize, candidates: list[Candidate], chosen: tuple[str, str]) -> None:
    for order in permutations(candidates):
        assert best(attrs.evolve(TASK, optimize=optimize), order).place == chosen


def test_the_choice_does_not_depend_on_the_order_of_the_list() -> None:
    offered = [
        place(f"r{region}", price, kind=kind, rank=rank, free=free)
        for region, price in enumerate(("8", "9", None, "8"))
        for rank, kind in enumerate("ab")
        for free in (0, 9)
    ]
    draw = random.Random(7)
    for optimize in (None, "budget", "job_completion_time"):
        task = attrs.evolve(TASK, optimize=optimize)
        found = set()
        for _ in range(20):
            draw.shuffle(offered)
            found.add((best(task, offered).place, best(task, offered).auction.capacity))
        assert len(found) == 1


# ---- what is said of it -----------------------------------------------------------------------------------------

TWO = [place("r1", "10"), place("r2", "9")]


@pytest.mark.parametrize(
    ("task", "candidates", "said"),
    [
        ({}, TWO, "a in r1 ($10.00 now): the lowest price of 2 regions"),
        ({"optimize": "budget"}, TWO, "a in r1 ($10.00 now): the lowest price of 2 regions"),
        ({"optimize": "job_completion_time"}, TWO, "a in r1 ($10.00 now): the most room under the limit of 2 regions"),
        (
            {"instance_types": ("a", "b")},
            [place("r1", "10"), place("r1", "9", kind="b", rank=1)],
            "a in r1 ($10.00 now): the first type in your order that would run now",
        ),
        (
            {"instance_types": ("a", "b")},
            [place("r1", "10"), place("r2", "11"), place("r1", "9", kind="b", rank=1)],
            "a in r1 ($10.00 now): the first type in your order that would run now, in the cheapest of its 2 places",
        ),
        (
            {"instance_types": ("a", "b")},
            [place("r1", "30"), place("r1", "29", kind="b", rank=1)],
            "a in r1 ($30.00 now): the first type in your order; none would run now",
        ),
        ({}, [place("r1", None), *TWO], "a in r1 (price unknown): the lowest price of 3 regions; none would run now"),
    ],
)
def test_why_it_was_chosen(task: dict[str, Any], candidates: list[Candidate], said: str) -> None:
    assert why(attrs.evolve(TASK, **task), candidates[0], candidates) == said


# ---- the limit, and names that mean two ---------------------------------------------------------------------------


@pytest.mark.parametrize(("gpus", "limit"), [(8, "16"), (1, "2"), (0, "2")])
def test_a_limit_per_gpu_becomes_one_per_instance(gpus: int, limit: str) -> None:
    task = attrs.evolve(TASK, limit_price=LimitPrice(Decimal(2), "gpu"))
    assert task.limit_price.of_instance(gpus) == Decimal(limit)
    assert TASK.limit_price.of_instance(gpus) == 20


def test_two_types_of_one_name_in_one_region_cannot_be_told_apart() -> None:
    one, other, elsewhere = (
        place("r1", "8", kind="a", name="h100"),
        place("r1", "8", kind="b", name="h100"),
        place("r2", "8", kind="b", name="h100"),
    )
    assert same_name_twice([one, other, elsewhere]) == (one, other)
    assert same_name_twice([one, elsewhere]) == ()
    assert same_name_twice([one, one, place("r1", "8", kind="b")]) == ()


# ---- what past prices tell ----------------------------------------------------------------------------------------


def foreseen(region: str, price: str, hours: str, cost: str, **other: Any) -> Candidate:
    return attrs.evolve(place(region, price, **other), prospect=Prospect(Decimal(hours), Decimal(cost)))


CALM = foreseen("calm", "9", "24", "216")
SPIKY = foreseen("spiky", "8", "40", "300")  # cheaper now, dearer until the work is done
SLOW = foreseen("slow", "7", "90", "200")


@pytest.mark.parametrize(
    ("optimize", "expected"),
    [("budget", "slow"), ("job_completion_time", "calm"), (None, "slow")],
)
def test_expected_costs_and_times_decide_where_past_prices_tell_them(optimize: Any, expected: str) -> None:
    for order in permutations([CALM, SPIKY, SLOW]):
        assert best(attrs.evolve(TASK, optimize=optimize), order).auction.region == expected


def test_what_is_done_as_soon_costs_as_little_as_it_can() -> None:
    task = attrs.evolve(TASK, optimize="job_completion_time")
    fast, cheap = foreseen("fast", "8", "36", "288"), foreseen("cheap", "4", "36.3", "144.41")
    later, never = foreseen("later", "2", "36.5", "72"), foreseen("never", "1", "30", "30", free=0)
    for order in permutations([fast, cheap, later, never]):
        assert best(task, order) == cheap
    assert "as soon as any, and at the lowest cost of those, in 36.3 hours" in why(task, cheap, [fast, cheap, later])
    assert why_not(task, cheap, fast).sentence == "done about as soon, and $143.59 more expensive"
    assert why_not(task, cheap, later).sentence == "later: the chosen one saves under 1%"
    sooner = attrs.evolve(fast, prospect=Prospect(Decimal(36), Decimal("144.41")))
    assert why_not(task, cheap, sooner) == ("no_better", "no better")


def test_what_is_hardly_more_expensive_is_not_said_to_save_nothing() -> None:
    cheap, other = foreseen("cheap", "4", "36", "144"), foreseen("other", "4", "36", "144.41")
    found = why_not(attrs.evolve(TASK, optimize="budget"), cheap, other)
    assert found.sentence == "more expensive: the chosen one saves under 1%"


def test_where_one_is_not_foreseen_the_price_of_now_decides_for_all() -> None:
    """A cost and a price cannot be compared."""
    assert best(attrs.evolve(TASK, optimize="budget"), [CALM, SPIKY, place("new", "8.50")]).auction.region == "spiky"


@pytest.mark.parametrize(
    ("cost", "moves"),
    [("161.99", True), ("162", False), ("170", False), ("216", False), ("300", False)],  # of 216: a quarter is 54
)
def test_a_bid_moves_only_where_more_than_the_share_is_saved(cost: str, moves: bool) -> None:
    other = foreseen("other", "8", "24", cost)
    assert better(attrs.evolve(TASK, optimize="budget"), CALM, [CALM, other]) == (other if moves else None)


@pytest.mark.parametrize(
    "other",
    [
        place("other", "1"),  # its past is not known
        foreseen("other", "1", "24", "10", free=0),  # it would not run there
        foreseen("other", "1", "24", "10", kind="b", rank=1),  # its type comes later in the user's order
    ],
)
def test_what_moves_nobody(other: Candidate) -> None:
    assert better(TASK, CALM, [CALM, other]) is None


def test_every_place_that_was_not_chosen_has_a_reason() -> None:
    task = attrs.evolve(TASK, optimize="budget")
    assert why_not(task, CALM, SPIKY).sentence == "more expensive: the chosen one saves 28%"
    assert why_not(task, CALM, foreseen("full", "8", "24", "100", free=0)).sentence == "it would not run now"
    assert (
        why_not(TASK, CALM, foreseen("b", "8", "24", "100", kind="b", rank=1)).sentence
        == "its type comes later in your order"
    )
    assert (
        why_not(attrs.evolve(TASK, optimize="job_completion_time"), CALM, SPIKY).sentence
        == "later: the chosen one saves 40%"
    )
    assert why_not(task, CALM, place("new", None)) == ("price_unknown", "its price is unknown")
    assert why(task, SLOW, [SLOW, CALM]).endswith("the lowest expected cost until it is done, $200.00, of 2 regions")


# ---- where a bid can never win -------------------------------------------------------------------------------

LOW, SMALL = place("low", "2"), place("small", "1")  # the cheapest
MARKETS = {
    (*LOW.place, 5): Market(*LOW.place, 5, Decimal(2), Decimal("20.01"), available=9, total=9),
    (*SMALL.place, 5): Market(*SMALL.place, 5, Decimal(1), Decimal(1), Decimal(2), available=0, total=4),
    (*CALM.place, 5): Market(*CALM.place, 5, Decimal(9), Decimal(8), Decimal(30), Decimal(30), available=4, total=9),
    (*SPIKY.place, 5): Market(*SPIKY.place, 5, Decimal(9), Decimal(8), Decimal(9), Decimal(20), available=4, total=9),
}


@pytest.mark.parametrize("optimize", ["budget", "job_completion_time", None])
def test_where_a_bid_can_never_win_comes_last_and_decides_nothing(optimize: Any) -> None:
    """By the prices of now for five instances: the list of auctions has no reserve, and less of what is full."""
    task = attrs.evolve(TASK, optimize=optimize, instance_quantity=5)
    streams = {one.place: past((336, "8")) for one in (LOW, SMALL, CALM, SPIKY)}
    every = [Prospects(streams, NOW, MARKETS).at(task, one) for one in (LOW, SMALL, CALM, SPIKY)]
    found = [(one.auction.region, one.can_win(5), one.prospect is not None) for one in ranked(task, every)]
    spiky, calm = ("spiky", True, True), ("calm", False, True)
    assert found == [spiky, calm, ("small", False, False), ("low", False, False)]
    low, small, calm_there, best_there = every
    assert [why_not(task, best_there, one).reason for one in (low, small, calm_there)] == [
        "below_reserve",
        "too_large",
        "would_wait",
    ]
    assert why(task, low, [low, small]).endswith("; the bid can win nowhere")
    assert better(task, calm_there, every) is None


# ---- lifetimes ----------------------------------------------------------------------------------------------------

LATE = attrs.evolve(SLOW, unfinished="it would be done in 90 hours, after its end_at")  # the cheapest


@pytest.mark.parametrize("optimize", ["budget", "job_completion_time", None])
def test_where_its_work_is_not_done_in_time_comes_last_and_says_why(optimize: Any) -> None:
    task = attrs.evolve(TASK, optimize=optimize)
    waits = foreseen("waits", "8", "30", "220", free=0)
    for order in permutations([LATE, CALM, waits]):
        assert [one.auction.region for one in ranked(task, order)] == ["calm", "waits", "slow"]
    assert why_not(task, CALM, LATE).sentence == "it cannot finish: it would be done in 90 hours, after its end_at"
    assert "of 2 regions, in 1 of which its work is done within its lifetime" in why(task, CALM, [CALM, LATE])
    assert why(task, LATE, [LATE]).endswith("of 1 regions; it cannot finish in any: " + str(LATE.unfinished))


def test_a_bid_that_waits_where_it_cannot_finish_moves_to_where_it_can() -> None:
    task = attrs.evolve(TASK, optimize="budget")
    assert better(task, LATE, [LATE, CALM]) == CALM  # which costs more
    assert better(task, CALM, [LATE, CALM]) is None
    full = foreseen("full", "8", "24", "216", free=0)
    assert better(task, LATE, [LATE, full]) is None


@pytest.mark.parametrize(
    ("hours", "lifetime", "said"),
    [
        ("5", {}, None),
        ("5", {"max_hours": "5", "max_cost": "40", "ends": 5}, None),
        ("5", {"max_hours": "2"}, "its work takes 5 hours, more than max_hours 2"),
        ("5", {"ends": 4.9}, "it would be done in 5 hours, after its end_at"),
        ("5", {"max_cost": "39"}, "it would cost $40.00 until it is done, more than max_cost $39.00"),
        (None, {"max_hours": "2", "max_cost": "1"}, None),  # nobody says how long its work takes
    ],
)
def test_whether_a_lifetime_lets_work_be_done(hours: str | None, lifetime: dict[str, Any], said: str | None) -> None:
    end = NOW + timedelta(hours=lifetime.pop("ends")) if "ends" in lifetime else None
    bounds = {key: Decimal(value) for key, value in lifetime.items()}
    lives = Lifetime(bounds.get("max_hours"), bounds.get("max_cost"), end, False, TASK.source)
    task = attrs.evolve(TASK, estimated_hours=Decimal(hours) if hours else None, lifetime=lives)
    there = place("r", "8")
    found = Prospects({there.place: past((336, "8"))}, NOW).at(task, there)
    assert found.prospect is not None and found.unfinished == said
    most = min(filter(None, (task.estimated_hours, lives.max_hours)))
    assert found.prospect == Prospect(most, 8 * most, Decimal(1))  # what it comes to is what the line of the task says


def test_without_a_past_nothing_tells_whether_work_is_done() -> None:
    lives = Lifetime(None, Decimal(1), None, False, TASK.source)
    assert (
        Prospects({}, NOW).at(attrs.evolve(TASK, estimated_hours=Decimal(5), lifetime=lives), CALM).unfinished is None
    )
