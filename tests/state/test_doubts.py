"""What came of an operation whose answer nobody has."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from flowplan.model.lifecycle import Bounds
from flowplan.model.live import Live, LiveVolume
from flowplan.state.doubts import binding_of, cancelled_by, find_created, made_by, perhaps_created
from tests.builders import (
    DATA,
    LINEAGE,
    TRAIN,
    bid,
    bound,
    create_of,
    intent_of,
    live,
    live_bid,
    live_volume,
    marker,
    state,
    volume,
)

OURS, THEIRS = live_bid(bid()), live_bid(bid(), "bid_9", ours=False)
ANOTHER = live_bid(bid(), "bid_9", marker=marker(bid(), lineage="another"))

# ---- what a create in doubt made --------------------------------------------------------------------------------

INTENT = create_of(DATA, volume())
IN_TIME = "1970-01-01T00:16:45+00:00"  # 5 seconds after it was announced
MADE: dict[str, tuple[LiveVolume, bool | None]] = {
    "in time, alike and unused": (live_volume(volume(), created_at=IN_TIME), True),
    "before it was announced": (live_volume(volume(), created_at="1970-01-01T00:16:30Z"), False),
    "within the clocks' skew": (live_volume(volume(), created_at="1970-01-01T00:16:36Z"), True),
    "long after": (live_volume(volume(), created_at="1970-01-01T00:18:41Z"), False),
    "no time is told": (live_volume(volume()), None),
    "a time that is none": (live_volume(volume(), created_at="yesterday"), None),
    "smaller": (live_volume(volume(size_gb=99), created_at=IN_TIME), False),
    "larger": (live_volume(volume(size_gb=128), created_at=IN_TIME), None),
    "of another kind": (live_volume(volume(interface="File"), created_at=IN_TIME), False),
    "in another region": (live_volume(volume(region="r2"), created_at=IN_TIME), False),
    "in use": (live_volume(volume(), created_at=IN_TIME, bids=("bid_9",)), None),
    "not told in full": (live_volume(volume(unreported=("region",)), created_at=IN_TIME), None),
    "unfit": (live_volume(volume(), created_at=IN_TIME, unfit="odd"), None),
}


@pytest.mark.parametrize(("found", "verdict"), MADE.values(), ids=list(MADE))
def test_whether_a_create_made_a_volume(found: LiveVolume, verdict: bool | None) -> None:
    assert made_by(INTENT, found) is verdict
    assert find_created(INTENT, LINEAGE, live(found)) == ((found,) if verdict else ())
    assert perhaps_created(INTENT, LINEAGE, live(found)) == (() if verdict is False else (found,))


def test_where_the_server_told_no_time_nobody_knows_it_to_a_day() -> None:
    by_us_alone = attrs.evolve(INTENT, at=attrs.evolve(INTENT.at, server=None))
    assert made_by(by_us_alone, live_volume(volume(), created_at="1970-01-01T10:00:00Z")) is None
    assert made_by(by_us_alone, live_volume(volume(), created_at="1970-01-03T00:00:00Z")) is False


@pytest.mark.parametrize(
    ("server", "created", "ours"),
    [
        (4600.0, "1970-01-01T00:16:45Z", None),  # an hour ahead, and it was made 5 seconds after it was asked for
        (-2600.0, "1970-01-01T00:16:45Z", None),
        (4600.0, "1970-01-01T00:16:34Z", False),  # before that, by both
        (-2600.0, "1970-01-01T00:18:41Z", False),
        (4600.0, "1970-01-01T01:16:45Z", True),  # the server's says so
    ],
)
def test_of_two_clocks_both_have_to_say_that_a_volume_is_not_ours(
    server: float, created: str, ours: bool | None
) -> None:
    one_is_wrong = attrs.evolve(INTENT, at=attrs.evolve(INTENT.at, wall=1000.0, server=server))
    assert made_by(one_is_wrong, live_volume(volume(), created_at=created)) is ours


CREATE = create_of(TRAIN, bid())


@pytest.mark.parametrize(
    ("there", "ids"),
    [
        (OURS, ["bid_1"]),
        (attrs.evolve(OURS, status="Terminated"), []),
        (attrs.evolve(OURS, marker=marker(bid(), intent="i-2")), []),
        (ANOTHER, []),
        (THEIRS, []),
    ],
)
def test_a_bid_is_known_by_its_marker_alone(there: Any, ids: list[str]) -> None:
    assert [one.id for one in find_created(CREATE, LINEAGE, live(there))] == ids


def test_a_bid_that_cannot_be_read_may_be_it() -> None:
    unread = attrs.evolve(THEIRS, unfit="no script")
    assert perhaps_created(CREATE, LINEAGE, live(unread)) == (unread,)
    assert perhaps_created(CREATE, LINEAGE, live(attrs.evolve(unread, bid=bid("another")))) == ()
    assert perhaps_created(CREATE, LINEAGE, live(attrs.evolve(unread, bid=bid("")))) != ()


def test_what_a_create_in_doubt_made_is_protected_as_it_was_to_be() -> None:
    assert binding_of(attrs.evolve(CREATE, protected="./a.yaml:1:1"), "bid_1").protected == "./a.yaml:1:1"


def test_what_a_create_in_doubt_made_ends_as_it_was_to_end() -> None:
    bounds = Bounds(Decimal(12), None, None, False)
    assert binding_of(attrs.evolve(CREATE, lifetime=bounds), "bid_1").lifetime == bounds


CANCEL = attrs.evolve(intent_of("delete", TRAIN, bid()), id="bid_1")


@pytest.mark.parametrize(
    ("there", "ended"),
    [
        (live(OURS), None),
        (live(), None),  # not listed is not gone
        (live(attrs.evolve(OURS, status="Terminated")), "cancelled"),
        (live(gone=frozenset({"bid_1"})), "cancelled"),
    ],
)
def test_what_a_removal_in_doubt_came_to(there: Live, ended: str | None) -> None:
    found = cancelled_by(CANCEL, state(bound(TRAIN, "bid_1", bid())).bindings, there)
    assert (found.ended if found else None) == ended
