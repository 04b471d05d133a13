"""Plan -> calls, in dependency order, several at once, the journal written around each.

One thread owns the journal. In each round it makes durable, in one frame, the results that are back and the
intents of what they free; then it tells of the results; then it lets the freed calls go. So a call is never
under way without a durable intent, and nothing is called done before its result is durable.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, SimpleQueue
from threading import Event
from typing import Any, Literal

import attrs
from attrs import define, field, frozen

from flowplan.apply.creates import Creates, HalfDone
from flowplan.apply.events import Events
from flowplan.apply.lookup import Finding, look_up, unclear_remedy
from flowplan.apply.options import Options
from flowplan.apply.outcome import Outcome, in_doubt, is_exhausted
from flowplan.apply.patience import Patience
from flowplan.apply.removals import Removals
from flowplan.apply.surroundings import Cloud, Journal, Render
from flowplan.apply.updates import Updates
from flowplan.clock import Clock, Moment
from flowplan.errors import (
    Ambiguous,
    CloudError,
    ConfigError,
    FlowplanError,
    Held,
    OutcomeUnknown,
    Refused,
    StateError,
    Unauthorized,
)
from flowplan.model.address import Address
from flowplan.model.digest import digest
from flowplan.model.live import Marker
from flowplan.model.resources import Bid, Resource, Volume, resolve
from flowplan.planning.differences import differences
from flowplan.planning.plan import Change, Plan
from flowplan.planning.steps import Step
from flowplan.state.journal import Closed, Done, Intent, Record, ended_by
from flowplan.state.ownership import known_otherwise
from flowplan.state.state import AppliedPlan, Binding, State, consistent, with_ended

WORKERS = "flowplan-call"  # the names of the threads that calls are made in begin so
YOUNG = 5.0  # seconds that an intent may be older than the attempt it announces
GRACE = 5.0  # seconds that calls under way get once the run is stopped
PROGRESS_EVERY = 10.0  # seconds


@frozen
class _Work:
    """One step with the intent that announces it and the call that does it."""

    step: Step
    change: Change
    intent: Intent
    call: Callable[[], _Answer]


@frozen
class _Answer:
    """What a call came to: what the address is now (None: it is gone). `was_gone`: it was before."""

    binding: Binding | None
    was_gone: bool = False


class _NotTried(Refused):
    """Spared the refusal that another create of its kind met."""


@frozen
class _Result:
    work: _Work
    binding: Binding | None = None
    error: FlowplanError | None = None
    seconds: float = 0.0
    was_gone: bool = False  # what was to be removed


@define
class _Announcement:
    """A worker asks for its intent to be journaled anew, and waits."""

    intent: str
    answered: Event = field(factory=Event)
    granted: bool = False
    error: FlowplanError | None = None


class Applying:
    """One run of one plan. `stopped()` turns true when a signal asked for it; `hold_lock()` raises
    StateError when the lock is no longer ours; `absent`: intents of creates proved not to have happened; `saved`: the
    plan file that is carried out, which the journal names before the first call."""

    def __init__(
        self,
        plan: Plan,
        state: State,
        cloud: Cloud,
        journal: Journal,
        render: Render,
        events: Events,
        *,
        options: Options,
        clock: Clock,
        hold_lock: Callable[[], None] = lambda: None,
        absent: Mapping[str, Intent] | None = None,
        saved: AppliedPlan | None = None,
    ) -> None:
        self.plan, self.state, self.cloud, self.journal = plan, state, cloud, journal
        patience = Patience(clock, options.timeout)
        self.updates = Updates(cloud, patience, hold_lock)
        self.creates = Creates(cloud, clock, self.updates, self.announce)
        self.removals = Removals(cloud, patience, hold_lock)
        self.render, self.events, self.options, self.clock, self.hold_lock = render, events, options, clock, hold_lock
        self.changes = plan.by_address()
        self.waits = {step: set(before) for step, before in plan.order.items()}
        self.users: dict[Step, list[Step]] = {}
        for step, before in plan.order.items():
            for one in before:
                self.users.setdefault(one, []).append(step)
        self.ready = [step for step, before in plan.order.items() if not before]
        self.absent = {intent.address: intent for intent in (absent or {}).values()}
        self.pending: dict[str, Intent] = dict(absent or {})
        self.running: dict[Step, tuple[_Work, float]] = {}
        self.results: SimpleQueue[_Result | _Announcement | None] = SimpleQueue()
        self.doubts: list[_Result] = []
        self.done: list[Step] = []
        self.failed: dict[Step, FlowplanError] = {}
        self.unknown: list[Step] = []
        self.bindings = dict(state.bindings)
        self.ended: dict[str, float] = {}
        self.halted: FlowplanError | None = None  # an error after which nothing more may be sent
        self.refused_kinds: dict[tuple[str, str], FlowplanError] = {}
        self.untold: list[tuple[Step, Change, str | None]] = []  # steps without a call, not yet durable
        self.saved = saved
        self.superseded: list[Record] = [*self._stale_absences(), *self._refreshed()]

    # -- the rounds

    def run(self) -> Outcome:
        """Do the plan. Raises StateError when a result could not be made durable; everything else is in
        the Outcome."""
        pool = ThreadPoolExecutor(self.options.parallelism, thread_name_prefix=WORKERS)
        try:
            self._rounds(pool)
        finally:
            pool.shutdown(wait=not self.running, cancel_futures=True)  # what still runs, nobody waits for
        return self._outcome()

    def _rounds(self, pool: ThreadPoolExecutor) -> None:
        back: list[_Result] = []
        while True:
            records = self._records_of(back)
            works, local = self._prepare()
            records += local + [work.intent for work in works]
            if records:
                self._make_durable(records, back)
            self._tell(back)
            for work in works:
                self._send(pool, work)
            if self.running:
                back = self._take()
                if not back:
                    return  # stopped, and the time of grace is over: what runs still stays in doubt
            elif self.doubts and not self._stopping():
                back = self._resolve_doubts(pool)
            elif not works and not local:
                return
            else:
                back = []

    def wake(self) -> None:
        """End the wait for a result, from another thread."""
        self.results.put(None)

    # -- attempts that had to wait

    def announce(self, intent: Intent) -> None:
        """In a worker, before an attempt of a create: it may have waited long for its turn (429). The lock must still
        be ours, and, since after a crash the settle window is counted from the intent, an old one is journaled anew.
        Raises what forbids the attempt."""
        self.hold_lock()
        if self.pending.get(intent.intent, intent).at.age(self._now()) < YOUNG:
            return
        asked = _Announcement(intent.intent)
        self.results.put(asked)
        if not asked.answered.wait(2 * GRACE) or not asked.granted:
            raise asked.error or CloudError("stopped before it was sent")

    def _announce_anew(self, asked: _Announcement) -> None:
        intent = self.pending.get(asked.intent)
        if intent is not None and not self._stopping():
            young = intent.anew(self._now(), resent=intent.resent)
            try:
                self.journal.append([young])
            except StateError as error:
                asked.error = self.halted = error
            else:
                self.pending[young.intent] = young
                asked.granted = True
        asked.answered.set()

    def _received(self, item: _Result | _Announcement | None) -> _Result | None:
        """The result that came; what is not one is dealt with."""
        if isinstance(item, _Announcement):
            self._announce_anew(item)
            return None
        return item

    def _stopping(self) -> bool:
        return self.clock.stopped() or self.halted is not None

    def _make_durable(self, records: list[Record], back: Sequence[_Result]) -> None:
        try:
            self.journal.append(records)
        except StateError as error:
            self._rescue(error, [record for record in records if isinstance(record, (Done, Closed))], back)
            raise

    def _rescue(self, error: StateError, results: list[Record], back: Sequence[_Result] = ()) -> None:
        """The run ends here with `error`: what is back, and what comes back yet, is kept elsewhere, and `error` tells
        where."""
        late = [r for r in self._drain(GRACE) if r.binding is not None or r.error is None]
        results += [Done(r.work.intent.intent, r.work.step.address, r.binding) for r in late]
        made = [r for r in (*back, *late) if r.binding and r.work.intent.op == "create"]
        error.detail = "\n".join(filter(None, [self._spill(results, made), error.detail]))

    def _spill(self, results: Sequence[Record], made: Sequence[_Result]) -> str:
        """Keep results that the journal could not take. What was made is told in any case: as a last resort, here."""
        ids = ", ".join(f"{r.work.step.address} = {r.binding.id}" for r in made if r.binding)
        told = f"made: {ids}\n" if ids else ""
        try:
            kept = self.journal.spill(results)
        except StateError as error:
            return f"{told}not recorded anywhere, for {error}"
        return f"{told}the results are kept in {kept}; the next run takes them over" if kept else told

    # -- results

    def _take(self) -> list[_Result]:
        """The results that are back, at least one, or none when the run is stopped and out of grace."""
        deadline: float | None = None
        while True:
            if self._stopping() and deadline is None:
                deadline = time.monotonic() + GRACE
            timeout = self._until_progress() if deadline is None else deadline - time.monotonic()
            if timeout <= 0 and deadline is not None:
                return []
            try:
                first = self._received(self.results.get(timeout=max(timeout, 0.0)))
            except Empty:
                self._tell_progress()
                continue
            if first is not None:
                return [first, *self._at_hand()]

    def _at_hand(self) -> list[_Result]:
        found: list[_Result] = []
        while True:
            try:
                result = self._received(self.results.get_nowait())
            except Empty:
                return found
            if result is not None:
                found.append(result)

    def _drain(self, seconds: float) -> list[_Result]:
        """What comes back within `seconds` while nothing new is sent."""
        found: list[_Result] = []
        deadline = time.monotonic() + seconds
        while len(found) < len(self.running) and (left := deadline - time.monotonic()) > 0:
            try:
                result = self._received(self.results.get(timeout=left))
            except Empty:
                break
            if result is not None:
                found.append(result)
        return found

    def _records_of(self, back: list[_Result]) -> list[Record]:
        """What to make durable of `back`, in which a create with an id that is not its own becomes one in doubt."""
        records: list[Record] = []
        for n, result in enumerate(back):
            work = result.work
            self.running.pop(work.step, None)
            if other := self._elsewhere(result):
                back[n] = _Result(work, error=Ambiguous(other))
                self.doubts.append(back[n])
            elif result.binding is not None and result.error is not None:
                records.append(self._finish(work, result.binding, frees=work.step.address.kind == "bid"))
                self._fail(work.step, result.error)
            elif result.error is None:
                records.append(self._finish(work, result.binding))
            elif isinstance(result.error, Held):
                self._fail(work.step, result.error)  # its intent stays: the next run looks what became of it
            elif work.intent.op == "create" and in_doubt(result.error):
                self.doubts.append(result)
            else:
                self.pending.pop(work.intent.intent, None)
                records.append(Closed(work.intent.intent, type(result.error).__name__))
                self._fail(work.step, result.error)
        return records

    def _elsewhere(self, result: _Result) -> str | None:
        """Why the id that a create was answered with is not taken: another address has it. None: nothing is wrong."""
        if result.work.intent.op != "create" or result.binding is None:
            return None
        made = result.binding
        now = attrs.evolve(self.state, bindings=self.bindings, ended={**self.state.ended, **self.ended})
        known = known_otherwise(made.id, made.address, now)
        return f"the answer is about {made.id}, which {known}" if known else None

    def _finish(self, work: _Work, binding: Binding | None, *, frees: bool = True) -> Record:
        """`frees`: what waits for the step may begin. It may not with a volume that is not as it was asked for."""
        self.pending.pop(work.intent.intent, None)
        self._bind(work.step, binding, frees=frees)
        if binding is None:
            self.ended |= ended_by(work.intent)
        return Done(work.intent.intent, work.step.address, binding)

    def _bind(self, step: Step, binding: Binding | None, *, frees: bool = True) -> None:
        if binding is None:
            self.bindings.pop(step.address, None)
        else:
            self.bindings[step.address] = binding
        self.done.append(step)
        for user in self.users.get(step, ()) if frees else ():
            self.waits[user].discard(step)
            if not self.waits[user]:
                self.ready.append(user)

    def _fail(self, step: Step, error: FlowplanError) -> None:
        self.failed[step] = error
        change = self.changes[step.address]
        if isinstance(error, (Unauthorized, Held, StateError)):  # StateError: the lock was taken away
            self.halted = error
        elif step.way == "up" and is_exhausted(error) and not isinstance(error, _NotTried):
            self.refused_kinds[_sort(change)] = error

    def _tell(self, back: Iterable[_Result]) -> None:
        for result in back:
            step, change = result.work.step, result.work.change
            if result.error is None:
                if result.was_gone:
                    self.events.note(f"{step.address} was gone already")
                self.events.done(step, change, result.binding.id if result.binding else None, result.seconds)
                self._tell_size(result)
            elif step in self.failed:
                self.events.failed(step, change, result.error)
            else:
                self.events.note(f"{step.address}: {result.error}; looking whether it happened")
        for step, change, id in self.untold:
            self.events.done(step, change, id, 0.0)
        self.untold.clear()

    def _tell_size(self, result: _Result) -> None:
        made = result.binding.applied if result.binding and result.work.intent.op == "create" else None
        if isinstance(made, Volume) and made.capacity_gb is not None:
            what = f"asked for {made.size_gb:,} GB, the API made it {made.capacity_gb:,} GB, which is paid for"
            self.events.note(f"{result.work.step.address}: {what}")

    def _until_progress(self) -> float:
        oldest = min(since for _, since in self.running.values())
        elapsed = self.clock.monotonic() - oldest
        return PROGRESS_EVERY - elapsed % PROGRESS_EVERY

    def _tell_progress(self) -> None:
        for step, (work, since) in self.running.items():
            elapsed = self.clock.monotonic() - since
            if elapsed >= PROGRESS_EVERY:
                self.events.progress(step, work.change, elapsed)

    # -- what can start

    def _prepare(self) -> tuple[list[_Work], list[Record]]:
        """The works that may start now, and the records of steps that need no call at all."""
        works: list[_Work] = []
        local: list[Record] = []
        while self.ready and not self._stopping() and len(self.running) + len(works) < self.options.parallelism:
            step = self.ready.pop(0)
            change = self.changes[step.address]
            if step.address.kind == "ports" or change.action in ("forget", "import"):
                local.append(self._without_call(step, change))
                continue
            # What is replaced has freed its own share, and an update takes none: only creates are spared.
            refused = self.refused_kinds.get(_sort(change)) if change.action == "create" else None
            try:
                if refused is not None:
                    raise _NotTried(f"not tried: {refused}")
                works.append(self._work(step, change))
            except FlowplanError as error:
                told = _told(error)
                self._fail(step, told)
                self.events.failed(step, change, told)
        if self.saved is not None and (works or local):  # now it begins: from here on it is not to begin again
            local.insert(0, self.saved)
            self.state, self.saved = self.state.begin(self.saved), None
        local += self.superseded
        self.superseded = []
        return works, local

    def _stale_absences(self) -> list[Record]:
        """Creates proved absent that this plan does not make any more."""
        made = {step.address for step in self.plan.order if step.way == "up"}
        return [self._supersede(intent) for address, intent in self.absent.items() if address not in made]

    def _refreshed(self) -> Iterable[Record]:
        """What needs no call, but is not in the state as it is now: seen drift, an adopted bid, another file."""
        for change in self.plan.changes:
            if change.action != "no-op" or change.after is None or change.id is None:
                continue
            now = Binding(change.address, change.id, change.after, change.needs, change.generation, change.source)
            known = self.bindings.get(change.address)
            if known is None or not _alike(known, now):
                self.bindings[change.address] = now
                yield Done("", change.address, now)

    def _supersede(self, intent: Intent) -> Record:
        self.pending.pop(intent.intent, None)
        return Closed(intent.intent, "proved absent, and planned otherwise since")

    def _without_call(self, step: Step, change: Change) -> Record:
        binding = None
        if step.way == "up" and change.after is not None:
            bid = self.bindings[Address("bid", step.address.name)] if step.address.kind == "ports" else None
            id = bid.id if bid else change.id or ""
            binding = Binding(step.address, id, change.after, change.needs, change.generation, change.source)
        self._bind(step, binding)
        self.untold.append((step, change, binding.id if binding else None))
        return Done("", step.address, binding)

    def _work(self, step: Step, change: Change) -> _Work:
        if step.way == "down":
            intent = self._intent("delete", change, None, "", change.before)
            return _Work(step, change, intent, lambda: _Answer(None, was_gone=not self.removals.remove(change)))
        assert change.after is not None  # noqa: S101 - every `up` step has something to make
        wanted = resolve(change.after, {a: self.bindings[a].id for a in change.needs if a in self.bindings})
        if change.action == "update":
            intent = self._intent("update", change, None, "", wanted)
            return _Work(step, change, intent, lambda: _Answer(self.updates.update(change, wanted)))
        return self._creation(step, change, wanted)

    def _creation(self, step: Step, change: Change, wanted: Resource) -> _Work:
        earlier = self.absent.get(step.address)
        if earlier is not None and earlier.generation == change.generation:
            request = self._request(wanted, change, earlier.intent)
            if digest(request) == earlier.payload_sha256:
                # The same key and bytes: should the first attempt commit after all, the two are one.
                return self._post(step, change, self._again(earlier), request, wanted)
        if earlier is not None:
            self.superseded.append(self._supersede(earlier))
        id = str(uuid.uuid4())
        request = self._request(wanted, change, id)
        intent = self._intent("create", change, id, digest(request), wanted)
        return self._post(step, change, intent, request, wanted)

    def _post(self, step: Step, change: Change, intent: Intent, request: Mapping[str, Any], wanted: Resource) -> _Work:
        return _Work(step, change, intent, lambda: _Answer(self.creates.create(request, intent, wanted, change)))

    def _request(self, wanted: Resource, change: Change, intent: str) -> Mapping[str, Any]:
        if isinstance(wanted, Volume):
            return self.cloud.volume_request(wanted)
        assert isinstance(wanted, Bid) and wanted.inputs is not None  # noqa: S101 - desired bids carry inputs
        marker = Marker.of(
            wanted.inputs,
            stack=self.state.stack,
            lineage=self.state.lineage,
            address=change.address,
            generation=change.generation,
            intent=intent,
        )
        return self.cloud.bid_request(wanted, self.render(wanted, marker))

    def _intent(
        self,
        op: Literal["create", "update", "delete"],
        change: Change,
        id: str | None,
        payload: str,
        made: Resource | None,
    ) -> Intent:
        id = id or str(uuid.uuid4())
        return Intent(
            intent=id,
            op=op,
            address=change.address,
            generation=change.generation,
            name=getattr(made, "name", ""),
            key=f"flowplan-{id}",
            payload_sha256=payload,
            at=self._now(),
            id=change.id if op != "create" else None,
            resource=made,
            needs=change.needs,
            source=change.source,
            endpoint=self.options.endpoint,
            project=self.state.project,
        )

    def _again(self, intent: Intent) -> Intent:
        """`intent` for its one further attempt, whose settle window begins anew."""
        return intent.anew(self._now(), resent=True)

    def _now(self) -> Moment:
        return self.clock.moment(self.cloud.now())

    def _send(self, pool: ThreadPoolExecutor, work: _Work) -> None:
        try:
            self.hold_lock()
        except StateError as error:
            self._rescue(error, [])
            raise
        self.pending[work.intent.intent] = work.intent
        self.running[work.step] = (work, self.clock.monotonic())
        self.events.started(work.step, work.change)
        pool.submit(self._call, work)

    # -- in a worker thread

    def _call(self, work: _Work) -> None:
        began = self.clock.monotonic()
        try:
            answer = work.call()
            result = _Result(work, answer.binding, was_gone=answer.was_gone)
        except HalfDone as half:
            result = _Result(work, half.binding, half.error)
        except FlowplanError as error:
            result = _Result(work, error=error)
        except BaseException as error:  # noqa: BLE001 - a bug here must leave the intent in doubt, not vanish
            result = _Result(work, error=Ambiguous(f"internal error: {type(error).__name__}: {error}"))
        self.results.put(attrs.evolve(result, seconds=self.clock.monotonic() - began))

    # -- creates in doubt

    def _resolve_doubts(self, pool: ThreadPoolExecutor) -> list[_Result]:
        """Look up everything in doubt at once; what is proved absent is sent once more, with the same bytes."""
        doubts, self.doubts = self.doubts, []
        intents = [result.work.intent for result in doubts]
        known = sorted(binding.id for address, binding in self.bindings.items() if address.kind == "bid")
        findings = look_up(
            intents,
            self.state.lineage,
            self.cloud,
            window=self.options.settle_window,
            clock=self.clock,
            known=known,
        )
        back: list[_Result] = []
        for result in doubts:
            finding = findings[result.work.intent.intent]
            if finding.verdict == "absent" and not result.work.intent.resent and self.options.on_unknown == "retry":
                self._send_again(pool, result.work)
            else:
                back += self._judged(result, finding)
        return back

    def _send_again(self, pool: ThreadPoolExecutor, work: _Work) -> None:
        again = attrs.evolve(work, intent=self._again(work.intent))
        self._make_durable([again.intent], [])
        self.events.note(f"{work.step.address} was not created; sending it once more")
        self._send(pool, again)

    def _judged(self, result: _Result, finding: Finding) -> list[_Result]:
        step, work = result.work.step, result.work
        if finding.verdict == "found" and (other := self._elsewhere(_Result(work, finding.binding))):
            self.unknown.append(step)
            self.events.failed(step, work.change, OutcomeUnknown(other, hint="run the same command again"))
            return []
        if finding.verdict == "found":
            return [_Result(work, finding.binding)]
        if finding.verdict == "foreign":
            message = f"the name {work.intent.name} is taken by {finding.ids[0]}, which flowplan did not make"
            return [_Result(work, error=Refused(message, hint="choose another name, or remove the other one"))]
        if finding.verdict == "ended":
            return [_Result(work, error=Refused(f"{finding.ids[0]} was created, and has ended since"))]
        # absent after the second sending (or with --on-unknown stop), several, or not to be known
        self.unknown.append(step)
        self.events.failed(step, work.change, _unknown(finding))
        return []

    # -- the end

    def _outcome(self) -> Outcome:
        for result in self.doubts:
            self.unknown.append(result.work.step)
        for step, (work, _) in self.running.items():
            if work.intent.op == "create":
                self.unknown.append(step)
            else:  # an update or a delete is simply done again by the next run, if it is still needed
                self.failed[step] = CloudError("stopped before its answer came")
        settled = {*self.done, *self.failed, *self.unknown}
        return Outcome(
            state=attrs.evolve(
                self.state, bindings=consistent(self.bindings), ended=with_ended(self.state.ended, self.ended)
            ),
            pending=tuple(self.pending.values()),
            done=tuple(self.done),
            failed=self.failed,
            unknown=tuple(self.unknown),
            not_started=tuple(step for step in self.plan.order if step not in settled),
            stopped=self.clock.stopped(),
        )


def _alike(known: Binding, now: Binding) -> bool:
    """Whether nothing worth a new snapshot differs; the order of ids is not."""
    same = (known.id, known.needs, known.generation, known.source) == (now.id, now.needs, now.generation, now.source)
    return same and not differences(known.applied, now.applied)


def _told(error: FlowplanError) -> FlowplanError:
    """A script that cannot be sent, as an error of its step: what is wrong, not that something is."""
    if not isinstance(error, ConfigError):
        return error
    first = error.problems[0]
    return CloudError(first.summary, hint=first.hint, detail=first.detail)


def _sort(change: Change) -> tuple[str, str]:
    """What a quota counts together."""
    after = change.after
    return (change.address.kind, after.instance_type if isinstance(after, Bid) else "")


def _unknown(finding: Finding) -> OutcomeUnknown:
    ids = f": {', '.join(finding.ids)}" if finding.ids else ""
    why = {"several": "several live objects carry its marker", "absent": "it does not show, though it may yet"}
    text = why.get(finding.verdict, str(finding.error) if finding.error else "the look-up was stopped")
    if finding.verdict == "unclear":
        return OutcomeUnknown(
            f"whether it was created is not known: {finding.ids[0]} has its name, and may be somebody else's",
            hint=unclear_remedy(finding),
        )
    return OutcomeUnknown(f"whether it was created is not known: {text}{ids}", hint="run the same command again")
