"""Faults of the process, the disk, the state, the lock and the plan: every cell of the matrix.

As in test_matrix_api.py: a command runs to its end (or is ended), the invariants hold, and the next run without
faults does what is left. What needs a process of its own (signals, streams) is given one.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from flowplan.backends import open_journal
from flowplan.backends.local import LocalStore
from flowplan.backends.lock import Lock, Owner, this_process
from flowplan.cloud.fcp import Fcp
from flowplan.documents.plan import digest_of
from flowplan.files import atomic as files
from flowplan.model.digest import digest
from tests.conftest import FLOWPLAN, many

from .matrix import Matrix
from .matrix import Test as Cell
from .world import BIDS, COMMANDS, JOURNAL, LOCK, POST_BID, POST_VOLUME, STATE, VOLUMES, Told, World

MATRIX = Matrix(
    "3.2",
    {
        "signal-once": "SIGINT/SIGTERM/SIGHUP once",
        "signal-twice": "twice",
        "sigkill": "SIGKILL at any write/HTTP boundary",
        "sigstop": "SIGSTOP 10 min, then CONT",
        "worker-dies": "child/OOM kill of one worker thread",
        "enospc": "ENOSPC on state/journal",
        "read-only": "read-only dir / file",
        "eio": "EIO on fsync/close",
        "other-errnos": "EDQUOT, EMFILE, ENAMETOOLONG",
        "state-unreadable": "state empty (0 bytes) / NULs / truncated / garbage / bad checksum",
        "state-missing": "state missing, but journal, backup or lock dir exist",
        "state-went-back": "older serial than last seen / than remote",
        "state-too-new": "newer format version",
        "state-too-old": "older format",
        "other-lineage": "other lineage",
        "state-inconsistent": "duplicate ids/addresses in state, dangling deps",
        "lock-held": "lock held, live local process",
        "lock-of-the-dead": "lock held, dead process (same boot)",
        "lock-elsewhere": "lock by other host / unknown",
        "force-unlock": "`force-unlock` with wrong id",
        "concurrent": "N concurrent applies",
        "lock-lost": "lock lost in mid-run (pg session, S3 object deleted)",
        "cas-reply-lost": "backend: CAS reply lost",
        "stale-plan": "stale plan (serial, lineage, config digest, observed digest, flowplan version differ)",
        "plan-damaged": "plan file truncated / bit-flip / other type / future version",
        "plan-edited": "plan file edited consistently",
        "plan-for-another": "plan for other project/endpoint/account",
        "streams": "stdout closed / full / TERM=dumb / no TTY",
    },
)
cell = MATRIX.cell
MATRIX.not_applicable("a plan ends at the first signal", "signal-twice/plan")
MATRIX.not_applicable("a plan changes nothing that a lock lost would matter to", "sigstop/plan", "lock-lost/plan")
MATRIX.not_applicable("a plan has no workers that change anything", "worker-dies/plan")
MATRIX.not_applicable("a plan syncs no state", "eio/plan")
MATRIX.not_applicable("format 1 is the first: there is no older one", "state-too-old/*")
MATRIX.not_applicable(
    "the command is force-unlock itself, listed under apply", "force-unlock/plan", "force-unlock/destroy"
)
MATRIX.not_applicable("remote backends, whose writes compare and set, do not exist yet", "cas-reply-lost/*")
MATRIX.not_applicable(
    "a plan reads no saved plan",
    *(f"{row}/plan" for row in ("stale-plan", "plan-damaged", "plan-edited", "plan-for-another")),
)

# ---- a process of its own -----------------------------------------------------------------------------------


class Running:
    """A command in a process of its own, its calls logged on stderr. `before`: Python that runs first there."""

    def __init__(self, world: World, *arguments: str, before: str = "pass", **streams: Any) -> None:
        self.world, self.seen = world, ""
        code = f"import sys; {before}; from flowplan.__main__ import main; sys.exit(main())"
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        self.process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments, "-v"],
            cwd=world.path,
            env={**os.environ, "FLOWPLAN_SETTLE_WINDOW": "0.3"},
            stdin=subprocess.DEVNULL,
            text=True,
            **streams,
        )

    def until(self, word: str) -> Running:
        """Wait until a line of stderr holds `word`."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.seen += line
            if word in line:
                return self
        raise AssertionError(f"it ended before it said {word!r}: {self.seen}")

    def send(self, *numbers: int) -> Running:
        for number in numbers:
            self.process.send_signal(number)
        return self

    def end(self, timeout: float = 30) -> Told:
        """Wait for its end. `seconds` is real time since this call."""
        started = time.monotonic()
        out, err = self.process.communicate(timeout=timeout)
        err = self.seen + (err or "")
        self.world.outputs += [out or "", err]
        assert "Traceback" not in err, err
        return Told(self.process.returncode, out or "", err, (), time.monotonic() - started)


def shell_code(told: Told) -> int:
    """The exit code as a shell has it: 128 + n for what a signal ended."""
    return 128 - told.code if told.code < 0 else told.code


SIGNALS = {"int": (signal.SIGINT, 130), "term": (signal.SIGTERM, 143)}
SLOW_ROUTE = {"apply": POST_VOLUME, "destroy": f"DELETE {BIDS}/*"}


def held_up(world: World, command: str, seconds: float, before: str = "pass", nth: int = 2) -> Running:
    """`command`, one call at a time, stopped at its n-th change, which takes so many seconds."""
    world.begin(command)
    world.fault(SLOW_ROUTE[command], "slow", seconds=seconds, nth=nth)
    running = Running(world, *COMMANDS[command], "--parallelism", "1", before=before)
    word = "creating..." if command == "apply" else "destroying..."
    for _ in range(nth):
        running.until(word)
    return running


@cell("signal-once", "plan", variants={**SIGNALS, "hup": (signal.SIGHUP, 143)})
def a_plan_ends_at_once(world: World, command: str, given: tuple[int, int]) -> None:
    number, code = given
    world.fresh()
    world.fault("GET /v2/pricing/current", "slow", seconds=20)
    told = Running(world, "plan").until(f"{BIDS} ->").send(number).end()
    assert shell_code(told) == code, told
    assert told.seconds < 10  # the call takes 20
    assert told.out == ""
    assert not world.state_files()


@cell("signal-once", "apply", "destroy", variants={**SIGNALS, "hup": (signal.SIGHUP, 143)})
def what_is_under_way_is_finished_and_nothing_new_begins(world: World, command: str, given: tuple[int, int]) -> None:
    number, code = given
    told = held_up(world, command, 0.4).send(number).end()
    assert told.code == code, told
    assert "stopping" in told.said
    assert "0 unknown" in told.out and "not started: " in told.err
    assert len(world.executed()) == (2 if command == "apply" else 6)  # two of four, after the four that made them
    assert (world.path / LOCK).read_bytes() == b""


@cell("signal-once", "apply", "destroy", variants={"beyond-the-grace": (signal.SIGINT, 6)})
def what_does_not_end_in_time_is_left_as_an_intent(world: World, command: str, given: tuple[int, int]) -> None:
    number, code = given
    grace = "import flowplan.apply as a; a.GRACE = 0.2"
    told = held_up(world, command, 20, before=grace).send(number).end()
    assert told.code == (code if command == "apply" else 130), told  # UNKNOWN goes before INT
    assert told.seconds < 10  # the call takes 20
    assert len(LocalStore(world.path / STATE).read().pending) == 1


@cell("signal-twice", "apply", "destroy", variants=SIGNALS)
def the_second_signal_ends_it_at_once(world: World, command: str, given: tuple[int, int]) -> None:
    number, code = given
    running = held_up(world, command, 20).send(number).until("stopping")
    told = running.send(number).end()
    assert told.code == code, told
    assert told.seconds < 4.0  # not the five of the grace, nor the twenty of the call
    assert "is looked up by the next run" in told.said
    loaded = LocalStore(world.path / STATE).read()
    assert len(loaded.pending) == 1
    assert (world.path / LOCK).read_bytes() == b""  # another machine may go on at once
    again = world.do(command)
    assert again.code == 0, again


@cell("sigkill", "plan")
def a_killed_plan_loses_nothing(world: World, command: str) -> None:
    world.fresh()
    world.fault("GET /v2/pricing/current", "kill")
    told = Running(world, "plan").end()
    assert told.code == -signal.SIGKILL, told
    assert not world.state_files()


AT_POSTS = {
    f"{kind}-{nth}-{'after' if done else 'before'}-commit": (route, nth, done)
    for kind, route in (("volume", POST_VOLUME), ("bid", POST_BID))
    for nth in (1, 2)
    for done in (False, True)
}
AT_DELETES = {
    f"{kind}-{nth}-{'after' if done else 'before'}-commit": (f"DELETE {path}/*", nth, done)
    for kind, path in (("volume", VOLUMES), ("bid", BIDS))
    for nth in (1, 2)
    for done in (False, True)
}


@cell("sigkill", "apply", variants=AT_POSTS)
@cell("sigkill", "destroy", variants=AT_DELETES)
def a_kill_at_a_call_is_recovered_from(world: World, command: str, given: tuple[str, int, bool]) -> None:
    route, nth, done = given
    world.begin(command)
    world.fault(route, "kill", nth=nth, after_commit=done)
    told = Running(world, *COMMANDS[command]).end()
    assert told.code == -signal.SIGKILL, told
    world.hold_invariants()
    assert LocalStore(world.path / STATE).read().pending
    again = world.do(command)
    assert again.code == 0, again
    assert "recovering" in again.said
    if command == "apply":
        assert len(world.executed("POST")) == 4


@cell("sigkill", "apply", "destroy", variants={"torn-journal": 7})
def a_torn_record_at_the_end_counts_for_nothing(world: World, command: str, cut: int) -> None:
    """Killed in the middle of a write: the call that the torn record announces was never made."""
    world.begin(command)
    route = POST_BID if command == "apply" else f"DELETE {BIDS}/*"
    world.fault(route, "kill")
    assert Running(world, *COMMANDS[command], "--parallelism", "1").end().code == -signal.SIGKILL
    journal = world.path / JOURNAL
    journal.write_bytes(journal.read_bytes().rstrip(b"\0")[:-cut])


@cell("sigstop", "apply", "destroy", variants={"lock-kept": False, "lock-lost": True})
def whoever_wakes_up_looks_for_its_lock_first(world: World, command: str, lost: bool) -> None:
    running = held_up(world, command, 0.3, nth=1).send(signal.SIGSTOP)
    if lost:
        (world.path / LOCK).unlink()
        with holding(world):  # another run, meanwhile
            told = running.send(signal.SIGCONT).end()
        assert told.code == 5, told
        assert "was taken away while this command ran" in told.said
        # Nothing after the one under way; and that looks once more before it is sent, if it was not yet.
        assert len(world.executed()) in ((0, 1) if command == "apply" else (4, 5))
    else:
        told = running.send(signal.SIGCONT).end()
        assert told.code == 0, told


@cell(
    *("worker-dies", "apply", "destroy"),
    variants={
        "before-the-call": (MemoryError, False),
        "after-the-call": (MemoryError, True),
        "exit": (SystemExit, True),
    },
)
def a_worker_that_dies_leaves_its_intent(world: World, command: str, given: tuple[type[BaseException], bool]) -> None:
    kind, done = given
    world.begin(command)
    name = "create" if command == "apply" else "cancel_bid"
    real = getattr(Fcp, name)
    deaths = iter([True])

    def dying(fcp: Fcp, *arguments: Any, **options: Any) -> Any:
        dies = next(deaths, False)
        made = real(fcp, *arguments, **options) if done or not dies else None
        if dies:
            raise kind("a worker is gone")
        return made

    world.monkeypatch.setattr(Fcp, name, dying)
    told = world.do(command, "--parallelism", "1")
    assert f"internal error: {kind.__name__}" in told.said
    assert told.code == (0 if command == "apply" else 1), told  # a create is looked up at once
    assert len(world.executed("POST")) == 4


# ---- the disk -----------------------------------------------------------------------------------------------


class Disk:
    """`os` as the backends see it, with calls that fail: the named ones with `number`, from the n-th on (`times`)."""

    def __init__(self, number: int, *names: str, nth: int = 1, times: int = 1 << 30) -> None:
        self.number, self.names, self.nth, self.times = number, names, nth, times
        self.calls: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        real = getattr(os, name)
        return self._failing(name, real) if name in self.names else real

    def _failing(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            self.calls.append((name, arguments[0] if isinstance(arguments[0], int) else -1))
            if self.nth <= len(self.calls) < self.nth + self.times:
                raise OSError(self.number, os.strerror(self.number))
            return real(*arguments, **options)

        return call


@contextlib.contextmanager
def failing(disk: Disk, *modules: Any) -> Iterator[Disk]:
    with pytest.MonkeyPatch.context() as patch:
        for module in modules:
            patch.setattr(module, "os", disk)
        yield disk


@cell("enospc", "plan", variants={"enospc": errno.ENOSPC})
@cell("other-errnos", "plan", variants={"edquot": errno.EDQUOT})
def a_plan_is_shown_and_the_file_is_all_or_nothing(world: World, command: str, number: int) -> None:
    world.fresh()
    with failing(Disk(number, "pwrite"), files, open_journal):
        assert world.run("plan").code == 0
        told = world.run("plan", "--out", "saved.plan")
    assert told.code == 1, told
    assert os.strerror(number) in told.said
    assert [path.name for path in world.path.glob("saved.plan*")] == []


@cell("enospc", "apply", "destroy", variants={"before-the-first-call": errno.ENOSPC})
@cell("other-errnos", "apply", "destroy", variants={"edquot": errno.EDQUOT})
def a_full_disk_is_met_before_anything_is_done(world: World, command: str, number: int) -> None:
    world.begin(command)
    before = world.state_files()
    with failing(Disk(number, "posix_fallocate"), open_journal):
        told = world.do(command)
    assert told.code == 5, told
    assert not told.mutations
    after = world.state_files()
    assert {name: data.rstrip(b"\0") for name, data in after.items() if data} == before


@cell("enospc", "apply", "destroy", variants={"mid-run": errno.ENOSPC})
@cell("eio", "apply", "destroy", variants={"journal": errno.EIO})
def what_the_journal_cannot_take_is_spilled_and_merged(world: World, command: str, number: int) -> None:
    world.begin(command)
    with failing(Disk(number, "fdatasync", nth=3 if command == "apply" else 2), open_journal) as disk:
        told = world.do(command, "--parallelism", "1")
    assert told.code == 5, told
    assert len(told.mutations) == len(world.executed()) - (0 if command == "apply" else 4)
    failed = disk.calls[disk.nth - 1 :]
    assert len(failed) == 1  # never synced again
    (spill,) = (world.path.parent / "xdg" / "flowplan").iterdir()
    assert spill.stat().st_mode & 0o777 == 0o600
    assert str(spill) in told.said
    world.damaged = True  # until the next run, what was done is in the spill
    world.hold_invariants()
    again = world.do(command)
    assert again.code == 0, again
    assert not spill.exists()
    assert len(world.executed("POST")) == 4


@cell("enospc", "apply", variants={"nowhere-to-spill": errno.ENOSPC})
def as_a_last_resort_ids_are_told(world: World, command: str, number: int) -> None:
    world.begin(command)
    world.environ(XDG_STATE_HOME="/dev/null/nowhere")
    with failing(Disk(number, "fdatasync", nth=3), open_journal):
        told = world.do(command, "--parallelism", "1")
    assert told.code == 5, told
    (made,) = world.executed("POST")
    assert made.subject in told.err
    assert "made: volume.vol-00" in told.err


@cell("enospc", "apply", "destroy", variants={"at-the-snapshot": errno.ENOSPC})
@cell("eio", "apply", "destroy", variants={"snapshot": errno.EIO})
def a_snapshot_that_cannot_be_written_leaves_the_journal(world: World, command: str, number: int) -> None:
    world.begin(command)
    with failing(Disk(number, "fsync", nth=2), files) as disk:  # the first is that of the journal's directory
        told = world.do(command)
    assert told.code == 5, told
    assert "could not be made durable" in told.said
    # what failed to sync is not synced again; when the device fails, a second file is tried, once
    assert len(disk.calls) == 2 + (number == errno.EIO)
    loaded = LocalStore(world.path / STATE).read()
    assert len(loaded.state.bindings) == (6 if command == "apply" else 0)


def frozen_directory(patch: pytest.MonkeyPatch) -> None:
    """The working directory can be read only: what flowplan keeps there cannot be opened for writing."""
    real, access = os.open, os.access

    def opens(path: Any, flags: int, *more: Any, **options: Any) -> int:
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT) and Path(os.fsdecode(path)).name.startswith("flowplan."):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return real(path, flags, *more, **options)

    patch.setattr(os, "open", opens)
    patch.setattr(os, "access", lambda path, mode, **more: not mode & os.W_OK and access(path, mode, **more))


@cell("read-only", "plan")
def a_plan_works_without_the_lock_and_says_so(world: World, command: str) -> None:
    world.applied(changed=True)
    with pytest.MonkeyPatch.context() as patch:
        frozen_directory(patch)
        told = world.do(command)
    assert told.code == 0, told
    assert "cannot be written, so the lock is not taken" in told.said
    assert "2 to change" in told.out


@cell("read-only", "apply", "destroy")
def nothing_is_done_where_nothing_can_be_written(world: World, command: str) -> None:
    world.begin(command)
    before = world.state_files()
    with pytest.MonkeyPatch.context() as patch:
        frozen_directory(patch)
        told = world.do(command)
    assert told.code == 5, told
    assert not told.mutations
    assert world.state_files() == before


@cell("other-errnos", "plan", "apply", "destroy", variants={"emfile": errno.EMFILE})
def no_more_files_is_a_failure_before_anything(world: World, command: str, number: int) -> None:
    world.begin(command)
    with pytest.MonkeyPatch.context() as patch:
        real = os.open

        def opens(path: Any, flags: int, *more: Any, **options: Any) -> int:
            if Path(os.fsdecode(path)).name.startswith("flowplan."):
                raise OSError(number, os.strerror(number))
            return real(path, flags, *more, **options)

        patch.setattr(os, "open", opens)
        told = world.do(command)
    assert told.code in (1, 5, 65), told
    assert os.strerror(number) in told.said
    assert not told.mutations


@cell("other-errnos", "plan", "apply", "destroy", variants={"enametoolong": "n" * 300})
def a_name_that_is_too_long_is_a_failure_before_anything(world: World, command: str, name: str) -> None:
    world.begin(command)
    options = {"plan": ("--out", name)}.get(command, ("--state", name))
    told = world.do(command, *options)
    assert told.code in (1, 5, 64), told
    assert "name too long" in told.said.lower()
    assert not told.mutations


# ---- the state ----------------------------------------------------------------------------------------------


def twice_applied(world: World) -> bytes:
    """An applied stack whose state has a backup; returns the first state."""
    world.applied()
    first = (world.path / STATE).read_bytes()
    world.place.write(many(2, price="20.00"))
    assert world.do("apply").code == 0
    return first


def refused(world: World, command: str, *says: str) -> Told:
    """The state is refused: nothing is called, nothing is taken for a fresh start; `state restore` mends it."""
    world.damaged = True
    before = world.state_files()
    told = world.do(command)
    assert told.code == 5, told
    assert not told.mutations
    assert "will be created" not in told.out
    assert all(word in told.said for word in says), told
    assert world.state_files() == before
    world.mend.append(lambda: restored(world))
    return told


def restored(world: World) -> None:
    told = world.run("state", "restore")
    assert told.code == 0, told


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "nuls": lambda data: bytes(len(data)),
    "truncated": lambda data: data[: len(data) // 2],
    "garbage": lambda data: os.urandom(len(data)),
    "bad-checksum": lambda data: data.replace(b"vol-000", b"vol-009"),
    "nan": lambda data: data.replace(b'"serial": 2', b'"serial": NaN'),
    "a-key-twice": lambda data: data.replace(b'"serial": 2', b'"serial": 2, "serial": 2'),
}


@cell("state-unreadable", "plan", "apply", "destroy", variants=DAMAGE)
def a_damaged_state_is_never_a_fresh_start(world: World, command: str, damage: Callable[[bytes], bytes]) -> None:
    twice_applied(world)
    path = world.path / STATE
    data = damage(path.read_bytes())
    assert data != path.read_bytes()
    path.write_bytes(data)
    refused(world, command, STATE, "state restore")


@cell("state-missing", "plan", "apply", "destroy")
def a_missing_state_with_traces_is_no_fresh_start(world: World, command: str) -> None:
    twice_applied(world)
    (world.path / STATE).unlink()
    refused(world, command, "is missing, but flowplan.state.journal shows that there was one", "--init")


@cell("state-missing", "apply", variants={"init": None})
def who_says_init_begins_anew(world: World, command: str, _: None) -> None:
    world.applied()
    for path in (
        *(f"{BIDS}/{bid['fid']}" for bid in world.bids()),
        *(f"{VOLUMES}/{v['fid']}" for v in world.volumes()),
    ):
        world.somebody("DELETE", path)
    (world.path / STATE).unlink()
    assert world.do(command).code == 5
    told = world.do(command, "--init")
    assert told.code == 0, told
    assert len(world.bids()) == 2


@cell("state-went-back", "plan", "apply", "destroy")
def a_state_that_went_back_is_refused(world: World, command: str) -> None:
    first = twice_applied(world)
    (world.path / STATE).write_bytes(first)
    refused(world, command, "went back: serial 1, but 2 was seen here")


def crafted(world: World, edit: Callable[[dict[str, Any]], Any]) -> None:
    """The state, edited and with a checksum that is right."""
    path = world.path / STATE
    body = json.loads(path.read_text())
    del body["sha256"]
    edit(body)
    path.write_text(json.dumps({**body, "sha256": digest(body)}))


@cell("state-too-new", "plan", "apply", "destroy")
def a_state_of_a_newer_flowplan_is_refused(world: World, command: str) -> None:
    twice_applied(world)
    crafted(world, lambda body: body.update(format_version=2, flowplan_version="9.9"))
    refused(world, command, "was written by flowplan 9.9")


@cell("other-lineage", "plan", "apply", "destroy")
def a_state_of_another_stack_is_refused(world: World, command: str) -> None:
    twice_applied(world)
    crafted(world, lambda body: body.update(lineage="00000000-0000-4000-8000-000000000000"))
    refused(world, command, "belong to different stacks", "00000000-0000-4000-8000-000000000000")


@cell("other-lineage", "apply", variants={"push": None})
def push_wants_force_and_names_both_lineages(world: World, command: str, _: None) -> None:
    world.applied()
    ours = LocalStore(world.path / STATE).read().state.lineage
    crafted(world, lambda body: body.update(lineage="00000000-0000-4000-8000-000000000000"))
    shutil.copy(world.path / STATE, world.path / "theirs.json")
    shutil.copy(world.template / STATE, world.path / STATE)
    told = world.run("state", "push", "theirs.json")
    assert told.code == 5, told
    forced = world.run("state", "push", "--force", "theirs.json")
    assert forced.code == 0, forced
    for one in (told, forced):
        assert ours in one.said and "00000000-0000-4000-8000-000000000000" in one.said
    (world.path / "theirs.json").unlink()


def address_twice(body: dict[str, Any]) -> None:
    body["resources"].append(body["resources"][0])


def id_twice(body: dict[str, Any]) -> None:
    volumes = [one for one in body["resources"] if one["type"] == "volume"]
    volumes[1]["id"] = volumes[0]["id"]


def dangling(body: dict[str, Any]) -> None:
    body["resources"] = [one for one in body["resources"] if one["address"] != "volume.vol-000"]


INCONSISTENT = {
    "address-twice": (address_twice, "names an address twice"),
    "id-twice": (id_twice, "names an object's id twice"),
    "dangling-need": (dangling, "needs volume.vol-000, which is not there"),
}


@cell("state-inconsistent", "plan", "apply", "destroy", variants=INCONSISTENT)
def a_state_that_contradicts_itself_is_refused(world: World, command: str, given: tuple[Any, str]) -> None:
    twice_applied(world)
    crafted(world, given[0])
    refused(world, command, given[1])


# ---- the lock -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def holding(world: World) -> Iterator[Owner]:
    """Another descriptor holds the lock: for flock, that is another process."""
    lock = Lock(world.path / LOCK)
    owner = this_process("flowplan apply elsewhere", {}, "2026-11-02T09:00:00Z")
    lock.acquire(owner)
    try:
        yield owner
    finally:
        lock.release()


ELSEWHERE = {"host": "elsewhere.test", "boot": "b" * 36, "machine": "c" * 32}


def left_behind(world: World, **changes: Any) -> Owner:
    """A lock file that names a run which nobody here holds the lock for."""
    owner = this_process("flowplan apply", {}, "2026-11-02T09:00:00Z")
    given = {name: getattr(owner, name) for name in Owner.__annotations__}
    path = world.path / LOCK
    path.write_text(json.dumps({**given, "pid": 4_194_304, "started": "1", **changes}))
    path.chmod(0o600)
    return Owner(**json.loads(path.read_text()))


@cell("lock-held", "plan", "apply", "destroy", variants={"at-once": None, "after-a-wait": "0.2s"})
def a_lock_that_is_held_names_its_holder(world: World, command: str, wait: str | None) -> None:
    world.begin(command)
    with holding(world) as owner:
        told = world.do(command, *(("--lock-timeout", wait) if wait else ()))
        assert told.code == 4, told
        for word in (owner.who, owner.command, owner.since):
            assert word in told.said
        assert not told.sent
        assert ("waiting up to 0.2 s" in told.said) is bool(wait)


@cell("lock-held", "plan", variants={"no-lock": None})
def a_plan_can_do_without_and_warns(world: World, command: str, _: None) -> None:
    world.begin(command)
    with holding(world):
        told = world.do(command, "--no-lock")
    assert told.code == 0, told
    assert "the lock is not taken" in told.said


@cell("lock-of-the-dead", "plan", "apply", "destroy")
def the_lock_of_a_dead_run_is_taken_over(world: World, command: str) -> None:
    world.begin(command)
    left_behind(world)
    told = world.do(command)
    assert told.code == 0, told
    assert "died; taking over its lock" in told.said


@cell("lock-elsewhere", "plan", "apply", "destroy")
def the_lock_of_another_host_is_never_broken(world: World, command: str) -> None:
    world.begin(command)
    owner = left_behind(world, **ELSEWHERE, who="kim@elsewhere.test")
    before = (world.path / LOCK).read_bytes()
    told = world.do(command, "--lock-timeout", "0.1s")
    assert told.code == 4, told
    assert "kim@elsewhere.test" in told.said and owner.since in told.said
    assert f"flowplan force-unlock {owner.id}" in told.said
    assert (world.path / LOCK).read_bytes() == before
    assert not told.sent
    world.mend.append(lambda: unlocked(world, owner.id))


def unlocked(world: World, id: str) -> None:
    told = world.run("force-unlock", id)
    assert told.code == 0, told


@cell("force-unlock", "apply", variants={"elsewhere": ELSEWHERE, "alive": None})
def a_wrong_id_breaks_nothing(world: World, command: str, host: Any) -> None:
    world.begin(command)
    owner = left_behind(world, **host) if host else None
    with holding(world) if not host else contextlib.nullcontext(owner) as owner:
        before = (world.path / LOCK).read_bytes()
        told = world.run("force-unlock", "00000000-0000-4000-8000-000000000000")
        assert told.code == 1, told
        assert "it stays" in told.said
        assert (world.path / LOCK).read_bytes() == before
        assert world.do(command).code == 4
    if host:
        assert owner is not None
        world.mend.append(lambda: unlocked(world, owner.id))


@cell("concurrent", "apply", "destroy", variants={"4": 4})
def one_of_several_works_and_the_others_are_told(world: World, command: str, count: int) -> None:
    world.begin(command)
    first = Running(world, *COMMANDS[command])
    first.until("creating..." if command == "apply" else "destroying...").send(signal.SIGSTOP)
    others = [Running(world, *COMMANDS[command]) for _ in range(count - 1)]
    assert [one.end().code for one in others] == [4] * (count - 1)
    assert first.send(signal.SIGCONT).end().code == 0
    assert len(world.executed("POST")) == 4


@cell("concurrent", "apply", "destroy", variants={"waiting": 3})
def those_that_wait_plan_anew(world: World, command: str, count: int) -> None:
    world.begin(command)
    runs = [Running(world, *COMMANDS[command], "--lock-timeout", "30s") for _ in range(count)]
    told = [one.end() for one in runs]
    assert [one.code for one in told] == [0] * count
    assert sum("complete" in one.out for one in told) == 1
    assert len(world.executed("POST")) == 4


@cell("concurrent", "plan", variants={"no-lock": ("--no-lock",), "waiting": ("--lock-timeout", "30s")})
def several_plans_all_read(world: World, command: str, options: tuple[str, ...]) -> None:
    world.begin(command)
    told = [one.end() for one in [Running(world, "plan", *options) for _ in range(3)]]
    assert [one.code for one in told] == [0] * 3
    assert len({one.out for one in told}) == 1


@cell("lock-lost", "apply", "destroy")
def without_its_lock_a_run_changes_nothing_more(world: World, command: str) -> None:
    """The local lock's form of it: somebody removes the file."""
    world.begin(command)
    name = "create" if command == "apply" else "cancel_bid"
    real = getattr(Fcp, name)

    def losing(fcp: Fcp, *arguments: Any, **options: Any) -> Any:
        (world.path / LOCK).unlink(missing_ok=True)
        return real(fcp, *arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Fcp, name, losing)
        told = world.do(command, "--parallelism", "1")
    assert told.code == 5, told
    assert "was taken away while this command ran" in told.said
    assert not told.mutations  # it looks once more before each attempt
    loaded = LocalStore(world.path / STATE).read()
    assert len(loaded.state.bindings) == (0 if command == "apply" else 4)


# ---- the saved plan -----------------------------------------------------------------------------------------

PLAN = "saved.plan"
GRANTED = ("--allow-volume-destroy", "*")  # again: what the file says of it proves nothing


def saved(world: World, command: str) -> dict[str, Any]:
    """A saved plan of a changed price, or of destroying all; its document."""
    world.applied(changed=command == "apply")
    options = ("--destroy", "--allow-volume-destroy", "*") if command == "destroy" else ()
    told = world.run("plan", "--out", PLAN, *options)
    assert told.code == 0, told
    body: dict[str, Any] = json.loads((world.path / PLAN).read_text())
    return body


def refused_plan(world: World, *says: str, options: tuple[str, ...] = (), codes: tuple[int, ...] = (3,)) -> None:
    told = world.run("apply", PLAN, *options)
    assert told.code in codes, told
    assert not told.mutations
    assert all(word in told.said for word in says), told


def resealed(world: World, body: dict[str, Any], **changes: Any) -> None:
    """The plan, edited, with a digest that is right."""
    body = {**body, **changes}
    (world.path / PLAN).write_text(json.dumps({**body, "sha256": digest_of(body)}, indent=2))


def applied_meanwhile(world: World, body: dict[str, Any]) -> None:
    assert world.run("apply", PLAN, *GRANTED).code == 0


def lineage_changed(world: World, body: dict[str, Any]) -> None:
    crafted(world, lambda state: state.update(lineage="00000000-0000-4000-8000-000000000000"))
    (world.path / JOURNAL).unlink()


def changed_outside(world: World, body: dict[str, Any]) -> None:
    world.somebody("PATCH", f"{BIDS}/{world.bid()}", {"limit_price": "$30.00"})


def version_changed(world: World, body: dict[str, Any]) -> None:
    resealed(world, body, flowplan_version="9.9.9")


STALE = {
    "serial": applied_meanwhile,
    "lineage": lineage_changed,
    "observed": changed_outside,
    "version": version_changed,
}


def configuration_changed(world: World, body: dict[str, Any]) -> None:
    world.place.write(many(2, price="22.00"))


@cell("stale-plan", "apply", variants={**STALE, "configuration": configuration_changed})
@cell("stale-plan", "destroy", variants=STALE)
def a_plan_that_no_longer_fits_is_refused(world: World, command: str, moves: Callable[..., None]) -> None:
    body = saved(world, command)
    moves(world, body)
    before = len(world.executed())
    told = world.run("apply", PLAN)
    empty = moves is applied_meanwhile and command == "destroy"  # nothing left: planning again does not do the same
    assert told.code == 3, (empty, told)
    assert len(world.executed()) == before


PLAN_DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "truncated": lambda data: data[: len(data) // 2],
    "one-bit": lambda data: data.replace(b'"21.50"', b'"21.40"').replace(b'"mode": "destroy"', b'"mode": "destroX"'),
    "future-version": lambda data: data.replace(b'"format_version": "1.0"', b'"format_version": "2.0"'),
    "other-type": lambda data: b'{"terraform_version": "1.11.4"}',
    "binary": lambda data: b"PK\x03\x04" + bytes(100),
}


@cell("plan-damaged", "apply", "destroy", variants=PLAN_DAMAGE)
def a_damaged_plan_is_no_plan(world: World, command: str, damage: Callable[[bytes], bytes]) -> None:
    saved(world, command)
    path = world.path / PLAN
    data = damage(path.read_bytes())
    assert data != path.read_bytes()
    path.write_bytes(data)
    # What is not a plan at all is read as a task file, and is none: 65.
    refused_plan(world, codes=(3,) if b'"format_version"' in data else (65,))


def dearer(body: dict[str, Any]) -> list[Any]:
    """The changes of the plan, edited by somebody who would spend more, or delete more."""
    changes = json.loads(json.dumps(body["resource_changes"]))
    if body["mode"] == "apply":
        for one in changes:
            if one["type"] == "bid":
                one["change"]["after"]["limit_price"] = "99.00"
    else:
        del changes[0]
    return list(changes)


@cell("plan-edited", "apply", "destroy", variants={"expect": "expect", "without-a-key": "", "with-a-key": "key"})
def an_edited_plan_is_refused_although_its_digest_is_right(world: World, command: str, how: str) -> None:
    if how == "key":
        world.environ(FLOWPLAN_PLAN_KEY="CANARY0123456789abcdef")
        world.secrets.append("CANARY0123456789abcdef")
    body = saved(world, command)
    resealed(world, body, resource_changes=dearer(body))
    refused_plan(world, options=("--expect", body["sha256"]) if how == "expect" else ())


@cell("plan-edited", "apply", variants={"unsigned": None})
def an_unsigned_plan_is_refused_where_there_is_a_key(world: World, command: str, _: None) -> None:
    saved(world, command)
    world.environ(FLOWPLAN_PLAN_KEY="CANARY0123456789abcdef")
    refused_plan(world, "FLOWPLAN_PLAN_KEY")


@cell("plan-for-another", "apply", "destroy", variants={"endpoint": "api_url", "project": "project"})
def a_plan_for_another_cloud_names_both(world: World, command: str, what: str) -> None:
    body = saved(world, command)
    stack = body["stack"]
    if what == "api_url":
        stack = {**stack, "api_url": "https://api.other.test"}
    else:
        stack = {**stack, "project": {"id": "proj_other", "name": "other-project"}}
    resealed(world, body, stack=stack)
    refused_plan(world, *(("https://api.other.test", "sim:") if what == "api_url" else ("other-project", "my-foundry")))


# ---- where the output goes --------------------------------------------------------------------------------------


def shell(world: World, command: str, redirect: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-c", f'"$@" {redirect}', "-", *FLOWPLAN, *COMMANDS[command]],
        cwd=world.path,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


STREAMS = {
    "stdout-closed": ">&-",
    "stdout-full": ">/dev/full",
    "stderr-closed": "2>&-",
    "both-full": ">/dev/full 2>&1",
    "both-closed": ">&- 2>&-",
    "stdin-closed": "<&-",
}


@cell("streams", "plan", "apply", "destroy", variants=STREAMS)
def where_output_goes_decides_nothing(world: World, command: str, redirect: str) -> None:
    world.begin(command)
    done = shell(world, command, redirect)
    assert done.returncode == 0, done
    assert "Traceback" not in done.stderr
    if command == "apply":
        assert len(world.executed("POST")) == 4
    if command == "destroy":
        assert not world.bids()


@cell("streams", "plan", "apply", "destroy", variants={"dumb": "dumb"})
def a_dumb_terminal_gets_plain_text(world: World, command: str, term: str) -> None:
    world.begin(command)
    done = shell(world, command, "", TERM=term)
    assert done.returncode == 0, done
    assert "\x1b" not in done.stdout + done.stderr


@cell("streams", "apply", "destroy", variants={"nobody-to-ask": None})
def without_approval_nothing_is_done(world: World, command: str, _: None) -> None:
    world.begin(command)
    told = world.run(*[word for word in COMMANDS[command] if word != "--auto-approve"])
    assert told.code == 1, told
    assert "--auto-approve" in told.said
    assert not told.mutations


# ---- all of them ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [pytest.param(test, id=test.id) for test in MATRIX.tests])
def test_process_fault(one: Cell, world: World) -> None:
    one.play(world, one.column, *one.given)
    world.hold_invariants()
    world.converge(one.column)


def test_every_cell_is_a_test_or_has_a_reason() -> None:
    MATRIX.hold_complete()
    assert MATRIX.figure().startswith("3.2: 28 rows x 3 = 84 cells")
    print(MATRIX.figure())
    for (row, column), why in sorted(MATRIX.reasons.items()):
        print(f"  n/a {row}/{column}: {why}")
