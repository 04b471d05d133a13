"""The threads that make calls, and the one queue by which they report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from queue import Empty, SimpleQueue
from threading import Event, get_ident

import attrs
from attrs import field

from flowplan.apply.creates import HalfDone
from flowplan.apply.events import Events
from flowplan.apply.works import Answer, Work
from flowplan.classes import define, frozen
from flowplan.clock import Clock
from flowplan.errors import Ambiguous, CloudError, FlowplanError
from flowplan.planning.steps import Step
from flowplan.state.state import Binding
from flowplan.threads import Pool

NAMED = "flowplan-call"  # the names of the threads that calls are made in begin so
GRACE = 5.0  # seconds that calls under way get once the run is stopped
PROGRESS_EVERY = 10.0  # seconds
_FEWER = "raise the limit of threads of the machine or the container (ulimit -u)"


@frozen
class Result:
    """What the call of `work` came to. Both `binding` and `error`: it is half done; neither: its object is gone, and
    `was_gone` before the call, or `unproved`: the answer says so, and nothing else yet. `seconds`: how long the call
    took."""

    work: Work
    binding: Binding | None = None
    error: FlowplanError | None = None
    seconds: float = 0.0
    was_gone: bool = False
    unproved: bool = False


@frozen
class Lingers:
    """A worker says that of `step` only the end is waited for."""

    step: Step


@define
class Announcement:
    """A worker asks for its intent to be made durable again, and waits."""

    intent: str
    answered: Event = field(factory=Event)
    granted: bool = False
    error: FlowplanError | None = None


class Workers:
    """At most `parallelism` threads, and one for each step that lingers. `announced` is called with what a worker asks,
    and `lingers` with a step of which only the end is waited for, in the thread that takes results; `lingers` says
    whether there is room for another one now. `stopping` says that nothing new is to be waited for; `whose`: the client
    that makes the calls."""

    def __init__(
        self,
        parallelism: int,
        clock: Clock,
        events: Events,
        *,
        announced: Callable[[Announcement], None],
        stopping: Callable[[], bool],
        lingers: Callable[[Step], bool] = lambda _: False,
        whose: object = None,
    ) -> None:
        self._clock, self._events, self._announced, self._stopping = clock, events, announced, stopping
        self._taker = get_ident()  # the thread that takes results
        self._lingers, self._room = lingers, False  # whether there is room that nobody was told of
        self._pool = Pool(parallelism, f"{NAMED}-{id(whose):x}")
        self._queue: SimpleQueue[Result | Announcement | Lingers | None] = SimpleQueue()
        self._sent: dict[Step, tuple[Work, float]] = {}
        self._given_up = False

    @property
    def given_up(self) -> bool:
        """Whether the run is stopped, and what is under way has had its grace."""
        return self._given_up

    @property
    def under_way(self) -> list[Work]:
        """What was sent, and is not back."""
        return [work for work, _ in self._sent.values()]

    def send(self, work: Work) -> None:
        """Let the call of `work` go."""
        self._sent[work.step] = (work, self._clock.monotonic())
        unsent = CloudError("nothing was sent: this process gets no thread for it", hint=_FEWER)
        self._submit([Result(work, error=unsent)], self._call, work)

    def prove(self, results: Sequence[Result], look: Callable[[], frozenset[str]]) -> None:
        """Let what is `unproved` be seen by one `look`, which gives the ids of what is over; what that does not show,
        by the proof of its own work. It is under way again."""
        since = self._clock.monotonic()
        self._sent |= {one.work.step: (one.work, since) for one in results}
        self._submit([attrs.evolve(one, unproved=False, error=unseen()) for one in results], self._prove, results, look)

    def take(self, at_most: float | None = None) -> list[Result]:
        """The results that are back, at least one, or none when the run is stopped and out of grace, when nothing is
        back within `at_most` seconds, or when there is room for another call."""
        deadline: float | None = None
        over = None if at_most is None else self._clock.monotonic() + at_most
        while True:
            if deadline is None and self._stopping():
                deadline = self._clock.monotonic() + GRACE
            timeout = self._until_progress() if deadline is None else deadline - self._clock.monotonic()
            if timeout <= 0 and deadline is not None:
                self._given_up = True
                return []
            left = timeout if over is None else min(timeout, over - self._clock.monotonic())
            try:
                first = self._next(max(left, 0.0))
            except Empty:
                if left < timeout:
                    return []
                self._tell_progress()
                if deadline is not None:
                    self._given_up = True
                    return []
                continue
            if first is not None:
                return [first, *self.drain(0.0)]
            if self._room and deadline is None:
                self._room = False
                return []

    def take_while(self, goes_on: Callable[[], bool]) -> list[Result]:
        """The results that are back, at least one; none when what `goes_on` is over, which `wake` makes it look at."""
        while goes_on():
            first = self._next(None)
            if first is not None:
                return [first, *self.drain(0.0)]
        return []

    def drain(self, seconds: float) -> list[Result]:
        """What comes back within `seconds` while nothing new is sent; with 0 what is back already."""
        found: list[Result] = []
        deadline = self._clock.monotonic() + seconds
        while self._sent:
            try:
                result = self._next(max(deadline - self._clock.monotonic(), 0.0))
            except Empty:
                break
            if result is not None:
                found.append(result)
        return found

    def linger(self, step: Step) -> None:
        """In a worker: only the end of `step` is waited for."""
        self._queue.put(Lingers(step))

    def ask(self, intent: str) -> None:
        """In a worker: have `intent` made durable again, and wait for that. Raises what forbids to go on."""
        asked = Announcement(intent)
        if get_ident() == self._taker:  # this thread makes the call itself: see Pool
            self._announced(asked)
        else:
            self._queue.put(asked)
        if not asked.answered.wait(2 * GRACE):
            raise CloudError(
                f"not sent: the record of it was old, and the state has not taken a new one for {2 * GRACE:g} s",
                hint="look why the state is so slow to write, and run the same command again",
            )
        if not asked.granted:
            raise asked.error or CloudError("stopped before it was sent")

    def wake(self) -> None:
        """End the wait for a result, from any thread."""
        self._queue.put(None)

    def close(self) -> None:
        """Nothing is sent any more. What is still under way, nobody waits for."""
        self._pool.shutdown(wait=not self._sent)

    def _next(self, seconds: float | None) -> Result | None:
        """The next result; None for anything else that came. Raises Empty when nothing comes within `seconds`."""
        item = self._queue.get(timeout=seconds)
        if isinstance(item, Announcement):
            self._announced(item)
            return None
        if isinstance(item, Lingers):
            if self._lingers(item.step):
                self._pool.grow()
                self._room = True
            return None
        if item is not None:
            del self._sent[item.work.step]
        return item

    def _until_progress(self) -> float:
        elapsed = self._clock.monotonic() - min(since for _, since in self._sent.values())
        return PROGRESS_EVERY - elapsed % PROGRESS_EVERY

    def _tell_progress(self) -> None:
        for step, (work, since) in self._sent.items():
            elapsed = self._clock.monotonic() - since
            if elapsed >= PROGRESS_EVERY:
                self._events.progress(step, work.change, elapsed)

    def _submit(self, otherwise: Sequence[Result], call: Callable[..., None], *given: object) -> None:
        try:
            self._pool.submit(call, *given)
        except RuntimeError:  # the machine gives no thread
            for result in otherwise:
                self._queue.put(result)

    def _call(self, work: Work) -> None:
        began, answer, failed = self._clock.monotonic(), Answer(None), None
        try:
            answer = work.call(work.intent)
        except HalfDone as half:
            answer, failed = Answer(half.binding), half.error
        except BaseException as error:  # noqa: BLE001 - a bug here must leave the intent in doubt, not vanish
            failed = _error_of(error)
        unproved = failed is None and work.prove is not None and not answer.was_gone
        seconds = self._clock.monotonic() - began
        self._queue.put(Result(work, answer.binding, failed, seconds, answer.was_gone, unproved))

    def _prove(self, results: Sequence[Result], look: Callable[[], frozenset[str]]) -> None:
        try:
            shown = look()
        except BaseException as error:  # noqa: BLE001 - as above
            for one in results:
                self._queue.put(attrs.evolve(one, unproved=False, error=copy(_error_of(error))))
            return
        for one in results:
            if one.work.intent.id in shown:
                self._queue.put(attrs.evolve(one, unproved=False))
            else:
                self._submit([attrs.evolve(one, unproved=False, error=unseen())], self._prove_alone, one)

    def _prove_alone(self, result: Result) -> None:
        began, proved = self._clock.monotonic(), attrs.evolve(result, unproved=False)
        try:
            if result.work.prove is not None:
                result.work.prove()
        except BaseException as error:  # noqa: BLE001 - as above
            proved = attrs.evolve(proved, error=_error_of(error))
        self._queue.put(attrs.evolve(proved, seconds=result.seconds + self._clock.monotonic() - began))


def unseen() -> CloudError:
    """Why a removal is not done that was only answered. One for each: an error that several share grows with each that
    raises it."""
    return CloudError("its deletion was answered with success, but not seen: this process is ending")


def _error_of(error: BaseException) -> FlowplanError:
    """What a call raised, for the run."""
    if isinstance(error, FlowplanError):
        return error
    return Ambiguous(f"internal error: {type(error).__name__}: {error}")
