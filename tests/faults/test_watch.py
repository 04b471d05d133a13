"""Days of the watch: bids are preempted and ended, prices move, two watchers take turns, and a person changes things.

Held at each step: no task has two live bids; all limits together never pass `max_hourly_cost`, nor one of them the cap;
what a person has changed is as they left it; and a task that no person touched has a live bid after the round, unless
it has ended too often lately.
"""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from decimal import Decimal
from typing import Any, Literal, TypeAlias

import pytest
from attrs import define, field

from flowplan.apply.events import Silent
from flowplan.documents.watch import Round
from flowplan.operations.apply import How
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from flowplan.operations.plan import Request
from flowplan.operations.watching.one_round import one_round
from tests.conftest import APPLY, Place

Keeper: TypeAlias = Literal["watch", "person", "nobody"]
CAP, MOST = Decimal(30), Decimal(400)
KINDS = (("h100.8x.SXM5.IB", "us-central1-b", "9.00"), ("a100.8x.SXM4.IB", "eu-central1-a", "4.40"))


def text_of(tasks: int) -> str:
    """A stack of so many tasks, in two auctions."""
    lines = [
        f"watch: {{on_preempted: rebid, raise_limit_up_to: {CAP}, max_hourly_cost: {MOST}}}",
        "tasks:",
    ]
    for n in range(tasks):
        kind, region, limit = KINDS[n % len(KINDS)]
        where = f"resources_specification: {{fcp_instance: {kind}, cluster_id: {region}}}"
        lines.append(f"  t{n}: {{{where}, task_management: {{utility_threshold_price: {limit}}}}}")
    head = "version: 2\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
    return head + "\n".join(lines) + "\n"


@define
class Days:
    """A stack that is lived with. `touched`: bids that a person changed, each with the limit price that they set, or
    None where they cancelled it; `hours`: how long tasks ran, together."""

    place: Place
    tasks: int
    chance: random.Random
    touched: dict[str, str | None] = field(factory=dict)
    hours: float = 0.0
    ended: int = 0
    preempted: int = 0

    def bids(self) -> list[dict[str, Any]]:
        """The bids, as the cloud lists them."""
        found: list[dict[str, Any]] = []
        cursor = ""
        while True:
            body = json.loads(self.place.call("GET", f"/v2/spot/bids?limit=100{cursor}").body)
            found += body["data"]
            if not body["next_cursor"]:
                return found
            cursor = f"&next_cursor={body['next_cursor']}"

    def live(self) -> list[dict[str, Any]]:
        return [one for one in self.bids() if one["status"] != "Terminated"]

    def disturb(self) -> None:
        """Something happens to a bid or two: by the cloud, and now and then by a person."""
        there = [one for one in self.live() if one["fid"] not in self.touched]
        for one in self.chance.sample(there, min(2, len(there))):
            what = self.chance.choice(("preempt", "preempt", "end", "nothing"))
            with self.place.simulator() as simulator:
                if what == "end":
                    simulator.faults.end(one["fid"])
                    self.ended += 1
                elif what == "preempt" and one["status"] == "Allocated":
                    simulator.faults.preempt(one["fid"], seconds=600)
                    self.preempted += 1

    def person(self) -> None:
        """Somebody changes a limit, or cancels a bid, in the console."""
        there = [one for one in self.live() if one["fid"] not in self.touched]
        if len(self.touched) * 3 >= self.tasks or not there:
            return
        one = self.chance.choice(there)
        if self.chance.random() < 0.5:
            self.place.call("DELETE", f"/v2/spot/bids/{one['fid']}")
            self.touched[one["fid"]] = None
        else:
            self.place.call("PATCH", f"/v2/spot/bids/{one['fid']}", b'{"limit_price": "$8.77"}')
            self.touched[one["fid"]] = "$8.77"

    def round(self) -> Round:
        settings = Settings(directory=self.place.path, environ=dict(os.environ))
        with Session(settings) as session:
            return one_round(session, Request(), How(settle_window=0.0), Silent())

    def hold(self, found: Round) -> None:
        """What must be so after each round."""
        assert found.error is None, found
        every = {one["fid"]: one for one in self.bids()}
        live = [one for one in every.values() if one["status"] != "Terminated"]
        names = Counter(one["name"] for one in live)
        assert max(names.values(), default=0) <= 1, names
        limits = [Decimal(one["limit_price"].removeprefix("$")) for one in live]
        assert sum(limits) <= MOST
        assert max(limits, default=Decimal(0)) <= CAP
        for id, limit in self.touched.items():
            one = every[id]
            assert (one["status"] == "Terminated") == (limit is None) or limit is not None, one
            assert limit in (None, one["limit_price"]), one
        theirs = {every[id]["name"] for id in self.touched}
        paused = {one.address.name for one in found.findings if one.why_not == "it has ended often"}
        missing = {f"t{n}" for n in range(self.tasks)} - set(names) - theirs - paused
        assert not missing, [one for one in found.findings if one.address.name in missing]


def live_through(place: Place, days: int, tasks: int, step: int, keeper: Keeper) -> Days:
    """So many days, in steps of `step` hours; `keeper` looks after the stack."""
    place.write(text_of(tasks))
    place.ok(*APPLY)
    made = Days(place, tasks, random.Random(7))
    for n in range(days * 24 // step):
        with place.simulator() as simulator:
            simulator.advance(step * 1800)
        made.disturb()
        if keeper == "watch" and n % 9 == 8:
            made.person()
        with place.simulator() as simulator:
            simulator.advance(step * 1800)
        if keeper == "watch":
            made.hold(made.round())  # the first watcher, or the second: neither knows of the other
            if n % 4 == 0:
                again = made.round()
                made.hold(again)
                assert {one.act for one in again.findings} <= {None, "raise"}  # one in each auction a round
        elif keeper == "person" and n * step % 8 == 0:
            place.ok(*APPLY)
        made.hours += step * sum(one["status"] == "Allocated" for one in made.live())
    return made


def test_three_days_of_the_watch(place: Place) -> None:
    lived = live_through(place, 3, 6, 4, "watch")
    assert lived.ended and lived.preempted and lived.touched


@pytest.mark.slow
def test_thirty_days_and_what_the_watch_is_worth(tmp_path_factory: pytest.TempPathFactory, place: Place) -> None:
    """Printed by make soak: the task-hours with the watch, with an apply by hand every 8 hours, and with neither."""
    whole = 30 * 24 * 20
    watched = live_through(place, 30, 20, 2, "watch")
    assert watched.preempted + watched.ended >= 300
    table = {"watch": watched.hours}
    for keeper in ("person", "nobody"):
        other = Place(tmp_path_factory.mktemp(keeper), place._capture)
        os.chdir(other.path)
        table[keeper] = live_through(other, 30, 20, 2, keeper).hours
    for name, hours in table.items():
        print(f"{name:8} {hours:8,.0f} task-hours, {hours / whole:.0%} of all")
    assert table["watch"] >= table["person"] >= table["nobody"]
