"""What an apply must not do when it does not know what it did: each case is one way to pay twice."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable

import pytest

from flowplan.apply import run as applying
from flowplan.apply.workers import Workers
from flowplan.apply.works import Work
from flowplan.backends.local import LocalStore
from flowplan.backends.local_journal import LocalJournal
from flowplan.backends.lock import Lock
from flowplan.errors import StateError
from flowplan.operations.opening.session import Session
from flowplan.state.records import Intent, Record
from tests import hurried
from tests.conftest import Place, many

POST_BID = "POST /v2/spot/bids"


def posts(place: Place) -> list[str | None]:
    """The keys of all bids that were asked for, also of those that were lost on the way."""
    with place.simulator() as simulator:
        ledger = simulator.ledger(everything=True)
    return [entry.key for entry in ledger if (entry.method, entry.path) == ("POST", "/v2/spot/bids")]


def bids(place: Place) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(place.call("GET", "/v2/spot/bids?limit=100").body)["data"]
    return found


def place_foreign(place: Place, name: str, script: str = "echo theirs") -> str:
    body = {
        "project": json.loads(place.call("GET", "/v2/projects").body)[0]["fid"],
        "region": "us-central1-b",
        "instance_type": "it_5ECSoHQjLBzrp5YM",
        "limit_price": "$17.92",
        "instance_quantity": 1,
        "name": name,
        "launch_specification": {"volumes": [], "ssh_keys": [], "startup_script": script},
    }
    with place.simulator() as simulator:
        answer = simulator.faults.third_party("POST", "/v2/spot/bids", body)
    assert answer.status == 201, answer
    found: str = answer.json["fid"]
    return found


def without_volume(text: str) -> str:
    return "".join(line for line in text.splitlines(True) if not line.startswith("persistent_storage"))


@pytest.mark.parametrize("lost", ["timeout", "reset", "status", "truncated"])
def test_a_late_commit_within_the_settle_window_is_found(place: Place, lost: str) -> None:
    """Neither names nor keys nor a Block volume protect: only waiting does."""
    place.write(without_volume(many(1)))
    with place.simulator() as simulator:
        simulator.faults.set(duplicate_names=True, idempotency=False)
        how = {} if lost == "truncated" else {"late": 0.7}
        simulator.faults.add(POST_BID, lost, **how)  # type: ignore[arg-type]
    place.ok("apply", "--auto-approve", "--settle-window", "1.2")
    with place.simulator() as simulator:
        simulator.advance(60)  # whatever was to come is there now
    assert len(bids(place)) == 1
    assert place.run("plan", "--detailed-exitcode").code == 0


def waited_for(place: Place, patch: pytest.MonkeyPatch) -> list[Intent]:
    """The intents of the bid that were journaled, in a run whose POST waits two seconds for its turn (429)."""
    journaled: list[Intent] = []
    append = LocalJournal.append

    def noted(store: LocalJournal, records: Iterable[Record]) -> None:
        records = list(records)
        append(store, records)
        journaled.extend(one for one in records if isinstance(one, Intent) and one.address.kind == "bid")

    patch.setattr(LocalJournal, "append", noted)
    patch.setattr(Session, "_wait", hurried.wait)  # for as long as it takes until the intent is old
    place.write(without_volume(many(1)))
    with place.simulator() as simulator:
        simulator.faults.add(POST_BID, "status", status=429, retry_after=2)
    return journaled


@pytest.mark.parametrize("young", [1.0, 5.0])
def test_a_create_that_waited_for_its_turn_is_announced_anew(
    place: Place, monkeypatch: pytest.MonkeyPatch, young: float
) -> None:
    """After a crash the settle window is counted from its intent: an old one would make it too short."""
    monkeypatch.setattr(applying, "YOUNG", young)
    journaled = waited_for(place, monkeypatch)
    place.ok("apply", "--auto-approve")
    assert len(posts(place)) == 2
    assert len({intent.key for intent in journaled}) == 1
    assert len(journaled) == (2 if young == 1.0 else 1)
    if young == 1.0:
        assert journaled[1].at.age(journaled[0].at) == 0
        assert journaled[0].at.age(journaled[1].at) >= 2
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_what_cannot_be_announced_anew_is_not_sent(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal gave out while the create waited: exit 5, and nothing was bought."""
    monkeypatch.setattr(applying, "YOUNG", 1.0)
    waited_for(place, monkeypatch)
    real = os.fdatasync
    syncs: list[int] = []

    def fdatasync(descriptor: int) -> None:
        syncs.append(descriptor)
        if len(syncs) == 3:  # after the journal's beginning and the first announcement
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fdatasync", fdatasync)
        result = place.run("apply", "--auto-approve")
    assert result.code == 5, result
    assert len(posts(place)) == 1
    assert not bids(place)
    place.ok("apply", "--auto-approve")
    assert len(bids(place)) == 1


def test_the_next_run_sends_what_is_proved_absent_under_the_key_of_the_first(place: Place) -> None:
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.add(POST_BID, "timeout")
    assert place.run("apply", "--auto-approve", "--on-unknown", "stop").code == 6
    place.ok("apply", "--auto-approve")
    assert len(posts(place)) == 2
    assert len(set(posts(place))) == 1


def test_recover_names_what_is_proved_absent(place: Place) -> None:
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.add(POST_BID, "timeout")
    assert place.run("apply", "--auto-approve", "--on-unknown", "stop").code == 6
    found = json.loads(place.ok("recover", "--format", "json", "--settle-window", "0"))
    assert (found["not_created"], found["cancelled"]) == (["bid.task-000"], [])
    assert [one["address"] for one in found["resources"]] == ["volume.vol-000"]


def test_an_intent_that_was_resent_and_lost_again_is_sent_no_third_time(place: Place) -> None:
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.add(POST_BID, "timeout", times=4)
    assert place.run("apply", "--auto-approve").code == 6
    assert len(posts(place)) == 2


def test_somebody_elses_bid_of_the_name_is_not_adopted(place: Place) -> None:
    """It comes between the plan and the look-up of an answer that was lost."""
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.set(duplicate_names=True)
        simulator.faults.add(POST_BID, "timeout")
    assert place.run("apply", "--auto-approve", "--on-unknown", "stop").code == 6
    theirs = place_foreign(place, "task-000")
    assert place.run("apply", "--auto-approve").code == 65
    assert theirs not in place.ok("state", "list", "-v")
    states = (place.path / "flowplan.state.json").read_text() + (place.path / "flowplan.state.journal").read_text()
    assert theirs not in states


def test_a_lagging_list_that_shows_our_last_bid_does_not_hide_the_next(place: Place) -> None:
    """The bid is replaced, and the answer lost: the name is still listed as the old bid's, which is nobody else's."""
    place.write(without_volume(many(1)))
    place.ok("apply", "--auto-approve")
    place.edit("8080", "8090")
    with place.simulator() as simulator:
        simulator.faults.set(list_lag=0.5, duplicate_names=True, idempotency=False)
        simulator.faults.add(POST_BID, "timeout", after_commit=True)
    place.ok("apply", "--auto-approve", "--settle-window", "1.5")
    assert len(bids(place)) == 2
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_a_lagging_list_that_shows_a_destroyed_bid_does_not_stand_for_its_successor(place: Place) -> None:
    """After a destroy, address and generation come again: only the intent tells the two apart."""
    place.write(without_volume(many(1)))
    place.ok("apply", "--auto-approve")
    with place.simulator() as simulator:
        simulator.faults.set(list_lag=0.8, duplicate_names=True, idempotency=False)
    place.ok("destroy", "--auto-approve")
    with place.simulator() as simulator:
        simulator.faults.add(POST_BID, "timeout", after_commit=True)
    place.ok("apply", "--auto-approve", "--settle-window", "3")
    with place.simulator() as simulator:
        simulator.faults.clear()
    [live] = [bid["fid"] for bid in bids(place) if bid["status"] != "Terminated"]
    assert live in (place.path / "flowplan.state.json").read_text()
    assert place.run("plan", "--detailed-exitcode").code == 0


def test_somebody_who_has_the_name_too_does_not_hide_ours(place: Place) -> None:
    """Names may be used twice, and ours commits late: theirs says nothing about it."""
    place.write(without_volume(many(1)))
    with place.simulator() as simulator:
        simulator.faults.set(duplicate_names=True, idempotency=False)
        simulator.faults.add(POST_BID, "timeout", late=0.7)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2)
    assert place.run("apply", "--auto-approve", "--settle-window", "0").code == 6
    place_foreign(place, "task-000")
    assert place.run("recover", "--settle-window", "3").code == 0
    assert len(bids(place)) == 2
    assert "bid.task-000" in place.ok("state", "list")


def test_another_stacks_bid_of_the_same_address_is_not_adopted(place: Place) -> None:
    """Its marker names another lineage."""
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    ours = bids(place)[0]
    script = str(ours["launch_specification"]["startup_script"])  # type: ignore[index]
    lineage = json.loads((place.path / "flowplan.state.json").read_text())["lineage"]
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    theirs = place_foreign(place, "theirs", script.replace(lineage, "0" * 8 + lineage[8:]))
    result = place.run("apply", "--auto-approve")
    assert result.code == 0
    assert theirs not in (place.path / "flowplan.state.json").read_text()
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert [bid["fid"] for bid in bids(place) if bid["status"] != "Terminated"] == [theirs]


def test_two_live_bids_of_one_intent_are_for_people_to_sort_out(place: Place) -> None:
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.set(duplicate_names=True, idempotency=False)
        simulator.faults.add(POST_BID, "timeout", after_commit=True)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert place.run("apply", "--auto-approve").code == 6
    with place.simulator() as simulator:
        simulator.faults.clear()
        simulator.faults.set(duplicate_names=True)
    ours = bids(place)[0]
    place_foreign(place, "twin", str(ours["launch_specification"]["startup_script"]))  # type: ignore[index]
    result = place.run("apply", "--auto-approve")
    assert result.code == 6
    assert "recover --cancel" in " ".join(result.err.split())
    assert len([bid for bid in bids(place) if bid["status"] != "Terminated"]) == 2


def test_a_removal_is_of_the_id_whoever_has_the_name(place: Place) -> None:
    place.write(many(1))
    place.ok("apply", "--auto-approve")
    with place.simulator() as simulator:
        simulator.faults.set(duplicate_names=True)
    theirs = place_foreign(place, "task-000")
    place.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*", "--timeout", "5s")
    assert [bid["fid"] for bid in bids(place) if bid["status"] != "Terminated"] == [theirs]


def test_a_bid_stays_when_what_its_successor_needs_cannot_be_made(place: Place) -> None:
    whole = many(1)
    place.write(without_volume(whole))
    place.ok("apply", "--auto-approve")
    place.write(whole)
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/volumes", "status", status=403, times=None)
    assert place.run("apply", "--auto-approve").code == 1
    assert [bid["status"] != "Terminated" for bid in bids(place)] == [True]


def test_nothing_is_sent_once_the_lock_is_somebody_elses(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the first call and the next the lock file is replaced, as a careless `rm` does."""
    place.write(many(2))
    verify, calls = Lock.verify, []

    def taken_away(lock: Lock) -> None:
        calls.append(lock)
        if len(calls) == 5:  # before the journal, the step and its call: once the second step's intent is there
            lock.path.unlink()
            lock.path.write_text("")
        verify(lock)

    monkeypatch.setattr(Lock, "verify", taken_away)
    result = place.run("apply", "--auto-approve", "--parallelism", "1")
    assert result.code == 5
    assert (len(place.ledger()), result.err.count("creating...")) == (1, 1), "the second step is said to have begun"


def test_no_call_of_a_wave_is_sent_once_the_lock_is_somebody_elses(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run looks once for all of them, and each right before it is sent: the file is replaced in between."""
    place.write(many(3))
    send = Workers.send

    def taken_away(self: Workers, work: Work) -> None:
        lock = place.path / "flowplan.lock"
        lock.unlink(missing_ok=True)
        lock.write_text("")
        send(self, work)

    with monkeypatch.context() as patch:
        patch.setattr(Workers, "send", taken_away)
        result = place.run("apply", "--auto-approve")
    assert (result.code, place.ledger()) == (5, [])
    assert "was taken away while this command ran" in result.err
    place.ok("apply", "--auto-approve")
    assert (len(place.ledger()), len(bids(place))) == (6, 3)


def test_a_create_that_waited_is_not_sent_once_the_lock_is_somebody_elses(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it waits for its turn (429) another run could take the lock over, and place the same bid."""
    waited_for(place, monkeypatch)
    announce, attempts = applying.Applying.announce, []

    def taken_away(self: applying.Applying, intent: Intent) -> None:
        attempts.append(intent)
        if len(attempts) == 2:
            (place.path / "flowplan.lock").unlink()
        announce(self, intent)

    monkeypatch.setattr(applying.Applying, "announce", taken_away)
    assert place.run("apply", "--auto-approve").code == 5
    assert (len(attempts), len(posts(place)), bids(place)) == (2, 1, [])


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_change_that_waited_is_not_sent_once_the_lock_is_somebody_elses(place: Place, method: str) -> None:
    """The second attempt, two seconds after the first."""
    place.write(without_volume(many(1)))
    place.ok("apply", "--auto-approve")
    if method == "PATCH":
        place.edit("17.92", "19.20")
    with place.simulator() as simulator:
        simulator.faults.add(f"{method} /v2/spot/bids/*", "status", status=429, retry_after=2)
    # Before the journal, the step, its first attempt, its second; and what begins something proves that it can save.
    verify, calls, attempt = Lock.verify, [], 5 if method == "PATCH" else 4

    def taken_away(lock: Lock) -> None:
        calls.append(lock)
        if len(calls) == attempt:
            lock.path.unlink()
        verify(lock)

    before = len(place.ledger())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lock, "verify", taken_away)
        result = place.run("apply" if method == "PATCH" else "destroy", "--auto-approve")
    assert result.code == 5, result
    with place.simulator() as simulator:
        assert [fault.met for fault in simulator.faults.seen()] == [1]
    assert len(place.ledger()) == before


def test_an_absence_is_seen_twice(place: Place) -> None:
    """The window is over at the first look already; a list that lags by one look must not make a second bid."""
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.set(duplicate_names=True, idempotency=False)
        simulator.faults.add(POST_BID, "timeout", after_commit=True)
        # the lists of the plan, then that of the first look
        nobody = '{"data": [], "next_cursor": null}'
        simulator.faults.add("GET /v2/spot/bids", "status", nth=2, status=200, body=nobody)
    place.ok("apply", "--auto-approve", "--settle-window", "0")
    assert len(bids(place)) == 1


def test_an_empty_state_is_an_error_also_when_nothing_else_is_left(place: Place) -> None:
    place.write(many(1))
    (place.path / "flowplan.state.json").write_bytes(b"")
    for command in (("plan",), ("apply", "--auto-approve"), ("destroy", "--auto-approve")):
        assert place.run(*command).code == 5
    assert place.ledger() == []


def left_unsaved(place: Place, patch: pytest.MonkeyPatch, *words: str) -> None:
    """A run that makes what is asked for, records it, and is over before it has saved the state."""

    def unsaved(*given: object, **named: object) -> None:
        raise StateError("over")

    with patch.context() as only:
        only.setattr(LocalStore, "save", unsaved)
        assert place.run(*words, "--auto-approve").code == 5


@pytest.mark.parametrize(
    ("words", "code"), [((), 1), (("--auto-approve", "--max-hourly-cost", "0.01"), 3)], ids=["not approved", "refused"]
)
def test_what_was_taken_into_the_state_is_none_of_nothing(place: Place, words: tuple[str, ...], code: int) -> None:
    """A bid that is live and not in the state is taken into it before the plan is refused."""
    place.write(without_volume(many(1)))
    place.ok("apply", "--auto-approve")
    kept = {path: path.read_bytes() for path in place.path.glob("flowplan.state.*")}
    place.write(without_volume(many(2)))
    place.ok("apply", "--auto-approve")
    for path, data in kept.items():
        path.write_bytes(data)
    place.write(without_volume(many(3)))
    first, again = place.run("apply", *words), place.run("apply", *words)
    assert (first.code, again.code) == (code, code), (first, again)
    assert "with our marker; it is kept" in " ".join(first.err.split())
    assert "nothing else was changed" in " ".join(first.err.split())
    assert "nothing was changed" in " ".join(again.err.split())


def test_the_history_counts_what_a_run_made_that_saved_nothing(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.write(without_volume(many(2)))
    left_unsaved(place, monkeypatch, "apply")
    place.ok("apply", "--auto-approve")
    left_unsaved(place, monkeypatch, "destroy")
    place.ok("destroy", "--auto-approve")
    found = json.loads(place.ok("state", "history", "--format", "json"))["versions"]
    assert [(one["change"]["added"], one["change"]["removed"]) for one in found] == [(0, 4), (4, 0)]  # with their ports
