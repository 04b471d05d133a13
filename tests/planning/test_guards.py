"""Budgets: what a stack may cost an hour, on which basis, and what is never refused."""

from __future__ import annotations

import json
from decimal import Decimal

import attrs
import pytest

from flowplan.cost.budgets import hourly, judged, refusals
from flowplan.cost.costs import Costs
from flowplan.cost.priced_plan import PricedPlan
from flowplan.diagnostics import Position
from flowplan.model.address import Address
from flowplan.model.budget import Budget, Increase
from flowplan.model.resources import Bid
from flowplan.operations.running.saved_plan import saved_budgets
from flowplan.planning.actions import Action
from flowplan.pricing.entry import Market
from flowplan.pricing.units import HOUR
from tests.builders import bid, change, costs_to, market, plan_to, with_past
from tests.conftest import BID, Place, many

D = Decimal
CAP = Budget(max_hourly_cost=D(10))
UNPRICED = Market("it", "r", 1)


def plan_of(action: Action, before: Bid | None, after: Bid | None, *, prices: Market | None) -> Costs:
    """One change, priced; its bid is live where there is a `before`."""
    status = "Allocated" if before and not before.paused else None
    return costs_to(change(action, before, after, Address("bid", "b"), status=status), prices=prices)


def held_to(costs: Costs, *budgets: Budget) -> PricedPlan:
    verdicts = judged(costs, budgets)
    return PricedPlan(plan_to(*(one.change for one in costs.changes)), costs, refusals(costs, verdicts), verdicts)


def refused(costs: Costs, budget: Budget) -> list[str | None]:
    return [refusal.word for refusal in held_to(costs, budget).refusals]


# ---- the rule ---------------------------------------------------------------------------------------------


def test_a_new_bid_counts_with_its_limit() -> None:
    assert refused(plan_of("create", None, bid("b", "10.01"), prices=market()), CAP) == ["max_hourly_cost"]
    assert refused(plan_of("create", None, bid("b", "10.00"), prices=market()), CAP) == []
    assert refused(plan_of("create", None, bid("b", "5.01", quantity=2), prices=market()), CAP) == ["max_hourly_cost"]


def test_the_worst_case_needs_no_price() -> None:
    assert refused(plan_of("create", None, bid("b", "9.00"), prices=None), CAP) == []


@pytest.mark.parametrize("basis", ["p90", "p50"])
def test_what_is_not_known_is_refused_never_taken_for_nothing(basis: str) -> None:
    budget = attrs.evolve(CAP, basis=basis)
    plan = with_past(plan_of("create", None, bid("b", "9.00"), prices=UNPRICED))
    found = held_to(plan, budget)
    assert hourly(plan, "planned", budget.basis) is None
    assert [one.word for one in found.refusals] == ["max_hourly_cost"]
    assert f"--max-hourly-cost cannot be checked on basis {basis}: " in found.refusals[0].summary
    assert found.judged[0].after is None
    assert refused(plan_of("create", None, bid("b", "9.00"), prices=market()), budget) == [
        "max_hourly_cost"
    ]  # no forecast
    growth = attrs.evolve(budget, max_hourly_cost=None, max_cost_increase=Increase(D(1000)))
    assert refused(plan, growth) == ["max_cost_increase"]
    before_unknown = with_past(plan_of("replace", bid("b", "9.00"), bid("b", "9.00", region="s"), prices=UNPRICED))
    assert refused(before_unknown, growth) == ["max_cost_increase"]


def test_a_price_without_a_past_may_go_to_the_limit() -> None:
    plan = with_past(plan_of("create", None, bid("b", "12.00"), prices=market()))
    assert hourly(plan, "planned", "p90") == 12
    assert hourly(plan, "planned", "p50") == 8


def test_by_forecast_a_high_limit_is_no_harm_in_a_calm_auction() -> None:
    plan = with_past(plan_of("create", None, bid("b", "99.00"), prices=market()), (336, "8"))
    assert refused(plan, attrs.evolve(CAP, basis="p90")) == []
    assert refused(plan, CAP) == ["max_hourly_cost"]


def test_a_dear_hour_counts_although_the_day_is_cheap_and_the_other_way_round() -> None:
    spike = [(336.0, "8"), *((h, "30" if n % 2 else "8") for n, h in enumerate(range(324, 0, -12))), (0.5, "30")]
    dear_now = with_past(plan_of("create", None, bid("b", "99.00"), prices=market(spot=D(30))), *spike)
    assert hourly(dear_now, "planned", "p50") == 30
    calm_now = with_past(plan_of("create", None, bid("b", "99.00"), prices=market()), *spike[:-1], (0.5, "8"))
    the_day = hourly(calm_now, "planned", "p90")
    the_hour = calm_now.spans[HOUR].planned.cost.p90
    assert the_day is not None and the_hour is not None
    assert the_day > the_hour


def test_a_bid_that_would_wait_counts_with_its_limit() -> None:
    """It costs nothing now, and runs as soon as the price has come down to its limit."""
    full = market(spot=D(30), available=0, lowest_allocated=D(40), win_price=D("40.01"))
    plan = with_past(plan_of("create", None, bid("b", "20.00"), prices=full), (336, "30"))
    assert plan.spans[HOUR].planned.cost.p90 == 0
    assert hourly(plan, "planned", "p90") == 20
    [refusal] = held_to(plan, attrs.evolve(CAP, basis="p90")).refusals
    assert refusal.word == "max_hourly_cost"
    assert "at most $20.00 an hour in 9 of 10 cases, with waiting bids at their limits; " in refusal.summary
    [at_worst] = held_to(plan, CAP).refusals
    assert "every limit paid; --max-hourly-cost" in at_worst.summary  # they are in that anyhow


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("delete", bid("b", "80"), None),
        ("forget", bid("b", "80"), None),
        ("update", bid("b", "80"), bid("b", "70")),
        ("update", bid("b", "80"), bid("b", "80", paused=True)),
        ("replace", bid("b", "80", quantity=2), bid("b", "80")),
        ("replace", bid("b", "80"), bid("b", "80", region="s")),  # no more expensive by its limit
        ("no-op", bid("b", "80"), bid("b", "80")),
    ],
)
def test_nobody_is_held_up_who_wants_to_pay_less(action: Action, before: Bid, after: Bid | None) -> None:
    plan = plan_of(action, before, after, prices=market())
    nothing_more = Increase(D(0))
    assert refused(plan, attrs.evolve(CAP, max_cost_increase=nothing_more)) == []


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("delete", bid("b", "80"), None),
        ("update", bid("b", "80"), bid("b", "70")),
        ("update", bid("b", "80"), bid("b", "80", paused=True)),
        ("replace", bid("b", "80", quantity=2), bid("b", "80")),
    ],
)
def test_not_even_where_no_price_is_known(action: Action, before: Bid, after: Bid | None) -> None:
    plan = with_past(plan_of(action, before, after, prices=UNPRICED))
    assert refused(plan, Budget(D(10), Increase(D(0)), "p90")) == []


@pytest.mark.parametrize(
    ("action", "before", "after"),
    [
        ("update", bid("b", "70"), bid("b", "80")),
        ("update", bid("b", "80", paused=True), bid("b", "80")),
        ("replace", bid("b", "80"), bid("b", "80", quantity=2)),
    ],
)
def test_what_raises_the_cost_is_held(action: Action, before: Bid, after: Bid) -> None:
    plan = plan_of(action, before, after, prices=market())
    assert refused(plan, Budget(D(10), Increase(D(5)))) == ["max_hourly_cost", "max_cost_increase"]


def test_a_move_to_another_place_is_not_known_to_be_cheaper() -> None:
    plan = with_past(plan_of("replace", bid("b", "80"), bid("b", "80", region="s"), prices=UNPRICED))
    assert refused(plan, attrs.evolve(CAP, basis="p90")) == ["max_hourly_cost"]


def test_increase_in_dollars_and_per_cent() -> None:
    plan = plan_of("update", bid("b", "10.00"), bid("b", "12.00"), prices=market())
    for allowed, reasons in (("2.00", []), ("1.99", ["max_cost_increase"]), ("0", ["max_cost_increase"])):
        assert refused(plan, Budget(max_cost_increase=Increase(D(allowed)))) == reasons
    for allowed, reasons in (("20", []), ("19.99", ["max_cost_increase"])):
        assert refused(plan, Budget(max_cost_increase=Increase(D(allowed), percent=True))) == reasons


def test_a_refusal_calls_what_it_compares_with_what_a_plan_does() -> None:
    """Of a stack that pays $8 of its limit of $10, the $10 is before the change and at most, and no price of now."""
    plan = plan_of("update", bid("b", "10.00"), bid("b", "12.00"), prices=market())
    found = held_to(plan, Budget(D(11), max_cost_increase=Increase(D(1))))
    ends = [one.summary.partition("every limit paid")[2] for one in found.refusals]
    assert ends == [
        "; --max-hourly-cost allows $11.00 (before: $10.00)",
        ", $2.00 more than the $10.00 before; --max-cost-increase allows $1.00",
    ]


def test_a_percentage_of_nothing_is_nothing() -> None:
    plan = plan_of("create", None, bid("b", "9.00"), prices=market())
    found = held_to(plan, Budget(max_cost_increase=Increase(D(1000), percent=True)))
    assert [one.word for one in found.refusals] == ["max_cost_increase"]
    assert found.refusals[0].hint.endswith("nothing runs yet; to allow it: --max-cost-increase 9.00, in dollars")


def test_every_budget_holds_the_strictest_too() -> None:
    plan = plan_of("create", None, bid("b", "9.00"), prices=market())
    place = Position("flowplan.yaml", 3, 9)
    found = held_to(plan, Budget(D(20)), Budget(D(5), position=place))
    assert [(one.summary.split("; ")[1], one.position) for one in found.refusals] == [
        ("guards.max_hourly_cost allows $5.00 (before: $0.00)", place)
    ]
    assert [one.refused for one in found.judged] == [False, True]


# ---- as a pipeline sees it --------------------------------------------------------------------------------


def test_a_plan_that_is_too_dear_is_shown_and_refused(example: Place) -> None:
    result = example.run("plan", "--max-hourly-cost", "10")
    assert result.code == 3
    assert "Plan: 3 to add" in result.out
    assert "error: the stack would cost at most $17.92 an hour, every limit paid;" in result.err
    assert "refused by the guard max_hourly_cost" in result.err
    assert "error:" not in result.out and result.err.count("error:") == 1
    example.run("plan", "--max-hourly-cost", "10", "--out", "p.json")
    shown = example.run("show", "p.json")
    assert (shown.code, shown.err.count("error:")) == (0, 1) and result.err.startswith(shown.err.rstrip("\n"))
    body = json.loads(example.run("plan", "--format", "json", "--max-hourly-cost", "10").out)
    assert (body["applyable"], body["errored"]) == (False, True)
    assert [one["detail"] for one in body["diagnostics"]] == ["max_hourly_cost"]
    assert body["cost"]["guards"] == [
        {
            "guard": "max_hourly_cost",
            "limit": "10.00",
            "basis": "worst",
            "before": "0.00",
            "after": "17.92",
            "allowed": "10.00",
            "refused": True,
            "source": None,
        }
    ]


def test_by_the_forecast_it_is_not_too_dear(example: Place) -> None:
    result = example.run("plan", "--max-hourly-cost", "10", "--budget-basis", "p90", "--format", "json")
    assert result.code == 0
    (guard,) = json.loads(result.out)["cost"]["guards"]
    assert (guard["after"], guard["refused"]) == ("8.00", False)


def test_apply_refuses_and_touches_nothing(example: Place) -> None:
    result = example.run("apply", "--auto-approve", "--max-hourly-cost", "10")
    assert result.code == 3
    assert example.ledger() == []
    events = example.run("apply", "--auto-approve", "--json", "--max-cost-increase", "5.00").out.splitlines()
    *_, refusal, summary = map(json.loads, events)
    assert (refusal["type"], refusal["detail"]) == ("diagnostic", "max_cost_increase")
    assert (summary["type"], summary["exit_code"]) == ("summary", 3)
    assert example.ledger() == []
    example.ok("apply", "--auto-approve", "--max-hourly-cost", "18")


def test_a_saved_plan_is_held_to_the_budget_given_with_it(example: Place) -> None:
    example.ok("plan", "--out", "p")
    result = example.run("apply", "p", "--max-hourly-cost", "10")
    assert result.code == 3
    assert "at most $17.92 an hour, every limit paid" in result.err
    assert "lower a limit price" in result.err
    assert example.ledger() == []


def test_a_saved_plan_is_held_to_what_it_was_saved_with(example: Place) -> None:
    """By what prices are when it is applied."""
    example.edit("h100.8x.SXM5.IB", "a100-80gb.sxm.8x")
    example.edit("17.92", "900.00")
    arguments = ("--max-hourly-cost", "4.00", "--max-cost-increase", "1000.00", "--budget-basis", "p50")
    example.ok("plan", "--out", "p", *arguments)
    assert len(saved_budgets(json.loads((example.path / "p").read_text()), proven=True)) == 2
    example.ok("simulator", "advance", "26h")  # it rises
    result = example.run("apply", "p")
    assert result.code == 3
    assert "--max-hourly-cost allows $4.00" in " ".join(result.err.split())
    assert "to allow it, plan again with --max-hourly-cost" in " ".join(result.err.split())
    assert example.ledger() == []


def test_a_file_sets_a_budget_for_the_whole(place: Place) -> None:
    place.write(many(2) + "guards: {max_hourly_cost: 20}\n")
    result = place.run("plan")
    assert result.code == 3
    assert "guards.max_hourly_cost allows $20.00" in " ".join(result.err.split())
    assert "at flowplan.yaml:" in result.err and "| guards: {max_hourly_cost: 20}\n" in result.err
    assert place.run("plan", "--max-hourly-cost", "100").code == 3  # a looser one beside it changes nothing
    place.edit("20}", "35.85}")
    place.ok("plan")


def test_a_budget_changed_does_not_make_a_plan_stale_but_holds(place: Place) -> None:
    place.write(many(1) + "guards: {max_hourly_cost: 20}\n")
    place.ok("plan", "--out", "p")
    place.edit("20}", "10}")
    result = place.run("apply", "p")
    assert result.code == 3
    assert "guards.max_hourly_cost allows $10.00" in " ".join(result.err.split())
    place.edit("10}", "18}")
    place.ok("apply", "p")


def test_a_stack_above_its_budget_can_be_made_cheaper_and_says_that_it_is_above(applied: Place) -> None:
    above = "warning: the stack costs at most $17.92 an hour, every limit paid; --max-hourly-cost allows"
    assert above in " ".join(applied.ok("plan", "--max-hourly-cost", "10").split())
    applied.edit("17.92", "12.00")
    assert "does not raise it" in " ".join(applied.ok("apply", "--auto-approve", "--max-hourly-cost", "10").split())
    applied.write("guards: {max_hourly_cost: 1}\n" + (applied.path / "flowplan.yaml").read_text())
    applied.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--max-hourly-cost", "$10"), "write dollars per hour, such as 10"),
        (("--max-hourly-cost", "17,92"), "write dollars per hour, such as 17.92"),
        (("--max-hourly-cost", "$1,234.50"), "write dollars per hour, such as 1234.50"),
        (("--max-hourly-cost", "1,2345"), "60 or 12.50"),
        (("--max-hourly-cost", "-1"), "'-1' is not an amount"),
        (("--max-hourly-cost", "1e3"), "60 or 12.50"),
        (("--max-hourly-cost", "0.001"), "60 or 12.50"),
        (("--max-cost-increase", "20 %"), "such as 20%"),
        (("--max-cost-increase", "%"), "such as 20%"),
        (("--budget-basis", "p90"), "--max-hourly-cost or --max-cost-increase, or guards"),
        (("--budget-basis", "mean", "--max-hourly-cost", "1"), "'worst', 'p90', 'p50'"),
    ],
)
@pytest.mark.parametrize("command", ["plan", "apply"])
def test_wrong_budgets(example: Place, command: str, arguments: tuple[str, ...], says: str) -> None:
    result = example.run(command, *arguments)
    assert result.code == 64, result
    assert says in " ".join(result.err.split())
    assert result.out == ""


@pytest.mark.parametrize(
    ("guards", "says"),
    [
        ("{max_hourly_cost: $60}", "write dollars per hour, such as 60"),
        ("{max_hourly_cost: [60]}", "must be a number of dollars, not a list"),
        ("{max_cost_increase: a lot}", "such as 20%"),
        ("{budget_basis: p99, max_hourly_cost: 1}", "did you mean 'p90'?"),
        ("{budget_basis: p90}", "guards sets no limit"),
        ("{max_hourly_costs: 60}", "did you mean 'max_hourly_cost'?"),
        ("{max_changes: 130%}", "write a number of resources, such as 5, or a share of them, such as 30%"),
        ("{max_changes: 2.5}", "write a number of resources, such as 5, or a share of them, such as 30%"),
        ("{max_changes: [3]}", "must be a number of resources, not a list"),
        ("60", "write guards: {max_hourly_cost: 60}"),
    ],
)
def test_problems_of_guards_in_a_file(example: Place, guards: str, says: str) -> None:
    example.write(f"guards: {guards}\n" + (example.path / "flowplan.yaml").read_text())
    result = example.run("validate")
    assert result.code == 65
    assert says in " ".join((result.out + result.err).split())
    assert "1 error" in result.out + result.err


def hints(place: Place, *arguments: str) -> list[str]:
    result = place.run("plan", *arguments, "--format", "json")
    assert result.code == 3, result
    return [one["hint"] for one in json.loads(result.out)["diagnostics"] if one["severity"] == "error"]


@pytest.mark.parametrize(
    ("option", "given", "enough"),
    [
        ("max-hourly-cost", "10", "17.92"),
        ("max-cost-increase", "5.00", "17.92"),
        ("max-cost-increase", "20%", "17.92"),  # of nothing
    ],
)
@pytest.mark.parametrize("where", ["option", "file"])
def test_a_refusal_says_what_lets_the_plan_through(
    example: Place, option: str, given: str, enough: str, where: str
) -> None:
    """And exactly that does."""
    key = option.replace("-", "_")
    text = (example.path / "flowplan.yaml").read_text()
    if where == "file":
        example.write(f"guards: {{{key}: {given}}}\n" + text)
        (hint,) = hints(example)
        assert f"to allow it: guards: {{{key}: {enough}}}" in hint
        example.write(f"guards: {{{key}: {enough}}}\n" + text)
        example.ok("plan")
    else:
        (hint,) = hints(example, f"--{option}", given)
        assert f"to allow it: --{option} {enough}" in hint
        example.ok("plan", f"--{option}", enough)
        cent_less = f"{Decimal(enough) - Decimal('0.01')}"
        assert example.run("plan", f"--{option}", cent_less).code == 3


def test_a_percentage_that_lets_it_through_is_a_whole_one(applied: Place) -> None:
    applied.edit("17.92", "20.00")
    (hint,) = hints(applied, "--max-cost-increase", "5%")
    assert "to allow it: --max-cost-increase 12%" in hint  # 11.6
    applied.ok("plan", "--max-cost-increase", "12%")
    assert applied.run("plan", "--max-cost-increase", "11%").code == 3


def test_each_of_two_budgets_names_its_own_figures(example: Place) -> None:
    example.write("guards: {max_hourly_cost: 12}\n" + (example.path / "flowplan.yaml").read_text())
    found = hints(example, "--max-hourly-cost", "10", "--budget-basis", "worst")
    assert ["--max-hourly-cost 17.92" in one for one in found] == [True, False]
    assert ["guards: {max_hourly_cost: 17.92}" in one for one in found] == [False, True]


def test_a_basis_alone_is_one_more_for_the_limits_of_files(example: Place) -> None:
    text = (example.path / "flowplan.yaml").read_text()
    example.write("guards: {max_hourly_cost: 10, budget_basis: p90}\n" + text)
    example.ok("plan")
    (guard, again) = json.loads(example.run("plan", "--budget-basis", "p50", "--format", "json").out)["cost"]["guards"]
    assert [(one["basis"], one["after"], one["refused"]) for one in (guard, again)] == [
        ("p90", "8.00", False),
        ("p50", "8.00", False),
    ]
    for command in ("plan", "apply"):
        result = example.run(command, "--budget-basis", "worst", *(["--auto-approve"] if command == "apply" else []))
        assert result.code == 3
    assert example.ledger() == []
    example.write("guards: {max_hourly_cost: 10}\n" + text)
    assert example.run("plan", "--budget-basis", "p50").code == 3  # no basis loosens a file


def test_what_a_file_says_is_read(example: Place) -> None:
    text = "guards: {max_hourly_cost: 12.50, max_cost_increase: 20%, budget_basis: p50}\n"
    example.write(text + (example.path / "flowplan.yaml").read_text())
    body = json.loads(example.run("plan", "--format", "json").out)
    assert [(one["guard"], one["limit"], one["basis"]) for one in body["cost"]["guards"]] == [
        ("max_hourly_cost", "12.50", "p50"),
        ("max_cost_increase", "20%", "p50"),
    ]
    assert body["cost"]["guards"][0]["source"] == {"file": "flowplan.yaml", "line": 1, "column": 9}
    assert BID in {one["address"] for one in body["resource_changes"]}
