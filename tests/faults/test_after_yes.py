"""Between the plan that was shown and the first call time passes: nothing that was true then is taken for granted."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Event

import attrs
import pytest

from flowplan.apply.patience import Patience
from flowplan.apply.removals import Removals
from flowplan.apply.shared import Shared
from flowplan.apply.workers import Workers
from flowplan.apply.works import Work
from flowplan.clock import Clock
from flowplan.cloud.fcp import Fcp
from flowplan.cloud.http.transport import Caller, Transport
from flowplan.errors import CloudError, Refused
from flowplan.secret import Secret
from flowplan.simulator import SIMULATOR_KEY, SIMULATOR_URL
from tests.cli.terminals import at_terminal
from tests.conftest import Place, live_ids
from tests.faults.colleagues import FILE, colleague_places, deletes, volume_id
from tests.faults.colleagues import shared as shared  # a fixture
from tests.processes import LONGEST


def test_a_volume_that_a_colleague_takes_during_the_prompt_is_not_deleted(shared: Place) -> None:
    volume = volume_id(shared)
    code, shown = at_terminal(
        shared,
        "yes\n",
        *("destroy", "--allow-volume-destroy", "*"),
        meanwhile=lambda: colleague_places(shared, "colleague", volume),
    )
    assert code == 3, shown
    assert "is used by colleague" in " ".join(shown.split())
    assert len(live_ids(shared)) == 2  # ours was not cancelled either


def test_nor_when_it_was_permitted_by_its_name_typed_in(shared: Place) -> None:
    volume = volume_id(shared)
    code, shown = at_terminal(
        shared,
        "shared\n",
        *("destroy", "--auto-approve"),
        meanwhile=lambda: colleague_places(shared, "colleague", volume),
    )
    assert code == 3, shown
    assert len(live_ids(shared)) == 2


def test_nor_when_getting_there_took_long(shared: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked, but the plan was shown to a reader that was slow, say."""
    volume = volume_id(shared)
    monkeypatch.setattr("flowplan.operations.running.approval.FRESH", -1.0)
    shows = "flowplan.operations.running.approval.Approving._show"
    monkeypatch.setattr(shows, lambda *_: colleague_places(shared, "colleague", volume))
    result = shared.run("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert result.code == 3, result
    assert len(live_ids(shared)) == 2


def test_nor_when_the_machine_slept_meanwhile(shared: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock that stands still then would say that no time has passed."""
    volume, slept, real = volume_id(shared), [0.0], time.clock_gettime

    def sleeps(*_: object) -> None:
        colleague_places(shared, "colleague", volume)
        slept[0] = 3600.0

    def shows(clock: int) -> float:
        return real(clock) + (slept[0] if clock != time.CLOCK_MONOTONIC else 0.0)

    monkeypatch.setattr(time, "clock_gettime", shows)
    monkeypatch.setattr("flowplan.operations.running.approval.Approving._show", sleeps)
    result = shared.run("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert result.code == 3, result
    assert len(live_ids(shared)) == 2


def test_a_budget_is_asked_again_after_yes(place: Place) -> None:
    """By the prices of then."""
    place.write(FILE.replace("17.92", "900.00").replace("h100.8x.SXM5.IB", "a100-80gb.sxm.8x"))
    budget = ("--max-hourly-cost", "4.00", "--budget-basis", "p50")
    place.ok("plan", *budget)
    code, shown = at_terminal(
        place, "yes\n", "apply", *budget, meanwhile=lambda: place.ok("simulator", "advance", "26h")
    )
    assert code == 3, shown
    assert "--max-hourly-cost allows $4.00" in " ".join(shown.split())
    assert place.ledger() == []


def test_a_name_taken_during_the_prompt_is_not_bought_again(shared: Place) -> None:
    """A problem of the configuration is one after the answer too."""
    shared.write(FILE + FILE.replace("name: train", "---\nname: second").replace("shared", "shared2"))
    code, shown = at_terminal(shared, "yes\n", "apply", meanwhile=lambda: colleague_places(shared, "second"))
    assert code == 65, shown
    assert len(live_ids(shared)) == 2


def test_what_did_not_change_is_applied_after_yes(shared: Place) -> None:
    shared.edit("17.92", "18.00")
    code, shown = at_terminal(shared, "yes\n", "apply", meanwhile=lambda: shared.ok("simulator", "advance", "6h"))
    assert code == 0, shown
    assert "1 changed" in shown


# ---- right before a volume is deleted -------------------------------------------------------------------------


@pytest.mark.parametrize("used", [{"reservations": ["res_1"]}, {"attachments": {"inst_1": "res_1"}}], ids=str)
def test_a_volume_used_by_what_is_no_bid_is_waited_for(shared: Place, used: dict[str, object]) -> None:
    """The API here would delete it."""
    with shared.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "edited", nth=2, times=2, put=used)
    assert "Destroy complete" in shared.ok("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    with shared.simulator() as simulator:
        assert [one.met for one in simulator.faults.seen()] == [2]


def test_and_kept_when_it_is_not_released(shared: Place) -> None:
    with shared.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "edited", nth=2, times=None, put={"reservations": ["res_1"]})
    result = shared.run("destroy", "--auto-approve", "--allow-volume-destroy", "*", "--timeout", "1s")
    assert result.code == 1, result
    assert "to be released" in result.err
    assert deletes(shared) == []
    assert live_ids(shared) == []


def test_a_volume_that_a_bid_took_since_is_kept_at_once(shared: Place) -> None:
    """The list that the plan was made of did not show it yet."""
    ours, volume = live_ids(shared)[0], volume_id(shared)
    colleague_places(shared, "colleague", volume)
    with shared.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "edited", put={"bids": [ours], "attachments": {}})
    result = shared.run("destroy", "--auto-approve", "--allow-volume-destroy", "*")
    assert result.code == 1, result
    assert "colleague" in result.err and "uses it now; the volume and its data are kept" in " ".join(result.err.split())
    assert deletes(shared) == []


def eight_ask(answer: Callable[[int], int]) -> tuple[Shared[int], list[Future[int]]]:
    """Eight threads that ask for a shared look, seven of them while the first one is under way; each look comes to
    `answer` of its number. All have their results."""
    numbers, gate, begun = itertools.count(1), Event(), Event()

    def look() -> int:
        number = next(numbers)
        begun.set()
        gate.wait(LONGEST)
        return answer(number)

    shared = Shared(look)
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(shared)]
        assert begun.wait(LONGEST)
        asked += [pool.submit(shared) for _ in range(7)]
        while shared.asked < 8:
            pass
        gate.set()
    return shared, asked


def test_many_volumes_share_their_looks() -> None:
    """A list for each would grow with the square of the volumes."""
    _, asked = eight_ask(lambda number: number)
    # Who asked while it was under way gets a later one.
    assert [one.result() for one in asked] == [1, *[2] * 7]


def test_many_volumes_share_the_failure_of_a_look() -> None:
    """One after the other, each would try it as often as any call is tried. What each raises is its own: a run says in
    it which line of a file it is about."""

    def fails(number: int) -> int:
        raise CloudError(f"failure {number}", status=500)

    shared, asked = eight_ask(fails)
    errors = [one.exception() for one in asked]
    assert [str(one) for one in errors] == ["failure 1", *["failure 2"] * 7]
    assert [isinstance(one, CloudError) and one.status for one in errors] == [500] * 8
    assert len({*map(id, errors)}) == 8
    with pytest.raises(CloudError, match="failure 3"):  # and it is for those who asked before it
        shared()


@pytest.fixture
def gathering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[], int]], Shared[int]]:
    """Makes a look, the number of which it gives, that waits as long as it takes for the crowd it is given."""

    def make(crowd: Callable[[], int]) -> Shared[int]:
        monkeypatch.setattr("flowplan.apply.shared._LONGEST", LONGEST)
        looks = itertools.count(1)
        shared = Shared(lambda: next(looks), crowd)
        shared._took = LONGEST
        return shared

    return make


def test_a_look_waits_for_those_who_are_about_to_ask(gathering: Callable[..., Shared[int]]) -> None:
    shared = gathering(lambda: 3)
    with ThreadPoolExecutor(3) as pool:
        early = [pool.submit(shared) for _ in range(2)]
        while shared.asked < 2:
            pass
        assert shared() == 1
        assert [one.result() for one in early] == [1, 1]


def test_a_look_waits_for_nobody_who_does_not_come(gathering: Callable[..., Shared[int]]) -> None:
    shared = gathering(lambda: 2)
    shared._took = 0.01
    assert shared() == 1
    assert shared() == 2  # that nobody came the last time counts for nothing


MANY = 8


@pytest.mark.parametrize("parallelism", [1, MANY])
def test_each_of_many_volumes_is_looked_at_after_its_turn_came(
    place: Place, monkeypatch: pytest.MonkeyPatch, parallelism: int
) -> None:
    """Somebody takes every other one right then: the looks that are shared by all that are deleted show it."""
    place.write("---\n".join(FILE.replace("train", f"train-{n}").replace("shared", f"shared-{n}") for n in range(MANY)))
    place.ok("apply", "--auto-approve")
    state = json.loads((place.path / "flowplan.state.json").read_text())
    ids = [one["id"] for one in state["resources"] if one["address"].startswith("volume.")]
    taken = ids[::2]
    bid = json.loads(place.call("GET", "/v2/spot/bids").body)["data"][0]
    send = Workers.send

    def taken_first(self: Workers, work: Work) -> None:
        if work.step.address.kind == "volume" and work.intent.id in taken:
            colleague_places(place, f"colleague-{work.step.address.name}", str(work.intent.id), like=bid)
        send(self, work)

    monkeypatch.setattr(Workers, "send", taken_first)
    how = ("--auto-approve", "--allow-volume-destroy", "*", "--parallelism", str(parallelism))
    result = place.run("destroy", *how)
    assert result.code == 1, result
    assert " ".join(result.err.split()).count("uses it now; the volume and its data are kept") == len(taken), result.err
    assert sorted(deletes(place)) == sorted(f"/v2/volumes/{id}" for id in ids if id not in taken)


@pytest.fixture
def seconds(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What the clock shows that goes on while the machine sleeps: one number."""
    found = [0.0]
    monkeypatch.setattr("flowplan.apply.removals.since_boot", lambda: found[0])
    return found


def removals(
    place: Place,
    seconds: list[float],
    log: list[str],
    meanwhile: Callable[[], object],
    *,
    waits: float,
    hold_lock: Callable[[], None] = lambda: None,
) -> Removals:
    """Those of a run whose retries wait for so long: `meanwhile` happens then, `seconds` go on, `log` has each call."""

    def wait(_: float) -> None:
        seconds[0] += waits
        meanwhile()

    caller = Caller(wait=wait, log=log.append)
    cloud = Fcp(Transport(SIMULATOR_URL, Secret(SIMULATOR_KEY), wire=place.wire(), caller=caller), parallelism=1)
    cloud.enter(json.loads(place.call("GET", "/v2/projects").body)[0]["fid"])
    clock = Clock(monotonic=lambda: seconds[0], pause=lambda _: None)
    return Removals(cloud, Patience(clock, 60.0 * waits), hold_lock)


@pytest.mark.parametrize(("waits", "attempts"), [(2.0, 2), (30.0, 1)])
def test_a_deletion_that_had_to_wait_is_not_sent_by_an_old_look(
    shared: Place, seconds: list[float], waits: float, attempts: int
) -> None:
    """Somebody takes the volume before the second attempt. The API here refuses that one; another may not."""
    volume, log = volume_id(shared), list[str]()
    shared.call("DELETE", f"/v2/spot/bids/{live_ids(shared)[0]}")

    with shared.simulator() as simulator:
        simulator.faults.add("DELETE /v2/volumes/vol_*", "status", status=503)
    with pytest.raises(Refused, match="uses it now"):
        removals(shared, seconds, log, lambda: colleague_places(shared, "colleague", volume), waits=waits).delete(
            volume
        )
    assert sum("DELETE" in line for line in log) == attempts


def test_nor_by_one_since_which_its_users_were_asked_for(shared: Place, seconds: list[float]) -> None:
    """The list still names our bid, which has ended, and the answer about that bid had to be waited for."""
    volume, log, ours = volume_id(shared), list[str](), live_ids(shared)[0]
    shared.call("DELETE", f"/v2/spot/bids/{ours}")
    with shared.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "edited", put={"bids": [ours]})
        simulator.faults.add("GET /v2/spot/bids/bid_*", "status", status=503)
    with pytest.raises(Refused, match="uses it now"):
        removals(shared, seconds, log, lambda: colleague_places(shared, "colleague", volume), waits=30.0).delete(volume)
    assert sum("DELETE" in line for line in log) == 0


def test_nor_by_one_since_which_the_machine_slept(shared: Place, seconds: list[float]) -> None:
    volume, log = volume_id(shared), list[str]()
    shared.call("DELETE", f"/v2/spot/bids/{live_ids(shared)[0]}")
    monotonic = Clock().monotonic()

    def sleeps() -> None:
        if not seconds[0]:
            colleague_places(shared, "colleague", volume)
            seconds[0] = 3600.0

    made = removals(shared, seconds, log, lambda: None, waits=30.0, hold_lock=sleeps)
    awake = Patience(Clock(monotonic=lambda: monotonic, pause=lambda _: None), 60.0)
    with pytest.raises(Refused, match="uses it now"):
        attrs.evolve(made, patience=awake).delete(volume)
    assert sum("DELETE" in line for line in log) == 0


def test_users_that_have_ended_are_asked_for_once(shared: Place, seconds: list[float]) -> None:
    """They may be many: if they took as long each time, the look would always have grown old."""
    volume, log, ours = volume_id(shared), list[str](), live_ids(shared)[0]
    shared.call("DELETE", f"/v2/spot/bids/{ours}")
    with shared.simulator() as simulator:
        simulator.faults.add("GET /v2/volumes", "edited", times=None, put={"bids": [ours]})
        simulator.faults.add("GET /v2/spot/bids/bid_*", "status", status=503)
    assert removals(shared, seconds, log, lambda: None, waits=30.0).delete(volume)
    assert [line.split()[3] for line in log if "/v2/spot/bids/" in line] == ["503", "200"]


def test_a_deletion_that_only_waits_for_its_turn_is_not_given_up(shared: Place, seconds: list[float]) -> None:
    """The API says 429 to others: this one was never tried."""
    volume, log = volume_id(shared), list[str]()
    shared.call("DELETE", f"/v2/spot/bids/{live_ids(shared)[0]}")
    turns = itertools.count(1)

    def waits_for_its_turn() -> None:
        seconds[0] += 6.0 if next(turns) < 9 else 0.0

    assert removals(shared, seconds, log, lambda: None, waits=30.0, hold_lock=waits_for_its_turn).delete(volume)
    assert sum("DELETE" in line for line in log) == 1


def test_a_deletion_that_always_has_to_wait_is_given_up(shared: Place, seconds: list[float]) -> None:
    """After five looks, like any call after five tries."""
    volume, log = volume_id(shared), list[str]()
    shared.call("DELETE", f"/v2/spot/bids/{live_ids(shared)[0]}")
    with shared.simulator() as simulator:
        simulator.faults.add("DELETE /v2/volumes/vol_*", "status", status=503, times=None)
    with pytest.raises(CloudError, match="did not answer the deletion of"):
        removals(shared, seconds, log, lambda: None, waits=30.0).delete(volume)
    assert sum("DELETE" in line for line in log) == 5
