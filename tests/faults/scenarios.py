"""What is interrupted: a command in a prepared place, and how somebody goes on after it."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from attrs import frozen

from flowplan.backends.local import LocalStore
from flowplan.backends.lock import Lock
from flowplan.backends.parts import Part
from flowplan.backends.store import Store
from flowplan.simulator import SIMULATOR_KEY, Request, Simulator
from tests.faults.points import Act
from tests.faults.runner import Job, Ran, Runner
from tests.texts import task_text

Command = Sequence[str]

APPLY: Command = ("apply", "--auto-approve", "--parallelism", "1")
DESTROY: Command = ("destroy", "--auto-approve", "--parallelism", "1", "--allow-volume-destroy", "*")
KEEPING: Command = ("destroy", "--auto-approve", "--parallelism", "1", "--keep-volumes")
REFRESH: Command = ("apply", "--refresh-only", "--auto-approve")
RESTORE: Command = ("state", "restore")
RESTORE_FIRST: Command = ("state", "restore", "1")
CANCEL_B: Command = ("recover", "--cancel", "@b")
SETTLED: Command = ("plan", "--detailed-exitcode")
STATE = "flowplan.state.json"


def task(
    name: str, *, price: str = "17.92", type: str = "h100.8x.SXM5.IB", volume: str = "", ports: str = "", more: str = ""
) -> str:
    """A task; `volume` is the entry below persistent_storage."""
    kept = f"persistent_storage: {{{volume}}}\n" if volume else ""
    open_ = f"ports: [{ports}]\n" if ports else ""
    return task_text(name, price, type, more=kept + open_ + more)


def created(*names: str, mount: bool = False) -> str:
    """`create` with these volumes, mounted or only attached."""
    where = ", mount_point: /mnt/d" if mount else ""
    return f"create: [{', '.join(f'{{volume_name: {name}, size: 1{where}}}' for name in names)}]"


class Folder:
    """A working directory with its cloud. The runner may find it elsewhere (`inside`), and the data of the cloud may
    be elsewhere too (`data`)."""

    def __init__(self, path: Path, runner: Runner, *, inside: Path | None = None, data: Path | None = None) -> None:
        self.path, self.runner = path, runner
        self.inside, self.data = inside or path, data or path / ".flowplan"

    def run(self, *commands: Command, at: int = 0, act: Act = "kill", counting: bool = False) -> Ran:
        """`@name` in a command is the id of the bid of that name."""
        words = [self._with_ids(one) for one in commands]
        return self.runner(Job(str(self.inside), words, at, act, counting, self.environ()))

    def environ(self) -> Mapping[str, str]:
        """What a command here needs besides: what flowplan keeps outside of the place is the place's own."""
        return {"XDG_STATE_HOME": str(self.path.parent / "state-home")}

    def _with_ids(self, command: Command) -> Command:
        if not any(word.startswith("@") for word in command):
            return command
        with self.simulator() as simulator:
            ids = {f"@{row['name']}": row["fid"] for row in _rows(simulator, "/v2/spot/bids?limit=100")["data"]}
        return [ids.get(word, word) for word in command]

    def ok(self, command: Command) -> None:
        ran = self.run(command)
        assert ran.codes == [0], ran

    def write(self, *tasks: str) -> None:
        (self.path / "flowplan.yaml").write_text("".join(tasks))

    def simulator(self) -> Simulator:
        return Simulator.open(self.data / "simulator.db")

    def kill(self, command: Command, label: str) -> None:
        """Run `command` and kill it at the first point called so."""
        points = self.copied("counted").run(command, counting=True).points
        assert self.run(command, at=points.index(label) + 1).signal == 9

    def copied(self, name: str) -> Folder:
        """The same place once more, as `name`/work: the stack is named after the directory."""
        path = self.path.parent.parent / name / "work"
        if path.parent.exists():
            shutil.rmtree(path.parent)
        shutil.copytree(self.path, path)
        if (self.path.parent / "state-home").exists():
            shutil.copytree(self.path.parent / "state-home", path.parent / "state-home")
        return Folder(path, self.runner)

    def store(self) -> Store:
        """With what runs here had to keep outside of the place."""
        return LocalStore(self.path / STATE, self.path.parent / "state-home" / "flowplan")

    def holds(self, part: Part) -> bytes | None:
        """What a part of the state holds; None: there is none."""
        store = LocalStore(self.path / STATE)
        paths = {"snapshot": store.path, "journal": store.journal_path, "backup": store.backup_path}
        return paths[part].read_bytes() if paths[part].exists() else None

    def cloud(self) -> Cloud:
        with self.simulator() as simulator:
            return Cloud.seen(simulator)

    def lock_is_free(self) -> bool:
        return not Lock(self.path / "flowplan.lock").held() and not self.store().watch_lock.held()

    def standing(self) -> str:
        """What else of the state's place matters to a run that goes on."""
        return ""

    def lock_names_nobody(self) -> bool:
        return (self.path / "flowplan.lock").read_bytes() == b""

    def told(self) -> dict[str, Any]:
        """What a watch here remembers, without what differs from run to run: ids."""
        found: dict[str, Any] = {}
        for path in (self.path / ".flowplan" / "watch").glob("*.json"):
            kept = json.loads(path.read_bytes())
            found |= kept | {"told": {address: mark[:-1] for address, mark in kept["told"].items()}}
        return found

    def private(self) -> bool:
        places = (self.path, self.path / ".flowplan" / "watch")
        files = [path for place in places for path in place.glob("*") if path.is_file() and path.suffix != ".yaml"]
        return all(path.stat().st_mode & 0o777 == 0o600 for path in files)


@frozen
class Cloud:
    """What the cloud holds, and what was done to it, by name: ids differ from run to run."""

    picture: tuple[str, ...]  # every live object with all that matters of it
    live: Mapping[str, str]  # id -> "bid NAME" or "volume NAME"
    changes: Counter[str]  # "POST bid NAME" and the like -> how often it was executed
    creates: Mapping[str, str]  # id -> Idempotency-Key, of what flowplan made

    @classmethod
    def seen(cls, simulator: Simulator) -> Cloud:
        bids = _rows(simulator, "/v2/spot/bids?limit=100")["data"]
        project = _rows(simulator, "/v2/projects")[0]["fid"]
        volumes = _rows(simulator, f"/v2/volumes?project={project}&include_deleted=true")
        names = {row["fid"]: f"bid {row['name']}" for row in bids} | {v["fid"]: f"volume {v['name']}" for v in volumes}
        live = {row["fid"] for row in bids if row["status"] != "Terminated"}
        live |= {row["fid"] for row in volumes if row["deleted_at"] is None}
        ledger = [entry for entry in simulator.ledger() if entry.subject]
        return cls(
            tuple(sorted(_told(row, names) for row in (*bids, *volumes) if row["fid"] in live)),
            {id: names[id] for id in live},
            Counter(f"{entry.method} {names[entry.subject or '']}" for entry in ledger),
            {entry.subject or "": entry.key or "" for entry in ledger if entry.method == "POST"},
        )


def _rows(simulator: Simulator, target: str) -> Any:
    answer = simulator.handle(Request.to("GET", target, {"Authorization": f"Bearer {SIMULATOR_KEY}"}, b""))
    assert answer.status == 200, answer
    return json.loads(answer.body)


_KEPT = ("name", "status", "limit_price", "instance_type", "region", "instance_quantity", "capacity_gb", "interface")


def _told(row: Mapping[str, Any], names: Mapping[str, str]) -> str:
    kept: dict[str, Any] = {key: row.get(key) for key in _KEPT}
    launch = row.get("launch_specification")
    if launch:
        kept["volumes"] = [names[id] for id in launch["volumes"]]
        kept["marker"] = re.findall(r" (?:stack|address|ports)=\S+", launch["startup_script"] or "")
    return json.dumps(kept, sort_keys=True)


@frozen
class Scenario:
    """`command` is what is interrupted, in the place that `prepare` makes. `again` is what somebody runs then, to get
    where the command should have led; with `tells`, a failure that says so is no failure. At last `settled` exits 0."""

    prepare: Callable[[Folder], None]
    command: Command = APPLY
    again: tuple[Command, ...] = (APPLY,)
    settled: Command = SETTLED
    tells: str = ""
    parallel: bool = False  # points are numbered only roughly
    saves: int = 1
    idle: bool = False
    stops: bool = False  # and nothing else, or before it does anything else: that goes on without room to record it


def _applied(*before: str, then: Sequence[str]) -> Callable[[Folder], None]:
    def prepare(folder: Folder) -> None:
        folder.write(*before)
        folder.ok(APPLY)
        folder.write(*then)

    return prepare


def _written(*tasks: str) -> Callable[[Folder], None]:
    return lambda folder: folder.write(*tasks)


def _third_party_volume(folder: Folder, name: str) -> None:
    with folder.simulator() as simulator:
        project = _rows(simulator, "/v2/projects")[0]["fid"]
        body = {"name": name, "project": project, "disk_interface": "File", "region": "us-central1-b", "size_gb": 10}
        assert simulator.faults.third_party("POST", "/v2/volumes", body).status == 201


def _attach(folder: Folder) -> None:
    _third_party_volume(folder, "datasets")
    folder.write(task("a", volume="attach: {volume_name: datasets, mount_point: /mnt/d}"))


def _name_still_taken(folder: Folder) -> None:
    """The bid that is replaced has ended, but for a while its name is not free."""
    _applied(task("a"), then=[task("a", type="a100.8x.SXM4.IB")])(folder)
    with folder.simulator() as simulator:
        simulator.faults.add("POST /v2/spot/bids", "status", status=400, body='{"detail": "Bid name already used"}')


def _ended_lifetime(folder: Folder) -> None:
    folder.write(JOB.replace("1000", "1"))
    folder.ok(APPLY)
    folder.ok(("simulator", "advance", "2h"))


def _interrupted(prepare: Callable[[Folder], None], label: str, command: Command = APPLY) -> Callable[[Folder], None]:
    def prepared(folder: Folder) -> None:
        prepare(folder)
        folder.kill(command, label)

    return prepared


def _about_to_end(folder: Folder) -> None:
    """The run that was to cancel a job at the end of its lifetime was killed; the job is to run longer by now, and
    otherwise."""
    _ended_lifetime(folder)
    folder.kill(APPLY, "sent DELETE spot/bids")
    folder.write(JOB.replace("8080", "8090"))


def _ends_while_another_waits(folder: Folder) -> None:
    """A job is past its lifetime, and the next one waits for its end; but when the plan is made, nobody can tell."""
    head, waiting = WAITING.split("  train:")
    folder.write(head)
    folder.ok(APPLY)
    folder.ok(("simulator", "advance", "2h"))
    folder.write(f"{head}  train:{waiting}")
    with folder.simulator() as simulator:
        simulator.faults.add("GET /v2/instances/pricing/history", "status", status=403, body="{}")


def _damaged(folder: Folder) -> None:
    """A state that a disk error emptied, after two applies: there is a backup."""
    folder.write(task("a"))
    folder.ok(APPLY)
    folder.write(task("a", price="21.50"), task("b"))
    folder.ok(APPLY)
    (folder.path / STATE).write_bytes(b"")


def _released_since(folder: Folder) -> None:
    """The first version holds a bid that the state does not know any more."""
    folder.write(task("a"))
    folder.ok(APPLY)
    folder.ok(("state", "rm", "bid.a"))


def _unnamed(folder: Folder) -> None:
    """Bid b was lost from the state, and known again by its marker; no file names it any more."""
    folder.write(task("a"), task("b"))
    folder.ok(APPLY)
    store = folder.store()
    state = store.read().state
    store.save(attrs.evolve(state, bindings={one: b for one, b in state.bindings.items() if one.name != "b"}))
    folder.write(task("a"))
    folder.ok(APPLY)


def _planned(folder: Folder) -> None:
    folder.write(task("a", volume=created("va", mount=True), ports="8080"))
    folder.ok(("plan", "--out", "saved"))


TWO = (
    task("a", volume=created("va", mount=True), ports='8080, "8441:8001"'),
    task("b", volume=created("vb", mount=True), ports='"6006-6008"'),
)
ONE = task("a", volume=created("va", mount=True), ports="8080")
FIRST = task("a", ports="8080", more="lifecycle: {create_before_destroy: true}\n")
JOB = task("a", ports="8080", more="lifetime: {max_hours: 1000}\n")  # whose bid, once it has ended, is not placed again


def stack(name: str, *, price: str = "17.92", more: str = "", blocks: str = "") -> str:
    """A stack file with one task."""
    return (
        "version: 2\nname: s\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\n"
        f"volumes:\n  v: {{size: 1, region_id: us-central1-b}}\ntasks:\n  {name}:\n"
        "    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}\n"
        f"    task_management: {{utility_threshold_price: {price}}}\n    ports: [8080]\n"
        f"    persistent_storage: {{attach: {{volume: v}}}}\n{more}{blocks}"
    )


def _released(folder: Folder) -> None:
    """Bid a is live, and the state has released it; a stack imports it under another address."""
    folder.write(stack("a"))
    folder.ok(APPLY)
    [id] = [id for id, what in folder.cloud().live.items() if what == "bid a"]
    folder.ok(("state", "rm", "bid.a"))
    folder.write(stack("b", price="21.50", blocks=f"import: [{{address: task.b, id: {id}}}]\n"))


IMPORT_ALL: Command = ("import", "--all", "--generate", "all.yaml")


def _unknown_things(folder: Folder) -> None:
    """A bid that was released, and a volume of somebody else: no state holds them."""
    folder.write(task("a"))
    folder.ok(APPLY)
    folder.ok(("state", "rm", "bid.a"))
    _third_party_volume(folder, "datasets")


def _gone(folder: Folder) -> None:
    """Somebody has cancelled bid b."""
    folder.write(task("a"), task("b", ports="8080"))
    folder.ok(APPLY)
    [id] = [id for id, what in folder.cloud().live.items() if what == "bid b"]
    with folder.simulator() as simulator:
        assert simulator.faults.third_party("DELETE", f"/v2/spot/bids/{id}").status < 300


def chain(*, script: str = "one", keys: str = "x, y", more: str = "") -> str:
    """A stack file with a task of several instances, and one that follows it."""
    place = "resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}"
    return (
        "version: 2\nname: s\nproject_name: my-foundry-project\nssh_key_name: my-ssh-key\ntasks:\n"
        f"  a:\n    {place}\n    for_each: [{keys}]\n    startup_script: echo {script}\n"
        "    lifecycle: {create_before_destroy: true}\n"
        f"  b:\n    {place}\n    ports: [8080]\n{more}"
    )


AFTER = "    depends_on: [{task: a, until: allocated}]\n"
TRIGGERED = "    lifecycle: {create_before_destroy: true, replace_triggered_by: [task.a]}\n"

MOVED = "moved: [{from: task.a, to: task.b}]\n"
GONE = "removed: [{address: task.a, destroy: false}]\n"

WAITING = """\
version: 2
name: s
project_name: my-foundry-project
ssh_key_name: my-ssh-key
defaults:
  resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
  task_management: {utility_threshold_price: 17.92}
tasks:
  first:
    ports: [8080]
    lifetime: {max_hours: 1}
  train:
    depends_on: [{task: first, until: terminated}]
"""
SCENARIOS: dict[str, Scenario] = {
    "create": Scenario(_written(task("a"))),
    "create two with volumes and ports": Scenario(_written(*TWO)),
    "create paused": Scenario(_written(task("a", more="paused: true\n"))),
    "update a limit": Scenario(_applied(task("a"), then=[task("a", price="21.50")])),
    "update volumes": Scenario(
        _applied(task("a", volume=created("va")), then=[task("a", volume=created("va", "vb"))]),
    ),
    "replace": Scenario(_applied(ONE, then=[ONE.replace("8080", "8090")])),
    "replace, the successor first": Scenario(_applied(FIRST, then=[FIRST.replace("8080", "8090")])),
    "replace a job": Scenario(_applied(JOB, then=[JOB.replace("8080", "8090")])),
    "the end of a lifetime": Scenario(_ended_lifetime, stops=True),
    "a lifetime that ends during a wait": Scenario(_ends_while_another_waits),
    "replace a job that was about to end": Scenario(_about_to_end),
    "replace, the name not free yet": Scenario(_name_still_taken),
    "destroy": Scenario(
        _applied(ONE, then=[ONE]), DESTROY, (DESTROY,), ("plan", "--destroy", "--detailed-exitcode"), stops=True
    ),
    "attach": Scenario(_attach),
    "add one, remove another": Scenario(
        _applied(task("a", volume=created("va")), task("b"), then=[task("b"), task("c", volume=created("vc"))]),
        (*APPLY, "--allow-volume-destroy", "*"),
        ((*APPLY, "--allow-volume-destroy", "*"),),
    ),
    "recovery, the bid was placed": Scenario(_interrupted(_written(ONE), "answer POST spot/bids")),
    "recovery, the bid was not placed": Scenario(_interrupted(_written(ONE), "sent POST spot/bids")),
    "recovery of a replacement": Scenario(
        _interrupted(_applied(ONE, then=[ONE.replace("8080", "8090")]), "answer DELETE spot/bids")
    ),
    "recovery of a successor that was placed": Scenario(
        _interrupted(_applied(FIRST, then=[FIRST.replace("8080", "8090")]), "answer POST spot/bids"),
        stops=True,
    ),
    "recovery with the old one still there": Scenario(
        _interrupted(_applied(FIRST, then=[FIRST.replace("8080", "8090")]), "sent DELETE spot/bids")
    ),
    "recovery of a destroy": Scenario(
        _interrupted(_applied(ONE, then=[ONE]), "answer DELETE spot/bids", DESTROY),
        DESTROY,
        (DESTROY,),
        ("plan", "--destroy", "--detailed-exitcode"),
        stops=True,
    ),
    "recover": Scenario(_interrupted(_written(ONE), "answer POST spot/bids"), ("recover",), (("recover",), APPLY)),
    "recover what did not happen": Scenario(
        _interrupted(_written(ONE), "sent POST spot/bids"), ("recover",), (("recover",), APPLY)
    ),
    "cancel a further bid": Scenario(_unnamed, CANCEL_B, (CANCEL_B,), stops=True),
    "state restore": Scenario(_damaged, RESTORE, (RESTORE, APPLY), tells="is intact; nothing was restored"),
    "restore a version": Scenario(_released_since, RESTORE_FIRST, (RESTORE_FIRST,)),
    "a saved plan": Scenario(_planned, ("apply", "--parallelism", "1", "saved")),
    "create six, four at once": Scenario(
        _written(*(task(name, volume=created(f"v{name}"), ports="8080") for name in "abcdef")),
        ("apply", "--auto-approve", "--parallelism", "4"),
        parallel=True,
    ),
    "replace six, the successors first, four at once": Scenario(
        _applied(chain(keys="u, v, w, x, y, z"), then=[chain(script="two", keys="u, v, w, x, y, z")]),
        ("apply", "--auto-approve", "--parallelism", "4"),
        parallel=True,
    ),
    "move": Scenario(_applied(stack("a"), then=[stack("b", blocks=MOVED)])),
    "move and change": Scenario(_applied(stack("a"), then=[stack("b", price="21.50", blocks=MOVED)])),
    "release": Scenario(
        _applied(
            stack("a"), then=[stack("c", blocks=GONE).replace("    persistent_storage: {attach: {volume: v}}\n", "")]
        )
    ),
    "import and change": Scenario(_released),
    "move and replace": Scenario(
        _applied(stack("a"), then=[stack("b", blocks=MOVED).replace("ports: [8080]", "ports: [8090]")])
    ),
    "import all": Scenario(
        _unknown_things,
        IMPORT_ALL,
        (IMPORT_ALL, (*APPLY, "all.yaml")),
        (*SETTLED, "all.yaml"),
        tells="all.yaml exists",
    ),
    "place what waits": Scenario(_written(chain(more=AFTER))),
    "replace by a trigger, the successors first": Scenario(
        _applied(chain(more=TRIGGERED), then=[chain(script="two", more=TRIGGERED)])
    ),
    "other keys": Scenario(_applied(chain(), then=[chain(keys="y, z")])),
    "destroy, the volumes kept": Scenario(
        _applied(ONE, then=[ONE]),
        KEEPING,
        (KEEPING,),
        ("plan", "--destroy", "--detailed-exitcode"),
        stops=True,
    ),
    "only the state": Scenario(_gone, REFRESH, (REFRESH,), ("plan", "--refresh-only", "--detailed-exitcode")),
}
