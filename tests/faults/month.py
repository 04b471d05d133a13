"""Thirty days of a stack and its cloud: bids are taken back, outbid and ended; watchers come, are killed, and meet; a
person edits the files and changes things in the console.

`Month` is the world; `Judge` holds what it came to against the auction itself, by nothing that the watch has said.
"""

from __future__ import annotations

import random
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, NamedTuple

from attrs import define, field, frozen

from flowplan.simulator import Simulator
from flowplan.simulator.auctions import market
from tests.faults.disk import Cut
from tests.faults.forked import Command, Ended, run_all
from tests.processes import at_the_end

CAP, MOST = Decimal(30), Decimal(260)  # dollars per instance-hour that a limit is raised to; an hour for all
HOUR = 3600
BETWEEN = 120  # minutes between two looks
_CENT = Decimal("0.01")


@frozen
class Task:
    """What is written of a task. `region`: "": anywhere; `limit`: dollars per instance-hour; `hours`: its lifetime."""

    kind: str
    region: str
    limit: Decimal
    instances: int = 1
    hours: int = 0


CALM = Task("h100.8x.SXM5.IB", "us-central1-b", Decimal(9))
TASKS = {
    f"t{n}": one
    for n, one in enumerate(
        (
            *[CALM] * 5,
            *[Task("h100.8x.SXM5.IB", "us-central1-a", Decimal(21))] * 3,
            *[Task("a100.8x.SXM4.IB", "us-central1-a", Decimal("6.40"))] * 3,
            *[Task("a40.8x.PCIe", "us-central2-a", Decimal("3.20"))] * 2,
            *[Task("h200.8x.SXM5.IB", "us-central5-a", Decimal(15))] * 2,
            Task("a100.8x.SXM4.IB", "eu-central1-a", Decimal("4.40")),
            *[Task("a100.8x.SXM4.IB", "", Decimal(6))] * 2,
            Task("h100.8x.SXM5.IB", "us-central1-b", Decimal(9), instances=2),
            Task("a100.8x.SXM4.IB", "us-central1-b", Decimal("4.40"), hours=200),
        )
    )
}
EVERYTHING = f"on_preempted: rebid, raise_limit_up_to: {CAP}, switch_region: true, max_hourly_cost: {MOST}"
ONLY_REBID = "on_preempted: rebid"


def text_of(limits: dict[str, Decimal], policy: str = EVERYTHING) -> str:
    """The stack file, with these limit prices."""
    lines = ["version: 2", "name: month", "project_name: my-foundry-project", "ssh_key_name: my-ssh-key"]
    lines += [f"watch: {{{policy}}}", "tasks:"]
    for name, one in TASKS.items():
        where = f", cluster_id: {one.region}" if one.region else ""
        count = f", num_instances: {one.instances}" if one.instances > 1 else ""
        life = f", lifetime: {{max_hours: {one.hours}}}" if one.hours else ""
        kind = f"resources_specification: {{fcp_instance: {one.kind}{where}{count}}}"
        lines.append(f"  {name}: {{{kind}, task_management: {{utility_threshold_price: {limits[name]}}}{life}}}")
    return "\n".join(lines) + "\n"


class Event(NamedTuple):
    """What happened to a bid, and what there was at that moment: `live`: bids of its task that live, itself among them;
    `cents`: what all bids together may cost an hour, by their limits."""

    at: int
    what: str
    name: str
    status: str
    limit: int
    live: int
    cents: int


# What a bid may cost counts from the moment it is placed until it is over or paused.
_SPY = """
CREATE TABLE spied (n INTEGER PRIMARY KEY, at INTEGER, what TEXT, name TEXT, status TEXT, limit_cents INTEGER,
  live INTEGER, cents INTEGER);
CREATE TRIGGER spy_placed AFTER INSERT ON bids BEGIN
  INSERT INTO spied SELECT NULL, (SELECT now FROM clock), 'placed', NEW.name, NEW.status, NEW.limit_cents,
    (SELECT count(*) FROM bids WHERE name = NEW.name AND status <> 'Terminated'),
    (SELECT sum(limit_cents * quantity) FROM bids WHERE status NOT IN ('Terminated', 'Paused'));
END;
CREATE TRIGGER spy_changed AFTER UPDATE OF status, limit_cents ON bids BEGIN
  INSERT INTO spied SELECT NULL, (SELECT now FROM clock),
    CASE WHEN NEW.limit_cents <> OLD.limit_cents THEN 'limit' ELSE 'status' END,
    NEW.name, NEW.status, NEW.limit_cents,
    (SELECT count(*) FROM bids WHERE name = NEW.name AND status <> 'Terminated'),
    coalesce((SELECT sum(limit_cents * quantity) FROM bids WHERE status NOT IN ('Terminated', 'Paused')), 0);
END;
"""


@frozen
class Disturbance:
    """What the cloud does to a task between two looks, in that minute: takes its instances back for so many seconds;
    0: ends its bid."""

    name: str
    minute: int
    seconds: int


def disturbances(seed: int, looks: int) -> list[list[Disturbance]]:
    """Before each look: the same for every keeper of the stack."""
    chance = random.Random(seed)
    found: list[list[Disturbance]] = []
    for _ in range(looks):
        now = []
        for often, seconds in ((0.6, (300, 600, 1800, 7200)), (0.12, (0,))):
            for minute in range(0, BETWEEN, 60):
                if chance.random() < often:
                    at = minute + chance.randrange(60)
                    now.append(Disturbance(chance.choice(list(TASKS)), at, chance.choice(seconds)))
        found.append(sorted(now, key=lambda one: one.minute))
    return found


@frozen
class Bid:
    """One of a task that is not over, as the cloud has it. `away`: the cloud keeps it out of its auction."""

    seq: int
    id: str
    status: str
    limit: Decimal
    quantity: int
    auction: int
    away: bool


@define
class Month:
    """The stack, its cloud, and two places to watch it from. `hands`: tasks that a person has changed and not applied,
    with what they did."""

    root: Path
    policy: str = EVERYTHING
    hands: dict[str, str] = field(factory=dict)
    limits: dict[str, Decimal] = field(factory=lambda: {name: one.limit for name, one in TASKS.items()})
    applied: dict[str, Decimal] = field(factory=dict)
    simulator: Simulator = field(init=False)
    read: int = 0
    counts: Counter[str] = field(factory=Counter)

    def __attrs_post_init__(self) -> None:
        self.simulator = Simulator.open(self.root / "cloud.db")
        at_the_end(self.simulator.close)
        with self.simulator.exclusive() as db:
            for statement in _statements(_SPY):
                db.execute(statement)
        for name in ("a", "b"):
            (self.root / name).mkdir()
        self.write()

    def write(self) -> None:
        for name in ("a", "b"):
            (self.root / name / "flowplan.yaml").write_text(text_of(self.limits, self.policy))

    # -- commands

    def command(self, where: str, *words: str, cut: Cut | None = None) -> Command:
        environ = {
            "FLOWPLAN_API_URL": f"sim:{self.root / 'cloud.db'}",
            "FLOWPLAN_SETTLE_WINDOW": "0",
            "XDG_STATE_HOME": str(self.root / "state-home"),
            "XDG_CACHE_HOME": str(self.root / "cache-home"),
        }
        state = str(self.root / "flowplan.state.json")
        return Command(("--state", state, *words), str(self.root / where), environ, cut)

    def watcher(self, where: str, cut: Cut | None = None) -> Command:
        return self.command(where, "watch", "--once", cut=cut)

    def person(self) -> Command:
        return self.command("a", "apply", "--auto-approve", "--max-hourly-cost", str(MOST))

    def run(self, *commands: Command) -> list[Ended]:
        ended = run_all(*commands)
        for one in ended:
            assert "Traceback" not in one.err, one.err
        return ended

    def apply(self) -> None:
        [ended] = self.run(self.person())
        assert ended.code == 0, ended
        self.has_applied()

    def has_applied(self) -> None:
        self.hands.clear()
        self.applied = dict(self.limits)

    def ends_well(self) -> None:
        """After a person's last apply all is as it is written, and nothing that was made is left over."""
        [ended] = self.run(self.command("a", "apply", "--auto-approve"))
        assert ended.code == 0, ended
        plan, orphans = self.run(self.command("a", "plan", "--detailed-exitcode"), self.command("b", "orphans"))
        assert plan.code == 0, plan
        assert orphans.out == "Nothing is orphaned.\n", orphans
        assert {name for name, bids in self.live().items() if bids} >= set(TASKS) - {"t19"}

    # -- the cloud

    def rows(self, sql: str, *given: object) -> list[tuple[Any, ...]]:
        with self.simulator.exclusive() as db:
            return db.execute(sql, given).fetchall()

    def now(self) -> int:
        return int(self.rows("SELECT now FROM clock")[0][0])

    def live(self) -> dict[str, list[Bid]]:
        """The bids that are not over, by the name of their task."""
        found: dict[str, list[Bid]] = {name: [] for name in TASKS}
        sql = (
            "SELECT name, seq, fid, status, limit_cents, quantity, auction, away_until IS NOT NULL FROM bids"
            " WHERE status <> 'Terminated'"
        )
        for name, seq, id, status, cents, quantity, auction, away in self.rows(sql):
            found[name].append(Bid(seq, id, status, Decimal(cents) / 100, quantity, auction, bool(away)))
        return found

    def total(self) -> Decimal:
        """What all bids together may cost an hour, by their limits, in dollars."""
        return sum(
            (bid.limit * bid.quantity for bids in self.live().values() for bid in bids if bid.status != "Paused"),
            Decimal(0),
        )

    def events(self) -> list[Event]:
        """What happened since this was last asked."""
        sql = "SELECT n, at, what, name, status, limit_cents, live, cents FROM spied WHERE n > ? ORDER BY n"
        rows = self.rows(sql, self.read)
        self.read = rows[-1][0] if rows else self.read
        return [Event(*row[1:]) for row in rows]

    def passes(self, disturbing: Sequence[Disturbance]) -> None:
        """The time until the next look goes by, with what the cloud does in it: not to what a person has in hand."""
        minute = 0
        for one in disturbing:
            self.simulator.advance((one.minute - minute) * 60)
            minute = one.minute
            for bid in self.live()[one.name] if one.name not in self.hands else ():
                if not one.seconds:
                    self.simulator.faults.end(bid.id)
                    self.counts["ended"] += 1
                elif bid.status == "Allocated":
                    self.simulator.faults.preempt(bid.id, seconds=one.seconds)
                    self.counts["taken back"] += 1
        self.simulator.advance((BETWEEN - minute) * 60)

    def billed(self) -> tuple[float, float]:
        """Instance-hours and dollars so far, as the bill has them."""
        hours, dollars, cursor = 0.0, 0.0, ""
        now = datetime.fromtimestamp(self.now() / 1000, UTC)
        project = self.simulator.faults.third_party("GET", "/v2/projects").json[0]["fid"]
        while True:
            body = self.simulator.faults.third_party(
                "GET", f"/v2/instances/pricing/history?limit=100&project={project}{cursor}"
            ).json
            for event in (event for one in body["instances"] for event in one["events"]):
                end = datetime.fromisoformat(event["end_time"]) if event["end_time"] else now
                took = (end - datetime.fromisoformat(event["start_time"])).total_seconds() / HOUR
                hours, dollars = hours + took, dollars + took * event["price_cents"] / 100
            if not body["next_cursor"]:
                return hours, dollars
            cursor = f"&next_cursor={body['next_cursor']}"

    # -- a person

    def somebody(self, chance: random.Random) -> None:
        """Changes a task in the console, or edits its limit price in the files and does not apply that."""
        free = [name for name, bids in self.live().items() if bids and name not in self.hands and not TASKS[name].hours]
        if len(self.hands) >= 5 or not free:
            return
        name = chance.choice(free)
        [bid] = self.live()[name]
        what = chance.choice(("cancel", "lower", "pause", "edit", "edit"))
        url = f"/v2/spot/bids/{bid.id}"
        if what == "cancel":
            self.simulator.faults.third_party("DELETE", url)
        elif what == "pause":
            self.simulator.faults.third_party("PATCH", url, {"paused": True})
        elif what == "lower":
            self.simulator.faults.third_party("PATCH", url, {"limit_price": f"${bid.limit - _CENT}"})
        else:
            self.limits[name] = TASKS[name].limit + Decimal(chance.randrange(1, 60)) / 100
            self.write()
        self.hands[name] = what
        self.counts[what] += 1


def _statements(script: str) -> Iterator[str]:
    """Those of a script, which `executescript` would run in a transaction of its own."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


@frozen
class Keeper:
    """Who looks after a stack: with which policy, by which command, at each or each so many-th look."""

    policy: str
    command: Literal["watch", "apply", "nobody"]
    every: int


@define
class Judge:
    """Holds a month to what a watch promises, by the auctions themselves."""

    month: Month

    def instants(self, events: Sequence[Event]) -> None:
        """At no moment had a task two bids, or were the limits together above the budget, or one above its cap."""
        for one in events:
            assert one.live <= 1, one
            assert one.cents <= MOST * 100, one
            assert one.limit <= CAP * 100, one
            if one.what != "status":
                self.month.counts["placed" if one.what == "placed" else "limits changed"] += 1
            elif one.status == "Preempting":
                self.month.counts["preempted"] += 1

    def left_alone(self, events: Sequence[Event], hands: dict[str, str]) -> None:
        """What a person has changed is as they left it. `events`: those of the watchers alone."""
        touched = [one for one in events if one.name in hands and one.what != "status"]
        assert not touched, (touched, hands)
        live = self.month.live()
        for name, what in hands.items():
            assert bool(live[name]) == (what != "cancel"), (name, what, live[name])
            assert what != "pause" or live[name][0].status == "Paused", (name, live[name])

    def round(self, ended: Ended, events: Sequence[Event], before: Decimal) -> None:
        """A round alone: each task runs, or there is a reason why its policy does not let it. `before`: the limits
        together as the round began, in dollars an hour: the room that a round makes is for the next one."""
        assert ended.code == (2 if self.month.hands else 0), (ended, self.month.hands)
        raised = self._raised(events)
        sums = [before, *(Decimal(one.cents) / 100 for one in events)]
        total = before + sum(max(later - sooner, Decimal(0)) for sooner, later in pairwise(sums))
        for name, bids in self.month.live().items():
            if name in self.month.hands:
                continue
            why = self._why_not(name, bids, total, raised)
            assert why, (name, TASKS[name], bids, total, ended.out, ended.err)
            self.month.counts[f"because: {why}"] += 1

    def _raised(self, events: Sequence[Event]) -> set[int]:
        """The auctions in which this round raised a limit, or placed a bid with one that is not written."""
        names = {
            one.name
            for one in events
            if one.what in ("limit", "placed") and Decimal(one.limit) / 100 != self.month.applied[one.name]
        }
        return {bid.auction for name in names for bid in self.month.live()[name]}

    def _why_not(self, name: str, bids: Sequence[Bid], total: Decimal, raised: set[int]) -> str:
        """Why a task does not run, or "runs"; "" where nothing keeps it from running."""
        if not bids:
            return self._why_not_placed(name, total, raised)
        [bid] = bids
        if bid.status in ("Allocated", "Preempting"):
            return "runs"
        if bid.away:
            return "the cloud has no room for it"
        return self._why_not_raised(bid.auction, bid.limit, bid.quantity, total - bid.limit * bid.quantity, raised)

    def _why_not_raised(self, seq: int, limit: Decimal, quantity: int, others: Decimal, raised: set[int]) -> str:
        """Why a bid that does not win in an auction at `limit` is not raised."""
        least = self._to_win(seq, quantity)
        if least is None or least > CAP:
            return "more than the cap"
        if limit >= least:
            return ""
        wanted = min((least * Decimal("1.1")).quantize(_CENT, ROUND_CEILING), CAP)
        if others + wanted * quantity > MOST:
            return "the budget"
        if seq in raised:
            return "another of the auction first"
        sql = (
            "SELECT count(*) FROM bids WHERE auction = ? AND status IN ('Allocated', 'Preempting') AND limit_cents < ?"
        )
        return "it would push out one of ours" if self.month.rows(sql, seq, int(least * 100))[0][0] else ""

    def _to_win(self, seq: int, quantity: int) -> Decimal | None:
        with self.month.simulator.exclusive() as db:
            [auction] = [one for one in market.auctions(db) if one.seq == seq]
            cents = market.win_price(db, auction, quantity)
        return None if cents is None else Decimal(cents) / 100

    def _why_not_placed(self, name: str, total: Decimal, raised: set[int]) -> str:
        task = TASKS[name]
        sql = "SELECT created_at, auction, instances FROM bids WHERE name = ? ORDER BY created_at"
        placed = self.month.rows(sql, name)
        if task.hours and any(made != "[]" for _, _, made in placed):
            return "a job that has run"
        now = self.month.now()
        lately = [at for at, _, _ in placed if now - at < 24 * HOUR * 1000]
        if len(lately) > 1 and now < lately[-1] + min(600 * 2 ** (len(lately) - 2), 6 * HOUR) * 1000:
            return "it has ended often"
        limit, auction = self.month.applied[name], placed[-1][1]
        least = self._to_win(auction, task.instances)
        if least is not None and limit < least <= CAP:
            limit = min((least * Decimal("1.1")).quantize(_CENT, ROUND_CEILING), CAP)
        return "the budget" if total + limit * task.instances > MOST else ""


def lives(month: Month, looks: int, seed: int) -> None:
    """So many looks; before each what the cloud does, and then watchers: one, two at the same moment, one that is
    killed, or one and a person's apply. A round alone follows, and is judged."""
    chance, judge = random.Random(seed), Judge(month)
    month.apply()
    judge.instants(month.events())
    for number, disturbing in enumerate(disturbances(seed, looks)):
        month.passes(disturbing)
        if chance.random() < 0.3:
            month.somebody(chance)
        judge.instants(month.events())
        _together(month, judge, number, chance)
        hands, before = dict(month.hands), month.total()
        where = "ab"[number % 2]
        [ended] = month.run(month.watcher(where))
        events = month.events()
        judge.instants(events)
        judge.left_alone(events, hands)
        judge.round(ended, events, before)
        month.counts["rounds"] += 1


def _together(month: Month, judge: Judge, number: int, chance: random.Random) -> None:
    """What happens at the moment of a round besides."""
    what = chance.random()
    if what < 0.10:
        both = month.run(month.watcher("a"), month.watcher("b"))
        assert {one.code for one in both} <= {0, 2, 4} and any(one.code != 4 for one in both), both
        month.counts["two watchers at once"] += 1
        month.counts["of them kept out"] += sum(one.code == 4 for one in both)
    elif what < 0.17:
        [ended] = month.run(month.watcher("ab"[number % 2], Cut("kill", chance.randrange(1, 160))))
        month.counts["killed"] += ended.code == -9
    elif what < 0.25:
        person, *_ = month.run(month.person(), month.watcher("b"))
        month.counts["person beside a watcher"] += 1
        if person.code == 4:
            [person] = month.run(month.person())
        assert person.code in (0, 3), person
        if person.code == 0:
            month.has_applied()
        month.counts["applied by a person"] += person.code == 0
        judge.instants(month.events())
        return
    events = month.events()
    judge.instants(events)
    judge.left_alone(events, month.hands)


def is_kept(month: Month, looks: int, seed: int, keeper: Keeper) -> None:
    """The same time of the same cloud, with nobody but `keeper`."""
    month.apply()
    for number, disturbing in enumerate(disturbances(seed, looks)):
        month.passes(disturbing)
        if keeper.command == "nobody" or number % keeper.every:
            continue
        [ended] = month.run(month.watcher("a") if keeper.command == "watch" else month.person())
        assert ended.code in (0, 2), ended  # 2: a move that the policy does not allow is told


def wanted_hours(hours: int) -> int:
    """The instance-hours of all tasks, if each ran all the time that its lifetime leaves."""
    return sum(one.instances * (min(one.hours, hours) if one.hours else hours) for one in TASKS.values())
