"""One stack and what may happen to it, as rules; after every step the invariants hold."""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import re
import stat
from collections import Counter
from collections.abc import Sequence
from typing import Any

import attrs
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from flowplan.backends.local import Loaded, LocalStore
from flowplan.errors import StateError
from flowplan.simulator import SIMULATOR_KEY
from flowplan.state.codec import dump, load
from flowplan.state.records import Intent
from flowplan.state.state import consistent
from tests.conftest import DESTROY, Result
from tests.faults.disk import WAYS, Cut
from tests.faults.drawn import EDITS, NAMES, OTHERS, PARALLELISM, TASKS, TROUBLE, Edit, Trouble, _lost_answers
from tests.faults.forked import Command, run_all
from tests.faults.lives import Life
from tests.faults.model import PLACES, Judge, LiveVolume, Task, World, shared_name, text_of

APPLY = ("apply", "--auto-approve", "--allow-volume-destroy", "*")


class Stack(Life):
    """One working directory and its cloud."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = {region: self._make_shared(region) for region in sorted({place[2] for place in PLACES})}
        self.tasks: dict[str, Task] = {}
        self.world = World()
        self.read_entries = 0  # of the ledger
        self.alive: dict[str, str] = {}  # "bid NAME" or "volume NAME" -> the id of the live one, by the ledger
        self.born: dict[str, str] = {}  # volume id -> the name it was made under
        self.forgotten: set[str] = set()  # tasks whose bid the state has lost
        self.homeless: set[str] = set()  # the same, until an apply that names them: no file is known to have made them
        self.lagging = False
        self.conditions: dict[str, Any] = {}  # of the cloud, as they were set last
        self.saved: str | None = None  # what a saved plan was made from
        self.planned: Counter[tuple[str, str]] | None = None  # the calls that it says; None: something was unclear

    def _make_shared(self, region: str) -> str:
        body = {
            "name": shared_name(region),
            "project": self.project,
            "disk_interface": "File",
            "region": region,
            "size_gb": 10,
        }
        found: str = self.simulator.faults.third_party("POST", "/v2/volumes", body).json["fid"]
        return found

    # -- edits

    @initialize(first=TASKS, second=st.none() | TASKS)
    def begin(self, first: Task, second: Task | None) -> None:
        self.tasks = {"a": first} | ({"b": second} if second else {})
        self.edit([])

    @rule(edits=EDITS)
    def edit(self, edits: list[Edit]) -> None:
        for edit in edits:
            self._edit(edit)
        (self.path / "flowplan.yaml").write_text(text_of(self.tasks))

    def _edit(self, edit: Edit) -> None:
        found = self._named(edit.name)
        if found is None:
            if edit.what == "add":
                self.tasks[edit.name] = edit.to
        elif edit.what == "storage" and found in self.homeless:
            return  # a volume of which no file is known to name it is left alone
        elif edit.what in ("remove", "rename"):
            if found in self.homeless or (edit.what == "remove" and len(self.tasks) == 1):
                return
            task = self.tasks.pop(found)
            if edit.what == "rename":
                self.tasks[edit.name if "-" in found else f"{edit.name}-2"] = task
        elif edit.what != "add":
            self.tasks[found] = attrs.evolve(self.tasks[found], **{edit.what: edit.to})

    def _named(self, name: str) -> str | None:
        return next((task for task in self.tasks if task.split("-")[0] == name), None)

    # -- what others do

    @rule(what=OTHERS, which=st.integers(0, 2))
    def others(self, what: str, which: int) -> None:
        """Somebody else, or the market, does something to one of our bids or volumes."""
        bids = sorted(bid.id for bid in self.world.ours().values())[which : which + 1]
        if what == "take a name":
            self._somebody_takes_a_name("abc"[which])
        elif what == "rename a volume":
            self._somebody_renames_a_volume(which)
        for bid in bids:
            if what == "preempt":
                with contextlib.suppress(ValueError):  # it holds no instances
                    self.simulator.faults.preempt(bid)
                    self.figures["preemptions"] += 1
            elif what == "cancel":
                self._third_party("DELETE", f"/v2/spot/bids/{bid}")
                self.alive.pop(f"bid {self.world.bids[bid].task}")
            elif what.startswith("$"):
                self._third_party("PATCH", f"/v2/spot/bids/{bid}", {"limit_price": what})

    def _somebody_renames_a_volume(self, which: int) -> None:
        """One that is in the state: the name is all by which a volume in doubt can be found."""
        known = sorted(id for address, id in self._state().items() if address.startswith("volume."))
        for id in known[which : which + 1]:
            self._third_party("PATCH", f"/v2/volumes/{id}", {"name": f"theirs-{id[-6:].lower()}"})

    def _somebody_takes_a_name(self, name: str) -> None:
        """Refused where the name is in use, unless names may be used twice."""
        body = {
            "project": self.project,
            "region": PLACES[0][2],
            "instance_type": PLACES[0][1],
            "limit_price": "$16.00",
            "instance_quantity": 1,
            "name": self._named(name) or name,
            "launch_specification": {"volumes": [], "ssh_keys": [], "startup_script": "echo theirs"},
        }
        self._third_party("POST", "/v2/spot/bids", body)

    @rule(seconds=st.sampled_from([1, 30, 600, 7200]))
    def advance(self, seconds: int) -> None:
        self.simulator.advance(seconds)

    @rule(lag=st.sampled_from([0, 0, 0, 5, 15]), duplicates=st.booleans(), idempotency=st.booleans())
    def the_cloud_is_like(self, lag: int, duplicates: bool, idempotency: bool) -> None:
        self.conditions = {"list_lag": lag, "duplicate_names": duplicates, "idempotency": idempotency}
        self.simulator.faults.set(**self.conditions)
        self.lagging = self.lagging or lag > 0

    def _third_party(self, method: str, path: str, body: dict[str, Any] | None = None) -> None:
        answer = self.simulator.faults.third_party(method, path, body)
        self.figures["third-party edits"] += answer.status < 300

    # -- commands

    @rule(edits=EDITS)
    def plan(self, edits: list[Edit]) -> None:
        self.edit(edits)
        calls, blocked = self._judge().calls(), self._taken_names()
        result = self._run("plan", "--detailed-exitcode", changes=False)
        if not self._unclear():
            expected = 65 if blocked else 3 if self._loses_data(calls) else 2 if calls else 0
            assert result.code in (expected, 2 if expected == 0 else expected), (expected, result)

    @rule(edits=EDITS, parallelism=PARALLELISM, careful=st.booleans())
    def apply(self, edits: list[Edit], parallelism: str, careful: bool) -> None:
        """Without a fault: what it does is known exactly. `careful`: no volume may be destroyed."""
        self.edit(edits)
        words = (*(APPLY[:2] if careful else APPLY), "--parallelism", parallelism)
        exact = not self._unclear()
        judge, expected = self._judge(), self._expected()
        if expected == {0} and careful and self._loses_data(judge.calls()):
            expected = {3}
        result = self._run(*words)
        if not exact:
            assert result.code in {0, 1, 3, 6, 65}, result
        else:
            assert result.code in expected, (expected, result)
            self._hold_calls(judge if result.code == 0 else None)
        if result.code == 0 and not self.lagging:
            self._hold_converged()

    @rule(edits=EDITS, troubles=st.lists(TROUBLE, min_size=1, max_size=2), parallelism=PARALLELISM)
    def apply_in_trouble(self, edits: list[Edit], troubles: list[Trouble], parallelism: str) -> None:
        self.edit(edits)
        self._cause(troubles)
        tolerable = len(troubles) == 1 and troubles[0].tolerable and not self._unclear()
        expected = self._expected()
        result = self._run(*APPLY, "--parallelism", parallelism)
        assert result.code in (expected if tolerable else {0, 1, 6, *expected, 65, 3}), (expected, result)
        self._end_troubles()

    @rule(
        edits=EDITS,
        cut=st.builds(Cut, st.sampled_from(WAYS), st.integers(1, 60)),
        troubles=st.lists(_lost_answers(), max_size=1),
        parallelism=PARALLELISM,
        command=st.sampled_from([APPLY, APPLY, APPLY, APPLY, DESTROY]),
    )
    def apply_is_cut_off(
        self, edits: list[Edit], cut: Cut, troubles: list[Trouble], parallelism: str, command: Sequence[str]
    ) -> None:
        """By SIGKILL, a power cut, or SIGINT, at some write, sync, rename or request."""
        self.edit(edits)
        self._cause(troubles)
        expected = self._expected()
        [ended] = self._fork(Command((*command, "--parallelism", parallelism), "", cut=cut))
        died = {130} if cut.way == "signal" else {-9}
        assert ended.code in {0, 1, 6, *expected, *died, *((3, 65) if self.lagging else ())}, (expected, ended)
        self.figures["kills" if cut.way == "kill" else "signals" if cut.way == "signal" else "power cuts"] += (
            ended.code in died
        )
        self._end_troubles()

    @rule(edits=EDITS, wait=st.booleans(), parallelism=PARALLELISM)
    def two_apply_at_once(self, edits: list[Edit], wait: bool, parallelism: str) -> None:
        self.edit(edits)
        words = (*APPLY, "--parallelism", parallelism, *(("--lock-timeout", "10m") if wait else ()))
        exact, expected = not self._unclear(), self._expected()
        ended = self._fork(Command(words, ""), Command(words, ""))
        codes = {one.code for one in ended}
        if exact:
            again = {0} if expected == {1} else expected  # what ended while in doubt is placed by the second
            assert codes <= expected | again | (set() if wait else {4}), (expected, ended)
            assert codes & (expected | again), ended
        self.figures["second processes"] += 1

    @rule(edits=EDITS)
    def save_a_plan(self, edits: list[Edit]) -> None:
        self.edit(edits)
        result = self._run("plan", "--out", "saved.json", changes=False)
        if result.code == 0:
            self.saved = self._everything()
            self.planned = None if self._unclear() else self._judge().calls()

    @rule()
    def apply_the_saved_plan(self) -> None:
        if self.saved is None:
            return
        exact, unchanged = not self._unclear(), self._everything() == self.saved
        judge, expected = self._judge(), self._expected()
        result = self._run("apply", "saved.json")
        if exact:
            allowed = expected if unchanged and expected != {0} else {0} if unchanged else {0, 3, 65, 1}
            allowed = allowed | ({3} if self._loses_data(judge.calls()) else set())
            assert result.code in allowed, (allowed, result)
            # It does what it says, whatever else has come to differ since.
            calls = judge.calls() if self.planned is None else self.planned
            assert self.new == (calls if result.code == 0 else Counter()), judge

    @rule()
    def destroy(self) -> None:
        exact, expected = not self._unclear(), self._expected(destroying=True)
        judge = attrs.evolve(self._judge(), tasks={})
        result = self._run(*DESTROY)
        if exact:
            assert result.code in expected, (expected, result)
            self._hold_calls(judge if result.code == 0 else None)
            if result.code == 0:
                assert not self._state()
                assert not self.world.ours()

    @rule()
    def recover(self) -> None:
        result = self._run("recover", changes=False)
        assert result.code == 0 or self.lagging, result

    @rule(name=NAMES)
    def lose(self, name: str) -> None:
        """A bid is missing from the state, as in an older copy, and costs on: the next apply knows it by its marker."""
        found = self._named(name)
        if f"bid.{found}" in self._state() and not self._lists_lag():
            store = LocalStore(self.path / "flowplan.state.json")
            loaded = store.read()
            kept = {one: b for one, b in loaded.state.bindings.items() if str(one) != f"bid.{found}"}
            store.save(attrs.evolve(loaded.state, bindings=consistent(kept)), loaded.pending.values())
            self.forgotten.add(found or "")
            self.homeless.add(found or "")

    @rule(name=NAMES)
    def release_and_take_back(self, name: str) -> None:
        """As if nothing had been, but that no file is known any more to name it."""
        found, loaded = self._named(name), self._loaded()
        id = self._state().get(f"bid.{found}")
        if id is None or loaded.pending or not self.world.bids[id].live:
            return
        before = self._without_ports()
        assert self._run("state", "rm", f"bid.{found}", changes=False).code == 0
        assert self._run("orphans", changes=False).code == 0
        assert self._run("import", f"bid.{found}", id, changes=False).code == 0
        assert self._without_ports() == before
        self.homeless.add(found or "")
        self.saved = None  # made from a state that knew the script
        self.figures["released and taken back"] += 1

    @rule(which=st.sampled_from(["json", "journal"]), damage=st.sampled_from([b"", b"{", b"\0" * 64]))
    def the_state_is_damaged(self, which: str, damage: bytes) -> None:
        """And restored: what the backup did not know of is known by its marker."""
        path, loaded = self.path / f"flowplan.state.{which}", self._loaded()
        if not path.exists() or loaded.pending or loaded.journaled or self._lists_lag():
            return
        before = self._state()
        path.write_bytes(damage + (path.read_bytes() if damage and which == "journal" else b""))
        if not self._reads():
            if not self._restorable(before, which):
                path.write_bytes(dump(loaded.state))
                return
            words = ("state", "restore")
            self._ended(words, self._said(*words))
            assert self._reads()
            self.figures["restores"] += 1
        after = self._state()
        lost = {one.removeprefix("bid.") for one in before if one.startswith("bid.") and after.get(one) != before[one]}
        self.saved = None  # made from what was known then
        self.forgotten |= lost
        self.homeless |= lost | self.world.ours().keys()  # which file names it, an older version may not know

    @rule()
    def the_state_is_lost(self) -> None:
        """And rebuilt from the markers, where what is live is what the file says: a volume is known by that alone."""
        if self._pending() or self._lists_lag() or not self.world.ours() or not self._judge().satisfied():
            return
        if any(name != volume.name for name, volume in self._our_volumes().items()):
            return  # somebody renamed it: by no name is it known
        before, forgotten = self._without_ports(), set(self.forgotten)
        for path in self.path.glob("flowplan.state*"):
            path.unlink()
        assert self._run("recover", "--from-live", changes=False).code == 0
        after = self._without_ports()
        assert {one: id for one, id in after.items() if one in before} == before
        assert {one.partition(".")[2] for one in after.keys() - before.keys()} <= forgotten
        self.forgotten.clear()
        self.homeless |= self.world.ours().keys()
        self.saved = None  # made from what was known then
        self.figures["states rebuilt"] += 1

    def _restorable(self, before: dict[str, str], which: str) -> bool:
        """Whether the newest version that reads knows all volumes: of one that it does not, no marker tells."""
        if which == "journal":
            return True
        backup = self.path / "flowplan.state.json.backup"
        known = {str(one): id for one, id in load(backup.read_bytes(), "").ids().items()} if backup.exists() else {}
        return bool(known) and all(known.get(one) == id for one, id in before.items() if one.startswith("volume."))

    def _lists_lag(self) -> bool:
        """What neither the state nor a list shows nobody can know."""
        return bool(self.conditions.get("list_lag"))

    def _reads(self) -> bool:
        try:
            self._loaded()
        except StateError:
            return False
        return True

    def _loaded(self) -> Loaded:
        return LocalStore(self.path / "flowplan.state.json").read()

    # -- how a command is run

    def _run(self, *words: str, changes: bool = True) -> Result:
        """In this process. `changes`: whether it may change anything in the cloud."""
        before, pending = len(self.simulator.ledger(everything=True)), {intent.key for intent in self._pending()}
        result = self._said(*words)
        self._ended(words, result)
        if not changes:  # but what was sent earlier may come now
            sent = [entry for entry in self.simulator.ledger(everything=True)[before:] if entry.key not in pending]
            assert not sent, f"(I7) {words[0]} changed something: {sent}"
        return result

    @staticmethod
    def _said(*words: str) -> Result:
        from flowplan.cli import run

        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(words)
        return Result(code, out.getvalue(), err.getvalue())

    def _fork(self, *commands: Command) -> list[Result]:
        """In processes of their own, all at once."""
        environ = {"FLOWPLAN_API_URL": "sim:"}
        commands = tuple(
            attrs.evolve(command, directory=str(self.path), environ=environ, virtual_time=True) for command in commands
        )
        ended = [Result(one.code, one.out, one.err) for one in run_all(*commands)]
        for command, one in zip(commands, ended, strict=True):
            self._ended((*command.arguments, str(command.cut or "")), one)
        return ended

    def _ended(self, words: Sequence[str], result: Result) -> None:
        self.trace.append(f"{' '.join(words)} -> {result.code} {result.err.strip()[-300:]}")
        assert "Traceback" not in result.err, result
        assert SIMULATOR_KEY not in result.out + result.err, "(I4)"
        self.figures["commands"] += 1
        self._look()
        if result.code == 0 and words[0] in ("apply", "recover", "destroy") and not self.lagging:
            self.forgotten.clear()  # a lagging list may not show it yet
            self.homeless -= self.tasks.keys() if words[0] == "apply" else set()

    def _cause(self, troubles: Sequence[Trouble]) -> None:
        for trouble in troubles:
            self.simulator.faults.add(trouble.on, trouble.does, **trouble.how)  # type: ignore[arg-type]

    def _end_troubles(self) -> None:
        self.figures["faults met"] += sum(one.met for one in self.simulator.faults.seen())
        if any(one.met < (one.fault.times or 1 << 60) for one in self.simulator.faults.seen()):
            self.simulator.faults.clear()
            self.simulator.faults.set(**self.conditions)

    # -- what is expected

    def _unclear(self) -> bool:
        """Whether what comes cannot be told exactly: something is in doubt, or lists lag."""
        return self.lagging or bool(self._pending())

    def _expected(self, *, destroying: bool = False) -> set[int]:
        """The codes a run may end with when nothing goes wrong on the way."""
        if self._taken_names() and not destroying:
            return {65}
        return {1} if self._ended_in_doubt() else {0}

    def _taken_names(self) -> set[str]:
        """Wanted names that a bid of somebody else has, while we have none."""
        return {bid.name for bid in self.world.foreign()} & self.tasks.keys() - self.world.ours().keys()

    def _ended_in_doubt(self) -> bool:
        """Whether a bid in doubt was placed and has ended since: it is not placed again in the same run."""
        pending = {intent.intent for intent in self._pending()}
        return any(not bid.live and bid.intent in pending for bid in self.world.bids.values())

    def _pending(self) -> list[Intent]:
        return [intent for intent in self._loaded().pending.values() if intent.op == "create"]

    @staticmethod
    def _loses_data(calls: Counter[tuple[str, str]]) -> bool:
        return any(method == "DELETE" and what.startswith("volume") for method, what in calls)

    def _judge(self) -> Judge:
        return Judge(self.tasks, self.world.ours(), self._our_volumes(), self.shared)

    def _our_volumes(self) -> dict[str, LiveVolume]:
        return {name: self.world.volumes[id] for id, name in self.born.items() if not self.world.volumes[id].deleted}

    def _everything(self) -> str:
        """All that a plan depends on."""
        return repr((self.tasks, self.world, self._state(), self._pending()))

    # -- what is checked

    def _look(self) -> None:
        """Read the cloud and what is new in its ledger, by which nothing is ever made twice."""
        self.world = World.look(self.simulator, self.project)
        ledger = self.simulator.ledger()
        self.new: Counter[tuple[str, str]] = Counter()
        for entry in ledger[self.read_entries :]:
            kind, id = ("bid" if "/spot/" in entry.path else "volume"), entry.subject or ""
            if kind == "bid":
                what = f"bid {self.world.bids[id].task}"
            else:
                what = f"volume {self.born.setdefault(id, self.world.volumes[id].name)}"
            self.new[entry.method, what] += 1
            if entry.method == "POST":
                assert what not in self.alive, f"{what} was created twice: {self.alive[what]} and {id}"
                self.alive[what] = id
                self.figures["creations"] += 1
            elif entry.method == "DELETE":
                assert id not in self.shared.values(), "an attached volume was deleted"
                assert self.alive.pop(what, id) == id
        self.read_entries = len(ledger)
        keys = Counter(entry.key for entry in ledger if entry.method == "POST")
        assert not [key for key, count in keys.items() if count > 1 or key is None], "a key was executed twice"

    def _hold_calls(self, judge: Judge | None) -> None:
        """What was done is what had to be done (None: nothing)."""
        assert self.new == (judge.calls() if judge else Counter()), judge

    def _hold_converged(self) -> None:
        judge = self._judge()
        assert judge.satisfied(), judge.calls()
        state = self._state()
        live = {f"bid.{name}": bid.id for name, bid in self.world.ours().items()}
        live |= {f"volume.{name}": volume.id for name, volume in self._our_volumes().items()}
        assert {a: id for a, id in state.items() if not a.startswith("ports.")} == live
        ports = {f"ports.{name}" for name, task in self.tasks.items() if task.ports}
        assert {address for address in state if address.startswith("ports.")} == ports

    def _state(self) -> dict[str, str]:
        return {str(address): id for address, id in self._loaded().state.ids().items()}

    def _without_ports(self) -> dict[str, str]:
        """What the state holds itself: the ports of a bid that was taken in come with the next apply."""
        return {one: id for one, id in self._state().items() if not one.startswith("ports.")}

    @invariant()
    def holds(self) -> None:
        self._look()
        self._holds_i1_and_i2()
        self._holds_i3_and_i6()

    def _holds_i1_and_i2(self) -> None:
        live = [bid for bid in self.world.bids.values() if bid.live and bid.task is not None]
        assert len({bid.lineage for bid in live}) <= 1, "a second stack"
        counts = Counter(bid.task for bid in live)
        assert not [name for name, count in counts.items() if count > 1], f"(I2) {counts}"
        known = set(self._state().values())
        names = {str(intent.address) for intent in self._pending()}
        orphans = [f"bid.{bid.task}" for bid in live if bid.id not in known and bid.task not in self.forgotten]
        orphans += [f"volume.{name}" for name, volume in self._our_volumes().items() if volume.id not in known]
        assert set(orphans) <= names, f"(I1) neither in the state nor in doubt: {set(orphans) - names}"
        for bid in self.world.foreign():
            assert (str(bid.price), bid.script) == ("16.00", None), f"somebody else's bid was changed: {bid}"

    def _holds_i3_and_i6(self) -> None:
        for name in ("flowplan.state.json", "flowplan.state.journal", "flowplan.state.json.backup", "flowplan.lock"):
            path = self.path / name
            if not path.exists():
                continue
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, f"(I3) {name}"
            assert SIMULATOR_KEY.encode() not in path.read_bytes(), f"(I4) {name}"
            if name == "flowplan.lock":
                with path.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # (I6): else BlockingIOError

    # -- the end

    def _converge(self) -> None:
        """Faults stop, others take their bids away: one apply, and there is nothing left to do, now and later."""
        self.simulator.faults.clear()
        self.lagging = False
        for bid in self.world.foreign():
            self._third_party("DELETE", f"/v2/spot/bids/{bid.id}")
        self._look()
        exact, judge = not self._pending(), self._judge()
        if self._ended_in_doubt():
            assert self._run(*APPLY).code == 1
        result = self._run(*APPLY)
        assert result.code == 0, result
        if exact:
            self._hold_calls(judge)
        for seconds in (0, 60):  # nothing comes late
            self.simulator.advance(seconds)
            self._look()
            self._hold_converged()
            self.holds()
            result = self._run("plan", "--detailed-exitcode", changes=False)
            assert result.code == 0, result
        state = json.loads((self.path / "flowplan.state.json").read_text())
        assert not re.search(r"fkey_", json.dumps(state))
