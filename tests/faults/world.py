"""What a cell of the fault matrix is played in: a working directory, the simulator behind it, virtual time, and the
invariants that hold whatever happened.

No wait takes real time: every pause of a command moves `Time`, and the simulator's clock with it. Every attempt of a
call is recorded with the moment it was made at.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from attrs import define, field, frozen

from flowplan.backends.local import LocalStore
from flowplan.backends.lock import NAME as LOCK
from flowplan.backends.lock import Lock
from flowplan.simulator import SIMULATOR_KEY, Simulator
from flowplan.simulator.serve import Server
from flowplan.startup import marker
from tests.conftest import Place, many

STATE, JOURNAL, BACKUP = "flowplan.state.json", "flowplan.state.journal", "flowplan.state.json.backup"
BIDS, VOLUMES = "/v2/spot/bids", "/v2/volumes"
POST_BID, POST_VOLUME = f"POST {BIDS}", f"POST {VOLUMES}"
COMMANDS = {
    "plan": ("plan",),
    "apply": ("apply", "--auto-approve"),
    "destroy": ("destroy", "--auto-approve", "--allow-volume-destroy", "*"),
}
CHANGING = ("apply", "destroy", "import", "recover")  # the only commands that may change anything
_CALL = re.compile(r"^([A-Z]+) (\S+) -> (.+?) request_id=")
CREATED = 1_800_000_000.0  # what the wall clock shows at first


class Time:
    """A clock that only pauses move. `ahead`: how far the wall clock was set forward since (or back)."""

    def __init__(self) -> None:
        self.now, self.ahead = 1000.0, 0.0
        self.pauses: list[float] = []
        self.moves: list[Callable[[float], None]] = []
        self._lock = threading.Lock()

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return CREATED + self.now + self.ahead

    def pause(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.pauses.append(seconds)
            for move in self.moves:
                move(seconds)


@frozen
class Sent:
    """One attempt of a call: when, what, and the status or what went wrong instead."""

    at: float
    method: str
    path: str
    outcome: str

    @property
    def mutating(self) -> bool:
        return self.method not in ("GET", "HEAD") and self.path != "/login"


@frozen
class Told:
    """What a command did: exit code, both streams, the calls it made, and how long it took on the virtual clock."""

    code: int
    out: str
    err: str
    sent: tuple[Sent, ...]
    seconds: float

    @property
    def said(self) -> str:
        """Both streams in one line: messages are wrapped."""
        return " ".join(f"{self.out} {self.err}".split())

    def calls(self, method: str, path: str = "") -> list[Sent]:
        return [one for one in self.sent if one.method == method and path in ("", one.path)]

    @property
    def mutations(self) -> list[Sent]:
        return [one for one in self.sent if one.mutating]


@define
class World:
    """One cell: run commands, then `hold_invariants`, then `converge`."""

    place: Place
    time: Time
    template: Path
    monkeypatch: pytest.MonkeyPatch
    request: pytest.FixtureRequest
    secrets: list[str] = field(factory=lambda: [SIMULATOR_KEY])
    sent: list[Sent] = field(factory=list)
    outputs: list[str] = field(factory=list)
    damaged: bool = False  # the state was damaged on purpose: what it says is checked once it is mended
    mend: list[Callable[[], object]] = field(factory=list)  # what a person does before the next run
    tracebacks: bool = False  # whether one may be shown: a bug was put in
    held_back: Callable[[], object] = lambda: None  # what a slow answer waits for besides
    servers: list[Any] = field(factory=list)

    # -- the beginning

    def begin(self, command: str, tasks: int = 2) -> None:
        """The usual beginning of a column: apply has `tasks` new tasks to make; plan and destroy find two, and plan
        a changed price."""
        if command == "apply":
            self.fresh(tasks)
        else:
            self.applied(changed=command == "plan")

    def fresh(self, tasks: int = 2) -> None:
        self.place.write(many(tasks))

    def applied(self, *, changed: bool = False) -> None:
        """Two tasks, made by an earlier apply; `changed`: and more expensive since."""
        shutil.copytree(self.template, self.place.path, dirs_exist_ok=True)
        if changed:
            self.place.write(many(2, price="21.50"))

    def served(self, key: str) -> str:
        """From now on the API is the simulator behind a port, with `key` as the one that is good. Returns its URL."""
        self.secrets.append(key)
        simulator = Simulator.open(self.data, api_key=key)
        server = Server(simulator).__enter__()
        self.servers.append((server, simulator))
        self.environ(FLOWPLAN_API_URL=server.url, FLOWPLAN_API_KEY=key)
        return server.url

    def stop_serving(self) -> None:
        while self.servers:
            server, simulator = self.servers.pop()
            server.__exit__(None, None, None)
            simulator.close()

    def environ(self, **variables: str) -> None:
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)

    @property
    def path(self) -> Path:
        return self.place.path

    @property
    def data(self) -> Path:
        return self.path / ".flowplan" / "simulator.db"

    # -- the simulator

    def fault(self, route: str, does: str, **given: Any) -> None:
        with self.place.simulator() as simulator:
            simulator.faults.add(route, does, **given)  # type: ignore[arg-type]

    def conditions(self, **given: Any) -> None:
        with self.place.simulator() as simulator:
            simulator.faults.set(**given)

    def clear(self) -> None:
        with self.place.simulator() as simulator:
            simulator.faults.clear()

    def somebody(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Somebody else's request: neither faults nor the ledger know of it. Its JSON, None for no content."""
        with self.place.simulator() as simulator:
            response = simulator.faults.third_party(method, path, body)
        assert response.status < 300, response
        return response.json if response.body else None

    def bids(self, *, ended: bool = False) -> list[dict[str, Any]]:
        """All bids that live, or that ever were."""
        rows: list[dict[str, Any]] = []
        cursor = ""
        while True:
            page = self.somebody("GET", f"{BIDS}?limit=100{cursor}")
            rows += page["data"]
            if not page["next_cursor"]:
                return [row for row in rows if ended or row["status"] != "Terminated"]
            cursor = f"&next_cursor={page['next_cursor']}"

    def volumes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.somebody("GET", f"{VOLUMES}?project={self.project()}")
        return found

    def project(self) -> str:
        return str(self.somebody("GET", "/v2/projects")[0]["fid"])

    def bid(self, name: str = "task-000") -> str:
        """The id of the live bid with that name."""
        (found,) = [row["fid"] for row in self.bids() if row["name"] == name]
        return str(found)

    def namesake(self, name: str = "task-000", price: str = "$17.92", script: str | None = None) -> str:
        """Somebody else places a bid with that name, and this startup script; its id."""
        body = {
            "project": self.project(),
            "region": "us-central1-b",
            "instance_type": next(
                row["fid"] for row in self.somebody("GET", "/v2/instance-types") if row["name"] == "h100-80gb.sxm.8x"
            ),
            "limit_price": price,
            "instance_quantity": 1,
            "name": name,
            "launch_specification": {"volumes": [], "ssh_keys": [], "startup_script": script},
        }
        return str(self.somebody("POST", BIDS, body)["fid"])

    def executed(self, method: str = "", path: str = "") -> list[Any]:
        """The changes that commands made, by the simulator's own book."""
        return [e for e in self.place.ledger() if method in ("", e.method) and e.path.startswith(path)]

    # -- commands

    def run(self, *arguments: str) -> Told:
        """One command, with what it must never do checked at once (I4 and I7)."""
        self.sent.clear()
        started = self.time.now
        result = self.place.run(*arguments)
        told = Told(result.code, result.out, result.err, tuple(self.sent), self.time.now - started)
        self.outputs += [result.out, result.err]
        assert self.tracebacks or "Traceback" not in result.err, result.err
        if arguments[0] not in CHANGING:
            assert not told.mutations, f"I7: {arguments[0]} sent {told.mutations}"
        return told

    def do(self, command: str, *more: str) -> Told:
        """The usual plan, apply or destroy."""
        return self.run(*COMMANDS[command], *more)

    def state_files(self) -> dict[str, bytes]:
        """The bytes of everything flowplan keeps here, but the lock."""
        return {
            name: (self.path / name).read_bytes() for name in (STATE, JOURNAL, BACKUP) if (self.path / name).exists()
        }

    # -- the invariants

    def hold_invariants(self) -> None:
        """I1 to I4, I6 and I7 (the latter with every command)."""
        self._hold_files()
        self._hold_secrets()
        self._hold_lock()
        if not self.damaged:
            self._hold_objects()

    def converge(self, command: str) -> None:
        """I5: without faults, the next run does what is left, and then there is nothing to do."""
        self.clear()
        for act in self.mend:
            act()
        self.damaged = False
        last = "destroy" if command == "destroy" else "apply"
        told = self.do(last)
        assert told.code == 0, ("I5", told)
        again = self.run("plan", *(["--destroy"] if last == "destroy" else []), "--detailed-exitcode")
        assert again.code == 0, ("I5", again)
        if last == "destroy":
            assert not self._made(), "I5: something is left"
        self.hold_invariants()

    def _made(self) -> dict[str, dict[str, Any]]:
        """What commands made and what is still there, by id."""
        with self.place.simulator() as simulator:
            made = {entry.subject for entry in simulator.ledger() if entry.method == "POST"}
        return {row["fid"]: row for row in (*self.bids(), *self.volumes()) if row["fid"] in made}

    def _hold_objects(self) -> None:
        loaded = LocalStore(self.path / STATE).read()
        known = {binding.id for binding in loaded.state.bindings.values()}
        announced = {intent.name for intent in loaded.pending.values()}
        made = self._made()
        lost = [(row["name"], id) for id, row in made.items() if id not in known and row["name"] not in announced]
        assert not lost, f"I1: neither in the state nor announced: {lost}"
        marks = [
            marker.read(row["launch_specification"]["startup_script"] or "")
            for id, row in made.items()
            if "launch_specification" in row
        ]
        for what in ("address", "intent"):
            most = Counter(getattr(mark, what) for mark in marks if mark is not None).most_common(1)
            assert not most or most[0][1] == 1, f"I2: {most[0][1]} live bids of {what} {most[0][0]}"

    def _hold_files(self) -> None:
        loose = {
            path.name: oct(path.stat().st_mode & 0o777)
            for path in self.path.glob("flowplan.*")
            if path.suffix != ".yaml" and path.is_file() and path.stat().st_mode & 0o077
        }
        assert not loose, f"I3: {loose}"
        assert self.damaged or LocalStore(self.path / STATE).read() is not None
        assert not list(self.path.glob("*flowplan-tmp*")) or self.damaged, "I3: a half-written file was left"

    def _hold_secrets(self) -> None:
        for secret in self.secrets:
            for name, text in self.everything_written():
                assert not shows(text, secret), f"I4: {secret} in {name}"

    def _hold_lock(self) -> None:
        assert not Lock(self.path / LOCK).held(), "I6: the lock is held"

    def everything_written(self) -> Iterator[tuple[str, bytes]]:
        """Every output so far, and every file here that is not the simulator's or the user's own."""
        for number, text in enumerate(self.outputs):
            yield f"output {number}", text.encode("utf-8", "surrogateescape")
        for path in sorted(self.path.rglob("*")):
            own = path.suffix in (".yaml", ".pem", ".key") or ".flowplan" in path.relative_to(self.path).parts
            if path.is_file() and not own:
                yield path.name, path.read_bytes()


def forms(secret: str) -> Sequence[bytes]:
    """The forms in which a secret must not show: plain, URL-encoded, as JSON has it, in base64 at any offset."""
    raw = secret.encode()
    found = {raw, quote(secret, safe="").encode(), json.dumps(secret)[1:-1].encode()}
    for before in range(3):
        packed = base64.b64encode(bytes(before) + raw)
        core = packed[-(-8 * before // 6) : 8 * (before + len(raw)) // 6]
        found |= {core, core.replace(b"+", b"-").replace(b"/", b"_")}
    return sorted(found)


def shows(text: bytes, secret: str) -> bool:
    return any(form in text for form in forms(secret))
