"""Whether flowplan has what it needs: account, files, state and lock. Nothing is written, also no simulator made."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flowplan.documents.doctor import Check, Checkup
from flowplan.errors import ConfigError, FlowplanError, StateError
from flowplan.operations.lock import look
from flowplan.operations.looking.account import account
from flowplan.operations.offers import hold_places
from flowplan.operations.opening.loading import load_state
from flowplan.operations.opening.paths import DEFAULT
from flowplan.operations.opening.session import Session
from flowplan.operations.validate import configuration
from flowplan.printable import shown
from flowplan.state.state import State

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.config import Config, Source
    from flowplan.diagnostics import Diagnostic
    from flowplan.documents.shapes.doctor import Subject


def doctor(session: Session, paths: Sequence[str | Source] = ()) -> Checkup:
    """Every check, whatever another one says; of the configuration in `paths` (none: flowplan.yaml, if it is there).
    Raises nothing of what is checked."""
    config, files = _configuration(session, paths)
    loaded, state, unreadable = _state(session)
    kept = loaded.state if loaded is not None else State(lineage="")
    of_account = tuple(account(session, config, kept))
    if config is not None and any(one.subject == "project" and one.verdict == "ok" for one in of_account):
        files = _placeable(session, config, kept, files)
    checks = (*of_account, files, _backend(session), state, _lock(session))
    return Checkup(tuple(one.typed(session.settings.typed) for one in checks), unreadable)


def _guarded(subject: Subject, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except FlowplanError as error:
        return Check(subject, "failed", str(error), error.hint)
    except OSError as error:
        return Check(subject, "failed", f"{shown(str(error.filename))}: {error.strerror}")


def _configuration(session: Session, paths: Sequence[str | Source]) -> tuple[Config | None, Check]:
    called = "the configuration" if paths else DEFAULT
    try:
        if not paths and not os.path.lexists(session.settings.directory / DEFAULT):  # a link to nowhere is wrong
            return None, Check("configuration", "skipped", f"there is no {DEFAULT} here", "flowplan init writes one")
        sources, _ = session.sources(paths)
        config = configuration(session, sources)
    except ConfigError as error:
        return None, _of_problems(called, error.problems)
    except (FlowplanError, OSError) as error:
        problem = error
        return None, _guarded("configuration", lambda: _raised(problem))
    tasks, volumes = len(config.tasks), len(config.volumes)
    counted = f"{tasks} task{'' if tasks == 1 else 's'}, {volumes} volume{'' if volumes == 1 else 's'}"
    return config, Check("configuration", "ok", f"{called} is valid: {counted}")


def _of_problems(called: str, problems: Sequence[Diagnostic]) -> Check:
    """A variable without a value is nothing wrong with the files: each command is given it, and this one was not."""
    first, count = problems[0], len(problems)
    if all(one.code == "variable-missing" for one in problems):
        return Check(
            "configuration", "warning", f"{called} cannot be checked: {first.summary}{_more(count - 1)}", first.hint
        )
    what = f"{called} has {count} problem{'' if count == 1 else 's'}"
    return Check("configuration", "failed", what, "flowplan validate shows each with its place")


def _more(count: int) -> str:
    return f", and {count} more problem{'' if count == 1 else 's'}" if count else ""


def _placeable(session: Session, config: Config, state: State, valid: Check) -> Check:
    """`valid`, where every task of `config` can go somewhere now: there are such types and regions."""
    try:
        hold_places(session, config, state)
    except ConfigError as error:
        what = f"{error.problems[0].summary}{_more(len(error.problems) - 1)}"
        return Check("configuration", "failed", what, "flowplan plan shows each problem with its place")
    except FlowplanError as error:
        what = f"{valid.summary}; whether it can be placed is not known: {error}"
        return Check("configuration", "warning", what, error.hint)
    return valid


def _raised(error: Exception) -> Check:
    raise error


def _backend(session: Session) -> Check:
    def check() -> Check:
        why = session.store.lock.out_of_reach()
        if why is not None:
            return Check("backend", "failed", why, "free some space, or make it writable, or give another --state")
        session.store.hold_allowed()
        where = f"the state is kept in {session.store.name}"
        if not session.store.tried:
            where += "; whether that server keeps a second run out, the first command tries that takes the lock there"
        return Check("backend", "ok", where)

    return _guarded("backend", check)


def _state(session: Session) -> tuple[Loaded | None, Check, bool]:
    """The state, if it can be used; what is to be said of it; and whether it cannot be read."""
    try:
        loaded = load_state(session)
    except (FlowplanError, OSError) as error:
        problem = error
        return None, _guarded("state", lambda: _raised(problem)), isinstance(error, StateError)
    return loaded, _of_state(loaded), False


def _of_state(loaded: Loaded) -> Check:
    if doubtful := len(loaded.pending):
        what = f"an interrupted run left {doubtful} operation{'' if doubtful == 1 else 's'} in doubt"
        return Check("state", "warning", what, "flowplan recover, or the next apply, settles that")
    if loaded.fresh:
        return Check("state", "ok", "there is none yet: nothing was applied here")
    count = len(loaded.state.bindings)
    said = f"{count} resource{'' if count == 1 else 's'}, serial {loaded.state.serial}"
    if loaded.journaled:
        return Check("state", "ok", f"{said}; the last run was cut off, and its journal has what it did")
    return Check("state", "ok", said)


def _lock(session: Session) -> Check:
    def check() -> Check:
        found = look(session)
        if found.holder is None:
            return Check("lock", "ok", "no run of flowplan holds it" if found.untold else "nobody holds it")
        who = f"{found.holder.who} since {found.holder.since} ({found.holder.command})"
        if found.standing == "dead":
            return Check("lock", "ok", f"left behind by a dead run of {who}; the next command takes it over")
        if found.standing == "unknown":
            remedy = f"if that run is certainly dead: flowplan force-unlock {found.holder.id}"
            return Check("lock", "warning", f"held by {who}, which this machine cannot check", remedy)
        return Check("lock", "warning", f"held by {who}", "wait for that run, or give --lock-timeout")

    return _guarded("lock", check)
