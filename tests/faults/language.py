"""A stack file, two environments of it, and what may happen to both, as rules; after every step the invariants hold.

What a run may do is what its plan said right before: nothing else is bought, changed or ended, and a run that succeeds
does all of it. What a plan itself may say is held against the file: what is protected stays, what has ended is
cancelled, and when everything was done nothing is left to do.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeVar

import attrs
from attrs import frozen
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from flowplan.backends.local import Loaded, LocalStore
from flowplan.simulator import LedgerEntry
from flowplan.startup import marker
from tests.conftest import Result
from tests.faults.disk import WAYS, Cut
from tests.faults.drawn import PARALLELISM, TROUBLE, Trouble
from tests.faults.forked import Command, run_all
from tests.faults.lives import Life
from tests.faults.stack_text import (
    EDITS,
    ENVIRONMENTS,
    KEPT,
    NAMES,
    TASKS,
    Edit,
    File,
    Kept,
    Written,
    edited,
    giving_up,
)

ANY_VOLUME = ("--allow-volume-destroy", "*")
ENVIRONMENT = st.sampled_from([ENVIRONMENTS[0], *ENVIRONMENTS])
OTHERS = st.sampled_from(["$19.00", "$30.00", "cancel", "cancel", "pause", "preempt", "outbid", "free the names"])
SELECTIONS = st.sampled_from(["", "", "", "", "--target", "--exclude", "--replace", "--replace"])


@frozen
class Bid:
    """A bid as the API shows it. `address` is that of its marker, "" without one."""

    id: str
    name: str
    status: str
    price: Decimal
    quantity: int
    lineage: str
    address: str

    @property
    def live(self) -> bool:
        return self.status != "Terminated"


@frozen
class Planned:
    """What a plan is about to do: its exit code, address -> actions, and why. `bounded`: the bids with a lifetime,
    which an apply ends once it is over, also where no plan can be made."""

    code: int
    actions: Mapping[str, tuple[str, ...]]
    reasons: Mapping[str, str]
    bounded: frozenset[str]

    def of(self, *wanted: str) -> set[str]:
        return {address for address, actions in self.actions.items() if set(actions) & set(wanted)}


class Language(Life):
    """One working directory with a state for each environment, and their cloud."""

    def __init__(self) -> None:
        super().__init__()
        self.start: datetime = self.simulator.now()
        self.file = File({}, {})
        self.bids: dict[str, Bid] = {}
        self.volumes: dict[str, str] = {}  # id -> name, of those that are not deleted
        self.saved: dict[str, Planned] = {}
        self.read_entries = 0

    # -- edits

    @initialize(first=TASKS, second=st.none() | TASKS, kept=KEPT)
    def begin(self, first: Written, second: Written | None, kept: Kept) -> None:
        self.file = File({"a": first} | ({"b": second} if second else {}), {"v": kept})
        self.edit([])

    @rule(edits=EDITS)
    def edit(self, edits: list[Edit]) -> None:
        for edit in edits:
            self.file = edited(self.file, edit)
        self._write(self.file)

    def _write(self, file: File) -> None:
        (self.path / "flowplan.yaml").write_text(file.text(self.start))

    # -- what others do

    @rule(what=OTHERS, which=st.integers(0, 5))
    def others(self, what: str, which: int) -> None:
        """Somebody in the console, or the market, does something to one of our bids."""
        for bid in _chosen([one for one in self._ours() if one.live], which):
            if what == "preempt":
                with contextlib.suppress(ValueError):  # it holds no instances
                    self.simulator.faults.preempt(bid.id)
            elif what == "cancel":
                self._third_party("DELETE", f"/v2/spot/bids/{bid.id}")
            elif what == "pause":
                self._third_party("PATCH", f"/v2/spot/bids/{bid.id}", {"paused": True})
            elif what == "outbid":
                self._outbid()
            elif what.startswith("$"):
                self._third_party("PATCH", f"/v2/spot/bids/{bid.id}", {"limit_price": what})
        if what == "free the names":
            self._free_names()

    def _free_names(self) -> None:
        """Nobody pays any more for what was released."""
        for bid in self.bids.values():
            if bid.live and bid.id in self._released():
                self._third_party("DELETE", f"/v2/spot/bids/{bid.id}")

    def _outbid(self) -> None:
        body = {
            "project": self.project,
            "region": "us-central1-b",
            "instance_type": "it_5ECSoHQjLBzrp5YM",
            "limit_price": "$99.00",
            "instance_quantity": 4,
            "name": f"rival-{len(self.bids)}",
            "launch_specification": {"volumes": [], "ssh_keys": [], "startup_script": "echo theirs"},
        }
        self._third_party("POST", "/v2/spot/bids", body)

    def _third_party(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        answer = self.simulator.faults.third_party(method, path, body)
        self.trace.append(f"# {method} {path} {body or ''} -> {answer.status}")
        self.figures["third-party edits"] += answer.status < 300

    @rule(seconds=st.sampled_from([1, 600, 7200, 7200, 40000]))
    def advance(self, seconds: int) -> None:
        self.trace.append(f"# {seconds} s later")
        self.simulator.advance(seconds)

    # -- commands

    @rule(
        edits=EDITS,
        environment=ENVIRONMENT,
        parallelism=PARALLELISM,
        careful=st.booleans(),
        select=SELECTIONS,
        which=st.sampled_from(["task.*", *(f"task.{name}" for name in NAMES), "volume.v"]),
    )
    def apply(
        self, edits: list[Edit], environment: str, parallelism: str, careful: bool, select: str, which: str
    ) -> None:
        self.edit(edits)
        words = [*(() if careful else ANY_VOLUME), *((select, which) if select else ())]
        self._apply(environment, words, parallelism)

    def _apply(self, environment: str, words: Sequence[str], parallelism: str = "10") -> int:
        """Apply, and hold what it did against the plan right before."""
        planned, known, exact = self._plan(environment, words), self._known(environment), not self._pending(environment)
        before = self._worst(environment)
        result = self._run(
            environment, "apply", "--auto-approve", "--timeout", "2m", "--parallelism", parallelism, *words
        )
        if exact:
            allowed = {planned.code} if planned.code in (3, 64, 65) else {0, 1}
            assert result.code in allowed, (allowed, result)
            self._hold_to_plan(environment, planned, known, done=result.code == 0)
        self._hold_protected(known, allowed="*" in words)
        selected = {"--target", "--exclude", "--replace"} & set(words)
        if result.code == 0:
            self._hold_budget(environment, before)
            if not selected or "--replace" in words:
                self._hold_settled(environment)
        return result.code

    @rule(edits=EDITS, environment=ENVIRONMENT, troubles=st.lists(TROUBLE, min_size=1, max_size=2))
    def apply_in_trouble(self, edits: list[Edit], environment: str, troubles: list[Trouble]) -> None:
        self.edit(edits)
        planned, known, exact = self._plan(environment), self._known(environment), not self._pending(environment)
        for trouble in troubles:
            self.simulator.faults.add(trouble.on, trouble.does, **trouble.how)  # type: ignore[arg-type]
        result = self._run(environment, "apply", "--auto-approve", "--timeout", "2m")
        assert result.code in {0, 1, 3, 6, 65}, result
        self.simulator.faults.clear()
        if exact:
            self._hold_to_plan(environment, planned, known, done=False)
        self._hold_protected(known, allowed=False)

    @rule(
        edits=EDITS,
        environment=ENVIRONMENT,
        cut=st.builds(Cut, st.sampled_from(WAYS), st.integers(1, 80)),
        words=st.sampled_from([("apply", "--timeout", "2m"), ("apply", "--replace", "task.*"), ("destroy",)]),
    )
    def a_run_is_cut_off(self, edits: list[Edit], environment: str, cut: Cut, words: tuple[str, ...]) -> None:
        self.edit(edits)
        known = self._known(environment)
        [ended] = self._fork(environment, (*words, "--auto-approve", *ANY_VOLUME), cut)
        self.figures["runs cut off"] += ended.code in (-9, 130)
        self._hold_protected(known, allowed=True)

    @rule(edits=EDITS, environment=ENVIRONMENT)
    def save_a_plan(self, edits: list[Edit], environment: str) -> None:
        self.edit(edits)
        planned = self._plan(environment, ("--out", f"{environment}.plan"))
        if planned.code == 0:  # the file is another one now
            self.saved.pop(environment, None)
            if not self._pending(environment):
                self.saved[environment] = planned

    @rule(environment=ENVIRONMENT)
    def apply_the_saved_plan(self, environment: str) -> None:
        if environment not in self.saved:
            self.save_a_plan([], environment)
        planned, known = self.saved.pop(environment, None), self._known(environment)
        if planned is None:
            return
        exact = not self._pending(environment)
        result = self._run(environment, "apply", "--timeout", "2m", f"{environment}.plan", variables=False)
        assert result.code in {0, 1, 3, 65}, result
        self._hold_to_plan(environment, planned, known, done=result.code == 0 and exact)
        self._hold_protected(known, allowed=False)
        self.figures["saved plans applied"] += result.code == 0

    @rule(environment=ENVIRONMENT)
    def refresh(self, environment: str) -> None:
        result = self._run(environment, "apply", "--refresh-only", "--auto-approve", changes=False)
        assert result.code in {0, 3, 6, 65}, result  # 3: an import block names a bid of the other environment

    @rule(environment=ENVIRONMENT, words=st.sampled_from([(), ("--keep-volumes",), ANY_VOLUME]))
    def destroy(self, environment: str, words: tuple[str, ...]) -> None:
        known = self._known(environment)
        was_protected = any(one.protected for one in self._loaded(environment).state.bindings.values())
        result = self._run(environment, "destroy", "--auto-approve", *words)
        self._hold_protected(known, allowed="*" in words)
        protected = any(one.prevent for one in (*self.file.tasks.values(), *self.file.volumes.values()))
        if words and not protected and not was_protected:
            assert result.code == 0, result
        if result.code == 0:
            self._hold_ended(environment)

    @rule(environment=ENVIRONMENT, which=st.integers(0, 5))
    def release(self, environment: str, which: int) -> None:
        addresses = [one for one in sorted(self._known(environment).values()) if one.startswith("bid.")]
        for address in _chosen(addresses, which):
            assert self._run(environment, "state", "rm", address, changes=False).code in {0, 1, 6}

    @rule(environment=ENVIRONMENT, which=st.integers(0, 5), by_block=st.booleans())
    def take_back(self, environment: str, which: int, by_block: bool) -> None:
        """A bid that was released, under an address of the file."""
        released = [one for one in self._released(environment) if self.bids[one].live]
        addresses = sorted(self.file.addresses().keys() - set(self._known(environment).values()))
        if not released or not addresses:
            return
        address, id = addresses[which % len(addresses)], released[which % len(released)]
        if by_block:
            self.file = attrs.evolve(self.file, imports=((address, id),))
            self.edit([])
        else:
            self._run(environment, "import", address, id, changes=False)

    @rule(environment=ENVIRONMENT, which=st.integers(0, 5), name=st.sampled_from(NAMES))
    def rename_in_the_state(self, environment: str, which: int, name: str) -> None:
        addresses = [one for one in sorted(self._known(environment).values()) if one.startswith("bid.")]
        for address in _chosen(addresses, which):
            self._run(environment, "state", "mv", address, f"bid.{name}", changes=False)

    @rule(environment=ENVIRONMENT, which=st.integers(0, 5))
    def restore(self, environment: str, which: int) -> None:
        listed = self._run(environment, "state", "history", "--format", "json", changes=False)
        serials = sorted(one["serial"] for one in json.loads(listed.out)["versions"])
        for serial in _chosen(serials[-2::-1], which):
            result = self._run(environment, "state", "restore", str(serial), changes=False)
            assert result.code in {0, 3, 5, 6}, result
            self.figures["versions restored"] += result.code == 0

    @rule(environment=ENVIRONMENT)
    def recover(self, environment: str) -> None:
        result = self._run(environment, "recover", changes=False)
        assert result.code == 0, result

    # -- how a command is run

    def _words(self, environment: str, words: Sequence[str], *, variables: bool = True) -> tuple[str, ...]:
        return ("--state", f"{environment}.json", *words, *(("--var", f"env={environment}") if variables else ()))

    def _plan(self, environment: str, words: Sequence[str] = ()) -> Planned:
        result = self._run(environment, "plan", "--format", "json", *words, changes=False)
        assert result.code in {0, 3, 64, 65}, result
        body = json.loads(result.out) if result.out.startswith("{") else {}
        found = {one["address"]: one for one in body.get("resource_changes", ())}
        self.figures[f"plans of {result.code}"] += 1
        written = {address for address, task in self.file.addresses().items() if task.ending}
        bindings = self._loaded(environment).state.bindings
        return Planned(
            result.code,
            {address: tuple(one["change"]["actions"]) for address, one in found.items()},
            {address: str(one["action_reason"]) for address, one in found.items()},
            frozenset(written | {str(address) for address, one in bindings.items() if one.lifetime is not None}),
        )

    def _run(self, environment: str, *words: str, changes: bool = True, variables: bool = True) -> Result:
        from flowplan.cli import run

        pending = {intent.key for intent in self._loaded(environment).pending.values()}
        before = len(self.simulator.ledger(everything=True))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(self._words(environment, words, variables=variables))
        result = Result(code, out.getvalue(), err.getvalue())
        self._ended(environment, words, result)
        if not changes:
            sent = [entry for entry in self.simulator.ledger(everything=True)[before:] if entry.key not in pending]
            assert not sent, f"{words[0]} changed something: {sent}"
        return result

    def _fork(self, environment: str, words: Sequence[str], cut: Cut) -> list[Result]:
        command = Command(
            self._words(environment, words), str(self.path), {"FLOWPLAN_API_URL": "sim:"}, cut, virtual_time=True
        )
        ended = [Result(one.code, one.out, one.err) for one in run_all(command)]
        for one in ended:
            self._ended(environment, (*words, str(cut)), one)
        return ended

    def _ended(self, environment: str, words: Sequence[str], result: Result) -> None:
        self.trace.append(f"{environment}: {' '.join(words)} -> {result.code} {result.err.strip()[-600:]}")
        assert "Traceback" not in result.err and result.code != 70, result
        self.figures["commands"] += 1
        self._look()

    # -- what there is

    def _look(self) -> None:
        rows: list[dict[str, Any]] = []
        cursor: str | None = ""
        while cursor is not None:
            path = f"/v2/spot/bids?project={self.project}&limit=100" + (f"&next_cursor={cursor}" if cursor else "")
            page = self.simulator.faults.third_party("GET", path).json
            rows, cursor = [*rows, *page["data"]], page["next_cursor"]
        before, self.bids = self.bids, {row["fid"]: _bid(row) for row in rows}
        listed = self.simulator.faults.third_party("GET", f"/v2/volumes?project={self.project}").json
        self.volumes = {row["fid"]: row["name"] for row in listed}
        ledger = self.simulator.ledger()
        self.new: list[LedgerEntry] = ledger[self.read_entries :]
        self.read_entries = len(ledger)
        self._hold_single(before)

    def _ours(self) -> list[Bid]:
        return sorted((bid for bid in self.bids.values() if bid.address), key=lambda bid: (bid.name, bid.id))

    def _loaded(self, environment: str) -> Loaded:
        return LocalStore(self.path / f"{environment}.json").read()

    def _pending(self, environment: str) -> bool:
        return any(intent.op == "create" for intent in self._loaded(environment).pending.values())

    def _known(self, environment: str) -> dict[str, str]:
        """id -> address."""
        ids = self._loaded(environment).state.ids()
        return {id: str(address) for address, id in ids.items() if not str(address).startswith("ports.")}

    def _released(self, *environments: str) -> list[str]:
        found = {one for name in environments or ENVIRONMENTS for one in self._loaded(name).state.released}
        return sorted(found & self.bids.keys())

    def _worst(self, environment: str) -> Decimal:
        known = self._known(environment)
        prices = [one.price * one.quantity for one in self._ours() if one.id in known and one.status not in _FREE]
        return sum(prices, Decimal(0))

    # -- what is held

    def _hold_single(self, before: Mapping[str, Bid]) -> None:
        """No address is bought while it is live, unless its successor is to be made first."""
        alive = {environment: self._known(environment) for environment in ENVIRONMENTS}
        for entry in self.new:
            bid = self.bids.get(entry.subject or "")
            if entry.method != "POST" or bid is None:
                continue
            task = self.file.addresses().get(bid.address)
            assert task is not None, f"{bid} is in no file"
            environment = bid.name.partition("-")[0]
            twins = [id for id, address in alive[environment].items() if address == bid.address and id != bid.id]
            twins = [id for id in twins if self.bids[id].live]
            assert not twins or task.first, f"{bid} was bought while {twins} live"

    def _hold_to_plan(self, environment: str, planned: Planned, known: Mapping[str, str], *, done: bool) -> None:
        """What was executed is what the plan said; all of it, if it is `done`."""
        after = self._known(environment)
        made, ended = set(), set()
        for entry in self.new:
            id = entry.subject or ""
            address = (
                after.get(id)
                or self.file.now_at(known.get(id, ""))
                or (self.bids[id].address if id in self.bids else "")
            )
            address = address.partition("@")[0]
            if not address and entry.path.startswith("/v2/volumes"):
                address = f"volume.{self.volumes.get(id, '').removeprefix(environment + '-')}"
            if entry.method == "POST":
                assert address in planned.of("create"), f"{address} was made, and not planned: {planned}"
                assert (entry.method, address) not in made, f"{address} was made twice"
                made.add(address)
            elif entry.method == "DELETE":
                ends = {one.partition("@")[0] for one in planned.of("delete")}
                assert address in ends | (planned.bounded if planned.code == 65 else set()), f"{address}: {planned}"
                ended.add(address)
            else:
                assert address in planned.of("create", "update"), f"{address} was changed: {planned}"
        if done:
            wanted = {one for one in planned.of("create") if not one.startswith("ports.")}
            assert made == wanted, f"made {made}, not {wanted}"
            wanted = {one.partition("@")[0] for one in planned.of("delete") if not one.startswith("ports.")}
            assert ended == wanted, f"ended {ended}, not {wanted}"
            self.figures["applies as planned"] += 1

    def _hold_protected(self, known: Mapping[str, str], *, allowed: bool) -> None:
        """No volume went that was not to, and nothing that is protected."""
        addresses = self.file.addresses()
        for entry in self.new:
            address = known.get(entry.subject or "", "")
            if entry.method != "DELETE" or not address:
                continue
            if entry.path.startswith("/v2/volumes"):
                kept = self.file.volumes.get(address.removeprefix("volume."))
                assert allowed, f"{address} was destroyed without permission"
                assert kept is None or not kept.prevent, f"{address} is protected"
            elif address in addresses:
                assert not addresses[address].prevent, f"{address} is protected"

    def _hold_budget(self, environment: str, before: Decimal) -> None:
        if self.file.budget is not None:
            now = self._worst(environment)
            assert now <= max(Decimal(self.file.budget), before), f"${now} an hour, of ${self.file.budget}"

    def _hold_settled(self, environment: str) -> None:
        """Nothing is left to do but what time has brought since, and nothing runs past its end."""
        planned, now = self._plan(environment), self.simulator.now()
        assert planned.code == 0, planned
        left = planned.of("create", "delete", "update", "import", "forget")
        late = {one for one in left if planned.reasons[one].startswith(("delete_because_lifetime", "completed"))}
        ports = {one for one in left if one.startswith("ports.")}
        assert left - ports <= late, f"left to do: {planned}"
        live = {address for id, address in self._known(environment).items() if id in self.bids and self.bids[id].live}
        over = {
            address
            for address, task in self.file.addresses().items()
            if task.ending and task.ending.what == "end_at" and task.ending.end(self.start) < now
        }
        assert not (live & over) - late, f"past its end: {live & over}"
        assert not [one for one in self._known(environment).values() if "@" in one]

    def _hold_ended(self, environment: str) -> None:
        lineage, released = self._loaded(environment).state.lineage, self._released()
        live = [bid for bid in self._ours() if bid.live and bid.lineage == lineage and bid.id not in released]
        assert not live, f"live after a destroy: {live}"

    @invariant()
    def nobody_is_lost(self) -> None:
        self._look()
        states = [self._loaded(environment) for environment in ENVIRONMENTS]
        known = {id for one in states for id in one.state.ids().values()} | set(self._released())
        doubtful = {str(intent.address) for one in states for intent in one.pending.values()}
        lost = [bid for bid in self._ours() if bid.live and bid.id not in known and bid.address not in doubtful]
        assert not lost, f"neither in a state nor in doubt: {lost}"

    # -- the end

    def _told(self) -> list[str]:
        return [*self.trace, self.file.text(self.start)]

    def _converge(self) -> None:
        """Nothing goes wrong any more: an apply leaves nothing to do, and a destroy nothing live."""
        self.simulator.faults.clear()
        self._free_names()
        for environment in ENVIRONMENTS:
            self._run(environment, "recover", changes=False)
            self._apply(environment, ANY_VOLUME)
        known = {one for environment in ENVIRONMENTS for one in self._known(environment).values()}
        self.file = giving_up(known)
        self._write(self.file)
        for environment in ENVIRONMENTS:
            result = self._run(environment, "destroy", "--auto-approve", *ANY_VOLUME)
            assert result.code == 0, result
            self._hold_ended(environment)
            assert not self._known(environment)


_T = TypeVar("_T")
_FREE = ("Terminated", "Paused")


def _chosen(found: Sequence[_T], which: int) -> Sequence[_T]:
    """One of those that were found, if there are any."""
    return [found[which % len(found)]] if found else []


def _bid(row: dict[str, Any]) -> Bid:
    found = marker.read(row["launch_specification"]["startup_script"] or "")
    return Bid(
        id=row["fid"],
        name=row["name"],
        status=row["status"],
        price=Decimal(row["limit_price"].removeprefix("$")),
        quantity=row["instance_quantity"],
        lineage=found.lineage if found else "",
        address=str(found.address) if found else "",
    )
