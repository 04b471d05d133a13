"""What the calls of a run came to: what is made durable of each, what may start after it, and what may not any more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import attrs
from attrs import field

from flowplan.apply import without_call
from flowplan.apply.exhausted import Exhausted
from flowplan.apply.gates import Gates
from flowplan.apply.outcome import Outcome, in_doubt
from flowplan.apply.schedule import Schedule
from flowplan.apply.unproved import Unproved
from flowplan.apply.without_call import Uncalled
from flowplan.apply.workers import Result, unseen
from flowplan.apply.working_state import WorkingState
from flowplan.apply.works import Work
from flowplan.classes import define
from flowplan.errors import Ambiguous, CloudError, FlowplanError, Held, StateError, Unauthorized
from flowplan.model.address import Address
from flowplan.planning.actions import Change, CreateFirst, Expire
from flowplan.planning.steps import Step
from flowplan.state.records import CreateIntent, Record
from flowplan.state.state import Binding


@define
class Results:
    """What became of the steps of `schedule`, which are of `changes`, or of bids whose lifetime ended meanwhile."""

    _schedule: Schedule
    _working: WorkingState
    _gates: Gates
    _unproved: Unproved
    _exhausted: Exhausted
    _changes: Mapping[Address, Change]
    expired: dict[Step, Expire] = field(factory=dict, init=False)  # steps that no plan has
    along: dict[Step, list[Uncalled]] = field(factory=dict, init=False)  # what is done with a step, and not told yet
    doubts: list[Work] = field(factory=list, init=False)  # creates to be looked up
    failed: dict[Step, FlowplanError] = field(factory=dict, init=False)
    lost: dict[Step, FlowplanError] = field(factory=dict, init=False)  # creates in doubt that stay so, and why
    halted: FlowplanError | None = field(default=None, init=False)  # an error after which nothing more may be sent
    is_held: bool = field(default=False, init=False)  # somebody has to approve what is sent: from then on it only stops

    def change(self, step: Step) -> Change:
        """What `step` is a part of."""
        return self.expired.get(step) or self._changes[step.address]

    def may_go(self, step: Step, change: Change) -> bool:
        """Whether it may be begun: where writes are held for approval, only what stops is asked for, so that nobody has
        to approve one end before the next is asked for. What has its successor by then would be paid for beside it."""
        return not self.is_held or change.adds_nothing or (step.way == "down" and isinstance(change, CreateFirst))

    def records_of(self, back: list[Result]) -> list[Record]:
        """What to make durable of `back`, in which a create with an id that is not its own becomes one in doubt."""
        records: list[Record] = []
        for n, result in enumerate(back):
            if other := self._elsewhere(result):
                back[n] = Result(result.work, error=Ambiguous(other))
            records += self._settle(back[n])
        return records

    def _elsewhere(self, result: Result) -> str | None:
        """Why the id that a create was answered with is not taken; None: nothing is wrong."""
        made = result.binding if result.work.intent.op == "create" else None
        return self._working.elsewhere(made) if made is not None else None

    def _settle(self, result: Result) -> list[Record]:
        """Take in what the call of one step came to; returns what to make durable of it."""
        work, step, error = result.work, result.work.step, result.error
        if result.unproved:
            self._schedule.doubt(step)
            self._unproved.add(result)
            return []
        if error is None:
            also = self._schedule.succeed(step)
            if step in self.expired:
                self._gates.ended(step.address)
            return self._finished(work, result.binding, also)
        if result.binding is not None:
            # What waits for it may begin, but not with a volume that is not as it was asked for, nor is an old bid
            # cancelled for a successor that is not.
            frees = step.address.kind == "bid" and not isinstance(work.change, CreateFirst)
            also = self._schedule.half(step, frees=frees)
            self._take_in(step, error)
            return self._finished(work, result.binding, also)
        if isinstance(error, Held):  # its intent stays: the next run looks what became of it
            self.fail(step, error)
            return []
        if isinstance(work.intent, CreateIntent) and in_doubt(error):
            self._schedule.doubt(step)
            self.doubts.append(work)
            return []
        self.fail(step, error)
        return [self._working.close(work.intent, type(error).__name__)]

    def _finished(self, work: Work, binding: Binding | None, also: Iterable[Step]) -> list[Record]:
        """What to make durable of a call that is done, and of the steps that are `also` done with it. Of a successor,
        in the same frame, where the old one stands from now on: whatever ends this run, the next one knows both."""
        made_first = isinstance(work.change, CreateFirst) and work.step.way == "up"
        records: list[Record] = [*self._working.set_aside(work.intent)] if made_first else []
        records.append(self._working.finish(work.intent, binding))
        if work.step in self.expired:
            records += self._working.end_ports(work.step.address, work.intent.intent)
        for step in also:
            one, done = without_call.do(step, self._changes[step.address], self._working, work.intent.intent)
            self.along.setdefault(work.step, []).append(one)
            records += [done] if done is not None else []
        return records

    def fail(self, step: Step, error: FlowplanError) -> None:
        """`step` came to nothing, because of `error`."""
        self._schedule.fail(step)
        self._take_in(step, error)

    def _take_in(self, step: Step, error: FlowplanError) -> None:
        self.failed[step] = error
        self.is_held = self.is_held or isinstance(error, Held)
        if isinstance(error, (Unauthorized, StateError)):  # StateError: the lock was taken away
            self.halted = error
        elif step in self.expired:
            self._gates.ended(step.address, error)
        elif step.way == "up":
            self._exhausted.learn(self._changes[step.address], error)

    def lose(self, step: Step, error: FlowplanError) -> None:
        """Whether the create of `step` happened stays unknown in this run, because of `error`."""
        self._schedule.lose(step)
        self.lost[step] = error

    def outcome(self, under_way: Iterable[Work], *, stopped: bool, begun: str) -> Outcome:
        """What the run came to that ends while calls are `under_way`. `stopped`: somebody asked it to end; `begun`: the
        digest of the saved plan that it carried out, "": none."""
        for step in self._schedule.in_doubt:
            if step.way == "up":
                self.lose(step, CloudError("flowplan stopped before it had looked whether it was created"))
            else:
                self._schedule.fail(step)
                self.failed[step] = unseen()
        for work in under_way:
            if work.intent.op == "create":
                self.lose(work.step, CloudError("flowplan stopped before the answer came"))
            else:  # an update or a delete is simply done again by the next run, if it is still needed
                self._schedule.fail(work.step)
                self.failed[work.step] = CloudError("flowplan stopped before the answer came")
        outcome = Outcome(
            state=self._working.snapshot(),
            pending=tuple(self._working.pending.values()),
            done=self._schedule.ended("done", "half done"),
            failed=self.failed,
            unknown=self.lost,
            not_started=self._schedule.not_started,
            stopped=stopped,
            expired=dict(self.expired),
        )
        completed = outcome.state.complete(begun) if outcome.clean else outcome.state
        return attrs.evolve(outcome, state=completed)
