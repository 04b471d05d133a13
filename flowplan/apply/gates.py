"""Steps of bids that wait until other tasks are far enough: looked at again and again, with a line now and then."""

from __future__ import annotations

from attrs import field

from flowplan.apply.interfaces import Surroundings
from flowplan.apply.standing import GONE, RUNNING, standings
from flowplan.apply.working_state import WorkingState
from flowplan.classes import define
from flowplan.errors import CloudError, FlowplanError, Unauthorized
from flowplan.model.address import Address
from flowplan.model.durations import brief
from flowplan.model.lifecycle import After
from flowplan.model.live import ALLOCATED, PAUSED, TERMINATED
from flowplan.model.resources import Bid
from flowplan.planning.actions import Change
from flowplan.planning.lifetimes import past_by_any
from flowplan.planning.steps import Step
from flowplan.state.state import DONE, Binding

SHORTEST, LONGEST = 2.0, 30.0  # seconds between looks; an auction clears every two minutes
AGAIN = 300.0  # seconds after which a wait is reported again


@define
class _Held:
    """A step that waits, since when, and what was last said of it, with when."""

    change: Change
    since: float
    said: str = ""
    said_at: float = 0.0


@define
class _End:
    """That the lifetime of a task that may be waited for is over: why, how to run it again, and what came of cancelling
    it."""

    why: str
    again: str
    done: bool = False
    error: FlowplanError | None = None


@define
class Gates:
    """The steps that wait for tasks. `timeout`: seconds that each waits at most; `hint`: what to do about a wait: it is
    added where one begins, and to the error of one in vain. Nothing here is sent, and nothing is recorded: a run that
    is stopped while it waits leaves no trace, and the next one looks where the tasks are by then."""

    around: Surroundings
    working: WorkingState
    timeout: float
    hint: str = ""
    _held: dict[Step, _Held] = field(factory=dict, init=False)
    _open: set[Address] = field(factory=set, init=False)
    _ends: dict[Address, _End] = field(factory=dict, init=False)
    _due: float = field(default=0.0, init=False)  # when to look again

    def admits(self, step: Step, change: Change) -> bool:
        """Whether `step` may start now; if not, it is held, and the next look is due at once."""
        if step.address in self._open or all(one.until == "placed" for one in change.waits_for):
            return True
        now = self.around.clock.monotonic()
        self._held[step] = _Held(change, now)
        self._due = now
        return False

    def ends(self, address: Address, why: str, again: str) -> list[Step]:
        """The lifetime of the bid at `address` is over: it is being cancelled from now on. Returns the steps of the
        same address that were held, and are not any more: nothing is placed there again. `again`: how to run it again,
        for people."""
        self._ends[address] = _End(why, again)
        dropped = [step for step in self._held if step.address == address]
        for step in dropped:
            del self._held[step]
        return dropped

    def ended(self, address: Address, error: FlowplanError | None = None) -> None:
        """It is cancelled, or could not be (`error`): the next look is due at once."""
        end = self._ends[address]
        end.done, end.error = error is None, error
        self._due = self.around.clock.monotonic()

    @property
    def holding(self) -> set[Address]:
        """The addresses of which a step is held."""
        return {step.address for step in self._held}

    def due_in(self) -> float | None:
        """Seconds until the next look; None: nothing waits."""
        return max(self._due - self.around.clock.monotonic(), 0.0) if self._held else None

    def look(self) -> tuple[list[Step], dict[Step, FlowplanError]]:
        """The steps that may start now, and those that never will, each with why. Looks only when it is due."""
        if not self._held or self.due_in():
            return [], {}
        freed: list[Step] = []
        found: dict[str, str] = {}
        unseen: CloudError | None = None
        failed: dict[Step, FlowplanError] = {}
        try:
            found = self._standings()
        except CloudError as error:
            unseen = error
            failed |= dict.fromkeys(self._held, error) if isinstance(error, Unauthorized) else {}
        now = self.around.clock.monotonic()
        for step, held in self._held.items():
            if step in failed:
                continue
            verdict = self._verdict(held, found, unseen, now)
            if verdict is None:
                freed.append(step)
            elif isinstance(verdict, FlowplanError):
                failed[step] = verdict
            else:
                self._say(held, verdict, now)
        waited = now - min(held.since for held in self._held.values())
        self._due = now + min(max(waited / 20, SHORTEST), LONGEST)
        for step in (*freed, *failed):
            del self._held[step]
        self._open.update(step.address for step in freed)
        return freed, failed

    def _standings(self) -> dict[str, str]:
        """Where all that is waited for is, by id. Raises CloudError."""
        waits = [one for held in self._held.values() for one in held.change.waits_for if one.until != "placed"]
        bindings = [self.working.bindings[one.task] for one in waits if one.task in self.working.bindings]
        asked = {one.id: _instances(one) for one in bindings if one.ended not in DONE}
        running = any(one.until == "running" for one in waits)
        return standings(self.around.cloud, asked, self.working.as_placed(), running=running) if asked else {}

    def _verdict(
        self, held: _Held, found: dict[str, str], unseen: CloudError | None, now: float
    ) -> FlowplanError | str | None:
        """None: it may start; what it waits for, for people; or why it does not start in this run."""
        waiting: list[str] = []
        if (late := self._too_late(held.change)) is not None:
            return late
        for one in held.change.waits_for:
            binding = self.working.bindings.get(one.task)
            if binding is None:
                return CloudError(f"waits for {one.task}, which is not placed", hint="apply the two together")
            end = self._ends.get(one.task)
            if end is not None and (error := _in_vain(one, end)) is not None:
                return error
            where = TERMINATED if binding.ended in DONE else found.get(binding.id)
            if end is not None and not end.done and one.until != "placed":
                waiting.append(f"{one.task}, which is being cancelled, to be {one.until}")
            elif where is None:
                waiting.append(f"{one.task}: {unseen}")
            elif never := _never(one, where):
                return CloudError(
                    f"waits until {one.task} is {one.until}, but {never}",
                    hint="nothing was placed for it; flowplan plan says what it would do",
                )
            elif not _reached(one, where):
                waiting.append(f"{one.task}, which is {where.lower()}, to be {one.until}")
        if not waiting:
            try:
                return self.around.refused(held.change)
            except Unauthorized as error:
                return error
            except CloudError as error:
                waiting.append(f"what it is judged by: {error}")
        if now - held.since < self.timeout:
            return "; ".join(waiting)
        return CloudError(
            f"waited {brief(self.timeout)} for {'; '.join(waiting)}",
            hint=f"nothing was placed for it: run the same command again, or with a longer --timeout{self.hint}",
        )

    def _too_late(self, change: Change) -> CloudError | None:
        """That what waits would end at once by now, if it were placed; None: it would not."""
        why = past_by_any(change.lifetime, self.around.cloud.time(), self.around.cloud.doubted_by())
        if why is None:
            return None
        return CloudError(
            f"it would end at once: {why}", hint="give it a later end_at, or take the task out of the file"
        )

    def _say(self, held: _Held, what: str, now: float) -> None:
        if what == held.said and now - held.said_at < AGAIN:
            return
        besides = f" ({brief(now - held.since)} so far)" if held.said else self.hint
        self.around.events.note(f"{held.change.address} waits for {what}{besides}")
        held.said, held.said_at = what, now


_FAR = {"allocated": (ALLOCATED, RUNNING), "running": (RUNNING,), "terminated": (TERMINATED,)}


def _reached(after: After, where: str) -> bool:
    """Whether a task that is `where` is as far as `after` wants it."""
    return after.until == "placed" or where in _FAR[after.until]


def _never(after: After, where: str) -> str | None:
    """Why a task that is `where` does not come that far by itself; None: it may."""
    if after.until == "placed" or _reached(after, where):
        return None
    endings = {TERMINATED: "it has ended", PAUSED: "it is paused", GONE: "the API no longer finds its bid"}
    return endings.get(where)


def _in_vain(after: After, end: _End) -> CloudError | None:
    """Why a task whose lifetime is over does not come as far as `after` wants it; None: it has, or will."""
    if after.until == "placed":
        return None
    if after.until != "terminated":
        return CloudError(
            f"waits until {after.task} is {after.until}, but its lifetime is over: {end.why}",
            hint=f"nothing was placed for it; to run {after.task} again: {end.again}",
        )
    if end.error is None:
        return None
    return CloudError(
        f"waits until {after.task} is terminated; its lifetime is over, but it could not be cancelled: {end.error}",
        hint="nothing was placed for it: run the same command again",
    )


def _instances(binding: Binding) -> int:
    return binding.applied.instance_quantity if isinstance(binding.applied, Bid) else 1
