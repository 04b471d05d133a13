"""The other states that a directory has used: where a command finds none, the one that was meant may be one of them."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import TYPE_CHECKING

from attrs import evolve

from flowplan.backends.open import open_store
from flowplan.backends.state_name import DEFAULT
from flowplan.backends.used import MOST_FILES, Used, UsedStates
from flowplan.classes import frozen
from flowplan.errors import FlowplanError, NotInUse, StateError
from flowplan.operations.opening.settings import Settings
from flowplan.operations.opening.sources import config_files
from flowplan.operations.opening.which_state import Chosen
from flowplan.printable import shown
from flowplan.state.moving import command_word, moving, never_applied

if TYPE_CHECKING:
    from flowplan.backends.store import Store
    from flowplan.config import Source
    from flowplan.state.state import State


_ALIKE = 0.9  # of two names: one letter of seven is missing
_NAMED = 3  # of several, how many a message names


@frozen
class Elsewhere:
    """What is known of other states than that in `store`, which is the `chosen` one."""

    settings: Settings
    chosen: Chosen
    store: Store
    paths: Sequence[str | Source] = ()

    def note_begun(self) -> None:
        """A run is about to write its first word: one that is killed before it saves has used the state, too."""
        used = self._used(self.settings.api_url, None)
        if used is not None:
            self._states.note_begun(used)

    def note(self, state: State, in_doubt: int, *, looked: bool = False) -> None:
        """`state`, with so many operations in doubt, is what was read or saved: the next command here that finds no
        state goes by that. One that was only `looked` at by --state may be anybody's."""
        used = self._used(state.api_url, len(state.bindings) + in_doubt, state.lineage)
        if used is None or (looked and self.chosen.origin == "option" and not self._states.knows(used.identity)):
            return
        if not state.moved_to:
            self._states.note(used)

    def forget(self) -> None:
        """The state has moved away."""
        self._states.forget(self.store.identity)

    def hold(self, *, removes: bool, warn: Callable[[str], None], note: Callable[[str], None] = lambda _: None) -> None:
        """There is no state. Raise StateError (NotInUse if the other one may be there) where this directory has used
        another one with resources, unless it was said for this very command which is meant: then `warn` gets that. Of a
        command that only `removes`, and would say that there is nothing to stop, it is an error too where a variable
        says so, or the name is nearly that of the other. `note` hears of what does not read."""
        for path in self._states.damaged():
            note(f"{shown(str(path))}, which says where a state was used, is damaged: remove it")
        others = self._others()
        if not others:
            return
        first, name = others[0], self.store.name
        what = f"there is no state at {name} yet, but {_used_here(others)}"
        if self.chosen.origin in ("option", "environment") and not removes:
            warn(f"{what}; what is made now is made beside that")
            return
        use = f"--state {command_word(first.where)}"
        near = any(_alike(name, one.where) for one in others)
        if self._is_missing(first):
            rebuilt = f"`flowplan recover --from-live {use}` rebuilds it from the markers of live bids"
            raise StateError(f"{what}, and is missing", hint=f"{rebuilt}; `flowplan apply --init` starts a new state")
        which = use if near else _each(others)
        if removes and self.chosen.origin == "option" and not near:
            warn(f"{what}; nothing of that is destroyed: give {which} for it")
            return
        if removes:
            never = "" if near else f"; {never_applied(name)}"
            raise NotInUse(what, hint=f"give {which} to destroy what is there{never}")
        moves = f"{moving(first.where, name)} moves it there"
        raise NotInUse(what, hint=f"{moves}; {use} uses it where it is; `flowplan apply --init` starts a new state")

    def tell(self, warn: Callable[[str], None]) -> None:
        """There is a state, and nothing in it, for a command that only removes: `warn` gets which other ones of this
        directory have resources. It may be one that was used before, and the name of the other was forgotten."""
        if others := self._others():
            has = f"{self.store.name} has no resources, but {_used_here(others)}"
            warn(f"{has}; give {_each(others)} to destroy what is there")

    def lineages(self) -> dict[str, str]:
        """The states that this directory has used, as `--state` names them, by their lineage where that is known."""
        own = self._own()
        found = {one.lineage: one.where for one in (*self._states.all(), *([own] if own is not None else []))}
        return {lineage: where for lineage, where in found.items() if lineage}

    def hold_not_rebuilt(self) -> None:
        """Raise StateError where a state would be rebuilt beside the one that this directory has used, as long as that
        is a file that is there, or on a server, and the command does not name the place of the new one: both would be
        applied from."""
        named = self.chosen.origin == "option"
        there = [one for one in self._others() if not (named if "://" in one.where else self._is_missing(one))]
        if there:
            first, name = there[0], self.store.name
            moves = f"{moving(first.where, name)} moves it there"
            lost = f"; if it is lost on its server, --state {command_word(name)} rebuilds it here"
            raise StateError(
                f"there is no state at {name}, but {_used_here([first])}",
                hint=f"{moves}; --state {command_word(first.where)} uses it where it is"
                + (lost if "://" in first.where else ""),
            )

    @property
    def _states(self) -> UsedStates:
        return UsedStates(self.settings.directory)

    def _used(self, api_url: str, resources: int | None, lineage: str = "") -> Used | None:
        """None: it is flowplan.state.json, which needs no note: it is there to be looked at."""
        recorded = self.chosen.recorded(self.store.identity, self.settings.directory)
        if recorded is None:
            return None
        where = self.store.typed or self.store.identity if self.chosen.is_url else recorded
        files = tuple(sorted(self._files()))
        return Used(self.store.identity, where, api_url, resources, lineage, files if len(files) <= MOST_FILES else ())

    def _files(self) -> set[str]:
        """Those of the command, as they are called from the directory."""
        here = os.path.realpath(self.settings.directory)
        return {os.path.relpath(one, here) for one in config_files(self.paths, self.settings.directory)}

    def _others(self) -> list[Used]:
        """The states of the same API that have resources: those whose name is nearly that of this one, the directory's
        own, the rest."""
        files, own = self._files(), self._own()
        known = [one for one in self._states.all() if self._is_about(one, files)]
        found = [self._as_it_is(one) for one in known if one.api_url in ("", self.settings.api_url)]
        others = [one for one in (own, *found) if one is not None and one.identity != self.store.identity]
        return sorted(others, key=lambda one: not _alike(self.store.name, one.where)) if len(others) > 1 else others

    def _is_about(self, used: Used, files: set[str]) -> bool:
        """Whether it may be of the stack in `files`: it is no other files', or those are gone."""
        there = [one for one in used.files if os.path.lexists(self.settings.directory / one)]
        return not files or not there or not files.isdisjoint(there)

    def _as_it_is(self, used: Used) -> Used | None:
        """`used`, of which a file is looked into: with the directory it may have moved, and others use it, too. None:
        it has nothing any more. A server is not asked: what is set for the one in use is not for another."""
        if "://" in used.where:
            return used
        try:
            store = self._store(used.where)
            loaded = store.read()
        except (FlowplanError, OSError):  # it counts as it was used last
            return used
        if loaded.fresh and used.resources is not None:
            return evolve(used, identity=store.identity)
        count = len(loaded.state.bindings) + len(loaded.pending)
        if loaded.state.moved_to or not count:
            self._states.forget(used.identity)
            return None
        return evolve(used, identity=store.identity, resources=len(loaded.state.bindings) or None)

    def _is_missing(self, used: Used) -> bool:
        """Whether that is a file, and proved not to be there, nor any trace of it."""
        if "://" in used.where:
            return False
        try:
            return self._store(used.where).read().fresh
        except (FlowplanError, OSError):
            return False

    def _store(self, where: str) -> Store:
        settings = self.settings
        return open_store(where, settings.directory, settings.environ, form=settings.form())

    def _own(self) -> Used | None:
        """That in flowplan.state.json; None: there is none in use, or it cannot be read."""
        with suppress(FlowplanError, OSError):
            own = self._store(DEFAULT)
            if own.exists():
                state = own.read().state
                if state.bindings and not state.moved_to:
                    return Used(own.identity, DEFAULT, state.api_url, len(state.bindings), state.lineage)
        return None


def _alike(name: str, other: str) -> bool:
    """Whether one may be meant for the other. Names that differ in their digits alone are those of a row."""
    from difflib import SequenceMatcher  # most runs have nothing that is alike

    rows = [re.sub(r"\d+", "", one) for one in (name, other)]
    stems = [PurePath(one).stem for one in (name, other)]
    return rows[0] != rows[1] and SequenceMatcher(None, stems[0], stems[1]).ratio() >= _ALIKE


def _each(others: Sequence[Used]) -> str:
    """What to type for one of them, whichever is meant."""
    return " or ".join(f"--state {command_word(one.where)}" for one in others[:_NAMED])


def _used_here(others: Sequence[Used]) -> str:
    first, *rest = others[:_NAMED]
    also = "".join(f", and {one.where} {_holds(one)}" for one in rest)
    more = f" (and {len(others) - _NAMED} more)" if len(others) > _NAMED else ""
    return f"{first.where}, which was used here, {_holds(first)}{also}{more}"


def _holds(used: Used) -> str:
    if used.resources is None:
        return "may have resources: the run that wrote there was cut off"
    return f"has {used.resources} resource{'' if used.resources == 1 else 's'}"
