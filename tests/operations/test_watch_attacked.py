"""What no file, answer or clock makes the watch do, and what none keeps it from: places again nothing that a person had
ended, changed or edited, and ends what is past its lifetime."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from flowplan import clock
from flowplan.apply.outcome import ApplyFailed, OutcomeUnknown
from flowplan.cloud.fcp import Fcp
from flowplan.documents.watch import Round
from flowplan.errors import CloudError, ConfigError, GuardRefused
from flowplan.operations.watching.memory import Memory
from flowplan.operations.watching.one_round import _Decided
from flowplan.planning.plan import Plan
from tests.conftest import APPLY, Place, bid_id, live_ids, made_once
from tests.operations.watching import end, look, only, posts, stack, task, watched

REBID = "{on_preempted: rebid, max_hourly_cost: 60}"
ELSEWHERE = "{on_preempted: rebid, switch_region: true, max_hourly_cost: 60}"
LIVES = ", lifetime: {max_hours: 2}"


def runs(place: Place, policy: str = REBID, more: str = "", hours: int = 0) -> None:
    """A stack of one task runs, for so long."""
    place.write(stack(policy, train=task(more=more)))
    place.ok(*APPLY)
    place.ok("simulator", "advance", f"{hours}h" if hours else "10m")


def is_live(place: Place) -> bool:
    return bool(live_ids(place))


# ---- what is placed again ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("h100.8x.SXM5.IB, cluster_id: us-central1-b", "a100.8x.SXM4.IB, cluster_id: us-central1-a"),
        ("cluster_id: us-central1-b", "cluster_id: us-central1-a"),
        ("train: {", "train: {name: other, "),
        ("train: {", "train: {startup_script: echo hello, "),
        ("train: {", "train: {paused: true, "),
    ],
    ids=["type", "region", "name", "script", "paused"],
)
def test_a_bid_is_not_placed_again_as_somebody_edited_it_and_did_not_apply(place: Place, old: str, new: str) -> None:
    runs(place, ELSEWHERE)
    end(place)
    place.edit(old, new)
    found = look(place)
    assert found.error is None and only(found).asks, found
    assert posts(place) == 1


def test_a_job_that_is_done_is_not_placed_again_when_its_lifetime_leaves_the_file(place: Place) -> None:
    runs(place, more=", lifetime: {max_hours: 20}")
    end(place)
    place.edit(", lifetime: {max_hours: 20}", "")
    assert only(look(place)).asks
    assert posts(place) == 1


def test_a_job_that_is_done_stays_done_when_nobody_waits_for_its_end_any_more(place: Place) -> None:
    after = ", depends_on: [{task: train, until: terminated}]"
    place.write(stack(REBID, train=task(), then=task("9.00", "a100.8x.SXM4.IB", "us-central1-a", more=after)))
    assert place.run(*APPLY, "--timeout", "1s").code == 1
    place.ok("simulator", "advance", "10m")
    end(place)
    assert {one.kind for one in look(place).findings} == {"done", "unapplied"}
    place.write(stack(REBID, train=task()))
    assert only(look(place)).kind == "done"
    assert posts(place) == 1


def test_a_bid_whose_limit_a_person_changed_is_not_placed_again_at_the_old_one(place: Place) -> None:
    runs(place)
    place.call("PATCH", f"/v2/spot/bids/{bid_id(place, 'bid.train')}", b'{"limit_price": "$16.00"}')
    end(place)
    found = look(place)
    assert "limit_price was changed outside" in only(found).said, found
    assert posts(place) == 1


def test_a_bid_is_not_placed_again_by_a_state_that_does_not_know_how_the_last_one_ended(place: Place) -> None:
    """As one that was put back: the bid that it has was ended by the cloud, the next one by a person."""
    runs(place)
    old, before = end(place), (place.path / "flowplan.state.json").read_bytes()
    assert look(place).acted
    place.ok("simulator", "advance", "10m")
    end(place, by_cloud=False)
    place.ok("state", "restore", str(json.loads(before)["serial"]), "--force")
    assert bid_id(place, "bid.train") == old
    found = look(place)
    assert "which the state does not know" in only(found).said, found
    assert posts(place) == 2


ONE_BID = "/v2/spot/bids/{bid_fid}"


def test_a_history_that_names_nobody_does_not_say_that_the_cloud_ended_a_bid(place: Place) -> None:
    runs(place)
    end(place, by_cloud=False)
    with place.simulator() as simulator:
        simulator.faults.add(f"GET {ONE_BID}/history", "edited", put={"user_id": None}, times=None)
    found = look(place)
    assert "does not say who ended it" in only(found).said and only(found).asks, found
    assert posts(place) == 1


@pytest.mark.parametrize("time", [None, "", "soon", "2031-01-01T00:00:00Z"])
def test_no_time_that_the_api_gives_lets_a_bid_be_placed_again_and_again(place: Place, time: str | None) -> None:
    runs(place)
    with place.simulator() as simulator:
        simulator.faults.add("GET /v2/spot/bids", "edited", put={"created_at": time}, times=None)
    for _ in range(3):
        if is_live(place):
            end(place)
        look(place)
    assert posts(place) == 2 and not is_live(place)


def test_a_create_that_was_cut_off_is_sent_again_under_its_own_key(place: Place) -> None:
    """The first one, which is on its way still, and the second are one bid then."""
    runs(place)
    end(place)
    with place.simulator() as simulator:
        simulator.faults.set(duplicate_names=True)
        simulator.faults.add("POST /v2/spot/bids", "timeout", late=3600)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=3, times=None)
    assert isinstance(look(place).error, OutcomeUnknown)
    with place.simulator() as simulator:
        simulator.faults.clear()
        simulator.faults.set(duplicate_names=True)
    assert look(place).acted
    place.ok("simulator", "advance", "2h")
    assert len(live_ids(place)) == 1


def test_a_round_says_when_the_next_lifetime_is_over(place: Place) -> None:
    runs(place, more=LIVES)
    due = look(place).due
    assert due is not None and 6000 < due <= 7200
    place.ok("simulator", "advance", "3h")
    assert look(place).due is None  # it is over


def test_no_pause_outlasts_a_lifetime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(clock, "since_boot", lambda: now[0])
    memory, at = Memory.of(tmp_path, "state"), datetime(2026, 11, 2, tzinfo=UTC)
    memory.after(Round(at, due=900.0))
    assert (memory.pause(300, 0), memory.pause(7200, 0)) == (300, 901)
    for _ in range(5):
        memory.after(Round(None, error=CloudError("away")))
    assert memory.pause(300, 0) == 901
    now[0] += 890
    assert memory.pause(300, 0) == 30  # never a busy loop
    now[0] += 890
    assert memory.pause(300, 0) == 300  # it is to end, and cannot be ended yet
    memory.after(Round(at))
    assert memory.pause(7200, 0) == 7200


# ---- what moves ----------------------------------------------------------------------------------------------


@pytest.fixture
@made_once
def waiting(place: Place) -> Place:
    """A bid that waits where it was placed, and would win elsewhere, which its task leaves open by now."""
    place.write(stack(ELSEWHERE, train=task("14.00", region="us-central1-a")))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "5m")
    place.write(stack(ELSEWHERE, train=task("14.00", region="")))
    return place


def test_a_bid_that_waits_moves_once(waiting: Place) -> None:
    assert [only(look(waiting)).act for _ in range(3)] == ["move", None, None]
    assert (posts(waiting), len(live_ids(waiting))) == (2, 1)


@pytest.mark.parametrize("person", ["cancels", "pauses", "raises"])
def test_a_bid_that_a_person_changes_once_a_move_is_decided_does_not_move(
    waiting: Place, monkeypatch: pytest.MonkeyPatch, person: str
) -> None:
    """Also what is cancelled between the look under the lock and the call that makes room for the move."""
    id, real = bid_id(waiting, "bid.train"), _Decided.approve
    calls: dict[str, tuple[str, bytes]] = {
        "cancels": ("DELETE", b""),
        "pauses": ("PATCH", b'{"paused": true}'),
        "raises": ("PATCH", b'{"limit_price": "$15.00"}'),
    }

    def approve(decided: _Decided, plan: Plan) -> bool:
        approved = real(decided, plan)
        method, body = calls[person]
        assert waiting.call(method, f"/v2/spot/bids/{id}", body).status < 300
        return approved

    monkeypatch.setattr(_Decided, "approve", approve)
    found = look(waiting)
    assert isinstance(found.error, ApplyFailed) and not found.acted, found
    assert (posts(waiting), live_ids(waiting)) == (1, [] if person == "cancels" else [id])
    monkeypatch.setattr(_Decided, "approve", real)
    found = look(waiting)
    assert (only(found).asks, found.acted, posts(waiting)) == (True, (), 1), found


def test_a_move_whose_cancellation_got_no_answer_is_gone_on_with(waiting: Place) -> None:
    """The API does not know the bid when it is asked again: it was the first attempt that ended it."""
    with waiting.simulator() as simulator:
        simulator.faults.add(f"DELETE {ONE_BID}", "status", status=503, after_commit=True)
        simulator.faults.add(f"DELETE {ONE_BID}", "status", status=404, nth=2)
    assert only(look(waiting)).act == "move"
    assert (posts(waiting), len(live_ids(waiting))) == (2, 1)


def test_a_bid_that_the_api_does_not_know_does_not_move(waiting: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has ended between the look and the call: so the API says, and not that the call has ended it."""
    real = Fcp.cancel_bid

    def cancel(cloud: Fcp, id: str, **given: Any) -> None:
        with waiting.simulator() as simulator:
            simulator.faults.end(id)
            simulator.faults.add(f"DELETE {ONE_BID}", "status", status=404)
        real(cloud, id, **given)

    monkeypatch.setattr(Fcp, "cancel_bid", cancel)
    found = look(waiting)
    assert isinstance(found.error, ApplyFailed) and not found.acted, found
    assert posts(waiting) == 1


@pytest.mark.parametrize("what", ["it runs", "another limit"])
def test_a_move_whose_cancellation_is_only_answered_does_not_end_what_waits_no_more(
    waiting: Place, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """A login page has answered, and a minute later, when it would be sent again, the bid has won, or is another's."""
    id, real, sent = bid_id(waiting, "bid.train"), Fcp.cancel_bid, list[str]()
    limit = "$40.00" if what == "it runs" else "$14.01"

    def cancel(cloud: Fcp, id: str, *, before: Callable[[], None]) -> None:
        sent.append(id)
        if len(sent) > 1:
            return real(cloud, id, before=before)
        assert waiting.call("PATCH", f"/v2/spot/bids/{id}", json.dumps({"limit_price": limit}).encode()).status < 300
        if what == "it runs":
            waiting.ok("simulator", "advance", "10m")
        return None

    monkeypatch.setattr("flowplan.apply.patience.ENDING", 0.2)
    monkeypatch.setattr(Fcp, "cancel_bid", cancel)
    found = look(waiting)
    assert isinstance(found.error, ApplyFailed) and not found.acted, found
    assert (len(sent), posts(waiting), live_ids(waiting)) == (1, 1, [id])


@pytest.mark.parametrize("person", ["destroys", "edits"])
def test_a_move_that_stayed_half_way_is_not_gone_on_with_against_a_person(waiting: Place, person: str) -> None:
    with waiting.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", status=400, times=None)
    assert look(waiting).acted and not is_live(waiting)
    with waiting.simulator() as simulator:
        simulator.faults.clear()
    if person == "destroys":
        waiting.ok("destroy", "--auto-approve")
    else:
        waiting.edit("14.00", "19.00")
    assert only(look(waiting)).asks and not is_live(waiting)
    waiting.edit("19.00" if person == "edits" else "14.00", "14.00")
    assert bool(look(waiting).acted) == (person == "edits")


# ---- what ends -----------------------------------------------------------------------------------------------


def test_a_lifetime_ends_although_there_is_no_place_for_the_lock_of_the_watch(place: Place) -> None:
    runs(place, more=LIVES, hours=5)
    place.write("", ".flowplan/watch")
    watched = place.run("watch", "--once")
    assert (watched.code, is_live(place)) == (0, False), watched
    assert "nothing keeps a second `flowplan watch` out" in " ".join(watched.err.split())


def test_a_lifetime_that_was_edited_ends_nothing_until_it_is_applied(place: Place) -> None:
    runs(place, more=", lifetime: {max_hours: 20}", hours=5)
    place.edit("max_hours: 20", "max_hours: 2")
    found = look(place)
    assert (only(found).kind, only(found).act, only(found).asks) == ("lifetime_over", None, True), found
    assert is_live(place)
    place.write("tasks: [")
    assert look(place).findings == ()
    place.write(stack(REBID, train=task(more=", lifetime: {max_hours: 2}")))
    place.ok("simulator", "advance", "20h")
    assert look(place).acted and not is_live(place)  # by both


def test_a_task_that_leaves_the_file_ends_by_the_lifetime_that_was_applied(place: Place) -> None:
    """Nobody applies that it is dropped. Where somebody writes it again, it is done."""
    both = stack(REBID, train=task(more=f"{LIVES}, ports: [6006]"), other=task("9.00"))
    place.write(both)
    place.ok(*APPLY)
    place.write(stack(REBID, other=task("9.00")))
    found = {str(one.address): one for one in look(place).findings}
    assert (found["bid.train"].kind, found["bid.train"].act) == ("unapplied", None), found
    due = look(place).due
    assert due is not None and due <= 7200
    place.ok("simulator", "advance", "5h")
    told = look(place)
    found = {str(one.address): one for one in told.findings}
    assert (found["bid.train"].kind, found["bid.train"].act, told.error) == ("lifetime_over", "cancel", None), told
    assert "bid.train" in map(str, told.acted) and len(live_ids(place)) == 1
    assert look(place).acted == ()
    place.write(both)
    assert look(place).acted == () and posts(place) == 2
    assert "is done and will not be placed again" in " ".join(place.run("plan").out.split())


@pytest.mark.parametrize(
    "keeps", ["removed: [{address: bid.train, destroy: false}]", "policies: {protected: [bid.train]}", "watch"]
)
def test_a_task_that_leaves_the_file_runs_on_where_that_is_asked_for(place: Place, keeps: str) -> None:
    place.write(stack(REBID, train=task(more=LIVES), other=task("9.00")))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "5h")
    if keeps == "watch":
        place.write(stack("{enforce_lifetime: false}", other=task("9.00")))
    else:
        place.write(stack(REBID, other=task("9.00")) + keeps + "\n")
    found = look(place)
    assert found.acted == () and found.differs and len(live_ids(place)) == 2, found


@pytest.mark.parametrize("said", ["true", "true # always", '"true"', "false"])
def test_a_broken_file_says_whether_lifetimes_are_enforced_even_so(place: Place, said: str) -> None:
    runs(place, f"{{on_preempted: rebid, enforce_lifetime: {said.split()[0].strip(chr(34))}}}", LIVES, hours=5)
    place.write(f"watch:\n  enforce_lifetime: {said}\ntasks: [")
    assert isinstance(look(place).error, ConfigError)
    assert is_live(place) == (not said.startswith("true"))


@pytest.mark.parametrize("data", [b"", b"\xff\xfe\x00", None], ids=["empty", "garbled", "gone"])
def test_a_file_that_is_being_written_ends_no_watch_and_keeps_nothing_past_its_lifetime(
    place: Place, monkeypatch: pytest.MonkeyPatch, data: bytes | None
) -> None:
    """Also where it is the file that names the state."""
    place.write(stack(REBID, train=task(more=LIVES)).replace("version: 2", "version: 2\nstate: prod.json"))
    place.ok(*APPLY)

    def written() -> None:
        place.ok("simulator", "advance", "5h")
        path = place.path / "flowplan.yaml"
        path.unlink() if data is None else path.write_bytes(data)

    told = watched(place, monkeypatch, written)
    assert [str(one) for one in told[1].acted] == ["bid.train"] and told[1].error is not None
    assert not is_live(place)


def test_an_edit_that_no_run_may_apply_keeps_nothing_past_its_lifetime(place: Place) -> None:
    place.write(stack(REBID, train=task(more=LIVES)).replace("version: 2", "version: 2\nname_prefix: a-"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "5h")
    place.edit("name_prefix: a-", "name_prefix: b-")
    found = look(place)
    assert isinstance(found.error, GuardRefused) and found.acted, found
    assert not is_live(place)


@pytest.mark.parametrize("policy", ["{on_preempted: report}", REBID])
def test_a_create_in_doubt_keeps_nothing_past_its_lifetime(place: Place, policy: str) -> None:
    runs(place, policy, LIVES, hours=5)
    place.write(stack(policy, train=task(more=LIVES), more=task("9.00")))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout")
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert place.run("apply", "--auto-approve", "--target", "bid.more").code == 6
    assert look(place).acted  # the list of bids is still refused
    assert [one for one in place.ledger() if one.method == "DELETE"]
    with place.simulator() as simulator:
        simulator.faults.clear()
    assert look(place).error is None and posts(place) == 1


def test_one_bid_that_may_not_be_cancelled_keeps_no_other_past_its_lifetime(place: Place) -> None:
    text = stack(REBID, a=task(more=LIVES), b=task("40.00", "a100.8x.SXM4.IB", "us-central1-a", more=LIVES))
    place.write(text.replace("60}", "90}").replace("tasks:", "policies: {protected: [bid.b]}\ntasks:"))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "9h")
    found = {str(one.address): one for one in look(place).findings}
    assert found["bid.a"].act == "cancel" and found["bid.b"].act is None, found
    assert len(live_ids(place)) == 1


# ---- what is recorded ----------------------------------------------------------------------------------------


def test_what_the_watch_does_records_no_edit_of_anything_else(place: Place) -> None:
    """As if it were applied: the next round would act by it."""
    other = task("40.00", "a100.8x.SXM4.IB", "us-central1-a")
    place.write(stack("{on_preempted: rebid}", train=task(more=", lifetime: {max_hours: 20}"), other=other))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "2h")
    place.edit("max_hours: 20", "max_hours: 8")
    place.edit("tasks:", "outputs: {id: {value: '${task.train.id}'}}\ntasks:")
    place.edit("version: 2", "version: 2\nname_prefix: b-")
    with place.simulator() as simulator:
        simulator.faults.end(bid_id(place, "bid.other"))
    assert look(place).acted
    state = json.loads((place.path / "flowplan.state.json").read_text())
    assert (state["outputs"], state.get("name_prefix", "")) == ({}, "")
    place.ok("simulator", "advance", "9h")
    assert look(place).acted == () and len(live_ids(place)) == 2
