"""An API and a machine that do not agree what time it is: no clock that is wrong alone ends a job, or lets one be
placed when it must not be; and what runs on for that is said."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from itertools import count

import pytest
from attrs import define

from flowplan.cli.stop import Stop
from flowplan.clock import Clock, Told
from flowplan.cloud.http import transport
from flowplan.model.digest import digest
from flowplan.simulator.clock import http_date
from tests.conftest import APPLY, Place, Result
from tests.operations.jobs import HEAD, created, live
from tests.operations.watching import end, look, posts, stack, task
from tests.texts import storage, task_text

BY_HOURS, NOON = "lifetime: {max_hours: 12}", "lifetime: {end_at: '2026-11-02T12:00:00Z'}"  # it begins at 09:00
LISTS = "GET /v2/*"
HOUR, DAY = 3600.0, 86400.0


@define
class Clocks:
    """The simulator as an API elsewhere, whose time goes on and is held against this machine's clock, which is `here`
    seconds ahead of it."""

    place: Place
    here: float = 0.0
    jumps: tuple[int, float] | None = None  # after so many looks at this machine's clock, by so many seconds

    def told(self, *, leaps: bool, steady: Callable[[], float], wall: Callable[[], float]) -> Told:
        return Told(leaps=False, steady=steady, wall=self.wall)

    def true(self) -> datetime:
        with self.place.simulator() as simulator:
            return simulator.now()

    def lie(
        self, date: float | str, *, age: str | None = None, on: str = LISTS, nth: int = 1, times: int | None = None
    ) -> None:
        """From the `nth` answer on they have this `Date`: so many seconds ahead, or as it is."""
        if not isinstance(date, str):
            date = http_date(int(self.true().timestamp() + date))
        headers = {"date": date} | ({"age": age} if age is not None else {})
        with self.place.simulator() as simulator:
            simulator.faults.add(on, "edited", headers=headers, nth=nth, times=times)

    def tell_the_truth(self) -> None:
        with self.place.simulator() as simulator:
            simulator.faults.clear()

    def of_run(self, stop: Stop) -> Clock:
        """Of each run on a machine of its own: no boot tells how long ago something was."""
        wall = self.wall()
        return Clock(time.monotonic, lambda: wall, stop.pause, stop.stopped)

    def wall(self) -> float:
        if self.jumps is not None:
            left, by = self.jumps
            self.jumps = (left - 1, by) if left else None
            self.here += 0 if left else by
        return self.true().timestamp() + self.here


@pytest.fixture
def clocks(place: Place, monkeypatch: pytest.MonkeyPatch) -> Clocks:
    found = Clocks(place)
    monkeypatch.setattr(transport, "Told", found.told)
    monkeypatch.setattr(Stop, "clock", lambda stop: found.of_run(stop))
    return found


def runs(place: Place, lifetime: str) -> None:
    place.write(f"{HEAD}  train:\n    {lifetime}\n")
    place.ok(*APPLY)
    assert live(place) == ["train"]


def said(told: Result) -> str:
    return " ".join((told.out + told.err).split())


@pytest.mark.parametrize("lifetime", [BY_HOURS, NOON])
@pytest.mark.parametrize("route", ["GET /v2/spot/bids", "GET /v2/projects", "GET /v2/instances/pricing/history"])
def test_one_answer_whose_date_is_a_day_ahead_ends_nothing(
    place: Place, clocks: Clocks, lifetime: str, route: str
) -> None:
    runs(place, lifetime)
    clocks.lie(DAY, on=route)
    told = place.run(*APPLY)
    assert told.code == 0 and live(place) == ["train"], told
    assert "clock" not in said(told), "the other answers agree with this machine"


@pytest.mark.parametrize("lifetime", [BY_HOURS, NOON])
@pytest.mark.parametrize("by_api", [True, False])
def test_what_one_of_two_clocks_says_is_over_runs_on_and_is_told(
    place: Place, clocks: Clocks, lifetime: str, by_api: bool
) -> None:
    runs(place, lifetime)
    place.ok("simulator", "advance", "1h")
    if by_api:
        clocks.lie(DAY)
    else:
        clocks.here = DAY
    told = place.run("plan", "--detailed-exitcode")
    assert told.code == 0, told
    one, other = ("the API's clock", "this machine's") if by_api else ("this machine's clock", "the API's")
    why = f"it is over only by {one}, which is 24 hours ahead of {other}"
    assert f"bid.train may be past its lifetime: {why}, so it keeps running: at most $3.00 an hour" in said(told)
    assert "set this machine's clock if it is the wrong one (flowplan doctor compares the two)" in said(told)
    assert "to stop it now: flowplan destroy --target bid.train" in said(told)
    assert "flowplan does what depends on the time only if both allow it" in said(told)
    place.ok(*APPLY)
    assert live(place) == ["train"]
    assert place.run("watch", "--once").code == 2
    assert live(place) == ["train"]


@pytest.mark.parametrize("lifetime", [BY_HOURS, NOON])
@pytest.mark.parametrize("behind", ["api", "here"])
def test_a_clock_that_is_behind_lets_no_bid_run_on_in_silence(
    place: Place, clocks: Clocks, lifetime: str, behind: str
) -> None:
    runs(place, lifetime)
    place.ok("simulator", "advance", "13h")
    if behind == "api":
        clocks.lie(-DAY)
    else:
        clocks.here = -DAY
    assert "may be past its lifetime" in said(place.run("plan"))
    assert "may be past its lifetime" in said(place.run("apply", "--auto-approve"))
    clocks.tell_the_truth()
    clocks.here = 0
    place.ok(*APPLY)
    assert live(place) == []


@pytest.mark.parametrize("lifetime", [BY_HOURS, NOON])
def test_nor_does_the_only_clock_there_is(place: Place, clocks: Clocks, lifetime: str) -> None:
    """By it the bid is yet to be placed."""
    runs(place, lifetime)
    place.ok("simulator", "advance", "13h")
    clocks.lie("", on="* /*")
    clocks.here = -DAY
    told = place.run(*APPLY)
    why = "flowplan cannot check its max_hours now" if lifetime == BY_HOURS else "which is yet to come"
    assert "bid.train may be past its lifetime" in said(told) and why in said(told), told
    assert "goes by this machine's clock" in said(told)
    clocks.here = 0
    place.ok(*APPLY)
    assert live(place) == []


@pytest.mark.parametrize("lifetime", [BY_HOURS, NOON])
@pytest.mark.parametrize("here", [-600, 600, 100 * DAY])
def test_what_both_say_is_over_is_over(place: Place, clocks: Clocks, lifetime: str, here: float) -> None:
    runs(place, lifetime)
    place.ok("simulator", "advance", "13h")
    clocks.here = here
    assert "may be past" not in said(place.run(*APPLY))
    assert live(place) == []
    assert "No changes" in place.ok("plan")


def test_what_an_earlier_run_found_over_is_ended_whatever_a_clock_says_by_then(place: Place, clocks: Clocks) -> None:
    runs(place, NOON)
    place.ok("simulator", "advance", "13h")
    with place.simulator() as simulator:
        simulator.faults.add("DELETE *", "status", status=403)
    assert place.run(*APPLY).code != 0 and live(place) == ["train"]
    clocks.tell_the_truth()
    clocks.here = -DAY
    place.run(*APPLY)
    assert live(place) == []


def test_what_would_be_over_by_one_of_two_clocks_is_not_placed(place: Place, clocks: Clocks) -> None:
    place.write(f"{HEAD}  train:\n    {NOON}\n")
    clocks.here = DAY
    told = place.run(*APPLY)
    assert told.code == 65 and "has passed, though only by this machine's clock" in said(told), told
    assert "which is 24 hours ahead of the API's" in said(told)
    assert not created(place)


@pytest.mark.parametrize("by_api", [True, False])
def test_nothing_is_placed_outside_of_the_hours_of_a_policy_by_either_clock(
    place: Place, clocks: Clocks, by_api: bool
) -> None:
    hours = "policies:\n  hours: {from: '08:00', to: '18:00', days: [mon, tue, wed, thu, fri], time_zone: UTC}\n"
    place.write(f"{HEAD}  train: {{}}\n{hours}")
    if by_api:
        clocks.lie(12 * HOUR)
    else:
        clocks.here = 12 * HOUR
    told = place.run(*APPLY)
    assert told.code != 0 and not created(place), told
    api, here = ("Mon 21:00", "Mon 09:00") if by_api else ("Mon 09:00", "Mon 21:00")
    assert f"it is {api} there by the API's clock, {here} by this machine's" in said(told)
    clocks.tell_the_truth()
    clocks.here = 0
    place.ok(*APPLY)


@pytest.mark.parametrize(
    ("date", "age"),
    [
        ("Mon, 02 Nov 2026 09:00:00 +1400", None),  # in another zone: 14 hours ago, by all answers
        ("null", None),
        ("", None),
        ("Tue, 03 Nov 2026 09:00:00 GMT", "soon"),
        ("Tue, 03 Nov 2026 09:00:00 GMT", "-5"),
        ("Sun, 01 Nov 2026 09:00:00 GMT", str(int(DAY))),  # a day in a cache: it is 09:00 now
        ("Sun, 01 Nov 2026 09:00:00 GMT", "0"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", None),
    ],
)
def test_no_date_ends_what_this_machines_clock_says_is_not_over(
    place: Place, clocks: Clocks, date: str, age: str | None
) -> None:
    runs(place, NOON)
    clocks.lie(date, age=age)
    place.ok(*APPLY)
    assert live(place) == ["train"]


@pytest.mark.parametrize("by", [DAY, -DAY, 30 * DAY])
def test_a_clock_that_is_set_in_the_middle_of_a_run_ends_nothing(place: Place, clocks: Clocks, by: float) -> None:
    runs(place, NOON)
    for looks in count():
        clocks.here, clocks.jumps = 0.0, (looks, by)
        place.ok(*APPLY)
        assert live(place) == ["train"], looks
        if clocks.jumps is not None:  # it ended before that
            break
    assert looks > 3


@pytest.mark.parametrize("nth", range(1, 9))
@pytest.mark.parametrize(("times", "here"), [(None, 0.0), (1, DAY), (2, 0.0)])
def test_whichever_answers_lie_nothing_ends_while_others_or_this_machine_say_what_time_it_is(
    place: Place, clocks: Clocks, nth: int, times: int | None, here: float
) -> None:
    runs(place, NOON)
    clocks.here = here
    clocks.lie(DAY, nth=nth, times=times)
    place.ok(*APPLY)
    assert live(place) == ["train"]


def test_an_answer_of_a_cache_is_as_late_as_its_age(place: Place, clocks: Clocks) -> None:
    runs(place, NOON)
    place.ok("simulator", "advance", "4h")
    clocks.lie(-4 * HOUR, age=str(int(4 * HOUR)))
    told = place.run(*APPLY)
    assert live(place) == [] and "clock" not in said(told), told


def test_status_and_cost_say_whose_clock_is_wrong_and_do_not_call_it_over(place: Place, clocks: Clocks) -> None:
    runs(place, NOON)
    clocks.here = DAY
    told = place.run("status", "--format", "json")
    (bid,) = json.loads(told.out)["bids"]
    assert bid["lifetime"]["over"] is None
    assert "this machine's clock is 24 hours ahead of the API's" in said(told)
    assert "counted as running on" not in said(place.run("cost"))


def test_where_the_files_cannot_be_read_it_is_told_as_well(place: Place, clocks: Clocks) -> None:
    runs(place, NOON)
    place.write("version: 2\nname: [\n")
    clocks.here = DAY
    told = place.run(*APPLY)
    assert told.code == 65 and live(place) == ["train"], told
    assert "bid.train may be past its lifetime: it is over only by this machine's clock, which is 24 hours" in said(
        told
    )


def test_a_clock_that_is_wrong_and_decides_nothing_is_not_spoken_of(place: Place, clocks: Clocks) -> None:
    place.write(f"{HEAD}  train: {{}}\n")
    clocks.here = 30 * DAY
    for command in (("plan",), APPLY, ("status",), ("cost",), ("plan",)):
        assert "clock" not in said(place.run(*command))


# ---- what was just placed ----------------------------------------------------------------------------------------


def shows_nothing(place: Place) -> None:
    """Lists and the look by an id are answered by a replica that lags, of an API that takes a name twice."""
    nobody, missing = json.dumps({"data": [], "next_cursor": None}), '{"detail": "Bid not found"}'
    with place.simulator() as simulator:
        simulator.faults.set(duplicate_names=True, idempotency=False)
        simulator.faults.add("GET /v2/spot/bids", "status", status=200, body=nobody, headers=NO_DATE, times=None)
        simulator.faults.add("GET /v2/spot/bids/{bid_fid}", "status", status=404, body=missing, times=None)


NO_DATE = {"date": ""}


@pytest.mark.parametrize(
    ("dates", "here"),
    [
        ("", -HOUR),  # no answer has one, and this machine's clock was set back since
        ("", -DAY * 30),
        (DAY, 0.0),
        (-DAY, 0.0),
        (0.0, DAY),
        (0.0, -DAY),
        (DAY, -HOUR),
        (-HOUR, DAY),
    ],
)
@pytest.mark.parametrize("since", ["none", "a date", "an earlier flowplan"])
def test_no_bid_is_placed_twice_because_one_clock_is_wrong(
    place: Place, clocks: Clocks, dates: float | str, here: float, since: str
) -> None:
    place.write(f"{HEAD}  train: {{}}\n")
    if since == "none" or dates == "":
        clocks.lie("", on="* /*")
    place.ok(*APPLY)
    if since == "an earlier flowplan":
        _saved_by_an_earlier_flowplan(place)
    clocks.tell_the_truth()
    shows_nothing(place)
    clocks.lie(dates)
    clocks.here = here
    told = place.run(*APPLY)
    assert told.code == 1 and "nothing proves that it is gone" in said(told), told
    assert posts(place) == 1
    clocks.tell_the_truth()
    clocks.here = 0
    assert "No changes" in place.ok("plan")


def _saved_by_an_earlier_flowplan(place: Place) -> None:
    """It knows when a bid was placed, and by one clock alone."""
    path = place.path / "flowplan.state.json"
    body = {key: one for key, one in json.loads(path.read_text()).items() if key not in ("sha256", "placed_by")}
    path.write_text(json.dumps(body | {"sha256": digest(body)}))


def test_who_cannot_tell_how_long_ago_because_a_clock_was_set_back_says_what_to_do(
    place: Place, clocks: Clocks
) -> None:
    place.write(f"{HEAD}  train: {{}}\n")
    clocks.here = DAY
    place.ok(*APPLY)
    clocks.here = 0
    place.ok("simulator", "advance", "3h")
    shows_nothing(place)
    told = place.run("plan")
    assert "a clock was set back since, so flowplan cannot tell for how long it has been there" in said(told), told
    assert "`flowplan state rm ADDRESS` releases it" in said(told)
    place.ok("simulator", "advance", "24h")
    assert "1 to add" in place.ok("plan"), "until that clock shows more than when the bid was placed"


@pytest.mark.parametrize("dates", [60.0, DAY, -60.0, -DAY])
def test_what_a_create_is_answered_with_is_the_one_it_made_though_the_apis_clock_is_wrong(
    place: Place, clocks: Clocks, dates: float
) -> None:
    """By that clock it was made before it was asked for: it would be somebody else's, and its name taken."""
    place.write(task_text(more=storage("data")), "task.yaml")
    clocks.lie(dates, on="* /*")
    place.ok("apply", "task.yaml", "--auto-approve")
    assert sum(one.method == "POST" for one in place.ledger()) == 2
    assert "No changes" in place.ok("plan", "task.yaml")


# ---- the watch -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dates", "here"), [(DAY, 0.0), (-DAY, 0.0), (0.0, DAY), (0.0, -DAY)])
def test_no_clock_lets_the_watch_place_a_bid_again_and_again_or_keeps_it_from_that_for_ever(
    place: Place, clocks: Clocks, dates: float, here: float
) -> None:
    place.write(stack("{on_preempted: rebid, max_hourly_cost: 60}", train=task()))
    place.ok(*APPLY)
    place.ok("simulator", "advance", "10m")
    end(place)
    clocks.lie(dates)
    clocks.here = here
    for _ in range(3):
        look(place)
        if live(place):
            end(place)
    assert posts(place) == 2
    place.ok("simulator", "advance", "11m")
    clocks.tell_the_truth()
    clocks.lie(dates)
    look(place)
    assert posts(place) == 3
