"""Killed at the k-th point, for every k, and failed there: everything goes on as if nothing had happened.

After each: nothing live that is neither in the state nor in doubt; nothing live twice; the state the whole old or the
whole new one; the lock free. After the next run: the cloud, the state and the number of creates of an undisturbed
run, and a plan with nothing in it. `scenarios.py` has the scenarios, `points.py` what a point is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pytest

from tests.faults.points import Act
from tests.faults.runner import Ran, Runner
from tests.faults.scenarios import SCENARIOS, Proof, numbers

Wanted = Callable[[str], bool]


def of(*kinds: str) -> Wanted:
    return lambda label: label.partition(" ")[0] in kinds


def changing(label: str) -> bool:
    """Whether a point is a write, a sync or a rename, or a request that changes something."""
    return of("write", "sync", "rename")(label) or (of("sent", "answer")(label) and " GET " not in label)


ANY = of("write", "sync", "rename", "file", "sent", "answer")
ON_FILES = of("write", "sync", "rename", "file")


@pytest.fixture(params=SCENARIOS)
def proof(request: pytest.FixtureRequest, in_memory: Path, runner: Runner) -> Proof:
    return Proof(request.param, SCENARIOS[request.param], in_memory, runner)


# How a command may end: given the labels of the points from the one where it happened.
Allowed = Callable[[Sequence[str], Ran], bool]


def killed(rest: Sequence[str], ran: Ran) -> bool:
    return ran.signal == 9


def refused(rest: Sequence[str], ran: Ran) -> bool:
    """Exit code 5: something could not be made durable. Only letting go of the lock cannot fail."""
    return ran.codes == [5] or (ran.codes == [0] and rest[0] in LETTING_GO)


LETTING_GO = ("file ftruncate flowplan.lock", "file close flowplan.lock")


def refused_if_room_is_needed(rest: Sequence[str], ran: Ran) -> bool:
    return ran.codes == [5 if any(needs_room(label) for label in rest) else 0]


def needs_room(label: str) -> bool:
    """Whether a call takes space: a write, a reservation, a new file."""
    return label.startswith(("write", "file posix_fallocate")) or (label.startswith("file open") and label[-1] == "~")


def done(rest: Sequence[str], ran: Ran) -> bool:
    """A write that took only half is gone on with."""
    return ran.codes == [0]


def done_or_in_doubt(rest: Sequence[str], ran: Ran) -> bool:
    """A create is sent again once in a run: when that is lost too, whether it happened is left to the next run."""
    return ran.codes == [0] or (ran.codes == [6] and rest[0].startswith(("sent POST", "answer POST")))


def at_all(proof: Proof, plan: Iterable[tuple[Act, Wanted, Allowed]], what: str) -> None:
    """Every act at every point that it is for."""
    for act, wanted, allowed in plan:
        for number in proof.numbers(wanted):
            proof.interrupt(number, act, allowed)
    print(proof.figure(what))
    assert not proof.undone, "\n".join(proof.undone)
    assert proof.points


# ---- killed -----------------------------------------------------------------------------------------------------


def test_killed_at_every_write_sync_rename_and_request(proof: Proof) -> None:
    at_all(proof, [("kill", of("write", "sync", "rename", "sent", "answer"), killed)], "killed")


def test_killed_in_the_middle_of_every_write(proof: Proof) -> None:
    at_all(proof, [("torn", of("write"), killed)], "killed in the middle of a write")


def test_power_lost_at_every_sync_rename_and_answer(proof: Proof) -> None:
    wanted: Wanted = lambda label: of("sync", "rename", "answer")(label) and changing(label)  # noqa: E731
    at_all(proof, [("power", wanted, killed)], "everything lost that was not synced")


@pytest.mark.slow
def test_killed_and_power_lost_at_every_call(proof: Proof) -> None:
    at_all(proof, [("kill", ANY, killed), ("power", ANY, killed)], "killed, or the power lost")


# ---- failed -----------------------------------------------------------------------------------------------------


def test_the_disk_fails_at_every_write_sync_and_rename(proof: Proof) -> None:
    at_all(
        proof,
        [
            ("ENOSPC", of("write", "rename"), refused),
            ("EIO", of("sync", "rename"), refused),
            ("short", of("write"), done),
            ("short, ENOSPC", of("write"), refused),
        ],
        "ENOSPC, EIO or a short write",
    )


def test_the_connection_breaks_before_and_after_every_change(proof: Proof) -> None:
    if not proof.numbers(of("sent")):
        print(f"{proof.name}: makes no request")
        return
    changes = proof.numbers(lambda label: of("sent", "answer")(label) and " GET " not in label)
    wanted = changes or proof.numbers(of("sent"))
    for number in wanted:
        proof.interrupt(number, "reset", done_or_in_doubt)
    print(proof.figure("the connection broken"))
    assert not proof.undone, "\n".join(proof.undone)


@pytest.mark.slow
def test_the_disk_or_the_connection_fails_at_every_call(proof: Proof) -> None:
    at_all(
        proof,
        [
            ("ENOSPC", ON_FILES, refused),
            ("EIO", ON_FILES, refused),
            ("full", ON_FILES, refused_if_room_is_needed),
            ("reset", of("sent", "answer"), done_or_in_doubt),
        ],
        "ENOSPC, EIO, a disk full from then on, or a broken connection",
    )


# ---- killed, and killed again while recovering --------------------------------------------------------------------


def every_eighth(turn: int) -> Callable[[Sequence[str]], list[int]]:
    return lambda labels: numbers(labels, changing)[turn % 8 :: 8]


SMALL = ("create", "replace", "destroy")


@pytest.mark.parametrize("name", SMALL)
def test_killed_twice(name: str, in_memory: Path, runner: Runner) -> None:
    """At every write, sync, rename and change, and then, in turn, at every eighth of the recovering run."""
    proof = Proof(name, SCENARIOS[name], in_memory, runner)
    for turn, at in enumerate(proof.numbers(changing)):
        proof.interrupt_twice(at, every_eighth(turn))
    print(proof.figure("killed twice"))
    assert not proof.undone, "\n".join(proof.undone)


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_killed_twice_at_every_pair_of_calls(name: str, in_memory: Path, runner: Runner) -> None:
    proof = Proof(name, SCENARIOS[name], in_memory, runner)
    for at in proof.numbers(changing):
        proof.interrupt_twice(at, lambda labels: numbers(labels, ANY))
    print(proof.figure("killed twice"))
    assert not proof.undone, "\n".join(proof.undone)
