"""Look into the state and mend it: show, rename, release, replace, restore. A look reads and takes no lock."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import attrs

from flowplan.backends.parts import nothing_to_restore
from flowplan.diagnostics import candidates
from flowplan.documents.state import Kept, Rekeyed
from flowplan.errors import FlowplanError, StateError, UsageProblem
from flowplan.model.address import Address, in_order
from flowplan.model.selection import held, matching
from flowplan.operations.history import hold_nothing_forgotten, last_known, listed, newest_serial
from flowplan.operations.opening.loading import has_begun_none, has_none, hold_not_lost, load_of_any_api
from flowplan.operations.opening.saving import keep_version, save_state, saying_so_far
from flowplan.state.codec import load
from flowplan.state.history import PutBack, replaced
from flowplan.state.moving import hold_in_use
from flowplan.state.outputs import with_addresses
from flowplan.state.paid import Ledger, OpenLedger
from flowplan.state.state import PLANS_KEPT, Binding, State, consistent, readdressed

if TYPE_CHECKING:
    from flowplan.backends.store import Loaded
    from flowplan.operations.opening.session import Session
    from flowplan.state.history import Rewritten
    from flowplan.state.restored import Restored


def whole(session: Session) -> Kept:
    """The state, with what its journal holds on top of it, and what is in doubt. Raises StateError."""
    loaded = load_of_any_api(session)
    return Kept(loaded.state, list(loaded.pending.values()))


def resources(session: Session, patterns: Sequence[str] = ()) -> list[Binding]:
    """What the state holds, in the order of addresses: all, or what `patterns` mean. Raises UsageProblem for what is no
    pattern, FlowplanError for one that means nothing, StateError."""
    try:
        asked = [held(pattern) for pattern in patterns]
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    bindings = load_of_any_api(session).state.bindings
    meant = {pattern: matching(pattern, bindings) for pattern in asked}
    for pattern, found in meant.items():
        if not found:
            raise _not_there(pattern, bindings)
    shown = frozenset().union(*meant.values()) if asked else bindings.keys()
    return [bindings[address] for address in sorted(shown, key=in_order)]


def resource(session: Session, address: str) -> Binding:
    """What `address` is in the state. Raises UsageProblem, StateError, FlowplanError with a near one."""
    return bound(address, load_of_any_api(session).state.bindings)


def release(session: Session, address: str) -> Binding:
    """Release one address, and the ports of a bid with it: the object itself is not touched, nor looked at, so that
    this needs no API. Returns what the state held. Raises UsageProblem, FlowplanError for an address that is not there
    or in doubt."""
    if _has_begun_none(session):
        bound(address, {})
    with session.changing():
        loaded = load_of_any_api(session)
        binding = bound(address, loaded.state.bindings)
        left = {binding.address}
        released = loaded.state.released
        if binding.address.kind == "bid":
            left.add(Address("ports", binding.address.name))
            released |= {binding.id}
        _hold_certain(left, loaded)
        kept = {one: b for one, b in loaded.state.bindings.items() if one not in left}
        new = attrs.evolve(loaded.state, bindings=consistent(kept), released=released)
        new = new.with_lost(loaded.state.bindings.values())
        save_state(session, new, loaded.pending.values(), before=loaded.before, stated=True)
    return binding


def move(session: Session, old: str, new: str) -> dict[Address, Address]:
    """Give a resource, the ports of a bid, and earlier bids that its successor has not replaced yet, another address.
    Returns old -> new. Raises as `release` does."""
    if _has_begun_none(session):
        bound(old, {})
    with session.changing():
        loaded = load_of_any_api(session)
        moves = _moves(bound(old, loaded.state.bindings).address, new, loaded.state.bindings)
        _hold_certain([*moves, *moves.values()], loaded)
        kept = with_addresses(loaded.state, lambda one: moves.get(one, one))
        save_state(
            session,
            attrs.evolve(
                kept,
                bindings=readdressed(loaded.state.bindings, moves),
                paid=_ledger_moved(loaded.state, moves),
            ),
            loaded.pending.values(),
            before=loaded.before,
            stated=True,
        )
    return moves


def _ledger_moved(state: State, new: Mapping[Address, Address]) -> Ledger:
    """What the bids of each address were billed follows it."""
    paid = OpenLedger(state.paid)
    for old, address in new.items():
        if old.kind == "bid" and not old.is_earlier:
            paid.move(old, address)
    return paid.closed()


def rekey(session: Session, *, decrypt: bool = False) -> Rekeyed:
    """Encrypt the state, its backup and its versions again, for those whom the keys of this run name; to `decrypt`,
    write them in the clear. Raises UsageProblem without a key, FlowplanError where there is no state, StateError, also
    for recipients among whom is none of the keys of this run."""
    from flowplan.backends.keys import given_in

    none = FlowplanError("there is no state yet", hint="the first `flowplan apply` encrypts it")
    if _has_begun_none(session):
        raise none
    with session.changing():
        store = session.store
        seal = store.form.seal
        if seal is None:
            raise UsageProblem("no key is given", hint="set FLOWPLAN_AGE_KEY_FILE, or FLOWPLAN_PASSPHRASE")
        if not seal.recipients and not decrypt:
            raise UsageProblem(
                "no key is given but an old one, which encrypts nothing",
                hint="set FLOWPLAN_AGE_KEY_FILE, or FLOWPLAN_PASSPHRASE; --decrypt writes the state in the clear",
            )
        store.form.decrypt = decrypt
        loaded = load_of_any_api(session)
        if loaded.fresh:
            raise none
        store.form.change_recipients = True
        store.form.hold_recipients()  # before anything is written
        session.so_far = (
            "part of the state may have its new form already; to go on, run the same command again, with the "
            f"same {' and '.join(given_in(session.settings.environ))}"
        )
        with saying_so_far(session):
            saved, versions, dropped = _rewritten(session, loaded, first_versions=not decrypt)
    return Rekeyed(saved, () if decrypt else seal.recipients, versions, dropped)


def _rewritten(session: Session, loaded: Loaded, *, first_versions: bool) -> tuple[State, Rewritten, tuple[int, ...]]:
    """All of the state, which was `loaded`, written again: the state, the versions, and the serials of those that found
    no room. `first_versions`: the versions come first. Every command reads the state, and refuses one that it would
    write for others: as long as there is any version that too many can read, so is the state."""
    store, kept = session.store, session.store.versions()
    versions = store.rewrite_versions() if first_versions else None
    saved = save_state(session, loaded.state, loaded.pending.values(), before=loaded.before, stated=True)
    store.purge()
    left = {(one.lineage, one.serial) for one in store.versions()}
    if versions is None:
        versions = store.rewrite_versions()
    else:
        serials = {serial for _, serial in left}
        written = tuple(one for one in (*versions.written, saved.serial) if one in serials)
        versions = attrs.evolve(versions, written=written)
    return saved, versions, tuple(one.serial for one in kept if (one.lineage, one.serial) not in left)


def push(session: Session, data: bytes, name: str, *, force: bool = False) -> PutBack:
    """Make the state file `data`, called `name`, the state, which it must continue unless `force`; also where flowplan
    would no longer know objects that are in the state by then. Returns what `history.replaced` makes of the two, with
    the state as saved. Raises GuardRefused with those objects, StateError, also for data that are no state."""
    try:
        new = load(data, name)
    except StateError as error:
        error.hint = "push what `flowplan state pull` printed; the state here is unchanged"
        raise
    hold_in_use(new, name)
    with session.changing():
        loaded = session.read()
        if loaded.pending:
            raise StateError(
                "an operation of an earlier run is in doubt; this would lose its intent",
                hint="run `flowplan recover` first",
            )
        if loaded.journaled and not force:
            raise StateError(
                "the journal holds results of an interrupted run; this would lose them",
                hint="run `flowplan recover` first: it takes them into the state; --force drops them",
            )
        now = last_known(session, loaded, new.lineage, force=force)
        found = replaced(new, now)
        if not loaded.fresh and new.lineage != now.lineage:
            _hold_same_stack(found, now, name, force=force)
            session.listener.note(_lineages(now, new))
        if not force:
            hold_nothing_forgotten(found, name, lost=loaded.fresh)
            if not loaded.fresh:
                _hold_continued(now, new, name)
        serial = max(new.serial, now.serial, newest_serial(session, loaded, new.lineage))
        begun = sorted({*now.plans, *new.plans}, key=lambda plan: (plan.serial, plan.completed))
        plans = tuple({plan.sha256: plan for plan in begun}.values())[-PLANS_KEPT:]
        state = attrs.evolve(found.state, serial=serial, plans=plans, put_back=max(new.put_back, now.put_back))
        saved = save_state(session, state.as_put_back() if loaded.fresh else state, before=loaded.before)
        return attrs.evolve(found, state=saved)


def restore(session: Session) -> Restored:
    """Put the last good version of the state back, and what the journal holds since. Raises StateError."""
    if has_begun_none(session):  # what is refused leaves no lock there
        with session.looking():
            hold_not_lost(session)
            raise nothing_to_restore(session.store.name, session.store.read())
    with session.changing():
        if has_none(session):
            hold_not_lost(session)
        with session.saving():
            restored = session.store.restore()
        keep_version(session, restored.state, restored.state.bindings)
        return restored


def _has_begun_none(session: Session) -> bool:
    """As `loading.has_begun_none`; where it has begun none, raises as `load_of_any_api` does for one that has moved, or
    is lost."""
    if not has_begun_none(session):
        return False
    with session.looking():
        return load_of_any_api(session).fresh


def bound(address: str, bindings: Mapping[Address, Binding]) -> Binding:
    """What `address` is in the state. Raises UsageProblem, FlowplanError with a near one."""
    try:
        wanted = Address.given(address)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    if wanted not in bindings:
        raise _not_there(str(wanted), bindings)
    return bindings[wanted]


def _not_there(address: str, bindings: Iterable[Address]) -> FlowplanError:
    hint = candidates(address, map(str, bindings)) or "the state holds nothing"
    return FlowplanError(f"{address} is not in the state", hint=hint)


def _hold_certain(addresses: Container[Address], loaded: Loaded) -> None:
    """Raise FlowplanError when an operation on one of them is in doubt: it is about an address, and would lose it."""
    for intent in loaded.pending.values():
        if intent.address in addresses:
            raise FlowplanError(f"{intent.address} is in doubt", hint="run `flowplan recover` first")


def _moves(old: Address, new: str, bindings: Mapping[Address, Binding]) -> dict[Address, Address]:
    """What moves where. Raises UsageProblem for a place that cannot be, or is taken."""
    try:
        to = Address.new(new)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    if old.kind == "ports" or to.kind != old.kind:
        raise UsageProblem(
            f"{old} cannot become {to}",
            hint="ports move with their bid" if old.kind == "ports" else "the kind cannot change",
        )
    moved = {old: to}
    ports = Address("ports", old.name)
    if old.kind == "bid" and ports in bindings:
        moved[ports] = Address("ports", to.name)
    moved |= {one: to.followed_by(one) for one in bindings if one.is_earlier and one.current == old}
    taken = [address for address in moved.values() if address in bindings]
    if taken:
        raise UsageProblem(f"{taken[0]} is already in the state")
    return moved


def _hold_same_stack(found: PutBack, now: State, name: str, *, force: bool) -> None:
    """Raise StateError for the state of another stack, with what of `now` would be forgotten; unless `force`."""
    if not force:
        lacking = f"\nflowplan would forget what the state holds now:\n{listed(found.forgotten)}"
        detail = _lineages(now, found.state) + lacking * bool(found.forgotten)
        raise StateError(f"{name} belongs to another stack", detail=detail, hint="--force puts it here anyway")


def _hold_continued(now: State, new: State, name: str) -> None:
    """Raise StateError unless `new` is a later version of `now`, which is of the same stack."""
    same = (new.bindings, new.released, new.adopted) == (now.bindings, now.released, now.adopted)
    if new.serial < now.serial or (new.serial == now.serial and not same):
        raise StateError(
            f"{name} does not continue the state here: serial {new.serial}, here {now.serial}",
            hint="--force puts it here anyway",
        )


def _lineages(old: State, new: State) -> str:
    return f"lineage here {old.lineage} (serial {old.serial}), in the file {new.lineage} (serial {new.serial})"
