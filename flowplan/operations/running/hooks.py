"""Hooks: which are due, and running them. What flowplan did stands by then, and nothing that a hook does changes it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from math import inf
from shlex import join
from typing import TYPE_CHECKING, Any

from attrs import evolve

from flowplan.clock import since_boot
from flowplan.cloud.credentials import without_credentials
from flowplan.documents.hooks import Happened, document
from flowplan.hooks.run import Ended, run
from flowplan.model.hooks import EVENTS
from flowplan.operations.opening.session import Session
from flowplan.operations.opening.settings import NO_HOOKS, STATE
from flowplan.planning.occasions import drifted, preempted

if TYPE_CHECKING:
    from flowplan.apply.outcome import Outcome
    from flowplan.documents.shapes.hooks import Result
    from flowplan.documents.watch import Round
    from flowplan.model.hooks import Hook
    from flowplan.model.live import Live
    from flowplan.operations.plan import Planned
    from flowplan.planning.plan import Plan
    from flowplan.planning.watch_findings import Finding
    from flowplan.state.state import State

_LINES = 20  # of what a hook writes that are shown


def after_plan(session: Session, hooks: Sequence[Hook], found: Planned) -> None:
    """Run those that a plan sets off, once it is shown. Raises nothing but an interruption."""
    plan = found.priced.plan
    changes = tuple(one for one in plan.changes if one.ways or one.previous_address is not None)
    state, recorded = found.seen.state, found.seen.recorded
    planned = Happened("planned", plan.mode, state, changes, found.document, recorded=recorded)
    seen = [evolve(one, recorded=recorded) for one in _seen(plan, state, found.seen.live)]
    _run(session, hooks, [planned, *seen], "nothing was changed")


def after_apply(session: Session, hooks: Sequence[Hook], plan: Plan, outcome: Outcome, live: Live) -> None:
    """Run those that a run sets off, once its state is saved and its lock released. Raises nothing but an
    interruption."""
    from flowplan.apply.outcome import Interrupted, with_outcome

    try:
        _run(session, hooks, [*_seen(plan, outcome.state, live), *applied(plan, outcome)], session.came_of_it)
    except Interrupted as error:
        raise with_outcome(error, outcome) from None


def after_round(session: Session, found: Round, began: Sequence[Finding], seconds: float) -> None:
    """Run those that a round of the watch sets off, once it is told: of what `began`, and of what was done. `seconds`:
    how long they may take in all, so that the next round is not late. Raises nothing but an interruption."""
    until = since_boot() + seconds
    outcome = "what was done is saved" if found.applied else "nothing was changed"
    _run(session, found.hooks, [*_begun(found, began), *found.applied], outcome, lambda: until - since_boot())


def _begun(found: Round, began: Sequence[Finding]) -> Iterator[Happened]:
    plan, state = found.plan, found.state
    if plan is None or state is None:
        return
    outside = {change.address: change for change in plan.drift}
    every = plan.by_address()
    for event in EVENTS:
        changes = [outside.get(one.address, every.get(one.address)) for one in began if one.event == event]
        if about := tuple(change for change in changes if change is not None):
            yield Happened(event, plan.mode, state, about)


def _seen(plan: Plan, state: State, live: Live) -> list[Happened]:
    """What a look at the cloud has found; nothing where it found nothing."""
    found = [
        Happened("drifted", plan.mode, state, drifted(plan)),
        Happened("preempted", plan.mode, state, preempted(plan, live)),
    ]
    return [one for one in found if one.changes]


def applied(plan: Plan, outcome: Outcome) -> list[Happened]:
    """What a run came to; nothing where it did nothing."""
    from flowplan.apply.outcome import counted

    results: dict[Any, Result] = {step.address: "done" for step in outcome.done}
    results |= dict.fromkeys(outcome.left, "not_started")
    results |= dict.fromkeys((step.address for step in outcome.failed), "failed")
    results |= dict.fromkeys((step.address for step in outcome.unknown), "unknown")
    expired = {step.address: change for step, change in outcome.expired.items()}
    changes = {**plan.by_address(), **expired}
    about = tuple(changes[address] for address in results if address in changes)
    errors = {step.address: str(error) for step, error in outcome.failed.items()}
    summary = counted(plan, outcome)
    made = Happened("applied", plan.mode, outcome.state, about, results=results, errors=errors, summary=summary)
    return [made] if about else []


def _run(
    session: Session,
    hooks: Sequence[Hook],
    happened: Iterable[Happened],
    outcome: str,
    left: Callable[[], float] = lambda: inf,
) -> None:
    """Those of each event, as long as so many seconds are `left`. An interruption kills the one that runs, and says
    what the `outcome` of the rest is."""
    interruption = session.interruption
    due = [(hook, one) for one in happened for hook in hooks if hook.event == one.event]
    if not due or interruption.stopped():
        return
    with interruption.listening():  # a signal that comes while one is started must not lose it
        for hook, one in due:
            if not interruption.stopped():
                _carry_out(session, hook, one, left())
    if interruption.stopped():
        raise interruption.interrupted(outcome)


def _carry_out(session: Session, hook: Hook, happened: Happened, left: float) -> None:
    if left <= 0:
        session.listener.warn(f"{_named(hook)} was not run: the next round of the watch is due")
        return
    settings = session.settings
    body = json.dumps(_secretless(session, document(happened, session.now()))) + "\n"
    environ = {**without_credentials(settings.environ), NO_HOOKS: "1"}  # a hook that runs flowplan sets off none
    if "://" in environ.get(STATE, ""):
        environ[STATE] = session.store.identity  # a URL may hold a password
    try:
        with session.listener.busy(f"running the hook {hook.event}..."):
            ended = run(
                hook.command,
                body.encode(),
                timeout=min(hook.timeout, left),
                directory=settings.directory.absolute(),
                environ=environ,
                stopped=session.interruption.stopped,
            )
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        session.listener.warn(f"{_named(hook)} cannot be started: {why}; what flowplan did stands")
        return
    _tell(session, hook, ended, is_due=left < hook.timeout)


def _tell(session: Session, hook: Hook, ended: Ended, *, is_due: bool) -> None:
    """What it wrote, each line behind its name, and whether it failed. `is_due`: it had less time than it is given."""
    note = session.listener.note
    lines = [line for line in ended.output.splitlines() if line.strip()]
    for line in lines[:_LINES]:
        note(f"hook {hook.event}: {line}")
    if ended.is_cut:  # how many lines that is nobody has counted
        note(f"hook {hook.event}: the rest of the {ended.written:,} bytes that it wrote is not shown")
    elif (more := len(lines) - _LINES) > 0:
        note(f"hook {hook.event}: {more} more line{' is' if more == 1 else 's are'} not shown")
    if ended.code is None and session.interruption.stopped():
        session.listener.warn(f"{_named(hook)} was killed")
    elif ended.code is None:
        why = "as the next round of the watch is due" if is_due else f"after {_span(hook)}"
        session.listener.warn(f"{_named(hook)} was killed {why}; what flowplan did stands")
    elif ended.signal:
        session.listener.warn(f"{_named(hook)} was killed by {ended.signal}; what flowplan did stands")
    elif ended.code:
        session.listener.warn(f"{_named(hook)} failed with exit code {ended.code}; what flowplan did stands")


def _span(hook: Hook) -> str:
    return f"{hook.timeout} second{'s' if hook.timeout > 1 else ''}"


def _named(hook: Hook) -> str:
    return f"the hook {hook.event} ({join(hook.command)}, {hook.position})"


def _secretless(session: Session, value: Any) -> Any:
    """A JSON value in whose texts nothing can be read that must stay secret."""
    if isinstance(value, str):
        return session.listener.secretless(value)
    if isinstance(value, dict):
        return {key: _secretless(session, one) for key, one in value.items()}
    return [_secretless(session, one) for one in value] if isinstance(value, list | tuple) else value
