"""How many calls to the API a command makes one after the other: those that nothing keeps from being made side by side
are one round, the pages of a list are one each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from flowplan.backends.store import Loaded
from flowplan.cloud.http.transport import Transport
from flowplan.cloud.together import Together
from flowplan.errors import CloudError
from flowplan.operations.opening import loading
from flowplan.operations.opening.session import Session
from tests.conftest import APPLY, DESTROY, Place, lose_addresses, many, task_text


class Rounds:
    """Of the commands since `begin`: the calls of each round, by path. The simulator answers in this thread, one call
    after the other; which could have been made at once, the client says."""

    def __init__(self) -> None:
        self.made: list[set[str]] = []
        self.inside = False
        self._at = 0
        self._fresh = True

    def begin(self) -> None:
        self.made = []

    def call(self, path: str) -> None:
        if self.inside and not self._fresh:
            self._at += 1
        if self._at >= len(self.made) or not self.inside:
            self.made.append(set())
            self._at = len(self.made) - 1 if not self.inside else self._at
        self.made[self._at].add(path)
        self._fresh = False

    def side_by_side(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        if self.inside or not calls:
            return [one() for one in calls]
        begun, results = len(self.made), []
        self.inside = True
        try:
            for one in calls:
                self._at, self._fresh = begun, True
                results.append(one())
        finally:
            self.inside = False
        return results


@pytest.fixture
def rounds(monkeypatch: pytest.MonkeyPatch) -> Rounds:
    counted, real = Rounds(), Transport.call

    def call(self: Transport, method: str, path: str, **named: Any) -> Any:
        counted.call(f"{method} {path}")
        return real(self, method, path, **named)

    monkeypatch.setattr(Transport, "call", call)
    monkeypatch.setattr(Together, "__call__", lambda self, calls: counted.side_by_side(calls))
    return counted


OFFERS = {"GET /v2/instance-types", "GET /v2/spot/availability"}
OURS = {"GET /v2/ssh-keys", "GET /v2/volumes", "GET /v2/spot/bids"}
PROJECTS = {"GET /v2/projects"}
PAST = {"GET /v2/pricing/history"}
NOW = {"GET /v2/pricing/current"}


def test_the_lists_are_read_beside_that_of_the_projects_where_the_state_has_one(place: Place, rounds: Rounds) -> None:
    place.write(many(3))
    rounds.begin()
    place.ok("plan")
    assert rounds.made == [PROJECTS | OFFERS, OURS, NOW | PAST | {"GET /v2/quotas"}]
    rounds.begin()
    place.ok(*APPLY)
    assert rounds.made[:3] == [PROJECTS | OFFERS, OURS, NOW | PAST | {"GET /v2/quotas"}]
    rounds.begin()
    place.ok("plan")
    assert rounds.made == [PROJECTS | OFFERS | OURS, NOW]
    rounds.begin()
    place.ok("status")
    bills = {"GET /v2/instances", "GET /v2/instances/pricing/history"}
    assert rounds.made == [PROJECTS | OFFERS | OURS | bills, NOW]
    rounds.begin()
    place.ok("cost")
    assert rounds.made[:2] == [PROJECTS | OFFERS | OURS | {"GET /v2/instances/pricing/history"}, NOW | PAST]
    rounds.begin()
    place.ok("plan", "--destroy", "--allow-volume-destroy", "*")
    assert rounds.made[0] == PROJECTS | OURS - {"GET /v2/ssh-keys"}
    place.ok(*DESTROY)


@pytest.mark.parametrize("command", [("plan",), ("orphans",), ("plan", "--destroy")], ids=" ".join)
def test_all_lists_begin_after_one_reading_of_the_state_and_end_before_the_next(
    place: Place, rounds: Rounds, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    """What another run records meanwhile is then in the second, and all is listed anew: so their order is of no
    account."""
    place.write(many(2))
    place.ok(*APPLY)
    real, read = loading.load_of_any_api, list[int]()

    def load(self: Session, *given: Any, **named: Any) -> Loaded:
        read.append(sum(map(len, rounds.made)))
        return real(self, *given, **named)

    monkeypatch.setattr(loading, "load_of_any_api", load)
    rounds.begin()
    place.run(*command)
    listed = {"plan": 6, "orphans": 6, "plan --destroy": 3}[" ".join(command)]
    assert read[:2] == [0, listed]


def test_what_is_wrong_with_the_project_is_said_before_what_is_wrong_with_a_list(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.write(many(1))
    place.ok(*APPLY)
    real = Transport.call

    def call(self: Transport, method: str, path: str, **named: Any) -> Any:
        if path != "/v2/projects":
            raise CloudError(f"no {path} today")
        return real(self, method, path, **named)

    monkeypatch.setattr(Transport, "call", call)
    for project, said in (("nope", "there is no project nope"), (None, "no /v2/instance-types today")):
        given = () if project is None else ("--project", project)
        result = place.run("import", "volume.other", "vol_1", *given)
        assert said in " ".join(result.err.split()), result


@pytest.mark.parametrize("limit", ["17.92", "0.01"])
def test_what_is_fetched_ahead_and_fails_is_said_where_it_is_needed(
    place: Place, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    """A plan that is refused anyway says why, and not that its forecast could not be made; without quotas a plan goes
    on, with a note."""
    real = Transport.call
    failing = ["/v2/pricing/history"]

    def call(self: Transport, method: str, path: str, **named: Any) -> Any:
        if path in failing:
            raise CloudError(f"no {path} today")
        return real(self, method, path, **named)

    monkeypatch.setattr(Transport, "call", call)
    place.write(task_text("task", limit))
    result = place.run("plan")
    said = " ".join(result.err.split())
    assert result.code == (1 if limit == "17.92" else 65), result
    assert ("no /v2/pricing/history today" in said) == (limit == "17.92"), result
    place.write(task_text("task"))
    failing[:] = ["/v2/quotas"]
    result = place.run("plan")
    assert result.code == 0 and "could not check the quotas: no /v2/quotas today" in " ".join(result.out.split())


@pytest.mark.parametrize("command", [("plan", "--destroy"), ("plan",)], ids=" ".join)
def test_a_plan_that_only_stops_needs_no_past_prices(
    place: Place, monkeypatch: pytest.MonkeyPatch, command: tuple[str, ...]
) -> None:
    place.write(many(1) + "\n")
    place.ok(*APPLY)
    place.write("version: 2\ntasks: {}\n")
    real = Transport.call

    def call(self: Transport, method: str, path: str, **named: Any) -> Any:
        if path.startswith("/v2/pricing"):
            raise CloudError(f"no {path} today")
        return real(self, method, path, **named)

    monkeypatch.setattr(Transport, "call", call)
    assert "3 to destroy" in place.ok(*command, "--allow-volume-destroy", "*")


def test_what_a_lost_state_leaves_behind_is_looked_at_side_by_side(place: Place, rounds: Rounds) -> None:
    place.write(many(5))
    place.ok(*APPLY)
    lose_addresses(place, *(f"bid.task-{n:03}" for n in range(5)))
    rounds.begin()
    place.ok("plan")
    alone = [one for made in rounds.made for one in made if one.startswith("GET /v2/spot/bids/")]
    assert len(alone) == 5
    assert sum(any(one.startswith("GET /v2/spot/bids/") for one in made) for made in rounds.made) == 1


def test_the_bill_and_the_instances_that_lifetimes_go_by_are_read_side_by_side(place: Place, rounds: Rounds) -> None:
    place.write(task_text("task", more="lifetime: {max_hours: 12, when_done: cancel}\n"))
    place.ok(*APPLY)
    rounds.begin()
    place.ok("plan")
    bills = {"GET /v2/instances", "GET /v2/instances/pricing/history"}
    assert rounds.made == [PROJECTS | OFFERS | OURS, bills, NOW]
