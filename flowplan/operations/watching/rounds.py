"""Round after round of a watch, until somebody ends it."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Generator
from functools import partial
from typing import TYPE_CHECKING

import attrs
from attrs import field

from flowplan import clock
from flowplan.apply.outcome import Interrupted
from flowplan.classes import define
from flowplan.documents.watch import Round
from flowplan.errors import FlowplanError, Locked, StateError, UsageProblem
from flowplan.operations.opening.interaction import Interruption, Listener
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import Settings
from flowplan.operations.proposing.request import Request
from flowplan.operations.running.hooks import after_round
from flowplan.operations.running.options import RunOptions
from flowplan.operations.validate import configuration
from flowplan.operations.watching.memory import LEAST, Memory, unnumbered
from flowplan.operations.watching.one_round import one_round
from flowplan.operations.watching.watcher import Watcher

if TYPE_CHECKING:
    from flowplan.apply.events import Reporter
    from flowplan.documents.watched import Told

_LONGEST_NAP = 10.0  # seconds: a machine that sleeps stops the clock that a pause goes by


def hold_pace(every: float, name: str, *, simulated: bool) -> None:
    """Raise UsageProblem where `every`, which people know as `name`, are too few seconds between two rounds."""
    least = 1.0 if simulated else LEAST
    if every < least:
        raise UsageProblem(f"{name} is at least {least:g}s", hint="for example 1m")


def rounds(
    settings: Settings,
    listener: Listener,
    interruption: Interruption,
    request: Request,
    how: RunOptions,
    reporter: Reporter,
    every: float,
    *,
    once: bool = False,
) -> Generator[Told]:
    """The rounds of a watch over the files of `request`, `every` so many seconds, of which one begins at once; `once`:
    only that. Nobody else watches the state meanwhile: `settings.lock_timeout` says how long to wait for that. A round
    that fails is one of them, with its error, and the next comes later and later, up to an hour. Hooks run in the pause
    after a round, as long as that lasts, or `LEAST` seconds.

    Raises Locked where another watches the state, at the start or once this one has lost it; UsageProblem where there
    can be no state, and at the start where there are no files and nothing was made; StateError where the files name
    another state by now; and what `interruption` raises."""
    with Session(settings, listener, interruption, paths=request.paths) as own, Watcher(own).held() as watcher:
        memory = Memory.of(settings.directory, own.identity)
        said = _Said(listener)
        first = True
        while True:
            found = _round(own, watcher, request, how, reporter, said.listener)
            said.is_over(whole=found.error is None)
            told = memory.after(found)
            if first and isinstance(found.error, UsageProblem) and not _has_made(own):
                raise found.error  # there is nothing to watch, and nothing to end
            if first:  # who has just started it is to see why nothing happens
                told, first = attrs.evolve(told, is_new_error=told.error is not None), False
            pause = None if once else memory.pause(every, random.random())  # noqa: S311 - no secret
            until = clock.since_boot() + (pause or 0)
            yield attrs.evolve(told, pause=pause)
            if found.hooks and (told.heard or found.applied):
                after_round(own, found, told.heard, math.inf if pause is None else max(pause, LEAST))
            _keep(memory, listener)  # once all is told: a kill in between tells it twice, and never loses it
            if pause is None:
                return
            wait(interruption, until - clock.since_boot())


@define
class _Said:
    """What the rounds remark goes to `told`, each remark when it begins: one that the round before made as often is no
    news."""

    told: Listener
    _before: Counter[str] = field(factory=Counter, init=False)
    _now: Counter[str] = field(factory=Counter, init=False)

    @property
    def listener(self) -> Listener:
        """What a round speaks to."""
        return attrs.evolve(self.told, note=partial(self._say, self.told.note), warn=partial(self._say, self.told.warn))

    def _say(self, tell: Callable[[str], None], text: str) -> None:
        mark = unnumbered(text)
        self._now[mark] += 1
        if self._now[mark] > self._before[mark]:
            tell(text)

    def is_over(self, *, whole: bool) -> None:
        """A round is over. `whole`: it has come to all that it may remark."""
        self._before = self._now if whole else self._before | self._now  # of a Counter: the most of each
        self._now = Counter()


def _round(
    own: Session, watcher: Watcher, request: Request, how: RunOptions, reporter: Reporter, listener: Listener
) -> Round:
    """One round, in a session of its own. It waits for nobody's lock: the next round comes."""
    try:
        watcher.keep()
        with Session(_settings(own, request), listener, own.interruption, paths=request.paths) as session:
            made = one_round(session, request, how, reporter, watcher.hold)
        if isinstance(made.error, Interrupted):
            raise made.error
        return made
    except (Interrupted, _Elsewhere):
        raise
    except Locked as error:
        if not _is_watching(watcher):
            raise
        return Round(None, error=error)
    except FlowplanError as error:
        return Round(None, error=error)


class _Elsewhere(StateError):
    """The files name another state than the one that is watched."""


def _settings(own: Session, request: Request) -> Settings:
    """Those of a round. Where the files cannot be used, as while they are written, or are gone, its state is the one
    that is watched anyway. Raises StateError where they can, and name another."""
    settings = attrs.evolve(own.settings, lock_timeout=0.0)
    with Session(settings, own.listener, own.interruption, paths=request.paths) as session:
        try:
            if session.identity == own.identity:
                return settings
            configuration(session, session.sources(request.paths)[0], request.variables)
        except FlowplanError:  # the round says so
            return attrs.evolve(settings, state=own.chosen.where)
        raise _Elsewhere(
            f"the files name another state by now: {session.store.name}, not {own.store.name}",
            hint="start `flowplan watch` again",
        )


def _has_made(own: Session) -> bool:
    """Whether the state has anything; also where it does not read."""
    try:
        loaded = own.read()
    except FlowplanError:
        return True
    return bool(loaded.state.bindings or loaded.pending)


def _is_watching(watcher: Watcher) -> bool:
    try:
        watcher.hold()
    except StateError:
        return False
    return True


def _keep(memory: Memory, listener: Listener) -> None:
    """What cannot be remembered is told again after a restart: no reason to end."""
    try:
        memory.keep()
    except StateError as error:
        listener.note(f"what the watch has told cannot be remembered: {error}")


def wait(interruption: Interruption, seconds: float) -> None:
    """Wait so long, by a clock that goes on while the machine sleeps. Raises what `interruption` does, as soon as
    somebody asks."""
    until = clock.since_boot() + seconds
    with interruption.listening():
        while not interruption.stopped() and (left := until - clock.since_boot()) > 0:
            interruption.pause(min(left, _LONGEST_NAP))
    if interruption.stopped():
        raise interruption.interrupted("the watch is over, and nothing was under way")
