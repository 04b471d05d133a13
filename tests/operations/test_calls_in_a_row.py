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
from flowplan.operations.opening.session import Session
from tests.conftest import APPLY, DESTROY, Place, many


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


def test_the_lists_are_read_beside_that_of_the_projects_where_the_state_has_one(place: Place, rounds: Rounds) -> None:
    place.write(many(3))
    rounds.begin()
    place.ok("plan")
    assert rounds.made[:2] == [PROJECTS | OFFERS, OURS]
    place.ok(*APPLY)
    rounds.begin()
    place.ok("plan")
    assert rounds.made == [PROJECTS | OFFERS | OURS, {"GET /v2/pricing/current"}]
    rounds.begin()
    place.ok("status")
    bills = {"GET /v2/instances", "GET /v2/instances/pricing/history"}
    assert rounds.made == [PROJECTS | OFFERS | OURS | bills, {"GET /v2/pricing/current"}]
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
    real, read = Session.load, list[int]()

    def load(self: Session, *given: Any, **named: Any) -> Loaded:
        read.append(sum(map(len, rounds.made)))
        return real(self, *given, **named)

    monkeypatch.setattr(Session, "load", load)
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
