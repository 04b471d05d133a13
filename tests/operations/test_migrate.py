"""A state moves to another place: nothing is lost, and at each moment at most one place can be applied from."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import attrs
import pytest

from flowplan.backends import open as opening
from flowplan.backends.open import open_store
from flowplan.backends.processes import this_process
from flowplan.backends.remote.store import RemoteStore
from flowplan.backends.store import Loaded, Store
from flowplan.backends.used import DIRECTORY
from flowplan.documents.state import Migrated
from flowplan.errors import FlowplanError, StateError, UsageProblem
from flowplan.files import atomic
from flowplan.operations.migrate import _Move, migrate
from flowplan.operations.opening.loading import load_of_any_api
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from flowplan.reports.text.state import migrated_notes
from flowplan.state.history import Change
from flowplan.state.state import State
from tests.builders import TRAIN, bid, bound, create_of, state
from tests.conftest import Place, left_in_doubt
from tests.contracts.memory import Memory, opener
from tests.contracts.under_lock import in_a_renewal

URL, OTHER = "memory://team/train", "memory://team/other"
FILE = "flowplan.state.json"
CHANGE = Change("2026-11-02T09:00:00Z", "ann@host", "flowplan apply", added=1)
TASK = """version: 2
project_name: my-foundry-project
tasks:
  train:
    task_management: {utility_threshold_price: 17.92}
    resources_specification: {fcp_instance: h100.8x.SXM5.IB, cluster_id: us-central1-b}
"""


class Killed(BaseException):
    """The process is gone."""


class Power:
    """What reaches a disk or a server until it is cut, at the call `at` (from 1; 0: never)."""

    def __init__(self) -> None:
        self.calls, self.at, self.off = 0, 0, False

    def passes(self, *_: object) -> None:
        if in_a_renewal():
            return
        if self.off:
            raise Killed
        self.calls += 1
        if self.calls == self.at:
            self.off = True
            raise Killed

    def of_server(self, call: str, key: str) -> None:
        """What only looks changes nothing; what a kill leaves of a lock is proved elsewhere."""
        if call in ("put", "delete") and not key.endswith(".lock"):
            self.passes()


class World:
    """A directory, and a server."""

    def __init__(self, path: Path, objects: Memory, home: Path) -> None:
        self.path, self.objects = path, objects
        self.environ = {"XDG_STATE_HOME": str(home)}
        self.power = Power()

    def session(self, where: str) -> Session:
        return Session(Settings(directory=self.path, state=where, environ=self.environ, given_api_url="sim:"))

    def store(self, where: str) -> Store:
        return open_store(where, self.path, self.environ)

    def move(self, source: str, target: str) -> None:
        with self.session("") as session:
            migrate(session, source, target)

    def begin(self, where: str) -> State:
        """A state at `where`, with two versions, a result that only the journal has, and an operation in doubt."""
        session = self.session(where)
        with session.changing():
            store = session.store
            first = store.save(state(bound(TRAIN, "bid_1", bid()), api_url="sim:"))
            store.keep(first, CHANGE)
            second = store.save(attrs.evolve(first, name_prefix="x-"))
            store.keep(second, attrs.evolve(CHANGE, command="flowplan destroy"))
            store.prepare(second).append([create_of(attrs.evolve(TRAIN, name="eval"), bid(name="eval"))])
            store.close()
        return second

    def kept(self, where: str) -> Loaded | None:
        """What can be applied from there; None: nothing."""
        try:
            with self.session(where) as session:
                loaded = load_of_any_api(session)
        except StateError:
            return None
        return None if loaded.fresh else loaded


@pytest.fixture
def world(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path, Memory(tmp_path_factory.mktemp("server")), tmp_path_factory.mktemp("home"))
    monkeypatch.setattr(opening, "STORES", {**opening.STORES, "memory": opener(made.objects)})
    for name, value in made.environ.items():
        monkeypatch.setenv(name, value)
    return made


def holds_all(world: World, where: str, was: State) -> None:
    """Whether the state there is what `begin` made."""
    loaded = world.kept(where)
    assert loaded is not None
    same = {name: getattr(was, name) for name in ("lineage", "name_prefix", "api_url")}
    assert {name: getattr(loaded.state, name) for name in same} == same
    assert loaded.state.ids() == was.ids()
    assert [one.address.name for one in loaded.pending.values()] == ["eval"]
    assert loaded.state.serial > was.serial
    versions = [one for one in world.store(where).versions() if one.serial <= was.serial]
    assert [one.change and one.change.command for one in versions[-2:]] == ["flowplan apply", "flowplan destroy"]
    for version in versions[-2:]:
        assert world.store(where).version(version.lineage, version.serial).ids() == was.ids()


PAIRS = [(FILE, URL), (URL, FILE), (URL, OTHER), (FILE, "states/s.json")]


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_everything_goes_and_what_is_left_says_where(world: World, source: str, target: str) -> None:
    (world.path / "states").mkdir()
    was = world.begin(source)
    world.move(source, target)
    holds_all(world, target, was)
    with world.session(source) as session, pytest.raises(StateError, match="the state has moved from") as told:
        load_of_any_api(session)
    assert (session.identity in str(told.value) or FILE in str(told.value)) and told.value.hint
    assert world.store(target).identity in str(told.value).replace("\\", "")


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_back_and_forth(world: World, source: str, target: str) -> None:
    (world.path / "states").mkdir()
    was = world.begin(source)
    for one, other in ((source, target), (target, source), (source, target)):
        world.move(one, other)
        assert world.kept(one) is None
        holds_all(world, other, was)


def test_a_second_time_does_nothing(world: World) -> None:
    world.begin(FILE)
    world.move(FILE, URL)
    before = world.kept(URL)
    with world.session("") as session:
        assert migrate(session, FILE, URL).already
    assert world.kept(URL) == before


def cut_off(
    world: World, source: str, target: str, monkeypatch: pytest.MonkeyPatch, first: int = 1, each: int = 1
) -> Iterator[int]:
    """Each call at which a move can be cut off, once it was; then the power is back. From the `first` on, so many."""
    power = world.power
    replace = atomic._replace

    def replaced(*given: object, **how: object) -> None:
        power.passes()
        replace(*given, **how)  # type: ignore[arg-type]
        power.passes()

    monkeypatch.setattr(atomic, "_replace", replaced)
    world.objects.asked = world.objects.answered = power.of_server
    for at in count(first, each):
        power.calls, power.at = 0, at
        try:
            world.move(source, target)
        except Killed:
            power.at, power.off = 0, False
            yield at
            continue
        power.at = 0
        return


def emptied(world: World) -> None:
    """Both places as if nothing had ever been there."""
    for one in [
        *world.objects.directory.iterdir(),
        *world.path.rglob("*"),
        *Path(world.environ["XDG_STATE_HOME"]).rglob("*"),
    ]:
        if one.is_file():
            one.unlink()


# From where to where, and at which calls it is cut off: from the first on, each that follows after so many.
CUTS = [
    (*PAIRS[0], 1, 2),
    (*PAIRS[1], 2, 2),
    *(pytest.param(*pair, 1, 1, marks=pytest.mark.slow) for pair in PAIRS[:3]),
]


@pytest.mark.parametrize(("source", "target", "first", "each"), CUTS)
def test_wherever_it_is_cut_off_one_place_at_most_is_the_state(
    world: World, monkeypatch: pytest.MonkeyPatch, source: str, target: str, first: int, each: int
) -> None:
    was, cuts = world.begin(source), 0
    for at in cut_off(world, source, target, monkeypatch, first, each):
        cuts += 1
        old, new = world.kept(source), world.kept(target)
        assert old is None or new is None, at
        if old is not None:
            assert {*map(str, old.state.bindings)} == {"bid.train"}
            assert len(old.pending) == 1
        world.move(source, target)
        assert world.kept(source) is None
        holds_all(world, target, was)
        emptied(world)
        was = world.begin(source)
    holds_all(world, target, was)
    assert cuts > 10 // each


def test_a_state_goes_on_where_it_was_while_a_move_is_cut_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who gives up the move, or cannot reach the target again, has lost nothing; a later move takes what came since."""
    was = world.begin(FILE)
    copied = False
    for _ in cut_off(world, FILE, URL, monkeypatch):
        if (loaded := world.kept(FILE)) is None:
            break
        session = world.session(FILE)
        with session.changing():
            loaded = session.store.read()
            saved = session.store.save(loaded.state, loaded.pending.values())
        copied |= world.store(URL).exists()
        was = attrs.evolve(was, serial=saved.serial)
    assert copied
    world.move(FILE, URL)
    loaded = world.kept(URL)
    assert loaded is not None and loaded.state.ids() == was.ids() and loaded.state.serial > was.serial


# -- what is refused


def test_a_place_that_has_another_state_is_left_alone(world: World) -> None:
    world.begin(FILE)
    other = world.session(URL)
    with other.changing():
        other.store.save(State("another", stack="y"))
    with pytest.raises(StateError, match="holds a state of another stack"):
        world.move(FILE, URL)
    assert world.store(URL).read().state.lineage == "another"
    assert world.kept(FILE) is not None


def test_a_copy_that_went_on_by_itself_is_left_alone(world: World) -> None:
    """Neither is thrown away for the other."""
    was = world.begin(FILE)
    other = world.session(URL)
    with other.changing():
        other.store.save(attrs.evolve(was, bindings={}, serial=9))
    for source, target in ((FILE, URL), (URL, FILE)):
        with pytest.raises(StateError, match="of this stack, which continues another one"):
            world.move(source, target)
    assert world.kept(FILE) is not None and world.kept(URL) is not None


def test_a_place_that_has_lost_its_state_is_left_alone(world: World) -> None:
    world.begin(FILE)
    (world.path / "states").mkdir()
    for path in (world.path / "flowplan.state.json", world.path / "flowplan.state.json.backup"):
        path.replace(world.path / "states" / path.name)
    (world.path / "flowplan.state.journal").unlink()
    with pytest.raises(StateError, match="is missing, but version"):
        world.move("states/flowplan.state.json", FILE)


def test_what_is_not_there_cannot_move(world: World) -> None:
    with pytest.raises(StateError, match="there is no state at"):
        world.move(FILE, URL)
    with pytest.raises(UsageProblem, match="are the same state"):
        world.move(FILE, "./" + FILE)
    assert not world.store(URL).exists()


@pytest.mark.parametrize("locked", [FILE, URL])
def test_a_lock_that_somebody_holds_is_waited_for(world: World, locked: str) -> None:
    world.begin(FILE)
    lock = world.store(locked).lock
    lock.acquire(this_process("flowplan apply", world.environ, "2026-11-02T09:00:00Z"))
    try:
        with pytest.raises(FlowplanError) as told:
            world.move(FILE, URL)
    finally:
        lock.release()
    assert told.value.exit_code == 4
    assert not world.store(URL).exists()


def test_a_place_that_fails_leaves_the_state_where_it_is(world: World) -> None:
    world.begin(FILE)
    world.objects.full = True
    with pytest.raises(StateError):
        world.move(FILE, URL)
    world.objects.full = False
    assert world.kept(FILE) is not None
    assert world.kept(URL) is None
    world.move(FILE, URL)
    assert world.kept(URL) is not None


def test_a_place_that_does_not_give_back_what_it_took_is_not_trusted(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.begin(FILE)
    save = RemoteStore.save

    def forgetful(self: RemoteStore, state: State, *given: Any, **how: Any) -> State:
        saved = save(self, attrs.evolve(state, name_prefix=""), *given, **how)
        return attrs.evolve(saved, name_prefix=state.name_prefix)

    monkeypatch.setattr(RemoteStore, "save", forgetful)
    with pytest.raises(StateError, match="does not read as it was written"):
        world.move(FILE, URL)
    assert world.kept(FILE) is not None


def test_two_moves_at_once_leave_one_state(world: World) -> None:
    world.begin(FILE)
    world.move(FILE, URL)
    with pytest.raises(StateError, match=f"has moved from .* to {URL}"):
        world.move(FILE, OTHER)
    assert world.kept(OTHER) is None


def test_a_chain_of_moves_leads_from_each_to_the_next(world: World) -> None:
    was = world.begin(FILE)
    world.move(FILE, URL)
    world.move(URL, OTHER)
    with pytest.raises(StateError, match=OTHER):
        world.move(URL, FILE)
    world.move(OTHER, FILE)
    holds_all(world, FILE, was)


# -- from the command line


Running = Callable[..., object]


@pytest.fixture
def served(place: Place, world: World) -> Place:
    world.path = place.path
    place.write(TASK)
    place.ok("apply", "--auto-approve")
    return place


def test_what_has_moved_is_used_by_no_command(served: Place) -> None:
    out = served.ok("state", "migrate", FILE, URL)
    assert " ".join(out.split()) == (f"The state has moved from {FILE} to {URL}: 1 resource, serial 3, 3 versions.")
    before = served.ledger()
    copy = served.path / "copy.json"
    copy.write_text(served.ok("state", "pull", "--state", URL))
    commands = (
        *(("plan",), ("apply", "--auto-approve"), ("destroy", "--auto-approve"), ("status",), ("cost",)),
        *(("state", "list"), ("state", "rm", "bid.train"), ("state", "mv", "bid.train", "bid.x"), ("state", "pull")),
        *(("state", "push", "copy.json"), ("state", "push", "--force", "copy.json"), ("state", "restore", "1")),
        *(("state", "restore", "1", "--force"), ("orphans",), ("recover",), ("output",), ("import", "bid.x", "bid_1")),
        ("recover", "--from-live"),
    )
    for command in commands:
        found = served.run(*command)
        assert (found.code, f"has moved from {FILE} to {URL}" in " ".join(found.err.split())) == (5, True), found
    assert served.run("apply", "--init", "--auto-approve").code == 64
    assert served.run("doctor").code == 5
    assert served.ledger() == before
    assert "No changes" in served.ok("plan", "--state", URL)
    served.ok("state", "migrate", URL, FILE)
    assert "No changes" in served.ok("plan")


def removed(served: Place) -> None:
    """Somebody tidies up what is left of the state; the versions, in a hidden directory, stay."""
    for name in (FILE, f"{FILE}.backup", "flowplan.state.journal"):
        (served.path / name).unlink(missing_ok=True)


def damaged(served: Place) -> None:
    for name in (FILE, f"{FILE}.backup", "flowplan.state.journal"):
        (served.path / name).write_text("damaged")


def mixed_up(served: Place) -> None:
    """The journal is another stack's, so that no version is known to belong there."""
    damaged(served)
    open_store("other.json", served.path, {}).save(State("another"))
    (served.path / "other.journal").replace(served.path / "flowplan.state.journal")
    for path in served.path.glob("other.*"):
        path.unlink()


@pytest.mark.parametrize("harm", [removed, damaged, mixed_up])
def test_whatever_becomes_of_what_is_left_no_command_makes_a_second_state_of_it(
    served: Place, harm: Callable[[Place], None]
) -> None:
    served.ok("state", "migrate", FILE, URL)
    commands = (("plan",), ("apply", "--auto-approve"), ("recover", "--from-live"), ("state", "restore", "1"))
    for command in (*commands, ("state", "restore", "1", "--force"), ("state", "restore")):
        harm(served)
        shutil.rmtree(served.path / DIRECTORY, ignore_errors=True)  # the versions tell it by themselves
        found = served.run(*command)
        assert found.code == 5 or command == ("state", "restore"), found  # of what is left, which is closed
        with pytest.raises(FlowplanError):
            load_of_any_api(Session(Settings(directory=served.path, given_api_url="sim:")))
        for name in served.path.glob("flowplan.state.*"):
            name.unlink()
    said = " ".join(served.run("state", "restore", "1", "--force").err.split())
    assert f"has moved from {FILE} to {URL}" in said
    assert "No changes" in served.ok("plan", "--state", URL)


def test_a_state_moves_back_to_a_place_that_was_tidied_up(served: Place) -> None:
    served.ok("state", "migrate", FILE, URL)
    removed(served)
    served.ok("state", "migrate", URL, FILE)
    assert "No changes" in served.ok("plan")
    found = served.run("state", "restore", "2", "--force")
    assert (found.code, "when the state moved to" in " ".join(found.err.split())) == (5, True), found
    assert "No changes" in served.ok("plan")


def test_the_documents(served: Place) -> None:
    found = json.loads(served.ok("state", "migrate", FILE, URL, "--format", "json"))
    assert found == {
        "format_version": "1.0",
        "from": FILE,
        "to": URL,
        "lineage": found["lineage"],
        "serial": 3,
        "resources": 1,
        "versions": 3,
        "pending": 0,
        "already": False,
    }
    assert json.loads(served.ok("state", "migrate", FILE, URL, "--format", "json"))["already"] is True
    result = served.run("state", "migrate", URL, FILE)
    assert "say where it is" not in result.err


def test_who_moved_a_state_is_told_all_that_a_command_needs_to_find_it() -> None:
    """Of a database its user, too: the name of a state has none, as it tells one from the other."""
    url = "postgres://ann@db/infra/train?sslmode=require"
    found = Migrated(FILE, "postgres://db/infra/train", state(), 1, 0, typed=url)
    (note,) = migrated_notes(found)
    assert f"`state: {url}`" in note and f"--state '{url}'" in note


def test_a_history_says_who_moved_the_state(served: Place) -> None:
    for source, target in ((FILE, URL), (URL, FILE), (FILE, URL)):
        served.ok("state", "migrate", source, target)
        found = json.loads(served.ok("--state", target, "state", "history", "--format", "json"))["versions"]
        assert len(found) > 2 and all(one["change"] for one in found), found


def test_what_is_in_doubt_is_settled_at_the_new_place(place: Place, world: World) -> None:
    left_in_doubt(place)
    out = place.ok("state", "migrate", FILE, URL)
    assert "1 operation is in doubt" in " ".join(out.split())
    ids = len(place.ledger())
    place.ok("recover", "--state", URL)
    place.ok("apply", "--auto-approve", "--state", URL)
    assert "No changes" in place.ok("plan", "--state", URL)
    assert sum(one.method == "POST" and "bids" in one.path for one in place.ledger()) == 1, ids


def test_files_are_known_from_a_directory_of_another_state(served: Place) -> None:
    """The state names them from its own directory."""
    (served.path / "states").mkdir()
    served.ok("state", "migrate", FILE, "states/s.json")
    shown = json.loads(served.ok("state", "pull", "--state", "states/s.json"))
    assert [one["source"] for one in shown["resources"]] == ["../flowplan.yaml"]
    assert "No changes" in served.ok("plan", "--state", "states/s.json")
    served.ok("state", "migrate", "states/s.json", URL)
    shown = json.loads(served.ok("state", "pull", "--state", URL))
    assert [one["source"] for one in shown["resources"]] == ["./flowplan.yaml"]


def test_a_state_that_is_arriving_says_so(served: Place, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in cut_off(world, FILE, URL, monkeypatch):
        if world.store(URL).exists() and world.kept(FILE) is not None:
            break
    found = served.run("plan", "--state", URL)
    said = " ".join(found.err.split())
    assert (found.code, f"to {URL} has not finished" in said, "state migrate" in said) == (5, True, True), found


def test_a_key_that_names_a_new_place_leaves_no_state_behind(served: Place) -> None:
    """What the file in the directory has would be bought again."""
    before = served.ledger()
    served.edit("version: 2\n", f"version: 2\nstate: {URL}\n")
    for command in (("plan",), ("apply", "--auto-approve"), ("destroy", "--auto-approve"), ("status",)):
        found = served.run(*command)
        remedy = f"give --state {FILE}" if command[0] == "destroy" else f"flowplan state migrate {FILE} {URL}"
        assert (found.code, remedy in " ".join(found.err.split())) == (5, True), found
    assert served.ledger() == before
    served.ok("state", "migrate", FILE, URL)
    assert "No changes" in served.ok("plan")
    served.ok("destroy", "--auto-approve")


def back_and_cut(served: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is at URL; its move back to FILE was cut off once the versions were copied."""

    def killed(*_: object) -> None:
        raise Killed

    served.ok("state", "migrate", FILE, URL)
    served.edit("17.92", "18.92")
    served.ok("--state", URL, "apply", "--auto-approve")
    with monkeypatch.context() as patch:
        patch.setattr(_Move, "_hold_read_back", killed)
        with pytest.raises(Killed):
            served.run("state", "migrate", URL, FILE)


def test_a_place_that_is_tidied_up_in_mid_way_becomes_no_second_state(
    served: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_and_cut(served, monkeypatch)
    serials = [one.serial for one in open_store(FILE, served.path, {}).versions()]
    for command in (*(("state", "restore", str(one), "--force") for one in serials), ("plan",), ("state", "restore")):
        removed(served)
        found = served.run(*command)
        assert found.code == 5, (command, found)
        assert not (served.path / FILE).exists()
    assert "No changes" in served.ok("plan", "--state", URL)
    served.ok("--state", URL, "state", "mv", "bid.train", "bid.eval")
    served.ok("--state", URL, "state", "mv", "bid.eval", "bid.train")
    there = open_store(URL, served.path, dict(os.environ))
    before = {one.serial: there.version(one.lineage, one.serial) for one in there.versions()}
    served.ok("state", "migrate", URL, FILE)
    assert "No changes" in served.ok("plan")
    here, compared = open_store(FILE, served.path, {}), 0
    for one in here.versions():
        found = here.version(one.lineage, one.serial)
        if one.serial in before and not found.moved_to:  # what was left here counts by itself
            assert (found.ids(), found.moving_from) == (before[one.serial].ids(), "")
            compared += 1
    assert compared >= 2


def test_what_had_arrived_goes_on_where_the_state_was_lost_in_mid_way(
    served: Place, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    back_and_cut(served, monkeypatch)
    came_back = {path: path.read_bytes() for path in world.objects.directory.rglob("*") if path.is_file()}
    for path in [*came_back, *Path(world.environ["XDG_STATE_HOME"]).rglob("*.json")]:
        path.unlink()
    for command in (("plan",), ("state", "migrate", URL, FILE)):
        found = served.run(*command)
        assert (found.code, "--force goes on with" in " ".join(found.err.split())) == (5, True), found
    served.ok("state", "migrate", URL, FILE, "--force")
    assert "No changes" in served.ok("plan")
    assert served.run("plan", "--state", URL).code == 5
    for path, data in came_back.items():
        path.write_bytes(data)
    found = served.run("plan", "--state", URL)  # this machine has seen that it was closed
    assert found.code == 5, found


def test_a_file_whose_name_is_no_text_is_left_and_read_like_any_other(place: Place) -> None:
    """The state that arrived at the other place named it, and could not be read: the move ended half-way."""
    odd = os.fsdecode(b"\xff.json")
    place.write(TASK)
    place.ok("--state", odd, "apply", "--auto-approve")
    place.ok("state", "migrate", odd, "new.json")
    assert place.ok("--state", "new.json", "state", "list").strip() == "bid.train"
    left = place.run("--state", odd, "state", "list")
    assert (left.code, "has moved" in left.err) == (5, True)
