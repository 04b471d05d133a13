"""How an operation saves the state, and keeps it among its versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from flowplan.errors import NoRoom, StateError
from flowplan.masking import masked
from flowplan.operations.opening.commit import commit_of
from flowplan.state.history import Change

if TYPE_CHECKING:
    from flowplan.model.address import Address
    from flowplan.operations.opening.session import Session
    from flowplan.state.records import Intent
    from flowplan.state.state import Binding, State


def save_state(
    session: Session,
    state: State,
    pending: Iterable[Intent] = (),
    *,
    before: Mapping[Address, Binding],
    stated: bool = False,
    stopped: str = "",
    plan_sha256: str = "",
    config_sha256: str = "",
) -> State:
    """Save `state` as `Store.save` does, and keep it among the versions, with who saved it: a version that cannot
    be kept is a note. `before`: what the state held when this operation began. Raises StateError; but where this
    run only stops what costs money, `stopped` says where that is recorded, and nothing can be written, that is
    noted, and the state returned as it was."""
    pending = tuple(pending)
    try:
        with saying_so_far(session), session.saving():
            saved = session.store.save(state, pending, stated=stated)
    except StateError as error:
        if not (isinstance(error, NoRoom) and stopped):
            raise
        session.listener.note(f"{error}; what was stopped {stopped}")
        return state
    session.elsewhere.note(saved, len(pending))
    keep_version(session, saved, before, plan_sha256, config_sha256)
    return saved


@contextmanager
def saying_so_far(session: Session) -> Iterator[None]:
    """A StateError within says, too, what is said of the operation where it is cut off."""
    try:
        yield
    except StateError as error:
        if session.so_far not in (error.detail or ""):
            error.detail = "\n".join(filter(None, [session.so_far, error.detail]))
        raise


def keep_version(
    session: Session, saved: State, before: Mapping[Address, Binding], plan_sha256: str = "", config_sha256: str = ""
) -> None:
    """Keep `saved`, which is the state now, among the versions; one that cannot be kept is a note."""
    owner = session.owner()
    change = Change(
        at=session.now(),
        who=owner.who,
        command=masked(session.settings.command()),
        ci=owner.ci or "",
        plan_sha256=plan_sha256,
        config_sha256=config_sha256,
        commit=commit_of(session.settings.directory, session.settings.environ),
    )
    try:
        session.store.keep(saved, change.between(before, saved.bindings))
    except StateError as error:
        session.listener.note(f"the state is saved, but not kept as a version: {error}")
