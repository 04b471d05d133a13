"""What an interrupted scenario is held to: nothing is lost, made twice or left undone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from attrs import frozen

from flowplan.errors import StateError
from flowplan.model.address import Address
from flowplan.model.resources import Bid
from flowplan.state.codec import load
from flowplan.state.state import Binding, State
from tests.faults.points import Act
from tests.faults.runner import Ran, Runner
from tests.faults.scenarios import KEEPING, RESTORE, STATE, Cloud, Folder, Scenario

SAID = {
    "kill": "killed",
    "torn": "killed in the middle of a write",
    "power": "the power lost",
    "short": "short writes",
    "full": "no room from there on",
    "reset": "the connection broken",
}
STOPPED = ("; what was stopped is in the journal", "; what only stops goes on without it")


def stopped(ran: Ran) -> bool:
    """What was to stop has, though there was no room for the journal, or the state; or only for the lock's name."""
    return went_on(ran) or "names nobody: No space" in " ".join(ran.err.split())


def went_on(ran: Ran) -> bool:
    """It says that it goes on without the journal, or the state."""
    said = " ".join(ran.err.split())
    return any(f"{why}{what}" in said for why in ("No space left on device", "Input/output error") for what in STOPPED)


@frozen
class Reference:
    """The end of a run that nothing disturbed."""

    cloud: Cloud
    addresses: Mapping[str, Any]
    points: tuple[str, ...]
    told: Mapping[str, Any]


def numbers(labels: Sequence[str], wanted: Callable[[str], bool]) -> list[int]:
    """The numbers, from 1, of the points whose label is `wanted`."""
    return [number for number, label in enumerate(labels, 1) if wanted(label)]


class Undone(AssertionError):
    """What an interruption left undone, made twice or lost."""


class Proof:
    """One scenario: interrupt it at a point, look, go on, look again. Counts what it finds."""

    def __init__(
        self,
        name: str,
        scenario: Scenario,
        scratch: Path,
        runner: Runner,
        folder: Callable[[Path, Runner], Folder] = Folder,
    ) -> None:
        self.name, self.scenario = name, scenario
        self.met: Counter[str] = Counter()  # act -> points
        self.orphans = self.duplicates = 0
        self.undone: list[str] = []
        path = scratch / "template" / "work"
        path.mkdir(parents=True)
        self.template = folder(path, runner)
        scenario.prepare(self.template)
        self.old = _Files.of(self.template)
        self._proved_again_from_old: set[str] = set()
        self.reference = self._undisturbed()

    def _undisturbed(self) -> Reference:
        folder = self.template.copied("reference")
        ran = folder.run(self.scenario.command, counting=True)
        assert ran.codes == [0], ran
        self._go_on(folder, "nowhere")
        return Reference(folder.cloud(), _recorded(folder), tuple(ran.points), folder.told())

    def numbers(self, wanted: Callable[[str], bool]) -> list[int]:
        """The numbers of the points whose label is `wanted`."""
        return numbers(self.reference.points, wanted)

    @property
    def restores(self) -> bool:
        """Whether the command is `state restore`, whose old state is damaged."""
        return self.scenario.command == RESTORE

    # -- one point

    def interrupt(self, at: int, act: Act, allowed: Callable[[Sequence[str], Ran], bool]) -> None:
        """Let the command meet `act` at point `at`, and prove that nothing comes of it. `allowed`: whether the
        command may end like this, given the labels of the points from `at` on."""
        folder = self.template.copied("disturbed")
        ran = folder.run(self.scenario.command, at=at, act=act)
        if self.scenario.parallel and not ran.happened:
            return  # this time there were fewer
        rest = self.reference.points[at - 1 :]
        where = f"{act} at {at} ({rest[0]})"
        self.met[act] += 1
        roughly = self.scenario.parallel and ran.codes in ([0], [5])  # the labels may be those of other points
        try:
            self._hold(ran.happened and (allowed(rest, ran) or roughly), where, f"ended with {ran}")
            without = ran.codes == [0] and (stopped(ran) if act == "full" else went_on(ran))  # full: nor any later
            self._hold(self.scenario.stops or not without, where, f"what does more than stop did without room: {ran}")
            self._hold(70 not in ran.codes, where, f"a traceback: {ran.err}")
            self.prove(folder, where, act)
        except (Undone, StateError) as problem:
            self.undone.append(str(problem))

    def interrupt_twice(self, at: int, choose: Callable[[Sequence[str]], Iterable[int]]) -> None:
        """Kill the command at point `at`, and what goes on after it at each of the points that are chosen by its
        labels: a further run then puts everything right."""
        first = self.template.copied("first")
        assert first.run(self.scenario.command, at=at).signal == 9
        again = self.scenario.again[0]
        labels = first.copied("counted").run(again, counting=True).points
        for number in choose(labels):
            folder = first.copied("disturbed")
            where = f"killed at {at} ({self.reference.points[at - 1]}) and again at {number} ({labels[number - 1]})"
            self.met["killed twice"] += 1
            try:
                self._hold(folder.run(again, at=number).signal == 9, where, "the second kill did not happen")
                self.prove(folder, where, "kill", runs=2)
            except (Undone, StateError) as problem:
                self.undone.append(str(problem))

    def prove(self, folder: Folder, where: str, kind: str, *, runs: int = 1) -> None:
        """Check, go on, and check the end, after so many interrupted runs. From a place where nothing has changed yet,
        going on is proved once for each `kind` of interruption and each standing of the place."""
        self.check_in_between(folder, where, runs)
        if _Files.of(folder) == self.old:
            standing = f"{kind}, {folder.standing()}"
            if standing in self._proved_again_from_old:
                return
            self._proved_again_from_old.add(standing)
        self._go_on(folder, where)
        self.check_at_the_end(folder, where)

    def conclude(self) -> None:
        """Print the figure, and raise AssertionError with all that was undone."""
        points = self.met.total()
        acts = ", ".join(f"{count} {SAID.get(act, act)}" for act, count in self.met.items())
        print(
            f"{self.name}: {points} points ({acts}): {points - len(self.undone)} recovered, "
            f"{self.duplicates} duplicates, {self.orphans} orphans"
        )
        assert not self.undone, "\n".join(self.undone)
        assert points

    # -- right after the interruption

    def check_in_between(self, folder: Folder, where: str, runs: int = 1) -> None:
        """Nothing lost, nothing twice, files whole and private, the lock free."""
        cloud = folder.cloud()
        self._hold(folder.private(), where, "a file is not private")
        self._hold(folder.lock_is_free(), where, "the lock is held")
        self._hold_old_or_new(folder, where, runs)
        self._hold_no_orphans(folder, cloud, where)
        twice = [what for what, count in Counter(cloud.live.values()).items() if count > 1]
        self.duplicates += len(twice)
        self._hold(not twice, where, f"live twice: {twice}")

    def _hold_no_orphans(self, folder: Folder, cloud: Cloud, where: str) -> None:
        """Every live object that flowplan made is in the state, or its create is in doubt."""
        try:
            loaded = folder.store().read()
        except StateError as error:  # `state restore` begins with such a state, and may be killed setting it aside
            now = folder.holds("snapshot")
            as_found = self.restores and now in (None, self.old.state)
            self._hold(as_found, where, f"the state does not read: {error}")
            return
        bound = {binding.id for binding in loaded.state.bindings.values()}
        keys = {intent.key for intent in loaded.pending.values() if intent.op == "create"}
        bound |= loaded.state.released
        lost = [id for id, key in cloud.creates.items() if id in cloud.live and id not in bound and key not in keys]
        if self.restores:
            lost = []  # the backup is of an earlier run: what was made since carries a marker
        if self.scenario.command == KEEPING:
            lost = [id for id in lost if cloud.live[id].startswith("bid")]
        self.orphans += len(lost)
        self._hold(not lost, where, f"orphans: {[cloud.live[id] for id in lost]}")
        self._hold_ports(loaded.state, where)

    def _hold_ports(self, state: State, where: str) -> None:
        """The ports in the state are those of the bids in it; and a bid that had ports has them until it has ended, or
        a successor has its address."""
        ports, bids = ({a.name: b.id for a, b in state.bindings.items() if a.kind == kind} for kind in ("ports", "bid"))
        stray = {name: id for name, id in ports.items() if bids.get(name) != id}
        self._hold(not stray, where, f"ports without their bid: {stray}")
        old = load(self.old.state, STATE).bindings if self.old.state and not self.restores else {}
        had = {a.name: b.id for a, b in old.items() if a.kind == "ports"}
        lack = {name: id for name, id in had.items() if bids.get(name) == id and name not in ports}
        lack = {name: id for name, id in lack.items() if not state.bindings[Address("bid", name)].ended}
        self._hold(not lack, where, f"bids without their ports: {lack}")

    def _hold_old_or_new(self, folder: Folder, where: str, runs: int) -> None:
        """The state is the old one, or a whole new one: every run makes one, or as many as its command saves."""
        now = folder.holds("snapshot")
        if now == self.old.state or (now is None and self.restores):
            return
        self._hold(now is not None, where, "the state is gone")
        serial = load(now or b"", STATE).serial  # raises for what is not whole
        new = range(1, runs * self.scenario.saves + 1)
        self._hold(self.restores or serial - self.old.serial in new, where, f"its serial is {serial}")

    # -- going on

    def _go_on(self, folder: Folder, where: str) -> None:
        ran = folder.run(*self.scenario.again, self.scenario.settled)
        fine = [code == 0 for code in ran.codes]
        if self.scenario.tells and self.scenario.tells in " ".join(ran.err.split()):
            fine[0] = True
        self._hold(ran.signal is None and all(fine), where, f"going on: {ran}")

    def check_at_the_end(self, folder: Folder, where: str) -> None:
        """As if nothing had happened: the same objects, each made once, nothing else removed or changed."""
        cloud, expected = folder.cloud(), self.reference.cloud
        made, wanted = _creates(cloud.changes), _creates(expected.changes)
        self.duplicates += sum((made - wanted).values())
        self._hold(made == wanted, where, f"made: {made}, not {wanted}")
        self._hold(cloud.changes.keys() == expected.changes.keys(), where, f"done: {cloud.changes}")
        self._hold(cloud.picture == expected.picture, where, f"the cloud differs: {cloud.picture}")
        self._hold(_recorded(folder) == self.reference.addresses, where, f"recorded: {_recorded(folder)}")
        self._hold(folder.told() == self.reference.told, where, f"the watch remembers {folder.told()}")
        self._hold(self.scenario.idle or folder.lock_names_nobody(), where, "the lock names somebody")
        left = [path.name for path in folder.path.iterdir() if ".flowplan-tmp" in path.name]
        self._hold(self.scenario.idle or not left, where, f"left behind: {left}")

    def _hold(self, holds: bool, where: str, what: str) -> None:
        if not holds:
            raise Undone(f"{self.name}, {where}: {what}")


@frozen
class _Files:
    """What a place holds before anything is done there: everything but who has the lock."""

    state: bytes | None
    journal: bytes | None
    backup: bytes | None
    done: Counter[str]

    @classmethod
    def of(cls, folder: Folder) -> _Files:
        return cls(folder.holds("snapshot"), folder.holds("journal"), folder.holds("backup"), folder.cloud().changes)

    @property
    def serial(self) -> int:
        return load(self.state, STATE).serial if self.state else 0


def _creates(changes: Counter[str]) -> Counter[str]:
    """Updates have absolute values and what is gone is gone: only a create must not be done again."""
    return Counter({what: count for what, count in changes.items() if what.startswith("POST")})


def _recorded(folder: Folder) -> dict[str, Any]:
    """The state without what differs from run to run: ids, and generations, which count from 1 again for an address
    that was gone in between."""
    loaded = folder.store().read()
    assert not loaded.pending, loaded.pending
    return {str(a): (sorted(map(str, b.needs)), b.source, _limits(b)) for a, b in loaded.state.bindings.items()}


def _limits(binding: Binding) -> tuple[Decimal | None, Decimal | None]:
    """The limit price that was applied, and the one that the watch has raised it from; in dollars per instance-hour."""
    bid = binding.applied
    return bid.limit_price if isinstance(bid, Bid) else None, binding.raised_from
