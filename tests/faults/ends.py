"""How a command may end that something happens to at each of its points."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from tests.faults.points import REMEMBERED, Act
from tests.faults.proof import Proof, stopped, went_on
from tests.faults.runner import Ran
from tests.faults.scenarios import SCENARIOS, STATE

Wanted = Callable[[str], bool]


def of(*kinds: str) -> Wanted:
    return lambda label: label.partition(" ")[0] in kinds


def changing(label: str) -> bool:
    """Whether a point is a write, a sync or a rename, or a request that changes something."""
    return of("write", "sync", "rename")(label) or (of("sent", "answer")(label) and " GET " not in label)


ANY = of("write", "sync", "rename", "file", "sent", "answer")
ON_FILES = of("write", "sync", "rename", "file")
# Those that `make test` takes; `make soak` takes all.
CORE = (
    "create",
    "create two with volumes and ports",
    "update a limit",
    "update volumes",
    "replace",
    "replace, the successor first",
    "replace a job",
    "the end of a lifetime",
    "a lifetime that ends during a wait",
    "replace a job that was about to end",
    "replace, the name not free yet",
    "destroy",
    "add one, remove another",
    "recovery, the bid was not placed",
    "recovery of a replacement",
    "recovery of a successor that was placed",
    "state restore",
    "restore a version",
    "a saved plan",
    "move and change",
    "release",
    "import and change",
    "import all",
    "replace by a trigger, the successors first",
    "place what waits",
)


# How a command may end: given the labels of the points from the one where it happened.
Allowed = Callable[[Sequence[str], Ran], bool]


def killed(rest: Sequence[str], ran: Ran) -> bool:
    return ran.signal == 9


def code_of(ran: Ran) -> int:
    """5: something could not be made durable, or read; 64: a saved plan; 1: the file that an import writes."""
    told = {"all.yaml could not be made durable": 1, "error: saved cannot be read: ": 64}
    return next((code for said, code in told.items() if said in ran.err), 5)


def refused(rest: Sequence[str], ran: Ran) -> bool:
    """Only letting go of the lock cannot fail; no reason to is what a watch remembers, nor what only words why a state
    is put back, if the same one is, nor no room for the state once all that was to stop has stopped."""
    if REMEMBERED in rest[0]:
        return ran.codes == [0] and "cannot be remembered" in ran.err
    done_anyway = rest[0] in LETTING_GO or (rest[0] in WORDING and PUT_BACK in ran.out)
    return ran.codes == [code_of(ran)] or (ran.codes == [0] and (done_anyway or stopped(ran)))


WORDING = tuple(f"file {call} {STATE}{name}" for call in ("open", "close") for name in ("", ".backup"))
PUT_BACK = "The state is now the one in version 2, with serial 3."
LETTING_GO = tuple(
    f"file {call} {name}" for call in ("ftruncate", "close") for name in ("flowplan.lock", "flowplan.state.lock")
)


def refused_if_room_is_needed(rest: Sequence[str], ran: Ran) -> bool:
    """A lock without a name stops nobody: what needs room after it is refused all the same."""
    unnamed = stopped(ran) and not went_on(ran)
    needed = any(needs_room(label) for label in rest if not (unnamed and label.endswith(".lock"))) and not went_on(ran)
    return ran.codes == [code_of(ran) if needed else 0]


def needs_room(label: str) -> bool:
    """Whether a call takes space: a write, a reservation, a new file."""
    return label.startswith(("write", "file posix_fallocate")) or (label.startswith("file open") and label[-1] == "~")


def done(rest: Sequence[str], ran: Ran) -> bool:
    """A write that took only half is gone on with."""
    return ran.codes == [0]


def done_or_in_doubt(rest: Sequence[str], ran: Ran) -> bool:
    """A create is sent again once in a run: when that is lost too, whether it happened is left to the next run."""
    return ran.codes == [0] or (ran.codes == [6] and rest[0].startswith(("sent POST", "answer POST")))


def prove(proof: Proof, *plan: tuple[Act, Wanted, Allowed], every: int = 1, among: Iterable[str] = SCENARIOS) -> None:
    """Every act at every point that it is for, or at each `every`-th: in each scenario `among` these others."""
    turn = [*among].index(proof.name)
    for act, wanted, allowed in plan:
        numbers = proof.numbers(wanted)
        for number in numbers[turn % min(every, len(numbers) or 1) :: every]:
            proof.interrupt(number, act, allowed)
    proof.conclude()


KILLED: tuple[tuple[Act, Wanted, Allowed], ...] = (
    ("kill", of("write", "sync", "rename", "sent", "answer"), killed),
    ("torn", of("write"), killed),
)
FAILED: tuple[tuple[Act, Wanted, Allowed], ...] = (
    ("ENOSPC", of("write"), refused),
    ("EIO", of("sync", "rename"), refused),
    ("short", of("write"), done),
    ("reset", lambda label: changing(label) and of("sent", "answer")(label), done_or_in_doubt),
    ("power", lambda label: changing(label) and of("sync", "answer")(label), killed),
)
