"""What an earlier run left in doubt, settled: each outcome of a look-up, and what state and journal say then."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import attrs
import pytest

from flowplan.apply.outcome import OutcomeUnknown
from flowplan.apply.recover import Recovered, recover
from flowplan.clock import Clock, Moment
from flowplan.errors import CloudError, NotFound
from flowplan.model.live import Live, LiveBid
from flowplan.model.resources import Inputs, PortMapping, PortPair
from flowplan.state.journal import fold
from flowplan.state.ownership import presume
from flowplan.state.records import Closed, Done, Intent
from flowplan.state.state import State
from tests.builders import (
    DATA,
    PORTS,
    TRAIN,
    bid,
    bound,
    create_of,
    intent_of,
    live,
    live_bid,
    live_volume,
    state,
    volume,
)


class Cloud:
    """A cloud of which one list after another is read, the last one again and again; and the time that passes."""

    def __init__(self, lists: Sequence[Live | CloudError]) -> None:
        self.lists = list(lists)
        self.seconds = 1000.0
        self.looks = 0

    def live(self) -> Live:
        found = self.lists[min(self.looks, len(self.lists) - 1)]
        self.looks += 1
        if isinstance(found, CloudError):
            raise found
        return found

    def bid(self, id: str) -> LiveBid:
        for one in self.lists:
            if isinstance(one, Live) and id in one.bids:
                return one.bids[id]
        raise NotFound(f"no bid {id}")

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def moment(self) -> Moment:
        return Moment.of_api(self.seconds)

    def clock(self) -> Clock:
        return Clock(lambda: self.seconds, lambda: self.seconds, self.wait, boot_id="boot")

    def wait(self, seconds: float) -> None:
        self.seconds += max(seconds, 0.001)


CREATE, VOLUME = create_of(TRAIN, bid()), create_of(DATA, volume())
OURS = live_bid(bid())
NOTHING = live()


def settled(
    lists: Sequence[Live | CloudError],
    *pending: Intent,
    known: State | None = None,
    resend: bool = True,
) -> tuple[Recovered, Cloud]:
    cloud = Cloud(lists)
    first = next((one for one in lists if isinstance(one, Live)), NOTHING)
    doubts = {one.intent: one for one in pending}
    found = recover(known or state(), doubts, cloud, first, window=45.0, clock=cloud.clock(), resend=resend)
    return found, cloud


def test_what_was_created_is_kept_and_counts_at_once() -> None:
    found, cloud = settled([live(OURS)], CREATE)
    assert [type(one) for one in found.records] == [Done]
    assert found.state.bindings[TRAIN].id == "bid_1" and not found.absent
    assert found.notes == ("bid.train was created by an interrupted run (bid_1); it is kept",)
    assert cloud.seconds == 1000.0


def test_a_bid_whose_cancellation_was_in_doubt_has_ended_and_a_list_that_lags_does_not_bring_it_back() -> None:
    """As the journal says it when it is read again."""
    cancel = attrs.evolve(intent_of("delete", TRAIN, bid()), id="bid_1")
    known = state(bound(TRAIN, "bid_1", bid()))
    found, _ = settled([live(live_bid(bid(), status="Terminated"))], cancel, known=known)
    assert found.state.ended == {"bid_1": 1000.0}
    assert found.state == fold(known, [cancel, *found.records])[0]


def test_the_ports_of_an_old_bid_are_not_those_of_its_successor() -> None:
    """The next plan reads them off its marker."""
    old = live_bid(bid("train-g1"), "bid_0", ours=False)
    open_ = bound(PORTS, "bid_0", PortMapping(TRAIN, ()), needs=(TRAIN,))
    known = state(bound(TRAIN, "bid_0", bid("train-g1")), open_)
    successor = attrs.evolve(CREATE, generation=2)
    found, _ = settled([live(OURS, old)], successor, known=known)
    assert {str(a): one.id for a, one in found.state.bindings.items()} == {
        "bid.train": "bid_1",
        "bid.train@g1": "bid_0",
    }
    forecast = presume(known, {"i-1": successor}, live(OURS, old))
    assert forecast.bindings.keys() == found.state.bindings.keys()


@pytest.mark.parametrize("pending", [(attrs.evolve(CREATE, generation=2),), ()], ids=["in doubt", "unknown"])
def test_the_ports_of_a_bid_that_is_gone_are_not_those_of_the_one_that_is_kept(pending: tuple[Intent, ...]) -> None:
    """Their id would be that of the gone bid for good: nothing that they publish has changed."""
    gone = live_bid(bid(), "bid_0", status="Terminated")
    open_ = bound(PORTS, "bid_0", PortMapping(TRAIN, ()), needs=(TRAIN,))
    known = state(bound(TRAIN, "bid_0", bid()), open_)
    found, _ = settled([live(OURS, gone)], *pending, known=known)
    assert {str(a): one.id for a, one in found.state.bindings.items()} == {"bid.train": "bid_1"}
    assert fold(known, [*pending, *found.records])[0].bindings == found.state.bindings
    forecast = presume(known, {one.intent: one for one in pending}, live(OURS, gone))
    assert forecast.bindings.keys() == found.state.bindings.keys()


@pytest.mark.parametrize("known_of", [True, False], ids=["in doubt", "unknown"])
def test_the_ports_that_it_publishes_itself_are_in_the_state_at_once(known_of: bool) -> None:
    """A watch that goes on has nothing to change then, and so would not record them."""
    pairs = (PortPair(8080, 80),)
    placed = bid(inputs=Inputs(ports=pairs))
    pending = (create_of(TRAIN, placed, generation=2),) if known_of else ()
    gone, ours = live_bid(bid(), "bid_0", status="Terminated"), live_bid(placed)
    open_ = bound(PORTS, "bid_0", PortMapping(TRAIN, (PortPair(22, 22),)), needs=(TRAIN,))
    known = state(bound(TRAIN, "bid_0", bid()), open_)
    found, _ = settled([live(ours, gone)], *pending, known=known)
    now = found.state.bindings
    assert now[PORTS] == attrs.evolve(
        open_, id="bid_1", applied=PortMapping(TRAIN, pairs), generation=now[TRAIN].generation, source=now[TRAIN].source
    )
    assert fold(known, [*pending, *found.records])[0].bindings == now
    forecast = presume(known, {one.intent: one for one in pending}, live(ours, gone))
    assert forecast.bindings == now


def test_what_shows_late_is_found_within_the_window() -> None:
    found, cloud = settled([NOTHING, NOTHING, NOTHING, live(OURS)], CREATE)
    assert found.state.bindings[TRAIN].id == "bid_1" and 1000.0 < cloud.seconds < 1045.0


def test_an_absence_counts_after_the_window_and_over_two_lists() -> None:
    found, cloud = settled([NOTHING], CREATE)
    assert found.absent == {"i-1": CREATE} and found.records == () and found.state == state()
    assert cloud.seconds >= 1045.0


def test_the_window_counts_from_when_the_attempt_was_announced() -> None:
    old = attrs.evolve(CREATE, at=attrs.evolve(CREATE.at, wall=900.0, since_boot=900.0, server=900.0))
    found, cloud = settled([NOTHING], old)
    assert list(found.absent) == ["i-1"] and cloud.seconds < 1010.0 and cloud.looks == 2


ENDS: dict[str, tuple[Any, str, str]] = {
    "somebody has its name": (
        attrs.evolve(live_bid(bid(), "bid_9", ours=False), sent="true"),
        "foreign",
        "flowplan did not make",
    ),
    "it has ended": (attrs.evolve(OURS, status="Terminated"), "ended", "has ended since"),
}


@pytest.mark.parametrize(("there", "why", "said"), ENDS.values(), ids=list(ENDS))
def test_what_proves_that_it_is_not_there_closes_the_intent(there: Any, why: str, said: str) -> None:
    found, _ = settled([live(there)], CREATE)
    assert found.records == (Closed("i-1", why),) and not found.absent
    assert said in found.notes[0]
    assert bool(found.ended) == (why == "ended")  # not to be bought again in this run


UNKNOWN: dict[str, tuple[list[Any], Intent, str]] = {
    "two of them": ([live(OURS, attrs.evolve(OURS, id="bid_2"))], CREATE, "has 2 live objects with our marker"),
    "it may be": ([live(live_volume(volume()))], VOLUME, "may be the result of an earlier attempt"),
    "its script is not shown": ([live(live_bid(bid(), "bid_9", ours=False))], CREATE, "bid_9 has its name and may be"),
    "no list": ([CloudError("down")], CREATE, "flowplan cannot tell now whether bid.train was created: down"),
}


@pytest.mark.parametrize(("lists", "intent", "said"), UNKNOWN.values(), ids=list(UNKNOWN))
def test_what_cannot_be_known_is_not_guessed(lists: list[Any], intent: Intent, said: str) -> None:
    with pytest.raises(OutcomeUnknown, match=said):
        settled(lists, intent)


def test_a_list_without_a_bid_that_is_there_proves_no_absence() -> None:
    """It lags, or lacks a page: then the create may be missing in it, too."""
    known = state(bound(attrs.evolve(TRAIN, name="other"), "bid_7", bid("other")))
    whole = live(live_bid(bid("other"), "bid_7", ours=False))
    with pytest.raises(OutcomeUnknown, match="bid_7 is live, but the list does not show it"):
        settled([NOTHING] * 100 + [whole], CREATE, known=known)


def test_what_is_absent_is_not_sent_again_unless_it_may_be() -> None:
    with pytest.raises(OutcomeUnknown, match="is not listed"):
        settled([NOTHING], CREATE, resend=False)


@pytest.mark.parametrize(
    ("known", "why"),
    [
        (state(released=frozenset({"bid_1"})), "was released"),
        (state(bound(attrs.evolve(TRAIN, name="older"), "bid_1", bid())), "is in the state as bid.older"),
    ],
)
def test_what_the_state_says_otherwise_of_stays_as_it_says(known: State, why: str) -> None:
    found, _ = settled([live(OURS)], CREATE, known=known)
    assert found.records[0] == Closed("i-1", why) and TRAIN not in found.state.bindings
    assert why in found.notes[0]


@pytest.mark.parametrize("op", ["update", "delete"])
def test_updates_and_deletes_are_planned_again_without_a_look(op: Literal["update", "delete"]) -> None:
    intent = intent_of(op, TRAIN, bid())
    found, cloud = settled([live(OURS)], intent, known=state(bound(TRAIN, "bid_1", bid())))
    assert found.records == (Closed("i-1", "planned again"),) and cloud.looks == 0


def test_a_live_bid_with_our_marker_is_adopted() -> None:
    found, _ = settled([live(OURS)])
    assert [type(one) for one in found.records] == [Done] and found.state.bindings[TRAIN].id == "bid_1"
    assert found.notes == ("bid.train is live (bid_1) with our marker; it is kept",)


def test_several_doubts_are_settled_together() -> None:
    made = live_volume(volume(), created_at="1970-01-01T00:16:45Z")
    other = attrs.evolve(VOLUME, intent="i-2")
    found, _ = settled([live(made)], CREATE, other)
    assert list(found.absent) == ["i-1"] and found.state.bindings[DATA].id == "vol_1"
