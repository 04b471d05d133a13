"""Take live bids and volumes into the state, and write the stack file that asks for what they are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs

from flowplan.classes import frozen
from flowplan.documents.stack_file import Found, addressed, text
from flowplan.errors import ConfigError, FlowplanError, StateError, UsageProblem, instead_of_again
from flowplan.model.address import Address
from flowplan.model.live import LiveBid, LiveVolume
from flowplan.names import Said
from flowplan.operations.files import write_new
from flowplan.operations.looking.ahead import Ahead
from flowplan.operations.looking.importable import found_live, importable, parsed
from flowplan.operations.looking.live import say_assumed
from flowplan.operations.looking.observe import observed_in
from flowplan.operations.looking.unknown_stack import name_in_files
from flowplan.operations.opening.loading import load_state
from flowplan.operations.opening.saving import save_state
from flowplan.operations.validate import configuration
from flowplan.planning.actions import Import, NoOp, Presumed, Read, Replace
from flowplan.printable import natural, shown
from flowplan.startup.carried import script_of
from flowplan.state.moving import command_word

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.model.catalogue import Catalogue
    from flowplan.model.live import Live
    from flowplan.operations.looking.observe import Observed
    from flowplan.operations.opening.session import Session
    from flowplan.planning.actions import Change
    from flowplan.planning.plan import Plan
    from flowplan.state.state import Binding, State

_NEVER_WRITTEN = ("inputs", "memory_gb")  # fields that a stack file need not have


@frozen
class Generated:
    """What was imported, what was left out, each with why, and what the file leaves unsaid."""

    imported: tuple[Found, ...]
    left_out: tuple[Said, ...]
    unsaid: tuple[Said, ...] = ()


@frozen
class _Settled:
    """A stack file by which nothing is left to do but to import `found`."""

    found: Sequence[Found]
    written: str
    seen: Observed
    plan: Plan


def generate(session: Session, path: str, one: tuple[str, str] | None = None) -> Generated:
    """Import everything live that the state does not hold and that is no other stack's, or only `one` (an address, an
    id), and write `path`, a stack file by which nothing is left to do then. The file comes first: it has `import`
    blocks, so that after a crash in between its apply does the rest. What cannot be written down is left out; of `one`,
    FlowplanError is raised. Raises UsageProblem for a file that exists."""
    target = session.settings.directory / path
    if target.exists():
        raise _exists(path)
    ahead = Ahead(session, lambda: _looked(session, path, one))
    if ahead.found is not None and ahead.found[1] is None:
        return Generated((), tuple(ahead.found[2]))
    with session.changing() as lock:
        loaded, settled, left_out = ahead.under_lock()
        if settled is None:
            return Generated((), tuple(left_out))
        lock.verify()
        if not write_new(target, settled.written, locked=True):
            raise _exists(path)
        does_the_rest = f"`flowplan apply {command_word(path)}`"
        session.so_far = f"{shown(path)} is written: {does_the_rest} imports what it names"
        try:
            save_state(session, _taken_in(session, path, loaded.state, settled), before=loaded.before, stated=True)
        except StateError as error:  # by then the same command is refused: the file exists
            if error.hint is not None:
                error.hint = instead_of_again(error.hint, f"run {does_the_rest}")
            raise
    unsaid = (*_unsaid(settled.found), *(_unowned(settled.found) if one is None else ()))
    return Generated(tuple(settled.found), tuple(left_out), unsaid)


def _looked(session: Session, path: str, one: tuple[str, str] | None) -> tuple[Loaded, _Settled | None, list[Said]]:
    """The state, what is to be written and imported (None: nothing is), and what is left out. Raises as `generate`."""
    loaded = load_state(session)
    if loaded.pending:
        raise FlowplanError("an operation of an earlier run is in doubt", hint="run `flowplan recover` first")
    project, there = session.enter_and_list(loaded.state, None, session.cloud().everything())
    live, left_out = there[1], list[Said]()
    found = _all(session, loaded, live, left_out) if one is None else [_named(session, loaded, live, *one)]
    settled = _settle(session, path, loaded, (project.name, *there), found, left_out)
    if one is not None and left_out:
        raise FlowplanError(f"{one[1]} cannot be imported with a stack file: {left_out[0].alone}")
    return loaded, settled, left_out


def _unsaid(found: Sequence[Found]) -> list[Said]:
    return [said for one in found for said in (one.unsaid, one.secret) if said is not None]


def _unowned(found: Sequence[Found]) -> list[Said]:
    """That a volume may be another stack's: it carries no marker, and no bid that uses it tells."""
    why = "no bid uses it, and a volume does not say which stack made it: if another did, take it out of the file, then"
    unused = [str(one.address) for one in found if isinstance(one.live, LiveVolume) and not one.live.users]
    release = [f"`flowplan state rm {command_word(address)}`" for address in unused]
    each = f"{why} `flowplan state rm` with its address"
    return [Said(address, f"{address}: {why} {do}", each) for address, do in zip(unused, release, strict=True)]


def _exists(path: str) -> UsageProblem:
    return UsageProblem(
        f"{shown(path)} exists; nothing was imported",
        hint="choose another name for the stack file; if an import was cut off once it had written this one, "
        f"`flowplan apply {command_word(path)}` does the rest",
    )


# ---- what is imported ---------------------------------------------------------------------------------------


def _named(session: Session, loaded: Loaded, live: Live, address: str, id: str) -> Found:
    wanted = parsed(address)
    known = loaded.state.bindings.get(wanted)
    if known is not None and known.id == id:  # it is imported already, and lacks a file
        return _with_script(Found(wanted, found_live(session, live, wanted, id)))
    return _with_script(Found(wanted, importable(session, live, loaded.state, (), wanted, id)))


def _with_script(one: Found) -> Found:
    return attrs.evolve(one, script=script_of(one.live)) if isinstance(one.live, LiveBid) else one


def _all(session: Session, loaded: Loaded, live: Live, left_out: list[Said]) -> list[Found]:
    """Everything that may be imported; `left_out` gets the rest."""
    state = loaded.state
    bound = {binding.id for address, binding in state.bindings.items() if address.kind != "ports"}
    volumes = sorted(live.volumes.values(), key=lambda one: (natural(one.volume.name), one.id))
    bids = sorted(live.bids.values(), key=lambda one: (natural(one.bid.name), one.created_at, one.id))
    loose: list[LiveBid | LiveVolume] = [one for one in volumes if one.id not in bound]
    loose += [one for one in bids if one.id not in bound and not one.ended]
    found = []
    for candidate in map(_with_script, addressed(loose, state.bindings)):
        why = _unreported(candidate)
        if why is None:
            try:
                importable(session, live, state, (), candidate.address, candidate.id)
            except FlowplanError as error:
                why = str(error)
        if why is None:
            found.append(candidate)
        else:
            left_out.append(candidate.left_out(why))
    return found


def _unreported(one: Found) -> str | None:
    """Why it cannot be written down: what the API does not report."""
    missing = [name for name in one.resource.unreported if name not in _NEVER_WRITTEN]
    return f"the API does not report its {', '.join(missing)}" if missing else one.live.unfit or None


# ---- the file -----------------------------------------------------------------------------------------------


def _settle(
    session: Session,
    path: str,
    loaded: Loaded,
    of: tuple[str, Catalogue, Live],
    found: Sequence[Found],
    left_out: list[Said],
) -> _Settled | None:
    """The file, planned: what a file cannot say of an object, or not without changing it, is left out, until nothing is
    left to do; None: nothing is left at all. `of`: the project, what it offers, and what is live in it."""
    from flowplan.config import Source
    from flowplan.planning.make import make_plan
    from flowplan.planning.plan import Wishes

    project, catalogue, live = of
    stack = loaded.state.applied_as or session.stack_name(loaded.state, name_in_files(session))
    while found:
        written = text(stack, project, found, catalogue, (*left_out, *_unsaid(found)))
        try:
            config = configuration(session, [Source(path, written.encode())])
            seen = observed_in(session, config, loaded.state, (catalogue, live))
            say_assumed(session.cloud(), seen.live)
            plan = make_plan(seen.desired, seen.state, seen.live, Wishes(in_scope=lambda _: False))
            wrong = {one.address: _why(one) for one in plan.changes if not _is_quiet(one)}
            wrong |= {Address.parse(one.about): one.summary for one in plan.uncompared if one.about is not None}
        except ConfigError as error:
            wrong = _blamed(error, written)
            if not wrong.keys() & {one.address for one in found}:
                raise
        else:
            if not wrong:
                return _Settled(found, written, seen, plan)
        wrong |= {Address("bid", one.name): why for one, why in wrong.items() if one.kind == "ports"}
        left_out += [one.left_out(wrong[one.address]) for one in found if one.address in wrong and one.script is None]
        # A script that a file cannot hold as it runs: it is tried without.
        kept = [one for one in found if one.address not in wrong or one.script is not None]
        found = [attrs.evolve(one, script=None) if one.address in wrong else one for one in kept]
    return None


def _is_quiet(change: Change) -> bool:
    return isinstance(change, (NoOp, Presumed, Read)) or (isinstance(change, Import) and not change.fields)


def _why(change: Change) -> str:
    from flowplan.config.positions import key_of

    fields = [one.name for one in change.fields]
    names = ", ".join(dict.fromkeys(key_of(change.address.kind, one) for one in fields)) or change.action
    what = "replace it" if isinstance(change, Replace) else f"{change.action} it"
    known = "its startup script is not known, and a file without it would" if "inputs" in fields else "a file would"
    return f"{known} {what} ({names})"


def _blamed(error: ConfigError, written: str) -> dict[Address, str]:
    """The addresses that problems are about, by what they say or by where in the file they are."""
    lines = written.split("\n")
    found = {}
    for problem in error.problems:
        if problem.severity != "error":
            continue
        about = problem.about or (_at(lines, problem.position.line) if problem.position else None)
        if about:
            found[Address.parse(about)] = problem.summary
    return found


def _at(lines: Sequence[str], number: int) -> str | None:
    """The resource in whose lines line `number` is."""
    name = None
    for line in reversed(lines[:number]):
        if name is None and (entry := re.match(r' {2}"?([^ "-][^":]*)"?:', line)):
            name = entry[1]
        if line in ("volumes:", "tasks:"):
            return f"{'volume' if line == 'volumes:' else 'bid'}.{name}" if name else None
    return None


def _has_file(known: Binding | None, id: str) -> bool:
    """Whether it is imported already, and the state knows which file names it."""
    return known is not None and known.id == id and bool(known.source)


def _taken_in(session: Session, path: str, state: State, settled: _Settled) -> State:
    """The state that holds what the file names."""
    _, files = session.sources((path,))
    source = files.kept(path)
    new = {
        one.address: attrs.evolve(one.bound(one.id, one.after), source=source)
        for one in settled.plan.changes
        if isinstance(one, (Import, NoOp)) and not _has_file(state.bindings.get(one.address), one.id)
    }
    seen = settled.seen.state
    ids = {binding.id for binding in new.values()}
    return attrs.evolve(seen, bindings={**state.bindings, **new}, released=seen.released - ids)
