"""Plan -> calls, in dependency order, several at once, the journal written around each.

One thread owns the journal. In each round it makes durable, in one frame, the results that are back and the
intents of what they free; then it tells of the results; then it lets the freed calls go. So a call is never
under way without a durable intent, and nothing is called done before its result is durable.

Where the journal is far away, intents are made durable one wave ahead: what is back makes room for calls that are
announced already, and these go before the frame of this round, and while one is on its way.

Where nothing can be recorded any more, and the lock is still ours, only bids are cancelled (unrecorded.py): the next
run sees that they have ended, and to cancel one twice does no harm.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy

import attrs

from flowplan.apply import without_call
from flowplan.apply.doubts import find_out
from flowplan.apply.durable import Durable
from flowplan.apply.exhausted import Exhausted
from flowplan.apply.gates import Gates
from flowplan.apply.interfaces import Surroundings
from flowplan.apply.lifetimes import Lifetimes
from flowplan.apply.options import Options
from flowplan.apply.outcome import Outcome, SaveFailed
from flowplan.apply.results import Results
from flowplan.apply.schedule import Schedule
from flowplan.apply.telling import Telling
from flowplan.apply.unproved import Unproved
from flowplan.apply.unrecorded import Unrecorded
from flowplan.apply.workers import GRACE, Announcement, Result, Workers
from flowplan.apply.working_state import WorkingState
from flowplan.apply.works import Work, Works, needs_call
from flowplan.errors import CloudError, FlowplanError, Refused, StateError, Unwritten
from flowplan.planning.actions import Change, Expire
from flowplan.planning.lifetimes import again, past
from flowplan.planning.plan import Plan
from flowplan.planning.steps import Step
from flowplan.state.records import CreateIntent, Intent, Record
from flowplan.state.state import AppliedPlan, Binding, State

YOUNG = 5.0  # seconds that an intent may be older than the attempt it announces


class Applying:
    """One run of one plan. `now`: `state` with what the configuration says of addresses and live objects, which is
    recorded before the first call. `absent`: intents of creates proved not to have happened; `saved`: the plan file
    that is carried out, which the journal names before the first call; `identity`: what tells it from every other."""

    def __init__(
        self,
        plan: Plan,
        state: State,
        around: Surroundings,
        options: Options,
        *,
        now: State | None = None,
        absent: Mapping[str, Intent] | None = None,
        saved: AppliedPlan | None = None,
        identity: str = "",
    ) -> None:
        self._around, self._options, self._events = around, options, around.events
        self._plan, self._changes = plan, plan.by_address()
        self._schedule = Schedule(plan.order, options.parallelism, options.ahead)
        self._working = WorkingState(state, dict(absent or {}))
        self._workers = Workers(
            options.parallelism,
            around.clock,
            self._events,
            announced=self._announce_again,
            stopping=self._stopping,
            lingers=self._schedule.linger,
            whose=around.cloud,
        )
        self._works = Works(
            around,
            self._working,
            timeout=options.timeout,
            endpoint=options.endpoint,
            announce=self.announce,
            absent=self._working.pending.values(),
            plan=identity,
            crowd=self._schedule.deletions,
            lingers=self._workers.linger,
        )
        self._unproved = Unproved(around.clock, self._workers, self._works.deleted, self._schedule.deletions)
        self._durable = Durable(around.journal, self._workers)
        self._gates = Gates(around, self._working, options.timeout, options.late)
        self._lifetimes = Lifetimes(around, self._changes)
        self._exhausted = Exhausted()
        self._results = Results(
            self._schedule, self._working, self._gates, self._unproved, self._exhausted, self._changes
        )
        self._telling = Telling(self._events, self._results)
        self._announced: dict[Step, Work] = {}  # durable intents whose calls wait for room
        self._aged: list[Work] = []  # for which there is room, and whose intents are too old by now
        self._back: list[Result] = []  # taken in, and not yet durable
        self._records: list[Record] = []  # what to make durable next: theirs, and what is on its way
        self._asked: list[Announcement] = []  # while a frame was on its way
        self._unrecorded: Unrecorded | None = None  # what goes on where nothing is recorded any more
        self._saved, self._begun = saved, ""
        self._works.supersede_all_but(step.address for step in plan.order if step.way == "up")
        self._restated: list[Record] = [] if now is None else [*self._working.restate(now)]
        self._refreshed: list[Record] = [
            *self._restated,
            *self._works.superseded(),
            *self._working.refreshed(plan.changes, only=plan.mode == "refresh-only"),
        ]

    # -- the rounds

    def run(self) -> Outcome:
        """Do the plan, once. Raises SaveFailed when a result could not be made durable; everything else is in the
        Outcome."""
        try:
            self._rounds()
            if self._unrecorded is not None:
                raise self._unrecorded.why
        except StateError as error:
            halted = self._results.halted
            first = self._results.halted = halted if isinstance(halted, StateError) else error
            self._announce_again(*self._asked)
            self._come_back(self._workers.drain(GRACE))
            self._durable.rescue(first, self._records, [*self._telling.untold, *self._back])
            outcome = self._outcome()
            raise SaveFailed(first, outcome, outcome.reached) from first
        finally:
            self._workers.close()
        return self._outcome()

    @property
    def begun(self) -> bool:
        """Whether the saved plan has begun: the journal may name it."""
        return bool(self._begun)

    def wake(self) -> None:
        """Notice at once that the run is stopped; from any thread."""
        self._workers.wake()

    def _rounds(self) -> None:
        while True:
            works, local = self._prepare()
            works, self._aged = self._aged + works, []
            self._records += local + [work.intent for work in works]
            back = tuple(self._back)
            self._make_durable()
            with self._around.together():
                self._telling.tell(back, recorded=self._unrecorded is None)
                self._let_go(works)
            came: Sequence[Result] = ()
            stopping = self._stopping()
            self._unproved.prove(at_once=stopping)
            if self._workers.under_way and not self._back:  # else those that came back are in the next frame
                wakes = [due for due in (self._gates.due_in(), self._unproved.due_in()) if due is not None]
                came = self._workers.take(min(wakes) if wakes and not stopping else None)
                if self._workers.given_up:
                    return  # what runs still stays in doubt
            elif self._results.doubts and not self._back and not self._stopping() and self._unrecorded is None:
                came = self._resolve_doubts()
            elif not (works or local or self._back):
                due = self._gates.due_in()
                if due is None or stopping or self._results.is_held or self._unrecorded is not None:
                    return
                self._around.clock.pause(due)
            self._come_back(came)

    def _let_go(self, works: Sequence[Work]) -> None:
        """Let the calls of `works` go, which are durable, or need not be; those for which there is no room wait for it,
        and what may not be begun does so for good. Raises StateError when the lock is lost."""
        stopping = self._stopping()
        going = []
        for work in works:
            if stopping or self._schedule.is_announced(work.step) or not self._may_go(work.step, work.change):
                self._working.intend(work.intent)
                self._announced[work.step] = work
            else:
                going.append(work)
        if going:  # once for all: each looks again, in its thread, right before it is sent
            self._around.hold_lock()
        for work in going:
            self._send(work)

    def _stopping(self) -> bool:
        return self._around.clock.stopped() or self._results.halted is not None

    def _come_back(self, results: Sequence[Result]) -> None:
        """Take in what calls came to, and let go what is announced, as far as there is room now."""
        back = list(results)
        self._records += self._results.records_of(back)
        self._back += back
        self._begin_announced()

    def _make_durable(self) -> None:
        """Make durable what is not yet, in one frame. Where that takes long, calls go on meanwhile. Where it cannot be,
        results are kept elsewhere from then on."""
        records, back = tuple(self._records), len(self._back)
        if not records:
            self._back.clear()  # of these there was nothing to record
            return
        if not self._append(records, beside=self._options.ahead > 0):
            self._durable.keep(records)
        del self._records[: len(records)]
        del self._back[:back]
        if self._asked:
            asked, self._asked = self._asked, []
            self._announce_again(*asked)

    def _append(self, records: Sequence[Record], *, beside: bool = False) -> bool:
        """Make `records` durable in one frame; `beside`: while calls come back. False: nothing is recorded any more,
        from the first frame on that is not taken. Raises StateError."""
        if self._unrecorded is None:
            try:
                if beside:
                    self._durable.append_beside(records, self._come_back)
                else:
                    self._durable.append(records)
            except Unwritten as error:
                self._record_no_more(error)
        return self._unrecorded is None

    def _record_no_more(self, why: Unwritten) -> None:
        """What is not durable now, and all that comes, is not recorded where the state is, because of `why`."""
        back = {result.work.step for result in self._back}
        uncalled = [*self._telling.uncalled, *(one for step in back for one in self._results.along.get(step, ()))]
        loose = back | {one.step for one in uncalled}
        self._unrecorded = Unrecorded(why, self._plan, self._schedule, frozenset(loose))
        if any(self._may_go(step, self._results.change(step)) for step in self._schedule.not_started):
            self._events.note(f"{why}; what cancels bids goes on, and nothing else is begun")

    def _begin_announced(self) -> None:
        """Let go calls that are announced, as far as there is room now. What of them is not to be tried any more is
        closed in the next frame; those whose intents have grown old go once they are durable again."""
        for held in self._announced.values():
            if not self._may_go(held.step, held.change):  # withdrawn at the end; what stops gets its place
                self._schedule.hold(held.step)
        while not self._stopping() and (step := self._schedule.begin(self._announced)) is not None:
            work = self._announced.pop(step)
            try:
                self._exhausted.hold(work.change)
            except FlowplanError as error:
                self._records.append(self._working.close(work.intent, type(error).__name__))
                self._give_up(step, error)
                continue
            now = self._around.now()
            if work.intent.at.age(now) < YOUNG:
                self._around.hold_lock()
                self._send(work)
            else:
                self._aged.append(attrs.evolve(work, intent=work.intent.again(now, resent=work.intent.resent)))

    def _send(self, work: Work) -> None:
        """Let the call of `work` go, which looks at the lock again before each attempt."""
        self._working.intend(work.intent)
        self._events.started(work.step, work.change)
        self._workers.send(work)

    # -- attempts that had to wait

    def announce(self, intent: Intent) -> None:
        """In a worker, before an attempt of a create: it may have waited long for its turn (429). The lock must still
        be ours, and, since after a crash the settle window is counted from the intent, an old one is made durable
        again. Raises what forbids the attempt."""
        self._around.hold_lock()
        if self._working.pending.get(intent.intent, intent).at.at_most(self._around.now()) >= YOUNG:
            self._workers.ask(intent.intent)

    def _announce_again(self, *asked: Announcement) -> None:
        if self._durable.is_busy and not self._stopping():
            self._asked += asked
            return
        now, open_ = self._around.now(), [self._working.pending.get(one.intent) for one in asked]
        young = [intent.again(now, resent=intent.resent) for intent in open_ if intent is not None]
        if young and not self._stopping():
            try:
                if self._append(young):
                    for intent, one in zip(open_, asked, strict=True):
                        one.granted = intent is not None
                    for intent in young:
                        self._working.intend(intent)
            except StateError as error:
                self._results.halted = error
                for one in asked:
                    one.error = copy(error)
        for one in asked:
            one.answered.set()

    # -- what can start

    def _prepare(self) -> tuple[list[Work], list[Record]]:
        """The works that may start now, and the records of steps that need no call at all."""
        works: list[Work] = []
        local: list[Record] = []
        self._open_gates()
        while not self._stopping() and (step := self._schedule.next()) is not None:
            change = self._results.change(step)
            if not (self._may_go(step, change) and self._gates.admits(step, change)):
                self._schedule.hold(step)
                continue
            if not needs_call(change):
                local += self._without_call(step)
                continue
            try:
                self._exhausted.hold(change)
                works.append(self._works.work(step, change))
            except FlowplanError as error:
                self._give_up(step, error)
        if self._saved is not None and (
            works or local or self._restated
        ):  # now it begins: from here on it is not to begin again
            local.insert(0, self._saved)
            self._working.begin(self._saved)
            self._begun, self._saved = self._saved.sha256, None
        local += [*self._refreshed, *self._works.superseded()]
        self._refreshed = []
        return works, local

    def _may_go(self, step: Step, change: Change) -> bool:
        """Whether it may be begun, after what came of others; and where nothing is recorded any more, what needs no
        record."""
        return (self._results if self._unrecorded is None else self._unrecorded).may_go(step, change)

    def _open_gates(self) -> None:
        """Let go what waited for other tasks that are far enough now, and end what waited in vain."""
        if self._stopping() or self._gates.due_in() != 0.0:
            return
        held = {a for a in self._gates.holding if self._changes[a].reason != "replace_by_request"}
        busy = {step.address for step in self._schedule.not_started} - held
        for change in self._lifetimes.over(self._working, busy):
            self.expire(change)
        freed, failed = self._gates.look()
        for step in freed:
            self._schedule.release(step)
        for step, error in failed.items():
            self._give_up(step, error)

    def expire(self, change: Expire) -> None:
        """Cancel a bid whose lifetime is over, before all else that is yet to start; what was to be placed in its stead
        is not. That it ends is durable with the intent, or before it: the next run does not place it."""
        step, why = Step("end", change.address), str(change.note)
        self._events.note(f"the lifetime of {change.address} is over: {why}")
        self._results.expired[step] = change
        self._refreshed.append(self._working.expire(change.address))
        how = again(change.address, late=past(change.lifetime, self._around.cloud.time()) is not None)
        for held in self._gates.ends(change.address, why, how):
            hint = f"to run it again: {how}"
            self._give_up(held, CloudError(f"its lifetime is over: {why}; it is not placed again", hint=hint))
        self._schedule.add(step)

    def _give_up(self, step: Step, error: FlowplanError) -> None:
        self._results.fail(step, error)
        self._events.failed(step, self._results.change(step), error)

    def _without_call(self, step: Step) -> list[Record]:
        """Do `step`, and what is done with it."""
        records: list[Record] = []
        for one in (step, *self._schedule.succeed(step)):
            told, done = without_call.do(one, self._changes[one.address], self._working)
            self._telling.uncalled.append(told)
            records += [done] if done is not None else []
        return records

    # -- creates in doubt

    def _resolve_doubts(self) -> list[Result]:
        """Look up everything in doubt at once; what is proved absent is sent once more, with the same bytes."""
        doubts, self._results.doubts = self._results.doubts, []
        creates = [work.intent for work in doubts if isinstance(work.intent, CreateIntent)]
        found = find_out(creates, self._working, self._around, self._options, held=self._results.is_held)
        back: list[Result] = []
        for work in doubts:
            became = found[work.intent.intent]
            if became == "send again":
                self._send_again(work)
            elif isinstance(became, Binding):
                back.append(Result(work, became))
            elif isinstance(became, Refused):
                back.append(Result(work, error=became))
            else:
                self._results.lose(work.step, became)
                self._events.failed(work.step, work.change, became)
        return back

    def _send_again(self, work: Work) -> None:
        again = self._works.again(work)
        if not self._append([again.intent]):
            self._results.lose(work.step, CloudError("flowplan stopped before it was sent once more"))
            return
        self._events.note(f"{work.step.address} was not created; sending it once more")
        self._send(again)
        self._schedule.again(work.step)

    # -- the end

    def _outcome(self) -> Outcome:
        for work in self._announced.values():  # nothing was sent: the state that is saved does not have them in doubt
            self._working.close(work.intent, "withdrawn")
        return self._results.outcome(self._workers.under_way, stopped=self._around.clock.stopped(), begun=self._begun)
