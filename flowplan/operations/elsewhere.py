"""The other states that a directory has used: where a command finds none, the one that was meant may be one of them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from attrs import frozen

from flowplan.backends.local import DEFAULT
from flowplan.backends.open import open_store
from flowplan.backends.store import Store
from flowplan.backends.used import Used, UsedStates
from flowplan.errors import FlowplanError, StateError
from flowplan.operations.settings import Settings
from flowplan.operations.which_state import Chosen
from flowplan.state.moving import command_word, moving
from flowplan.state.state import State


@frozen
class Elsewhere:
    """What is known of other states than that in `store`, which is the `chosen` one."""

    settings: Settings
    chosen: Chosen
    store: Store

    def note_begun(self) -> None:
        """A run is about to write its first word: one that is killed before it saves has used the state, too."""
        used = self._used(self.settings.api_url, None)
        if used is not None:
            self._states.note_begun(used)

    def note(self, state: State, in_doubt: int) -> None:
        """`state`, with so many operations in doubt, is what was read or saved: the next command here that finds no
        state goes by that."""
        used = self._used(state.api_url, len(state.bindings) + in_doubt)
        if used is not None:
            self._states.note(used)

    def forget(self) -> None:
        """The state has moved away."""
        self._states.forget(self.store.identity)

    def hold(self, *, removes: bool, warn: Callable[[str], None]) -> None:
        """There is no state. Raise StateError where this directory has used another one with resources, unless it was
        said for this very command which is meant: then `warn` gets that, but for a command that only `removes`, which
        would say that there is nothing to stop."""
        others = self._others()
        if not others:
            return
        first, name = others[0], self.store.name
        what = f"there is no state at {name} yet, but {first.where}, which was used here, {_holds(first)}"
        what += f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        if self.chosen.origin in ("option", "environment") and not removes:
            warn(f"{what}; what is made now is made beside that")
            return
        use = f"--state {command_word(first.where)}"
        if removes:
            raise StateError(what, hint=f"give {use} to destroy what is there")
        moves = f"{moving(first.where, name)} moves it there"
        raise StateError(what, hint=f"{moves}; {use} uses it where it is; `apply --init` starts a new state")

    @property
    def _states(self) -> UsedStates:
        return UsedStates(self.settings.directory)

    def _used(self, api_url: str, resources: int | None) -> Used | None:
        """None: it is flowplan.state.json, which needs no note: it is there to be looked at."""
        recorded = self.chosen.recorded(self.store.identity, self.settings.directory)
        if recorded is None:
            return None
        return Used(self.store.identity, self.store.name if self.chosen.is_url else recorded, api_url, resources)

    def _others(self) -> list[Used]:
        """The states of the same API that have resources, the directory's own first."""
        found, apis = [self._own(), *self._states.all()], ("", self.settings.api_url)
        return [one for one in found if one is not None and one.identity != self.store.identity and one.api_url in apis]

    def _own(self) -> Used | None:
        """That in flowplan.state.json; None: there is none in use, or it cannot be read."""
        settings = self.settings
        with suppress(FlowplanError, OSError):
            own = open_store(DEFAULT, settings.directory, settings.environ, form=settings.form())
            if own.exists():
                state = own.read().state
                if state.bindings and not state.moved_to:
                    return Used(own.identity, DEFAULT, state.api_url, len(state.bindings))
        return None


def _holds(used: Used) -> str:
    if used.resources is None:
        return "may have resources: the run that wrote there was cut off"
    return f"has {used.resources} resource{'' if used.resources == 1 else 's'}"
