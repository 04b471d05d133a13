"""What the rules of an organisation say no to, and what they never hold up."""

from __future__ import annotations

from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Any

import attrs
import pytest

from flowplan.diagnostics import Diagnostic, Position
from flowplan.errors import CloudError
from flowplan.model.address import Address
from flowplan.model.catalogue import Catalogue, InstanceType, Named
from flowplan.model.live import Live
from flowplan.model.policy import Allowed, Cap, Hours, MaxPrice, Policies, PriceBasis
from flowplan.planning.actions import Change
from flowplan.planning.policies import Circumstances, refused, unused
from tests.builders import DATA, NOW, TRAIN, bid, change, live, live_bid, live_volume, plan_to, volume

AT = Position("policy.yaml", 3, 5)
H100 = InstanceType("it", "h100-80gb.sxm.8x", "H100", 8, 80, "SXM5")
HERE = Named("proj_1", "research")
MONDAY = datetime(2026, 3, 2, 7, 30, tzinfo=UTC)


def of(*values: str) -> Allowed:
    return Allowed(values, AT)


def cap(name: str, amount: str) -> Cap:
    return Cap(name, Decimal(amount), AT)


def price(*caps: Cap, basis: PriceBasis = "limit") -> Policies:
    return Policies(max_price=MaxPrice(caps, basis))


def seen(
    there: Live | None = None, moment: datetime | None = NOW, here: datetime | None = None, **paid: str | None
) -> Circumstances:
    prices = {Address("bid", name): None if text is None else Decimal(text) for name, text in paid.items()}
    moments = {} if moment is None else {"UTC": (moment,) if here is None else (moment, here)}
    return Circumstances(Catalogue((H100,), ()), there or Live(), HERE, moments, prices)


def said(rules: Policies, *changes: Change, about: Circumstances | None = None, **other: Any) -> list[str]:
    return [one.summary for one in found(rules, *changes, about=about, **other)]


def found(
    rules: Policies, *changes: Change, about: Circumstances | None = None, **other: Any
) -> tuple[Diagnostic, ...]:
    return refused(plan_to(*changes, **other), [rules], about or seen())


NEW = change("create", after=bid())
LOWERED = change("update", before=bid(limit="30"), after=bid(limit="29"))
RAISED = change("update", before=bid(limit="10"), after=bid(limit="20"))
PAUSED = change("update", before=bid(limit="30"), after=bid(limit="30", paused=True))
GONE = change("delete", before=bid())
STAYS = change("no-op", before=bid(), after=bid())

EVERY = Policies(
    max_price=MaxPrice((cap("*", "0.01"),), "limit"),
    regions=of("mars"),
    types=of("a100"),
    names=of("team-*"),
    hours=Hours(NOW.time().replace(hour=1), NOW.time().replace(hour=2), frozenset(range(7)), "UTC", AT),
    budgets=(cap("*", "0.01"),),
)


def test_every_rule_refuses_what_is_placed() -> None:
    assert len(said(EVERY, NEW)) == 6


@pytest.mark.parametrize("change_", [LOWERED, PAUSED, GONE, STAYS], ids=["lowered", "paused", "gone", "stays"])
def test_who_pays_less_is_held_up_by_no_rule(change_: Change) -> None:
    assert said(EVERY, change_) == []
    assert said(EVERY, change_, about=seen(moment=None)) == []


AGAIN = change("replace", before=bid(), after=bid())
FEWER = change("replace", before=bid(quantity=3), after=bid())
RESTED = change("replace", before=bid(), after=bid(paused=True))
SMALLER = change("replace", before=volume(size_gb=20), after=volume(size_gb=10), address=DATA)
ELSEWHERE = change("replace", before=volume(), after=attrs.evolve(volume(), region="x"), address=DATA)


def test_a_replacement_is_placed_unless_it_only_lowers() -> None:
    assert len(said(EVERY, AGAIN)) == 5  # all but the budget: the project costs no more
    assert said(EVERY, FEWER, RESTED, SMALLER) == []
    assert len(said(EVERY, ELSEWHERE)) == 3  # its region, its name, the hours


def test_a_refresh_records_and_is_judged_by_nothing() -> None:
    assert said(attrs.evolve(EVERY, protected=of("*")), NEW, GONE, mode="refresh-only") == []


# ---- prices -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("caps", "refuses"),
    [
        ([cap("h100", "2.50")], False),  # $20 for 8 GPUs, to the cent
        ([cap("h100", "2.49")], True),
        ([cap("8xh100", "2.49")], True),
        ([cap("h100-80gb.sxm.8x", "2.49")], True),
        ([cap("it", "1"), cap("h100", "2.50")], False),  # `it` alone is no name of a type
        ([cap("a100", "1")], False),
        ([cap("a100", "9"), cap("*", "2.49")], True),
        ([cap("h100", "9"), cap("*", "2.49")], False),  # a type's own amount stands for that of all
        ([cap("h100", "9"), cap("8xh100", "2.49")], True),  # the strictest of its own
    ],
)
def test_the_limit_of_a_gpu_hour(caps: list[Cap], refuses: bool) -> None:
    for one in (NEW, RAISED):
        assert bool(said(price(*caps), one)) is refuses


def test_it_says_both_figures_the_place_and_what_to_write() -> None:
    [one] = found(price(cap("h100", "2.10")), NEW)
    assert one.summary == (
        "bid.train: its limit is $20.00 per instance-hour ($2.50 per GPU-hour);"
        " the policy allows at most $2.10 per GPU-hour for h100"
    )
    assert (one.code, one.position, one.about) == ("policy", AT, "bid.train")
    assert one.hint == "at most utility_threshold_price_per_gpu: 2.10 (utility_threshold_price: 16.80)"


def test_a_share_of_a_cent_too_much_is_shown() -> None:
    tight = change("create", after=bid(limit="16.01"))
    assert "($2.0012 per GPU-hour)" in said(price(cap("h100", "2.00")), tight)[0]


@pytest.mark.parametrize(("paid", "refuses"), [("16.00", False), ("16.01", True)])
def test_the_price_of_now_where_the_rule_says_so(paid: str, refuses: bool) -> None:
    assert bool(said(price(cap("h100", "2.00"), basis="now"), NEW, about=seen(train=paid))) is refuses


def test_what_is_unknown_is_refused() -> None:
    now, strange = price(cap("h100", "9"), basis="now"), bid(instance_type="it_x", instance_type_name="x-small")
    assert "its price now is unknown" in said(now, NEW, about=seen(train=None))[0]
    assert "its price now is unknown" in said(now, NEW)[0]
    new = change("create", after=strange)
    for rules in (price(cap("a100", "9")), Policies(types=of("a100"))):
        assert "nothing is known of the instance type x-small, so the policy cannot be checked" in said(rules, new)[0]
    assert "the time there is unknown" in said(Policies(hours=EVERY.hours), NEW, about=seen(moment=None))[0]


def test_a_price_for_a_type_that_there_is_not_is_warned_of() -> None:
    catalogue = seen().catalogue
    [one] = unused([price(cap("h1000", "1"), cap("h100", "1"), cap("*", "1"))], catalogue, HERE)
    assert "the policy limits the price of h1000" in one.summary
    assert (one.severity, one.position) == ("warning", AT)
    assert "h100-80gb.sxm.8x" in (one.hint or "")
    assert unused([price(cap("h1000", "1"))], Catalogue((), ()), HERE) == ()  # nothing was listed


# ---- places, names ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("values", "refuses"), [(("r",), False), (("r*", "x"), False), (("R",), True), (("x",), True)])
def test_regions_of_bids_and_of_volumes(values: tuple[str, ...], refuses: bool) -> None:
    for one in (NEW, change("create", after=volume(), address=DATA)):
        assert bool(said(Policies(regions=of(*values)), one)) is refuses


@pytest.mark.parametrize(("name", "refuses"), [("team-a", False), ("team-a-g2", False), ("other-team-a", True)])
def test_names(name: str, refuses: bool) -> None:
    new = change("create", after=bid(name))
    assert bool(said(Policies(names=of("team-*")), new)) is refuses
    assert said(Policies(names=of("team-a")), change("create", after=bid("team-a-g2"))) == []
    assert said(Policies(names=of("team-*")), RAISED) == []  # it has its name already
    for before, after in ((bid("a"), bid("b", "10")), (bid("a"), bid("b"))):
        assert len(said(Policies(names=of("a")), change("replace", before=before, after=after))) == 1
    renamed = change("update", before=volume("a"), after=volume("b"), address=DATA)
    assert len(said(Policies(names=of("a")), renamed)) == 1


# ---- what is protected ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["bid.train", "task.train", "bid.*", "bid.tr?in", "*"])
def test_what_is_protected_is_neither_destroyed_nor_replaced(pattern: str) -> None:
    rules = Policies(protected=of("volume.other", pattern))
    replaced = change("replace", before=bid(), after=bid(quantity=2))
    for mode in ("apply", "destroy"):
        assert [f"the policy protects {pattern}" in one for one in said(rules, GONE, mode=mode)] == [True]
    assert len(said(rules, replaced)) == 1
    assert said(rules, NEW, LOWERED, PAUSED) == []
    moved = attrs.evolve(GONE, address=Address("bid", "new"), previous_address=TRAIN)
    assert len(said(rules, moved)) == 1  # a new name lifts nothing
    earlier = attrs.evolve(GONE, address=TRAIN.of_generation(1))
    assert said(rules, earlier) == []  # its successor is there


# ---- hours --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "days", "moment", "allowed"),
    [
        ("08:00", "18:00", {0}, "2026-03-02T08:00", True),
        ("08:00", "18:00", {0}, "2026-03-02T07:59", False),
        ("08:00", "18:00", {0}, "2026-03-02T18:00", False),
        ("08:00", "18:00", {0}, "2026-03-03T09:00", False),
        ("22:00", "06:00", {0}, "2026-03-02T23:00", True),
        ("22:00", "06:00", {0}, "2026-03-03T05:59", True),  # the night that began on Monday
        ("22:00", "06:00", {0}, "2026-03-02T05:59", False),  # the one that began on Sunday
        ("22:00", "06:00", {0}, "2026-03-03T22:00", False),
        ("08:00", "00:00", {0}, "2026-03-02T23:59", True),
        ("00:00", "00:00", {0}, "2026-03-02T00:00", True),
        ("00:00", "00:00", {1}, "2026-03-02T00:00", False),
    ],
)
def test_hours(start: str, end: str, days: set[int], moment: str, allowed: bool) -> None:
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    clock = [datetime.strptime(text, "%H:%M").time() for text in (start, end)]
    rules = Policies(hours=Hours(*clock, frozenset(days), "UTC", AT))
    assert (said(rules, NEW, about=seen(moment=at)) == []) is allowed


def test_hours_are_held_to_both_clocks_where_nobody_knows_which_is_wrong() -> None:
    by_day = Policies(hours=Hours(time(8), time(18), frozenset(range(7)), "UTC", AT))
    noon, night = datetime(2026, 3, 2, 12, tzinfo=UTC), datetime(2026, 3, 2, 23, tzinfo=UTC)
    assert said(by_day, NEW, about=seen(moment=noon, here=noon)) == []
    for api, here in ((noon, night), (night, noon), (night, night)):
        (summary,) = said(by_day, NEW, about=seen(moment=api, here=here))
        assert f"it is Mon {api:%H:%M} there by the API's clock, Mon {here:%H:%M} by this machine's, and" in summary


# ---- the project ----------------------------------------------------------------------------------------------------

THEIRS = live_bid(bid("theirs", "30"), "bid_2", ours=False)


@pytest.mark.parametrize(
    ("name", "amount", "refuses"),
    [
        ("research", "50", False),
        ("research", "49.99", True),  # theirs count
        ("proj_1", "49.99", True),
        ("other", "1", False),
        ("*", "49.99", True),
    ],
)
def test_a_project_has_a_budget(name: str, amount: str, refuses: bool) -> None:
    rules = Policies(budgets=(cap(name, amount),))
    assert bool(said(rules, NEW, about=seen(live(THEIRS)))) is refuses


def test_budgets_of_which_none_is_for_the_project_are_warned_of() -> None:
    def unheeded(*caps: Cap) -> tuple[Diagnostic, ...]:
        return unused([Policies(budgets=caps), Policies()], Catalogue((), ()), HERE)

    [one] = unheeded(cap("Research", "1"), cap("other", "1"))
    assert one.summary == "the policy limits what other projects cost, and has no budget for research"
    assert (one.severity, one.position, one.hint) == ("warning", AT, "add research, or '*' for any other")
    for own in ("research", "proj_1", "*"):
        assert unheeded(cap("other", "1"), cap(own, "1")) == ()


def test_its_figures_are_those_of_all_that_costs() -> None:
    paused, over = bid("paused", "99", paused=True), live_bid(bid("over", "99"), "bid_4", status="Terminated")
    there = live(THEIRS, live_bid(paused, "bid_3"), over, live_volume(volume(size_gb=7300)))
    ours = live_bid(bid(limit="5"), "bid_1")
    raised = change("update", before=bid(limit="5"), after=bid(limit="20"), id="bid_1")
    [one] = said(
        Policies(budgets=(cap("*", "1"),)),
        raised,
        about=seen(live(ours, *there.bids.values(), *there.volumes.values())),
    )
    assert "project research would cost up to $50.80 an hour" in one and "(before: $35.80)" in one


def test_a_project_that_cannot_be_listed_is_no_cheap_one() -> None:
    rules = Policies(budgets=(cap("*", "1000"),))
    unlisted = attrs.evolve(Live(), unlisted={"bid": CloudError("500")})
    assert "the bids of the project cannot be listed" in said(rules, NEW, about=seen(unlisted))[0]
    assert "--no-refresh does not check what else is live" in said(rules, NEW, refreshed=False)[0]
    dim = live_bid(bid("theirs", unreported=("limit_price",)), "bid_2", ours=False)
    assert "the API does not report limit_price of theirs" in said(rules, NEW, about=seen(live(dim)))[0]
