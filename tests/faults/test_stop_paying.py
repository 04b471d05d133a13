"""Whoever stops paying needs ids only: no price, no catalogue, no list, nothing that is somebody else's.

Every read that a command makes fails in every way; what is to stop is cancelled all the same.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
from attrs import frozen

import flowplan
from flowplan.apply.outcome import ApplyFailed
from flowplan.backends.local import LocalStore
from flowplan.cloud.http.request import Outgoing
from flowplan.cloud.http.response import LOST, Reply
from flowplan.cloud.http.transport import HURRIED
from flowplan.cloud.http.wire import Patience
from flowplan.cloud.inside import Inside
from flowplan.operations.looking.observe import Observed
from flowplan.operations.running.approval import Approving
from flowplan.planning.plan import Plan
from flowplan.simulator import SIMULATOR_KEY
from flowplan.state.state import State
from tests.conftest import lose_addresses, many, thinned
from tests.texts import task_text

from .world import BIDS, STATE, Told, World

READS = {
    "projects": "GET /v2/projects",
    "types": "GET /v2/instance-types",
    "availability": "GET /v2/spot/availability",
    "keys": "GET /v2/ssh-keys",
    "prices": "GET /v2/pricing/current",
    "history": "GET /v2/pricing/history",
    "bids": "GET /v2/spot/bids",
    "bid": "GET /v2/spot/bids/*",
    "volumes": "GET /v2/volumes",
    "everything": "GET *",
}
OFFERED = ("types", "availability", "keys", "prices", "history")  # what nobody needs who stops


@frozen
class Answer:
    status: int
    body: str
    type: str = "application/json"


ANSWERS = {
    "403": Answer(403, '{"detail": "Forbidden"}'),
    "404": Answer(404, '{"detail": "Bid not found"}'),
    "404-gateway": Answer(404, '{"message": "no Route matched with those values"}'),
    "500": Answer(500, '{"detail": "Internal Server Error"}'),
    "501": Answer(501, '{"detail": "Not Implemented"}'),
    "503": Answer(503, "upstream connect error", "text/plain"),
    "garbage": Answer(200, '{"data": [{"fid": "bid_'),
    "html": Answer(200, "<html><body>Please log in</body></html>", "text/html"),
    "empty": Answer(200, ""),
    "null": Answer(200, "null"),
    "shape": Answer(200, '{"data": 7, "next_cursor": []}'),
    "rows": Answer(200, '[7, "x", null]'),
}


def answered(*reads: str) -> pytest.MarkDecorator:
    """Each of these reads with every answer, one of five pairs in a run that is not the long one."""
    return pytest.mark.parametrize(("read", "answer"), thinned(5, itertools.product(reads, ANSWERS)))


def spoil(world: World, read: str, answer: str) -> None:
    given = ANSWERS[answer]
    headers = {"content-type": given.type}
    world.fault(READS[read], "status", times=None, status=given.status, body=given.body, headers=headers)


def cancelled(world: World) -> set[str]:
    """The ids of the bids to which commands sent a DELETE that was executed."""
    return {entry.path.rpartition("/")[2] for entry in world.executed("DELETE", "/v2/spot/bids/")}


def bound(world: World, kind: str) -> set[str]:
    state = LocalStore(world.path / STATE).read().state
    return {binding.id for address, binding in state.bindings.items() if address.kind == kind}


def held_or_ended(world: World, told: Told, ids: set[str]) -> None:
    """0 where all is over, and proved to be; else 1, the state kept, and what is left named."""
    assert told.code in (0, 1), told
    assert "bug in flowplan" not in told.said
    if told.code == 0:
        assert not bound(world, "bid") & ids
    else:
        left = [id for id in (bound(world, "bid") & ids) | bound(world, "volume") if id in told.said]
        named = [name for name in ("bid.task-", "volume.vol-", "GET /v2") if name in told.said]
        assert left or named, told


@answered(*READS)
def test_destroy_cancels_every_bid(world: World, read: str, answer: str) -> None:
    world.applied()
    bids = bound(world, "bid")
    spoil(world, read, answer)
    told = world.do("destroy")
    assert cancelled(world) == bids
    held_or_ended(world, told, bids)
    if read in (*OFFERED, "projects"):
        assert told.code == 0, told
    world.clear()
    assert world.do("destroy").code == 0
    assert world.bids() == [] and world.volumes() == []


def test_a_destroy_of_bids_that_nobody_is_asked_about_looks_once_however_long_that_takes(world: World) -> None:
    """A second look would take as long again, in which they run on."""
    world.applied()
    world.monkeypatch.setattr("flowplan.operations.running.approval.FRESH", -1.0)
    told = world.run("destroy", "--auto-approve", "--keep-volumes")
    assert told.code == 0, told
    assert world.bids() == []
    first = next(index for index, one in enumerate(told.sent) if one.method == "DELETE")
    assert [one.path for one in told.sent[:first]].count(BIDS) == 1


def test_what_has_ended_until_the_second_look_of_a_destroy_keeps_nothing_else_running(world: World) -> None:
    """Of volumes it looks again; that less is left to cancel by then is what was asked for."""
    world.applied()
    ours, gone = world.bid("task-000"), world.bid("task-001")
    world.monkeypatch.setattr("flowplan.operations.running.approval.FRESH", -1.0)
    again = Approving.again

    def ends_before(approving: Approving, plan: Plan, state: State) -> tuple[Plan, Observed]:
        with world.place.simulator() as simulator:
            simulator.faults.third_party("DELETE", f"/v2/spot/bids/{gone}")
        return again(approving, plan, state)

    world.monkeypatch.setattr(Approving, "again", ends_before)
    told = world.do("destroy")
    assert told.code == 0, told
    assert ours in cancelled(world) and (world.bids(), world.volumes()) == ([], [])


@pytest.mark.parametrize("read", OFFERED[:3])
def test_destroy_asks_for_nothing_that_is_offered(world: World, read: str) -> None:
    world.applied()
    told = world.do("destroy")
    assert told.code == 0
    assert not told.calls("GET", READS[read].removeprefix("GET "))


@answered("types", "availability", "keys", "prices", "history", "projects")
def test_an_apply_that_only_takes_away_needs_nothing_offered(world: World, read: str, answer: str) -> None:
    world.applied()
    gone = world.bid("task-001")
    world.fresh(1)
    spoil(world, read, answer)
    told = world.do("apply", "--allow-volume-destroy", "*")
    assert told.code == 0, told
    assert cancelled(world) == {gone}
    assert bound(world, "bid") == {world.bid("task-000")}


@pytest.mark.parametrize("command", ["destroy", "apply"])
@pytest.mark.parametrize("read", ["prices", "history"])
def test_prices_that_refuse_the_credentials_stop_nobody_who_stops_paying(world: World, command: str, read: str) -> None:
    """The calls that cancel may take them all the same. What costs more is not gone on with."""
    world.applied()
    gone = {world.bid("task-001")} if command == "apply" else bound(world, "bid")
    world.fresh(1)
    world.fault(READS[read], "status", times=None, status=401)
    told = world.do(command, *(("--allow-volume-destroy", "*") if command == "apply" else ()))
    assert told.code == 0, told
    assert cancelled(world) == gone
    if read == "prices":
        world.fresh(3)
        told = world.do("apply")
        assert (told.code, "does not accept the credentials" in told.said) == (1, True), told


@pytest.mark.parametrize("read", ["projects", "bids", "volumes"])
def test_lists_that_refuse_the_credentials_stop_no_destroy(world: World, read: str) -> None:
    """Each bid that the state knows is cancelled by its id."""
    world.applied()
    bids = bound(world, "bid")
    world.fault(READS[read], "status", times=None, status=401)
    told = world.do("destroy")
    assert cancelled(world) == bids
    held_or_ended(world, told, bids)
    world.clear()
    assert world.do("destroy").code == 0
    assert (world.bids(), world.volumes()) == ([], [])


@answered("bids", "bid", "volumes")
def test_an_apply_that_only_takes_away_needs_no_list(world: World, read: str, answer: str) -> None:
    world.applied()
    gone = world.bid("task-001")
    world.fresh(1)
    spoil(world, read, answer)
    told = world.do("apply", "--allow-volume-destroy", "*")
    assert cancelled(world) == {gone}
    held_or_ended(world, told, {gone})


@answered(*READS)
def test_pausing_needs_nothing_offered(world: World, read: str, answer: str) -> None:
    world.applied()
    world.fresh(0)
    world.place.write(many(2).replace("ports:", "paused: true\nports:"))
    spoil(world, read, answer)
    told = world.do("apply")
    assert "bug in flowplan" not in told.said
    assert told.code in (0, 1), told
    assert {row["status"] for row in world.bids()} == {"Paused"}, told


@pytest.mark.parametrize(
    ("read", "answer"),
    thinned(
        5,
        (
            (read, answer)
            for read in ("types", "availability", "keys", "bids", "volumes", "prices")
            for answer in ANSWERS
            if (read, answer[:3]) != ("prices", "404")  # an auction that was withdrawn has no price
        ),
    ),
)
def test_what_is_to_be_placed_needs_all_of_it(world: World, read: str, answer: str) -> None:
    world.applied()
    world.fresh(3)
    spoil(world, read, answer)
    told = world.do("apply")
    assert told.code == 1, told
    assert not told.mutations
    assert READS[read].removeprefix("GET ") in told.said, told


# ---- reads that take long hold up no cancellation -----------------------------------------------------------

ONE_BID = "GET /v2/spot/bids/*"
PRICES = ("GET /v2/pricing/current", "GET /v2/pricing/history")
SLOW: dict[str, dict[str, Any]] = {
    "drips": {"does": "timeout"},
    "429": {"does": "status", "status": 429, "retry_after": 20},
    "503": {"does": "status", "status": 503, "retry_after": 20},
}
slowly = pytest.mark.parametrize("slow", SLOW)


def slowed(world: World, slow: str, *reads: str) -> None:
    """These reads are slow until the first DELETE; one that drips takes all the time that its attempt may."""
    for read in reads:
        world.fault(read, **{"times": None, **SLOW[slow]})
    send = Inside.send

    def sent(wire: Inside, request: Outgoing, own_id: str, patience: Patience) -> Reply:
        if request.method == "DELETE":
            world.clear()
        reply = send(wire, request, own_id, patience)
        if reply.fault == LOST:
            world.time.pause(patience.deadline)
        return reply

    world.monkeypatch.setattr(Inside, "send", sent)


def held_up(told: Told) -> float:
    """Seconds from the last answer of a list, which tells what is there, to the first DELETE."""
    lists = ("/v2/projects", "/v2/volumes", "/v2/spot/bids")
    before = list(itertools.takewhile(lambda one: one.method != "DELETE", told.sent))
    return told.calls("DELETE")[0].at - max(one.at for one in before if one.path in lists)


@slowly
def test_slow_prices_hold_up_no_destroy(world: World, slow: str) -> None:
    world.applied()
    slowed(world, slow, *PRICES)
    told = world.do("destroy")
    assert told.code == 0, told
    assert "the current cost is unknown" in told.said
    assert held_up(told) <= HURRIED
    assert world.bids() == [] and world.volumes() == []


@slowly
def test_slow_prices_hold_up_no_apply_that_only_cancels(world: World, slow: str) -> None:
    world.applied()
    gone = world.bid("task-001")
    world.fresh(1)
    slowed(world, slow, *PRICES)
    told = world.do("apply", "--allow-volume-destroy", "*")
    assert told.code == 0, told
    assert cancelled(world) == {gone}
    assert held_up(told) <= 2 * HURRIED  # prices of now and of the past, one after the other in the process itself


@slowly
def test_where_no_list_answers_a_bid_is_not_waited_for_to_cancel_it(world: World, slow: str) -> None:
    world.applied()
    bids = bound(world, "bid")
    slowed(world, slow, "GET /v2/spot/bids", ONE_BID, *PRICES)
    told = world.run("destroy", "--auto-approve", "--keep-volumes")
    assert (told.code, "more bids of this stack may run than the state knows" in told.said) == (1, True), told
    assert cancelled(world) == bids
    assert "flowplan assumes that it is as last applied" in told.said
    wait = SLOW[slow].get("retry_after", 0)  # what the list was asked to wait for holds for every call
    assert held_up(told) <= wait + 2 * HURRIED + 1


@slowly
def test_other_bids_that_answer_slowly_hold_up_no_recover(world: World, slow: str) -> None:
    world.applied()
    further, other = world.bid("task-001"), world.bid("task-000")
    lose_addresses(world.place, "bid.task-001", "ports.task-001")
    world.fault("GET /v2/spot/bids", "status", times=None, status=403)
    slowed(world, slow, f"GET /v2/spot/bids/{other}")
    told = world.run("recover", "--cancel", further)
    assert cancelled(world) == {further}, told
    assert held_up(told) <= HURRIED


# ---- what only a list shows: a bid of ours that the state does not have ---------------------------------------------


@pytest.fixture
def unlisted(world: World) -> World:
    """Of two bids the state knows one, and no list is to be had."""
    world.applied()
    lose_addresses(world.place, "bid.task-001", "ports.task-001")
    world.fault("GET /v2/spot/bids", "status", times=None, status=403)
    return world


@pytest.mark.parametrize("saved", [False, True])
def test_a_destroy_that_cannot_look_for_more_bids_ends_what_it_knows_and_does_not_say_that_all_is_over(
    unlisted: World, *, saved: bool
) -> None:
    known = bound(unlisted, "bid")
    if saved:
        assert unlisted.run("plan", "--destroy", "--keep-volumes", "--out", "p").code == 0
    told = unlisted.run(*(("apply", "p") if saved else ("destroy", "--auto-approve", "--keep-volumes")))
    assert (told.code, cancelled(unlisted)) == (1, known), told
    assert "everything that was to stop has stopped" in told.said
    assert "more bids of this stack may run than the state knows: GET /v2/spot/bids" in told.said
    assert "run the same command again once the bids can be listed" in told.said
    unlisted.clear()
    assert len(unlisted.bids()) == 1
    assert unlisted.run("destroy", "--auto-approve", "--keep-volumes").code == 0
    assert unlisted.bids() == []


def test_a_program_hears_of_it(unlisted: World) -> None:
    stack = flowplan.load(directory=unlisted.path, api_url="sim:")
    with pytest.raises(ApplyFailed, match="more bids of this stack may run") as caught:
        stack.apply(stack.plan(destroy=True, keep_volumes=True))
    assert caught.value.exit_code == 1
    assert {step.address.kind for step in caught.value.outcome.done} >= {"bid", "volume"}


def test_a_destroy_of_what_is_named_needs_no_list(unlisted: World) -> None:
    known = bound(unlisted, "bid")
    told = unlisted.run("destroy", "--auto-approve", "--target", "bid.task-000")
    assert (told.code, cancelled(unlisted)) == (0, known), told


# ---- who only looks -----------------------------------------------------------------------------------------


@answered("projects", "types", "availability", "keys")
def test_looking_needs_nothing_offered_either(world: World, read: str, answer: str) -> None:
    world.applied()
    spoil(world, read, answer)
    for command in ("status", "orphans"):
        told = world.run(command)
        assert told.code == 0, told
        assert READS[read].removeprefix("GET ") in told.said


# ---- recover ------------------------------------------------------------------------------------------------


@answered(*READS)
def test_recover_settles_an_interrupted_removal(world: World, read: str, answer: str) -> None:
    world.applied()
    spoil(world, read, answer)
    told = world.run("recover")
    assert told.code == (1 if read in ("bids", "everything") else 0), told
    assert "bug in flowplan" not in told.said
    assert told.code or "Nothing is in doubt" in told.out


@answered(*READS)
def test_recover_cancels_what_the_state_does_not_hold(world: World, read: str, answer: str) -> None:
    world.applied()
    further = world.bid("task-001")
    lose_addresses(world.place, "bid.task-001", "ports.task-001")
    spoil(world, read, answer)
    told = world.run("recover", "--cancel", further)
    assert "bug in flowplan" not in told.said
    if read in ("bid", "everything"):  # whether it is over, or even whose it is, nobody tells
        assert told.code in (0, 1, 3), told
    else:
        assert told.code == 0, told
        assert f"{further} (bid.task-001) is cancelled" in told.said
    if read != "everything":
        assert cancelled(world) == {further}


@pytest.mark.parametrize("status", [403, 500])
def test_a_further_bid_that_cannot_be_cancelled_keeps_no_other_running(world: World, status: int) -> None:
    world.applied()
    stuck, other = world.bid("task-000"), world.bid("task-001")
    lose_addresses(world.place, *(f"{kind}.task-00{n}" for kind in ("bid", "ports") for n in (0, 1)))
    world.fault(f"DELETE /v2/spot/bids/{stuck}", "status", times=None, status=status)
    told = world.run("recover", "--cancel", stuck, "--cancel", other)
    assert told.code == 1, told
    assert f"DELETE /v2/spot/bids/{stuck}" in told.said
    assert f"{other} (bid.task-001) is cancelled" in told.said and f"{stuck} (bid" not in told.said
    assert cancelled(world) == {other}
    world.clear()
    assert world.run("recover", "--cancel", stuck, "--cancel", other).code == 0
    assert world.bids() == []


def test_all_further_bids_that_cannot_be_cancelled_are_named(world: World) -> None:
    world.applied()
    both = [world.bid("task-000"), world.bid("task-001")]
    lose_addresses(world.place, *(f"{kind}.task-00{n}" for kind in ("bid", "ports") for n in (0, 1)))
    world.fault("DELETE /v2/spot/bids/*", "status", times=None, status=403)
    told = world.run("recover", "--cancel", both[0], "--cancel", both[1])
    assert told.code == 1, told
    assert f"{', '.join(both)} are not cancelled, and may cost money" in told.said
    assert all(f"DELETE /v2/spot/bids/{id}: permission denied" in told.said for id in both)


def test_a_further_bid_that_does_not_end_holds_up_no_other(world: World) -> None:
    world.served(SIMULATOR_KEY)  # in the process itself nothing is asked side by side
    world.fresh(2)
    assert world.do("apply").code == 0
    stuck, other = world.bid("task-000"), world.bid("task-001")
    lose_addresses(world.place, *(f"{kind}.task-00{n}" for kind in ("bid", "ports") for n in (0, 1)))
    world.fault(f"DELETE /v2/spot/bids/{stuck}", "status", times=None, status=204)
    world.monkeypatch.setattr("flowplan.apply.patience.POLLS", (20.0,))
    told = world.run("recover", "--cancel", stuck, "--cancel", other)
    assert (told.code, f"gave up waiting for {stuck} to end" in told.said) == (1, True), told
    with world.place.simulator() as simulator:
        sent = [entry.path for entry in simulator.ledger(everything=True) if entry.method == "DELETE"]
    assert sent[-1] == f"/v2/spot/bids/{stuck}"  # again and again, and the other one long before
    assert f"{other} (bid.task-001) is cancelled" in told.said


def test_recover_says_what_it_did_to_a_program(world: World) -> None:
    world.applied()
    further = world.bid("task-001")
    lose_addresses(world.place, "bid.task-001", "ports.task-001")
    told = world.run("recover", "--cancel", further, "--format", "json")
    found = json.loads(told.out)
    assert found["cancelled"] == [{"address": "bid.task-001", "type": "bid", "id": further}]
    assert f"{further} (bid.task-001) is cancelled" in told.err
    held = json.loads(world.run("state", "list", "--format", "json").out)["resources"]
    assert (found["resources"], found["not_created"], found["rebuilt"]) == (held, [], False)
    assert cancelled(world) == {further}


# ---- what is in doubt holds up nobody who stops -------------------------------------------------------------


@pytest.mark.parametrize("read", ["bids", "volumes", "everything"])
def test_destroy_ends_what_is_known_although_a_create_stays_in_doubt(world: World, read: str) -> None:
    world.applied()
    bids = bound(world, "bid")
    world.fresh(3)
    world.fault("POST /v2/spot/bids", "timeout", after_commit=True)
    world.fault("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert world.do("apply").code == 6
    world.clear()
    spoil(world, read, "503")
    told = world.do("destroy")
    assert told.code == 6, told
    assert "everything known is destroyed anyway" in told.said
    assert cancelled(world) == bids
    (intent,) = LocalStore(world.path / STATE).read().pending.values()
    assert str(intent.address) == "bid.task-002"
    world.clear()
    assert world.do("destroy").code == 0
    assert world.bids() == [] and world.volumes() == []


def test_what_is_past_its_lifetime_waits_for_no_create_in_doubt_of_another_task(world: World) -> None:
    """The clock was set back, so nobody knows how old the intent is. The apply itself waits for a whole settle window
    then, and where it stays in doubt ends lifetimes: that waits for no second one."""
    world.place.write(task_text(more="lifetime: {max_hours: 2}\n"), "train.yaml")
    assert world.run("apply", "train.yaml", "--auto-approve").code == 0
    (late,) = bound(world, "bid")
    world.place.ok("simulator", "advance", "5h")
    world.place.write(task_text("new"), "new.yaml")
    world.fault("POST /v2/spot/bids", "timeout", after_commit=True)
    world.fault("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert world.run("apply", "new.yaml", "--auto-approve").code == 6
    world.time.ahead = -3600.0
    told = world.run("apply", "train.yaml", "new.yaml", "--auto-approve")
    assert (told.code, cancelled(world)) == (6, {late}), told
    assert told.seconds <= 45.0 + 1.0
    (intent,) = LocalStore(world.path / STATE).read().pending.values()
    assert str(intent.address) == "bid.new"
    world.clear()
    assert world.run("apply", "train.yaml", "new.yaml", "--auto-approve").code == 0
    assert [one["name"] for one in world.bids()] == ["new"]


@pytest.fixture(autouse=True)
def _nothing_twice(world: World) -> Iterator[None]:
    """Whatever is told or not, nothing is bought again."""
    yield
    with world.place.simulator() as simulator:
        posts = [e for e in simulator.ledger(everything=True) if e.method == "POST" and e.path == "/v2/spot/bids"]
    assert len(posts) == len({entry.key for entry in posts}) <= 3
