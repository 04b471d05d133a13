"""Absence needs proof: what a gateway, an empty list, a lagging one or a new word says is not that a bid is over."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import attrs
import pytest

from flowplan.apply.patience import ENDING, Patience
from flowplan.apply.removals import Removals
from flowplan.backends.local import LocalStore
from flowplan.clock import Clock
from flowplan.cloud.fcp import Fcp
from flowplan.cloud.http.meaning import Call
from flowplan.cloud.http.response import Reply
from flowplan.cloud.http.transport import Transport
from flowplan.errors import CloudError, NotFound
from flowplan.model.live import SHOWS_WITHIN, Live
from flowplan.printable import shown
from flowplan.secret import Secret
from flowplan.simulator import SIMULATOR_KEY, SIMULATOR_URL
from flowplan.state.state import ENDED_AT_MOST, ENDED_FOR, with_ended
from tests.builders import bid, live, live_bid
from tests.conftest import APPLY, BID, DESTROY, VOLUME, Place, bid_id, left_in_doubt, live_ids, lose_addresses, many
from tests.texts import task_text

NOBODY = '{"data": [], "next_cursor": null}'
GATEWAY = '{"message": "no Route matched with those values"}'
NO_ROUTE = '{"detail": "Not Found"}'
MISSING = '{"detail": "Bid not found"}'
ONE_BID, ALL_BIDS, ALL_VOLUMES = "/v2/spot/bids/bid_*", "GET /v2/spot/bids", "GET /v2/volumes"


def answers(place: Place, route: str, body: str, status: int = 404) -> None:
    """From now on `route` is answered so."""
    with place.simulator() as simulator:
        simulator.faults.add(route, "status", status=status, body=body, times=None)


def heals(place: Place) -> None:
    with place.simulator() as simulator:
        simulator.faults.clear()


def passes(place: Place, seconds: float = SHOWS_WITHIN + 1) -> None:
    """Time passes: by default until whatever was placed must show."""
    with place.simulator() as simulator:
        simulator.advance(seconds)


def state_of(place: Place) -> set[str]:
    body = json.loads((place.path / "flowplan.state.json").read_text())
    return {one["address"] for one in body["resources"]}


# ---- what a 404 says ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "proves"),
    [
        (MISSING, True),
        ('{"detail": "Volume not found", "more": 1}', True),
        (GATEWAY, False),
        (NO_ROUTE, False),
        ('{"detail": "not found "}', False),
        ("{}", False),
        ('{"detail": ""}', False),
        ('{"detail": null}', False),
        ('{"detail": {"error": "no such bid"}}', False),
        ("null", False),
        ("[]", False),
        ('"Bid not found"', False),
        ("", False),
        ("<html>404 Not Found</html>", False),
    ],
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_only_the_api_in_its_own_words_says_that_an_object_is_not_there(method: str, body: str, proves: bool) -> None:
    reply = Reply(status=404, headers={}, body=body.encode(), request_id="r")
    error, _ = Call(method, "/v2/spot/bids/bid_x", 1, "api.test", lambda text, limit=200: shown(text, limit)).judge(
        reply
    )
    assert isinstance(error, CloudError)
    assert isinstance(error, NotFound) is proves


@pytest.mark.parametrize("body", [GATEWAY, NO_ROUTE, "{}"])
def test_a_gateways_404_to_a_cancellation_leaves_the_bid_in_the_state(applied: Place, body: str) -> None:
    answers(applied, f"DELETE {ONE_BID}", body)
    done = applied.run(*DESTROY)
    assert done.code == 1, done
    assert {BID, VOLUME} <= state_of(applied)
    assert "not found, but not by the API's own answer" in " ".join(done.err.split())
    heals(applied)
    assert applied.run(*DESTROY).code == 0
    assert live_ids(applied) == []


def test_a_404_of_the_api_is_no_proof_while_its_list_shows_the_bid(
    applied: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flowplan.apply.patience.ENDING", 0.2)
    answers(applied, f"DELETE {ONE_BID}", MISSING)
    done = applied.run(*DESTROY, "--timeout", "3s")
    assert done.code == 1, done
    assert BID in state_of(applied)
    assert f"but the list shows {bid_id(applied)} as live" in " ".join(done.err.split())
    assert live_ids(applied) == [bid_id(applied)]


@pytest.mark.parametrize("body", [GATEWAY, NO_ROUTE])
def test_an_empty_list_and_a_gateways_404_plan_no_second_purchase(applied: Place, body: str) -> None:
    answers(applied, ALL_BIDS, NOBODY, status=200)
    answers(applied, f"GET {ONE_BID}", body)
    before = applied.ledger()
    for command in (("plan",), ("apply", "--auto-approve")):
        assert applied.run(*command).code == 1, command
    assert applied.ledger() == before
    done = applied.run(*DESTROY)
    assert done.code == 1, done
    assert live_ids(applied) == [], "an id is enough to cancel"
    assert BID in state_of(applied), "nobody has seen that it is over"


def test_an_empty_list_and_a_404_of_the_api_count_once_the_project_is_seen(applied: Place) -> None:
    """Two looks of two kinds, by credentials that the API shows the project to."""
    passes(applied)
    answers(applied, ALL_BIDS, NOBODY, status=200)
    answers(applied, f"GET {ONE_BID}", MISSING)
    plan = json.loads(applied.ok("plan", "--format", "json"))
    [bid] = [one for one in plan["resource_changes"] if one["address"] == BID]
    assert bid["action_reason"] == "create_because_gone"


def unseen(place: Place) -> None:
    """What was just placed shows nowhere: lists and the look by an id are answered by a replica that lags."""
    with place.simulator() as simulator:
        simulator.faults.set(duplicate_names=True, idempotency=False)
    answers(place, ALL_BIDS, NOBODY, status=200)
    answers(place, f"GET {ONE_BID}", MISSING)


@pytest.mark.parametrize("command", [("plan",), APPLY, ("apply", "--auto-approve", "--refresh-only")])
def test_what_was_placed_a_moment_ago_is_not_gone_because_it_does_not_show(applied: Place, command: list[str]) -> None:
    id = bid_id(applied)
    unseen(applied)
    done = applied.run(*command)
    assert done.code == 1, done
    assert (
        "may not show it yet, so nothing proves that it is gone hint: run the same command again in 120 s"
        in " ".join(done.err.split())
    )
    assert " ".join(done.err.split()).count("nothing proves that it is gone") == 1, "once, as what refuses the plan"
    heals(applied)
    assert live_ids(applied) == [id]
    assert "No changes" in applied.ok("plan")


def test_nor_is_it_called_ended_by_who_looks(applied: Place) -> None:
    unseen(applied)
    [row] = json.loads(applied.ok("status", "--format", "json"))["bids"]
    assert (row["status"], row["hour"]) == ("unknown", {"now": None})
    assert f"{BID}  unknown; $0.00 paid so far" in applied.ok("cost")
    said = " ".join(applied.ok("status").split())
    assert f"In total: unknown, because flowplan could not read the status of {BID}." in said
    passes(applied)
    assert json.loads(applied.ok("status", "--format", "json"))["bids"][0]["status"] == "gone"


def test_and_a_destroy_cancels_it_by_its_id(applied: Place) -> None:
    unseen(applied)
    applied.ok(*DESTROY)
    heals(applied)
    assert live_ids(applied) == [], "it runs on, and the state has let go of it"


def test_unless_the_api_does_not_know_the_id_then_either(applied: Place) -> None:
    """What cancels may lag as well: the state keeps the bid, and the same command cancels it later."""
    id = bid_id(applied)
    unseen(applied)
    answers(applied, f"DELETE {ONE_BID}", MISSING)
    done = applied.run(*DESTROY)
    assert done.code == 1, done
    assert f"flowplan knows {id}, but the API does not show it" in " ".join(done.err.split())
    heals(applied)
    assert BID in state_of(applied) and live_ids(applied) == [id]
    applied.ok(*DESTROY)
    assert live_ids(applied) == []


def test_what_the_api_has_forgotten_for_long_is_let_go(applied: Place) -> None:
    passes(applied)
    unseen(applied)
    answers(applied, f"DELETE {ONE_BID}", MISSING)
    applied.ok(*DESTROY, "--target", BID)
    assert BID not in state_of(applied)


def vanishes(place: Place, id: str) -> None:
    """The API does not know the bid `id` any more, and shows all others."""
    rows = json.loads(place.call("GET", "/v2/spot/bids?limit=100").body)["data"]
    others = {"data": [row for row in rows if row["fid"] != id], "next_cursor": None}
    answers(place, ALL_BIDS, json.dumps(others), status=200)
    answers(place, f"GET /v2/spot/bids/{id}", MISSING)


def test_a_bid_that_is_gone_for_long_is_gone_though_another_was_placed_a_moment_ago(place: Place) -> None:
    """The stack may place one every minute: no moment would ever come at which that is proved."""
    place.write(many(1))
    place.ok(*APPLY)
    passes(place)
    place.write(many(2))
    place.ok(*APPLY)
    vanishes(place, bid_id(place, "bid.task-000"))
    plan = json.loads(place.ok("plan", "--format", "json"))
    reasons = {one["address"]: one.get("action_reason") for one in plan["resource_changes"]}
    assert reasons["bid.task-000"] == "create_because_gone"
    heals(place)
    vanishes(place, bid_id(place, "bid.task-001"))
    assert "may not show it yet" in " ".join(place.run("plan").err.split())


@pytest.mark.parametrize("how", ["import", "recover --from-live", "an import block", "a stray"])
@pytest.mark.parametrize("age", [0, SHOWS_WITHIN + 1], ids=["new", "old"])
def test_what_was_taken_into_the_state_a_moment_after_it_was_placed_is_not_gone(
    place: Place, how: str, age: float
) -> None:
    """Any other replica may not show it yet."""
    text = f"---\nversion: 2\nname: work\n{task_text('task-000')}"
    place.write(text)
    place.ok(*APPLY)
    id, task = bid_id(place, "bid.task-000"), "bid.task-000"
    passes(place, age)
    forget(place, task, frozenset({id}) if "import" in how else frozenset())
    if how == "recover --from-live":
        lineage = json.loads((place.path / "flowplan.state.json").read_text())["lineage"]
        for kept in place.path.glob("flowplan.state*"):
            kept.unlink()
        place.ok("recover", "--from-live", "--lineage", lineage)
    elif how == "a stray":
        place.ok("recover")
    elif how == "import":
        place.ok("import", task, id)
    else:
        place.edit("name: work\n", f"name: work\nimport: [{{address: {task}, id: {id}}}]\n")
        place.ok(*APPLY)
    assert bid_id(place, task) == id
    state = json.loads((place.path / "flowplan.state.json").read_text())
    assert state.get("placed", {}).keys() == ({id} if age == 0 else set())
    vanishes(place, id)
    done = place.run("plan")
    assert done.code == (1 if age == 0 else 0), done


def test_nor_is_what_a_run_in_doubt_had_placed(place: Place) -> None:
    """The answer to its create was lost, and `recover` finds it."""
    left_in_doubt(place)
    heals(place)
    place.ok("recover")
    id = bid_id(place, "bid.task-000")
    vanishes(place, id)
    assert f"flowplan knows {id}, but the API does not show it" in " ".join(place.run("plan").err.split())


def test_nor_is_what_was_placed_long_after_it_was_asked_for(place: Place) -> None:
    """As where somebody approves it minutes later."""
    place.write(many(1))
    with place.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "timeout", late=1000)
        simulator.faults.add("GET /v2/spot/bids", "status", status=403, nth=2, times=None)
    assert place.run(*APPLY).code == 6
    heals(place)
    passes(place, 1000)
    place.ok("recover")
    id = bid_id(place, "bid.task-000")
    assert live_ids(place) == [id]
    vanishes(place, id)
    assert f"flowplan knows {id}, but the API does not show it" in " ".join(place.run("plan").err.split())


def vanishes_after_a_look(place: Place, id: str) -> None:
    """The first list shows the bid `id`; whatever is asked then, its cancellation too, meets a replica that lags."""
    rows = json.loads(place.call("GET", "/v2/spot/bids?limit=100").body)["data"]
    others = json.dumps({"data": [row for row in rows if row["fid"] != id], "next_cursor": None})
    with place.simulator() as simulator:
        simulator.faults.add(ALL_BIDS, "status", status=200, body=others, nth=2, times=None)
    for method in ("GET", "DELETE"):
        answers(place, f"{method} /v2/spot/bids/{id}", MISSING)


@pytest.mark.parametrize("age", [0, SHOWS_WITHIN + 1], ids=["new", "old"])
def test_a_duplicate_that_was_just_placed_is_not_cancelled_because_it_does_not_show(place: Place, age: float) -> None:
    """No state has it. What is taken for cancelled would be left out of all lists for a day."""
    place.write(f"---\nversion: 2\nname: work\n{task_text('task-000')}")
    place.ok(*APPLY)
    [first] = live_ids(place)
    row = json.loads(place.call("GET", f"/v2/spot/bids/{first}").body)
    names = ("project", "region", "instance_type", "limit_price", "instance_quantity", "launch_specification")
    body = json.dumps({**{name: row[name] for name in names}, "name": "twin"}).encode()
    twin = json.loads(place.call("POST", "/v2/spot/bids", body).body)["fid"]
    passes(place, age)
    vanishes_after_a_look(place, twin)
    assert place.run("recover", "--cancel", twin).code == (0 if age else 1)
    heals(place)
    if not age:
        assert f"recover --cancel {twin}" in " ".join(place.ok("plan").split())
        place.ok("recover", "--cancel", twin)
        assert live_ids(place) == [first]


def test_nor_does_what_a_run_imports_and_ends_count_as_cancelled(place: Place) -> None:
    text = f"---\nversion: 2\nname: work\n{task_text('task-000')}"
    place.write(text)
    place.ok(*APPLY)
    id, task = bid_id(place, "bid.task-000"), "bid.task-000"
    forget(place, task, frozenset({id}))
    place.edit("name: work\n", f"name: work\nimport: [{{address: {task}, id: {id}}}]\n")
    place.edit("name: task-000\n", "name: task-000\nlifetime: {end_at: 2026-11-01T09:00:00Z}\n")
    vanishes_after_a_look(place, id)
    assert place.run(*APPLY).code == 1
    heals(place)
    assert (bid_id(place, task), live_ids(place)) == (id, [id])


@pytest.mark.parametrize("age", [0, SHOWS_WITHIN + 1], ids=["new", "old"])
def test_nor_is_what_a_run_has_placed_itself_gone_in_the_same_run(applied: Place, age: float) -> None:
    """As one whose lifetime ends while others are waited for."""
    cloud, row = client(applied), json.loads(applied.call("GET", f"/v2/spot/bids/{bid_id(applied)}").body)
    cloud.enter(row["project"])
    names = ("project", "region", "instance_type", "limit_price", "instance_quantity")
    launch = {**row["launch_specification"], "volumes": []}
    made = cloud.create(
        "bid", {**{one: row[one] for one in names}, "name": "b", "launch_specification": launch}, key="k"
    )
    passes(applied, age)
    vanishes(applied, made.id)
    if age:
        assert cloud.is_gone("bid", made.id, asked=False)
    else:
        with pytest.raises(CloudError, match="may not show it yet"):
            cloud.is_gone("bid", made.id, asked=False)


def forget(place: Place, address: str, released: frozenset[str]) -> None:
    """The state knows neither `address` any more, nor which bids were placed, as if it were an older copy. No run takes
    in by itself what was `released`."""
    lose_addresses(place, address)
    store = LocalStore(place.path / "flowplan.state.json")
    store.save(attrs.evolve(store.read().state, placed={}, released=released))


def test_a_list_alone_that_lags_ends_nothing_for_who_looks(applied: Place) -> None:
    """The bid answers by its id."""
    passes(applied)
    answers(applied, ALL_BIDS, NOBODY, status=200)
    [row] = json.loads(applied.ok("status", "--format", "json"))["bids"]
    assert row["status"] == "Allocated" and row["hour"]["now"] not in (None, "0.00")
    assert f"{BID}  ended" not in applied.ok("cost")


def client(place: Place) -> Fcp:
    transport = Transport(SIMULATOR_URL, Secret(SIMULATOR_KEY), wire=place.wire())
    return Fcp(transport, parallelism=1)


def test_credentials_that_see_nothing_prove_nothing(applied: Place) -> None:
    """An empty list and a 404 are also what somebody else's key gets."""
    answers(applied, f"GET {ONE_BID}", MISSING)
    cloud = client(applied)
    cloud.enter("proj_of_somebody")
    with pytest.raises(CloudError, match="nothing proves that it is gone"):
        cloud.look_again(Live(), [bid_id(applied)], [])
    other = live(live_bid(bid(), "bid_other", status="Open"))
    assert cloud.look_again(other, [bid_id(applied)], []).gone == {bid_id(applied)}


# ---- words ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "deactivated", "ended"),
    [
        ("Terminated", True, True),
        ("Terminated", False, True),
        ("Cancelled", True, True),
        ("Cancelled", False, False),
        ("Allocated", True, False),  # the two contradict each other: it may run
        ("Open", False, False),
    ],
)
def test_a_bid_is_over_when_its_status_or_its_deactivation_says_so(status: str, deactivated: bool, ended: bool) -> None:
    assert live_bid(bid(), status=status, deactivated=deactivated).ended is ended


def test_a_new_word_for_an_ended_bid_ends_the_wait(applied: Place) -> None:
    put = {"status": "Cancelled", "deactivated_at": "2026-11-02T09:00:00Z"}
    with applied.simulator() as simulator:
        simulator.faults.add(f"GET {ONE_BID}", "edited", put=put, times=None)
    assert applied.run(*DESTROY).code == 0
    assert state_of(applied) == set()
    assert live_ids(applied) == []


STARTED = 10_000.0  # seconds, by that clock


def passing_time() -> Clock:
    """A clock that goes on by what is waited for, of a machine that has long been up."""
    now = itertools.count()
    seconds = [STARTED]

    def pause(length: float) -> None:
        assert next(now) < 1000, "it waits for ever"
        seconds[0] += length

    return Clock(monotonic=lambda: seconds[0], wall=lambda: seconds[0], pause=pause)


def test_a_status_that_is_not_known_is_not_waited_for_half_an_hour(applied: Place) -> None:
    with applied.simulator() as simulator:
        simulator.faults.add(f"GET {ONE_BID}", "edited", put={"status": "Zombie"}, drop=["deactivated_at"], times=None)
    clock = passing_time()
    with pytest.raises(
        CloudError,
        match=r"was cancelled, but this flowplan does not know its status 'Zombie': "
        "it stays in the state",
    ) as caught:
        Removals(client(applied), Patience(clock, 1800.0), lambda: None).cancel(bid_id(applied))
    assert ENDING <= clock.monotonic() - STARTED <= ENDING + 10
    assert "console" in (caught.value.hint or "")


# ---- what this stack ended itself --------------------------------------------------------------------------------


def test_what_was_destroyed_is_not_recommended_for_import_by_a_list_that_lags(applied: Place) -> None:
    with applied.simulator() as simulator:
        simulator.faults.set(list_lag=3600)
    assert applied.run(*DESTROY).code == 0
    assert VOLUME not in state_of(applied)
    for command in ("plan", "orphans", "recover"):
        done = applied.run(command)
        assert done.code == 0, done
        assert "import" not in done.out + done.err
        assert "recover --cancel" not in done.out + done.err


def test_what_recover_cancelled_is_remembered_too(applied: Place) -> None:
    applied.ok("state", "rm", BID)
    applied.ok("import", BID, id := _only_live(applied))
    applied.ok("recover", "--cancel", id)
    assert id in json.loads((applied.path / "flowplan.state.json").read_text())["ended"]


def _only_live(place: Place) -> str:
    [id] = live_ids(place)
    return id


def test_the_memory_of_what_ended_is_bounded() -> None:
    many = {f"bid_{n}": float(n) for n in range(3 * ENDED_AT_MOST)}
    kept = with_ended({}, many)
    assert len(kept) == ENDED_AT_MOST
    assert f"bid_{3 * ENDED_AT_MOST - 1}" in kept
    late = {"bid_late": 10 * ENDED_FOR}
    beside = with_ended(kept, late)
    assert len(beside) == ENDED_AT_MOST, "that clock may be wrong"
    later = {"bid_later": 10 * ENDED_FOR + 1}
    assert with_ended(beside, later) == late | later, "two are not"


def test_a_crash_between_the_cancellation_and_the_snapshot_remembers_it(applied: Place) -> None:
    """What the journal holds counts as the snapshot would."""
    id = bid_id(applied)
    state = applied.path / "flowplan.state.json"
    before, backup = state.read_bytes(), (applied.path / "flowplan.state.json.backup").read_bytes()
    from flowplan.backends.local import LocalStore
    from flowplan.clock import Moment
    from flowplan.model.address import Address
    from flowplan.state.records import Done, Intent

    store = LocalStore(state)
    journal = store.prepare(store.read().state)
    bid = Address.parse(BID)
    at = Moment(1762074000.0, 0.0, "", None)
    journal.append([Intent("i-1", "delete", bid, 1, "n", "flowplan-i-1", "", at, id), Done("i-1", bid, None)])
    store.close()
    assert (state.read_bytes(), (Path(f"{state}.backup")).read_bytes()) == (before, backup)
    found = LocalStore(state).read().state
    assert found.ended == {id: 1762074000.0}
    assert bid not in found.bindings
